"""Average pooling, over windows that slide and over windows that share the image out, and its gradients.

A gradient is gathered: a thread adds up the shares of its pixel in all windows that hold it.
"""

from __future__ import annotations

from .elementwise import divide
from .patterns.array import DeviceArray, contiguous, row_major_like
from .patterns.assignment import deliver
from .patterns.planes import over_planes, own_pixel
from .pool2d import first_window
from .reduce import sum as sum_over
from .runtime.compiler import FLOATS, T, cuda, helper, kernel

__all__ = ["adaptive_avg_pool2d", "adaptive_avg_pool2d_backward", "avg_pool2d", "avg_pool2d_backward"]

Pair = tuple[int, int]


@helper
def _bounds(i, size, kernel, stride, padding, include_pad):
    """First pixel of window i, the one behind its last, and how many count: of the padding, too, if asked for, but
    nothing of what lies beyond it.
    """
    start = i * stride - padding
    stop = min(start + kernel, size + padding)
    first, last = max(start, 0), min(stop, size)
    return first, last, stop - start if include_pad else last - first


@kernel("T* T* i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8", T=FLOATS)
def _avg_pool(x, out, planes, h, w, rows, columns, kh, kw, sh, sw, ph, pw, include_pad, divisor):
    """``divisor`` 0: the number of pixels."""
    pixel = own_pixel()
    if pixel < rows * columns:
        i = pixel // columns
        top, bottom, height = _bounds(i, h, kh, sh, ph, include_pad)
        left, right, width = _bounds(pixel - i * columns, w, kw, sw, pw, include_pad)
        count = T(divisor if divisor != 0 else height * width)
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            total = T(0)
            for row in range(top, bottom):
                for column in range(left, right):
                    total += x[(plane * h + row) * w + column]
            out[plane * rows * columns + pixel] = total / count


@kernel("T* T* i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8", T=FLOATS)
def _avg_pool_backward(grad, out, planes, h, w, rows, columns, kh, kw, sh, sw, ph, pw, include_pad, divisor):
    pixel = own_pixel()
    if pixel < h * w:
        row = pixel // w
        column = pixel - row * w
        first_i, last_i = first_window(row + ph, kh - 1, sh), min(rows - 1, (row + ph) // sh)
        first_j, last_j = first_window(column + pw, kw - 1, sw), min(columns - 1, (column + pw) // sw)
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            total = T(0)
            for i in range(first_i, last_i + 1):
                _, _, height = _bounds(i, h, kh, sh, ph, include_pad)
                for j in range(first_j, last_j + 1):
                    _, _, width = _bounds(j, w, kw, sw, pw, include_pad)
                    count = T(divisor if divisor != 0 else height * width)
                    total += grad[(plane * rows + i) * columns + j] / count
            out[plane * h * w + pixel] = total


@kernel("T* T* i8 i8 i8 i8 i8", T=FLOATS)
def _adaptive_avg_pool(x, out, planes, h, w, rows, columns):
    pixel = own_pixel()
    if pixel < rows * columns:
        i = pixel // columns
        j = pixel - i * columns
        top, bottom = i * h // rows, ((i + 1) * h + rows - 1) // rows
        left, right = j * w // columns, ((j + 1) * w + columns - 1) // columns
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            total = T(0)
            for row in range(top, bottom):
                for column in range(left, right):
                    total += x[(plane * h + row) * w + column]
            out[plane * rows * columns + pixel] = total / T((bottom - top) * (right - left))


@kernel("T* T* i8 i8 i8 i8 i8", T=FLOATS)
def _adaptive_avg_pool_backward(grad, out, planes, h, w, rows, columns):
    """Window i ends behind ``row`` if (i + 1) h > row rows, and begins no later if i h < (row + 1) rows."""
    pixel = own_pixel()
    if pixel < h * w:
        row = pixel // w
        column = pixel - row * w
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            total = T(0)
            for i in range(row * rows // h, ((row + 1) * rows - 1) // h + 1):
                height = ((i + 1) * h + rows - 1) // rows - i * h // rows
                for j in range(column * columns // w, ((column + 1) * columns - 1) // w + 1):
                    width = ((j + 1) * w + columns - 1) // columns - j * w // columns
                    total += grad[(plane * rows + i) * columns + j] / T(height * width)
            out[plane * h * w + pixel] = total


def _sizes(image: DeviceArray, pooled: DeviceArray) -> tuple[int, ...]:
    """Planes, and rows and columns of either."""
    return (image.shape[0] * image.shape[1], *image.shape[2:], *pooled.shape[2:])


def avg_pool2d(
    x: DeviceArray,
    out: DeviceArray,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> None:
    """See ``spec.py``, as for every kernel here."""
    memory = row_major_like(out)
    rules = *kernel_size, *stride, *padding, count_include_pad, divisor_override or 0
    over_planes(_avg_pool, out.shape, contiguous(x), memory, *_sizes(x, out), *rules)
    deliver(memory, out)


def avg_pool2d_backward(
    grad: DeviceArray,
    out: DeviceArray,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> None:
    """Its adjoint."""
    memory = row_major_like(out)
    rules = *kernel_size, *stride, *padding, count_include_pad, divisor_override or 0
    over_planes(_avg_pool_backward, out.shape, contiguous(grad), memory, *_sizes(out, grad), *rules)
    deliver(memory, out)


def adaptive_avg_pool2d(x: DeviceArray, out: DeviceArray) -> None:
    """The mean over each window; where there is but one, a whole block of threads adds it up."""
    if out.shape[2:] == (1, 1) and x.size:
        sum_over(x, out, (2, 3))
        divide(out, float(x.shape[2] * x.shape[3]), out)
        return
    memory = row_major_like(out)
    over_planes(_adaptive_avg_pool, out.shape, contiguous(x), memory, *_sizes(x, out))
    deliver(memory, out)


def adaptive_avg_pool2d_backward(grad: DeviceArray, out: DeviceArray) -> None:
    """Its adjoint."""
    memory = row_major_like(out)
    over_planes(_adaptive_avg_pool_backward, out.shape, contiguous(grad), memory, *_sizes(out, grad))
    deliver(memory, out)
