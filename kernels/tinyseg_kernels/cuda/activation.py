"""Activations: each one loop over memory, forwards and backwards (see ``patterns/loops.py``)."""

from __future__ import annotations

from typing import Any

from .patterns.array import DeviceArray
from .patterns.loops import Operation, apply, elementwise
from .runtime.compiler import helper
from .vector.scalar import error_complement, exponential, exponential_minus_1, logarithm1p, sigmoid, typed

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

_SLOPE = "T* T* T*", "T* T T*"  # x, slope: an array or a number


@helper
def _gelu_argument(x):
    """2 u = 2 sqrt(2 / pi) (x + 0.044715 x^3): 1 / 2 (1 + tanh u) is the sigmoid of that."""
    return typed(1.5957691216057308, x) * x * (typed(1, x) + typed(0.044715, x) * x * x)


@helper
def _gelu_tanh_slope(x):
    """Of x s(2 u), with s the sigmoid: s + x s (1 - s) (2 u)', where 1 - s would lose its digits."""
    one, argument = typed(1, x), _gelu_argument(x)
    t = exponential(-abs(argument))
    smaller, larger = t / (one + t), one / (one + t)
    slope = typed(1.5957691216057308, x) * (one + typed(0.134145, x) * x * x)
    return (smaller if x < 0 else larger) + x * smaller * larger * slope


@helper
def _normal_share(x):
    """P(X < x) of a normal X."""
    return typed(0.5, x) * error_complement(x * typed(-0.7071067811865476, x))


@helper
def _normal_density(x):
    return exponential(typed(-0.5, x) * x * x) * typed(0.3989422804014327, x)


@helper
def _softplus_of(x, beta, threshold):
    """ln(1 + e^z) / beta with z = beta x, and its maximum taken out."""
    z = beta * x
    positive = z if z > 0 else typed(0, x)
    return x if z > threshold else (positive + logarithm1p(exponential(-abs(z)))) / beta


@elementwise(lambda x, slope: x if x > 0 else slope * x, *_SLOPE)
def leaky_relu(x: DeviceArray, slope: Any, out: DeviceArray) -> None:
    """x where it is positive, else slope * x; see ``spec.py``, as for every kernel here."""


@elementwise(lambda grad, y, slope: grad if y > 0 else slope * grad, "T* T* T* T*", "T* T* T T*")
def leaky_relu_backward(grad: DeviceArray, y: DeviceArray, slope: Any, out: DeviceArray) -> None:
    """The gradient, times the slope where y is not positive."""


@elementwise(lambda grad, x: typed(0, x) if x > 0 else grad * x, "T* T* T*")
def leaky_relu_slope_backward(grad: DeviceArray, x: DeviceArray, out: DeviceArray) -> None:
    """What each element adds to the gradient of its slope."""


@elementwise(lambda x, alpha: x if x > 0 else alpha * exponential_minus_1(x), "T* T T*")
def elu(x: DeviceArray, out: DeviceArray, alpha: float) -> None:
    """x where it is positive, else alpha (e^x - 1)."""


@elementwise(lambda grad, x, alpha: grad if x > 0 else grad * (alpha * exponential(x)), "T* T* T T*")
def elu_backward(grad: DeviceArray, x: DeviceArray, out: DeviceArray, alpha: float) -> None:
    """The gradient, times alpha e^x where x is not positive."""


_gelu = Operation("gelu", lambda x: x * _normal_share(x), "T* T*")
_gelu_backward = Operation(
    "gelu_backward", lambda grad, x: grad * (_normal_share(x) + x * _normal_density(x)), "T* T* T*"
)
_gelu_tanh = Operation("gelu_tanh", lambda x: x * sigmoid(_gelu_argument(x)), "T* T*")
_gelu_tanh_backward = Operation("gelu_tanh_backward", lambda grad, x: grad * _gelu_tanh_slope(x), "T* T* T*")


def gelu(x: DeviceArray, out: DeviceArray, tanh: bool) -> None:
    """x times the chance that a normal number is below it."""
    apply(_gelu_tanh if tanh else _gelu, out, x)


def gelu_backward(grad: DeviceArray, x: DeviceArray, out: DeviceArray, tanh: bool) -> None:
    """The gradient times gelu's slope."""
    apply(_gelu_tanh_backward if tanh else _gelu_backward, out, grad, x)


@elementwise(lambda x, beta, threshold: _softplus_of(x, beta, threshold), "T* T T T*")
def softplus(x: DeviceArray, out: DeviceArray, beta: float, threshold: float) -> None:
    """ln(1 + e^(beta x)) / beta, or x itself above the threshold."""


@elementwise(
    lambda grad, x, beta, threshold: grad if beta * x > threshold else grad * sigmoid(beta * x), "T* T* T T T*"
)
def softplus_backward(grad: DeviceArray, x: DeviceArray, out: DeviceArray, beta: float, threshold: float) -> None:
    """The gradient times the sigmoid of beta x, or the gradient itself above the threshold."""
