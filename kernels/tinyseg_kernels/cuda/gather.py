"""Elements by their indices, and sums at indices."""

from __future__ import annotations

import math

from .array import slice_view
from .patterns.array import DeviceArray, contiguous, row_major_like
from .patterns.assignment import assign, deliver
from .runtime.compiler import NUMBERS, T, cuda, kernel
from .runtime.launch import launch, spread

__all__ = ["gather", "scatter_add"]


@kernel("T* i8* T* i8 i8 i8 i8", T=NUMBERS)
def _gather(x, index, out, count, along, inner, length):
    """index and out (outer, along, inner), x (outer, length, inner)."""
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        line = i // inner
        outer = line // along
        out[i] = x[(outer * length + index[i]) * inner + (i - line * inner)]
        i += step


@kernel("T* i8* T* i8 i8 i8 i8", T=NUMBERS)
def _scatter_add(source, index, out, lines, along, inner, length):
    """source and index (outer, along, inner), out (outer, length, inner): a thread for each line, in scan order."""
    line, step = cuda.grid(1), cuda.gridsize(1)
    while line < lines:
        outer = line // inner
        k, place = 0, outer * along * inner + (line - outer * inner)
        while k < along:
            at = (outer * length + index[place]) * inner + (line - outer * inner)
            out[at] = T(out[at] + source[place])
            place += inner
            k += 1
        line += step


def gather(x: DeviceArray, index: DeviceArray, out: DeviceArray, axis: int) -> None:
    """out[..., i, ...] = x[..., index[..., i, ...], ...]; see ``spec.py``, as for every kernel here."""
    if out.size == 0:
        return
    around = tuple(slice(None) if d == axis else slice(size) for d, size in enumerate(index.shape))
    x, index = contiguous(slice_view(x, around)), contiguous(index)
    target = row_major_like(out)
    inner = math.prod(index.shape[axis + 1 :])
    numbers = out.size, index.shape[axis], inner, x.shape[axis]
    launch(_gather, *spread(out.size), x, index, target, *numbers)
    deliver(target, out)


def scatter_add(source: DeviceArray, index: DeviceArray, out: DeviceArray, axis: int) -> None:
    """out[..., index[..., i, ...], ...] += source[..., i, ...], each line of elements by one thread."""
    if index.size == 0:
        return
    around = tuple(slice(None) if d == axis else slice(size) for d, size in enumerate(index.shape))
    touched = slice_view(out, around)
    source, index, target = contiguous(source), contiguous(index), contiguous(touched)
    inner = math.prod(index.shape[axis + 1 :])
    lines = index.size // index.shape[axis]
    launch(_scatter_add, *spread(lines), source, index, target, lines, index.shape[axis], inner, target.shape[axis])
    if target is not touched:
        assign(target, touched)
