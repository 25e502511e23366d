"""Sums, products, largest and smallest elements along dimensions.

The axes are put in memory order and merged, so that what is reduced becomes the middle one of
(outer, rows, columns) in contiguous memory; several such groups are reduced one after the other, innermost first.
Rows come in blocks whose size follows from the shape alone: each block makes a partial result, which a thread can
do by itself, and NumPy adds up these few. A narrow matrix (a pixel's three channels, or a single column) is read as
one with fewer, longer rows, its *lanes*, so that the loop over a row is always long enough for vectors.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .runtime import parallel
from .runtime.compiler import bind, helper
from .runtime.layout import Array, memory_order
from .runtime.memory import contiguous, empty, full

__all__ = ["argmax", "argmin", "max", "min", "prod", "sum"]


_BLOCK = 16384  # elements that make one partial result
_WIDTH = 1024  # columns in a strip: its partial results stay in the first-level cache
_LANES = 64  # rows of fewer elements than this are lengthened
_SHORT = 256  # so many rows of one column are reduced in one go
_TILE = 64  # short rows that are reduced side by side
_GRAIN = 65536  # elements a thread takes at a time


def operation(a: Any, b: Any) -> Any:
    """Stands in the loops below for what ``bind`` puts there."""
    raise NotImplementedError


def _reduce_blocks(start: int, stop: int, x: Array, height: int, width: int, lanes: int, partial: Array) -> None:
    """x (outer, rows, columns) into partial (outer, blocks * lanes, columns); an item is (outer, block, strip)."""
    rows, columns = x.shape[1:]
    blocks = (rows + height - 1) // height
    strips = (columns + width - 1) // width
    for item in range(start, stop):
        n, place = divmod(item, blocks * strips)
        block, strip = divmod(place, strips)
        values = x[n, block * height : (block + 1) * height].reshape(-1)[strip * width :]
        result = partial[n, block * lanes : (block + 1) * lanes].reshape(-1)
        if strips > 1:
            result = result[strip * width : (strip + 1) * width]
        step = lanes * columns
        base = 0
        while base + 3 * step + result.size <= values.size:  # four rows for one load and store of the result
            first = values[base : base + result.size]
            second = values[base + step : base + step + result.size]
            third = values[base + 2 * step : base + 2 * step + result.size]
            fourth = values[base + 3 * step : base + 3 * step + result.size]
            for j in range(result.size):
                pair = operation(operation(result[j], first[j]), second[j])
                result[j] = operation(operation(pair, third[j]), fourth[j])
            base += 4 * step
        while base < values.size:
            row = values[base : base + result.size]
            for j in range(row.size):
                result[j] = operation(result[j], row[j])
            base += step


def _reduce_rows(start: int, stop: int, x: Array, out: Array) -> None:
    """x (outer, rows) into out (outer,); an item is a tile of outer ones, which are done side by side."""
    for item in range(start, stop):
        values = x[item * _TILE : (item + 1) * _TILE]
        result = out[item * _TILE : (item + 1) * _TILE]
        for j in range(values.shape[1]):
            for n in range(result.size):
                result[n] = operation(result[n], values[n, j])


def _find_in_columns(start: int, stop: int, x: Array, best: Array, where: Array) -> None:
    """The row of the best element of x (outer, rows, columns) in each column; an item is an outer one."""
    for item in range(start, stop):
        champion, place, row = best[item], where[item], x[item, 0]
        for j in range(row.size):
            champion[j] = row[j]
            place[j] = 0
        for i in range(1, x.shape[1]):
            row = x[item, i]
            for j in range(row.size):
                wins = operation(row[j], champion[j])
                champion[j] = row[j] if wins else champion[j]
                place[j] = i if wins else place[j]


def _find_in_rows(start: int, stop: int, x: Array, best: Array, where: Array) -> None:
    """The column of the best element of x (outer, rows) in each row; an item is a tile of outer ones."""
    for item in range(start, stop):
        values = x[item * _TILE : (item + 1) * _TILE]
        champion, place = best[item * _TILE : (item + 1) * _TILE], where[item * _TILE : (item + 1) * _TILE]
        for n in range(champion.size):
            champion[n] = values[n, 0]
            place[n] = 0
        for j in range(1, values.shape[1]):
            for n in range(champion.size):
                wins = operation(values[n, j], champion[n])
                champion[n] = values[n, j] if wins else champion[n]
                place[n] = j if wins else place[n]


@dataclass(frozen=True)
class _Reduction:
    """An operation's kernels, and NumPy's name of it, which reduces the partial results."""

    blocks: Callable[..., None]
    rows: Callable[..., None]
    ufunc: np.ufunc


def _compile(name: str, function: Callable[..., Any], ufunc: np.ufunc) -> _Reduction:
    compiled = helper(function)
    return _Reduction(
        bind(_reduce_blocks, f"_{name}_blocks", operation=compiled),
        bind(_reduce_rows, f"_{name}_rows", operation=compiled),
        ufunc,
    )


_sum = _compile("sum", lambda a, b: a + b, np.add)
_prod = _compile("prod", lambda a, b: a * b, np.multiply)
_max = _compile("max", lambda a, b: a if a >= b or a != a else b, np.maximum)
_min = _compile("min", lambda a, b: a if a <= b or a != a else b, np.minimum)

# A NaN wins over all but an earlier NaN.
_larger = helper(lambda new, old: new > old or (new != new and old == old))
_smaller = helper(lambda new, old: new < old or (new != new and old == old))
_ARGMAX = (
    bind(_find_in_columns, "_argmax_columns", operation=_larger),
    bind(_find_in_rows, "_argmax_rows", operation=_larger),
)
_ARGMIN = (
    bind(_find_in_columns, "_argmin_columns", operation=_smaller),
    bind(_find_in_rows, "_argmin_rows", operation=_smaller),
)


def _groups(x: Array, axes: tuple[int, ...], order: list[int]) -> tuple[list[int], list[bool]]:
    """Sizes of runs of neighbouring axes that are all reduced or all kept, and which they are."""
    sizes: list[int] = []
    reduced: list[bool] = []
    for axis in order:
        if x.shape[axis] == 1:
            continue
        if reduced and reduced[-1] == (axis in axes):
            sizes[-1] *= x.shape[axis]
        else:
            sizes.append(x.shape[axis])
            reduced.append(axis in axes)
    return sizes, reduced


def _reduce(kernels: _Reduction, x: Array, initial: Any) -> Array:
    """(outer, rows, columns), contiguous, to (outer, columns) in ``initial``'s type."""
    outer, rows, columns = x.shape
    if columns == 1 and rows <= _SHORT:
        result = full((outer,), initial, initial.dtype)
        parallel.run(kernels.rows, -(-outer // _TILE), _GRAIN // (rows * _TILE), x.reshape(outer, rows), result)
        return result
    lanes = builtins.max(1, builtins.min(_LANES // columns, rows // 32))
    width = builtins.min(columns, _WIDTH)
    height = builtins.max(1, _BLOCK // (width * lanes)) * lanes
    blocks, strips = -(-rows // height), -(-columns // width)
    partial = full((outer, blocks * lanes, columns), initial, initial.dtype)
    grain = _GRAIN // (builtins.min(rows, height) * width)
    parallel.run(kernels.blocks, outer * blocks * strips, grain, x, height, width, lanes, partial)
    return kernels.ufunc.reduce(partial, axis=1, dtype=initial.dtype)


def _run(kernels: _Reduction, x: Array, out: Array, axes: tuple[int, ...], initial: Any) -> None:
    """Reduce each group of axes in turn, the innermost first."""
    if x.size == 0:
        out[...] = initial
        return
    order = memory_order(x)
    sizes, reduced = _groups(x, axes, order)
    result = contiguous(x.transpose(order))
    while True in reduced:
        group = len(reduced) - 1 - reduced[::-1].index(True)
        outer, columns = int(np.prod(sizes[:group])), int(np.prod(sizes[group + 1 :]))
        result = _reduce(kernels, result.reshape(outer, sizes[group], columns), initial)
        del sizes[group], reduced[group]
    target = out.transpose(order)
    target[...] = result.reshape(target.shape)


def sum(x: Array, out: Array, axes: tuple[int, ...]) -> None:
    """Sums; floating types are added in float64. See ``spec.py``, as for every kernel here."""
    wide = np.dtype(np.float64) if x.dtype.kind == "f" else out.dtype
    _run(_sum, x, out, axes, wide.type(0))


def prod(x: Array, out: Array, axes: tuple[int, ...]) -> None:
    """Products; floating types are multiplied in float64."""
    wide = np.dtype(np.float64) if x.dtype.kind == "f" else out.dtype
    with np.errstate(all="ignore"):
        _run(_prod, x, out, axes, wide.type(1))


def _bound(dtype: np.dtype, largest: bool) -> Any:
    """A type's largest or smallest value."""
    if dtype.kind == "f":
        return dtype.type(np.inf if largest else -np.inf)
    if dtype.kind == "b":
        return dtype.type(largest)
    return dtype.type(np.iinfo(dtype).max if largest else np.iinfo(dtype).min)


def max(x: Array, out: Array, axes: tuple[int, ...]) -> None:
    """Largest elements; NaN if any is."""
    _run(_max, x, out, axes, _bound(x.dtype, largest=False))


def min(x: Array, out: Array, axes: tuple[int, ...]) -> None:
    """Smallest elements; NaN if any is."""
    _run(_min, x, out, axes, _bound(x.dtype, largest=True))


def _find(kernels: tuple[Callable[..., None], Callable[..., None]], x: Array, out: Array, axis: int) -> None:
    """Where the first best element stands."""
    if out.size == 0:
        return
    order = memory_order(x)
    place = order.index(axis % x.ndim)
    shape = [x.shape[k] for k in order]
    outer, rows, columns = int(np.prod(shape[:place])), shape[place], int(np.prod(shape[place + 1 :]))
    values = contiguous(x.transpose(order)).reshape(outer, rows, columns)
    best, where = empty((outer, columns), x.dtype), empty((outer, columns), np.int64)
    if columns == 1:
        tiles = -(-outer // _TILE)
        arrays = values.reshape(outer, rows), best.reshape(outer), where.reshape(outer)
        parallel.run(kernels[1], tiles, _GRAIN // (rows * _TILE), *arrays)
    else:
        parallel.run(kernels[0], outer, _GRAIN // (rows * columns), values, best, where)
    target = out.transpose(order)
    target[...] = where.reshape(target.shape)


def argmax(x: Array, out: Array, axis: int) -> None:
    """Index of the first largest element; a NaN is the largest."""
    _find(_ARGMAX, x, out, axis)


def argmin(x: Array, out: Array, axis: int) -> None:
    """Index of the first smallest element; a NaN is the smallest."""
    _find(_ARGMIN, x, out, axis)
