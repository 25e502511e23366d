"""tinyseg beside its peers, timed in turn in one process. ``python -m benchmarks NAME``."""
