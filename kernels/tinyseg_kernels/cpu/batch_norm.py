"""Batch normalisation over N, H and W: passes over pixels, channels side by side in vectors.

All passes see the memory of N,H,W,C as a matrix (pixels, C). Where channels are few, several pixels make one row,
with the values of the channels repeated accordingly, so that the loop over a row is always long enough for vectors.
"""

from __future__ import annotations

import numpy as np

from . import parallel
from .array import Array, channels_last
from .compiler import kernel
from .elementwise import deliver

_LANES = 64  # a row of fewer elements than this is lengthened
_BLOCK = 16384  # elements that make one partial sum
_GRAIN = 65536  # elements a thread takes at a time


@kernel
def _moments(start: int, stop: int, x: Array, shift: Array, height: int, sums: Array) -> None:
    """sums (blocks, 2, width) of x - shift and its square, for x (rows, width) without its incomplete last row."""
    width = shift.size
    for block in range(start, stop):
        first, second = sums[block, 0], sums[block, 1]
        for j in range(width):
            first[j] = second[j] = 0
        values = x[block * height * width : (block + 1) * height * width]
        for base in range(0, values.size, width):
            row = values[base : base + width]
            for j in range(row.size):
                deviation = row[j] - shift[j]
                first[j] += deviation
                second[j] += deviation * deviation


@kernel
def _gradient_sums(
    start: int, stop: int, grad: Array, x: Array, mean: Array, rstd: Array, height: int, sums: Array
) -> None:
    """sums (blocks, 2, width) of grad and of grad * (x - mean) * rstd."""
    width = mean.size
    for block in range(start, stop):
        bias, weight = sums[block, 0], sums[block, 1]
        for j in range(width):
            bias[j] = weight[j] = 0
        gradients = grad[block * height * width : (block + 1) * height * width]
        values = x[block * height * width : (block + 1) * height * width]
        for base in range(0, values.size, width):
            g, row = gradients[base : base + width], values[base : base + width]
            for j in range(row.size):
                bias[j] += g[j]
                weight[j] += g[j] * ((row[j] - mean[j]) * rstd[j])


@kernel
def _scale(start: int, stop: int, x: Array, scale: Array, mean: Array, bias: Array, out: Array) -> None:
    """out = (x - mean) * scale + bias over rows of these vectors' length; the last row may be incomplete."""
    width = scale.size
    for item in range(start, stop):
        row, result = x[item * width : (item + 1) * width], out[item * width : (item + 1) * width]
        for j in range(row.size):
            result[j] = (row[j] - mean[j]) * scale[j] + bias[j]


@kernel
def _backward(
    start: int,
    stop: int,
    grad: Array,
    x: Array,
    mean: Array,
    scale: Array,
    slope: Array,
    offset: Array,
    out: Array,
) -> None:
    """out = scale * grad - (x - mean) * slope - offset over rows of these vectors' length."""
    width = scale.size
    for item in range(start, stop):
        g, row = grad[item * width : (item + 1) * width], x[item * width : (item + 1) * width]
        result = out[item * width : (item + 1) * width]
        for j in range(row.size):
            result[j] = scale[j] * g[j] - (row[j] - mean[j]) * slope[j] - offset[j]


def _repeats(channels: int) -> int:
    """How many pixels make a row."""
    return max(1, _LANES // channels)


def _row(vector: Array, dtype: np.dtype) -> Array:
    """The (C,) vector repeated for the pixels of a row."""
    return np.tile(vector.astype(dtype), _repeats(vector.size))


def _height(width: int) -> int:
    """How many rows make one partial sum."""
    return max(1, _BLOCK // width)


def _finished(sums: Array, channels: int) -> Array:
    """(2, C) from the partial sums (blocks, 2, repeats * C)."""
    return sums.sum(axis=0).reshape(2, -1, channels).sum(axis=1)


def batch_norm_statistics(x: Array, mean: Array, var: Array) -> None:
    """Mean and biased variance in one pass, in float64. See ``spec.py``, as for every kernel here.

    The sums are of deviations from the first pixel, so that the difference E[d^2] - E[d]^2 does not cancel even
    where the mean is large beside the deviation.
    """
    if x.size == 0:
        mean[...] = var[...] = np.nan
        return
    pixels, channels = channels_last(x).reshape(-1), x.shape[1]
    shift = _row(pixels[:channels], np.dtype(np.float64))
    height = _height(shift.size)
    blocks = -(-x.size // (height * shift.size))
    sums = np.empty((blocks, 2, shift.size))
    parallel.run(_moments, blocks, _GRAIN // _BLOCK, pixels, shift, height, sums)
    first, second = _finished(sums, channels) / (x.size // channels)
    mean[...] = shift[:channels] + first
    var[...] = np.maximum(second - first * first, 0)


def batch_norm(x: Array, mean: Array, rstd: Array, weight: Array | None, bias: Array | None, out: Array) -> None:
    """(x - mean) * rstd * weight + bias."""
    if x.size == 0:
        return
    scale = rstd if weight is None else rstd * weight
    offset = np.zeros_like(rstd) if bias is None else bias
    vectors = [_row(vector, x.dtype) for vector in (scale, mean, offset)]
    width = vectors[0].size
    memory = channels_last(out)
    pixels = channels_last(x).reshape(-1)
    parallel.run(_scale, -(-x.size // width), _GRAIN // width, pixels, *vectors, memory.reshape(-1))
    deliver(memory, out)


def batch_norm_sums(grad: Array, x: Array, mean: Array, rstd: Array, grad_weight: Array, grad_bias: Array) -> None:
    """The gradients by weight and bias, summed in float64."""
    if x.size == 0:
        grad_weight[...] = grad_bias[...] = 0
        return
    wide = np.dtype(np.float64)
    vectors = _row(mean, wide), _row(rstd, wide)
    height = _height(vectors[0].size)
    blocks = -(-x.size // (height * vectors[0].size))
    sums = np.empty((blocks, 2, vectors[0].size))
    gradients, pixels = channels_last(grad).reshape(-1), channels_last(x).reshape(-1)
    parallel.run(_gradient_sums, blocks, _GRAIN // _BLOCK, gradients, pixels, *vectors, height, sums)
    grad_bias[...], grad_weight[...] = _finished(sums, x.shape[1])


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
    """scale * (grad - grad_bias / M - xhat * grad_weight / M), the factors of a channel multiplied out before."""
    if x.size == 0:
        return
    scale = rstd if weight is None else rstd * weight
    count = x.size // x.shape[1]
    slope, offset = scale * rstd * grad_weight / count, scale * grad_bias / count
    vectors = [_row(vector, x.dtype) for vector in (mean, scale, slope, offset)]
    width = vectors[0].size
    memory = channels_last(out)
    gradients, pixels = channels_last(grad).reshape(-1), channels_last(x).reshape(-1)
    rows, grain = -(-x.size // width), _GRAIN // width
    parallel.run(_backward, rows, grain, gradients, pixels, *vectors, memory.reshape(-1))
    deliver(memory, out)
