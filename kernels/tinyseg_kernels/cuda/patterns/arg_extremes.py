"""Where the largest or the smallest element along a dimension stands."""

from __future__ import annotations

import math

import numpy as np

from ..runtime.compiler import NUMBERS, T, cuda, helper, kernel
from ..runtime.launch import REDUCE_THREADS, launch, spread
from .array import DeviceArray, contiguous, row_major_like
from .assignment import deliver


@helper
def _beats(a, i, b, j, sign):
    """Whether a at i goes before b at j: NaN before all, then the larger (or smaller, by sign), then the first."""
    a_nan, b_nan = a != a, b != b
    if a_nan or b_nan:
        return a_nan and (not b_nan or i < j)
    if a == b:
        return i < j
    return (a > b) == (sign > 0)


@kernel("T* i8* i8 i8 i8 i8", T=NUMBERS)
def _arg_columns(x, out, results, length, inner, sign):
    """x (outer, length, inner): a thread for each result."""
    result, step = cuda.grid(1), cuda.gridsize(1)
    while result < results:
        first = result // inner
        at = first * length * inner + (result - first * inner)
        best, place = x[at], 0
        k = 1
        while k < length:
            value = x[at + k * inner]
            if _beats(value, k, best, place, sign):
                best, place = value, k
            k += 1
        out[result] = place
        result += step


@kernel("T* i8* i8 i8", T=NUMBERS)
def _arg_rows(x, out, length, sign):
    """x (results, length): a block for each result; length is at least the number of threads."""
    values = cuda.shared.array(REDUCE_THREADS, T)
    places = cuda.shared.array(REDUCE_THREADS, np.int64)
    result, t = cuda.blockIdx.x, cuda.threadIdx.x
    base = result * length
    best, place = x[base + t], t
    k = t + REDUCE_THREADS
    while k < length:
        if _beats(x[base + k], k, best, place, sign):
            best, place = x[base + k], k
        k += REDUCE_THREADS
    values[t] = best
    places[t] = place
    cuda.syncthreads()
    half = REDUCE_THREADS // 2
    while half > 0:
        if t < half and _beats(values[t + half], places[t + half], values[t], places[t], sign):
            values[t] = values[t + half]
            places[t] = places[t + half]
        cuda.syncthreads()
        half //= 2
    if t == 0:
        out[result] = places[0]


def arg_extreme(x: DeviceArray, out: DeviceArray, axis: int, sign: int) -> None:
    """Index of the first largest element along the axis for sign 1, of the first smallest one for -1."""
    if out.size == 0:
        return
    x, target = contiguous(x), row_major_like(out)
    length, inner = (x.shape[axis], math.prod(x.shape[axis + 1 :])) if x.ndim else (1, 1)
    if inner == 1 and length >= REDUCE_THREADS:
        launch(_arg_rows, out.size, REDUCE_THREADS, x, target, length, sign)
    else:
        launch(_arg_columns, *spread(out.size), x, target, out.size, length, inner, sign)
    deliver(target, out)
