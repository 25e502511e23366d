"""Losses of single elements, and their slopes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import Array

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


def mse_loss(x: Array, target: Array, out: Array) -> None:
    """The squared error."""
    with np.errstate(all="ignore"):
        out[...] = (x - target) ** 2


def mse_loss_backward(grad: Array, x: Array, target: Array, out: Array) -> None:
    """2 (x - target)."""
    with np.errstate(all="ignore"):
        out[...] = grad * 2 * (x - target)


def smooth_l1_loss(x: Array, target: Array, out: Array, beta: float) -> None:
    """A parabola that goes over into |x - target| with the same slope, at a distance of beta."""
    with np.errstate(all="ignore"):
        size = np.abs(x - target)
        out[...] = np.where(size < beta, 0.5 * size**2 / beta, size - 0.5 * beta)


def smooth_l1_loss_backward(grad: Array, x: Array, target: Array, out: Array, beta: float) -> None:
    """(x - target) / beta, or its sign."""
    with np.errstate(all="ignore"):
        d = x - target
        out[...] = grad * np.where(np.abs(d) < beta, d / beta, np.sign(d))


def binary_cross_entropy(x: Array, target: Array, out: Array) -> None:
    """Minus the log-likelihood; no logarithm is less than -100."""
    with np.errstate(all="ignore"):
        out[...] = -target * np.maximum(np.log(x), -100) - (1 - target) * np.maximum(np.log1p(-x), -100)


def binary_cross_entropy_backward(grad: Array, x: Array, target: Array, out: Array) -> None:
    """As if no logarithm were bounded, but finite."""
    with np.errstate(all="ignore"):
        out[...] = grad * (x - target) / np.maximum(x * (1 - x), 1e-12)


def binary_cross_entropy_with_logits(x: Array, target: Array, pos_weight: Any, out: Array) -> None:
    """-log sigmoid(x) is log(1 + exp(-x)), and -log(1 - sigmoid(x)) is log(1 + exp(x))."""
    with np.errstate(all="ignore"):
        out[...] = target * pos_weight * np.logaddexp(0, -x) + (1 - target) * np.logaddexp(0, x)


def binary_cross_entropy_with_logits_backward(
    grad: Array, x: Array, target: Array, pos_weight: Any, out: Array
) -> None:
    """The slopes of these are -sigmoid(-x) and sigmoid(x)."""
    with np.errstate(all="ignore"):
        out[...] = grad * ((1 - target) / (1 + np.exp(-x)) - target * pos_weight / (1 + np.exp(x)))
