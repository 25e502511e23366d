"""Batch normalisation over N, H and W: passes over pixels, channels side by side in vectors.

All passes see the memory of N,H,W,C as a matrix (pixels, C). Where channels are few, several pixels make one row,
with the values of the channels repeated accordingly, so that the loop over a row is always long enough for vectors.

What a fused ReLU let through is not kept: the passes back compute y again, which costs them no memory. It must have
the same sign then, so all take it from ``_affine``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import parallel
from .array import Array, channels_last
from .compiler import helper, kernel
from .elementwise import deliver
from .scalar import multiply_add

_LANES = 64  # a row of fewer elements than this is lengthened
_BLOCK = 16384  # elements that make one partial sum
_GRAIN = 65536  # elements a thread takes at a time


@helper
def _affine(x: Any, mean: Any, scale: Any, bias: Any) -> Any:
    """(x - mean) * scale + bias; no optimisation may round it differently in two kernels."""
    return multiply_add(x - mean, scale, bias)


@kernel
def _moments(start: int, stop: int, x: Array, shift: Array, height: int, sums: Array) -> None:
    """sums (blocks, 2, width) of x - shift and its square; x: rows of shift's length, the last may be incomplete.

    Four rows go into a sum at once, since what a sum costs is to fetch it and to put it back.
    """
    width = shift.size
    for block in range(start, stop):
        first, second = sums[block, 0], sums[block, 1]
        for j in range(width):
            first[j] = second[j] = 0
        values = x[block * height * width : (block + 1) * height * width]
        fours = values.size // (4 * width) * (4 * width)
        for base in range(0, fours, 4 * width):
            r = values[base : base + width]
            s = values[base + width : base + 2 * width]
            t = values[base + 2 * width : base + 3 * width]
            u = values[base + 3 * width : base + 4 * width]
            for j in range(width):
                a, b, c, d = r[j] - shift[j], s[j] - shift[j], t[j] - shift[j], u[j] - shift[j]
                first[j] += (a + b) + (c + d)
                second[j] += (a * a + b * b) + (c * c + d * d)
        for base in range(fours, values.size, width):
            row = values[base : base + width]
            for j in range(row.size):
                deviation = row[j] - shift[j]
                first[j] += deviation
                second[j] += deviation * deviation


@kernel
def _gradient_sums(
    start: int,
    stop: int,
    grad: Array,
    x: Array,
    mean: Array,
    scale: Array,
    bias: Array,
    height: int,
    relu: bool,
    sums: Array,
) -> None:
    """sums (blocks, 2, width) of grad and of grad * (x - mean)."""
    width, zero = mean.size, x.dtype.type(0)
    for block in range(start, stop):
        plain, weighted = sums[block, 0], sums[block, 1]
        for j in range(width):
            plain[j] = weighted[j] = 0
        gradients = grad[block * height * width : (block + 1) * height * width]
        values = x[block * height * width : (block + 1) * height * width]
        pairs = values.size // (2 * width) * (2 * width)
        for base in range(0, pairs, 2 * width):
            g, r = gradients[base : base + width], values[base : base + width]
            h, s = gradients[base + width : base + 2 * width], values[base + width : base + 2 * width]
            for j in range(width):
                a = g[j] if not relu or _affine(r[j], mean[j], scale[j], bias[j]) > 0 else zero
                b = h[j] if not relu or _affine(s[j], mean[j], scale[j], bias[j]) > 0 else zero
                plain[j] += np.float64(a) + np.float64(b)
                weighted[j] += np.float64(a) * (r[j] - mean[j]) + np.float64(b) * (s[j] - mean[j])
        for base in range(pairs, values.size, width):
            g, r = gradients[base : base + width], values[base : base + width]
            for j in range(r.size):
                a = g[j] if not relu or _affine(r[j], mean[j], scale[j], bias[j]) > 0 else zero
                plain[j] += np.float64(a)
                weighted[j] += np.float64(a) * (r[j] - mean[j])


@kernel
def _forward(start: int, stop: int, x: Array, mean: Array, scale: Array, bias: Array, relu: bool, out: Array) -> None:
    """out = (x - mean) * scale + bias over rows of these vectors' length; the last row may be incomplete."""
    width, zero = scale.size, x.dtype.type(0)
    for item in range(start, stop):
        row, result = x[item * width : (item + 1) * width], out[item * width : (item + 1) * width]
        for j in range(row.size):
            y = _affine(row[j], mean[j], scale[j], bias[j])
            result[j] = y if not relu or y > 0 or y != y else zero


