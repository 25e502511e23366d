"""Batch normalisation over N, H and W: the passes of ``patterns/channelwise.py``, over all pixels as
those of one long image.
"""

from __future__ import annotations

import numpy as np

from .patterns.channelwise import Affine, gradient, gradient_sums, normalise, statistics
from .patterns.copying import deliver
from .runtime.layout import Array, channels_last

__all__ = ["batch_norm", "batch_norm_backward", "batch_norm_statistics", "batch_norm_sums"]


def _affine(mean: Array, rstd: Array, weight: Array | None, bias: Array | None) -> Affine:
    scale = rstd if weight is None else rstd * weight
    bias = np.zeros_like(rstd) if bias is None else bias
    return Affine(mean[None], scale[None], bias[None])


def _pixels(x: Array) -> Array:
    """(1, pixels * channels)."""
    return channels_last(x).reshape(1, -1)


def batch_norm_statistics(x: Array, mean: Array, var: Array) -> None:
    """Mean and biased variance in one pass, in float64. See ``spec.py``, as for every kernel here."""
    if x.size == 0:
        mean[...] = var[...] = np.nan
        return
    (mean[...],), (var[...],) = statistics(_pixels(x), x.shape[1])


def batch_norm(
    x: Array, mean: Array, rstd: Array, weight: Array | None, bias: Array | None, out: Array, relu: bool
) -> None:
    """(x - mean) * rstd * weight + bias."""
    if x.size == 0:
        return
    memory = channels_last(out)
    normalise(_pixels(x), _affine(mean, rstd, weight, bias), relu, memory.reshape(1, -1))
    deliver(memory, out)


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
    """The gradients by weight and bias, summed in float64; rstd, which is one number a channel, comes last."""
    if x.size == 0:
        grad_weight[...] = grad_bias[...] = 0
        return
    (plain,), (weighted,) = gradient_sums(_pixels(grad), _pixels(x), _affine(mean, rstd, weight, bias), relu)
    grad_bias[...], grad_weight[...] = plain, weighted * rstd


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
    """scale * (grad - grad_bias / M - xhat * grad_weight / M), the factors of a channel multiplied out before."""
    if x.size == 0:
        return
    memory, affine = channels_last(out), _affine(mean, rstd, weight, bias)
    slope = offset = None
    if grad_weight is not None and grad_bias is not None:
        count = x.size // x.shape[1]
        slope, offset = affine.scale * rstd * grad_weight / count, affine.scale * grad_bias / count
    gradient(_pixels(grad), _pixels(x), affine, slope, offset, relu, memory.reshape(1, -1))
    deliver(memory, out)
