"""Nearest and bilinear resizing, and their adjoints.

Which source pixels an output pixel is made of is the same for all planes: small tables hold it, one for the rows and
one for the columns, made on the host, where positions are worked out exactly as the reference does, and kept. They
grow with the output pixel, so a source pixel meets a contiguous run of output pixels: the adjoint gathers over it.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from .patterns.array import DeviceArray, contiguous, from_numpy, row_major_like
from .patterns.assignment import deliver
from .patterns.planes import over_planes, own_pixel
from .runtime.compiler import FLOATS, T, cuda, helper, kernel

__all__ = [
    "interpolate_bilinear",
    "interpolate_bilinear_backward",
    "interpolate_nearest",
    "interpolate_nearest_backward",
]

Steps = tuple[float, float]


class _Taps(NamedTuple):
    """Of the rows, then of the columns. ``pixels``: the two source pixels of each output pixel, then the run of
    output pixels, begin and end, of each source pixel; ``shares``: what the second of an output pixel's two
    contributes.
    """

    pixels: DeviceArray
    shares: DeviceArray


def _nearest(source: int, target: int, step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First and second pixel, and the share of the second. The position is computed in float32, as PyTorch does, so
    that ties fall the same way.
    """
    position = np.floor(np.arange(target, dtype=np.float32) * np.float32(step)).astype(np.int64)
    low = np.minimum(position, source - 1)
    return low, low, np.zeros(target)


