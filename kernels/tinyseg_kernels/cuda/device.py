"""What a device can do beyond computing: what there is of it, copies while kernels run, reports, precision."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .patterns.array import DeviceArray, send
from .patterns.strides import row_major
from .runtime.launch import gpu, report_storage, set_float32_matmul_precision, synchronize

__all__ = [
    "empty_report",
    "is_asynchronous",
    "send",
    "set_float32_matmul_precision",
    "synchronize",
    "unavailable",
]


def unavailable() -> str | None:
    """Why no GPU can be used; None if one can: the smallest kernel was compiled and has run there. It is tried once
    in a process, and again after a failure.
    """
    try:
        gpu()
    except RuntimeError as error:
        return str(error)
    return None


def is_asynchronous() -> bool:
    """True: launches are queued, so what a kernel reports is there only when the host has waited for the device."""
    return True


def empty_report(shape: tuple[int, ...], dtype: Any) -> DeviceArray:
    """A few elements that kernels write and ``to_numpy`` reads without a copy. It waits for these kernels, which
    costs nothing if the host has waited for anything that came later.
    """
    dtype, shape = np.dtype(dtype), tuple(shape)
    storage = report_storage(math.prod(shape) * dtype.itemsize)
    return DeviceArray(storage, 0, shape, row_major(shape), dtype)
