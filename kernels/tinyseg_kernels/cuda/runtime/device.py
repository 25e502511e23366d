"""The GPU itself: its context and streams, launches, copies to and from the host, memory.

Launches are queued on one stream and run in order. Large copies to the device run concurrently on a second stream.
The host goes on at once and waits only where it asks for values.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections import deque
from typing import Any

import numpy as np

from . import driver
from .compiler import Codes, Kernel, Size, kernel, machine_code
from .memory import REPORTS_BYTES, Block, HostStorage, Pool, Storage, report_slots

_STAGING_BYTES = 16 << 20  # of each half
_LARGE_UPLOAD = 64 << 10  # bytes

_FORMATS = {
    "i8": "q",
    "u8": "Q",
    "f4": "f4x",
    "f8": "d",
    "i4": "i4x",
    "u1": "B7x",
}  # each argument in a slot of eight bytes


def argument_format(codes: Codes) -> struct.Struct:
    """How arguments of these types are packed, a slot of eight bytes each."""
    return struct.Struct("=" + "".join("Q" if code.endswith("*") else _FORMATS[code] for code in codes))


@kernel("i4*")
def _prove(out):
    out[0] = 42


class _Local(threading.local):
    """Of each thread of the host: where arguments of a launch stand, and the contexts to go back to."""

    def __init__(self) -> None:
        self.found = ctypes.c_void_p()
        self.pushed: list[bool] = []
        self.slots = (ctypes.c_uint64 * 64)()
        at = ctypes.addressof(self.slots)
        self.pointers = (ctypes.c_void_p * 64)(*(at + 8 * i for i in range(64)))


class _Context:
    """``with`` this the device's context is the calling thread's current one.

    Another library may make its own context current at any time, so the driver is asked at each entry. What it had
    made current is so again afterwards; a thread without a context keeps ours.
    """

    def __init__(self, call: driver.Driver, handle: int, local: _Local) -> None:
        self.call, self.handle, self.local = call, handle, local

    def __enter__(self) -> None:
        local = self.local
        self.call.cuCtxGetCurrent(ctypes.byref(local.found))
        current = local.found.value
        foreign = current is not None and current != self.handle
        if foreign:
            self.call.cuCtxPushCurrent_v2(self.handle)
        elif current is None:
            self.call.cuCtxSetCurrent(self.handle)
        local.pushed.append(foreign)

    def __exit__(self, *_: Any) -> None:
        if self.local.pushed.pop():
            self.call.cuCtxPopCurrent_v2(ctypes.byref(self.local.found))


class _Staging:
    """Host memory that does not move (pinned), through which copies run while the host goes on: two halves by turns,
    so that one is filled while the other is being emptied.
    """

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self.lock = threading.Lock()
        self.halves = deque(self._half() for _ in range(2))

    def _half(self) -> tuple[int, Any, int]:
        """Its address, its bytes, and the event after which it may be written again."""
        ask = self.gpu.driver.ask
        address: int = ask("cuMemHostAlloc", _STAGING_BYTES, 0)
        memory = np.ctypeslib.as_array((ctypes.c_uint8 * _STAGING_BYTES).from_address(address))
        return address, memory, ask("cuEventCreate", driver.WITHOUT_TIMING)

    def upload(self, address: int, values: np.ndarray[Any, Any], stream: int) -> None:
        """Queue a copy of bytes to the device on a stream."""
        call = self.gpu.driver
        with self.lock:
            for start in range(0, values.size, _STAGING_BYTES):
                part = values[start : start + _STAGING_BYTES]
                at, memory, free = self.halves[0]
                self.halves.rotate()
                call.cuEventSynchronize(free)
                memory[: part.size] = part
                call.cuMemcpyHtoDAsync_v2(address + start, at, part.size, stream)
                call.cuEventRecord(free, stream)

    def download(self, values: np.ndarray[Any, Any], address: int) -> None:
        """Wait for the device and copy bytes from it."""
        call = self.gpu.driver
        with self.lock:
            for start in range(0, values.size, _STAGING_BYTES):
                part = values[start : start + _STAGING_BYTES]
                at, memory, free = self.halves[0]
                call.cuEventSynchronize(free)
                call.cuMemcpyDtoHAsync_v2(at, address + start, part.size, self.gpu.stream)
                call.cuStreamSynchronize(self.gpu.stream)
                part[...] = memory[: part.size]


class _UploadPool(Pool):
    """Memory for copies on the second stream. A copy waits for the kernels that were queued when the memory was
    freed: they may still read it.
    """

    def give_back(self, block: Block) -> None:
        """After the kernels that are queued now.

        Where one of them has failed no call succeeds any more. That is for those to tell who wait for values: this is
        called when an array is collected, where an error would only be printed.
        """
        try:
            self.system.mark_use()  # type: ignore[attr-defined]
        except driver.CudaError:
            return
        super().give_back(block)


class Gpu:
    """A device's primary context, which other libraries share, one stream of our own, and the pool."""

    def __init__(self) -> None:
        self.driver = driver.load()
        self.device: int = self.driver.ask("cuDeviceGet", 0, kind=ctypes.c_int)
        self.local = _Local()
        handle: int = self.driver.ask("cuDevicePrimaryCtxRetain", self.device)
        self.context = _Context(self.driver, handle, self.local)
        self._describe()
        self.loading = threading.Lock()
        self.arrivals: deque[int] = deque()  # events that nobody waits for
        self.reports: deque[tuple[int, Any, Any]] = deque()
        self.pool = Pool(self)
        self.uploads = _UploadPool(self, self.pool.usage)
        with self.context:
            self.stream: int = self.driver.ask("cuStreamCreate", driver.NON_BLOCKING)
            self.copy_stream: int = self.driver.ask("cuStreamCreate", driver.NON_BLOCKING)
            self.last_use: int = self.driver.ask("cuEventCreate", driver.WITHOUT_TIMING)
            self.staging = _Staging(self)

    def _describe(self) -> None:
        major, minor = (self._attribute(number) for number in driver.COMPUTE_CAPABILITY)
        self.capability = major, minor
        self.multiprocessors = self._attribute(driver.MULTIPROCESSORS)
        clock, memory_clock, width = (self._attribute(number) for number in driver.CLOCKS_AND_BUS)
        # Of float32, in a second: a multiply-add in each core of a multiprocessor. Memory moves bits twice a cycle.
        cores = 64 if self.capability in ((7, 0), (7, 2), (7, 5), (8, 0)) else 128
        self.flops = 2e3 * clock * cores * self.multiprocessors
        self.bandwidth = 2e3 * memory_clock * width / 8
        name = ctypes.create_string_buffer(256)
        self.driver.cuDeviceGetName(name, 256, self.device)
        self.name = name.value.decode()

    def prove(self) -> None:
        """Compile and run the smallest kernel, and read what it wrote: all that a launch needs is there.

        Raises ``RuntimeError`` if not.
        """
        report = HostStorage(self, 4)
        try:
            self.launch(_prove, (1, 1, 1), (1, 1, 1), ("i4*",), [report.address])
            report.is_written()
            found = int(report.read(0, 4).view(np.int32)[0])
        except driver.CudaError as error:
            version: int = self.driver.ask("cuDriverGetVersion", kind=ctypes.c_int)
            raise RuntimeError(
                f"{self.name} (compute capability {self.capability[0]}.{self.capability[1]}, with a driver for CUDA"
                f" {version // 1000}.{version % 1000 // 10}, where 12 or later is needed) runs no kernel: {error}"
            ) from error
        if found != 42:
            raise RuntimeError(f"{self.name} runs a kernel, but the host does not see what it wrote")

    def _attribute(self, number: int) -> int:
        value: int = self.driver.ask("cuDeviceGetAttribute", number, self.device, kind=ctypes.c_int)
        return value

    def allocate(self, size: int) -> int | None:
        """A segment for the pool."""
        try:
            with self.context:
                address: int = self.driver.ask("cuMemAlloc_v2", size, kind=ctypes.c_uint64)
        except driver.CudaMemoryError:
            self._make_room()
            return None
        return address

    def _make_room(self) -> None:
        """Give the driver what the pools keep: each other's, and its own calls', memory."""
        for pool in (self.pool, self.uploads):
            pool.empty()

    def mark_use(self) -> None:
        """What is queued up to now is what copies to memory of the upload pool have to wait for."""
        with self.context:
            self.driver.cuEventRecord(self.last_use, self.stream)

    def storage(self, size: int) -> Storage:
        """``size`` bytes of device memory, not initialised."""
        return Storage(self.pool, size)

    def upload_storage(self, size: int) -> Storage:
        """Memory for what comes from the host: large arrays are copied while kernels run."""
        return Storage(self.pool if size < _LARGE_UPLOAD else self.uploads, size)

    def send(self, storage: Storage, values: np.ndarray[Any, Any]) -> int | None:
        """Queue a copy of bytes; the event of its completion, if it runs concurrently with kernels."""
        with self.context:
            if storage.pool is not self.uploads:
                self.staging.upload(storage.address, values, self.stream)
                return None
            self.driver.cuStreamWaitEvent(self.copy_stream, self.last_use, 0)
            self.staging.upload(storage.address, values, self.copy_stream)
            arrival = (
                self.arrivals.pop() if self.arrivals else self.driver.ask("cuEventCreate", driver.WITHOUT_TIMING)
            )
            self.driver.cuEventRecord(arrival, self.copy_stream)
        return int(arrival)

    def await_arrival(self, arrival: int) -> None:
        """Kernels that are queued from now on run after it."""
        with self.context:
            self.driver.cuStreamWaitEvent(self.stream, arrival, 0)
        self.arrivals.append(arrival)  # a stream that waits has taken the event's state with it

    def download(self, values: np.ndarray[Any, Any], storage: Storage, start: int) -> None:
        """Wait for the device and copy bytes from ``start`` on."""
        with self.context:
            self.staging.download(values, storage.address + start)

    def new_reports(self) -> None:
        """Where addresses are unified, as on all 64-bit systems, the device writes there by the same address."""
        with self.context:
            start: int = self.driver.ask("cuMemHostAlloc", REPORTS_BYTES, driver.PORTABLE | driver.MAPPED)
        self.reports.extend(report_slots(start, (ctypes.c_uint8 * REPORTS_BYTES).from_address(start)))

    def mark(self, previous: int | None) -> int:
        """An event after all launches that are queued now."""
        with self.context:
            event: int = previous or self.driver.ask("cuEventCreate", driver.WITHOUT_TIMING)
            self.driver.cuEventRecord(event, self.stream)
        return event

    def reach(self, mark: int) -> None:
        """Wait for that event."""
        with self.context:
            self.driver.cuEventSynchronize(mark)

    def synchronize(self) -> None:
        """Wait until all launches and copies that were queued are done."""
        with self.context:
            self.driver.cuStreamSynchronize(self.copy_stream)
            self.driver.cuStreamSynchronize(self.stream)

    def free(self, address: int) -> None:
        """Give a segment back."""
        with self.context:
            self.driver.cuMemFree_v2(address)

    def info(self) -> tuple[int, int]:
        """Free and total bytes of the device."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        with self.context:
            self.driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value

    def load(self, kernel: Kernel, codes: Codes) -> tuple[int, struct.Struct]:
        """A kernel's handle for these types, and how its arguments are packed."""
        with self.loading:
            if codes not in kernel.ready:
                name, code = machine_code(kernel, codes, self.capability)
                try:
                    module = self.driver.ask("cuModuleLoadData", code)
                except driver.CudaMemoryError:
                    self._make_room()
                    module = self.driver.ask("cuModuleLoadData", code)
                function = self.driver.ask("cuModuleGetFunction", module, name.encode())
                kernel.ready[codes] = function, argument_format(codes)
        loaded: tuple[int, struct.Struct] = kernel.ready[codes]
        return loaded

    def launch(self, kernel: Kernel, blocks: Size, threads: Size, codes: Codes, values: list[Any]) -> None:
        """Queue a launch; the driver copies the arguments before it returns.

        Raises ``MemoryError`` where it needs memory of its own that is not there when the pools have given theirs.
        """
        local = self.local
        with self.context:
            loaded = kernel.ready.get(codes)
            function, layout = loaded if loaded is not None else self.load(kernel, codes)
            layout.pack_into(local.slots, 0, *values)
            geometry = *blocks, *threads, 0, self.stream
            code = self.driver.launch_raw(function, *geometry, local.pointers, None)
            if code == driver.OUT_OF_MEMORY:
                self._make_room()
                code = self.driver.launch_raw(function, *geometry, local.pointers, None)
            if code:
                self.driver.fail(f"launch of {kernel.name}", code)
            if self.driver.blocking and (code := self.driver.library.cuStreamSynchronize(self.stream)):
                self.driver.fail(f"kernel {kernel.name}", code)
