"""Device memory from a pool: what is let go is handed out again without asking the driver, which would wait for it.

All kernels run on one stream, one after another. So memory may be given to a new array while kernels that read the
old one are still to run: whatever writes to it comes later.

A *segment* is what the driver gave; it is cut into *blocks*, that know their neighbours and are joined again when
both are free. Requests up to a megabyte share segments of two, so that many small arrays do not lie scattered among
the large ones.
"""

from __future__ import annotations

import bisect
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

_GRAIN = 512  # bytes: a block's size and place are multiples, so that vectors are loaded whole
_SMALL = 1 << 20  # bytes: requests up to here share segments
_SMALL_SEGMENT = 2 << 20
_MEDIUM = 10 << 20  # bytes: requests below it get a segment with room for more
_MEDIUM_SEGMENT = 20 << 20
_STEP = 2 << 20  # bytes: sizes of larger segments are multiples


class OutOfDeviceMemory(MemoryError):
    """The device has not enough memory left; all numbers are bytes."""

    def __init__(self, requested: int, free: int, total: int, allocated: int) -> None:
        super().__init__(requested, free, total, allocated)
        self.requested, self.free, self.total, self.allocated = requested, free, total, allocated

    def __str__(self) -> str:
        return (
            f"cuda: out of memory: {in_units(self.requested)} were asked for, {in_units(self.free)} of"
            f" {in_units(self.total)} are free, and tensors hold {in_units(self.allocated)}"
        )


def in_units(size: int) -> str:
    """``1.5 GiB`` and the like."""
    value = float(size)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


class System(Protocol):
    """Where segments come from; ``allocate`` returns an address, or None if there is not enough."""

    def allocate(self, size: int) -> int | None:
        """A new segment."""
        ...

    def free(self, address: int) -> None:
        """A segment is given back."""
        ...

    def info(self) -> tuple[int, int]:
        """Free and total bytes."""
        ...


class Block:
    """A piece of a segment."""

    __slots__ = ("address", "is_free", "next", "previous", "size", "small")

    def __init__(self, address: int, size: int, small: bool) -> None:
        self.address, self.size, self.small = address, size, small
        self.previous: Block | None = None
        self.next: Block | None = None
        self.is_free = True


def _key(block: Block) -> tuple[int, int]:
    return block.size, block.address


class Usage:
    """Bytes that arrays hold, the most of that, and what the driver has given; of all pools of a device together."""

    def __init__(self) -> None:
        self.allocated = self.most_allocated = self.reserved = 0
        self.lock = threading.RLock()


class Pool:
    """Hands out blocks, the smallest that is large enough, and takes them back."""

    def __init__(self, system: System, usage: Usage | None = None) -> None:
        self.system, self.usage = system, usage or Usage()
        self._free: dict[bool, list[tuple[int, int, Block]]] = {True: [], False: []}  # small and large, by size
        # Blocks come back whenever the collector finds an array, perhaps while this thread is inside: they wait here.
        self._returned: deque[Block] = deque()

    def count(self) -> Usage:
        """The usage, with what has come back meanwhile."""
        with self.usage.lock:
            self._take_back()
        return self.usage

    def take(self, size: int) -> Block:
        """A block of at least ``size`` bytes; raises ``OutOfDeviceMemory``."""
        size = -(-max(size, 1) // _GRAIN) * _GRAIN
        small = size <= _SMALL
        with self.usage.lock:
            self._take_back()
            block = self._best_fit(size, small) or self._new_segment(size, small)
            self._split(block, size)
            block.is_free = False
            usage = self.usage
            usage.allocated += block.size
            usage.most_allocated = max(usage.most_allocated, usage.allocated)
        return block

    def give_back(self, block: Block) -> None:
        """Its array is gone."""
        self._returned.append(block)

    def empty(self) -> None:
        """Give all segments in which nothing is in use back to the driver."""
        with self.usage.lock:
            self._take_back()
            for small, blocks in self._free.items():
                kept = []
                for entry in blocks:
                    block = entry[2]
                    if block.previous is None and block.next is None:
                        self.system.free(block.address)
                        self.usage.reserved -= block.size
                    else:
                        kept.append(entry)
                self._free[small] = kept

    def _best_fit(self, size: int, small: bool) -> Block | None:
        blocks = self._free[small]
        place = bisect.bisect_left(blocks, (size, 0))
        return blocks.pop(place)[2] if place < len(blocks) else None

    def _new_segment(self, size: int, small: bool) -> Block:
        if small:
            wanted = _SMALL_SEGMENT
        elif size < _MEDIUM:
            wanted = _MEDIUM_SEGMENT
        else:
            wanted = -(-size // _STEP) * _STEP
        for attempt in (wanted, wanted, size):
            address = self.system.allocate(attempt)
            if address is not None:
                self.usage.reserved += attempt
                return Block(address, attempt, small)
            self.empty()
        raise OutOfDeviceMemory(size, *self.system.info(), self.usage.allocated)

    def _split(self, block: Block, size: int) -> None:
        """Keep ``size`` bytes of a block and let the rest be free, if it is worth it."""
        rest = block.size - size
        if rest < (_GRAIN if block.small else _SMALL):
            return
        other = Block(block.address + size, rest, block.small)
        other.previous, other.next = block, block.next
        if block.next is not None:
            block.next.previous = other
        block.next, block.size = other, size
        self._keep(other)

    def _keep(self, block: Block) -> None:
        block.is_free = True
        bisect.insort(self._free[block.small], (block.size, block.address, block))

    def _forget(self, block: Block) -> None:
        blocks = self._free[block.small]
        del blocks[bisect.bisect_left(blocks, _key(block))]

    def _take_back(self) -> None:
        while self._returned:
            block = self._returned.popleft()
            self.usage.allocated -= block.size
            if block.next is not None and block.next.is_free:
                self._forget(block.next)
                self._join(block)
            if block.previous is not None and block.previous.is_free:
                block = block.previous
                self._forget(block)
                self._join(block)
            self._keep(block)

    @staticmethod
    def _join(block: Block) -> None:
        """Make a block and the next one a single block."""
        other = block.next
        if other is None:
            return
        block.size += other.size
        block.next = other.next
        if other.next is not None:
            other.next.previous = block


class HostStorage:
    """A few bytes of the host's memory that the device writes and the host reads, once it has waited, for nothing."""

    __slots__ = ("__weakref__", "_free", "address", "elements", "size")

    def __init__(self, free: deque[Any], size: int) -> None:
        self._free, self.size = free, size
        self.address, self.elements = free.pop()

    def __del__(self) -> None:
        if hasattr(self, "elements"):
            self._free.append((self.address, self.elements))


class Storage:
    """Memory that arrays share; it goes back to the pool with the last of them."""

    __slots__ = ("__weakref__", "_give_back", "address", "block", "elements", "pool", "size")

    def __init__(self, pool: Pool, size: int, elements: Any = None) -> None:
        self.block, self.pool = pool.take(size), pool
        self.address, self.size, self.elements = self.block.address, size, elements
        self._give_back: Callable[[Block], None] = pool.give_back

    def __del__(self) -> None:
        if hasattr(self, "_give_back"):
            self._give_back(self.block)
