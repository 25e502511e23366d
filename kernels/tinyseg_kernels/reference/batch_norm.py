"""Batch normalisation over N, H and W, channel by channel (Ioffe and Szegedy 2015)."""

from __future__ import annotations

import numpy as np

from .array import Array

_AXES = (0, 2, 3)


def _channel(v: Array | None) -> Array | float:
    """(C,) as (C,1,1), so that it broadcasts against N,C,H,W; a missing weight is 1 (see ``batch_norm``)."""
    return 1.0 if v is None else v[:, None, None]


def batch_norm_statistics(x: Array, mean: Array, var: Array) -> None:
    """Mean and mean squared deviation."""
    mean[...] = x.mean(axis=_AXES, dtype=np.float64)
    var[...] = x.var(axis=_AXES, dtype=np.float64)


def batch_norm(x: Array, mean: Array, rstd: Array, weight: Array | None, bias: Array | None, out: Array) -> None:
    """Algorithm 1 of the paper."""
    normalised = (x - _channel(mean)) * _channel(rstd)
    out[...] = normalised * _channel(weight)
    if bias is not None:
        out += _channel(bias)


def batch_norm_sums(grad: Array, x: Array, mean: Array, rstd: Array, grad_weight: Array, grad_bias: Array) -> None:
    """The gradients by weight and bias; the gradient by x is made of them too."""
    normalised = (x - _channel(mean)) * _channel(rstd)
    grad_weight[...] = (grad * normalised).sum(axis=_AXES, dtype=np.float64)
    grad_bias[...] = grad.sum(axis=_AXES, dtype=np.float64)


def batch_norm_backward(
    grad: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    weight: Array | None,
    grad_weight: Array,
    grad_bias: Array,
    out: Array,
) -> None:
    """Each x moves its own output, and through mean and variance those of its whole channel."""
    count = x.shape[0] * x.shape[2] * x.shape[3]
    normalised = (x - _channel(mean)) * _channel(rstd)
    through = _channel(grad_bias) / count + normalised * (_channel(grad_weight) / count)
    out[...] = _channel(weight) * _channel(rstd) * (grad - through)
