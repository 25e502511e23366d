"""Max pooling, its gradient, and max-unpooling. Nothing is added up by atomics, so results are the same every time.

The gradient is gathered: a thread looks through the few windows that its pixel lies in, and adds the gradients of
those that it won. Unpooling has no windows, only indices, of which several may be equal and the last must stand:
its threads race, see which of them were overtaken, and race again.
"""

from __future__ import annotations

import numpy as np

from .patterns.array import DeviceArray, contiguous, empty, row_major_like
from .patterns.assignment import deliver
from .patterns.planes import over_planes, own_pixel
from .runtime.compiler import FLOATS, SIMULATED, Kernel, T, cuda, helper, kernel
from .runtime.launch import launch

__all__ = [
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_unpool2d",
    "max_unpool2d_backward",
]

Pair = tuple[int, int]

_PLANE_THREADS = 4 if SIMULATED else 512
_MOST_VALUES = 2**31 - 1  # of a plane that is unpooled: they are counted in 32 bits


@helper
def first_window(pixel, reach, stride):
    """The first of the windows i * stride .. i * stride + reach that holds a pixel, which is counted from the first
    window's beginning.
    """
    return max(0, (pixel - reach + stride - 1) // stride)


@helper
def _beats(value, best):
    """A NaN beats all but a NaN."""
    return value > best or (value != value and best == best)


@kernel("T* T* i8* i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8", T=FLOATS)
def _max_pool(x, out, indices, planes, h, w, rows, columns, kh, kw, sh, sw, ph, pw, dh, dw):
    pixel = own_pixel()
    if pixel < rows * columns:
        i = pixel // columns
        top, left = i * sh - ph, (pixel - i * columns) * sw - pw
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            best, where = T(-np.inf), -1
            for r in range(kh):
                row = top + r * dh
                if 0 <= row < h:
                    for s in range(kw):
                        column = left + s * dw
                        if 0 <= column < w:
                            value = x[(plane * h + row) * w + column]
                            if where < 0 or _beats(value, best):
                                best, where = value, row * w + column
            at = plane * rows * columns + pixel
            out[at], indices[at] = best, where


@kernel("T* i8* T* i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8", T=FLOATS)
def _max_pool_backward(grad, indices, out, planes, h, w, rows, columns, reach_h, reach_w, sh, sw, ph, pw):
    pixel = own_pixel()
    if pixel < h * w:
        row = pixel // w
        column = pixel - row * w
        first_i, last_i = first_window(row + ph, reach_h, sh), min(rows - 1, (row + ph) // sh)
        first_j, last_j = first_window(column + pw, reach_w, sw), min(columns - 1, (column + pw) // sw)
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            total = T(0)
            for i in range(first_i, last_i + 1):
                for j in range(first_j, last_j + 1):
                    at = (plane * rows + i) * columns + j
                    if indices[at] == pixel:
                        total += grad[at]
            out[plane * h * w + pixel] = total


@kernel("T* T* i8* i8 i8 i8 i8 i8", T=FLOATS)
def _adaptive_max_pool(x, out, indices, planes, h, w, rows, columns):
    pixel = own_pixel()
    if pixel < rows * columns:
        i = pixel // columns
        j = pixel - i * columns
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            best, where = T(-np.inf), -1
            for row in range(i * h // rows, ((i + 1) * h + rows - 1) // rows):
                for column in range(j * w // columns, ((j + 1) * w + columns - 1) // columns):
                    value = x[(plane * h + row) * w + column]
                    if where < 0 or _beats(value, best):
                        best, where = value, row * w + column
            at = plane * rows * columns + pixel
            out[at], indices[at] = best, where


@kernel("T* i8* T* i8 i8 i8 i8 i8", T=FLOATS)
def _adaptive_max_pool_backward(grad, indices, out, planes, h, w, rows, columns):
    """Window i ends behind ``row`` if (i + 1) h > row rows, and begins no later if i h < (row + 1) rows."""
    pixel = own_pixel()
    if pixel < h * w:
        row = pixel // w
        column = pixel - row * w
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            total = T(0)
            for i in range(row * rows // h, ((row + 1) * rows - 1) // h + 1):
                for j in range(column * columns // w, ((column + 1) * columns - 1) // w + 1):
                    at = (plane * rows + i) * columns + j
                    if indices[at] == pixel:
                        total += grad[at]
            out[plane * h * w + pixel] = total


@helper
def _race(indices, first_value, values, writers, first_pixel, pixels):
    """For one plane: writers[p] = the last k with indices[k] == p, -1 where there is none.

    All k that are larger than what stands in their place write there, and one of them comes through. What stands
    grows from round to round, so after as many rounds as elements share a place, nearly always one, none is larger.
    """
    raced = cuda.shared.array(1, np.int32)
    for p in range(cuda.threadIdx.x, pixels, cuda.blockDim.x):
        writers[first_pixel + p] = -1
    while True:
        cuda.syncthreads()
        raced[0] = 0
        cuda.syncthreads()
        for k in range(cuda.threadIdx.x, values, cuda.blockDim.x):
            place = first_pixel + indices[first_value + k]
            if writers[place] < k:
                writers[place] = k
                raced[0] = 1
        cuda.syncthreads()
        if raced[0] == 0:
            break


@kernel("T* i8* i4* T* i8 i8", threads=512, T=FLOATS)
def _max_unpool(x, indices, writers, out, values, pixels):
    """A block for each plane."""
    first_value, first_pixel = cuda.blockIdx.x * values, cuda.blockIdx.x * pixels
    _race(indices, first_value, values, writers, first_pixel, pixels)
    for p in range(cuda.threadIdx.x, pixels, cuda.blockDim.x):
        writer = writers[first_pixel + p]
        out[first_pixel + p] = x[first_value + writer] if writer >= 0 else T(0)


@kernel("T* i8* i4* T* i8 i8", threads=512, T=FLOATS)
def _max_unpool_backward(grad, indices, writers, out, values, pixels):
    """A block for each plane."""
    first_value, first_pixel = cuda.blockIdx.x * values, cuda.blockIdx.x * pixels
    _race(indices, first_value, values, writers, first_pixel, pixels)
    for k in range(cuda.threadIdx.x, values, cuda.blockDim.x):
        place = first_pixel + indices[first_value + k]
        out[first_value + k] = grad[place] if writers[place] == k else T(0)


def _sizes(image: DeviceArray, pooled: DeviceArray) -> tuple[int, ...]:
    """Planes, and rows and columns of either."""
    return (image.shape[0] * image.shape[1], *image.shape[2:], *pooled.shape[2:])


def max_pool2d(
    x: DeviceArray,
    out: DeviceArray,
    indices: DeviceArray,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> None:
    """See ``spec.py``, as for every kernel here."""
    values, places = row_major_like(out), row_major_like(indices)
    numbers = *_sizes(x, out), *kernel_size, *stride, *padding, *dilation
    over_planes(_max_pool, out.shape, contiguous(x), values, places, *numbers)
    deliver(values, out)
    deliver(places, indices)


def max_pool2d_backward(
    grad: DeviceArray,
    indices: DeviceArray,
    out: DeviceArray,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> None:
    """Gathers; where windows skip a pixel between their taps, no index of theirs is that pixel's."""
    memory = row_major_like(out)
    reach = [(size - 1) * step for size, step in zip(kernel_size, dilation, strict=True)]
    numbers = *_sizes(out, grad), *reach, *stride, *padding
    over_planes(_max_pool_backward, out.shape, contiguous(grad), contiguous(indices), memory, *numbers)
    deliver(memory, out)


def adaptive_max_pool2d(x: DeviceArray, out: DeviceArray, indices: DeviceArray) -> None:
    """Over windows that share the image out."""
    values, places = row_major_like(out), row_major_like(indices)
    over_planes(_adaptive_max_pool, out.shape, contiguous(x), values, places, *_sizes(x, out))
    deliver(values, out)
    deliver(places, indices)


def adaptive_max_pool2d_backward(grad: DeviceArray, indices: DeviceArray, out: DeviceArray) -> None:
    """Gathers."""
    memory = row_major_like(out)
    arrays = contiguous(grad), contiguous(indices), memory
    over_planes(_adaptive_max_pool_backward, out.shape, *arrays, *_sizes(out, grad))
    deliver(memory, out)


def _unpool(
    kernel: Kernel, source: DeviceArray, indices: DeviceArray, out: DeviceArray, plane: tuple[int, ...]
) -> None:
    """Either direction; ``plane``: rows and columns of the unpooled image."""
    if out.size == 0:
        return
    planes, pixels = out.shape[0] * out.shape[1], plane[0] * plane[1]
    values = indices.shape[2] * indices.shape[3]
    if values > _MOST_VALUES:
        raise ValueError(
            f"max_unpool2d on a GPU: a plane has {values} values, at most {_MOST_VALUES} can be counted; use smaller"
            " images"
        )
    writers, memory = empty((planes, pixels), np.int32), row_major_like(out)
    arrays = contiguous(source), contiguous(indices), writers, memory
    launch(kernel, planes, _PLANE_THREADS, *arrays, values, pixels)
    deliver(memory, out)


def max_unpool2d(x: DeviceArray, indices: DeviceArray, out: DeviceArray) -> None:
    """Puts each value where its index says."""
    _unpool(_max_unpool, x, indices, out, out.shape[2:])


def max_unpool2d_backward(grad: DeviceArray, indices: DeviceArray, out: DeviceArray) -> None:
    """The gradient of a place goes to the element that stood there in the end."""
    _unpool(_max_unpool_backward, grad, indices, out, grad.shape[2:])
