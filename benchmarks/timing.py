"""Measuring several ways of one thing in turn, so that a change of the machine's speed meets all of them."""

from __future__ import annotations

import operator
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OURS = "tinyseg"  # names of our ways start so; all others are peers
UNCOUNTED, COUNTED = 0.04, 0.02  # seconds

Way = Callable[[], Any]
Measured = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Case:
    """One thing to measure. ``ways`` are built one by one when the case's turn comes; one that cannot be built raises
    ``LeftOut``. Where the unit is ``ms`` a way is called and timed; else it returns what it has measured itself.
    """

    family: str
    title: str
    threads: int
    ways: Mapping[str, Callable[[], Way]]
    unit: str = "ms"


def in_turn(ways: Mapping[str, Way], runs: int, warm: int, unit: str = "ms") -> dict[str, dict[str, float]]:
    """The minimum and the median of each way over ``runs`` rounds, after ``warm`` rounds that do not count."""
    measure = clocked if unit == "ms" else operator.call
    rounds = [{name: measure(way) for name, way in ways.items()} for _ in range(warm + runs)][warm:]
    values = {name: [values[name] for values in rounds] for name in ways}
    return {name: {"min": min(of_way), "median": statistics.median(of_way)} for name, of_way in values.items()}


def clocked(way: Way) -> float:
    """Milliseconds of a call, over as many calls as fill 20 ms.

    Calls for 40 ms before them do not count: they find the caches full of what the way before them left there, and
    threads of another library still spinning, which takes a core away.
    """
    _calls(way, UNCOUNTED)
    return 1e3 * _calls(way, COUNTED)


def _calls(way: Way, seconds: float) -> float:
    """Seconds of a call, over as many calls as fill that time."""
    calls, start = 0, time.perf_counter()
    while True:
        way()
        calls, passed = calls + 1, time.perf_counter() - start
        if passed >= seconds:
            return passed / calls


def ratios(measured: Measured) -> dict[str, dict[str, float]]:
    """For each of our ways the best peer's value over ours, above 1 where tinyseg is better: of the minima, and of
    the medians; nothing where there is no peer.
    """
    peers = [values for name, values in measured.items() if not name.startswith(OURS)]
    return {
        name: {which: min(peer[which] for peer in peers) / values[which] for which in ("min", "median")}
        for name, values in measured.items()
        if peers and name.startswith(OURS)
    }


def fresh(code: str, **environment: str) -> float:
    """The number that a fresh interpreter prints when it runs ``code``."""
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{code}\n{done.stderr}")
    return float(done.stdout.split()[-1])
