"""Element by element: arithmetic, comparison, exp and their like; one loop an operation (see ``loops.py``)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import parallel
from .array import Array, shares_memory
from .compiler import helper, kernel
from .loops import compile_loop as _compile
from .operands import GRAIN, apply, broadcast, merged, operands
from .scalar import exponential, hyperbolic_tangent32, logarithm, sigmoid_of, typed
from .simd import copy_numbers


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


_add = _compile("add", lambda a, b: a + b)
_subtract = _compile("subtract", lambda a, b: a - b)
_multiply = _compile("multiply", lambda a, b: a * b)
_divide = _compile("divide", lambda a, b: a / b)
_floor_divide = _compile("floor_divide", lambda a, b: _floored(a, b))
# The processor traps where the lowest integer is divided by -1.
_floor_divide_whole = _compile("floor_divide_whole", lambda a, b: -a if b == -1 else a // b)
_remainder = _compile("remainder", lambda a, b: _modulo(a, b))
_remainder_whole = _compile("remainder_whole", lambda a, b: 0 if b == -1 else a % b)
_power = _compile("power", lambda a, b: a**b)
_maximum = _compile("maximum", lambda a, b: a if a >= b or a != a else b)
_minimum = _compile("minimum", lambda a, b: a if a <= b or a != a else b)
_equal = _compile("equal", lambda a, b: a == b)
_not_equal = _compile("not_equal", lambda a, b: a != b)
_less = _compile("less", lambda a, b: a < b)
_less_equal = _compile("less_equal", lambda a, b: a <= b)
_greater = _compile("greater", lambda a, b: a > b)
_greater_equal = _compile("greater_equal", lambda a, b: a >= b)
_negative = _compile("negative", lambda x: -x)
_absolute = _compile("absolute", lambda x: -x if x < 0 else x)
_sign = _compile("sign", lambda x: x if x != x else (x > 0) - (x < 0))
_exp = _compile("exp", lambda x: exponential(x))
_log = _compile("log", lambda x: math.log(x))
_log_single = _compile("log32", lambda x: logarithm(x))
_sqrt = _compile("sqrt", lambda x: math.sqrt(x))
_log1p = _compile("log1p", lambda x: math.log1p(x))
_expm1 = _compile("expm1", lambda x: math.expm1(x))
_sin = _compile("sin", lambda x: math.sin(x))
_cos = _compile("cos", lambda x: math.cos(x))
_floor = _compile("floor", lambda x: np.floor(x))
_ceil = _compile("ceil", lambda x: np.ceil(x))
_rint = _compile("rint", lambda x: np.rint(x))
_tanh = _compile("tanh", lambda x: math.tanh(x))
_tanh_single = _compile("tanh32", lambda x: hyperbolic_tangent32(x))
_tanh_backward = _compile("tanh_backward", lambda grad, y: grad * (typed(1, y) - y * y))
_sigmoid = _compile("sigmoid", lambda x: sigmoid_of(x))
_sigmoid_backward = _compile("sigmoid_backward", lambda grad, y: grad * (y * (typed(1, y) - y)))
_relu = _compile("relu", lambda x: x if x > 0 or x != x else 0)
_relu_backward = _compile("relu_backward", lambda grad, y: grad if y > 0 else 0)
_where = _compile("where", lambda condition, a, b: a if condition else b)
_lerp = _compile("lerp", lambda a, b, weight: (1 - weight) * a + weight * b)


def add(a: Any, b: Any, out: Array) -> None:
    """a + b; see ``spec.py``, as for every kernel here."""
    apply(_add, out, *operands(out, a, b))


def subtract(a: Any, b: Any, out: Array) -> None:
    """a - b."""
    apply(_subtract, out, *operands(out, a, b))


def multiply(a: Any, b: Any, out: Array) -> None:
    """a * b."""
    apply(_multiply, out, *operands(out, a, b))


def divide(a: Any, b: Any, out: Array) -> None:
    """a / b."""
    apply(_divide, out, *operands(out, a, b))


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


def maximum(a: Any, b: Any, out: Array) -> None:
    """The larger; NaN if either is."""
    apply(_maximum, out, *operands(out, a, b))


def minimum(a: Any, b: Any, out: Array) -> None:
    """The smaller; NaN if either is."""
    apply(_minimum, out, *operands(out, a, b))


def equal(a: Any, b: Any, out: Array) -> None:
    """a == b."""
    apply(_equal, out, *operands(out, a, b))


def not_equal(a: Any, b: Any, out: Array) -> None:
    """a != b."""
    apply(_not_equal, out, *operands(out, a, b))


def less(a: Any, b: Any, out: Array) -> None:
    """a < b."""
    apply(_less, out, *operands(out, a, b))


def less_equal(a: Any, b: Any, out: Array) -> None:
    """a <= b."""
    apply(_less_equal, out, *operands(out, a, b))


def greater(a: Any, b: Any, out: Array) -> None:
    """a > b."""
    apply(_greater, out, *operands(out, a, b))


def greater_equal(a: Any, b: Any, out: Array) -> None:
    """a >= b."""
    apply(_greater_equal, out, *operands(out, a, b))


def negative(x: Array, out: Array) -> None:
    """-x."""
    apply(_negative, out, *operands(out, x))


def absolute(x: Array, out: Array) -> None:
    """The absolute value."""
    apply(_absolute, out, *operands(out, x))


def sign(x: Array, out: Array) -> None:
    """-1, 0 or 1; NaN of NaN."""
    apply(_sign, out, *operands(out, x))


def exp(x: Array, out: Array) -> None:
    """e ** x."""
    apply(_exp, out, *operands(out, x))


def log(x: Array, out: Array) -> None:
    """Natural logarithm."""
    apply(_log_single if out.dtype == np.float32 else _log, out, *operands(out, x))


def sqrt(x: Array, out: Array) -> None:
    """Square root."""
    apply(_sqrt, out, *operands(out, x))


def log1p(x: Array, out: Array) -> None:
    """log(1 + x)."""
    apply(_log1p, out, *operands(out, x))


def expm1(x: Array, out: Array) -> None:
    """e ** x - 1."""
    apply(_expm1, out, *operands(out, x))


def sin(x: Array, out: Array) -> None:
    """Sine."""
    apply(_sin, out, *operands(out, x))


def cos(x: Array, out: Array) -> None:
    """Cosine."""
    apply(_cos, out, *operands(out, x))


def floor(x: Array, out: Array) -> None:
    """Down to a whole number."""
    apply(_floor, out, *operands(out, x))


def ceil(x: Array, out: Array) -> None:
    """Up to a whole number."""
    apply(_ceil, out, *operands(out, x))


def rint(x: Array, out: Array) -> None:
    """To the nearest whole number, the even one of two."""
    apply(_rint, out, *operands(out, x))


def tanh(x: Array, out: Array) -> None:
    """Hyperbolic tangent."""
    apply(_tanh_single if out.dtype == np.float32 else _tanh, out, *operands(out, x))


def tanh_backward(grad: Array, y: Array, out: Array) -> None:
    """The gradient times 1 - y^2."""
    apply(_tanh_backward, out, *operands(out, grad, y))


def sigmoid(x: Array, out: Array) -> None:
    """The logistic function."""
    apply(_sigmoid, out, *operands(out, x))


def sigmoid_backward(grad: Array, y: Array, out: Array) -> None:
    """The gradient times y (1 - y)."""
    apply(_sigmoid_backward, out, *operands(out, grad, y))


def relu(x: Array, out: Array) -> None:
    """x where it is positive or NaN, else 0."""
    apply(_relu, out, *operands(out, x))


def relu_backward(grad: Array, y: Array, out: Array) -> None:
    """The gradient where relu's output y is positive, else 0."""
    apply(_relu_backward, out, *operands(out, grad, y))


