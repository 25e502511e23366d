"""Element by element: arithmetic, comparison, exp and their like, each by its formula (see ``patterns/loops.py``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .patterns.array import DeviceArray
from .patterns.assignment import assign, fill
from .patterns.loops import Operation, Whole, apply, elementwise, operands
from .runtime.compiler import FLOATS
from .vector.scalar import (
    cosine,
    exponential,
    exponential_minus_1,
    floored,
    hyperbolic_tangent,
    logarithm,
    logarithm1p,
    modulo,
    round_down,
    round_even,
    round_up,
    sine,
    square_root,
    typed,
)
from .vector.scalar import (
    power as power_of,
)

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

F = TypeVar("F", bound=Callable[..., Any])

_UNARY = ("T* T*",)
_BINARY = ("T* T* T*", "T* T T*", "T T* T*")
_WITH_WHOLE = ("T* T* T*", "T* i8 T*", "i8 T* T*")
_COMPARED = ("T* T* u1*", "T* T u1*", "T T* u1*")
_COMPARED_WHOLE = ("T* T* u1*", "T* i8 u1*", "i8 T* u1*", "T* f8 u1*", "f8 T* u1*")
_SIGNED = (*FLOATS, "i4", "i8", "u1")


def _arithmetic(formula: Callable[..., Any]) -> Callable[[F], F]:
    """Of two operands, either of which may be a number: of floating types and, more seldom, of integers."""
    return elementwise(formula, *_BINARY, whole=Whole(formula, _WITH_WHOLE))


def _comparison(formula: Callable[..., Any]) -> Callable[[F], F]:
    """Of two such operands; integers may be compared with a floating number."""
    return elementwise(formula, *_COMPARED, whole=Whole(formula, _COMPARED_WHOLE))


@_arithmetic(lambda a, b: a + b)
def add(a: Any, b: Any, out: DeviceArray) -> None:
    """a + b; see ``spec.py``, as for every kernel here."""


@_arithmetic(lambda a, b: a - b)
def subtract(a: Any, b: Any, out: DeviceArray) -> None:
    """a - b."""


@_arithmetic(lambda a, b: a * b)
def multiply(a: Any, b: Any, out: DeviceArray) -> None:
    """a * b."""


@elementwise(lambda a, b: a / b, *_BINARY)
def divide(a: Any, b: Any, out: DeviceArray) -> None:
    """a / b."""


@_arithmetic(lambda a, b: floored(a, b))
def floor_divide(a: Any, b: Any, out: DeviceArray) -> None:
    """floor(a / b)."""


@_arithmetic(lambda a, b: modulo(a, b))
def remainder(a: Any, b: Any, out: DeviceArray) -> None:
    """a - b * floor(a / b)."""


@_arithmetic(lambda a, b: power_of(a, b))
def _power(a: Any, b: Any, out: DeviceArray) -> None:
    """a ** b, whatever b is."""


def power(a: Any, b: Any, out: DeviceArray) -> None:
    """a ** b; squares and square roots, which are common, go by their own kernels."""
    if isinstance(b, int | float) and a.__class__ is DeviceArray and out.dtype.kind == "f":
        if b == 2:
            return multiply(a, a, out)
        if b == 0.5:
            return sqrt(a, out)
    return _power(a, b, out)


@_arithmetic(lambda a, b: a if a >= b or a != a else b)
def maximum(a: Any, b: Any, out: DeviceArray) -> None:
    """The larger; NaN if either is."""


@_arithmetic(lambda a, b: a if a <= b or a != a else b)
def minimum(a: Any, b: Any, out: DeviceArray) -> None:
    """The smaller; NaN if either is."""


@_comparison(lambda a, b: a == b)
def equal(a: Any, b: Any, out: DeviceArray) -> None:
    """a == b."""


@_comparison(lambda a, b: a != b)
def not_equal(a: Any, b: Any, out: DeviceArray) -> None:
    """a != b."""


@_comparison(lambda a, b: a < b)
def less(a: Any, b: Any, out: DeviceArray) -> None:
    """a < b."""


@_comparison(lambda a, b: a <= b)
def less_equal(a: Any, b: Any, out: DeviceArray) -> None:
    """a <= b."""


@_comparison(lambda a, b: a > b)
def greater(a: Any, b: Any, out: DeviceArray) -> None:
    """a > b."""


@_comparison(lambda a, b: a >= b)
def greater_equal(a: Any, b: Any, out: DeviceArray) -> None:
    """a >= b."""


@elementwise(lambda x: -x, *_UNARY, kinds=_SIGNED)
def negative(x: DeviceArray, out: DeviceArray) -> None:
    """-x."""


@elementwise(lambda x: -x if x < 0 else x, *_UNARY, kinds=_SIGNED)
def absolute(x: DeviceArray, out: DeviceArray) -> None:
    """The absolute value."""


@elementwise(
    lambda x: x if x != x else typed(1, x) if x > 0 else typed(-1, x) if x < 0 else typed(0, x),
    *_UNARY,
    whole=Whole(lambda x: 1 if x > 0 else (-1 if x < 0 else 0), _UNARY, dense=True),
)
def sign(x: DeviceArray, out: DeviceArray) -> None:
    """-1, 0 or 1; NaN of NaN."""


@elementwise(lambda x: exponential(x), *_UNARY)
def exp(x: DeviceArray, out: DeviceArray) -> None:
    """e ** x."""


@elementwise(lambda x: logarithm(x), *_UNARY)
def log(x: DeviceArray, out: DeviceArray) -> None:
    """Natural logarithm."""


@elementwise(lambda x: square_root(x), *_UNARY)
def sqrt(x: DeviceArray, out: DeviceArray) -> None:
    """Square root."""


@elementwise(lambda x: logarithm1p(x), *_UNARY)
def log1p(x: DeviceArray, out: DeviceArray) -> None:
    """log(1 + x)."""


@elementwise(lambda x: exponential_minus_1(x), *_UNARY)
def expm1(x: DeviceArray, out: DeviceArray) -> None:
    """e ** x - 1."""


@elementwise(lambda x: sine(x), *_UNARY)
def sin(x: DeviceArray, out: DeviceArray) -> None:
    """Sine."""


@elementwise(lambda x: cosine(x), *_UNARY)
def cos(x: DeviceArray, out: DeviceArray) -> None:
    """Cosine."""


@elementwise(lambda x: round_down(x), *_UNARY)
def floor(x: DeviceArray, out: DeviceArray) -> None:
    """Down to a whole number."""


@elementwise(lambda x: round_up(x), *_UNARY)
def ceil(x: DeviceArray, out: DeviceArray) -> None:
    """Up to a whole number."""


@elementwise(lambda x: round_even(x), *_UNARY)
def rint(x: DeviceArray, out: DeviceArray) -> None:
    """To the nearest whole number, the even one of two."""


@elementwise(lambda x: hyperbolic_tangent(x), *_UNARY)
def tanh(x: DeviceArray, out: DeviceArray) -> None:
    """Hyperbolic tangent."""


@elementwise(lambda grad, y: grad * (typed(1, y) - y * y), "T* T* T*")
def tanh_backward(grad: DeviceArray, y: DeviceArray, out: DeviceArray) -> None:
    """The gradient times 1 - y^2."""


@elementwise(lambda x: typed(1, x) / (typed(1, x) + exponential(-x)), *_UNARY)
def sigmoid(x: DeviceArray, out: DeviceArray) -> None:
    """The logistic function; where the exponential overflows the quotient is 0, as it should."""


@elementwise(lambda grad, y: grad * (y * (typed(1, y) - y)), "T* T* T*")
def sigmoid_backward(grad: DeviceArray, y: DeviceArray, out: DeviceArray) -> None:
    """The gradient times y (1 - y)."""


@elementwise(lambda x: x if x > 0 or x != x else typed(0, x), *_UNARY, kinds=_SIGNED)
def relu(x: DeviceArray, out: DeviceArray) -> None:
    """x where it is positive or NaN, else 0."""


@elementwise(lambda grad, y: grad if y > 0 else typed(0, grad), "T* T* T*")
def relu_backward(grad: DeviceArray, y: DeviceArray, out: DeviceArray) -> None:
    """The gradient where relu's output y is positive, else 0."""


_where = Operation(
    "where",
    lambda condition, a, b: a if condition else b,
    *("u1* T* T* T*", "u1* T* T T*", "u1* T T* T*", "u1* T T T*"),
)
_where_whole = Operation(
    "where_whole",
    lambda condition, a, b: a if condition else b,
    *("u1* T* T* T*", "u1* T* i8 T*", "u1* i8 T* T*", "u1* i8 i8 T*"),
    kinds=("i4", "i8", "u1"),
    dense=False,
)


def where(condition: DeviceArray, a: Any, b: Any, out: DeviceArray) -> None:
    """a where the condition holds, else b."""
    apply(_where if out.dtype.kind == "f" else _where_whole, out, condition, *operands(out, a, b))


@elementwise(lambda a, b, weight: (typed(1, weight) - weight) * a + weight * b, "T* T* T T*")
def lerp(a: DeviceArray, b: DeviceArray, out: DeviceArray, weight: float) -> None:
    """From a (weight 0) to b (weight 1) on a straight line."""
