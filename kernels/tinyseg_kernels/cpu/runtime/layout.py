"""Types of arrays, and the memory orders that kernels work with."""

from __future__ import annotations

from ...reference.array import Array, Pair, shares_memory
from .memory import contiguous

__all__ = ["Array", "Pair", "channels_last", "memory_order", "shares_memory"]


def channels_last(array: Array) -> Array:
    """The C-contiguous N,H,W,C view of an N,C,H,W array; a copy if its memory is in another order."""
    return contiguous(array.transpose(0, 2, 3, 1))


def memory_order(array: Array) -> list[int]:
    """The axes from the largest stride to the smallest."""
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
