"""Group and instance normalisation: the passes of ``patterns/channelwise.py``, each image with vectors of its own.

A group's mean and variance, and the sums of its gradient, are put together from those of its channels, which are
few numbers: so the passes over memory know nothing of groups.
"""

from __future__ import annotations

import numpy as np

from .patterns.channelwise import Affine, gradient, gradient_sums, normalise, statistics
from .patterns.copying import deliver
from .runtime.layout import Array, channels_last

__all__ = ["group_norm", "group_norm_backward", "group_norm_statistics"]


def _pixels(x: Array) -> Array:
    """(images, pixels * channels)."""
    return channels_last(x).reshape(x.shape[0], -1)


def _by_group(values: Array, groups: int) -> Array:
    """(images, groups, channels of a group)."""
    return values.reshape(values.shape[0], groups, -1)


def _by_channel(values: Array, channels: int) -> Array:
    """(images, channels) from (images, groups)."""
    return np.repeat(values, channels // values.shape[1], axis=1)


def _affine(x: Array, mean: Array, rstd: Array, weight: Array | None, bias: Array | None) -> Affine:
    mean, scale = _by_channel(mean, x.shape[1]), _by_channel(rstd, x.shape[1])
    bias = np.zeros_like(mean) if bias is None else np.broadcast_to(bias, mean.shape)
    return Affine(mean, scale if weight is None else scale * weight, bias)


def group_norm_statistics(x: Array, mean: Array, var: Array) -> None:
    """A group's variance is that within its channels and that among their means. See ``spec.py``."""
    if x.size == 0:
        mean[...] = var[...] = np.nan
        return
    means, variances = (_by_group(v, mean.shape[1]) for v in statistics(_pixels(x), x.shape[1]))
    mean[...], var[...] = means.mean(axis=2), variances.mean(axis=2) + means.var(axis=2)


def group_norm(x: Array, mean: Array, rstd: Array, weight: Array | None, bias: Array | None, out: Array) -> None:
    """(x - mean) * rstd * weight + bias."""
    if x.size == 0:
        return
    memory = channels_last(out)
    normalise(_pixels(x), _affine(x, mean, rstd, weight, bias), False, memory.reshape(x.shape[0], -1))
    deliver(memory, out)


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
    """One pass for the sums over each channel of each image, one for the gradient by x."""
    if x.size == 0:
        grad_weight[...] = grad_bias[...] = 0
        return
    channels, groups, count = x.shape[1], mean.shape[1], x.size // mean.size
    affine, gradients, pixels = _affine(x, mean, rstd, weight, None), _pixels(grad), _pixels(x)
    scale = _by_channel(rstd, channels)
    plain, weighted = gradient_sums(gradients, pixels, affine, False)
    weighted = weighted * scale
    grad_bias[...], grad_weight[...] = plain.sum(axis=0), weighted.sum(axis=0)
    means = [
        _by_channel(_by_group(sums if weight is None else sums * weight, groups).sum(axis=2), channels) / count
        for sums in (plain, weighted)
    ]
    memory = channels_last(out)
    slope, offset = scale * scale * means[1], scale * means[0]
    gradient(gradients, pixels, affine, slope, offset, False, memory.reshape(x.shape[0], -1))
    deliver(memory, out)
