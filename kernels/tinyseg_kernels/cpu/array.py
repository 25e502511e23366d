"""NumPy arrays as the backend's arrays, activations in channels-last order."""

from __future__ import annotations

from typing import Any

from ..reference.array import broadcast_to, reshape, slice_view, to_numpy, transpose
from .runtime.layout import Array, memory_order, shares_memory
from .runtime.memory import empty, empty_cache
from .runtime.parallel import get_num_threads, set_num_threads

__all__ = [
    "broadcast_to",
    "empty",
    "empty_activation",
    "empty_cache",
    "empty_like",
    "from_numpy",
    "get_num_threads",
    "reshape",
    "set_num_threads",
    "shares_memory",
    "slice_view",
    "to_numpy",
    "transpose",
]


def empty_activation(shape: tuple[int, ...], dtype: Any) -> Array:
    """Logical shape N,C,H,W over the memory of N,H,W,C: a pixel's channels stand side by side, as vectors want."""
    n, c, h, w = shape
    return empty((n, h, w, c), dtype).transpose(0, 3, 1, 2)


def empty_like(array: Array, dtype: Any) -> Array:
    """Same shape and memory order; gaps and repeated elements (stride 0) are not kept."""
    if array.flags.c_contiguous:
        return empty(array.shape, dtype)
    if array.ndim == 4 and array.transpose(0, 2, 3, 1).flags.c_contiguous:
        return empty_activation(array.shape, dtype)
    order = memory_order(array)
    memory = empty(tuple(array.shape[axis] for axis in order), dtype)
    return memory.transpose([order.index(axis) for axis in range(array.ndim)])


def from_numpy(array: Array) -> Array:
    """A copy in the same memory order."""
    copy = empty_like(array, array.dtype)
    copy[...] = array
    return copy
