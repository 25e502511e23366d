"""The version of this package, which runs and reports name."""

__version__ = "0.1.0"
