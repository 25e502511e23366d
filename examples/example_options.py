"""What the examples share: the options --out and, for those that train, --quick."""

from __future__ import annotations

import argparse
import builtins
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple


class Options(NamedTuple):
    """Where pictures go, and whether training is cut short to less than a minute."""

    out: Path
    quick: bool


def example_options(description: str, trains: bool = False) -> Options:
    """The options of a script, which are said on the command line; a notebook gets the defaults.

    ``description``: the script's docstring, for ``--help``. ``trains``: there is ``--quick``. The folder is made, and
    printed.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the pictures (default: a temporary one)")
    if trains:
        parser.add_argument("--quick", action="store_true", help="train for less than a minute")
    in_notebook = hasattr(builtins, "get_ipython")
    given = parser.parse_args([] if in_notebook else sys.argv[1:])
    out = given.out or Path(tempfile.mkdtemp(prefix="tinyseg-"))
    out.mkdir(parents=True, exist_ok=True)
    print(f"pictures: {out}")
    return Options(out, trains and given.quick)
