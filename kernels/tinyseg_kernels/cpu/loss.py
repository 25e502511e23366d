"""Losses of single elements: each one loop over memory, forwards and backwards (see ``patterns/formula.py``)."""

from __future__ import annotations

from typing import Any

from .patterns.formula import loss, loss_gradient
from .patterns.loops import compile_loop
from .patterns.operands import apply, operands
from .runtime.compiler import inlined
from .runtime.layout import Array
from .vector.scalar import log1p_of, log_of, sigmoid_of, softplus_rest, typed

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


@inlined
def _smooth_l1_of(d, beta):
    """d^2 / (2 beta) near 0, |d| - beta / 2 beyond."""
    size, half = abs(d), typed(0.5, d)
    return half * d * d / beta if size < beta else size - half * beta


@inlined
def _smooth_l1_slope(d, beta):
    """d / beta near 0, d's sign beyond: 0 of 0 and NaN of NaN, should beta be 0."""
    one = typed(1, d)
    sign = one if d > 0 else (-one if d < 0 else d)
    return d / beta if abs(d) < beta else sign


@inlined
def _log_or_least(value):
    """No logarithm is less than -100, lest a prediction of 0 cost infinity; NaN stays NaN."""
    least = typed(-100, value)
    return least if value < least else value


@inlined
def _with_logits_of(x, target, pos_weight):
    """t p softplus(-x) + (1 - t) softplus(x): each is accurate where it is small."""
    zero = typed(0, x)
    rest = softplus_rest(x)
    wrong_if_positive, wrong_if_negative = rest + (-x if x < 0 else zero), rest + (x if x > 0 else zero)
    return target * pos_weight * wrong_if_positive + (typed(1, x) - target) * wrong_if_negative


@inlined
def _with_logits_slope(x, target, pos_weight):
    """(1 - t) sigmoid(x) - t p sigmoid(-x)."""
    return (typed(1, x) - target) * sigmoid_of(x) - target * pos_weight * sigmoid_of(-x)


_smooth_l1 = compile_loop("smooth_l1", lambda x, target, beta: _smooth_l1_of(x - target, beta))
_smooth_l1_backward = compile_loop(
    "smooth_l1_backward", lambda grad, x, target, beta: grad * _smooth_l1_slope(x - target, beta)
)
_with_logits = compile_loop(
    "binary_cross_entropy_with_logits", lambda x, target, pos_weight: _with_logits_of(x, target, pos_weight)
)
_with_logits_backward = compile_loop(
    "binary_cross_entropy_with_logits_backward",
    lambda grad, x, target, pos_weight: grad * _with_logits_slope(x, target, pos_weight),
)


@loss
def mse_loss(x, target):
    """(x - target)^2; see ``spec.py``, as for every kernel here."""
    return (x - target) * (x - target)


@loss_gradient
def mse_loss_backward(grad, x, target):
    """2 grad (x - target)."""
    return grad * (typed(2, x) * (x - target))


def smooth_l1_loss(x: Array, target: Array, out: Array, beta: float) -> None:
    """A parabola near 0, straight lines beyond."""
    apply(_smooth_l1, out, *operands(out, x, target, beta))


def smooth_l1_loss_backward(grad: Array, x: Array, target: Array, out: Array, beta: float) -> None:
    """The gradient times that function's slope."""
    apply(_smooth_l1_backward, out, *operands(out, grad, x, target, beta))


@loss
def binary_cross_entropy(x, target):
    """Of probabilities: -t ln x - (1 - t) ln(1 - x)."""
    return (target - typed(1, x)) * _log_or_least(log1p_of(-x)) - target * _log_or_least(log_of(x))


@loss_gradient
def binary_cross_entropy_backward(grad, x, target):
    """Its gradient by the probabilities: (x - t) / (x (1 - x)), its denominator kept from 0."""
    product, least = (typed(1, x) - x) * x, typed(1e-12, x)
    return grad * ((x - target) / (least if product < least else product))


def binary_cross_entropy_with_logits(x: Array, target: Array, pos_weight: Any, out: Array) -> None:
    """Of logits."""
    apply(_with_logits, out, *operands(out, x, target, pos_weight))


def binary_cross_entropy_with_logits_backward(
    grad: Array, x: Array, target: Array, pos_weight: Any, out: Array
) -> None:
    """Its gradient by the logits."""
    apply(_with_logits_backward, out, *operands(out, grad, x, target, pos_weight))
