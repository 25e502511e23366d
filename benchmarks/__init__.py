"""tinyseg beside its peers, measured in turn in one call: ``python -m benchmarks NAME``."""
