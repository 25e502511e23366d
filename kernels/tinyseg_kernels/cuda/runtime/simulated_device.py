"""The device's place, taken by the simulator: the memory and the copies of what ``simulator.py`` runs.

With ``TINYSEG_CUDA_SYNC=1`` each launch runs at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from . import driver, simulator
from .compiler import Codes, Kernel, Size
from .memory import REPORTS_BYTES, Pool, Storage, report_slots

_TOTAL = 1 << 30  # bytes of the device that is simulated


class SimulatedGpu:
    """The host's memory in the place of a device's."""

    name, capability, multiprocessors = "simulator", (0, 0), 1
    flops = bandwidth = 1.0

    def __init__(self) -> None:
        self.pool = Pool(self)
        self.blocking = driver.waits_after_each_launch()
        self.next = 512
        self.reports: deque[tuple[int, Any, Any]] = deque()

    def prove(self) -> None:
        """Whatever a simulated launch needs is here."""

    def allocate(self, size: int) -> int | None:
        """Addresses are only numbers here: each storage has elements of its own, where a reach too far is noticed."""
        if self.pool.usage.reserved + size > _TOTAL:
            return None
        self.next += size
        return self.next - size

    def free(self, address: int) -> None:
        """Nothing was taken."""
        if simulator.stream:
            raise RuntimeError("memory is given back while launches that may use it are queued")

    def info(self) -> tuple[int, int]:
        """As if the device had a gibibyte."""
        return _TOTAL - self.pool.usage.reserved, _TOTAL

    def storage(self, size: int) -> Storage:
        """At least ``size`` bytes of memory with all bits set: NaN in either floating type."""
        return Storage(self.pool, size, np.full(-(-size // 8) * 8, 0xFF, np.uint8))

    upload_storage = storage

    def new_reports(self) -> None:
        """Memory that host and kernels share."""
        self.reports.extend(report_slots(0, bytearray(REPORTS_BYTES)))

    def mark(self, previous: int | None) -> int:
        """All launches that are queued now."""
        return simulator.stream.mark()

    def reach(self, mark: int) -> None:
        """Run them."""
        simulator.stream.reach(mark)

    def synchronize(self) -> None:
        """Run all that is queued."""
        simulator.stream.synchronize()

    def send(self, storage: Storage, values: np.ndarray[Any, Any]) -> Callable[[], None]:
        """A copy of the bytes as they are now, which is queued only when its arrival is waited for."""
        sent = values.copy()

        def copy() -> None:
            storage.elements[: sent.size] = sent

        return copy

    def await_arrival(self, arrival: Callable[[], None]) -> None:
        """Kernels that are queued from now on find what was sent."""
        simulator.stream.queue(arrival)

    def download(self, values: np.ndarray[Any, Any], storage: Storage, start: int) -> None:
        """Run all that is queued, and copy bytes from ``start`` on."""
        self.synchronize()
        values[...] = storage.elements[start : start + values.size]

    def launch(self, kernel: Kernel, blocks: Size, threads: Size, codes: Codes, values: list[Any]) -> None:
        """Queue a launch; in ``values`` an array is the memory that a kernel may index."""
        if codes not in kernel.ready:
            function = kernel.bound(codes)
            kernel.ready[codes] = function, simulator.has_barriers(function)
        numbers = [np.float64(value) if value.__class__ is float else value for value in values]
        simulator.run(*kernel.ready[codes], blocks, threads, *numbers)
        if self.blocking:
            self.synchronize()
