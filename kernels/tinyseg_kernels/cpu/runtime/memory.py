"""Large buffers from a pool: memory that was in use a moment ago is handed out again.

A fresh page costs: the system clears it when it is first touched, some quarter of a millisecond a megabyte. A
training step needs the same few hundred arrays again and again, so what is let go is kept, sorted by size, until it
is wanted or more than a limit lies idle.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np

from ...reference.array import Array
from . import guards

_ALIGNMENT = 64  # bytes: a line of the cache; a vector that lies across two takes twice as long to load
_SMALLEST = 1 << 16  # bytes; below it NumPy's allocator is as good
_STEPS = 8  # sizes between a power of two and the next: at most an eighth is wasted
IDLE_LIMIT = 2 << 30  # bytes; what was idle longest goes first


def aligned(size: int) -> Array:
    """So many bytes, the first one at the beginning of a cache line."""
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    skip = -memory.__array_interface__["data"][0] % _ALIGNMENT
    return memory[skip : skip + size]


def _rounded(size: int) -> int:
    step = max(1 << max(size.bit_length() - 1, 0) >> _STEPS.bit_length() - 1, 4096)
    return -(-size // step) * step


class Statistics(NamedTuple):
    """How many buffers the system had to give, how many had been in use before, and the bytes that wait now."""

    fresh: int
    reused: int
    idle_bytes: int


class _Lease:
    """Owner of a piece of memory; when the last array that looks at it is gone, the memory goes back to the pool."""

    __slots__ = ("__array_interface__", "memory", "pool")

    def __init__(self, pool: _Pool, memory: Array) -> None:
        self.pool, self.memory = pool, memory
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        self.pool.give_back(self.memory)


class _Pool:
    """Idle memory by size, the sizes that were wanted last at the end."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.idle: OrderedDict[int, list[Array]] = OrderedDict()
        self.idle_bytes = 0
        self.fresh = self.reused = 0
        # Re-entrant: the collector may end a lease while this thread is inside.
        self.lock = threading.RLock()

    def take(self, size: int) -> Array:
        """``size`` bytes; they go back by themselves when no array looks at them any more."""
        size = _rounded(size)
        with self.lock:
            if size in self.idle:
                self.reused += 1
                memory = self._pop(size)
            else:
                self.fresh += 1
                memory = aligned(size)
        return np.asarray(_Lease(self, memory))

    def give_back(self, memory: Array) -> None:
        """Keep it for the next one, and let go of what has waited longest if it becomes too much."""
        with self.lock:
            self.idle.setdefault(memory.size, []).append(memory)
            self.idle.move_to_end(memory.size)
            self.idle_bytes += memory.size
            while self.idle_bytes > self.limit:
                self._pop(next(iter(self.idle)))

    def _pop(self, size: int) -> Array:
        waiting = self.idle[size]
        memory = waiting.pop()
        self.idle_bytes -= size
        if not waiting:
            del self.idle[size]
        return memory

    def clear(self) -> None:
        """Let all idle memory go."""
        with self.lock:
            self.idle.clear()
            self.idle_bytes = 0


_pool = _Pool(IDLE_LIMIT)


def _renew_lock() -> None:
    """In a forked child: a thread that held the lock in the parent does not exist here to let it go."""
    _pool.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def statistics() -> Statistics:
    """What the pool has done since the process began: a training step that finds all it needs adds no fresh one."""
    return Statistics(_pool.fresh, _pool.reused, _pool.idle_bytes)


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """``np.empty``, large ones from the pool."""
    dtype = np.dtype(dtype)
    size = dtype.itemsize
    for length in shape:
        size *= length
    if guards.on:
        memory = guards.enclose(_bytes(guards.room(size)), size, shape, dtype)
    else:
        memory = _bytes(size)
    return memory.view(dtype).reshape(shape)


def _bytes(size: int) -> Array:
    return aligned(size) if size < _SMALLEST else _pool.take(size)[:size]


def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """``np.zeros``, large ones from the pool."""
    return full(shape, 0, dtype)


def full(shape: tuple[int, ...], value: Any, dtype: Any) -> Array:
    """``np.full``, large ones from the pool."""
    array = empty(shape, dtype)
    array[...] = value
    return array


def copied(array: Array) -> Array:
    """A copy in row-major order, a large one in memory from the pool."""
    copy = empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def contiguous(array: Array) -> Array:
    """The array itself if it lies in row-major order, else a copy that does."""
    return array if array.flags.c_contiguous else copied(array)


def empty_cache() -> None:
    """Give idle memory back to the system; see ``spec.py``."""
    _pool.clear()
