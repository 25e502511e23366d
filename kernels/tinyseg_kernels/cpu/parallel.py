"""Spreading a kernel over threads.

A kernel handles the items ``start <= item < stop`` of its work, releases the interpreter lock, and items do not
depend on each other; so the same bits come out however they are dealt. Sums over many items are therefore made in
two kernels: the first writes one partial sum an item (an item is then a block whose size follows from the shape
alone), the second adds these in order.

This is a pool of Python threads and not Numba's ``parallel=True``: kernels compile in half the time, any number of
Python threads may call them at once, and a forked child simply starts a pool of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .memory import Array, empty


def _cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _State:
    """The number of threads and their pool (one less: the calling thread works too)."""

    def __init__(self) -> None:
        self.threads = _cores()
        self.pool: ThreadPoolExecutor | None = None
        self.lock = threading.Lock()

    def helpers(self) -> ThreadPoolExecutor:
        with self.lock:
            if self.pool is None:
                self.pool = ThreadPoolExecutor(max(1, self.threads - 1), thread_name_prefix="tinyseg-kernel")
            return self.pool


_state = _State()


def _forget_pool() -> None:
    """In a forked child: its parent's threads do not exist here."""
    _state.pool = None
    _state.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def set_num_threads(count: int) -> None:
    """Use ``count`` threads from now on; see ``spec.py``."""
    with _state.lock:
        if count != _state.threads:
            if _state.pool is not None:
                _state.pool.shutdown(wait=False)
            _state.threads, _state.pool = count, None


def get_num_threads() -> int:
    """How many threads kernels use."""
    return _state.threads


def run(kernel: Callable[..., None], count: int, grain: int, *arguments: Any, scratch: Scratch | None = None) -> None:
    """Call ``kernel(start, stop, *arguments)`` over the items ``0 .. count - 1``, ``grain`` of them at a time.

    ``grain`` should make a chunk last some 100 microseconds or more: handing one to a thread costs about 10.
    With ``scratch`` (how many numbers of which type) the kernel gets one argument more, an array of that size that
    no other thread uses: what is in it at the start of a chunk is left over from anything.
    """
    grain = max(1, grain)
    chunks = -(-count // grain)
    if chunks <= 1 or _state.threads == 1:
        if count > 0:
            kernel(0, count, *arguments, *_own(scratch))
        return
    starts = iter(range(0, count, grain))
    job = [(kernel, arguments)]

    def work() -> None:
        function, given = job[0]
        own = _own(scratch)
        for start in starts:  # each thread takes the next chunk when it has done its last
            function(start, min(start + grain, count), *given, *own)

    pool = _state.helpers()
    tasks = []
    for _ in range(min(_state.threads, chunks) - 1):
        try:
            tasks.append(pool.submit(work))
        except RuntimeError:  # set_num_threads in another thread has just closed this pool
            break
    work()
    for task in tasks:
        if not task.cancel():
            task.result()
    # The pool lets go of ``work`` when it comes to it; the arrays must go back to theirs at once.
    job.clear()


Scratch = tuple[int, Any]


def _own(scratch: Scratch | None) -> tuple[Array, ...]:
    return () if scratch is None else (empty((scratch[0],), scratch[1]),)
