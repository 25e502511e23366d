"""What normalisations over pixels are made of: passes over the pixels of each image, channels in vectors.

All passes see the memory of N,H,W,C as a matrix (images, pixels * channels), each image with its own mean and scale
of each channel; batch norm, which has one for all images, makes them one long image. Where channels are few, several
pixels make one row, with the values of the channels repeated accordingly, so that the loop over a row is always long
enough for vectors.

What a fused ReLU let through is not kept: the passes back compute y again, which costs them no memory. It must have
the same sign then, so all take it from ``_affine``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..runtime import parallel
from ..runtime.compiler import helper, kernel
from ..runtime.layout import Array
from ..runtime.memory import empty
from ..vector.scalar import multiply_add

_LANES = 64  # a row of fewer elements than this is lengthened
_BLOCK = 16384  # elements that make one partial sum
_GRAIN = 65536  # elements a thread takes at a time


class Affine(NamedTuple):
    """y = (x - mean) * scale + bias: (images, channels) each."""

    mean: Array
    scale: Array
    bias: Array


@helper
def _affine(x: Any, mean: Any, scale: Any, bias: Any) -> Any:
    """(x - mean) * scale + bias; no optimisation may round it differently in two kernels."""
    return multiply_add(x - mean, scale, bias)


@kernel
def _moments(start: int, stop: int, x: Array, shift: Array, height: int, sums: Array) -> None:
    """sums (images, blocks, 2, width) of x - shift and its square; an item is a block of ``height`` rows of shift's
    length, the last of which may be incomplete.

    Four rows go into a sum at once, since what a sum costs is to fetch it and to put it back.
    """
    width, blocks = shift.shape[1], sums.shape[1]
    for item in range(start, stop):
        n, block = divmod(item, blocks)
        origin, first, second = shift[n], sums[n, block, 0], sums[n, block, 1]
        for j in range(width):
            first[j] = second[j] = 0
        values = x[n, block * height * width : (block + 1) * height * width]
        fours = values.size // (4 * width) * (4 * width)
        for base in range(0, fours, 4 * width):
            r = values[base : base + width]
            s = values[base + width : base + 2 * width]
            t = values[base + 2 * width : base + 3 * width]
            u = values[base + 3 * width : base + 4 * width]
            for j in range(width):
                a, b, c, d = r[j] - origin[j], s[j] - origin[j], t[j] - origin[j], u[j] - origin[j]
                first[j] += (a + b) + (c + d)
                second[j] += (a * a + b * b) + (c * c + d * d)
        for base in range(fours, values.size, width):
            row = values[base : base + width]
            for j in range(row.size):
                deviation = row[j] - origin[j]
                first[j] += deviation
                second[j] += deviation * deviation


@kernel
def _gradient_sums(
    start: int, stop: int, grad: Array, x: Array, rows: Affine, height: int, relu: bool, sums: Array
) -> None:
    """sums (images, blocks, 2, width) of grad and of grad * (x - mean); items as in ``_moments``."""
    width, blocks, zero = rows.mean.shape[1], sums.shape[1], x.dtype.type(0)
    for item in range(start, stop):
        n, block = divmod(item, blocks)
        mean, scale, bias = rows.mean[n], rows.scale[n], rows.bias[n]
        plain, weighted = sums[n, block, 0], sums[n, block, 1]
        for j in range(width):
            plain[j] = weighted[j] = 0
        gradients = grad[n, block * height * width : (block + 1) * height * width]
        values = x[n, block * height * width : (block + 1) * height * width]
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
def _forward(start: int, stop: int, x: Array, rows: Affine, height: int, relu: bool, out: Array) -> None:
    """out = (x - mean) * scale + bias; an item is a block of ``height`` rows."""
    width, zero = rows.mean.shape[1], x.dtype.type(0)
    blocks = -(-x.shape[1] // (height * width))
    for item in range(start, stop):
        n, block = divmod(item, blocks)
        mean, scale, bias = rows.mean[n], rows.scale[n], rows.bias[n]
        values = x[n, block * height * width : (block + 1) * height * width]
        results = out[n, block * height * width : (block + 1) * height * width]
        for base in range(0, values.size, width):
            row, result = values[base : base + width], results[base : base + width]
            for j in range(row.size):
                y = _affine(row[j], mean[j], scale[j], bias[j])
                result[j] = y if not relu or y > 0 or y != y else zero


@kernel
def _backward(
    start: int,
    stop: int,
    grad: Array,
    x: Array,
    rows: Affine,
    slopes: Array,
    offsets: Array,
    height: int,
    relu: bool,
    out: Array,
) -> None:
    """out = scale * grad - (x - mean) * slope - offset; items as in ``_forward``."""
    width, zero = rows.mean.shape[1], x.dtype.type(0)
    blocks = -(-x.shape[1] // (height * width))
    for item in range(start, stop):
        n, block = divmod(item, blocks)
        mean, scale, bias, slope, offset = rows.mean[n], rows.scale[n], rows.bias[n], slopes[n], offsets[n]
        gradients = grad[n, block * height * width : (block + 1) * height * width]
        values = x[n, block * height * width : (block + 1) * height * width]
        results = out[n, block * height * width : (block + 1) * height * width]
        for base in range(0, values.size, width):
            g, row, result = (
                gradients[base : base + width],
                values[base : base + width],
                results[base : base + width],
            )
            for j in range(row.size):
                open = not relu or _affine(row[j], mean[j], scale[j], bias[j]) > 0
                result[j] = (scale[j] * g[j] if open else zero) - (row[j] - mean[j]) * slope[j] - offset[j]


@kernel
def _backward_constant(
    start: int, stop: int, grad: Array, x: Array, rows: Affine, height: int, relu: bool, out: Array
) -> None:
    """out = scale * grad; items as in ``_forward``."""
    width, zero = rows.mean.shape[1], x.dtype.type(0)
    blocks = -(-x.shape[1] // (height * width))
    for item in range(start, stop):
        n, block = divmod(item, blocks)
        mean, scale, bias = rows.mean[n], rows.scale[n], rows.bias[n]
        gradients = grad[n, block * height * width : (block + 1) * height * width]
        values = x[n, block * height * width : (block + 1) * height * width]
        results = out[n, block * height * width : (block + 1) * height * width]
        for base in range(0, values.size, width):
            g, row, result = (
                gradients[base : base + width],
                values[base : base + width],
                results[base : base + width],
            )
            for j in range(row.size):
                open = not relu or _affine(row[j], mean[j], scale[j], bias[j]) > 0
                result[j] = scale[j] * g[j] if open else zero


def _rows(vectors: Array, dtype: Any) -> Array:
    """(images, channels) repeated for the pixels of a row."""
    # In row-major order, whatever broadcasting made of them: Numba would compile for other strides, too.
    return np.tile(vectors.astype(dtype, order="C"), (1, max(1, _LANES // vectors.shape[1])))


def _affine_rows(affine: Affine, dtype: Any) -> Affine:
    return Affine(*[_rows(vectors, dtype) for vectors in affine])


def _height(width: int) -> int:
    """How many rows make one block."""
    return max(1, _BLOCK // width)


def _blocks(x: Array, width: int) -> int:
    """How many blocks an image has."""
    return -(-x.shape[1] // (_height(width) * width))


def _finished(sums: Array, channels: int) -> Array:
    """(2, images, channels) from the partial sums (images, blocks, 2, repeats * channels)."""
    images = sums.shape[0]
    return sums.sum(axis=1).reshape(images, 2, -1, channels).sum(axis=2).transpose(1, 0, 2)


def statistics(x: Array, channels: int) -> tuple[Array, Array]:
    """Mean and biased variance (images, channels) of x (images, pixels * channels) in one pass, in float64.

    The sums are of deviations from the first pixel, so that the difference E[d^2] - E[d]^2 does not cancel even
    where the mean is large beside the deviation.
    """
    shift = _rows(x[:, :channels], np.float64)
    width, blocks = shift.shape[1], _blocks(x, shift.shape[1])
    sums = empty((x.shape[0], blocks, 2, width), np.float64)
    parallel.run(_moments, x.shape[0] * blocks, _GRAIN // _BLOCK, x, shift, _height(width), sums)
    first, second = _finished(sums, channels) / (x.shape[1] // channels)
    return shift[:, :channels] + first, np.maximum(second - first * first, 0)


def normalise(x: Array, affine: Affine, relu: bool, out: Array) -> None:
    """out (images, pixels * channels) = (x - mean) * scale + bias."""
    rows = _affine_rows(affine, x.dtype)
    width = rows.mean.shape[1]
    parallel.run(_forward, x.shape[0] * _blocks(x, width), _GRAIN // _BLOCK, x, rows, _height(width), relu, out)


def gradient_sums(grad: Array, x: Array, affine: Affine, relu: bool) -> Array:
    """(2, images, channels) in float64: the sums over pixels of grad and of grad * (x - mean)."""
    rows = _affine_rows(affine, x.dtype)
    width = rows.mean.shape[1]
    blocks = _blocks(x, width)
    sums = empty((x.shape[0], blocks, 2, width), np.float64)
    items, grain = x.shape[0] * blocks, _GRAIN // _BLOCK
    parallel.run(_gradient_sums, items, grain, grad, x, rows, _height(width), relu, sums)
    return _finished(sums, affine.mean.shape[1])


def gradient(
    grad: Array, x: Array, affine: Affine, slope: Array | None, offset: Array | None, relu: bool, out: Array
) -> None:
    """out = scale * grad - (x - mean) * slope - offset, the latter two (images, channels) or None for 0."""
    rows = _affine_rows(affine, x.dtype)
    width = rows.mean.shape[1]
    items, grain = x.shape[0] * _blocks(x, width), _GRAIN // _BLOCK
    if slope is None or offset is None:
        parallel.run(_backward_constant, items, grain, grad, x, rows, _height(width), relu, out)
    else:
        through = [_rows(vectors, x.dtype) for vectors in (slope, offset)]
        parallel.run(_backward, items, grain, grad, x, rows, *through, _height(width), relu, out)
