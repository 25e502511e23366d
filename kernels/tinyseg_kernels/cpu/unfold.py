"""Windows as columns of a matrix, and columns added up to an image again: a plane at a time, row by row."""

from __future__ import annotations

from .patterns.copying import assign
from .runtime import parallel
from .runtime.compiler import helper, kernel
from .runtime.layout import Array, Pair, shares_memory
from .runtime.memory import contiguous

__all__ = ["fold", "unfold"]


_GRAIN = 65536  # elements of columns a thread takes at a time


@helper
def _met(place: int, size: int, count: int, stride: int) -> tuple[int, int]:
    """Which of ``count`` windows, whose tap is at place, place + stride, ..., have it inside: the first, and the
    one after the last.
    """
    first = max(0, (stride - 1 - place) // stride)
    return first, max(first, min(count, (size - 1 - place) // stride + 1))


@kernel
def _unfold(
    start: int, stop: int, x: Array, out: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """An item is a plane of ``x`` (planes, H, W); ``out`` is (planes, kh, kw, H', W')."""
    height, width = x.shape[1:]
    rows, columns = out.shape[3:]
    for item in range(start, stop):
        for r in range(kernel_size[0]):
            for s in range(kernel_size[1]):
                left = s * dilation[1] - padding[1]
                first, last = _met(left, width, columns, stride[1])
                for i in range(rows):
                    target = out[item, r, s, i]
                    row = i * stride[0] - padding[0] + r * dilation[0]
                    if row < 0 or row >= height or first == last:
                        target[:] = 0
                        continue
                    target[:first] = 0
                    target[last:] = 0
                    source = x[item, row, left + first * stride[1] :: stride[1]]
                    inside = target[first:last]
                    for j in range(inside.size):
                        inside[j] = source[j]


@kernel
def _fold(
    start: int, stop: int, x: Array, out: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """An item is a plane of ``out`` (planes, H, W); ``x`` is (planes, kh, kw, H', W')."""
    height, width = out.shape[1:]
    rows, columns = x.shape[3:]
    for item in range(start, stop):
        out[item] = 0
        for r in range(kernel_size[0]):
            for s in range(kernel_size[1]):
                left = s * dilation[1] - padding[1]
                first, last = _met(left, width, columns, stride[1])
                for i in range(rows):
                    row = i * stride[0] - padding[0] + r * dilation[0]
                    if row < 0 or row >= height or first == last:
                        continue
                    source = x[item, r, s, i, first:last]
                    place = left + first * stride[1]
                    if stride[1] == 1:  # side by side, and so in vectors
                        beside = out[item, row, place:]
                        for j in range(source.size):
                            beside[j] += source[j]
                    else:
                        apart = out[item, row, place :: stride[1]]
                        for j in range(source.size):
                            apart[j] += source[j]


def _planes(array: Array) -> Array:
    """(N, C, ...) -> (N C, ...) in row-major order."""
    return contiguous(array).reshape(-1, *array.shape[2:])


def unfold(x: Array, out: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """Reads what each tap of the window meets. See ``spec.py``, as for every kernel here."""
    if out.size == 0:
        return
    result = _planes(out)
    grain = _GRAIN // (result.size // len(result))
    parallel.run(_unfold, len(result), grain, _planes(x), result, kernel_size, stride, padding, dilation)
    if not shares_memory(result, out):
        assign(result.reshape(out.shape), out)


def fold(x: Array, out: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """Adds it there."""
    if out.size == 0:
        return
    result, columns = _planes(out), _planes(x)
    grain = _GRAIN // max(1, columns.size // len(result))
    parallel.run(_fold, len(result), grain, columns, result, kernel_size, stride, padding, dilation)
    if not shares_memory(result, out):
        assign(result.reshape(out.shape), out)
