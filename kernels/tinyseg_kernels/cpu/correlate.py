"""The gradient of a convolution by its weight, directly: outer products of x and the gradient, summed over pixels.

    out[o, c, r, s] = sum_{n,i,j} grad[n, i, j, o] * x[n, i sh - ph + r dh, j sw - pw + s dw, c]

A block of 8 numbers of x times two vectors of output channels is summed in registers while pixels go by
(``microkernel.outer_sum``). With many channels a tap at a time goes over the pixels that it meets inside the image.
With few, the 8 numbers come from several taps, so that a first layer of 3 channels has 27 rows to sum and not 9
times 8; a copy of x with a border of zeros then makes all taps meet all pixels.
"""

from __future__ import annotations

import numpy as np

from . import parallel
from .array import Array, Pair, channels_padded
from .compiler import kernel
from .memory import zeros
from .microkernel import PIXELS_AHEAD, SUM_ROWS, outer_sum_far
from .simd import VECTOR_BYTES, VECTORS, lanes, load, store
from .transpose import transpose

# What the pixels of a band may take, of x and of the gradient: a small part of a second-level cache.
_BAND_BYTES = 64 * 1024
_PARTIAL_BYTES = 4 << 20
# Pieces of work that there should be, so that many threads have some.
_ITEMS = 16
# Vectors of output channels that are added up together where there are many: memory is read in longer pieces.
_VECTORS_TOGETHER = 4
# Rows and columns of the sum that an item has.
_ROWS_TOGETHER, _COLUMNS_TOGETHER = 64, 128


