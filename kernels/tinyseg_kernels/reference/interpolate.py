"""Nearest and bilinear resizing, and their adjoints.

Resizing works on rows and columns alike: one matrix for the rows, one for the columns, ``out = R x C^T``. Each row
of such a matrix holds the weights with which source pixels make one output pixel: a single 1 for nearest, two
weights that sum to 1 for bilinear. The adjoint is ``R^T grad C``.
"""

from __future__ import annotations

import numpy as np

from .array import Array

Steps = tuple[float, float]


def _nearest_matrix(source: int, target: int, step: float, dtype: np.dtype) -> Array:
    """(target, source); the position is computed in float32, as PyTorch does, so that ties fall the same way."""
    position = np.floor(np.arange(target, dtype=np.float32) * np.float32(step)).astype(int)
    matrix = np.zeros((target, source), dtype)
    matrix[np.arange(target), np.minimum(position, source - 1)] = 1
    return matrix


def _bilinear_matrix(source: int, target: int, step: float, align_corners: bool, dtype: np.dtype) -> Array:
    """(target, source). Without align_corners pixels are little squares, so half a pixel is added and taken off."""
    i = np.arange(target)
    position = i * step if align_corners else np.maximum((i + 0.5) * step - 0.5, 0)
    low = np.minimum(np.floor(position).astype(int), source - 1)
    high = np.minimum(low + 1, source - 1)
    share = np.clip(position - low, 0, 1)
    matrix = np.zeros((target, source), dtype)
    np.add.at(matrix, (i, low), 1 - share)
    np.add.at(matrix, (i, high), share)
    return matrix


def interpolate_nearest(x: Array, out: Array, step: Steps) -> None:
    """Copies the source pixel below each output pixel."""
    rows = _nearest_matrix(x.shape[2], out.shape[2], step[0], x.dtype).argmax(axis=1)
    columns = _nearest_matrix(x.shape[3], out.shape[3], step[1], x.dtype).argmax(axis=1)
    out[...] = x[:, :, rows[:, None], columns]


def interpolate_nearest_backward(grad: Array, out: Array, step: Steps) -> None:
    """Sums over the copies of each pixel."""
    rows = _nearest_matrix(out.shape[2], grad.shape[2], step[0], grad.dtype)
    columns = _nearest_matrix(out.shape[3], grad.shape[3], step[1], grad.dtype)
    out[...] = rows.T @ grad @ columns


def interpolate_bilinear(x: Array, out: Array, step: Steps, align_corners: bool) -> None:
    """R x C^T."""
    rows = _bilinear_matrix(x.shape[2], out.shape[2], step[0], align_corners, x.dtype)
    columns = _bilinear_matrix(x.shape[3], out.shape[3], step[1], align_corners, x.dtype)
    out[...] = rows @ x @ columns.T


def interpolate_bilinear_backward(grad: Array, out: Array, step: Steps, align_corners: bool) -> None:
    """R^T grad C."""
    rows = _bilinear_matrix(out.shape[2], grad.shape[2], step[0], align_corners, grad.dtype)
    columns = _bilinear_matrix(out.shape[3], grad.shape[3], step[1], align_corners, grad.dtype)
    out[...] = rows.T @ grad @ columns
