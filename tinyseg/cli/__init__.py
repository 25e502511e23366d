"""The command line: a command a file. It parses, calls ``engine``, and prints."""

from .common import app

# The order of these is the order of the commands in the help.
from . import train, evaluate, predict, info, models, weights, warmup, gradcheck  # isort: skip

__all__ = ["app", "evaluate", "gradcheck", "info", "main", "models", "predict", "train", "warmup", "weights"]


def main() -> None:
    """The entry point of the command ``tinyseg``."""
    app()
