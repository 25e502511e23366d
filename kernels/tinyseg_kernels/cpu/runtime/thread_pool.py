"""Threads that help with one job after another, and do not fall asleep at once when there is none.

Waking a thread takes the system some 40 microseconds, as long as a small kernel runs, and a training step hands out
a few hundred jobs, a few dozen microseconds apart. So a helper that has nothing to do first keeps looking for a
while, without the interpreter's lock, and so does who waits for the last helper.
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

# How often a helper looks before it sleeps: some 100 microseconds.
_LOOKS = 4000
# Pauses of a helper that has seen a job: some microseconds, in which its owner begins and lets go of the
# interpreter's lock. Whoever finds that taken is put to sleep by the system.
_PAUSES = 120

Scratch = tuple[int, Any]


@unlisted_kernel
def _look(place, value, looks, pauses):
    """place[0], some ``pauses`` after it is not ``value`` any more; or after so many looks."""
    for _ in range(looks):
        if load_acquire(place, 0) != value:
            for _ in range(pauses):
                pause()
            break
        pause()
    return load_acquire(place, 0)


_own = threading.local()


def _scratch(count: int, dtype: Any) -> Array:
    """So many numbers, this thread's alone until it asks again."""
    if guards.on:  # of exactly this size, so that the bands lie at its ends
        return empty((count,), dtype)
    size = count * np.dtype(dtype).itemsize
    memory: Array | None = getattr(_own, "memory", None)
    if memory is None or memory.size < size:
        _own.memory = memory = aligned(size)
    return memory[:size].view(dtype)


class Job:
    """The items of a kernel's work, dealt in chunks to whoever asks."""

    def __init__(
        self, kernel: Callable[..., None], count: int, grain: int, arguments: tuple[Any, ...], scratch: Scratch | None
    ) -> None:
        self.kernel, self.count, self.grain, self.arguments, self.scratch = kernel, count, grain, arguments, scratch
        self.starts = iter(range(0, count, grain))
        self.lock = threading.Lock()
        self.open = True
        self.inside = np.zeros(1, np.int64)  # helpers at work
        self.error: BaseException | None = None

    def work(self) -> None:
        """Take chunks until there are no more."""
        own = () if self.scratch is None else (_scratch(*self.scratch),)
        for start in self.starts:
            self.kernel(start, min(start + self.grain, self.count), *self.arguments, *own)

    def help(self) -> None:
        """``work``, in another thread than the one that waits for it, unless that one is through already."""
        with self.lock:
            if not self.open:
                return
            self.inside[0] += 1
        try:
            self.work()
        except BaseException as error:  # it belongs to the thread that waits
            self.error = error
        with self.lock:
            self.inside[0] -= 1

    def finish(self) -> None:
        """Let no more helpers in and wait for those that are; raises what went wrong in one of them."""
        with self.lock:
            self.open = False
        while inside := int(self.inside[0]):
            if _look(self.inside, inside, _LOOKS, _PAUSES) == inside:
                time.sleep(1e-5)  # the helper may be waiting for this very core
        if self.error is not None:
            raise self.error


class Crew:
    """Up to ``size`` helpers, for one job at a time; ``size`` is how many there are in the end."""

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
        except RuntimeError:  # the system starts no more threads: the work is done by those there are
            return
        except BaseException:  # Ctrl-C: nobody will have this crew
            self.close()
            raise

    def run(self, job: Job) -> None:
        """Do the job together. The caller holds ``busy``."""
        self._job = job
        self._call()
        try:
            job.work()
        finally:
            self._job = None
            job.finish()

    def close(self) -> None:
        """Send the helpers home, when they are done with what they do."""
        self._closed = True
        self._call()

    def _call(self) -> None:
        self._number[0] += 1
        if self._asleep:
            with self._change:
                self._change.notify_all()

    def _serve(self) -> None:
        seen = 0
        while not self._closed:
            if _look(self._number, seen, _LOOKS, _PAUSES) == seen:
                with self._change:
                    self._asleep += 1
                    self._change.wait_for(lambda seen=seen: self._number[0] != seen)  # type: ignore[misc]
                    self._asleep -= 1
            seen = int(self._number[0])
            if (job := self._job) is not None:
                job.help()
            del job  # its arrays must go back at once
