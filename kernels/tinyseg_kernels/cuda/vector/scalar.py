"""Functions of single numbers inside kernels, each in its argument's own precision, with a twin for the simulator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..runtime.compiler import SIMULATED, helper
from ..runtime.simulator import Memory

if not SIMULATED:
    from ..runtime.toolchain import libdevice, overload, types


def load(x: Any, i: Any) -> Any:
    """Element i of a pointer, or a number itself."""
    return x[i] if isinstance(x, Memory) else x


def typed(value: Any, x: Any) -> Any:
    """The constant ``value`` in the precision of x: beside a float32, Numba takes a bare 1 for a float64."""
    return type(x)(value)


def _function(simulated: Callable[..., Any], single: str, double: str) -> Callable[..., Any]:
    """A function of numbers: NumPy's in the simulator, and of CUDA's library of functions those of these names."""

    def function(*numbers: Any) -> Any:
        return simulated(*numbers)

    if SIMULATED:
        return function
    of_single, of_double = getattr(libdevice, single), getattr(libdevice, double)

    def choose(x):
        return (lambda x: of_single(x)) if x == types.float32 else (lambda x: of_double(x))

    overload(function)(choose)
    return function


exponential = _function(np.exp, "expf", "exp")
logarithm = _function(np.log, "logf", "log")
logarithm1p = _function(np.log1p, "log1pf", "log1p")
exponential_minus_1 = _function(np.expm1, "expm1f", "expm1")
square_root = _function(np.sqrt, "sqrtf", "sqrt")
sine = _function(np.sin, "sinf", "sin")
cosine = _function(np.cos, "cosf", "cos")
hyperbolic_tangent = _function(np.tanh, "tanhf", "tanh")
error_complement = _function(lambda x: type(x)(math.erfc(x)), "erfcf", "erfc")
round_down = _function(np.floor, "floorf", "floor")
round_up = _function(np.ceil, "ceilf", "ceil")
round_even = _function(np.rint, "rintf", "rint")


def power(base: Any, exponent: Any) -> Any:
    """base ** exponent of two numbers of one type."""
    return np.power(base, exponent)


def modulo(a: Any, b: Any) -> Any:
    """What a floored division leaves, with b's sign; of integers by -1 it is 0."""
    return np.remainder(a, b) if np.issubdtype(type(a), np.floating) or b != -1 else 0


def floored(a: Any, b: Any) -> Any:
    """floor(a / b)."""
    return np.floor_divide(a, b) if np.issubdtype(type(a), np.floating) or b != -1 else -a


if not SIMULATED:

    @overload(load)
    def _load(x, i):
        return (lambda x, i: x[i]) if isinstance(x, types.CPointer) else (lambda x, i: x)

    @overload(typed)
    def _typed(value, x):
        if x == types.float32:
            return lambda value, x: np.float32(value)
        if x == types.float64:
            return lambda value, x: np.float64(value)
        return lambda value, x: np.int64(value)

    @overload(power)
    def _power(base, exponent):
        if base == types.float32:
            return lambda base, exponent: libdevice.powf(base, exponent)
        if base == types.float64:
            return lambda base, exponent: libdevice.pow(base, exponent)

        def whole(base, exponent):
            result, square, left = np.int64(1), np.int64(base), np.int64(exponent)
            while left > 0:
                if left & 1:
                    result *= square
                square *= square
                left >>= 1
            return result

        return whole

    @overload(modulo)
    def _modulo(a, b):
        if not isinstance(a, types.Float):
            return lambda a, b: np.int64(0) if b == -1 else np.int64(a) % np.int64(b)

        def rest(a, b):
            left = _fmod(a, b)  # with a's sign
            return left + b if left != 0 and (left < 0) != (b < 0) else left

        return rest

    @overload(floored)
    def _floored(a, b):
        if not isinstance(a, types.Float):
            return lambda a, b: -np.int64(a) if b == -1 else np.int64(a) // np.int64(b)

        def whole(a, b):
            # By what is left over, since a / b itself may have been rounded up to a whole number.
            if b == 0:
                return a / b
            left = _fmod(a, b)
            quotient = (a - left) / b
            if left != 0 and (left < 0) != (b < 0):
                quotient -= typed(1, a)
            return round_even(quotient)

        return whole

    def _fmod(a, b):
        raise NotImplementedError

    @overload(_fmod)
    def _fmod_of(a, b):
        if a == types.float32:
            return lambda a, b: libdevice.fmodf(a, b)
        return lambda a, b: libdevice.fmod(a, b)


@helper
def sigmoid(x):
    """1 / (1 + e^-x), by e^-|x|, which cannot overflow."""
    one, t = typed(1, x), exponential(-abs(x))
    return (t if x < 0 else one) / (one + t)
