"""Softmax and cross-entropy of each pixel in one step, with class weights and an ignored label."""

from __future__ import annotations

import numpy as np

from .array import Array
from .softmax import log_softmax

__all__ = [
    "cross_entropy",
    "cross_entropy_backward",
    "label_bounds",
    "soft_cross_entropy",
    "soft_cross_entropy_backward",
]


def _shares(
    target: Array, class_weight: Array | None, classes: int, dtype: np.dtype, ignore_index: int, smoothing: float
) -> tuple[Array, Array]:
    """Each pixel's weight (N,H,W), 0 where ignored, and what its label is smoothed to, w_c q_c (N,C,H,W)."""
    counted = target != ignore_index
    label = np.where(counted, target, 0)
    one_hot = (np.arange(classes)[:, None, None] == label[:, None]).astype(dtype)
    shares = _weighted(one_hot, class_weight, smoothing)
    weight = np.ones(classes, dtype) if class_weight is None else class_weight
    return np.where(counted, weight[label], 0), shares


def _weighted(target: Array, class_weight: Array | None, smoothing: float) -> Array:
    """w_c q_c, where q is (1 - smoothing) target + smoothing / C."""
    shares = (1 - smoothing) * target + smoothing / target.shape[1]
    return shares if class_weight is None else shares * class_weight[:, None, None]


def _log_softmax(logits: Array) -> Array:
    out = np.empty_like(logits)
    log_softmax(logits, out, 1)
    return out


def cross_entropy(
    logits: Array,
    target: Array,
    class_weight: Array | None,
    losses: Array,
    weights: Array,
    ignore_index: int,
    smoothing: float,
) -> None:
    """Minus the log-probability of the label, times its weight."""
    weights[...], shares = _shares(target, class_weight, logits.shape[1], logits.dtype, ignore_index, smoothing)
    with np.errstate(invalid="ignore"):  # a logit of -inf is no harm to the other classes' labels
        each = np.where(shares == 0, 0, -shares * _log_softmax(logits)).sum(axis=1)
    losses[...] = np.where(target != ignore_index, each, 0)


def cross_entropy_backward(
    grad: Array,
    logits: Array,
    target: Array,
    class_weight: Array | None,
    out: Array,
    ignore_index: int,
    smoothing: float,
) -> None:
    """The softmax minus one at the label, times its weight."""
    _, shares = _shares(target, class_weight, logits.shape[1], logits.dtype, ignore_index, smoothing)
    gradient = grad[:, None] * (np.exp(_log_softmax(logits)) * shares.sum(axis=1, keepdims=True) - shares)
    out[...] = np.where((target != ignore_index)[:, None], gradient, 0)


def soft_cross_entropy(
    logits: Array, target: Array, class_weight: Array | None, losses: Array, smoothing: float
) -> None:
    """Minus the log-probabilities, weighted with the target's."""
    with np.errstate(invalid="ignore"):
        losses[...] = (-_weighted(target, class_weight, smoothing) * _log_softmax(logits)).sum(axis=1)


def soft_cross_entropy_backward(
    grad: Array, logits: Array, target: Array, class_weight: Array | None, out: Array, smoothing: float
) -> None:
    """The softmax minus the target, if that adds up to 1."""
    shares = _weighted(target, class_weight, smoothing)
    out[...] = grad[:, None] * (np.exp(_log_softmax(logits)) * shares.sum(axis=1, keepdims=True) - shares)


def label_bounds(target: Array, bounds: Array, ignore_index: int) -> None:
    """Smallest, largest and number of the labels that count."""
    labels = target[target != ignore_index]
    bounds[...] = (labels.min(), labels.max(), labels.size) if labels.size else (0, -1, 0)
