"""NumPy arrays as the backend's arrays: allocation, copies and views."""

from __future__ import annotations

from typing import Any

import numpy as np

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

Array = np.ndarray[Any, Any]
Pair = tuple[int, int]  # vertical, horizontal


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """See ``spec.py``, as for every kernel here."""
    return np.empty(shape, dtype)


def empty_activation(shape: tuple[int, ...], dtype: Any) -> Array:
    """The reference likes row-major order best: what is printed is what is stored."""
    return np.empty(shape, dtype)


def empty_like(array: Array, dtype: Any) -> Array:
    """Same shape and memory order; gaps and repeated elements (stride 0) are not kept."""
    return np.empty_like(array, dtype, order="K")


def from_numpy(array: Array) -> Array:
    """A copy in the same memory order."""
    return np.array(array, order="K")


def to_numpy(array: Array) -> Array:
    """The array itself."""
    return array


def reshape(array: Array, shape: tuple[int, ...]) -> Array:
    """NumPy's reshape."""
    return array.reshape(shape)


def transpose(array: Array, axes: tuple[int, ...]) -> Array:
    """NumPy's transpose."""
    return array.transpose(axes)


def broadcast_to(array: Array, shape: tuple[int, ...]) -> Array:
    """NumPy's broadcast_to: a view with stride 0 where elements repeat, which NumPy marks as read-only."""
    return array if array.shape == shape else np.broadcast_to(array, shape)


def slice_view(array: Array, index: tuple[Any, ...]) -> Array:
    """NumPy's basic indexing; an Ellipsis makes the result an array even where a single element is asked for."""
    if Ellipsis not in index:
        index = (*index, Ellipsis)
    return array[index]


def shares_memory(a: Array, b: Array) -> bool:
    """Whether their spans of memory overlap."""
    return np.may_share_memory(a, b)


def empty_cache() -> None:
    """Nothing is kept."""


_threads = 1


def set_num_threads(count: int) -> None:
    """The reference runs in the calling thread; the number is only remembered."""
    global _threads
    _threads = count


def get_num_threads() -> int:
    """The remembered number."""
    return _threads
