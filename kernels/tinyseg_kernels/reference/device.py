"""What the framework asks of a device: NumPy computes at once, and its arrays lie where they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .array import Array, from_numpy

__all__ = ["empty_report", "is_asynchronous", "send", "set_float32_matmul_precision", "synchronize", "unavailable"]


def unavailable() -> str | None:
    """NumPy can always be used."""
    return None


def is_asynchronous() -> bool:
    """A kernel has run when it returns."""
    return False


def synchronize() -> None:
    """Nothing is queued."""


def send(array: Array) -> Callable[[], Array]:
    """There is nowhere to send it; the copy is made when it is asked for."""
    return lambda: from_numpy(array)


def empty_report(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array like any other."""
    return np.empty(shape, dtype)


def set_float32_matmul_precision(precision: str) -> None:
    """NumPy has one precision for a type."""
