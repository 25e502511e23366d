"""The command line: a command a file. It parses, calls ``engine``, and prints."""

from .common import app, run

# The order of these is the order of the commands in the help.
from . import train, compare, presets, evaluate, predict, check, datasets, info, models, weights, warmup, gradcheck  # isort: skip

__all__ = [
    "app",
    "check",
    "compare",
    "datasets",
    "evaluate",
    "gradcheck",
    "info",
    "main",
    "models",
    "predict",
    "presets",
    "train",
    "warmup",
    "weights",
]


def main() -> None:
    """The entry point of the command ``tinyseg``."""
    run()
