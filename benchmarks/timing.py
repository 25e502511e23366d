"""Timing several ways of doing the same thing in turn, so that a change of the machine's speed meets all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any


def in_turn(ways: Mapping[str, Callable[[], Any]], runs: int = 7, warm: int = 2) -> dict[str, dict[str, float]]:
    """Milliseconds of each way: the minimum and the median over ``runs`` rounds, after ``warm`` that do not count."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(warm + runs):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if turn >= warm:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: {"min": min(values), "median": statistics.median(values)} for name, values in times.items()}


def ratio(measured: Mapping[str, Mapping[str, float]]) -> float:
    """The best peer's median over ours: above 1 where tinyseg is faster."""
    peers = [values["median"] for name, values in measured.items() if name != "tinyseg"]
    return min(peers) / measured["tinyseg"]["median"]
