"""Nearest and bilinear resizing, and their adjoints.

Resizing works on rows and columns alike: one matrix for the rows, one for the columns, ``out = R x C^T``. Each row
of such a matrix holds the weights with which source pixels make one output pixel: a single 1 for nearest, two
weights that sum to 1 for bilinear. The adjoint is ``R^T grad C``.

A matrix is kept as its *taps*, lists of what is not 0 in each row: multiplied with zeros, a NaN would spread over its
row and column.
"""

from __future__ import annotations

import numpy as np

from .array import Array

__all__ = [
    "interpolate_bilinear",
    "interpolate_bilinear_backward",
    "interpolate_nearest",
    "interpolate_nearest_backward",
]

Steps = tuple[float, float]
Taps = list[tuple[Array, Array]]  # for each output pixel a source pixel and its weight; once, or twice


def _nearest(source: int, target: int, step: float) -> Taps:
    """The position is computed in float32, as PyTorch does, so that ties fall the same way."""
    position = np.floor(np.arange(target, dtype=np.float32) * np.float32(step)).astype(int)
    return [(np.minimum(position, source - 1), np.ones(target))]


def _bilinear(source: int, target: int, step: float, align_corners: bool) -> Taps:
    """Without align_corners pixels are little squares, so half a pixel is added and taken off. What lies right on a
    pixel is made of that one alone.
    """
    i = np.arange(target)
    position = i * step if align_corners else np.maximum((i + 0.5) * step - 0.5, 0)
    low = np.minimum(np.floor(position).astype(int), source - 1)
    share = np.clip(position - low, 0, 1)
    high = np.where(share > 0, np.minimum(low + 1, source - 1), low)
    return [(low, 1 - share), (high, share)]


def _mixed(x: Array, size: int, taps: Taps, axis: int) -> Array:
    """One of the two matrix products: along ``axis``, which comes out with ``size`` pixels."""
    source = np.moveaxis(x, axis, -1)
    out = np.zeros((*source.shape[:-1], size), x.dtype)
    for place, weight in taps:
        out += source[..., place] * weight.astype(x.dtype)
    return np.moveaxis(out, -1, axis)


def _spread(grad: Array, size: int, taps: Taps, axis: int) -> Array:
    """Its adjoint."""
    source = np.moveaxis(grad, axis, -1)
    out = np.zeros((size, *source.shape[:-1]), grad.dtype)
    for place, weight in taps:
        np.add.at(out, place, np.moveaxis(source * weight.astype(grad.dtype), -1, 0))
    return np.moveaxis(out, 0, axis)


def interpolate_nearest(x: Array, out: Array, step: Steps) -> None:
    """Copies the source pixel below each output pixel."""
    rows, columns = (_nearest(x.shape[d], out.shape[d], step[d - 2]) for d in (2, 3))
    out[...] = _mixed(_mixed(x, out.shape[2], rows, 2), out.shape[3], columns, 3)


def interpolate_nearest_backward(grad: Array, out: Array, step: Steps) -> None:
    """Sums over the copies of each pixel."""
    rows, columns = (_nearest(out.shape[d], grad.shape[d], step[d - 2]) for d in (2, 3))
    out[...] = _spread(_spread(grad, out.shape[3], columns, 3), out.shape[2], rows, 2)


def interpolate_bilinear(x: Array, out: Array, step: Steps, align_corners: bool) -> None:
    """Linear between the four pixels around each position."""
    rows, columns = (_bilinear(x.shape[d], out.shape[d], step[d - 2], align_corners) for d in (2, 3))
    out[...] = _mixed(_mixed(x, out.shape[2], rows, 2), out.shape[3], columns, 3)


def interpolate_bilinear_backward(grad: Array, out: Array, step: Steps, align_corners: bool) -> None:
    """Each gradient goes back to the four pixels, by the same weights."""
    rows, columns = (_bilinear(out.shape[d], grad.shape[d], step[d - 2], align_corners) for d in (2, 3))
    out[...] = _spread(_spread(grad, out.shape[3], columns, 3), out.shape[2], rows, 2)
