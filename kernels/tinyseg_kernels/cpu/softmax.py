"""The softmax and its logarithm along one axis.

Long rows are taken one at a time, and all arithmetic runs along the row in vectors. Pixels are rows of few classes:
there a tile of them is turned on its side, (classes, pixels), and the exponentials are taken over pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .patterns.copying import assign
from .runtime import parallel
from .runtime.compiler import helper, kernel
from .runtime.layout import Array, shares_memory
from .runtime.memory import contiguous
from .vector.scalar import exponential

__all__ = ["log_softmax", "log_softmax_backward", "softmax", "softmax_backward"]


TILE = 64  # pixels
GRAIN = 32768  # elements a thread takes at a time
_FEW = 64  # classes: more of them are a long row


@helper
def exponentials(pixels: Array, tile: Array, peak: Array, total: Array) -> None:
    """tile[c, p] = exp(logit - peak) and total[p], its sum, with peak[p] the largest logit of the pixel."""
    count, classes = pixels.shape
    for p in range(count):
        for c in range(classes):
            tile[c, p] = pixels[p, c]
    for p in range(count):
        peak[p] = tile[0, p]
        total[p] = 0
    for c in range(1, classes):
        for p in range(count):
            peak[p] = tile[c, p] if tile[c, p] > peak[p] else peak[p]
    for c in range(classes):
        for p in range(count):
            tile[c, p] = exponential(tile[c, p] - peak[p])
            total[p] += tile[c, p]


@kernel
def _softmax_of_few(start: int, stop: int, x: Array, out: Array) -> None:
    """An item is a tile of the pixels of x (pixels, classes)."""
    tile = np.empty((x.shape[1], TILE), x.dtype)
    peak, total = np.empty(TILE, x.dtype), np.empty(TILE, x.dtype)
    for item in range(start, stop):
        pixels, result = x[item * TILE : (item + 1) * TILE], out[item * TILE : (item + 1) * TILE]
        exponentials(pixels, tile, peak, total)
        for p in range(pixels.shape[0]):
            for c in range(pixels.shape[1]):
                result[p, c] = tile[c, p] / total[p]


@kernel
def _log_softmax_of_few(start: int, stop: int, x: Array, out: Array) -> None:
    """Tiles, as above."""
    tile = np.empty((x.shape[1], TILE), x.dtype)
    peak, total = np.empty(TILE, x.dtype), np.empty(TILE, x.dtype)
    for item in range(start, stop):
        pixels, result = x[item * TILE : (item + 1) * TILE], out[item * TILE : (item + 1) * TILE]
        exponentials(pixels, tile, peak, total)
        for p in range(pixels.shape[0]):
            rest = x.dtype.type(math.log(total[p]))
            for c in range(pixels.shape[1]):
                result[p, c] = (pixels[p, c] - peak[p]) - rest


@kernel
def _softmax(start: int, stop: int, x: Array, out: Array) -> None:
    """Rows of x (rows, length)."""
    for item in range(start, stop):
        row, result = x[item], out[item]
        peak = row[0]
        for i in range(row.size):  # a NaN need not be found here: the sum will be NaN
            peak = row[i] if row[i] > peak else peak
        total = 0.0
        for i in range(row.size):
            result[i] = exponential(row[i] - peak)
            total += result[i]
        share = row.dtype.type(1 / total)
        for i in range(row.size):
            result[i] *= share


@kernel
def _softmax_backward(start: int, stop: int, grad: Array, y: Array, out: Array) -> None:
    """Rows, as above."""
    for item in range(start, stop):
        g, row, result = grad[item], y[item], out[item]
        total = 0.0
        for i in range(g.size):
            total += g[i] * row[i]
        mean = row.dtype.type(total)
        for i in range(row.size):
            result[i] = row[i] * (g[i] - mean)


@kernel
def _log_softmax(start: int, stop: int, x: Array, out: Array) -> None:
    """Rows of x (rows, length)."""
    for item in range(start, stop):
        row, result = x[item], out[item]
        peak = row[0]
        for i in range(row.size):  # a NaN need not be found here: the sum will be NaN
            peak = row[i] if row[i] > peak else peak
        total = 0.0
        for i in range(row.size):
            result[i] = row[i] - peak  # kept: peak + log(total) would lose the digits of a large peak
            total += exponential(result[i])
        rest = row.dtype.type(math.log(total))
        for i in range(row.size):
            result[i] -= rest


@kernel
def _log_softmax_backward(start: int, stop: int, grad: Array, y: Array, out: Array) -> None:
    """Rows, as above."""
    for item in range(start, stop):
        g, row, result = grad[item], y[item], out[item]
        total = 0.0
        for i in range(g.size):
            total += g[i]
        scale = row.dtype.type(total)
        for i in range(row.size):
            result[i] = g[i] - exponential(row[i]) * scale


def _by_rows(
    compiled: Callable[..., None], of_few: Callable[..., None] | None, axis: int, out: Array, *inputs: Array
) -> None:
    """Run a kernel over (rows, length of the axis); channels-last pixels are such rows already."""
    if out.size == 0:
        return
    length = out.shape[axis]
    moved = [np.moveaxis(array, axis, -1) for array in (*inputs, out)]
    rows = [contiguous(array).reshape(-1, length) for array in moved]
    if of_few is not None and length <= _FEW:
        parallel.run(of_few, -(-len(rows[0]) // TILE), GRAIN // (TILE * length), *rows)
    else:
        parallel.run(compiled, len(rows[0]), GRAIN // length, *rows)
    if not shares_memory(rows[-1], out):
        assign(rows[-1].reshape(moved[-1].shape), moved[-1])


def softmax(x: Array, out: Array, axis: int) -> None:
    """exp x / sum exp x. See ``spec.py``."""
    _by_rows(_softmax, _softmax_of_few, axis, out, x)


def softmax_backward(grad: Array, y: Array, out: Array, axis: int) -> None:
    """y (grad - sum grad y)."""
    _by_rows(_softmax_backward, None, axis, out, grad, y)


def log_softmax(x: Array, out: Array, axis: int) -> None:
    """x - log sum exp x. See ``spec.py``."""
    _by_rows(_log_softmax, _log_softmax_of_few, axis, out, x)


def log_softmax_backward(grad: Array, y: Array, out: Array, axis: int) -> None:
    """grad - exp(y) * sum grad."""
    _by_rows(_log_softmax_backward, None, axis, out, grad, y)
