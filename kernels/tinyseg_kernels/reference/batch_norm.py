"""Batch normalisation over N, H and W, channel by channel (Ioffe and Szegedy 2015)."""

from __future__ import annotations

import numpy as np

from .array import Array

__all__ = ["batch_norm", "batch_norm_backward", "batch_norm_statistics", "batch_norm_sums"]

_AXES = (0, 2, 3)


def _channel(v: Array | None) -> Array | float:
    """(C,) as (C,1,1), so that it broadcasts against N,C,H,W; a missing weight is 1 (see ``batch_norm``)."""
    return 1.0 if v is None else v[:, None, None]


def batch_norm_statistics(x: Array, mean: Array, var: Array) -> None:
    """Mean and mean squared deviation."""
    mean[...] = x.mean(axis=_AXES, dtype=np.float64)
    var[...] = x.var(axis=_AXES, dtype=np.float64)


def _normalised(x: Array, mean: Array, rstd: Array, weight: Array | None, bias: Array | None) -> Array:
    """Algorithm 1 of the paper."""
    y = (x - _channel(mean)) * _channel(rstd) * _channel(weight)
    return y if bias is None else y + _channel(bias)


def batch_norm(
    x: Array, mean: Array, rstd: Array, weight: Array | None, bias: Array | None, out: Array, relu: bool
) -> None:
    """The algorithm, and ReLU, which lets a NaN through."""
    y = _normalised(x, mean, rstd, weight, bias)
    out[...] = np.maximum(y, 0) if relu else y


def batch_norm_sums(
    grad: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    weight: Array | None,
    bias: Array | None,
    grad_weight: Array,
    grad_bias: Array,
    relu: bool,
) -> None:
    """The gradients by weight and bias; the gradient by x is made of them too."""
    if relu:
        grad = np.where(_normalised(x, mean, rstd, weight, bias) > 0, grad, 0)
    normalised = (x - _channel(mean)) * _channel(rstd)
    grad_weight[...] = (grad * normalised).sum(axis=_AXES, dtype=np.float64)
    grad_bias[...] = grad.sum(axis=_AXES, dtype=np.float64)


def batch_norm_backward(
    grad: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    weight: Array | None,
    bias: Array | None,
    grad_weight: Array | None,
    grad_bias: Array | None,
    out: Array,
    relu: bool,
) -> None:
    """Each x moves its own output, and through mean and variance, if they are the batch's, its whole channel."""
    if relu:
        grad = np.where(_normalised(x, mean, rstd, weight, bias) > 0, grad, 0)
    if grad_weight is not None and grad_bias is not None:
        count = x.shape[0] * x.shape[2] * x.shape[3]
        normalised = (x - _channel(mean)) * _channel(rstd)
        grad = grad - (_channel(grad_bias) / count + normalised * (_channel(grad_weight) / count))
    out[...] = _channel(weight) * _channel(rstd) * grad