@kernel
def _backward(
    start: int,
    stop: int,
    grad: Array,
    x: Array,
    mean: Array,
    scale: Array,
    bias: Array,
    slope: Array,
    offset: Array,
    relu: bool,
    out: Array,
) -> None:
    """out = scale * grad - (x - mean) * slope - offset over rows of these vectors' length."""
    width, zero = scale.size, x.dtype.type(0)
    for item in range(start, stop):
        g, row = grad[item * width : (item + 1) * width], x[item * width : (item + 1) * width]
        result = out[item * width : (item + 1) * width]
        for j in range(row.size):
            open = not relu or _affine(row[j], mean[j], scale[j], bias[j]) > 0
            result[j] = (scale[j] * g[j] if open else zero) - (row[j] - mean[j]) * slope[j] - offset[j]


@kernel
def _backward_constant(
    start: int,
    stop: int,
    grad: Array,
    x: Array,
    mean: Array,
    scale: Array,
    bias: Array,
    relu: bool,
    out: Array,
) -> None:
    """out = scale * grad over rows of these vectors' length."""
    width, zero = scale.size, x.dtype.type(0)
    for item in range(start, stop):
        g, row = grad[item * width : (item + 1) * width], x[item * width : (item + 1) * width]
        result = out[item * width : (item + 1) * width]
        for j in range(row.size):
            open = not relu or _affine(row[j], mean[j], scale[j], bias[j]) > 0
            result[j] = scale[j] * g[j] if open else zero


def _repeats(channels: int) -> int:
    """How many pixels make a row."""
    return max(1, _LANES // channels)


def _row(vector: Array, dtype: np.dtype) -> Array:
    """The (C,) vector repeated for the pixels of a row."""
    return np.tile(vector.astype(dtype), _repeats(vector.size))


def _affine_rows(x: Array, mean: Array, rstd: Array, weight: Array | None, bias: Array | None) -> list[Array]:
    """What ``_affine`` asks for besides x: mean, scale and bias as rows."""
    scale = rstd if weight is None else rstd * weight
    bias = np.zeros_like(rstd) if bias is None else bias
    return [_row(vector, x.dtype) for vector in (mean, scale, bias)]


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


def batch_norm(
    x: Array, mean: Array, rstd: Array, weight: Array | None, bias: Array | None, out: Array, relu: bool
) -> None:
    """(x - mean) * rstd * weight + bias."""
    if x.size == 0:
        return
    vectors = _affine_rows(x, mean, rstd, weight, bias)
    width = vectors[0].size
    memory = channels_last(out)
    pixels = channels_last(x).reshape(-1)
    parallel.run(_forward, -(-x.size // width), _GRAIN // width, pixels, *vectors, relu, memory.reshape(-1))
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
    vectors = _affine_rows(x, mean, rstd, weight, bias)
    width = vectors[0].size
    height = _height(width)
    blocks = -(-x.size // (height * width))
    sums = np.empty((blocks, 2, width))
    gradients, pixels = channels_last(grad).reshape(-1), channels_last(x).reshape(-1)
    parallel.run(_gradient_sums, blocks, _GRAIN // _BLOCK, gradients, pixels, *vectors, height, relu, sums)
    plain, weighted = _finished(sums, x.shape[1])
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
    vectors = _affine_rows(x, mean, rstd, weight, bias)
    width = vectors[0].size
    memory = channels_last(out)
    gradients, pixels = channels_last(grad).reshape(-1), channels_last(x).reshape(-1)
    rows, grain = -(-x.size // width), _GRAIN // width
    if grad_weight is None or grad_bias is None:
        parallel.run(_backward_constant, rows, grain, gradients, pixels, *vectors, relu, memory.reshape(-1))
    else:
        scale, count = rstd if weight is None else rstd * weight, x.size // x.shape[1]
        through = [_row(v, x.dtype) for v in (scale * rstd * grad_weight / count, scale * grad_bias / count)]
        parallel.run(_backward, rows, grain, gradients, pixels, *vectors, *through, relu, memory.reshape(-1))
    deliver(memory, out)
