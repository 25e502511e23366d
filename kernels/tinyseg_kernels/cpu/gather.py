"""Picking elements by an array of indices along one axis, and the adjoint, row by row."""

from __future__ import annotations

import numpy as np

from .patterns.copying import assign
from .runtime import parallel
from .runtime.compiler import kernel
from .runtime.layout import Array, shares_memory
from .runtime.memory import contiguous

__all__ = ["gather", "scatter_add"]


_GRAIN = 32768  # elements a thread takes at a time


@kernel
def _gather(start: int, stop: int, x: Array, index: Array, out: Array) -> None:
    """Rows of x (rows, length), index and out (rows, picks)."""
    for item in range(start, stop):
        row, places, result = x[item], index[item], out[item]
        for i in range(places.size):
            result[i] = row[places[i]]


@kernel
def _scatter_add(start: int, stop: int, source: Array, index: Array, out: Array) -> None:
    """Rows of source and index (rows, picks), out (rows, length); a row belongs to one thread."""
    for item in range(start, stop):
        values, places, result = source[item], index[item], out[item]
        for i in range(places.size):
            result[places[i]] += values[i]


def _within(array: Array, shape: tuple[int, ...], axis: int) -> Array:
    """The part of the array that an index of that shape speaks of: all of ``axis``, its own extent elsewhere."""
    return array[tuple(slice(None) if d == axis else slice(size) for d, size in enumerate(shape))]


def _rows(array: Array, axis: int) -> Array:
    """(rows, length of the axis), a view where the axis is innermost in memory."""
    return contiguous(np.moveaxis(array, axis, -1)).reshape(-1, array.shape[axis])


def gather(x: Array, index: Array, out: Array, axis: int) -> None:
    """What stands at the places. See ``spec.py``."""
    if index.size == 0:
        return
    axis %= x.ndim
    result = _rows(out, axis)
    grain = _GRAIN // index.shape[axis]
    source = _rows(_within(x, index.shape, axis), axis)
    parallel.run(_gather, len(result), grain, source, _rows(index, axis), result)
    if not shares_memory(result, out):
        moved = np.moveaxis(out, axis, -1)
        assign(result.reshape(moved.shape), moved)


def scatter_add(source: Array, index: Array, out: Array, axis: int) -> None:
    """Adds to the places, in scan order."""
    if index.size == 0:
        return
    axis %= out.ndim
    touched = _within(out, index.shape, axis)
    result = _rows(touched, axis)
    grain = _GRAIN // index.shape[axis]
    values = _rows(_within(source, index.shape, axis), axis)
    parallel.run(_scatter_add, len(result), grain, values, _rows(index, axis), result)
    if not shares_memory(result, out):
        moved = np.moveaxis(touched, axis, -1)
        assign(result.reshape(moved.shape), moved)
