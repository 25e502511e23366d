"""Activations and their slopes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .array import Array

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

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def leaky_relu(x: Array, slope: Any, out: Array) -> None:
    """A small slope where relu has none."""
    with np.errstate(all="ignore"):
        out[...] = np.where(x > 0, x, slope * x)


def leaky_relu_backward(grad: Array, y: Array, slope: Any, out: Array) -> None:
    """1 where it is positive, else the slope."""
    with np.errstate(all="ignore"):
        out[...] = np.where(y > 0, grad, slope * grad)


def leaky_relu_slope_backward(grad: Array, x: Array, out: Array) -> None:
    """The slope is a factor of x where that is not positive."""
    with np.errstate(all="ignore"):
        out[...] = np.where(x > 0, 0, grad * x)


def elu(x: Array, out: Array, alpha: float) -> None:
    """An exponential that begins with slope alpha at 0 and ends at -alpha."""
    with np.errstate(all="ignore"):
        out[...] = np.where(x > 0, x, alpha * np.expm1(x))


def elu_backward(grad: Array, x: Array, out: Array, alpha: float) -> None:
    """The slope of the exponential."""
    with np.errstate(all="ignore"):
        out[...] = np.where(x > 0, grad, grad * alpha * np.exp(x))


def _gelu_share(x: Array, tanh: bool) -> tuple[Array, Array]:
    """What x is multiplied by, and the slope of that."""
    if not tanh:
        return 0.5 * _erfc(-x / math.sqrt(2)), np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    factor = math.sqrt(2 / math.pi)
    t = np.tanh(factor * (x + 0.044715 * x**3))
    return 0.5 * (1 + t), 0.5 * (1 - t * t) * factor * (1 + 3 * 0.044715 * x * x)


def gelu(x: Array, out: Array, tanh: bool) -> None:
    """x P(X < x) of a normal X, or Hendrycks and Gimpel's approximation of that by tanh."""
    with np.errstate(all="ignore"):
        out[...] = x * _gelu_share(x, tanh)[0]


def gelu_backward(grad: Array, x: Array, out: Array, tanh: bool) -> None:
    """(x P)' = P + x P'."""
    with np.errstate(all="ignore"):
        share, slope = _gelu_share(x, tanh)
        out[...] = grad * (share + x * slope)


def softplus(x: Array, out: Array, beta: float, threshold: float) -> None:
    """A smooth relu."""
    with np.errstate(all="ignore"):
        out[...] = np.where(beta * x > threshold, x, np.logaddexp(0, beta * x) / beta)


def softplus_backward(grad: Array, x: Array, out: Array, beta: float, threshold: float) -> None:
    """The sigmoid of beta x."""
    with np.errstate(all="ignore"):
        out[...] = np.where(beta * x > threshold, grad, grad / (1 + np.exp(-beta * x)))
