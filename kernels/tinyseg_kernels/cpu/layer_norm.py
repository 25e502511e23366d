"""Layer normalisation: row by row, each row read from memory once and from the cache after that."""

from __future__ import annotations

import numpy as np

from .runtime import parallel
from .runtime.compiler import kernel
from .runtime.layout import Array
from .runtime.memory import contiguous, empty

__all__ = ["layer_norm", "layer_norm_backward"]


_GRAIN = 32768  # elements a thread takes at a time
_BLOCKS = 64  # at most so many partial sums of the gradients by weight and bias


@kernel
def _forward(
    start: int, stop: int, x: Array, weight: Array, bias: Array, out: Array, mean: Array, rstd: Array, eps: float
) -> None:
    """An item is a row. Deviations are summed from the first element and then from the mean: nothing cancels."""
    for item in range(start, stop):
        row, result = x[item], out[item]
        first, total = np.float64(row[0]), 0.0
        for j in range(row.size):
            total += row[j] - first
        middle = first + total / row.size
        total = 0.0
        for j in range(row.size):
            total += (row[j] - middle) * (row[j] - middle)
        center, factor = x.dtype.type(middle), x.dtype.type(1 / np.sqrt(total / row.size + eps))
        mean[item], rstd[item] = center, factor
        for j in range(row.size):
            result[j] = (row[j] - center) * factor * weight[j] + bias[j]


@kernel
def _backward(
    start: int,
    stop: int,
    grad: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    weight: Array,
    height: int,
    sums: Array,
    out: Array,
) -> None:
    """An item is ``height`` rows; sums (items, 2, width) of grad * xhat and of grad over them."""
    for item in range(start, stop):
        by_weight, by_bias = sums[item, 0], sums[item, 1]
        for j in range(by_bias.size):
            by_weight[j] = by_bias[j] = 0
        begin, end = item * height, min((item + 1) * height, x.shape[0])
        for i in range(begin, end):
            g, row, result = grad[i], x[i], out[i]
            center, factor = mean[i], rstd[i]
            plain, weighted = 0.0, 0.0
            for j in range(row.size):
                slope = g[j] * weight[j]
                plain += slope
                weighted += slope * (row[j] - center)
            offset = factor * x.dtype.type(plain / row.size)
            steep = factor * factor * factor * x.dtype.type(weighted / row.size)
            for j in range(row.size):
                result[j] = factor * (g[j] * weight[j]) - offset - (row[j] - center) * steep
        # In a loop of its own, two rows at once: what such a sum costs is to fetch it and to put it back.
        for i in range(begin, end - 1, 2):
            g, h, r, s = grad[i], grad[i + 1], x[i], x[i + 1]
            for j in range(by_bias.size):
                a, b = (r[j] - mean[i]) * rstd[i], (s[j] - mean[i + 1]) * rstd[i + 1]
                by_weight[j] += np.float64(g[j] * a) + np.float64(h[j] * b)
                by_bias[j] += np.float64(g[j]) + np.float64(h[j])
        if (end - begin) % 2:
            g, r = grad[end - 1], x[end - 1]
            for j in range(by_bias.size):
                by_weight[j] += g[j] * (r[j] - mean[end - 1]) * rstd[end - 1]
                by_bias[j] += g[j]


def layer_norm(
    x: Array, weight: Array | None, bias: Array | None, out: Array, mean: Array, rstd: Array, eps: float
) -> None:
    """Mean, variance and result of a row while it is in the cache. See ``spec.py``, as for every kernel here."""
    if x.size == 0:
        return
    memory, width = contiguous(out), x.shape[1]
    weight = np.ones(width, x.dtype) if weight is None else contiguous(weight)
    bias = np.zeros(width, x.dtype) if bias is None else contiguous(bias)
    parallel.run(_forward, x.shape[0], _GRAIN // width, contiguous(x), weight, bias, memory, mean, rstd, eps)
    if memory is not out:
        out[...] = memory


def layer_norm_backward(
    grad: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    weight: Array | None,
    grad_weight: Array,
    grad_bias: Array,
    out: Array,
) -> None:
    """All three gradients in one pass; partial sums of blocks of rows, in float64, are added in their order."""
    if x.size == 0:
        grad_weight[...] = grad_bias[...] = 0
        return
    memory, (rows, width) = contiguous(out), x.shape
    weight = np.ones(width, x.dtype) if weight is None else contiguous(weight)
    height = max(1, _GRAIN // width, -(-rows // _BLOCKS))
    blocks = -(-rows // height)
    sums = empty((blocks, 2, width), np.float64)
    arrays = (contiguous(grad), contiguous(x), contiguous(mean), contiguous(rstd), weight)
    parallel.run(_backward, blocks, 1, *arrays, height, sums, memory)
    grad_weight[...], grad_bias[...] = sums.sum(axis=0)
    if memory is not out:
        out[...] = memory