def where(condition: Array, a: Any, b: Any, out: Array) -> None:
    """a where the condition holds, else b."""
    apply(_where, out, *operands(out, condition), *operands(out, a, b))


def lerp(a: Array, b: Array, out: Array, weight: float) -> None:
    """From a (weight 0) to b (weight 1) on a straight line."""
    apply(_lerp, out, *operands(out, a, b), *operands(out, out.dtype.type(weight)))


@kernel
def _copy_rows(start: int, stop: int, x: Array, x_step: int, length: int, out: Array, out_step: int) -> None:
    """Items: rows of so many elements, at these distances."""
    for item in range(start, stop):
        copy_numbers(x, item * x_step, out, item * out_step, length)


def _rows(array: Array) -> tuple[Array, int] | None:
    """A matrix's memory as a vector and the distance of its rows, if these are contiguous and follow each other."""
    if array.ndim != 2 or array.strides[1] != array.itemsize:
        return None
    step, rest = divmod(array.strides[0], array.itemsize)
    if rest or step < array.shape[1]:
        return None
    bits = array.view(f"u{array.itemsize}")
    span = (len(array) - 1) * step + array.shape[1]
    return np.lib.stride_tricks.as_strided(bits, (span,), (array.itemsize,)), step


def _assign_rows(source: Array, target: Array) -> bool:
    """Copy some channels of every pixel, as concatenation does; tells whether the arrays are of that form.

    NumPy's copy costs as much for each short row as for some ten elements more.
    """
    if source.dtype != target.dtype or source.itemsize not in (4, 8):
        return False
    rows = _rows(source), _rows(target)
    if rows[0] is None or rows[1] is None:
        return False
    parallel.run(_copy_rows, len(target), GRAIN // target.shape[1], *rows[0], target.shape[1], *rows[1])
    return True


def assign(x: Array, out: Array) -> None:
    """x, broadcast and cast: NumPy's copy, which knows every pair of types, spread over threads."""
    if out.size == 0:
        return
    (operand,) = operands(out, x)
    target, source = merged([out, broadcast(operand, out.shape)])
    if _assign_rows(source, target):
        return
    if target.ndim == 0:
        target, source = target.reshape(1), source.reshape(1)
    longest = target.shape.index(max(target.shape))
    target, source = np.moveaxis(target, longest, 0), np.moveaxis(source, longest, 0)

    def copy(start: int, stop: int) -> None:
        with np.errstate(all="ignore"):
            np.copyto(target[start:stop], source[start:stop], casting="unsafe")

    parallel.run(copy, len(target), max(1, GRAIN * len(target) // target.size))


def fill(out: Array, value: float) -> None:
    """One value everywhere."""
    assign(np.asarray(value), out)


def deliver(memory: Array, out: Array) -> None:
    """``out`` = memory (N,H,W,C), unless that is ``out``'s own (``channels_last`` copies what has another order)."""
    if not shares_memory(memory, out):
        assign(memory.transpose(0, 3, 1, 2), out)
