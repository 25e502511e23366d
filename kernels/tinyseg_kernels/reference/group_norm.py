"""Group normalisation (Wu and He 2018): over the pixels and the channels of a group, image by image.

With as many groups as channels this is instance normalisation (Ulyanov, Vedaldi and Lempitsky 2016).
"""

from __future__ import annotations

import numpy as np

from .array import Array

__all__ = ["group_norm", "group_norm_backward", "group_norm_statistics"]


def _by_group(x: Array, groups: int) -> Array:
    """(N, groups, elements of a group)."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups * x.shape[2] * x.shape[3])


def _channel(v: Array | None) -> Array | float:
    """(C,) as (C,1,1), so that it broadcasts against N,C,H,W; a missing weight is 1."""
    return 1.0 if v is None else v[:, None, None]


def _normalised(x: Array, mean: Array, rstd: Array) -> Array:
    """xhat = (x - mean) * rstd."""
    return ((_by_group(x, mean.shape[1]) - mean[..., None]) * rstd[..., None]).reshape(x.shape)


def group_norm_statistics(x: Array, mean: Array, var: Array) -> None:
    """Mean and mean squared deviation."""
    values = _by_group(x, mean.shape[1])
    mean[...] = values.mean(axis=2, dtype=np.float64)
    var[...] = values.var(axis=2, dtype=np.float64)


def group_norm(x: Array, mean: Array, rstd: Array, weight: Array | None, bias: Array | None, out: Array) -> None:
    """Normalised over the group, scaled and shifted channel by channel."""
    y = _normalised(x, mean, rstd) * _channel(weight)
    out[...] = y if bias is None else y + _channel(bias)


def group_norm_backward(
    grad: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    weight: Array | None,
    grad_weight: Array,
    grad_bias: Array,
    out: Array,
) -> None:
    """Each x moves its own output, and through mean and variance its whole group."""
    normalised, groups = _normalised(x, mean, rstd), mean.shape[1]
    grad_weight[...] = (grad * normalised).sum(axis=(0, 2, 3), dtype=np.float64)
    grad_bias[...] = grad.sum(axis=(0, 2, 3), dtype=np.float64)
    slope, xhat = _by_group(grad * _channel(weight), groups), _by_group(normalised, groups)
    through = slope.mean(axis=2, keepdims=True) + xhat * (slope * xhat).mean(axis=2, keepdims=True)
    out[...] = (rstd[..., None] * (slope - through)).reshape(x.shape)
