"""The matrix product: a convolution of an image of one row, a (n, k) being its n pixels of k channels."""

from __future__ import annotations

import functools

import numpy as np

from .conv.direct import convolve
from .conv.lattices import Lattice, Tap
from .conv.plan import Plan, plan
from .runtime.layout import Array
from .runtime.memory import contiguous, empty

__all__ = ["matmul"]


def _flat(b: Array) -> tuple[Array, int, int]:
    """The memory of a matrix as a vector, with the strides of its rows and columns in it, counted in elements."""
    if b.T.flags.c_contiguous:
        return b.T.reshape(-1), 1, b.shape[0]
    return contiguous(b).reshape(-1), b.shape[1], 1


@functools.lru_cache(maxsize=256)
def _plan(rows: int, inner: int, columns: int, itemsize: int, strides: tuple[int, int, int, int]) -> Plan | None:
    pixels = Lattice((0, 0), (1, rows), [Tap(0, 0, 0, 0)])
    return plan((1, 1, rows, inner), (1, 1, rows, columns), itemsize, strides, [pixels], (1, 1), (1, 1))


def matmul(a: Array, b: Array, out: Array) -> None:
    """For each pair of matrices."""
    for place in np.ndindex(a.shape[:-2]):
        left, right, result = a[place], b[place], out[place]
        rows, inner = left.shape
        if not (left.size and right.size):
            result[...] = 0
            continue
        written = result if result.flags.c_contiguous else empty(result.shape, result.dtype)
        flat, row_stride, column_stride = _flat(right)
        product = _plan(rows, inner, right.shape[1], a.itemsize, (column_stride, row_stride, 0, 0))
        image = contiguous(left).reshape(1, 1, rows, inner)
        convolve(product, image, flat, None, written.reshape(1, 1, rows, -1))
        if written is not result:
            result[...] = written
