"""A pool of worker threads that run one job after another, and spin for a while before they sleep.

Waking a thread takes the operating system some 40 microseconds, as long as a small kernel runs, and a training step
has a few hundred jobs, a few dozen microseconds apart. So a worker without a job first spins, without the
interpreter's lock, and so does the thread that waits for the last worker.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from . import guards
from .atomic import load_acquire, pause
from .compiler import unlisted_kernel
from .layout import Array
from .memory import aligned, empty

# How often a worker reads before it sleeps: some 100 microseconds.
_SPINS = 4000
# Pauses of a worker that has seen a job: some microseconds, in which the job's owner begins and lets go of the
# interpreter's lock. A thread that finds the lock taken is put to sleep by the operating system.
_PAUSES = 120

Scratch = tuple[int, Any]


@unlisted_kernel
def _wait_for_change(place, value, spins, pauses):
    """place[0], ``pauses`` pauses after it is not ``value`` any more, or after ``spins`` reads of it."""
    for _ in range(spins):
        if load_acquire(place, 0) != value:
            for _ in range(pauses):
                pause()
            break
        pause()
    return load_acquire(place, 0)


_thread = threading.local()


def _scratch(count: int, dtype: Any) -> Array:
    """An array of ``count`` numbers that only this thread uses, until its next call."""
    if guards.on:  # of exactly this size, so that the bands lie at its ends
        return empty((count,), dtype)
    size = count * np.dtype(dtype).itemsize
    memory: Array | None = getattr(_thread, "memory", None)
    if memory is None or memory.size < size:
        _thread.memory = memory = aligned(size)
    return memory[:size].view(dtype)


class Job:
    """The items of a kernel's work, scheduled in chunks to the threads that are free."""

    def __init__(
        self, kernel: Callable[..., None], count: int, grain: int, arguments: tuple[Any, ...], scratch: Scratch | None
    ) -> None:
        self.kernel, self.count, self.grain, self.arguments, self.scratch = kernel, count, grain, arguments, scratch
        self.starts = iter(range(0, count, grain))
        self.lock = threading.Lock()
        self.open = True
        self.working = np.zeros(1, np.int64)  # workers in ``join``
        self.error: BaseException | None = None

    def work(self) -> None:
        """Take chunks until there are no more."""
        own = () if self.scratch is None else (_scratch(*self.scratch),)
        for start in self.starts:
            self.kernel(start, min(start + self.grain, self.count), *self.arguments, *own)

    def join(self) -> None:
        """``work`` in a worker thread, unless the owner has finished the job already."""
        with self.lock:
            if not self.open:
                return
            self.working[0] += 1
        try:
            self.work()
        except BaseException as error:  # it belongs to the thread that waits
            self.error = error
        with self.lock:
            self.working[0] -= 1

    def finish(self) -> None:
        """Let no more workers join and wait for those that have; raises what went wrong in one of them."""
        with self.lock:
            self.open = False
        while working := int(self.working[0]):
            if _wait_for_change(self.working, working, _SPINS, _PAUSES) == working:
                time.sleep(1e-5)  # the worker may be waiting for this very core
        if self.error is not None:
            raise self.error


class ThreadPool:
    """Up to ``size`` worker threads, for one job at a time; ``size`` is the number that could be started."""

    def __init__(self, size: int) -> None:
        self.busy = threading.Lock()
        self._job: Job | None = None
        self._number = np.zeros(1, np.int64)  # counts jobs
        self._change = threading.Condition()
        self._asleep, self._closed = 0, False
        self.size = 0
        try:
            for i in range(size):
                threading.Thread(target=self._serve, name=f"tinyseg-kernel-{i}", daemon=True).start()
                self.size += 1
        except RuntimeError:  # the system starts no more threads: those there are do the work
            return
        except BaseException:  # Ctrl-C: the caller does not get this pool
            self.close()
            raise

    def run(self, job: Job) -> None:
        """Run the job in this thread and the workers. The caller holds ``busy``."""
        self._job = job
        self._wake()
        try:
            job.work()
        finally:
            self._job = None
            job.finish()

    def close(self) -> None:
        """End the workers when they have finished what they do."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._number[0] += 1
        if self._asleep:
            with self._change:
                self._change.notify_all()

    def _serve(self) -> None:
        seen = 0
        while not self._closed:
            if _wait_for_change(self._number, seen, _SPINS, _PAUSES) == seen:
                with self._change:
                    self._asleep += 1
                    self._change.wait_for(lambda seen=seen: self._number[0] != seen)  # type: ignore[misc]
                    self._asleep -= 1
            seen = int(self._number[0])
            if (job := self._job) is not None:
                job.join()
            del job  # its arrays must go back at once
