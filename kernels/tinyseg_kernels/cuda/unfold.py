"""Windows as columns of a matrix, and columns added up to an image again; the sum is gathered, not scattered."""

from __future__ import annotations

from .patterns.array import DeviceArray, contiguous, row_major_like
from .patterns.assignment import deliver
from .patterns.planes import over_planes, own_pixel
from .runtime.compiler import FLOATS, T, cuda, kernel

__all__ = ["fold", "unfold"]

Pair = tuple[int, int]


@kernel("T* T* i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8", T=FLOATS)
def _unfold(x, out, planes, h, w, rows, columns, kh, kw, sh, sw, ph, pw, dh, dw):
    """Each tap of each channel is a plane of ``out``."""
    pixel = own_pixel()
    if pixel < rows * columns:
        i = pixel // columns
        top, left = i * sh - ph, (pixel - i * columns) * sw - pw
        for plane in range(cuda.blockIdx.y, planes * kh * kw, cuda.gridDim.y):
            source = plane // (kh * kw)
            tap = plane - source * kh * kw
            row, column = top + tap // kw * dh, left + tap % kw * dw
            inside = 0 <= row < h and 0 <= column < w
            out[plane * rows * columns + pixel] = x[(source * h + row) * w + column] if inside else T(0)


@kernel("T* T* i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8", T=FLOATS)
def _fold(x, out, planes, h, w, rows, columns, kh, kw, sh, sw, ph, pw, dh, dw):
    """A pixel is met by tap r of window i if i * stride - padding + r * dilation is its row, and alike in columns."""
    pixel = own_pixel()
    if pixel < h * w:
        below = pixel // w + ph
        right = pixel % w + pw
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            total = T(0)
            for r in range(kh):
                i = (below - r * dh) // sh
                if 0 <= i < rows and i * sh == below - r * dh:
                    for s in range(kw):
                        j = (right - s * dw) // sw
                        if 0 <= j < columns and j * sw == right - s * dw:
                            total += x[(((plane * kh + r) * kw + s) * rows + i) * columns + j]
            out[plane * h * w + pixel] = total


def unfold(x: DeviceArray, out: DeviceArray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """See ``spec.py``, as for every kernel here."""
    memory = row_major_like(out)
    numbers = x.shape[0] * x.shape[1], *x.shape[2:], *out.shape[4:], *kernel_size, *stride, *padding, *dilation
    over_planes(_unfold, out.shape, contiguous(x), memory, *numbers)
    deliver(memory, out)


def fold(x: DeviceArray, out: DeviceArray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """Its adjoint."""
    memory = row_major_like(out)
    numbers = out.shape[0] * out.shape[1], *out.shape[2:], *x.shape[4:], *kernel_size, *stride, *padding, *dilation
    over_planes(_fold, out.shape, contiguous(x), memory, *numbers)
    deliver(memory, out)
