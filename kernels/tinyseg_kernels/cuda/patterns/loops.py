"""Element-wise kernels: what is computed is put into one of these loops.

A *dense* loop runs over operands that all lie as ``out`` does, in row-major order. A *strided* one takes any strides
of up to four dimensions; more are dealt with slice by slice. An operand is an array or a number.
"""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..runtime.compiler import FLOATS, Kernel, U, cuda, helper
from ..runtime.launch import launch, spread
from ..vector.scalar import load
from .array import DeviceArray, broadcast_to, slice_view

DIMENSIONS = 4


def operation(*operands: Any) -> Any:
    """Stands in the loops below for what an ``Operation`` puts there."""
    raise NotImplementedError


def _dense1(x, out, count):
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        out[i] = U(operation(load(x, i)))
        i += step


def _dense2(a, b, out, count):
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        out[i] = U(operation(load(a, i), load(b, i)))
        i += step


def _dense3(a, b, c, out, count):
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        out[i] = U(operation(load(a, i), load(b, i), load(c, i)))
        i += step


def _dense4(a, b, c, d, out, count):
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        out[i] = U(operation(load(a, i), load(b, i), load(c, i), load(d, i)))
        i += step


@helper
def _place(i, n1, n2, n3, start, s0, s1, s2, s3):
    """Where element i of a row-major index (., n1, n2, n3) stands."""
    rest = i // n3
    k3 = i - rest * n3
    k1 = rest // n2
    k2 = rest - k1 * n2
    k0 = k1 // n1
    return start + k0 * s0 + (k1 - k0 * n1) * s1 + k2 * s2 + k3 * s3


def _strided1(x, x_at, x0, x1, x2, x3, out, at, o0, o1, o2, o3, n1, n2, n3, count):
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        p = load(x, _place(i, n1, n2, n3, x_at, x0, x1, x2, x3))
        out[_place(i, n1, n2, n3, at, o0, o1, o2, o3)] = U(operation(p))
        i += step


def _strided2(
    a, a_at, a0, a1, a2, a3, b, b_at, b0, b1, b2, b3, out, at, o0, o1, o2, o3, n1, n2, n3, count
):  # fmt: skip
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        p = load(a, _place(i, n1, n2, n3, a_at, a0, a1, a2, a3))
        q = load(b, _place(i, n1, n2, n3, b_at, b0, b1, b2, b3))
        out[_place(i, n1, n2, n3, at, o0, o1, o2, o3)] = U(operation(p, q))
        i += step


def _strided3(
    a, a_at, a0, a1, a2, a3, b, b_at, b0, b1, b2, b3, c, c_at, c0, c1, c2, c3,
    out, at, o0, o1, o2, o3, n1, n2, n3, count
):  # fmt: skip
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        p = load(a, _place(i, n1, n2, n3, a_at, a0, a1, a2, a3))
        q = load(b, _place(i, n1, n2, n3, b_at, b0, b1, b2, b3))
        r = load(c, _place(i, n1, n2, n3, c_at, c0, c1, c2, c3))
        out[_place(i, n1, n2, n3, at, o0, o1, o2, o3)] = U(operation(p, q, r))
        i += step


def _strided4(
    a, a_at, a0, a1, a2, a3, b, b_at, b0, b1, b2, b3, c, c_at, c0, c1, c2, c3, d, d_at, d0, d1, d2, d3,
    out, at, o0, o1, o2, o3, n1, n2, n3, count
):  # fmt: skip
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        p = load(a, _place(i, n1, n2, n3, a_at, a0, a1, a2, a3))
        q = load(b, _place(i, n1, n2, n3, b_at, b0, b1, b2, b3))
        r = load(c, _place(i, n1, n2, n3, c_at, c0, c1, c2, c3))
        s = load(d, _place(i, n1, n2, n3, d_at, d0, d1, d2, d3))
        out[_place(i, n1, n2, n3, at, o0, o1, o2, o3)] = U(operation(p, q, r, s))
        i += step


_DENSE = _dense1, _dense2, _dense3, _dense4
_STRIDED = _strided1, _strided2, _strided3, _strided4


