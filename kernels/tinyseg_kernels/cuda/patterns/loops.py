"""Element-wise kernels: what is computed is put into one of these loops.

A *dense* loop runs over operands that all lie as ``out`` does, in row-major order. A *strided* one takes any strides
of up to four dimensions; more are processed slice by slice. An operand is an array or a number.

``elementwise`` declares a kernel of the contract by its formula, ``Operation`` and ``apply`` are what it is made of.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import operator
import types
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import numpy as np

from ..runtime.compiler import FLOATS, Kernel, U, cuda, helper
from ..runtime.launch import NUMBER_CODES, launch, spread
from ..vector.scalar import load
from .strides import broadcast, merged

F = TypeVar("F", bound=Callable[..., Any])

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


class Strided(Protocol):
    """What a loop needs to know of an array; the class stands in ``array.py``, which uses loops to copy."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    size: int
    is_contiguous: bool

    def at_origin(self) -> Any:
        """All of the storage, from its beginning."""
        ...


def apply(operation: Operation, out: Strided, *operands: Any) -> None:
    """Run it over ``out``; operands are numbers of the right type, or arrays that are broadcast."""
    count = out.size
    if count == 0:
        return
    if operation.dense is not None and out.is_contiguous:
        shape = out.shape
        for operand in operands:
            if operand.__class__ not in NUMBER_CODES and not (operand.shape == shape and operand.is_contiguous):
                break
        else:
            launch(operation.dense, *spread(count), *operands, out, count)
            return
    _apply_strided(operation, out, operands)


def _apply_strided(operation: Operation, out: Strided, operands: Sequence[Any]) -> None:
    """Neighbouring dimensions are merged where all arrays allow it; a launch for each index of those beyond four."""
    arrays = [out, *(x for x in operands if x.__class__ not in NUMBER_CODES)]
    shape, strides = merged(out.shape, [broadcast(x.shape, x.strides, out.shape) for x in arrays])
    # A pointer to the first element, unless others lie before it in memory.
    starts = [
        (array, 0) if min(steps, default=0) >= 0 else (array.at_origin(), array.offset)
        for array, steps in zip(arrays, strides, strict=True)
    ]
    outer, missing = max(0, len(shape) - DIMENSIONS), max(0, DIMENSIONS - len(shape))
    sizes = ([1] * missing + shape[outer:])[1:]
    count = math.prod(shape[outer:])
    for index in itertools.product(*map(range, shape[:outer])):
        places = [
            (pointer, start + sum(map(operator.mul, index, steps)), *[0] * missing, *steps[outer:])
            for (pointer, start), steps in zip(starts, strides, strict=True)
        ]
        of_arrays = iter(places[1:])
        arguments: list[Any] = []
        for operand in operands:
            arguments += (operand, 0, 0, 0, 0, 0) if operand.__class__ in NUMBER_CODES else next(of_arrays)
        launch(operation.strided, *spread(count), *arguments, *places[0], *sizes, count)


_NUMBERS = int, float, np.generic


def _number(value: Any, dtype: np.dtype[Any]) -> Any:
    """A number in the type in which NumPy would compute with it next to an array of ``dtype``."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):  # too large a number is infinity, as IEEE says
            return dtype.type(value)
    return int(value) if isinstance(value, int | np.integer | np.bool_) else float(value)


def operands(out: Strided, *values: Any) -> tuple[Any, ...]:
    """Operands as ``apply`` takes them: arrays as they are, numbers in the type of the first array among them, or of
    ``out``.
    """
    for value in values:
        if isinstance(value, _NUMBERS):
            break
    else:
        return values
    dtype = next((value.dtype for value in values if not isinstance(value, _NUMBERS)), out.dtype)
    return tuple(_number(value, dtype) if isinstance(value, _NUMBERS) else value for value in values)


class Whole(NamedTuple):
    """What a kernel computes of integers: formula and forms, and whether there is a dense loop for them."""

    formula: Callable[..., Any]
    forms: tuple[str, ...]
    dense: bool = False


_WHOLE_KINDS = ("i4", "i8", "u1")


def elementwise(
    formula: Callable[..., Any], *forms: str, kinds: Sequence[str] = FLOATS, whole: Whole | None = None
) -> Callable[[F], F]:
    """Declare an element-wise kernel of the contract: the function that is decorated has its name, its arguments and
    its documentation, and no body.

    ``formula``: an element of ``out`` from those of the other arguments, in their order; ``forms`` and ``kinds``: see
    ``Operation``. ``whole``: the same for integers, where it differs; the first array's type decides.
    """

    def declare(function: F) -> F:
        signature, name = inspect.signature(function), function.__name__.strip("_")
        place = list(signature.parameters).index("out")
        floating = Operation(name, formula, *forms, kinds=kinds)
        integer = whole and Operation(
            f"{name}_whole", whole.formula, *whole.forms, kinds=_WHOLE_KINDS, dense=whole.dense
        )

        @functools.wraps(function)
        def run(*arguments: Any, **named: Any) -> None:
            if named:
                arguments = signature.bind(*arguments, **named).args
            out = arguments[place]
            values = operands(out, *arguments[:place], *arguments[place + 1 :])
            operation = floating
            if integer is not None:
                first = next((value for value in values if value.__class__ not in NUMBER_CODES), out)
                operation = floating if first.dtype.kind == "f" else integer
            apply(operation, out, *values)

        return cast(F, run)

    return declare
