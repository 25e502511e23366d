"""Element by element: arithmetic, comparison, exp and their like; one kernel an operation (see ``loops.py``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .patterns.array import DeviceArray
from .patterns.loops import Operation, apply, operands
from .runtime.compiler import FLOATS, NUMBERS
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

_WHOLE = ("i4", "i8", "u1")
_UNARY = ("T* T*",)
_BINARY = ("T* T* T*", "T* T T*", "T T* T*")
_WITH_WHOLE = ("T* T* T*", "T* i8 T*", "i8 T* T*")
_COMPARED = ("T* T* u1*", "T* T u1*", "T T* u1*")
_COMPARED_WHOLE = ("T* T* u1*", "T* i8 u1*", "i8 T* u1*", "T* f8 u1*", "f8 T* u1*")


class _Pair:
    """An operation of two operands: of floating types and, more seldom, of integers."""

    def __init__(self, name: str, function: Any, whole: Any = None, compares: bool = False) -> None:
        self.floating = Operation(name, function, *(_COMPARED if compares else _BINARY))
        self.whole = Operation(
            f"{name}_whole",
            whole or function,
            *(_COMPARED_WHOLE if compares else _WITH_WHOLE),
            kinds=_WHOLE,
            dense=False,
        )

    def __call__(self, a: Any, b: Any, out: DeviceArray) -> None:
        kind = (a if a.__class__ is DeviceArray else b).dtype.kind
        apply(self.floating if kind == "f" else self.whole, out, *operands(out, a, b))


_add = _Pair("add", lambda a, b: a + b)
_subtract = _Pair("subtract", lambda a, b: a - b)
_multiply = _Pair("multiply", lambda a, b: a * b)
_divide = Operation("divide", lambda a, b: a / b, *_BINARY)
_floor_divide = _Pair("floor_divide", lambda a, b: floored(a, b))
_remainder = _Pair("remainder", lambda a, b: modulo(a, b))
_power = _Pair("power", lambda a, b: power_of(a, b))
_maximum = _Pair("maximum", lambda a, b: a if a >= b or a != a else b)
_minimum = _Pair("minimum", lambda a, b: a if a <= b or a != a else b)
_equal = _Pair("equal", lambda a, b: a == b, compares=True)
_not_equal = _Pair("not_equal", lambda a, b: a != b, compares=True)
_less = _Pair("less", lambda a, b: a < b, compares=True)
_less_equal = _Pair("less_equal", lambda a, b: a <= b, compares=True)
_greater = _Pair("greater", lambda a, b: a > b, compares=True)
_greater_equal = _Pair("greater_equal", lambda a, b: a >= b, compares=True)

_SIGNED = (*FLOATS, "i4", "i8", "u1")
_negative = Operation("negative", lambda x: -x, *_UNARY, kinds=_SIGNED)
_absolute = Operation("absolute", lambda x: -x if x < 0 else x, *_UNARY, kinds=_SIGNED)
_sign = Operation(
    "sign", lambda x: x if x != x else typed(1, x) if x > 0 else typed(-1, x) if x < 0 else typed(0, x), *_UNARY
)
_sign_whole = Operation("sign_whole", lambda x: 1 if x > 0 else (-1 if x < 0 else 0), *_UNARY, kinds=_WHOLE)
_exp = Operation("exp", lambda x: exponential(x), *_UNARY)
_log = Operation("log", lambda x: logarithm(x), *_UNARY)
_sqrt = Operation("sqrt", lambda x: square_root(x), *_UNARY)
_log1p = Operation("log1p", lambda x: logarithm1p(x), *_UNARY)
_expm1 = Operation("expm1", lambda x: exponential_minus_1(x), *_UNARY)
_sin = Operation("sin", lambda x: sine(x), *_UNARY)
_cos = Operation("cos", lambda x: cosine(x), *_UNARY)
_floor = Operation("floor", lambda x: round_down(x), *_UNARY)
_ceil = Operation("ceil", lambda x: round_up(x), *_UNARY)
_rint = Operation("rint", lambda x: round_even(x), *_UNARY)
_tanh = Operation("tanh", lambda x: hyperbolic_tangent(x), *_UNARY)
_tanh_backward = Operation("tanh_backward", lambda grad, y: grad * (typed(1, y) - y * y), "T* T* T*")
_sigmoid = Operation("sigmoid", lambda x: typed(1, x) / (typed(1, x) + exponential(-x)), *_UNARY)
_sigmoid_backward = Operation("sigmoid_backward", lambda grad, y: grad * (y * (typed(1, y) - y)), "T* T* T*")
_relu = Operation("relu", lambda x: x if x > 0 or x != x else typed(0, x), *_UNARY, kinds=_SIGNED)
_relu_backward = Operation("relu_backward", lambda grad, y: grad if y > 0 else typed(0, grad), "T* T* T*")
_where = Operation(
    "where",
    lambda condition, a, b: a if condition else b,
    *("u1* T* T* T*", "u1* T* T T*", "u1* T T* T*", "u1* T T T*"),
)
_where_whole = Operation(
    "where_whole",
    lambda condition, a, b: a if condition else b,
    *("u1* T* T* T*", "u1* T* i8 T*", "u1* i8 T* T*", "u1* i8 i8 T*"),
    kinds=_WHOLE,
    dense=False,
)
_lerp = Operation("lerp", lambda a, b, weight: (typed(1, weight) - weight) * a + weight * b, "T* T* T T*")
_casts = [f"{source}* {target}*" for source in NUMBERS for target in NUMBERS]
_assign = Operation("assign", lambda x: x, *_casts, kinds=("",))
_truth = Operation("truth", lambda x: x != 0, *(f"{source}* u1*" for source in NUMBERS), kinds=("",))
_fill = Operation("fill", lambda x: x, "T T*", kinds=NUMBERS)


def add(a: Any, b: Any, out: DeviceArray) -> None:
    """a + b; see ``spec.py``, as for every kernel here."""
    _add(a, b, out)


def subtract(a: Any, b: Any, out: DeviceArray) -> None:
    """a - b."""
    _subtract(a, b, out)


def multiply(a: Any, b: Any, out: DeviceArray) -> None:
    """a * b."""
    _multiply(a, b, out)


def divide(a: Any, b: Any, out: DeviceArray) -> None:
    """a / b."""
    apply(_divide, out, *operands(out, a, b))


def floor_divide(a: Any, b: Any, out: DeviceArray) -> None:
    """floor(a / b)."""
    _floor_divide(a, b, out)


def remainder(a: Any, b: Any, out: DeviceArray) -> None:
    """a - b * floor(a / b)."""
    _remainder(a, b, out)


def power(a: Any, b: Any, out: DeviceArray) -> None:
    """a ** b; squares and square roots, which are common, go by their own kernels."""
    if isinstance(b, int | float) and a.__class__ is DeviceArray and out.dtype.kind == "f":
        if b == 2:
            return multiply(a, a, out)
        if b == 0.5:
            return sqrt(a, out)
    return _power(a, b, out)


def maximum(a: Any, b: Any, out: DeviceArray) -> None:
    """The larger; NaN if either is."""
    _maximum(a, b, out)


def minimum(a: Any, b: Any, out: DeviceArray) -> None:
    """The smaller; NaN if either is."""
    _minimum(a, b, out)


def equal(a: Any, b: Any, out: DeviceArray) -> None:
    """a == b."""
    _equal(a, b, out)


def not_equal(a: Any, b: Any, out: DeviceArray) -> None:
    """a != b."""
    _not_equal(a, b, out)


def less(a: Any, b: Any, out: DeviceArray) -> None:
    """a < b."""
    _less(a, b, out)


def less_equal(a: Any, b: Any, out: DeviceArray) -> None:
    """a <= b."""
    _less_equal(a, b, out)


def greater(a: Any, b: Any, out: DeviceArray) -> None:
    """a > b."""
    _greater(a, b, out)


def greater_equal(a: Any, b: Any, out: DeviceArray) -> None:
    """a >= b."""
    _greater_equal(a, b, out)


def negative(x: DeviceArray, out: DeviceArray) -> None:
    """-x."""
    apply(_negative, out, x)


def absolute(x: DeviceArray, out: DeviceArray) -> None:
    """The absolute value."""
    apply(_absolute, out, x)


def sign(x: DeviceArray, out: DeviceArray) -> None:
    """-1, 0 or 1; NaN of NaN."""
    apply(_sign if x.dtype.kind == "f" else _sign_whole, out, x)


def exp(x: DeviceArray, out: DeviceArray) -> None:
    """e ** x."""
    apply(_exp, out, x)


def log(x: DeviceArray, out: DeviceArray) -> None:
    """Natural logarithm."""
    apply(_log, out, x)


def sqrt(x: DeviceArray, out: DeviceArray) -> None:
    """Square root."""
    apply(_sqrt, out, x)


def log1p(x: DeviceArray, out: DeviceArray) -> None:
    """log(1 + x)."""
    apply(_log1p, out, x)


def expm1(x: DeviceArray, out: DeviceArray) -> None:
    """e ** x - 1."""
    apply(_expm1, out, x)


def sin(x: DeviceArray, out: DeviceArray) -> None:
    """Sine."""
    apply(_sin, out, x)


def cos(x: DeviceArray, out: DeviceArray) -> None:
    """Cosine."""
    apply(_cos, out, x)


def floor(x: DeviceArray, out: DeviceArray) -> None:
    """Down to a whole number."""
    apply(_floor, out, x)


def ceil(x: DeviceArray, out: DeviceArray) -> None:
    """Up to a whole number."""
    apply(_ceil, out, x)


def rint(x: DeviceArray, out: DeviceArray) -> None:
    """To the nearest whole number, the even one of two."""
    apply(_rint, out, x)


def tanh(x: DeviceArray, out: DeviceArray) -> None:
    """Hyperbolic tangent."""
    apply(_tanh, out, x)


def tanh_backward(grad: DeviceArray, y: DeviceArray, out: DeviceArray) -> None:
    """The gradient times 1 - y^2."""
    apply(_tanh_backward, out, grad, y)


def sigmoid(x: DeviceArray, out: DeviceArray) -> None:
    """The logistic function; where the exponential overflows the quotient is 0, as it should."""
    apply(_sigmoid, out, x)


def sigmoid_backward(grad: DeviceArray, y: DeviceArray, out: DeviceArray) -> None:
    """The gradient times y (1 - y)."""
    apply(_sigmoid_backward, out, grad, y)


def relu(x: DeviceArray, out: DeviceArray) -> None:
    """x where it is positive or NaN, else 0."""
    apply(_relu, out, x)


def relu_backward(grad: DeviceArray, y: DeviceArray, out: DeviceArray) -> None:
    """The gradient where relu's output y is positive, else 0."""
    apply(_relu_backward, out, grad, y)


def where(condition: DeviceArray, a: Any, b: Any, out: DeviceArray) -> None:
    """a where the condition holds, else b."""
    apply(_where if out.dtype.kind == "f" else _where_whole, out, condition, *operands(out, a, b))


def lerp(a: DeviceArray, b: DeviceArray, out: DeviceArray, weight: float) -> None:
    """From a (weight 0) to b (weight 1) on a straight line."""
    apply(_lerp, out, a, b, out.dtype.type(weight))


def assign(x: Any, out: DeviceArray) -> None:
    """x, broadcast and cast."""
    apply(_truth if out.dtype.kind == "b" else _assign, out, x)


def deliver(values: DeviceArray, out: DeviceArray) -> None:
    """``out`` = values, unless these are ``out`` itself (see ``row_major_like``)."""
    if values is not out:
        assign(values, out)


def fill(out: DeviceArray, value: float) -> None:
    """One value everywhere."""
    stored = np.dtype(np.uint8) if out.dtype.kind == "b" else out.dtype
    with np.errstate(all="ignore"):
        cast = np.asarray(value).astype(out.dtype).astype(stored)
    apply(_fill, out, cast[()])
