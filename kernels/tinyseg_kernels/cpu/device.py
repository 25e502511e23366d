"""What the framework asks of a device in general: a CPU is always there, and computes at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .array import from_numpy
from .runtime.layout import Array
from .runtime.memory import empty

__all__ = ["empty_report", "is_asynchronous", "send", "set_float32_matmul_precision", "synchronize", "unavailable"]


def synchronize() -> None:
    """Nothing to wait for: a kernel call returns when its results are there."""


def send(array: Array) -> Callable[[], Array]:
    """A function that returns a copy of the array; see ``spec.py``, as for every function here."""
    return lambda: from_numpy(array)


def empty_report(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array like any other: all can be read by the host."""
    return empty(shape, dtype)


def set_float32_matmul_precision(precision: str) -> None:
    """Nothing to choose: the CPU always sums float32."""


def is_asynchronous() -> bool:
    """False: a kernel call returns when its results are there."""
    return False


def unavailable() -> str | None:
    """None: there is always a CPU."""
    return None
