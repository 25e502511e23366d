"""Depthwise convolution: as many groups as channels, each channel convolved with a kernel of its own.

There is no sum over channels, so nothing to keep in registers: plain loops whose innermost one runs over the
channels of a pixel, which lie side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import parallel
from .array import Array, Pair, channels_last
from .compiler import helper, kernel
from .elementwise import deliver

# Below this a loop over channels is too short for vectors, and a sum in a register is the faster one.
_FEW_CHANNELS = 32


def _taps_first(weight: Array) -> Array:
    """(C, 1, kh, kw) -> C-contiguous (kh, kw, C)."""
    return np.ascontiguousarray(weight[:, 0].transpose(1, 2, 0))


def _bias_or_zero(bias: Array | None, like: Array) -> Array:
    return np.zeros(like.shape[1], like.dtype) if bias is None else np.ascontiguousarray(bias)


@kernel
def _forward(start, stop, x, weight, bias, out, stride, padding, dilation):
    """Items: output rows of all images."""
    height, width, channels = x.shape[1:]
    out_height, out_width = out.shape[1:3]
    kernel_height, kernel_width = weight.shape[:2]
    for row in range(start, stop):
        n, i = row // out_height, row % out_height
        for j in range(out_width):
            for c in range(channels):
                out[n, i, j, c] = bias[c]
            for r in range(kernel_height):
                h = i * stride[0] - padding[0] + r * dilation[0]
                if h < 0 or h >= height:
                    continue
                for s in range(kernel_width):
                    w = j * stride[1] - padding[1] + s * dilation[1]
                    if 0 <= w < width:
                        for c in range(channels):
                            out[n, i, j, c] += weight[r, s, c] * x[n, h, w, c]


@helper
def _meeting(place, stride, dilation, taps, size, sources, used):
    """The sources 0 <= i < size with place = i stride + r dilation, and their r; returns how many there are."""
    count = 0
    for r in range(taps):
        i = place - r * dilation
        if i >= 0 and i % stride == 0 and i // stride < size:
            sources[count], used[count] = i // stride, r
            count += 1
    return count


@kernel
def _adjoint(start, stop, y, weight, bias, out, stride, padding, dilation):
    """Items: output rows of all images; each pixel gathers from the y that met it."""
    y_height, y_width, channels = y.shape[1:]
    height, width = out.shape[1:3]
    kernel_height, kernel_width = weight.shape[:2]
    rows, row_taps = np.empty(kernel_height, np.int64), np.empty(kernel_height, np.int64)
    # Which columns meet is the same for every row.
    columns, column_taps = np.empty((width, kernel_width), np.int64), np.empty((width, kernel_width), np.int64)
    counts = np.empty(width, np.int64)
    for w in range(width):
        counts[w] = _meeting(
            w + padding[1], stride[1], dilation[1], kernel_width, y_width, columns[w], column_taps[w]
        )
    for row in range(start, stop):
        n, h = row // height, row % height
        count = _meeting(h + padding[0], stride[0], dilation[0], kernel_height, y_height, rows, row_taps)
        for w in range(width):
            if channels < _FEW_CHANNELS:
                for c in range(channels):
                    total = bias[c]
                    for a in range(count):
                        for b in range(counts[w]):
                            total += weight[row_taps[a], column_taps[w, b], c] * y[n, rows[a], columns[w, b], c]
                    out[n, h, w, c] = total
                continue
            for c in range(channels):
                out[n, h, w, c] = bias[c]
            for a in range(count):
                for b in range(counts[w]):
                    for c in range(channels):
                        out[n, h, w, c] += weight[row_taps[a], column_taps[w, b], c] * y[n, rows[a], columns[w, b], c]


@kernel
def _weight_gradient(start, stop, x, grad, out, stride, padding, dilation):
    """Items: taps; out is (kh, kw, C)."""
    height, width, channels = x.shape[1:]
    images, out_height, out_width = grad.shape[:3]
    total = np.empty(channels, np.float64)
    for tap in range(start, stop):
        r, s = tap // out.shape[1], tap % out.shape[1]
        total[:] = 0
        for n in range(images):
            for i in range(out_height):
                h = i * stride[0] - padding[0] + r * dilation[0]
                if h < 0 or h >= height:
                    continue
                for j in range(out_width):
                    w = j * stride[1] - padding[1] + s * dilation[1]
                    if 0 <= w < width:
                        for c in range(channels):
                            total[c] += grad[n, i, j, c] * x[n, h, w, c]
        for c in range(channels):
            out[r, s, c] = total[c]


def _by_rows(
    function: Any, source: Array, weight: Array, bias: Array | None, out: Array, window: tuple[Pair, Pair, Pair]
) -> None:
    memory = channels_last(out)
    taps = _taps_first(weight)
    work = memory.shape[2] * taps.size // (window[0][0] * window[0][1])
    rows = memory.shape[0] * memory.shape[1]
    grain = max(1, (1 << 18) // max(work, 1))
    parallel.run(function, rows, grain, channels_last(source), taps, _bias_or_zero(bias, out), memory, *window)
    deliver(memory, out)


def conv2d(
    x: Array, weight: Array, bias: Array | None, out: Array, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """As ``conv2d`` of ``spec.py``, with groups = channels."""
    _by_rows(_forward, x, weight, bias, out, (stride, padding, dilation))


def conv_transpose2d(
    y: Array, weight: Array, bias: Array | None, out: Array, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """As ``conv_transpose2d`` of ``spec.py``, with groups = channels."""
    _by_rows(_adjoint, y, weight, bias, out, (stride, padding, dilation))


def conv2d_weight_gradient(x: Array, grad: Array, out: Array, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """As ``conv2d_weight_gradient`` of ``spec.py``, with groups = channels."""
    channels, _, height, width = out.shape
    taps = np.empty((height, width, channels), out.dtype)
    window = (stride, padding, dilation)
    parallel.run(_weight_gradient, height * width, 1, channels_last(x), channels_last(grad), taps, *window)
    out[:, 0] = taps.transpose(2, 0, 1)
