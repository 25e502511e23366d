"""Average pooling and its gradient: one loop, since both are sums over a run of rows and a run of columns.

The gradient gathers: a pixel takes from the windows that hold it, which are a run of rows and columns of windows.
What a sum is divided by, the product of a number for the row and one for the column of the window, is multiplied in
where the window is read or written.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .patterns import windows
from .patterns.copying import deliver
from .runtime import parallel
from .runtime.compiler import helper, kernel
from .runtime.layout import Array, Pair, channels_last
from .runtime.processor import lanes
from .vector.simd import fma, load, number, put, splat, store

__all__ = ["adaptive_avg_pool2d", "adaptive_avg_pool2d_backward", "avg_pool2d", "avg_pool2d_backward"]


_GRAIN = 32768  # elements a thread takes at a time
_LARGE = 4  # windows of more columns are read pixel by pixel, smaller ones a few channels at a time


class _Axis(NamedTuple):
    """For each result the run of places that it sums over; a factor for each place and for each result."""

    runs: Array
    before: Array
    after: Array


@helper
def _sum_large(
    image: Array, rows: _Axis, columns: _Axis, i: int, j: int, low: int, sums: Array, result: Array
) -> None:
    """One window, in the order in which it lies in memory."""
    for c in range(result.size):
        result[c] = 0
    for h in range(rows.runs[i, 0], rows.runs[i, 1]):
        for c in range(result.size):
            sums[c] = 0
        for w in range(columns.runs[j, 0], columns.runs[j, 1]):
            pixel, factor = image[h, w, low : low + result.size], columns.before[w]
            for c in range(result.size):
                sums[c] += factor * pixel[c]
        factor = rows.before[h] * rows.after[i] * columns.after[j]
        for c in range(result.size):
            result[c] += factor * sums[c]


@kernel
def _sum_runs(
    start: int, stop: int, x: Array, out: Array, rows: _Axis, columns: _Axis, strip: int, lanes: int
) -> None:
    """An item is ``strip`` channels of a row of ``out``. A row of a window is added up by itself, and then the rows:
    so the error does not grow with the pixels of a large one.
    """
    height, width, channels = x.shape[1:]
    parts = (channels + strip - 1) // strip
    source, target = x.reshape(-1), out.reshape(-1)
    zero, sums = splat(x.dtype.type(0)), np.empty(strip, x.dtype)
    for item in range(start, stop):
        line, part = divmod(item, parts)
        n, i = divmod(line, out.shape[1])
        low, high = part * strip, min((part + 1) * strip, channels)
        top, bottom = rows.runs[i, 0], rows.runs[i, 1]
        for j in range(out.shape[2]):
            left, right = columns.runs[j, 0], columns.runs[j, 1]
            after, place = rows.after[i] * columns.after[j], (line * out.shape[2] + j) * channels
            if right - left > _LARGE:
                _sum_large(x[n], rows, columns, i, j, low, sums, out[n, i, j, low:high])
                continue
            c = low
            while c + 2 * lanes <= high:
                first, second = zero, zero
                for h in range(top, bottom):
                    one, two = zero, zero
                    pixel = ((n * height + h) * width + left) * channels + c
                    for w in range(left, right):
                        factor = splat(columns.before[w])
                        one = fma(factor, load(source, pixel), one)
                        two = fma(factor, load(source, pixel + lanes), two)
                        pixel += channels
                    factor = splat(rows.before[h] * after)
                    first, second = fma(factor, one, first), fma(factor, two, second)
                store(target, place + c, first)
                store(target, place + c + lanes, second)
                c += 2 * lanes
            while c < high:
                total = x.dtype.type(0)
                for h in range(top, bottom):
                    of_row = x.dtype.type(0)
                    pixel = ((n * height + h) * width + left) * channels + c
                    for w in range(left, right):
                        of_row += columns.before[w] * number(source, pixel)
                        pixel += channels
                    total += rows.before[h] * after * of_row
                put(target, place + c, total)
                c += 1


Table = tuple[Array, Array]  # runs of pixels (count, 2), and what their sums are divided by


def _run(x: Array, out: Array, tables: list[Table], backwards: bool = False) -> None:
    if out.size == 0:
        return
    image = out if backwards else x
    make = _backward if backwards else _forward
    axes = [make(*table, image.shape[2 + axis], x.dtype) for axis, table in enumerate(tables)]
    memory = channels_last(out)
    lines = memory.shape[0] * memory.shape[1]
    strip = windows.strip(lines, memory.shape[3])
    items = lines * -(-memory.shape[3] // strip)
    grain = _GRAIN * items // max(x.size, out.size)
    parallel.run(_sum_runs, items, grain, channels_last(x), memory, *axes, strip, lanes(x.itemsize))
    deliver(memory, out)


def _forward(runs: Array, divisors: Array, size: int, dtype: np.dtype) -> _Axis:
    return _Axis(runs, np.ones(size, dtype), (1 / divisors).astype(dtype))


def _backward(runs: Array, divisors: Array, size: int, dtype: np.dtype) -> _Axis:
    pixels = np.arange(size)
    return _Axis(windows.meeting(runs, pixels, pixels + 1), (1 / divisors).astype(dtype), np.ones(size, dtype))


def _sliding(
    x: Array,
    out: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> list[Table]:
    """Divisors are the pixels of a window, with those of the padding or without."""
    tables = []
    for axis in (0, 1):
        size = x.shape[2 + axis]
        outer = windows.sliding(out.shape[2 + axis], kernel_size[axis], stride[axis], padding[axis])
        runs = windows.inside(outer, size)
        divisors = runs[:, 1] - runs[:, 0]
        if count_include_pad:
            divisors = np.minimum(outer[:, 1], size + padding[axis]) - outer[:, 0]
        if divisor_override is not None:
            divisors = np.full(len(runs), 1 if axis else divisor_override)
        tables.append((runs, divisors))
    return tables


def _adaptive(x: Array, out: Array) -> list[Table]:
    runs = [windows.adaptive(x.shape[axis], out.shape[axis]) for axis in (2, 3)]
    return [(run, run[:, 1] - run[:, 0]) for run in runs]


def avg_pool2d(
    x: Array,
    out: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> None:
    """Means over windows. See ``spec.py``, as for every kernel here."""
    _run(x, out, _sliding(x, out, kernel_size, stride, padding, count_include_pad, divisor_override))


def avg_pool2d_backward(
    grad: Array,
    out: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> None:
    """Each pixel's share of the windows that hold it."""
    tables = _sliding(out, grad, kernel_size, stride, padding, count_include_pad, divisor_override)
    _run(grad, out, tables, backwards=True)


def adaptive_avg_pool2d(x: Array, out: Array) -> None:
    """Means over windows that share the image out."""
    _run(x, out, _adaptive(x, out))


def adaptive_avg_pool2d_backward(grad: Array, out: Array) -> None:
    """Its adjoint."""
    _run(grad, out, _adaptive(out, grad), backwards=True)
