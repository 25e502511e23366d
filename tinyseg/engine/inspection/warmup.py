"""Compiling the kernels in advance, so that the first command that needs them need not wait."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from ... import backend, compilation


@dataclass(frozen=True)
class WarmKernel:
    """A kernel that is ready now: the how manieth of how many, its name, and how long it took."""

    number: int
    total: int
    name: str
    seconds: float


def warmup(double: bool = False, processes: int | None = None) -> Iterator[WarmKernel]:
    """Compile every kernel of the cpu device into the cache on disk: for float32, with ``double`` for float64, too.

    Numba compiles one function at a time in a process, so several processes share the work: by default one for each
    thread that kernels use. They are started afresh and import the calling script; one that calls this must do so
    under ``if __name__ == "__main__":``.
    """
    dtypes = ("float32", "float64") if double else ("float32",)
    names = compilation.kernels_to_compile()
    pool = ProcessPoolExecutor(processes or backend.get_num_threads(), multiprocessing.get_context("spawn"))
    try:
        tasks = {pool.submit(_compile, [name], dtypes): name for name in names}
        for number, task in enumerate(as_completed(tasks), 1):
            yield WarmKernel(number, len(names), tasks[task], task.result())
        # Two processes that write the same entry of the cache at once may lose one; this finds all else there.
        pool.submit(_compile, names, dtypes).result()
    finally:
        pool.shutdown(cancel_futures=True)


def _compile(names: Sequence[str], dtypes: Sequence[str]) -> float:
    """Compile some kernels; the seconds it took."""
    start = time.perf_counter()
    for name in names:
        for dtype in dtypes:
            compilation.compile_kernel(name, dtype)
    return time.perf_counter() - start
