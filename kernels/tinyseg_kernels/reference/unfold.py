"""Windows as columns of a matrix, and columns added up to an image again: one grid of pixels for each tap."""

from __future__ import annotations

import numpy as np

from .array import Array, Pair
from .conv2d import taps, with_zeros

__all__ = ["fold", "unfold"]


def unfold(x: Array, out: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """Reads what each tap of the window meets."""
    source = with_zeros(x, padding)
    for r, s, rows, columns in taps(kernel_size, out.shape[4:], stride, dilation):
        out[:, :, r, s] = source[:, :, rows, columns]


def fold(x: Array, out: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """Adds it there."""
    (top, left), (height, width) = padding, out.shape[2:]
    target = with_zeros(np.zeros_like(out), padding)
    for r, s, rows, columns in taps(kernel_size, x.shape[4:], stride, dilation):
        target[:, :, rows, columns] += x[:, :, r, s]
    out[...] = target[:, :, top : top + height, left : left + width]