@kernel
def _correlate(start, stop, x, grad, partial, stride, taps, numbers, band_rows, parts, column_parts):
    """Items: (partial sum, tap, part of the rows, part of the columns).

    partial[s, t, row, o] sums over the bands that belong to s.
    ``taps``: where each tap looks, relative to the pixel's place; ``numbers``: where from there the rows are found.
    """
    images, height, width, channels = x.shape
    _, out_height, out_width, outputs = grad.shape
    sums, rows = partial.shape[0], partial.shape[2]
    flat_x, flat_grad, flat_partial = x.reshape(-1), grad.reshape(-1), partial.reshape(-1)
    bands_an_image = (out_height + band_rows - 1) // band_rows
    bands = images * bands_an_image
    row_blocks = rows // SUM_ROWS
    most = band_rows * out_width + PIXELS_AHEAD
    pixels_x, pixels_grad = np.empty(most, np.int64), np.empty(most, np.int64)
    block = VECTORS * (VECTOR_BYTES // x.itemsize)
    for item in range(start, stop):
        rest, column_part = item // column_parts, item % column_parts
        rest, part = rest // parts, rest % parts
        s, tap = rest // len(taps), rest % len(taps)
        blocks = (outputs + block - 1) // block
        low, high = column_part * blocks // column_parts * block, (column_part + 1) * blocks // column_parts * block
        row, column = taps[tap]
        first, last = part * row_blocks // parts * SUM_ROWS, (part + 1) * row_blocks // parts * SUM_ROWS
        for band in range(s * bands // sums, (s + 1) * bands // sums):
            n, top = band // bands_an_image, band % bands_an_image * band_rows
            count = 0
            for i in range(top, min(top + band_rows, out_height)):
                h = i * stride[0] + row
                if h < 0 or h >= height:
                    continue
                for j in range(out_width):
                    w = j * stride[1] + column
                    if 0 <= w < width:
                        pixels_x[count] = ((n * height + h) * width + w) * channels
                        pixels_grad[count] = ((n * out_height + i) * out_width + j) * outputs
                        count += 1
            if count == 0:
                continue
            pixels_x[count : count + PIXELS_AHEAD] = pixels_x[0]
            pixels_grad[count : count + PIXELS_AHEAD] = pixels_grad[0]
            for o in range(low, min(high, outputs), block):
                place = ((s * len(taps) + tap) * rows + first) * outputs + o
                outer_sum_far(
                    flat_x, 0, pixels_x, numbers, first, last - first, flat_grad, o, pixels_grad, count,
                    flat_partial, place, outputs, outputs - o, True,
                )  # fmt: skip


@kernel
def _combine(start, stop, partial, pitch, wide, together, out, square):
    """out[o, c, tap] = sum over s of partial[s, tap pitch + c, o]. Items: ``together`` output channels.

    A vector of these at a time, for as many rows as make a square; ``square`` has room for it.
    """
    sums, rows, columns = partial.shape
    outputs, channels, taps = out.shape
    flat, flat_out = partial.reshape(-1), out.reshape(-1)
    length = channels * taps
    for item in range(start, stop):
        low, high = item * together, min((item + 1) * together, outputs)
        c, tap = 0, 0
        for q in range(0, length, wide):
            count = min(wide, length - q)
            first_c, first_tap = c, tap
            for o in range(low, high, wide):
                c, tap = first_c, first_tap
                for i in range(count):
                    place = (tap * pitch + c) * columns + o
                    vector = load(flat, place)
                    for s in range(1, sums):
                        vector = vector + load(flat, place + s * rows * columns)
                    store(square, i * wide, vector)
                    tap += 1
                    if tap == taps:
                        c, tap = c + 1, 0
                transpose(square, 0, wide, count, flat_out, o * length + q, length, min(wide, outputs - o))


def _with_border(x: Array, padding: Pair, extent: Pair) -> Array:
    """x (N,H,W,C) inside a border of zeros: ``padding`` above and to the left, ``extent`` rows and columns in all.

    A row more, so that reading a few numbers beyond the last pixel stays inside.
    """
    images, height, width, channels = x.shape
    bordered = zeros((images, extent[0] + 1, extent[1], channels), x.dtype)
    rows, columns = min(height, extent[0] - padding[0]), min(width, extent[1] - padding[1])
    bordered[:, padding[0] : padding[0] + rows, padding[1] : padding[1] + columns] = x[:, :rows, :columns]
    return bordered


def weight_gradient(x: Array, grad: Array, out: Array, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """out (O,C,kh,kw) from x (N,H,W,C) and grad (N,H',W',O), all C-contiguous.

    How the sums are split follows from the shapes: by taps and rows, and where these are few by bands of pixels.
    """
    outputs, channels, *size = out.shape
    wide = lanes(x.itemsize)
    padded_grad = channels_padded(grad, wide)
    images, out_height, out_width, pitch = padded_grad.shape
    if not images * out_height * out_width:
        out[...] = 0
        return
    places = [(r * dilation[0], s * dilation[1]) for r in range(size[0]) for s in range(size[1])]
    if channels < SUM_ROWS:
        extent = [(grad.shape[1 + i] - 1) * stride[i] + (size[i] - 1) * dilation[i] + 1 for i in (0, 1)]
        source = _with_border(x, padding, (extent[0], extent[1]))
        taps = np.zeros((1, 2), np.int64)
        numbers = np.array([(r * source.shape[2] + s) * channels + c for r, s in places for c in range(channels)])
        numbers = np.append(numbers, np.repeat(numbers[-1:], -numbers.size % SUM_ROWS))
        rows_a_tap = channels
    else:
        source = channels_padded(x, SUM_ROWS)
        taps = np.array(places) - np.array(padding)
        numbers = np.arange(source.shape[3])
        rows_a_tap = source.shape[3]
    row_bytes = out_width * (min(numbers.size, _ROWS_TOGETHER) + min(pitch, _COLUMNS_TOGETHER)) * x.itemsize
    band_rows = max(1, min(out_height, _BAND_BYTES // row_bytes))
    bands = images * -(-out_height // band_rows)
    parts, column_parts = max(1, numbers.size // _ROWS_TOGETHER), max(1, pitch // _COLUMNS_TOGETHER)
    pieces = len(taps) * parts * column_parts
    most = _PARTIAL_BYTES // (len(taps) * numbers.size * pitch * x.itemsize)
    sums = max(1, min(-(-_ITEMS // pieces), bands, most))
    partial = zeros((sums, len(taps), numbers.size, pitch), x.dtype)
    arguments = (source, padded_grad, partial, tuple(stride), taps, numbers, band_rows, parts, column_parts)
    parallel.run(_correlate, sums * pieces, 1, *arguments)
    flat = out.reshape(outputs, channels, size[0] * size[1])
    together = wide * min(_VECTORS_TOGETHER, max(1, outputs // (wide * _ITEMS)))
    grain = max(1, 65536 // (channels * size[0] * size[1] * together))
    arguments = (partial.reshape(sums, len(taps) * numbers.size, pitch), rows_a_tap, wide, together, flat)
    parallel.run(_combine, -(-outputs // together), grain, *arguments, scratch=(wide * wide, x.dtype))
