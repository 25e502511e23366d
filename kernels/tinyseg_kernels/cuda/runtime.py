"""The GPU at work: its context and streams, launches, copies to and from the host, memory.

Launches are queued on one stream and run in that order; large copies to the device run beside them on another one.
The host goes on at once and waits only where it asks for values (``download``, ``synchronize``). Nothing here is
touched before the first array is made.
"""

from __future__ import annotations

import ctypes
import functools
import struct
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import driver, simulator
from .compiler import SIMULATED, Kernel, machine_code
from .memory import Block, HostStorage, Pool, Storage

# Under the simulator a launch has so few threads that it ends soon, and so many that they must divide the work.
ELEMENT_THREADS = 3 if SIMULATED else 256
REDUCE_THREADS = 4 if SIMULATED else 256
_MOST_BLOCKS = 2 if SIMULATED else 4096
_STAGING_BYTES = 16 << 20  # of each half
_LARGE_UPLOAD = 64 << 10  # bytes
_SIMULATED_BYTES = 1 << 30
_REPORT_BYTES = 64  # of a report: what the device tells the host
_REPORTS = 1024  # that may wait to be read

_CODES: dict[type, str] = {
    int: "i8",
    bool: "i8",
    float: "f8",
    np.int64: "i8",
    np.int32: "i4",
    np.uint8: "u1",
    np.uint64: "u8",
    np.float32: "f4",
    np.float64: "f8",
}
_FORMATS = {
    "i8": "q",
    "u8": "Q",
    "f4": "f4x",
    "f8": "d",
    "i4": "i4x",
    "u1": "B7x",
}  # each argument in a slot of eight bytes


@dataclass
class Copies:
    """How often, and how many bytes, were copied from and to the host since the process began."""

    uploads: int = 0
    uploaded_bytes: int = 0
    downloads: int = 0
    downloaded_bytes: int = 0


copies = Copies()


class _Local(threading.local):
    """Of each thread of the host: whether the context is its current one, and where arguments of a launch stand."""

    ready = False

    def __init__(self) -> None:
        self.slots = (ctypes.c_uint64 * 64)()
        at = ctypes.addressof(self.slots)
        self.pointers = (ctypes.c_void_p * 64)(*(at + 8 * i for i in range(64)))


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
    """Memory that is written by copies beside the stream of kernels: a copy waits until the kernels that were there
    when the memory was let go have read it.
    """

    def give_back(self, block: Block) -> None:
        """After the kernels that are queued now."""
        self.system.mark_use()  # type: ignore[attr-defined]
        super().give_back(block)


