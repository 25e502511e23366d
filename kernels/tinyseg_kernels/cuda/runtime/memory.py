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

import numpy as np

_GRAIN = 512  # bytes: a block's size and place are multiples, so that vectors are loaded whole
_SMALL = 1 << 20  # bytes: requests up to here share segments
_SMALL_SEGMENT = 2 << 20
_MEDIUM = 10 << 20  # bytes: requests below it get a segment with room for more
_MEDIUM_SEGMENT = 20 << 20
_STEP = 2 << 20  # bytes: sizes of larger segments are multiples
_REPORT_BYTES = 64  # of a report: what the device tells the host
REPORTS_BYTES = 1024 * _REPORT_BYTES  # are allocated at a time


class OutOfDeviceMemory(MemoryError):
    """The device has not enough memory left; all numbers are bytes."""

    def __init__(self, requested: int, free: int, total: int, allocated: int) -> None:
        super().__init__(requested, free, total, allocated)
        self.requested, self.free, self.total, self.allocated = requested, free, total, allocated

    def __str__(self) -> str:
        return (
            f"cuda: out of memory: {in_units(self.requested)} were asked for, {in_units(self.free)} of"
            f" {in_units(self.total)} are free, and tensors hold {in_units(self.allocated)}; a smaller batch or"
            " smaller images need less"
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
        """A segment is given back; nothing that was queued uses it any more."""
        ...

    def synchronize(self) -> None:
        """Wait until all that was queued is done."""
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
        """Give all segments in which nothing is in use back to the driver.

        Launches that are still queued may use them, and the driver does not promise to wait, so this does.
        """
        with self.usage.lock:
            self._take_back()
            whole: list[Block] = []
            kept: dict[bool, list[tuple[int, int, Block]]] = {True: [], False: []}
            for small, blocks in self._free.items():
                for entry in blocks:
                    block = entry[2]
                    if block.previous is None and block.next is None:
                        whole.append(block)
                    else:
                        kept[small].append(entry)
            if not whole:
                return
            self.system.synchronize()
            self._free = kept
            for block in whole:
                self.usage.reserved -= block.size
                self.system.free(block.address)

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


class Reports(Protocol):
    """What host storage needs of a device. A *slot* is an address for kernels, the same bytes for the host, and a
    mark of the last launch that writes there (None: there was none).
    """

    reports: deque[tuple[int, Any, Any]]

    def new_reports(self) -> None:
        """Add slots to ``reports``."""
        ...

    def mark(self, previous: Any) -> Any:
        """A mark of what is queued now; it may be the ``previous`` one, moved."""
        ...

    def reach(self, mark: Any) -> None:
        """Wait until what was queued at the mark is done."""
        ...


class HostStorage:
    """A few bytes of the host's memory that kernels write and the host reads without a copy.

    It knows the last launch that writes to it, and ``read`` waits for that one.
    """

    __slots__ = ("__weakref__", "_device", "_elements", "_mark", "address", "size")

    def __init__(self, device: Reports, size: int) -> None:
        slot = None
        while slot is None:
            try:
                slot = device.reports.pop()
            except IndexError:
                device.new_reports()
        self._device, self.size = device, size
        self.address, self._elements, self._mark = slot

    def is_written(self) -> None:
        """A launch that writes here was queued just now."""
        self._mark = self._device.mark(self._mark)

    def read(self, start: int, count: int) -> Any:
        """Bytes, as the kernels that were launched so far leave them."""
        if self._mark is not None:
            self._device.reach(self._mark)
        return self._elements[start : start + count]

    @property
    def elements(self) -> Any:
        """The bytes as a simulated kernel sees them."""
        return self._elements

    def __del__(self) -> None:
        if hasattr(self, "_mark"):
            self._device.reports.append((self.address, self._elements, self._mark))


def report_slots(address: int, memory: Any) -> list[tuple[int, Any, Any]]:
    """Memory of ``REPORTS_BYTES``, cut into slots."""
    whole, starts = np.frombuffer(memory, np.uint8), range(0, REPORTS_BYTES, _REPORT_BYTES)
    return [(address + start, whole[start : start + _REPORT_BYTES], None) for start in starts]


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
