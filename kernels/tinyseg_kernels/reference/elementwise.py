"""Element by element: NumPy's own functions, under the contract's names."""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import Array

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


def _quiet(function: Any, *arguments: Any, **options: Any) -> None:
    """log(0) is -inf and 0/0 is NaN, as IEEE says: no warning is due."""
    with np.errstate(all="ignore"):
        function(*arguments, **options)


def add(a: Any, b: Any, out: Array) -> None:
    """a + b."""
    _quiet(np.add, a, b, out=out)


def subtract(a: Any, b: Any, out: Array) -> None:
    """a - b."""
    _quiet(np.subtract, a, b, out=out)


def multiply(a: Any, b: Any, out: Array) -> None:
    """a * b."""
    _quiet(np.multiply, a, b, out=out)


def divide(a: Any, b: Any, out: Array) -> None:
    """a / b."""
    _quiet(np.divide, a, b, out=out)


def floor_divide(a: Any, b: Any, out: Array) -> None:
    """floor(a / b)."""
    _quiet(np.floor_divide, a, b, out=out)


def remainder(a: Any, b: Any, out: Array) -> None:
    """a - b * floor(a / b)."""
    _quiet(np.remainder, a, b, out=out)


def power(a: Any, b: Any, out: Array) -> None:
    """a ** b."""
    _quiet(np.power, a, b, out=out)


def maximum(a: Any, b: Any, out: Array) -> None:
    """The larger; NaN if either is."""
    _quiet(np.maximum, a, b, out=out)


def minimum(a: Any, b: Any, out: Array) -> None:
    """The smaller; NaN if either is."""
    _quiet(np.minimum, a, b, out=out)


def equal(a: Any, b: Any, out: Array) -> None:
    """a == b."""
    np.equal(a, b, out=out)


def not_equal(a: Any, b: Any, out: Array) -> None:
    """a != b."""
    np.not_equal(a, b, out=out)


def less(a: Any, b: Any, out: Array) -> None:
    """a < b."""
    np.less(a, b, out=out)


def less_equal(a: Any, b: Any, out: Array) -> None:
    """a <= b."""
    np.less_equal(a, b, out=out)


def greater(a: Any, b: Any, out: Array) -> None:
    """a > b."""
    np.greater(a, b, out=out)


def greater_equal(a: Any, b: Any, out: Array) -> None:
    """a >= b."""
    np.greater_equal(a, b, out=out)


def negative(x: Array, out: Array) -> None:
    """-x."""
    np.negative(x, out=out)


def absolute(x: Array, out: Array) -> None:
    """|x|."""
    np.absolute(x, out=out)


def sign(x: Array, out: Array) -> None:
    """-1, 0 or 1."""
    _quiet(np.sign, x, out=out)


def exp(x: Array, out: Array) -> None:
    """e ** x."""
    _quiet(np.exp, x, out=out)


def log(x: Array, out: Array) -> None:
    """Natural logarithm."""
    _quiet(np.log, x, out=out)


def sqrt(x: Array, out: Array) -> None:
    """Square root."""
    _quiet(np.sqrt, x, out=out)


def log1p(x: Array, out: Array) -> None:
    """log(1 + x)."""
    _quiet(np.log1p, x, out=out)


def expm1(x: Array, out: Array) -> None:
    """e ** x - 1."""
    _quiet(np.expm1, x, out=out)


def sin(x: Array, out: Array) -> None:
    """Sine."""
    _quiet(np.sin, x, out=out)


def cos(x: Array, out: Array) -> None:
    """Cosine."""
    _quiet(np.cos, x, out=out)


def floor(x: Array, out: Array) -> None:
    """Down to a whole number."""
    np.floor(x, out=out)


def ceil(x: Array, out: Array) -> None:
    """Up to a whole number."""
    np.ceil(x, out=out)


def rint(x: Array, out: Array) -> None:
    """To the nearest whole number, the even one of two."""
    np.rint(x, out=out)


def tanh(x: Array, out: Array) -> None:
    """Hyperbolic tangent."""
    np.tanh(x, out=out)


def tanh_backward(grad: Array, y: Array, out: Array) -> None:
    """The slope is 1 - tanh^2."""
    out[...] = grad * (1 - y * y)


def sigmoid(x: Array, out: Array) -> None:
    """1 / (1 + exp(-x)); where exp overflows the quotient is 0, as it should."""
    with np.errstate(over="ignore"):
        out[...] = 1 / (1 + np.exp(-x))


def sigmoid_backward(grad: Array, y: Array, out: Array) -> None:
    """The slope is y (1 - y)."""
    out[...] = grad * (y * (1 - y))


def relu(x: Array, out: Array) -> None:
    """max(x, 0), NaN staying NaN."""
    np.maximum(x, 0, out=out)


def relu_backward(grad: Array, y: Array, out: Array) -> None:
    """The gradient where relu was open."""
    out[...] = np.where(y > 0, grad, 0)


def where(condition: Array, a: Any, b: Any, out: Array) -> None:
    """a where condition holds, else b."""
    out[...] = np.where(condition, a, b)


def assign(x: Array, out: Array) -> None:
    """x, cast and broadcast."""
    with np.errstate(all="ignore"):
        out[...] = x.astype(out.dtype)


def fill(out: Array, value: float) -> None:
    """One value everywhere."""
    out[...] = value


def lerp(a: Array, b: Array, out: Array, weight: float) -> None:
    """From a (weight 0) to b (weight 1) on a straight line."""
    out[...] = (1 - weight) * a + weight * b
