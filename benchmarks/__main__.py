"""The runner: ``python -m benchmarks conv [--threads N] [--json]``."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json

import tinyseg

from .timing import in_turn, ratio

NAMES = ("conv", "train_step")


def main() -> None:
    """Time all cases of one benchmark and print milliseconds, and the best peer's median over ours."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="tinyseg beside its peers.")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--threads", type=int, default=tinyseg.get_num_threads())
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    asked = parser.parse_args()
    tinyseg.set_num_threads(asked.threads)
    if importlib.util.find_spec("torch") is None:
        print("torch is not installed and left out: pip install -e '.[bench]'")
    for title, ways in importlib.import_module(f"benchmarks.{asked.name}").cases():
        measured = in_turn(ways, asked.runs)
        if asked.json:
            print(json.dumps({"case": title, "threads": asked.threads, "ms": measured}), flush=True)
            continue
        print(title)
        for name, values in measured.items():
            print(f"    {name:20} {values['min']:9.2f} ms, median {values['median']:9.2f}")
        if len(measured) > 1:
            print(f"    best peer / tinyseg  {ratio(measured):9.2f}", flush=True)


if __name__ == "__main__":
    main()