class Gpu:
    """A device's primary context, which other libraries share, one stream of our own, and the pool."""

    def __init__(self) -> None:
        self.driver = driver.load()
        self.device: int = self.driver.ask("cuDeviceGet", 0, kind=ctypes.c_int)
        self.context: int = self.driver.ask("cuDevicePrimaryCtxRetain", self.device)
        self.local = _Local()
        self.enter()
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
        self.stream: int = self.driver.ask("cuStreamCreate", driver.NON_BLOCKING)
        self.copy_stream: int = self.driver.ask("cuStreamCreate", driver.NON_BLOCKING)
        self.last_use: int = self.driver.ask("cuEventCreate", driver.WITHOUT_TIMING)
        self.arrivals: deque[int] = deque()  # events that nobody waits for
        self.pool = Pool(self)
        self.uploads = _UploadPool(self, self.pool.usage)
        self.staging = _Staging(self)
        self.loading = threading.Lock()
        # Where addresses are unified, as on all 64-bit systems, the device writes there by the same address.
        start: int = self.driver.ask("cuMemHostAlloc", _REPORTS * _REPORT_BYTES, driver.PORTABLE | driver.MAPPED)
        self.reports = _report_slots(start, (ctypes.c_uint8 * (_REPORTS * _REPORT_BYTES)).from_address(start))

    def _attribute(self, number: int) -> int:
        value: int = self.driver.ask("cuDeviceGetAttribute", number, self.device, kind=ctypes.c_int)
        return value

    def enter(self) -> None:
        """Make the context the calling thread's, if it is not."""
        if not self.local.ready:
            self.driver.cuCtxSetCurrent(self.context)
            self.local.ready = True

    def allocate(self, size: int) -> int | None:
        """A segment for the pool."""
        self.enter()
        try:
            address: int = self.driver.ask("cuMemAlloc_v2", size, kind=ctypes.c_uint64)
        except driver.CudaError as error:
            if error.code != driver.OUT_OF_MEMORY:
                raise
            for pool in (self.pool, self.uploads):  # what one of them keeps is of use to the other
                pool.empty()
            return None
        return address

    def mark_use(self) -> None:
        """What is queued up to now is what copies to memory of the upload pool have to wait for."""
        self.enter()
        self.driver.cuEventRecord(self.last_use, self.stream)

    def send(self, storage: Storage, values: np.ndarray[Any, Any]) -> int | None:
        """Queue a copy; the event of its arrival, if it runs beside the kernels."""
        self.enter()
        if storage.pool is not self.uploads:
            self.staging.upload(storage.address, values, self.stream)
            return None
        self.driver.cuStreamWaitEvent(self.copy_stream, self.last_use, 0)
        self.staging.upload(storage.address, values, self.copy_stream)
        arrival = self.arrivals.pop() if self.arrivals else self.driver.ask("cuEventCreate", driver.WITHOUT_TIMING)
        self.driver.cuEventRecord(arrival, self.copy_stream)
        return int(arrival)

    def await_arrival(self, arrival: int) -> None:
        """Kernels that are queued from now on run after it."""
        self.enter()
        self.driver.cuStreamWaitEvent(self.stream, arrival, 0)
        self.arrivals.append(arrival)  # a stream that waits has taken the event's state with it

    def free(self, address: int) -> None:
        """Give a segment back; the driver waits until no kernel uses it."""
        self.enter()
        self.driver.cuMemFree_v2(address)

    def info(self) -> tuple[int, int]:
        """Free and total bytes of the device."""
        self.enter()
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value

    def load(self, kernel: Kernel, codes: tuple[str, ...]) -> tuple[int, struct.Struct]:
        """A kernel's handle for these types, and how its arguments are packed."""
        with self.loading:
            if codes not in kernel.ready:
                name, code = machine_code(kernel, codes, self.capability)
                module = self.driver.ask("cuModuleLoadData", code)
                function = self.driver.ask("cuModuleGetFunction", module, name.encode())
                kernel.ready[codes] = function, argument_format(codes)
        loaded: tuple[int, struct.Struct] = kernel.ready[codes]
        return loaded

    def launch(
        self,
        kernel: Kernel,
        blocks: tuple[int, int, int],
        threads: tuple[int, int, int],
        codes: tuple[str, ...],
        values: list[Any],
    ) -> None:
        """Queue a launch; the driver copies the arguments before it returns."""
        self.enter()
        loaded = kernel.ready.get(codes)
        function, layout = loaded if loaded is not None else self.load(kernel, codes)
        local = self.local
        layout.pack_into(local.slots, 0, *values)
        code = self.driver.launch_raw(function, *blocks, *threads, 0, self.stream, local.pointers, None)
        if code:
            self.driver.fail(f"launch of {kernel.name}", code)


class _SimulatedGpu:
    """The host's memory in the place of a device's."""

    name, capability, multiprocessors = "simulator", (0, 0), 1
    flops = bandwidth = 1.0

    def __init__(self) -> None:
        self.pool = Pool(self)
        self.next = 512
        self.reports = _report_slots(0, bytearray(_REPORTS * _REPORT_BYTES))

    def allocate(self, size: int) -> int | None:
        """Addresses are only numbers here: each storage has elements of its own, where a reach too far is noticed."""
        if self.pool.usage.reserved + size > _SIMULATED_BYTES:
            return None
        self.next += size
        return self.next - size

    def free(self, address: int) -> None:
        """Nothing was taken."""

    def info(self) -> tuple[int, int]:
        """As if the device had a gibibyte."""
        return _SIMULATED_BYTES - self.pool.usage.reserved, _SIMULATED_BYTES


def _report_slots(address: int, memory: Any) -> deque[Any]:
    """Addresses and bytes of the places for reports."""
    whole = np.frombuffer(memory, np.uint8)
    starts = range(0, whole.size, _REPORT_BYTES)
    return deque((address + start, whole[start : start + _REPORT_BYTES]) for start in starts)


def argument_format(codes: tuple[str, ...]) -> struct.Struct:
    """How arguments of these types are packed, a slot of eight bytes each."""
    return struct.Struct("=" + "".join("Q" if code.endswith("*") else _FORMATS[code] for code in codes))


