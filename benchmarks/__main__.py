"""The runner: ``python -m benchmarks NAME [--device cuda] [--threads N] [--runs N] [--only TEXT] [--json]``."""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import math
import sys
from typing import Any

import tinyseg

from .sides import LeftOut
from .timing import Case, Way, in_turn, ratios

NAMES = ("conv", "train_step", "predict", "memory", "startup", "scaling")
ON_GPU = "kernels"  # and those of ``gpu.NAMES`` that are named above, too


def built(case: Case, said: set[str]) -> dict[str, Way]:
    """The case's ways; why one is left out is said once."""
    ways = {}
    for name, build in case.ways.items():
        try:
            ways[name] = build()
        except LeftOut as reason:
            if str(reason) not in said:
                print(reason, file=sys.stderr, flush=True)
                said.add(str(reason))
    return ways


def summary(found: dict[str, dict[str, dict[str, float]]], name: str) -> dict[str, Any]:
    """Of one of our ways over a family: the geometric mean of the ratios of medians, and the worst case."""
    values = {title: of_case[name]["median"] for title, of_case in found.items() if name in of_case}
    worst = min(values, key=values.__getitem__)
    mean = math.exp(sum(map(math.log, values.values())) / len(values))
    return {"way": name, "cases": len(values), "mean": mean, "worst": values[worst], "worst_case": worst}


def print_case(case: Case, measured: Any, found: Any) -> None:
    """Minimum and median of each way, then the ratios."""
    print(f"  {case.title}")
    for name, values in measured.items():
        print(f"    {name:20}{values['min']:10.3f} {case.unit}, median{values['median']:10.3f}")
    for name, of_way in found.items():
        print(f"    best peer / {name}: {of_way['median']:.2f} (of the minima: {of_way['min']:.2f})", flush=True)


def main() -> None:
    """Measure all cases of one benchmark. A ratio is the best peer's median over ours: above 1, tinyseg is better."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("name", choices=(*NAMES, ON_GPU))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=tinyseg.get_num_threads())
    parser.add_argument("--runs", type=int, help="rounds that count; the default is the benchmark's own")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases that have TEXT in family or title")
    parser.add_argument("--json", action="store_true", help="one JSON object a line: the cases, then their family")
    arguments = parser.parse_args()
    if arguments.name == ON_GPU and arguments.device != "cuda":
        parser.error(f"{ON_GPU} goes with --device cuda")
    suite = importlib.import_module(
        "benchmarks.gpu" if arguments.device == "cuda" else f"benchmarks.{arguments.name}"
    )
    if arguments.device == "cuda" and arguments.name not in suite.NAMES:
        parser.error(f"--device cuda goes with {', '.join(suite.NAMES)}")
    runs, said = arguments.runs or suite.RUNS, set[str]()
    all_cases = suite.cases(arguments.name if arguments.device == "cuda" else arguments.threads)
    wanted = (case for case in all_cases if arguments.only in f"{case.family}: {case.title}")
    for family, cases in itertools.groupby(wanted, lambda case: case.family):
        if not arguments.json:
            print(family)
        found = {}
        for case in cases:
            measured = in_turn(built(case, said), runs, suite.WARM, case.unit)
            found[case.title] = ratios(measured)
            if arguments.json:
                row = {"family": family, "case": case.title, "threads": case.threads, "unit": case.unit}
                print(json.dumps({**row, "measured": measured, "ratios": found[case.title]}), flush=True)
            else:
                print_case(case, measured, found[case.title])
        for name in dict.fromkeys(name for of_case in found.values() for name in of_case):
            total = summary(found, name)
            if arguments.json:
                print(json.dumps({"family": family, **total}), flush=True)
            else:
                print(
                    f"  {family}: best peer / {name}, geometric mean of {total['cases']}: {total['mean']:.2f}, "
                    f"worst {total['worst']:.2f}: {total['worst_case']}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
