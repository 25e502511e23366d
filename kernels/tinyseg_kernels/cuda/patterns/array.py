"""Arrays on the device: storage, and strides kept by the host, so that views cost nothing there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..runtime.launch import await_upload, device_storage, download, upload, upload_storage
from ..runtime.memory import HostStorage, Storage
from ..runtime.simulator import Memory
from .assignment import assign
from .strides import is_row_major, row_major

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
        return Memory(whole[self.offset : self.span()[1] // self.dtype.itemsize if self.size else self.offset])

    def span(self) -> tuple[int, int]:
        """Of its elements in the storage: first byte, and the one behind the last."""
        steps = [(size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True)]
        first = self.offset + sum(step for step in steps if step < 0)
        last = self.offset + sum(step for step in steps if step > 0) + 1
        return first * self.dtype.itemsize, last * self.dtype.itemsize

    def __deepcopy__(self, _: Any) -> DeviceArray:
        """A copy on the device, in row-major order."""
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


def empty(shape: tuple[int, ...], dtype: Any) -> DeviceArray:
    """A new array; see ``spec.py``, as for every kernel here."""
    dtype, shape = np.dtype(dtype), tuple(shape)
    return DeviceArray(device_storage(math.prod(shape) * dtype.itemsize), 0, shape, row_major(shape), dtype)


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
    copy = empty(array.shape, array.dtype)
    assign(array, copy)
    return copy


def row_major_like(array: DeviceArray) -> DeviceArray:
    """The array itself if it lies in row-major order, else a new one for what is to be delivered to it."""
    return array if array.is_contiguous else empty(array.shape, array.dtype)


def view(array: DeviceArray, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> DeviceArray:
    """Other elements of the same storage; ``offset`` is counted from the array's first one."""
    return DeviceArray(array.storage, array.offset + offset, shape, strides, array.dtype)


def transpose(array: DeviceArray, axes: tuple[int, ...]) -> DeviceArray:
    """A view with the axes in that order."""
    return view(array, tuple(array.shape[axis] for axis in axes), tuple(array.strides[axis] for axis in axes))
