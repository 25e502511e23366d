"""Arrays on the device: storage, and strides kept by the host, so that views cost nothing there."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..runtime.launch import await_upload, device_storage, download, gpu, report_storage, upload, upload_storage
from ..runtime.memory import HostStorage, Storage
from ..runtime.simulator import Memory

_CODES = {np.dtype(code): f"{code}*" for code in ("f4", "f8", "i4", "i8", "u1")} | {np.dtype(bool): "u1*"}


class DeviceArray:
    """Elements in device memory; ``strides`` and ``offset`` count elements, not bytes.

    ``is_contiguous``: they lie side by side in row-major order. ``code`` and ``address`` are what a launch takes: the
    pointer's type, bool being stored as uint8, and its value.
    """

    __slots__ = ("address", "code", "dtype", "is_contiguous", "ndim", "offset", "shape", "size", "storage", "strides")

    def __init__(
        self,
        storage: Storage | HostStorage,
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self.storage, self.offset, self.shape, self.strides, self.dtype = storage, offset, shape, strides, dtype
        self.ndim, self.size = len(shape), math.prod(shape)
        self.code = _CODES[dtype]
        self.address = storage.address + offset * dtype.itemsize
        self.is_contiguous = is_row_major(shape, strides)

    def memory(self) -> Memory:
        """What a simulated kernel may index: from the array's first element on to its last one in memory."""
        stored = self.dtype if self.dtype.kind != "b" else np.dtype(np.uint8)
        whole = self.storage.elements[: self.storage.size // stored.itemsize * stored.itemsize].view(stored)
        return Memory(whole[self.offset : _span(self)[1] // self.dtype.itemsize if self.size else self.offset])

    def __deepcopy__(self, _: Any) -> DeviceArray:
        """A copy on the device, in row-major order."""
        from ..elementwise import assign

        copy = empty(self.shape, self.dtype)
        assign(self, copy)
        return copy

    def __reduce__(self) -> Any:
        """A pickle has the values as NumPy's."""
        return from_numpy, (to_numpy(self),)

    def at_origin(self) -> DeviceArray:
        """All of the storage, from its beginning: for kernels that add ``offset`` themselves."""
        size = self.storage.size // self.dtype.itemsize
        return DeviceArray(self.storage, 0, (size,), (1,), self.dtype)


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a new array."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def is_row_major(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """The same, whatever the strides of dimensions of size 1 are."""
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size > 1:
            if stride != step:
                return False
            step *= size
    return True


def empty(shape: tuple[int, ...], dtype: Any) -> DeviceArray:
    """A new array; see ``spec.py``, as for every kernel here."""
    dtype, shape = np.dtype(dtype), tuple(shape)
    return DeviceArray(device_storage(math.prod(shape) * dtype.itemsize), 0, shape, row_major(shape), dtype)


def empty_report(shape: tuple[int, ...], dtype: Any) -> DeviceArray:
    """A few elements that kernels write and ``to_numpy`` reads without a copy. It waits for these kernels, which
    costs nothing if the host has waited for anything that came later.
    """
    dtype, shape = np.dtype(dtype), tuple(shape)
    storage = report_storage(math.prod(shape) * dtype.itemsize)
    return DeviceArray(storage, 0, shape, row_major(shape), dtype)


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


def from_numpy(array: np.ndarray[Any, Any]) -> DeviceArray:
    """A copy on the device, in row-major order; the host need not wait for it."""
    return send(array)()


def send(array: np.ndarray[Any, Any]) -> Callable[[], DeviceArray]:
    """Start that copy, and let what was launched before run meanwhile; the function that is returned gives the array.

    It travels as it lies in memory and is turned by the device: that would take the host long with channels-last
    images.
    """
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    lying = np.asarray(array.transpose(order), order="C")
    storage = upload_storage(lying.nbytes)
    copy = DeviceArray(storage, 0, lying.shape, row_major(lying.shape), array.dtype)
    sent = upload(storage, lying) if lying.size else None

    def arrived() -> DeviceArray:
        await_upload(sent)
        return contiguous(transpose(copy, tuple(order.index(axis) for axis in range(array.ndim))))

    return arrived


def to_numpy(array: DeviceArray) -> np.ndarray[Any, Any]:
    """A copy on the host, once the device has come so far; what is not contiguous is made so there first."""
    values = np.empty(array.shape, array.dtype)
    if array.size:
        source = contiguous(array)
        start = source.offset * array.dtype.itemsize
        if isinstance(source.storage, HostStorage):
            values.reshape(-1).view(np.uint8)[...] = source.storage.read(start, values.nbytes)
        else:
            download(values, source.storage, start)
    return values


def contiguous(array: DeviceArray) -> DeviceArray:
    """The array itself if it lies in row-major order, else a copy that does."""
    if array.is_contiguous:
        return array
    from ..elementwise import assign  # element by element works on arrays

    copy = empty(array.shape, array.dtype)
    assign(array, copy)
    return copy


def row_major_like(array: DeviceArray) -> DeviceArray:
    """The array itself if it lies in row-major order, else a new one for what is to be delivered to it."""
    return array if array.is_contiguous else empty(array.shape, array.dtype)


def _view(array: DeviceArray, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> DeviceArray:
    return DeviceArray(array.storage, array.offset + offset, shape, strides, array.dtype)


def _reshaped_strides(array: DeviceArray, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Strides of a view with that shape, or None if there is none: new dimensions are to be cut from runs of old
    ones that lie behind each other.
    """
    runs: list[list[int]] = []  # size and stride of what can be walked with one stride
    for size, stride in zip(array.shape, array.strides, strict=True):
        if size == 1:
            continue
        if runs and runs[-1][1] == size * stride:
            runs[-1] = [runs[-1][0] * size, stride]
        else:
            runs.append([size, stride])
    strides: list[int] = []
    left, step = 1, 1
    for size in reversed(shape):
        if size == 1:
            strides.append(step)
            continue
        if left == 1:
            if not runs:
                return None
            left, step = runs.pop()
        if left % size:
            return None
        strides.append(step)
        step *= size
        left //= size
    return tuple(reversed(strides))


def reshape(array: DeviceArray, shape: tuple[int, ...]) -> DeviceArray:
    """A view where the strides allow it, else a copy."""
    shape = tuple(shape)
    if array.size == 0 or array.is_contiguous:
        return _view(array, shape, row_major(shape))
    strides = _reshaped_strides(array, shape)
    if strides is not None:
        return _view(array, shape, strides)
    return _view(contiguous(array), shape, row_major(shape))


def transpose(array: DeviceArray, axes: tuple[int, ...]) -> DeviceArray:
    """A view with the axes in that order."""
    return _view(array, tuple(array.shape[axis] for axis in axes), tuple(array.strides[axis] for axis in axes))


def broadcast_to(array: DeviceArray, shape: tuple[int, ...]) -> DeviceArray:
    """A view of that shape, with stride 0 where elements repeat."""
    if array.shape == tuple(shape):
        return array
    missing = len(shape) - array.ndim
    strides = [0] * missing + [
        0 if size == 1 else stride for size, stride in zip(array.shape, array.strides, strict=True)
    ]
    return _view(array, tuple(shape), tuple(strides))


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
    return _view(array, tuple(shape), tuple(strides), offset)


def shares_memory(a: DeviceArray, b: DeviceArray) -> bool:
    """Whether their spans of memory overlap."""
    if a.storage is not b.storage or a.size == 0 or b.size == 0:
        return False
    (a_first, a_last), (b_first, b_last) = _span(a), _span(b)
    return a_first < b_last and b_first < a_last


def _span(array: DeviceArray) -> tuple[int, int]:
    """First byte, and the one behind the last."""
    steps = [(size - 1) * stride for size, stride in zip(array.shape, array.strides, strict=True)]
    first = array.offset + sum(step for step in steps if step < 0)
    last = array.offset + sum(step for step in steps if step > 0) + 1
    return first * array.dtype.itemsize, last * array.dtype.itemsize


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
