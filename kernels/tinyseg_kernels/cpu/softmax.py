"""The softmax and its logarithm along one axis, a contiguous row at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from . import parallel
from .array import Array, shares_memory
from .compiler import kernel
from .elementwise import assign
from .memory import contiguous
from .scalar import exponential

_GRAIN = 32768  # elements a thread takes at a time


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


def _by_rows(compiled: Callable[..., None], axis: int, out: Array, *inputs: Array) -> None:
    """Run a kernel over (rows, length of the axis); channels-last pixels are such rows already."""
    if out.size == 0:
        return
    length = out.shape[axis]
    moved = [np.moveaxis(array, axis, -1) for array in (*inputs, out)]
    rows = [contiguous(array).reshape(-1, length) for array in moved]
    parallel.run(compiled, out.size // length, _GRAIN // length, *rows)
    if not shares_memory(rows[-1], out):
        assign(rows[-1].reshape(moved[-1].shape), moved[-1])


def softmax(x: Array, out: Array, axis: int) -> None:
    """exp x / sum exp x. See ``spec.py``."""
    _by_rows(_softmax, axis, out, x)


def softmax_backward(grad: Array, y: Array, out: Array, axis: int) -> None:
    """y (grad - sum grad y)."""
    _by_rows(_softmax_backward, axis, out, grad, y)


def log_softmax(x: Array, out: Array, axis: int) -> None:
    """x - log sum exp x. See ``spec.py``."""
    _by_rows(_log_softmax, axis, out, x)


def log_softmax_backward(grad: Array, y: Array, out: Array, axis: int) -> None:
    """grad - exp(y) * sum grad."""
    _by_rows(_log_softmax_backward, axis, out, grad, y)
