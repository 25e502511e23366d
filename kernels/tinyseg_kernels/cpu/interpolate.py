"""Nearest and bilinear resizing, and their adjoints, a row of pixels at a time.

Which source pixels an output pixel is made of is the same for all columns, channels and images: small tables hold
it, one for the rows and one for the columns. Positions grow with the output pixel, so a source row, too, meets a
contiguous run of output rows: the adjoint gathers over that run, and no two threads write one row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .patterns.copying import deliver
from .runtime import parallel
from .runtime.compiler import helper, kernel
from .runtime.layout import Array, channels_last

__all__ = [
    "interpolate_bilinear",
    "interpolate_bilinear_backward",
    "interpolate_nearest",
    "interpolate_nearest_backward",
]


Steps = tuple[float, float]

_GRAIN = 32768  # elements a thread takes at a time


class _Taps(NamedTuple):
    """For each output pixel its two source pixels, and the weight of each."""

    low: Array
    high: Array
    near: Array
    far: Array


def _nearest(source: int, target: int, step: float) -> Array:
    """The source pixel of each output pixel, its position in float32, so that ties fall as in PyTorch."""
    position = np.floor(np.arange(target, dtype=np.float32) * np.float32(step)).astype(np.int64)
    return np.minimum(position, source - 1)


def _bilinear(source: int, target: int, step: float, align_corners: bool, dtype: np.dtype) -> _Taps:
    """Without align_corners pixels are little squares, so half a pixel is added and taken off. What lies right on a
    pixel takes both halves from that one: a NaN beside it is none of its business.
    """
    i = np.arange(target)
    position = i * step if align_corners else np.maximum((i + 0.5) * step - 0.5, 0)
    low = np.minimum(np.floor(position).astype(np.int64), source - 1)
    share = np.clip(position - low, 0, 1)
    high = np.where(share > 0, np.minimum(low + 1, source - 1), low)
    return _Taps(low, high, (1 - share).astype(dtype), share.astype(dtype))


def _runs(low: Array, source: int, reach: int) -> Array:
    """For each source pixel the run of output pixels whose ``low`` is that one or up to ``reach`` before."""
    pixels = np.arange(source)
    return np.stack((np.searchsorted(low, pixels - reach, "left"), np.searchsorted(low, pixels, "right")), axis=1)


@kernel
def _copy(start: int, stop: int, x: Array, out: Array, rows: Array, columns: Array) -> None:
    """An item is a row of ``out``."""
    for item in range(start, stop):
        n, i = divmod(item, out.shape[1])
        source, target = x[n, rows[i]], out[n, i]
        for j in range(target.shape[0]):
            pixel, result = source[columns[j]], target[j]
            for c in range(result.size):
                result[c] = pixel[c]


@kernel
def _sum_copies(start: int, stop: int, grad: Array, out: Array, runs: Array, columns: Array) -> None:
    """An item is a row of ``out``; the rows of its run in ``grad`` were copied from it."""
    for item in range(start, stop):
        n, h = divmod(item, out.shape[1])
        target = out[n, h]
        for w in range(target.shape[0]):
            for c in range(target.shape[1]):
                target[w, c] = 0
        for i in range(runs[h, 0], runs[h, 1]):
            source = grad[n, i]
            for j in range(source.shape[0]):
                gradient, result = source[j], target[columns[j]]
                for c in range(result.size):
                    result[c] += gradient[c]


@kernel
def _blend(start: int, stop: int, x: Array, out: Array, rows: _Taps, columns: _Taps) -> None:
    """An item is a row of ``out``: first two source rows are blended, then the pixels of the blended row."""
    blended = np.empty(x.shape[2:], x.dtype)
    flat = blended.reshape(-1)
    for item in range(start, stop):
        n, i = divmod(item, out.shape[1])
        above, below = x[n, rows.low[i]].reshape(-1), x[n, rows.high[i]].reshape(-1)
        near, far = rows.near[i], rows.far[i]
        for k in range(flat.size):
            flat[k] = near * above[k] + far * below[k]
        target = out[n, i]
        for j in range(target.shape[0]):
            left, right, result = blended[columns.low[j]], blended[columns.high[j]], target[j]
            near, far = columns.near[j], columns.far[j]
            for c in range(result.size):
                result[c] = near * left[c] + far * right[c]


@helper
def _weight(taps: _Taps, i: int, source: int) -> Any:
    """What output pixel i takes from that source pixel; at the border both of its taps may be that one."""
    zero = taps.near[i] * 0
    return (taps.near[i] if taps.low[i] == source else zero) + (taps.far[i] if taps.high[i] == source else zero)


@kernel
def _unblend(
    start: int, stop: int, grad: Array, out: Array, rows: _Taps, columns: _Taps, row_runs: Array, column_runs: Array
) -> None:
    """An item is a row of ``out``: first rows of ``grad`` are added up, then the pixels of their sum."""
    gathered = np.empty(grad.shape[2:], grad.dtype)
    flat = gathered.reshape(-1)
    for item in range(start, stop):
        n, h = divmod(item, out.shape[1])
        for k in range(flat.size):
            flat[k] = 0
        for i in range(row_runs[h, 0], row_runs[h, 1]):
            if rows.low[i] != h and rows.high[i] != h:
                continue
            source = grad[n, i].reshape(-1)
            weight = _weight(rows, i, h)
            for k in range(flat.size):
                flat[k] += weight * source[k]
        for w in range(out.shape[2]):
            result = out[n, h, w]
            for c in range(result.size):
                result[c] = 0
            for j in range(column_runs[w, 0], column_runs[w, 1]):
                if columns.low[j] != w and columns.high[j] != w:
                    continue
                weight, gradient = _weight(columns, j, w), gathered[j]
                for c in range(result.size):
                    result[c] += weight * gradient[c]


def _grain(out: Array, other: Array) -> int:
    """Rows of ``out`` a thread takes at a time."""
    return _GRAIN // max(1, max(out.size, other.size) // (out.shape[0] * out.shape[2]))


def interpolate_nearest(x: Array, out: Array, step: Steps) -> None:
    """Copies the source pixel below each output pixel. See ``spec.py``, as for every kernel here."""
    if out.size == 0:
        return
    rows, columns = (_nearest(x.shape[d], out.shape[d], step[d - 2]) for d in (2, 3))
    memory = channels_last(out)
    count = out.shape[0] * out.shape[2]
    parallel.run(_copy, count, _grain(out, x), channels_last(x), memory, rows, columns)
    deliver(memory, out)


def interpolate_nearest_backward(grad: Array, out: Array, step: Steps) -> None:
    """Sums over the copies of each pixel."""
    if out.size == 0:
        return
    rows, columns = (_nearest(out.shape[d], grad.shape[d], step[d - 2]) for d in (2, 3))
    memory = channels_last(out)
    runs = _runs(rows, out.shape[2], 0)
    count = out.shape[0] * out.shape[2]
    parallel.run(_sum_copies, count, _grain(out, grad), channels_last(grad), memory, runs, columns)
    deliver(memory, out)


def interpolate_bilinear(x: Array, out: Array, step: Steps, align_corners: bool) -> None:
    """Linear between the four pixels around each position."""
    if out.size == 0:
        return
    rows, columns = (_bilinear(x.shape[d], out.shape[d], step[d - 2], align_corners, x.dtype) for d in (2, 3))
    memory = channels_last(out)
    count = out.shape[0] * out.shape[2]
    parallel.run(_blend, count, _grain(out, x), channels_last(x), memory, rows, columns)
    deliver(memory, out)


def interpolate_bilinear_backward(grad: Array, out: Array, step: Steps, align_corners: bool) -> None:
    """Each gradient goes back to the four pixels, by the same weights."""
    if out.size == 0:
        return
    rows, columns = (_bilinear(out.shape[d], grad.shape[d], step[d - 2], align_corners, grad.dtype) for d in (2, 3))
    memory = channels_last(out)
    runs = _runs(rows.low, out.shape[2], 1), _runs(columns.low, out.shape[3], 1)
    count = out.shape[0] * out.shape[2]
    parallel.run(_unblend, count, _grain(out, grad), channels_last(grad), memory, rows, columns, *runs)
    deliver(memory, out)
