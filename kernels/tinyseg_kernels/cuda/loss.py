"""Losses of single elements: each one loop over memory, forwards and backwards (see ``patterns/loops.py``)."""

from __future__ import annotations

from typing import Any

from .patterns.array import DeviceArray
from .patterns.loops import elementwise
from .runtime.compiler import helper
from .vector.scalar import exponential, logarithm, logarithm1p, sigmoid, typed

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_backward",
    "binary_cross_entropy_with_logits",
    "binary_cross_entropy_with_logits_backward",
    "mse_loss",
    "mse_loss_backward",
    "smooth_l1_loss",
    "smooth_l1_loss_backward",
]


@helper
def _smooth_l1_of(d, beta):
    """d^2 / (2 beta) near 0, |d| - beta / 2 beyond."""
    size, half = abs(d), typed(0.5, d)
    return half * d * d / beta if size < beta else size - half * beta


@helper
def _smooth_l1_slope(d, beta):
    """d / beta near 0, d's sign beyond: 0 of 0 and NaN of NaN, should beta be 0."""
    one = typed(1, d)
    sign = one if d > 0 else (-one if d < 0 else d)
    return d / beta if abs(d) < beta else sign


@helper
def _log_or_least(value):
    """No logarithm is less than -100, lest a prediction of 0 cost infinity; NaN stays NaN."""
    least = typed(-100, value)
    return least if value < least else value


@helper
def _binary_of(x, target):
    """-t ln x - (1 - t) ln(1 - x)."""
    return (target - typed(1, x)) * _log_or_least(logarithm1p(-x)) - target * _log_or_least(logarithm(x))


@helper
def _binary_slope(x, target):
    """(x - t) / (x (1 - x)), its denominator kept from 0."""
    product, least = (typed(1, x) - x) * x, typed(1e-12, x)
    return (x - target) / (least if product < least else product)


@helper
def _with_logits_of(x, target, pos_weight):
    """t p softplus(-x) + (1 - t) softplus(x): each is accurate where it is small."""
    zero = typed(0, x)
    rest = logarithm1p(exponential(-abs(x)))
    wrong_if_positive, wrong_if_negative = rest + (-x if x < 0 else zero), rest + (x if x > 0 else zero)
    return target * pos_weight * wrong_if_positive + (typed(1, x) - target) * wrong_if_negative


@helper
def _with_logits_slope(x, target, pos_weight):
    """(1 - t) sigmoid(x) - t p sigmoid(-x)."""
    return (typed(1, x) - target) * sigmoid(x) - target * pos_weight * sigmoid(-x)


@elementwise(lambda x, target: (x - target) * (x - target), "T* T* T*")
def mse_loss(x: DeviceArray, target: DeviceArray, out: DeviceArray) -> None:
    """The squared error; see ``spec.py``, as for every kernel here."""


@elementwise(lambda grad, x, target: grad * (typed(2, x) * (x - target)), "T* T* T* T*")
def mse_loss_backward(grad: DeviceArray, x: DeviceArray, target: DeviceArray, out: DeviceArray) -> None:
    """Its slope by x."""


@elementwise(lambda x, target, beta: _smooth_l1_of(x - target, beta), "T* T* T T*")
def smooth_l1_loss(x: DeviceArray, target: DeviceArray, out: DeviceArray, beta: float) -> None:
    """A parabola that goes over into the distance."""


@elementwise(lambda grad, x, target, beta: grad * _smooth_l1_slope(x - target, beta), "T* T* T* T T*")
def smooth_l1_loss_backward(
    grad: DeviceArray, x: DeviceArray, target: DeviceArray, out: DeviceArray, beta: float
) -> None:
    """Its slope by x."""


@elementwise(lambda x, target: _binary_of(x, target), "T* T* T*")
def binary_cross_entropy(x: DeviceArray, target: DeviceArray, out: DeviceArray) -> None:
    """Minus the log-likelihood of a probability."""


@elementwise(lambda grad, x, target: grad * _binary_slope(x, target), "T* T* T* T*")
def binary_cross_entropy_backward(grad: DeviceArray, x: DeviceArray, target: DeviceArray, out: DeviceArray) -> None:
    """Its slope by x."""


@elementwise(
    lambda x, target, pos_weight: _with_logits_of(x, target, pos_weight),
    *("T* T* T* T*", "T* T* T T*", "T* T T* T*", "T* T T T*"),
)
def binary_cross_entropy_with_logits(x: DeviceArray, target: Any, pos_weight: Any, out: DeviceArray) -> None:
    """Minus the log-likelihood of a logit."""


@elementwise(
    lambda grad, x, target, pos_weight: grad * _with_logits_slope(x, target, pos_weight),
    *("T* T* T* T* T*", "T* T* T* T T*", "T* T* T T* T*", "T* T* T T T*"),
)
def binary_cross_entropy_with_logits_backward(
    grad: DeviceArray, x: DeviceArray, target: Any, pos_weight: Any, out: DeviceArray
) -> None:
    """Its slope by x."""