@functools.cache
def gpu() -> Any:
    """The device, made ready at the first call; raises ``RuntimeError`` where there is none."""
    return _SimulatedGpu() if SIMULATED else Gpu()


def storage(size: int) -> Storage:
    """So many bytes of the device, not initialised."""
    elements = None
    if SIMULATED:
        elements = np.full(-(-size // 8) * 8, 0xFF, np.uint8)  # NaN, of either type
    return Storage(gpu().pool, size, elements)


def report_storage(size: int) -> HostStorage:
    """A few bytes that kernels write and the host reads without a copy, once it has waited for the device."""
    return HostStorage(gpu().reports, size)


def upload_storage(size: int) -> Storage:
    """Memory for what comes from the host: large pieces are copied beside the kernels."""
    if SIMULATED or size < _LARGE_UPLOAD:
        return storage(size)
    return Storage(gpu().uploads, size)


def send(target: Storage, values: np.ndarray[Any, Any]) -> int | None:
    """Start to copy a contiguous array's bytes to device memory; ``arrive`` takes what it returns."""
    raw = values.reshape(-1).view(np.uint8)
    copies.uploads += 1
    copies.uploaded_bytes += raw.size
    if SIMULATED:
        target.elements[: raw.size] = raw
        return None
    sent: int | None = gpu().send(target, raw)
    return sent


def arrive(sent: int | None) -> None:
    """Kernels that are launched from now on find what was sent."""
    if sent is not None:
        gpu().await_arrival(sent)


def download(values: np.ndarray[Any, Any], address: int, simulated: Any, start: int) -> None:
    """Fill a contiguous array with bytes from ``start`` on of the device memory at an address, after all that was
    queued before; ``simulated``: the bytes of that memory in the simulator.
    """
    raw = values.reshape(-1).view(np.uint8)
    copies.downloads += 1
    copies.downloaded_bytes += raw.size
    if SIMULATED:
        raw[...] = simulated[start : start + raw.size]
    else:
        gpu().enter()
        gpu().staging.download(raw, address + start)


_precision = "highest"


def set_float32_matmul_precision(name: str) -> None:
    """``"highest"``: float32 throughout. ``"high"`` and ``"medium"``: float32 matrices go by tensor cores, their
    elements rounded to 10 binary digits behind the point (tf32); sums are float32.
    """
    global _precision
    _precision = name


def get_float32_matmul_precision() -> str:
    """What was set."""
    return _precision


def uses_tensor_cores() -> bool:
    """Whether float32 matrices are multiplied so: as was set, on a GPU that can, capability 8.0 or more."""
    return _precision != "highest" and (SIMULATED or gpu().capability >= (8, 0))


def synchronize() -> None:
    """Wait until the device has done all that was queued."""
    if not SIMULATED:
        gpu().enter()
        gpu().driver.cuStreamSynchronize(gpu().stream)


def spread(count: int) -> tuple[int, int]:
    """Blocks and threads for ``count`` elements, over which each thread goes in steps of ``cuda.gridsize(1)``."""
    return min(-(-count // ELEMENT_THREADS), _MOST_BLOCKS), ELEMENT_THREADS


def _sizes(value: int | tuple[int, ...]) -> tuple[int, int, int]:
    if isinstance(value, int):
        return value, 1, 1
    x, y, z = (*value, 1, 1)[:3]
    return x, y, z


def launch(kernel: Kernel, blocks: int | tuple[int, ...], threads: int | tuple[int, ...], *arguments: Any) -> None:
    """Queue a kernel: arguments are device arrays, whose first element is pointed to, and numbers.

    A ``float`` is a float64 to the kernel, and ``np.float32`` a float32. No blocks, no launch.
    """
    codes, values = [], []
    for argument in arguments:
        code = _CODES.get(argument.__class__)
        codes.append(argument.code if code is None else code)
        if SIMULATED:
            values.append(argument.memory() if code is None else argument)
        else:
            values.append(argument.address if code is None else argument)
    blocks, threads = _sizes(blocks), _sizes(threads)
    if 0 in blocks:
        return
    if SIMULATED:
        variant = tuple(codes)
        if variant not in kernel.ready:
            function = kernel.bound(variant)
            kernel.ready[variant] = function, simulator.has_barriers(function)
        numbers = [np.float64(value) if value.__class__ is float else value for value in values]
        simulator.run(*kernel.ready[variant], blocks, threads, *numbers)
    else:
        gpu().launch(kernel, blocks, threads, tuple(codes), values)
