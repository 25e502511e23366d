"""Softmax and cross-entropy of each pixel in one step, with class weights and an ignored label."""

from __future__ import annotations

import numpy as np

from .array import Array
from .softmax import log_softmax


def _pixel_weights(
    target: Array, class_weight: Array | None, classes: int, dtype: np.dtype, ignore_index: int
) -> tuple[Array, Array]:
    """Each pixel's label (0 where ignored) and weight (0 where ignored)."""
    counted = target != ignore_index
    label = np.where(counted, target, 0)
    weight = np.ones(classes, dtype) if class_weight is None else class_weight
    return label, np.where(counted, weight[label], 0).astype(dtype)


def cross_entropy(
    logits: Array, target: Array, class_weight: Array | None, losses: Array, weights: Array, ignore_index: int
) -> None:
    """Minus the log-probability of the label, times its weight."""
    label, weight = _pixel_weights(target, class_weight, logits.shape[1], logits.dtype, ignore_index)
    log_probability = np.empty_like(logits)
    log_softmax(logits, log_probability, 1)
    picked = np.take_along_axis(log_probability, label[:, None], axis=1)[:, 0]
    weights[...] = weight
    losses[...] = np.where(target != ignore_index, -weight * picked, 0)


def cross_entropy_backward(
    grad: Array, logits: Array, target: Array, class_weight: Array | None, out: Array, ignore_index: int
) -> None:
    """The softmax minus one at the label."""
    label, weight = _pixel_weights(target, class_weight, logits.shape[1], logits.dtype, ignore_index)
    log_probability = np.empty_like(logits)
    log_softmax(logits, log_probability, 1)
    one_hot = np.arange(logits.shape[1])[:, None, None] == label[:, None]
    gradient = (grad * weight)[:, None] * (np.exp(log_probability) - one_hot)
    out[...] = np.where((target != ignore_index)[:, None], gradient, 0)


def label_bounds(target: Array, bounds: Array, ignore_index: int) -> None:
    """Smallest, largest and number of the labels that count."""
    labels = target[target != ignore_index]
    bounds[...] = (labels.min(), labels.max(), labels.size) if labels.size else (0, -1, 0)
