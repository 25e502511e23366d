"""Arrays on the device: how they are made, and views, which cost nothing there."""

from __future__ import annotations

import operator
from typing import Any

from .patterns.array import DeviceArray, contiguous, empty, from_numpy, to_numpy, transpose, view
from .patterns.strides import broadcast, reshaped, row_major
from .runtime.launch import gpu

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


def empty_activation(shape: tuple[int, ...], dtype: Any) -> DeviceArray:
    """Row-major N,C,H,W: neighbouring threads read neighbouring pixels."""
    return empty(shape, dtype)


def empty_like(array: DeviceArray, dtype: Any) -> DeviceArray:
    """Same shape and memory order; gaps and repeated elements (stride 0) are not kept."""
    if array.is_contiguous:
        return empty(array.shape, dtype)
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    memory = empty(tuple(array.shape[axis] for axis in order), dtype)
    return transpose(memory, tuple(order.index(axis) for axis in range(array.ndim)))


def reshape(array: DeviceArray, shape: tuple[int, ...]) -> DeviceArray:
    """A view where the strides allow it, else a copy."""
    shape = tuple(shape)
    if array.size == 0 or array.is_contiguous:
        return view(array, shape, row_major(shape))
    strides = reshaped(array.shape, array.strides, shape)
    if strides is not None:
        return view(array, shape, strides)
    return view(contiguous(array), shape, row_major(shape))


def broadcast_to(array: DeviceArray, shape: tuple[int, ...]) -> DeviceArray:
    """A view of that shape, with stride 0 where elements repeat."""
    if array.shape == tuple(shape):
        return array
    return view(array, tuple(shape), broadcast(array.shape, array.strides, tuple(shape)))


def slice_view(array: DeviceArray, index: tuple[Any, ...]) -> DeviceArray:
    """NumPy's basic indexing."""
    named = sum(1 for item in index if item is not None and item is not Ellipsis)
    rest = (slice(None),) * (array.ndim - named)
    place = next((i for i, item in enumerate(index) if item is Ellipsis), len(index))
    index = (*index[:place], *rest, *index[place + 1 :])
    shape, strides, offset, axis = [], [], 0, 0
    for item in index:
        if item is None:
            shape.append(1)
            strides.append(0)
            continue
        size, stride = array.shape[axis], array.strides[axis]
        axis += 1
        if isinstance(item, slice):
            start, stop, step = item.indices(size)
            shape.append(len(range(start, stop, step)))
            strides.append(stride * step)
            offset += stride * start if shape[-1] else 0
        else:
            at = operator.index(item)
            offset += stride * (at + size if at < 0 else at)
    return view(array, tuple(shape), tuple(strides), offset)


def shares_memory(a: DeviceArray, b: DeviceArray) -> bool:
    """Whether their spans of memory overlap."""
    if a.storage is not b.storage or a.size == 0 or b.size == 0:
        return False
    (a_first, a_last), (b_first, b_last) = a.span(), b.span()
    return a_first < b_last and b_first < a_last


def empty_cache() -> None:
    """Give memory that is kept for later arrays, but not in use, back to the driver."""
    gpu().pool.empty()


_threads = 1


def set_num_threads(count: int) -> None:
    """The number concerns the host's kernels; it is only remembered."""
    global _threads
    _threads = count


def get_num_threads() -> int:
    """The remembered number."""
    return _threads
