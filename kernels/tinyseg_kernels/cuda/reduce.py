"""Sums, products, largest and smallest elements along dimensions.

Dimensions that are kept, and those that are reduced, are merged to two each; what cannot be merged is copied. Where
neighbours in memory belong to one result, a block of threads makes it together (*rows*); where they belong to
neighbouring results, each thread makes one (*columns*). Long reductions are cut into parts, whose results are
reduced in a second stage. How the work is cut depends on shapes alone, so the results do, too.
"""

from __future__ import annotations

import math
import types
from builtins import max as larger  # the names are those of kernels here
from builtins import min as smaller
from collections.abc import Callable
from typing import Any

import numpy as np

from .patterns.arg_extremes import arg_extreme
from .patterns.array import DeviceArray, contiguous, empty, row_major_like, transpose
from .patterns.assignment import deliver, fill
from .patterns.blocks import parts_for
from .patterns.strides import merged
from .runtime.compiler import NUMBERS, Kernel, T, U, cuda, helper
from .runtime.launch import ELEMENT_THREADS, REDUCE_THREADS, launch

__all__ = ["argmax", "argmin", "max", "min", "prod", "sum"]


def combine(a: Any, b: Any) -> Any:
    """Stands in the kernels below for what a ``_Reduction`` puts there."""
    raise NotImplementedError


def _rows(x, out, start, inner, s_outer, s_inner, count, s_count, length, s_length, parts):
    """A block for each result and part: T is the type in which it is accumulated, U that of out (parts, results)."""
    memory = cuda.shared.array(REDUCE_THREADS, T)
    result, part, t = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x
    first = result // inner
    base = first * s_outer + (result - first * inner) * s_inner
    total = start
    k = 0
    while k < count:
        i = part * REDUCE_THREADS + t
        while i < length:
            total = combine(total, T(x[base + i * s_length]))
            i += REDUCE_THREADS * parts
        base += s_count
        k += 1
    memory[t] = total
    cuda.syncthreads()
    half = REDUCE_THREADS // 2
    while half > 0:
        if t < half:
            memory[t] = combine(memory[t], memory[t + half])
        cuda.syncthreads()
        half //= 2
    if t == 0:
        out[part * cuda.gridDim.x + result] = U(memory[0])


def _columns(x, out, start, results, inner, s_outer, s_inner, count, s_count, length, s_length, parts):
    """A thread for each result and part."""
    result, part = cuda.grid(1), cuda.blockIdx.y
    while result < results:
        first = result // inner
        base = first * s_outer + (result - first * inner) * s_inner
        total = start
        k = 0
        while k < count:
            i = part
            while i < length:
                total = combine(total, T(x[base + i * s_length]))
                i += parts
            base += s_count
            k += 1
        out[part * results + result] = U(total)
        result += cuda.gridsize(1)