class Operation:
    """An element-wise operation; ``forms`` are the types that its operands and its result may have, in words:
    ``"T* T T*"``, where T stands for each of ``kinds``.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], *forms: str, kinds: Sequence[str] = FLOATS, dense: bool = True
    ) -> None:
        arity = function.__code__.co_argcount
        compute = helper(function)
        words = [form.replace("T", kind).split() for form, kind in itertools.product(forms, kinds)]

        def declare(template: Any, suffix: str, each: list[str], tail: list[str]) -> Kernel:
            names = {**template.__globals__, "operation": compute}
            bound = types.FunctionType(template.__code__, names, name + suffix)
            bound.__qualname__, bound.__module__ = name + suffix, function.__module__
            variants = {}
            for form in words:
                codes = [code for word in form for code in (word, *each)]
                variants[(*codes, *tail)] = {"U": form[-1].removesuffix("*")}
            return Kernel(bound, variants)

        self.name = name
        self.strided = declare(_STRIDED[arity - 1], "_strided", ["i8"] * 5, ["i8"] * 4)
        self.dense = declare(_DENSE[arity - 1], "", [], ["i8"]) if dense else None


def apply(operation: Operation, out: DeviceArray, *operands: Any) -> None:
    """Run it over ``out``; operands are numbers of the right type, or arrays that are broadcast."""
    count = out.size
    if count == 0:
        return
    if operation.dense is not None and out.is_contiguous:
        shape = out.shape
        for operand in operands:
            if operand.__class__ is DeviceArray and not (operand.shape == shape and operand.is_contiguous):
                break
        else:
            launch(operation.dense, *spread(count), *operands, out, count)
            return
    _apply_strided(operation, out, operands)


def _apply_strided(operation: Operation, out: DeviceArray, operands: Sequence[Any]) -> None:
    arrays = [out, *(broadcast_to(x, out.shape) for x in operands if x.__class__ is DeviceArray)]
    shape, strides = merged(out.shape, [x.strides for x in arrays])
    if len(shape) > DIMENSIONS:
        for i in range(out.shape[0]):
            parts = [
                slice_view(broadcast_to(x, out.shape), (i,)) if x.__class__ is DeviceArray else x
                for x in (out, *operands)
            ]
            _apply_strided(operation, parts[0], parts[1:])
        return
    missing = DIMENSIONS - len(shape)
    places = []
    for array, steps in zip(arrays, strides, strict=True):
        forward = min(steps, default=0) >= 0
        places.append(
            (array if forward else array.at_origin(), 0 if forward else array.offset, *[0] * missing, *steps)
        )
    of_arrays = iter(places[1:])
    arguments: list[Any] = []
    for operand in operands:
        arguments += next(of_arrays) if operand.__class__ is DeviceArray else (operand, 0, 0, 0, 0, 0)
    sizes = ([1] * missing + shape)[1:]
    launch(operation.strided, *spread(out.size), *arguments, *places[0], *sizes, out.size)


def merged(shape: tuple[int, ...], strides: Sequence[tuple[int, ...]]) -> tuple[list[int], list[list[int]]]:
    """Sizes and strides of several arrays of one shape, neighbouring dimensions made one where all allow it."""
    sizes: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        here = [each[axis] for each in strides]
        if sizes and all(step[-1] == size * inner for step, inner in zip(steps, here, strict=True)):
            sizes[-1] *= size
            for step, inner in zip(steps, here, strict=True):
                step[-1] = inner
        else:
            sizes.append(size)
            for step, inner in zip(steps, here, strict=True):
                step.append(inner)
    return sizes, steps


def number(value: Any, partner: Any, out: DeviceArray) -> Any:
    """An operand: an array as it is, a number in the type in which NumPy would compute with it beside ``partner``."""
    if value.__class__ is DeviceArray:
        return value
    kind = partner.dtype if partner.__class__ is DeviceArray else out.dtype
    if kind.kind == "f":
        with np.errstate(over="ignore"):  # too large a number is infinity, as IEEE says
            return kind.type(value)
    return int(value) if isinstance(value, int | np.integer | np.bool_) else float(value)


def operands(out: DeviceArray, *values: Any) -> list[Any]:
    """Operands of which either of two may be a number."""
    return [number(value, partner, out) for value, partner in zip(values, reversed(values), strict=True)]
