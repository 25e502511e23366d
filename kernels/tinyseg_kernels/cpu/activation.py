"""Activations: each one loop over memory, forwards and backwards (see ``patterns/loops.py``)."""

from __future__ import annotations

from typing import Any

from .patterns.loops import compile_loop
from .patterns.operands import apply, operands
from .runtime.compiler import inlined
from .runtime.layout import Array
from .vector.scalar import expm1_of, exponential, normal_share, sigmoid_of, softplus_rest, typed

__all__ = [
    "elu",
    "elu_backward",
    "gelu",
    "gelu_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "leaky_relu_slope_backward",
    "softplus",
    "softplus_backward",
]


@inlined
def _gelu_argument(x):
    """2 u = 2 sqrt(2 / pi) (x + 0.044715 x^3): 1 / 2 (1 + tanh u) is the sigmoid of that."""
    return typed(1.5957691216057308, x) * x * (typed(1, x) + typed(0.044715, x) * x * x)


@inlined
def _gelu_tanh_slope(x):
    """Of x s(2 u), with s the sigmoid: s + x s (1 - s) (2 u)', where 1 - s would lose its digits."""
    one, argument = typed(1, x), _gelu_argument(x)
    t = exponential(-abs(argument))
    smaller, larger = t / (one + t), one / (one + t)  # s and 1 - s
    slope = typed(1.5957691216057308, x) * (one + typed(0.134145, x) * x * x)
    return (smaller if x < 0 else larger) + x * smaller * larger * slope


@inlined
def _gelu_slope(x):
    """Of x P(x): P + x P'."""
    below, density = normal_share(x)
    return below + x * density


@inlined
def _softplus_of(x, beta, threshold):
    """ln(1 + e^z) / beta with z = beta x, and its maximum taken out."""
    z = beta * x
    positive = z if z > 0 else typed(0, x)
    return x if z > threshold else (positive + softplus_rest(z)) / beta


_leaky_relu = compile_loop("leaky_relu", lambda x, slope: x if x > 0 else slope * x)
_leaky_relu_backward = compile_loop("leaky_relu_backward", lambda grad, y, slope: grad if y > 0 else slope * grad)
_leaky_relu_slope = compile_loop("leaky_relu_slope", lambda grad, x: typed(0, x) if x > 0 else grad * x)
_elu = compile_loop("elu", lambda x, alpha: x if x > 0 else alpha * expm1_of(x))
_elu_backward = compile_loop(
    "elu_backward", lambda grad, x, alpha: grad if x > 0 else grad * (alpha * exponential(x))
)
_gelu = compile_loop("gelu", lambda x: x * normal_share(x)[0])
_gelu_backward = compile_loop("gelu_backward", lambda grad, x: grad * _gelu_slope(x))
_gelu_tanh = compile_loop("gelu_tanh", lambda x: x * sigmoid_of(_gelu_argument(x)))
_gelu_tanh_backward = compile_loop("gelu_tanh_backward", lambda grad, x: grad * _gelu_tanh_slope(x))
_softplus = compile_loop("softplus", lambda x, beta, threshold: _softplus_of(x, beta, threshold))
_softplus_backward = compile_loop(
    "softplus_backward",
    lambda grad, x, beta, threshold: grad if beta * x > threshold else grad * sigmoid_of(beta * x),
)


def leaky_relu(x: Array, slope: Any, out: Array) -> None:
    """x where it is positive, else slope * x; see ``spec.py``, as for every kernel here."""
    apply(_leaky_relu, out, *operands(out, x, slope))


def leaky_relu_backward(grad: Array, y: Array, slope: Any, out: Array) -> None:
    """The gradient, times the slope where y is not positive."""
    apply(_leaky_relu_backward, out, *operands(out, grad, y, slope))


def leaky_relu_slope_backward(grad: Array, x: Array, out: Array) -> None:
    """What each element adds to the gradient of its slope."""
    apply(_leaky_relu_slope, out, *operands(out, grad, x))


def elu(x: Array, out: Array, alpha: float) -> None:
    """x where it is positive, else alpha (e^x - 1)."""
    apply(_elu, out, *operands(out, x, alpha))


def elu_backward(grad: Array, x: Array, out: Array, alpha: float) -> None:
    """The gradient, times alpha e^x where x is not positive."""
    apply(_elu_backward, out, *operands(out, grad, x, alpha))


def gelu(x: Array, out: Array, tanh: bool) -> None:
    """x times the chance that a normal number is below it."""
    apply(_gelu_tanh if tanh else _gelu, out, *operands(out, x))


def gelu_backward(grad: Array, x: Array, out: Array, tanh: bool) -> None:
    """The gradient times gelu's slope."""
    apply(_gelu_tanh_backward if tanh else _gelu_backward, out, *operands(out, grad, x))


def softplus(x: Array, out: Array, beta: float, threshold: float) -> None:
    """ln(1 + e^(beta x)) / beta, or x itself above the threshold."""
    apply(_softplus, out, *operands(out, x, beta, threshold))


def softplus_backward(grad: Array, x: Array, out: Array, beta: float, threshold: float) -> None:
    """The gradient times the sigmoid of beta x, or the gradient itself above the threshold."""
    apply(_softplus_backward, out, *operands(out, grad, x, beta, threshold))