class _Reduction:
    """``function`` of two elements, and ``start``, which changes none; ``wide``: the type of sums, by that of x."""

    def __init__(self, name: str, function: Callable[..., Any], start: Any, wide: dict[str, str]) -> None:
        self.start, self.wide = start, wide
        combine_two = helper(function)
        variants = {}
        for code, accumulated in wide.items():
            for source, result in ((code, code), (code, accumulated), (accumulated, code)):
                variants[source, result] = {"T": accumulated, "U": result}

        def declare(template: Any, suffix: str, numbers: int) -> Kernel:
            bound = types.FunctionType(
                template.__code__, {**template.__globals__, "combine": combine_two}, name + suffix
            )
            bound.__qualname__, bound.__module__ = name + suffix, __name__
            codes = {
                (f"{source}*", f"{result}*", letters["T"], *["i8"] * numbers): letters
                for (source, result), letters in variants.items()
            }
            return Kernel(bound, codes, REDUCE_THREADS)

        self.rows = declare(_rows, "_rows", 8)
        self.columns = declare(_columns, "_columns", 9)

    def __call__(self, x: DeviceArray, out: DeviceArray, axes: tuple[int, ...]) -> None:
        """Reduce x over the axes into ``out``, which is contiguous."""
        if out.size == 0:
            return
        target = row_major_like(out)
        code = x.code.removesuffix("*")
        start = np.dtype(self.wide[code]).type(self.start(np.dtype(code)))
        if x.size == 0:
            fill(out, start)
            return
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        keeping = _two(x, kept)
        reducing = _two(x, list(axes))
        if keeping is None or reducing is None:
            x = contiguous(transpose(x, (*kept, *axes)))
            keeping = 1, 0, out.size, x.size // out.size
            reducing = 1, 0, x.size // out.size, 1
        self._run(x, target, start, keeping, reducing)
        deliver(target, out)

    def _run(
        self,
        x: DeviceArray,
        out: DeviceArray,
        start: Any,
        keeping: tuple[int, int, int, int],
        reducing: tuple[int, int, int, int],
    ) -> None:
        outer, s_outer, inner, s_inner = keeping
        count, s_count, length, s_length = reducing
        results = outer * inner
        by_rows = (abs(s_length) <= abs(s_inner) or inner == 1) and length >= REDUCE_THREADS
        if by_rows:
            parts = parts_for(results, length)
        else:
            parts = larger(1, smaller(65536 // larger(results, 1), length // 8, 64))
        target = out if parts == 1 else empty((parts, results), np.dtype(self.wide[x.code.removesuffix("*")]))
        numbers = inner, s_outer, s_inner, count, s_count, length, s_length, parts
        if by_rows:
            launch(self.rows, (results, parts), REDUCE_THREADS, x, target, start, *numbers)
        else:
            blocks = smaller(-(-results // ELEMENT_THREADS), 4096), parts
            launch(self.columns, blocks, ELEMENT_THREADS, x, target, start, results, *numbers)
        if parts > 1:
            blocks = smaller(-(-results // ELEMENT_THREADS), 4096), 1
            again = results, results, 0, 1, 1, 0, parts, results, 1
            launch(self.columns, blocks, ELEMENT_THREADS, target, out, start, *again)


def _two(x: DeviceArray, axes: list[int]) -> tuple[int, int, int, int] | None:
    """The axes as two: size and stride of the outer and of the inner one; None if they cannot be merged to so few."""
    sizes, (steps,) = merged(tuple(x.shape[axis] for axis in axes), [tuple(x.strides[axis] for axis in axes)])
    if len(sizes) > 2 or smaller(steps, default=0) < 0:
        return None
    sizes, steps = [1] * (2 - len(sizes)) + sizes, [0] * (2 - len(steps)) + steps
    return sizes[0], steps[0], sizes[1], steps[1]


def _lowest(dtype: np.dtype[Any]) -> Any:
    return -math.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _highest(dtype: np.dtype[Any]) -> Any:
    return math.inf if dtype.kind == "f" else np.iinfo(dtype).max


# Doubles: the error does not grow with the length, and the memory is slower than even few of their units.
_WIDE = {"f4": "f8", "f8": "f8", "i4": "i8", "i8": "i8", "u1": "i8"}
_SAME = {code: code for code in NUMBERS}
_sum = _Reduction("sum", lambda a, b: a + b, lambda _: 0, _WIDE)
_prod = _Reduction("prod", lambda a, b: a * b, lambda _: 1, _WIDE)
_max = _Reduction("max", lambda a, b: a if a >= b or a != a else b, _lowest, _SAME)
_min = _Reduction("min", lambda a, b: a if a <= b or a != a else b, _highest, _SAME)


def sum(x: DeviceArray, out: DeviceArray, axes: tuple[int, ...]) -> None:
    """Sums; see ``spec.py``, as for every kernel here."""
    _sum(x, out, axes)


def prod(x: DeviceArray, out: DeviceArray, axes: tuple[int, ...]) -> None:
    """Products."""
    _prod(x, out, axes)


def max(x: DeviceArray, out: DeviceArray, axes: tuple[int, ...]) -> None:
    """Largest elements."""
    _max(x, out, axes)


def min(x: DeviceArray, out: DeviceArray, axes: tuple[int, ...]) -> None:
    """Smallest elements."""
    _min(x, out, axes)


def argmax(x: DeviceArray, out: DeviceArray, axis: int) -> None:
    """Where the first largest element stands."""
    arg_extreme(x, out, axis, 1)


def argmin(x: DeviceArray, out: DeviceArray, axis: int) -> None:
    """Where the first smallest element stands."""
    arg_extreme(x, out, axis, -1)
