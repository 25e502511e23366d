"""Layer normalisation (Ba, Kiros and Hinton 2016): over each row of a matrix."""

from __future__ import annotations

import numpy as np

from .array import Array

__all__ = ["layer_norm", "layer_norm_backward"]


def layer_norm(
    x: Array, weight: Array | None, bias: Array | None, out: Array, mean: Array, rstd: Array, eps: float
) -> None:
    """xhat = (x - mean) / sqrt(var + eps), then scaled and shifted."""
    mean[...] = x.mean(axis=1, dtype=np.float64)
    rstd[...] = 1 / np.sqrt(x.var(axis=1, dtype=np.float64) + eps)
    y = (x - mean[:, None]) * rstd[:, None]
    y = y if weight is None else y * weight
    out[...] = y if bias is None else y + bias


def layer_norm_backward(
    grad: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    weight: Array | None,
    grad_weight: Array,
    grad_bias: Array,
    out: Array,
) -> None:
    """Each x moves its own output, and through mean and variance its whole row."""
    normalised = (x - mean[:, None]) * rstd[:, None]
    grad_weight[...] = (grad * normalised).sum(axis=0, dtype=np.float64)
    grad_bias[...] = grad.sum(axis=0, dtype=np.float64)
    slope = grad if weight is None else grad * weight
    through = slope.mean(axis=1, keepdims=True) + normalised * (slope * normalised).mean(axis=1, keepdims=True)
    out[...] = rstd[:, None] * (slope - through)
