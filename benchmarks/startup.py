"""What a user waits for before the first result, in fresh processes: importing, and the first training step."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator

from .networks import unet
from .sides import SIDES, need
from .timing import Case, Way, fresh
from .train_step import step

RUNS, WARM = 3, 1


def _import(library: str) -> Way:
    need(library)
    code = f"import time; start = time.perf_counter(); import {library}; print(time.perf_counter() - start)"
    return functools.partial(fresh, code)


def _first_step(name: str, threads: int) -> Way:
    need(name.split()[0])
    code = "import time; start = time.perf_counter(); from benchmarks.startup import first_step; "
    return functools.partial(fresh, code + f"first_step({name!r}, {threads}); print(time.perf_counter() - start)")


def _first_step_uncached(threads: int) -> Way:
    def way() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return float(_first_step("tinyseg", threads)(TINYSEG_CACHE_DIR=folder))

    return way


def first_step(name: str, threads: int) -> None:
    """In the fresh process: the first training step of a U-Net."""
    step(name, threads, unet, 4, 128)()


def cases(threads: int) -> Iterator[Case]:
    """Seconds; a step's include importing and building the network."""
    imports = {name: functools.partial(_import, name) for name in ("tinyseg", "torch")}
    yield Case("import", "import", threads, imports, unit="s")
    family = "import and first U-Net training step"
    warm = {name: functools.partial(_first_step, name, threads) for name in SIDES}
    yield Case(family, "warm cache", threads, warm, unit="s")
    empty = {"tinyseg": functools.partial(_first_step_uncached, threads)}
    yield Case(family, "empty cache", threads, empty, unit="s")
