"""The softmax and its logarithm."""

from __future__ import annotations

import numpy as np

from .array import Array

__all__ = ["log_softmax", "log_softmax_backward", "softmax", "softmax_backward"]


def softmax(x: Array, out: Array, axis: int) -> None:
    """The largest element is taken out first, so that no exponential overflows."""
    with np.errstate(all="ignore"):
        powers = np.exp(x - x.max(axis=axis, keepdims=True))
        out[...] = powers / powers.sum(axis=axis, keepdims=True)


def softmax_backward(grad: Array, y: Array, out: Array, axis: int) -> None:
    """How far each gradient is from their mean, weighted by y."""
    out[...] = y * (grad - (grad * y).sum(axis=axis, keepdims=True))


def log_softmax(x: Array, out: Array, axis: int) -> None:
    """The largest element is taken out here, too."""
    with np.errstate(all="ignore"):
        shifted = x - x.max(axis=axis, keepdims=True)
        out[...] = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def log_softmax_backward(grad: Array, y: Array, out: Array, axis: int) -> None:
    """The softmax itself is exp(y)."""
    out[...] = grad - np.exp(y) * grad.sum(axis=axis, keepdims=True)
