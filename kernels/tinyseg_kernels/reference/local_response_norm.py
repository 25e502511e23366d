"""Local response normalisation over neighbouring channels (Krizhevsky, Sutskever and Hinton 2012, section 3.3)."""

from __future__ import annotations

import numpy as np

from .array import Array

__all__ = ["local_response_norm", "local_response_norm_backward"]


def _window_sum(x: Array, before: int, after: int) -> Array:
    """out[:, c] = x[:, c - before] + .. + x[:, c + after], as far as there are such channels."""
    channels = x.shape[1]
    out = np.zeros_like(x)
    for c in range(channels):
        out[:, c] = x[:, max(c - before, 0) : min(c + after + 1, channels)].sum(axis=1)
    return out


def _base(x: Array, size: int, alpha: float, k: float) -> Array:
    """k + alpha / size * the sum of squares over the window."""
    return k + alpha / size * _window_sum(x * x, size // 2, (size - 1) // 2)


def local_response_norm(x: Array, out: Array, size: int, alpha: float, beta: float, k: float) -> None:
    """x * base ** -beta."""
    out[...] = x * _base(x, size, alpha, k) ** -beta


def local_response_norm_backward(
    grad: Array, x: Array, out: Array, size: int, alpha: float, beta: float, k: float
) -> None:
    """Each x moves its own output, and the base of all whose window holds it: the mirrored window."""
    base = _base(x, size, alpha, k)
    through = _window_sum(grad * x * base ** (-beta - 1), (size - 1) // 2, size // 2)
    out[...] = grad * base**-beta - 2 * alpha / size * beta * x * through
