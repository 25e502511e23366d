"""Spreading a kernel over threads.

A kernel handles the items ``start <= item < stop`` of its work, releases the interpreter lock, and items do not
depend on each other; so the same bits come out however they are scheduled. Sums over many items are therefore made in
two kernels: the first writes one partial sum an item (an item is then a block whose size follows from the shape
alone), the second adds these in order.

These are Python threads of our own and not Numba's ``parallel=True``: kernels compile in half the time, any number
of Python threads may call them at once (one has the worker threads, the others work alone meanwhile), and a forked
child simply starts a thread pool of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from .thread_pool import Job, Scratch, ThreadPool


def _cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _State:
    """The number of threads, and the pool of one less: the calling thread works too."""

    def __init__(self) -> None:
        self.threads = _cores()
        self.pool: ThreadPool | None = None
        self.lock = threading.Lock()

    def workers(self) -> ThreadPool:
        with self.lock:
            if self.pool is None:
                self.pool = ThreadPool(self.threads - 1)
                self.threads = 1 + self.pool.size
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
                _state.pool.close()
            _state.threads, _state.pool = count, None


def get_num_threads() -> int:
    """How many threads kernels use."""
    return _state.threads


def run(kernel: Callable[..., None], count: int, grain: int, *arguments: Any, scratch: Scratch | None = None) -> None:
    """Call ``kernel(start, stop, *arguments)`` over the items ``0 .. count - 1``, ``grain`` of them at a time.

    ``grain`` should make a chunk last some 30 microseconds or more: handing one to a thread costs a few. With
    ``scratch`` (how many numbers of which type) the kernel gets one argument more, an array of that size that no
    other thread uses: what is in it at the start of a chunk is left over from anything.
    """
    if count <= 0:
        return
    grain = max(1, grain)
    if count <= grain or _state.threads == 1:
        Job(kernel, count, count, arguments, scratch).work()
        return
    job = Job(kernel, count, grain, arguments, scratch)
    pool = _state.workers()
    if not pool.busy.acquire(blocking=False):  # another Python thread has the workers
        job.work()
        return
    try:
        pool.run(job)
    finally:
        pool.busy.release()