def _bilinear(source: int, target: int, step: float, corners: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Without align_corners pixels are little squares, so half a pixel is added and taken off. What lies right on a
    pixel takes both halves from that one: a NaN beside it is none of its business.
    """
    i = np.arange(target)
    position = i * step if corners else np.maximum((i + 0.5) * step - 0.5, 0)
    low = np.minimum(np.floor(position).astype(np.int64), source - 1)
    share = np.clip(position - low, 0, 1)
    return low, np.where(share > 0, np.minimum(low + 1, source - 1), low), share


@functools.lru_cache(maxsize=256)
def _taps(source: tuple[int, ...], target: tuple[int, ...], step: Steps, corners: bool | None, dtype: str) -> _Taps:
    """``corners`` None: nearest."""
    if max(*source, *target) >= 2**31:
        raise ValueError(
            f"interpolate on a GPU: from {source} to {target} pixels, and rows and columns are counted in 32 bits;"
            " use smaller images"
        )
    pixels, shares = [], []
    for size, count, length in zip(source, target, step, strict=True):
        found = _nearest(size, count, length) if corners is None else _bilinear(size, count, length, corners)
        low, high, share = found
        every = np.arange(size)
        runs = np.stack((np.searchsorted(high, every, "left"), np.searchsorted(low, every, "right")), 1)
        pixels += [np.stack((low, high), 1).ravel(), runs.ravel()]
        shares.append(share)
    return _Taps(
        from_numpy(np.concatenate(pixels).astype(np.int32)), from_numpy(np.concatenate(shares).astype(dtype))
    )


@kernel("T* T* i4* i8 i8 i8 i8 i8", T=FLOATS)
def _copy(x, out, pixels, planes, h, w, rows, columns):
    pixel = own_pixel()
    if pixel < rows * columns:
        i = pixel // columns
        source = pixels[2 * i] * w + pixels[2 * (rows + h + pixel - i * columns)]
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            out[plane * rows * columns + pixel] = x[plane * h * w + source]


@kernel("T* T* i4* i8 i8 i8 i8 i8", T=FLOATS)
def _sum_copies(grad, out, pixels, planes, h, w, rows, columns):
    pixel = own_pixel()
    if pixel < h * w:
        row = pixel // w
        of_row, of_column = 2 * (rows + row), 2 * (rows + h + columns + pixel - row * w)
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            total = T(0)
            for i in range(pixels[of_row], pixels[of_row + 1]):
                for j in range(pixels[of_column], pixels[of_column + 1]):
                    total += grad[(plane * rows + i) * columns + j]
            out[plane * h * w + pixel] = total


@kernel("T* T* i4* T* i8 i8 i8 i8 i8", T=FLOATS)
def _blend(x, out, pixels, shares, planes, h, w, rows, columns):
    pixel = own_pixel()
    if pixel < rows * columns:
        i = pixel // columns
        j = pixel - i * columns
        above, below = pixels[2 * i] * w, pixels[2 * i + 1] * w
        left, right = pixels[2 * (rows + h + j)], pixels[2 * (rows + h + j) + 1]
        down, across = shares[i], shares[rows + j]
        up, back = T(1) - down, T(1) - across
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            at = plane * h * w
            first = up * x[at + above + left] + down * x[at + below + left]
            second = up * x[at + above + right] + down * x[at + below + right]
            out[plane * rows * columns + pixel] = back * first + across * second


@helper
def _weight(pixels, at, share, one, source):
    """What an output pixel takes from that source pixel; both of its taps may be that one. ``one`` has the type."""
    weight = one - share if pixels[at] == source else one - one
    return weight + share if pixels[at + 1] == source else weight


@kernel("T* T* i4* T* i8 i8 i8 i8 i8", T=FLOATS)
def _unblend(grad, out, pixels, shares, planes, h, w, rows, columns):
    pixel = own_pixel()
    if pixel < h * w:
        row = pixel // w
        column = pixel - row * w
        of_row, of_column = 2 * (rows + row), 2 * (rows + h + columns + column)
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            total = T(0)
            for i in range(pixels[of_row], pixels[of_row + 1]):
                line = T(0)
                for j in range(pixels[of_column], pixels[of_column + 1]):
                    weight = _weight(pixels, 2 * (rows + h + j), shares[rows + j], T(1), column)
                    line += weight * grad[(plane * rows + i) * columns + j]
                total += _weight(pixels, 2 * i, shares[i], T(1), row) * line
            out[plane * h * w + pixel] = total


def _sizes(source: DeviceArray, target: DeviceArray) -> tuple[int, ...]:
    """Planes, and rows and columns of the source, and of what it is resized to."""
    return (source.shape[0] * source.shape[1], *source.shape[2:], *target.shape[2:])


def _tables(source: DeviceArray, target: DeviceArray, step: Steps, corners: bool | None) -> _Taps:
    return _taps(source.shape[2:], target.shape[2:], tuple(step), corners, source.dtype.str)


def interpolate_nearest(x: DeviceArray, out: DeviceArray, step: Steps) -> None:
    """See ``spec.py``, as for every kernel here."""
    if out.size:
        memory, taps = row_major_like(out), _tables(x, out, step, None)
        over_planes(_copy, out.shape, contiguous(x), memory, taps.pixels, *_sizes(x, out))
        deliver(memory, out)


def interpolate_nearest_backward(grad: DeviceArray, out: DeviceArray, step: Steps) -> None:
    """Sums over the copies of each pixel."""
    if out.size:
        memory, taps = row_major_like(out), _tables(out, grad, step, None)
        over_planes(_sum_copies, out.shape, contiguous(grad), memory, taps.pixels, *_sizes(out, grad))
        deliver(memory, out)


def interpolate_bilinear(x: DeviceArray, out: DeviceArray, step: Steps, align_corners: bool) -> None:
    """Linear between the four pixels around each position."""
    if out.size:
        memory, taps = row_major_like(out), _tables(x, out, step, align_corners)
        over_planes(_blend, out.shape, contiguous(x), memory, *taps, *_sizes(x, out))
        deliver(memory, out)


def interpolate_bilinear_backward(grad: DeviceArray, out: DeviceArray, step: Steps, align_corners: bool) -> None:
    """Each gradient goes back to the four pixels, by the same weights."""
    if out.size:
        memory, taps = row_major_like(out), _tables(out, grad, step, align_corners)
        over_planes(_unblend, out.shape, contiguous(grad), memory, *taps, *_sizes(out, grad))
        deliver(memory, out)
