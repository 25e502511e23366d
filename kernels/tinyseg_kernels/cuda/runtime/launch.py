"""What kernels' callers use of the device, or of the simulator in its place: launches, copies, memory.

Launches are queued and run in that order; the host goes on at once and waits only where it asks for values
(``download``, ``synchronize``, a report). Nothing is touched before the first array is made.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from .compiler import SIMULATED, Kernel, Size
from .device import Gpu
from .memory import HostStorage, Storage
from .simulated_device import SimulatedGpu

# Under the simulator a launch has so few threads that it ends soon, and so many that they must divide the work.
ELEMENT_THREADS = 3 if SIMULATED else 256
REDUCE_THREADS = 4 if SIMULATED else 256
_MOST_BLOCKS = 2 if SIMULATED else 4096
_MOST_X, _MOST_YZ = 2**31 - 1, 65535  # blocks of a launch along x, and along y or z

# The types of numbers that a launch takes; what has another type is an array.
NUMBER_CODES: dict[type, str] = {
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


@dataclass
class Copies:
    """How often, and how many bytes, were copied from and to the host since the process began."""

    uploads: int = 0
    uploaded_bytes: int = 0
    downloads: int = 0
    downloaded_bytes: int = 0


copies = Copies()


@functools.cache
def gpu() -> Any:
    """The device, made ready and tried at the first call; raises ``RuntimeError`` where there is none that works."""
    made = SimulatedGpu() if SIMULATED else Gpu()
    made.prove()
    return made


def device_storage(size: int) -> Storage:
    """``size`` bytes of device memory, not initialised."""
    made: Storage = gpu().storage(size)
    return made


def report_storage(size: int) -> HostStorage:
    """A few bytes that kernels write and the host reads without a copy; reading waits for the kernels."""
    return HostStorage(gpu(), size)


def upload_storage(size: int) -> Storage:
    """Memory for what comes from the host: large pieces are copied beside the kernels."""
    made: Storage = gpu().upload_storage(size)
    return made


def upload(target: Storage, values: np.ndarray[Any, Any]) -> Any:
    """Start to copy a contiguous array's bytes to device memory; ``await_upload`` takes what it returns.

    The values may change as soon as this returns.
    """
    raw = values.reshape(-1).view(np.uint8)
    copies.uploads += 1
    copies.uploaded_bytes += raw.size
    return gpu().send(target, raw)


def await_upload(sent: Any) -> None:
    """Kernels that are launched from now on find what was sent."""
    if sent is not None:
        gpu().await_arrival(sent)


def download(values: np.ndarray[Any, Any], source: Storage, start: int) -> None:
    """Fill a contiguous array with bytes of the device from ``start`` on, after all that was queued before."""
    raw = values.reshape(-1).view(np.uint8)
    copies.downloads += 1
    copies.downloaded_bytes += raw.size
    gpu().download(raw, source, start)


_precision = "highest"


def set_float32_matmul_precision(precision: str) -> None:
    """``"highest"``: float32 throughout. ``"high"`` and ``"medium"``: float32 matrices go by tensor cores, their
    elements rounded to 10 binary digits behind the point (tf32); sums are float32.
    """
    global _precision
    _precision = precision


def get_float32_matmul_precision() -> str:
    """What was set."""
    return _precision


def uses_tensor_cores() -> bool:
    """Whether float32 matrices are multiplied so: as was set, on a GPU that can, capability 8.0 or more."""
    return _precision != "highest" and (SIMULATED or gpu().capability >= (8, 0))


def synchronize() -> None:
    """Wait until the device has done all that was queued."""
    gpu().synchronize()


def spread(count: int) -> tuple[int, int]:
    """Blocks and threads for ``count`` elements, over which each thread goes in steps of ``cuda.gridsize(1)``."""
    return min(-(-count // ELEMENT_THREADS), _MOST_BLOCKS), ELEMENT_THREADS


def _sizes(value: int | tuple[int, ...]) -> Size:
    if isinstance(value, int):
        return value, 1, 1
    x, y, z = (*value, 1, 1)[:3]
    return x, y, z


def launch(kernel: Kernel, blocks: int | tuple[int, ...], threads: int | tuple[int, ...], *arguments: Any) -> None:
    """Queue a kernel: arguments are device arrays, whose first element is pointed to, and numbers.

    A ``float`` is a float64 to the kernel, and ``np.float32`` a float32. No blocks, no launch. Raises ``ValueError``
    for more blocks than a launch may have.
    """
    codes, values, reports = [], [], []
    for argument in arguments:
        code = NUMBER_CODES.get(argument.__class__)
        if code is None:
            code = argument.code
            if argument.storage.__class__ is HostStorage:
                reports.append(argument.storage)
            values.append(argument.memory() if SIMULATED else argument.address)
        else:
            values.append(argument)
        codes.append(code)
    x, y, z = _sizes(blocks)
    if not x or not y or not z:
        return
    if x > _MOST_X or y > _MOST_YZ or z > _MOST_YZ:
        raise ValueError(
            f"{kernel.name}: arrays so large need a launch of {x} x {y} x {z} blocks, and a GPU takes at most"
            f" {_MOST_X} x {_MOST_YZ} x {_MOST_YZ}; use smaller images or a smaller batch"
        )
    gpu().launch(kernel, (x, y, z), _sizes(threads), tuple(codes), values)
    for report in reports:
        report.is_written()
