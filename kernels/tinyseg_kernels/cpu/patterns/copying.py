"""Copies between types and memory orders, spread over threads."""

from __future__ import annotations

import numpy as np

from ..runtime import parallel
from ..runtime.compiler import kernel
from ..runtime.layout import Array, shares_memory
from ..vector.simd import copy_numbers
from .operands import GRAIN, broadcast, merged, operands


@kernel
def _copy_rows(start: int, stop: int, x: Array, x_step: int, length: int, out: Array, out_step: int) -> None:
    """Items: rows of so many elements, at these distances."""
    for item in range(start, stop):
        copy_numbers(x, item * x_step, out, item * out_step, length)


def _rows(array: Array) -> tuple[Array, int] | None:
    """A matrix's memory as a vector and the distance of its rows, if these are contiguous and follow each other."""
    if array.ndim != 2 or array.strides[1] != array.itemsize:
        return None
    step, rest = divmod(array.strides[0], array.itemsize)
    if rest or step < array.shape[1]:
        return None
    bits = array.view(f"u{array.itemsize}")
    span = (len(array) - 1) * step + array.shape[1]
    return np.lib.stride_tricks.as_strided(bits, (span,), (array.itemsize,)), step


def _assign_rows(source: Array, target: Array) -> bool:
    """Copy some channels of every pixel, as concatenation does; tells whether the arrays are of that form.

    NumPy's copy costs as much for each short row as for some ten elements more.
    """
    if source.dtype != target.dtype or source.itemsize not in (4, 8):
        return False
    rows = _rows(source), _rows(target)
    if rows[0] is None or rows[1] is None:
        return False
    parallel.run(_copy_rows, len(target), GRAIN // target.shape[1], *rows[0], target.shape[1], *rows[1])
    return True


def assign(x: Array, out: Array) -> None:
    """x, broadcast and cast: NumPy's copy, which knows every pair of types, spread over threads."""
    if out.size == 0:
        return
    (operand,) = operands(out, x)
    target, source = merged([out, broadcast(operand, out.shape)])
    if _assign_rows(source, target):
        return
    if target.ndim == 0:
        target, source = target.reshape(1), source.reshape(1)
    longest = target.shape.index(max(target.shape))
    target, source = np.moveaxis(target, longest, 0), np.moveaxis(source, longest, 0)

    def copy(start: int, stop: int) -> None:
        with np.errstate(all="ignore"):
            np.copyto(target[start:stop], source[start:stop], casting="unsafe")

    parallel.run(copy, len(target), max(1, GRAIN * len(target) // target.size))


def deliver(memory: Array, out: Array) -> None:
    """``out`` = memory (N,H,W,C), unless that is ``out``'s own (``channels_last`` copies what has another order)."""
    if not shares_memory(memory, out):
        assign(memory.transpose(0, 3, 1, 2), out)
