"""Mean and variance from sums of d = x - shift and of d^2, with an element of x as shift, in float64.

Var x = mean d^2 - (mean d)^2 loses no digits if the mean of x is large, since d is as small as the deviations are.
"""

from __future__ import annotations

import numpy as np

from ..runtime.compiler import cuda, helper
from ..runtime.launch import REDUCE_THREADS
from .blocks import block_sum


@helper
def add_shifted(x, base, first, length, step, shift, total, squares):
    """The two sums, with those added of elements first, first + step, ... below length, counted from base."""
    i = first
    while i < length:
        d = np.float64(x[base + i]) - shift
        total += d
        squares += d * d
        i += step
    return total, squares


@helper
def variance_of(squares, off):
    """From means of d^2 and of d: never below 0, and NaN if either is."""
    var = squares - off * off
    return var if var > 0 or var != var else np.float64(0)


@helper
def block_moments(memory, x, base, length):
    """Mean and biased variance of x[base : base + length], found by a block; ``memory``: see ``block_sum``."""
    shift = np.float64(x[base])
    total, squares = np.float64(0), np.float64(0)
    total, squares = add_shifted(x, base, cuda.threadIdx.x, length, REDUCE_THREADS, shift, total, squares)
    off = block_sum(memory, total) / length
    return shift + off, variance_of(block_sum(memory, squares) / length, off)
