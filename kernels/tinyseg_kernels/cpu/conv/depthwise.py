"""Depthwise convolution: as many groups as channels, each channel convolved with a kernel of its own.

There is no sum over channels; so the lanes of a vector are the channels of a pixel, which lie side by side. What the
last vector has too many is masked out.

A convolution and its adjoint differ only in who takes steps: the first reads every ``stride``-th pixel and writes
all, the second reads all and writes every ``stride``-th. Where all are written, neighbouring pixels meet the same
taps: the sums of four stay in registers. Else a row of sums stays in the cache, and tap after tap adds to some.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from ..patterns.copying import deliver
from ..runtime import parallel
from ..runtime.compiler import kernel
from ..runtime.layout import Array, Pair, channels_last
from ..runtime.memory import empty, zeros
from ..runtime.processor import lanes
from ..vector.simd import fma, load, load_first, splat, store, store_first

# Multiply-adds that are worth handing to a thread.
_CHUNK_WORK = 1 << 18
# Partial sums that a weight gradient has at most, so that many threads have some.
_SUMS = 16


@dataclass(frozen=True)
class _Meetings:
    """Where a convolution's taps find pixels, along each dimension.

    ``rows[i, r]``: the row of x that row i of y meets with tap r, or -1. ``columns[s]``: the first column of y that
    meets one of x with tap s, that one, and how many do. The next ones are 1 further in y, ``stride`` in x.
    ``adjoint_rows[h, r]``: the row of y that row h of x meets, or -1.
    """

    rows: Array
    adjoint_rows: Array
    columns: Array


@functools.lru_cache(maxsize=256)
def _meetings(x: Pair, y: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> _Meetings:
    """For images of size x and y, height and width."""
    i, r = np.arange(y[0])[:, None], np.arange(kernel_size[0])
    h = i * stride[0] - padding[0] + r * dilation[0]
    rows = np.where((h >= 0) & (h < x[0]), h, -1)
    adjoint_rows = np.full((x[0], kernel_size[0]), -1)
    met = np.nonzero(rows >= 0)
    adjoint_rows[rows[met], met[1]] = met[0]
    first = np.arange(kernel_size[1]) * dilation[1] - padding[1]  # column of x that column 0 of y meets
    begin = np.maximum(0, -(first // stride[1]))
    end = np.minimum(y[1], (x[1] - 1 - first) // stride[1] + 1)
    columns = np.stack((begin, first + begin * stride[1], np.maximum(end - begin, 0)), axis=1)
    return _Meetings(rows, adjoint_rows, columns)


@kernel
def _gather_taps(start, stop, source, weight, bias, out, rows, columns, step, inner, wide):
    """Items: output rows of all images. From column inner[0] to inner[1] all columns of taps are met; ``step``: from
    a pixel's source column to the next one's. For the rest see ``_add_taps``.
    """
    source_height, source_width, channels = source.shape[1:]
    height, width = out.shape[1:3]
    kernel_height, kernel_width, pitch = weight.shape
    flat, taps, flat_out = source.reshape(-1), weight.reshape(-1), out.reshape(-1)
    next_pixel = step * channels
    for item in range(start, stop):
        n, h = item // height, item % height
        for c in range(0, channels, wide):
            left, before = channels - c, load(bias, c)
            j = 0
            while j < width:
                four = inner[0] <= j and j + 4 <= inner[1]
                y0 = y1 = y2 = y3 = before
                for r in range(kernel_height):
                    if rows[h, r] < 0:
                        continue
                    line = (n * source_height + rows[h, r]) * source_width * channels + c
                    for s in range(kernel_width):
                        tap = load(taps, (r * kernel_width + s) * pitch + c)
                        here = line + columns[s, 1] * channels + (j - columns[s, 0]) * next_pixel
                        if four:
                            y0 = fma(tap, load_first(flat, here, left), y0)
                            y1 = fma(tap, load_first(flat, here + next_pixel, left), y1)
                            y2 = fma(tap, load_first(flat, here + 2 * next_pixel, left), y2)
                            y3 = fma(tap, load_first(flat, here + 3 * next_pixel, left), y3)
                        elif columns[s, 0] <= j < columns[s, 0] + columns[s, 2]:
                            y0 = fma(tap, load_first(flat, here, left), y0)
                place = (item * width + j) * channels + c
                store_first(flat_out, place, y0, left)
                if four:
                    store_first(flat_out, place + channels, y1, left)
                    store_first(flat_out, place + 2 * channels, y2, left)
                    store_first(flat_out, place + 3 * channels, y3, left)
                j += 4 if four else 1


@kernel
def _add_taps(start, stop, source, weight, bias, out, rows, columns, steps, wide, sums):
    """Items: output rows of all images.

    ``rows``: for each output row and tap the source row, or -1; ``columns``: for each tap the first column of the
    output and of the source, and how many there are; ``steps``: from there to the next, of both. ``sums``: a row.
    """
    source_height, source_width, channels = source.shape[1:]
    height, width = out.shape[1:3]
    kernel_height, kernel_width, pitch = weight.shape
    flat, taps, flat_out = source.reshape(-1), weight.reshape(-1), out.reshape(-1)
    for item in range(start, stop):
        n, h = item // height, item % height
        for c in range(0, channels, wide):
            before = load(bias, c)
            for w in range(width):
                store(sums, w * wide, before)
            for r in range(kernel_height):
                if rows[h, r] < 0:
                    continue
                line = (n * source_height + rows[h, r]) * source_width * channels + c
                for s in range(kernel_width):
                    tap = load(taps, (r * kernel_width + s) * pitch + c)
                    here, there = columns[s, 0] * wide, line + columns[s, 1] * channels
                    for _ in range(columns[s, 2]):
                        store(sums, here, fma(tap, load_first(flat, there, channels - c), load(sums, here)))
                        here += steps[0] * wide
                        there += steps[1] * channels
            for w in range(width):
                store_first(flat_out, (item * width + w) * channels + c, load(sums, w * wide), channels - c)


@kernel
def _sum_rows(start, stop, x, grad, sums, rows, columns, step, wide):
    """Items: (partial sum, vector of channels). sums[s, r, s', c] is over the rows of the gradient that belong to s.

    Each row of pixels is summed by itself, so that errors do not grow with the number of pixels.
    """
    height, width, channels = x.shape[1:]
    images, out_height, out_width = grad.shape[:3]
    parts, kernel_height, kernel_width, pitch = sums.shape
    flat, flat_grad, flat_sums = x.reshape(-1), grad.reshape(-1), sums.reshape(-1)
    vectors, zero = pitch // wide, splat(x.dtype.type(0))
    for item in range(start, stop):
        part, c = item // vectors, item % vectors * wide
        begin = part * kernel_height * kernel_width * pitch + c
        for tap in range(kernel_height * kernel_width):
            store(flat_sums, begin + tap * pitch, zero)
        for row in range(part * images * out_height // parts, (part + 1) * images * out_height // parts):
            n, i = row // out_height, row % out_height
            for r in range(kernel_height):
                if rows[i, r] < 0:
                    continue
                line, grad_line = (n * height + rows[i, r]) * width * channels + c, row * out_width * channels + c
                for s in range(kernel_width):
                    here, there = grad_line + columns[s, 0] * channels, line + columns[s, 1] * channels
                    of_row = zero
                    for _ in range(columns[s, 2]):
                        found = load_first(flat, there, channels - c)
                        of_row = fma(load_first(flat_grad, here, channels - c), found, of_row)
                        here += channels
                        there += step * channels
                    place = begin + (r * kernel_width + s) * pitch
                    store(flat_sums, place, load(flat_sums, place) + of_row)


def _sum_of_taps(
    source: Array, weight: Array, bias: Array | None, out: Array, rows: Array, columns: Array, steps: Pair
) -> None:
    """``_add_taps`` of N,C,H,W arrays."""
    memory, wide = channels_last(out), lanes(out.itemsize)
    images, height, width, channels = memory.shape
    room = -(-channels // wide) * wide
    taps, before = zeros((*weight.shape[2:], room), out.dtype), zeros((room,), out.dtype)
    taps[:, :, :channels] = weight[:, 0].transpose(1, 2, 0)
    if bias is not None:
        before[:channels] = bias
    grain = max(1, _CHUNK_WORK // max(1, width * taps.size // (steps[0] * steps[0])))
    arguments = (channels_last(source), taps, before, memory, rows, columns)
    if steps[0] == 1:
        inner = columns[:, 0].max(), (columns[:, 0] + columns[:, 2]).min()
        parallel.run(_gather_taps, images * height, grain, *arguments, steps[1], inner, wide)
    else:
        parallel.run(_add_taps, images * height, grain, *arguments, steps, wide, scratch=(width * wide, out.dtype))
    deliver(memory, out)


def convolve(
    x: Array, weight: Array, bias: Array | None, out: Array, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """As ``conv2d`` of ``spec.py``, with groups = channels."""
    met = _meetings(x.shape[2:], out.shape[2:], weight.shape[2:], stride, padding, dilation)
    _sum_of_taps(x, weight, bias, out, met.rows, met.columns, (1, stride[1]))


def convolve_transposed(
    y: Array, weight: Array, bias: Array | None, out: Array, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """As ``conv_transpose2d`` of ``spec.py``, with groups = channels."""
    met = _meetings(out.shape[2:], y.shape[2:], weight.shape[2:], stride, padding, dilation)
    _sum_of_taps(y, weight, bias, out, met.adjoint_rows, met.columns[:, [1, 0, 2]], (stride[1], 1))


def weight_gradient(x: Array, grad: Array, out: Array, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """As ``conv2d_weight_gradient`` of ``spec.py``, with groups = channels."""
    channels, _, *size = out.shape
    wide = lanes(out.itemsize)
    vectors = -(-channels // wide)
    met = _meetings(x.shape[2:], grad.shape[2:], out.shape[2:], stride, padding, dilation)
    parts = max(1, min(-(-_SUMS // vectors), grad.shape[0] * grad.shape[2]))
    sums = empty((parts, *size, vectors * wide), out.dtype)
    arguments = (channels_last(x), channels_last(grad), sums, met.rows, met.columns, stride[1], wide)
    parallel.run(_sum_rows, parts * vectors, 1, *arguments)
    out[:, 0] = sums.sum(0)[:, :, :channels].transpose(2, 0, 1)
