"""Running sums along a dimension."""

from __future__ import annotations

import math

from .patterns.array import DeviceArray, contiguous, row_major_like
from .patterns.assignment import deliver
from .runtime.compiler import T, U, cuda, kernel
from .runtime.launch import launch, spread

__all__ = ["cumsum"]


def _running(x, out, lines, length, inner, start):
    """x (outer, length, inner): a thread for each line."""
    line, step = cuda.grid(1), cuda.gridsize(1)
    while line < lines:
        first = line // inner
        at = first * length * inner + (line - first * inner)
        total = start
        k = 0
        while k < length:
            total += T(x[at + k * inner])
            out[at + k * inner] = U(total)
            k += 1
        line += step


_floating = kernel("U* U* i8 i8 i8 f8", U=("f4", "f8"), T=("f8",))(_running)
_whole = kernel("U* U* i8 i8 i8 i8", U=("i4", "i8"), T=("i8",))(_running)


def cumsum(x: DeviceArray, out: DeviceArray, axis: int) -> None:
    """Sums of all elements so far; see ``spec.py``, as for every kernel here."""
    if out.size == 0:
        return
    x, target = contiguous(x), row_major_like(out)
    length, inner = (x.shape[axis], math.prod(x.shape[axis + 1 :])) if x.ndim else (1, 1)
    compiled, start = (_floating, 0.0) if out.dtype.kind == "f" else (_whole, 0)
    lines = x.size // length
    launch(compiled, *spread(lines), x, target, lines, length, inner, start)
    deliver(target, out)
