"""Max pooling that remembers where the maxima stood, and max-unpooling that puts values back there.

Unpooling and the gradient of pooling look alike, but are two: with overlapping windows one pixel can win twice.
The gradient of pooling then *adds* both gradients, while unpooling *assigns*, the last in scan order standing.
"""

from __future__ import annotations

import numpy as np

from .array import Array, Pair

__all__ = [
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_unpool2d",
    "max_unpool2d_backward",
]


def max_pool2d(
    x: Array, out: Array, indices: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """Every tap of the window in scan order; a later one wins only if it is larger, or the first NaN."""
    h, w = x.shape[2:]
    i, j = np.arange(out.shape[2])[:, None], np.arange(out.shape[3])
    best = np.full(out.shape, -np.inf, out.dtype)
    where = np.full(out.shape, -1)
    for r in range(kernel_size[0]):
        for s in range(kernel_size[1]):
            row = i * stride[0] - padding[0] + r * dilation[0]
            column = j * stride[1] - padding[1] + s * dilation[1]
            inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
            value = x[:, :, row.clip(0, h - 1), column.clip(0, w - 1)]
            wins = inside & ((value > best) | (where < 0) | (np.isnan(value) & ~np.isnan(best)))
            best = np.where(wins, value, best)
            where = np.where(wins, row * w + column, where)
    out[...] = best
    indices[...] = where


def _planes(array: Array) -> Array:
    """(N, C, h, w) -> (N*C, h*w): a row for each plane."""
    return array.reshape(array.shape[0] * array.shape[1], array.shape[2] * array.shape[3])


def _last_writers(indices: Array, pixels: int) -> Array:
    """For each plane and each of its pixels the last element whose index points there, -1 where none does."""
    flat = _planes(indices)
    writer = np.full((flat.shape[0], pixels), -1)
    for k in range(flat.shape[1]):  # scan order: a later one overwrites
        writer[np.arange(flat.shape[0]), flat[:, k]] = k
    return writer


def max_pool2d_backward(
    grad: Array, indices: Array, out: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """Adds each gradient where its maximum stood."""
    _add_at(grad, indices, out)


def _add_at(grad: Array, indices: Array, out: Array) -> None:
    planes = np.zeros((out.shape[0] * out.shape[1], out.shape[2] * out.shape[3]), out.dtype)
    np.add.at(planes, (np.arange(planes.shape[0])[:, None], _planes(indices)), _planes(grad))
    out[...] = planes.reshape(out.shape)


def adaptive_max_pool2d(x: Array, out: Array, indices: Array) -> None:
    """In each window, floor(i size / count) to ceil((i + 1) size / count), the first maximum, or the first NaN."""
    (h, w), (rows, columns) = x.shape[2:], out.shape[2:]
    for i in range(rows):
        for j in range(columns):
            top, left = i * h // rows, j * w // columns
            window = x[:, :, top : -(-(i + 1) * h // rows), left : -(-(j + 1) * w // columns)]
            flat = window.reshape(*window.shape[:2], window.shape[2] * window.shape[3])
            best = flat.argmax(axis=2)
            out[:, :, i, j] = np.take_along_axis(flat, best[..., None], axis=2)[..., 0]
            indices[:, :, i, j] = (top + best // window.shape[3]) * w + left + best % window.shape[3]


def adaptive_max_pool2d_backward(grad: Array, indices: Array, out: Array) -> None:
    """Adds each gradient where its maximum stood."""
    _add_at(grad, indices, out)


def max_unpool2d(x: Array, indices: Array, out: Array) -> None:
    """Puts each value where its index says."""
    writer = _last_writers(indices, out.shape[2] * out.shape[3])
    values = np.take_along_axis(_planes(x), writer.clip(0), axis=1) if x.size else np.zeros(writer.shape)
    out[...] = np.where(writer >= 0, values, 0).reshape(out.shape)


def max_unpool2d_backward(grad: Array, indices: Array, out: Array) -> None:
    """The gradient of a place goes to the element that stood there in the end."""
    flat = _planes(indices)
    writer = _last_writers(indices, grad.shape[2] * grad.shape[3])
    stood = np.take_along_axis(writer, flat, axis=1) == np.arange(flat.shape[1])
    taken = np.take_along_axis(_planes(grad), flat, axis=1)
    out[...] = np.where(stood, taken, 0).reshape(out.shape)
