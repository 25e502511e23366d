"""Element by element: arithmetic, comparison, exp and their like; one loop each (see ``patterns/formula.py``)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .patterns.copying import assign
from .patterns.formula import binary, output_gradient, unary
from .patterns.loops import compile_loop
from .patterns.operands import apply, operands
from .runtime.compiler import helper
from .runtime.layout import Array
from .vector.scalar import exponential, hyperbolic_tangent32, logarithm, sigmoid_of, typed

__all__ = [
    "absolute",
    "add",
    "assign",
    "ceil",
    "cos",
    "divide",
    "equal",
    "exp",
    "expm1",
    "fill",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "lerp",
    "less",
    "less_equal",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "power",
    "relu",
    "relu_backward",
    "remainder",
    "rint",
    "sigmoid",
    "sigmoid_backward",
    "sign",
    "sin",
    "sqrt",
    "subtract",
    "tanh",
    "tanh_backward",
    "where",
]


@helper
def _modulo(a, b):
    """What a floored division leaves: fmod, which has a's sign, moved to b's side."""
    left = np.fmod(a, b)
    return left + b if left != 0 and (left < 0) != (b < 0) else left


@helper
def _floored(a, b):
    """floor(a / b) by what is left over, since a / b itself may have been rounded up to a whole number."""
    if b == 0:
        return a / b
    left = np.fmod(a, b)
    quotient = (np.float64(a) - left) / b  # whole, but for rounding
    if left != 0 and (left < 0) != (b < 0):
        quotient -= 1
    whole = np.floor(quotient)
    return whole + 1 if quotient - whole > 0.5 else whole


_floor_divide = compile_loop("floor_divide", lambda a, b: _floored(a, b))
# The processor traps where the lowest integer is divided by -1.
_floor_divide_whole = compile_loop("floor_divide_whole", lambda a, b: -a if b == -1 else a // b)
_remainder = compile_loop("remainder", lambda a, b: _modulo(a, b))
_remainder_whole = compile_loop("remainder_whole", lambda a, b: 0 if b == -1 else a % b)
_power = compile_loop("power", lambda a, b: a**b)
_log = compile_loop("log", lambda x: math.log(x))
_log_single = compile_loop("log32", lambda x: logarithm(x))
_tanh = compile_loop("tanh", lambda x: math.tanh(x))
_tanh_single = compile_loop("tanh32", lambda x: hyperbolic_tangent32(x))
_where = compile_loop("where", lambda condition, a, b: a if condition else b)
_lerp = compile_loop("lerp", lambda a, b, weight: (1 - weight) * a + weight * b)


@binary
def add(a, b):
    """a + b; see ``spec.py``, as for every kernel here."""
    return a + b


@binary
def subtract(a, b):
    """a - b."""
    return a - b


@binary
def multiply(a, b):
    """a * b."""
    return a * b


@binary
def divide(a, b):
    """a / b."""
    return a / b


def floor_divide(a: Any, b: Any, out: Array) -> None:
    """floor(a / b)."""
    apply(_floor_divide if out.dtype.kind == "f" else _floor_divide_whole, out, *operands(out, a, b))


def remainder(a: Any, b: Any, out: Array) -> None:
    """a - b * floor(a / b)."""
    apply(_remainder if out.dtype.kind == "f" else _remainder_whole, out, *operands(out, a, b))


def power(a: Any, b: Any, out: Array) -> None:
    """a ** b; squares and square roots, which are common, go by their own kernels."""
    if isinstance(b, int | float) and isinstance(a, np.ndarray) and out.dtype.kind == "f":
        if b == 2:
            return multiply(a, a, out)
        if b == 0.5:
            return sqrt(a, out)
    return apply(_power, out, *operands(out, a, b))


@binary
def maximum(a, b):
    """The larger; NaN if either is."""
    return a if a >= b or a != a else b


@binary
def minimum(a, b):
    """The smaller; NaN if either is."""
    return a if a <= b or a != a else b


@binary
def equal(a, b):
    """a == b."""
    return a == b


@binary
def not_equal(a, b):
    """a != b."""
    return a != b


@binary
def less(a, b):
    """a < b."""
    return a < b


@binary
def less_equal(a, b):
    """a <= b."""
    return a <= b


@binary
def greater(a, b):
    """a > b."""
    return a > b


@binary
def greater_equal(a, b):
    """a >= b."""
    return a >= b


@unary
def negative(x):
    """-x."""
    return -x


@unary
def absolute(x):
    """The absolute value."""
    return -x if x < 0 else x


@unary
def sign(x):
    """-1, 0 or 1; NaN of NaN."""
    return x if x != x else (x > 0) - (x < 0)


@unary
def exp(x):
    """e ** x."""
    return exponential(x)


def log(x: Array, out: Array) -> None:
    """Natural logarithm."""
    apply(_log_single if out.dtype == np.float32 else _log, out, *operands(out, x))


@unary
def sqrt(x):
    """Square root."""
    return math.sqrt(x)


@unary
def log1p(x):
    """log(1 + x)."""
    return math.log1p(x)


@unary
def expm1(x):
    """e ** x - 1."""
    return math.expm1(x)


@unary
def sin(x):
    """Sine."""
    return math.sin(x)


@unary
def cos(x):
    """Cosine."""
    return math.cos(x)


@unary
def floor(x):
    """Down to a whole number."""
    return np.floor(x)


@unary
def ceil(x):
    """Up to a whole number."""
    return np.ceil(x)


@unary
def rint(x):
    """To the nearest whole number, the even one of two."""
    return np.rint(x)


def tanh(x: Array, out: Array) -> None:
    """Hyperbolic tangent."""
    apply(_tanh_single if out.dtype == np.float32 else _tanh, out, *operands(out, x))


@output_gradient
def tanh_backward(grad, y):
    """The gradient times 1 - y^2."""
    return grad * (typed(1, y) - y * y)


@unary
def sigmoid(x):
    """The logistic function."""
    return sigmoid_of(x)


@output_gradient
def sigmoid_backward(grad, y):
    """The gradient times y (1 - y)."""
    return grad * (y * (typed(1, y) - y))


@unary
def relu(x):
    """x where it is positive or NaN, else 0."""
    return x if x > 0 or x != x else 0


@output_gradient
def relu_backward(grad, y):
    """The gradient where relu's output y is positive, else 0."""
    return grad if y > 0 else 0


def where(condition: Array, a: Any, b: Any, out: Array) -> None:
    """a where the condition holds, else b."""
    apply(_where, out, *operands(out, condition), *operands(out, a, b))


def lerp(a: Array, b: Array, out: Array, weight: float) -> None:
    """From a (weight 0) to b (weight 1) on a straight line."""
    apply(_lerp, out, *operands(out, a, b), *operands(out, out.dtype.type(weight)))


def fill(out: Array, value: float) -> None:
    """One value everywhere."""
    assign(np.asarray(value), out)
