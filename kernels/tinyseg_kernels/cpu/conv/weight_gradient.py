"""The weight gradient of a convolution, directly: outer products of x and the gradient, summed over pixels.

    out[o, c, r, s] = sum_{n,i,j} grad[n, i, j, o] * x[n, i sh - ph + r dh, j sw - pw + s dw, c]

A block of 8 numbers of x times two vectors of output channels is summed in registers while pixels go by
(``microkernel.outer_sum``). A part of the sums, some input times some output channels for all taps, stays in the
cache while a band of pixels after the other passes; then it is transposed into the order of the weight.

With many channels a tap at a time goes over the pixels that it meets inside the image. With few, the 8 numbers come
from several taps, so that a first layer of 3 channels has 27 rows to sum and not 9 times 8; a copy of x with a border
of zeros then makes all taps meet all pixels.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from ..runtime import parallel
from ..runtime.compiler import helper, kernel
from ..runtime.layout import Array, Pair
from ..runtime.memory import empty, zeros
from ..runtime.processor import VECTOR_BYTES, VECTORS, lanes
from ..vector.microkernel import PREFETCHED_PIXELS, SUM_ROWS, outer_sum_prefetched
from ..vector.simd import clear, load, number, put, store
from ..vector.transpose import transpose

# What the pixels of a band may take, of x and of the gradient, and how many sums an item may have: together they fit
# the second-level cache.
_BAND_BYTES, _TILE_NUMBERS = 64 * 1024, 64 * 1024
# Pieces of work that there should be, so that many threads have some.
_ITEMS = 16
# How many rows (input channels) of the sums an item may have, and the columns (output channels) that are enough.
_ROWS_TOGETHER, _COLUMNS = (64, 32, 16, SUM_ROWS), 128
# Numbers that are added up together.
_ADDED_TOGETHER = 4096


@helper
def _find_pixels(shape, grad_shape, n, top, bottom, stride, row, column, pixels_x, pixels_grad):
    """Where the numbers of each pixel begin, of x and of the gradient, that a tap meets in the latter's rows
    ``top .. bottom - 1``; returns how many there are.
    """
    height, width, channels = shape
    out_height, out_width, outputs = grad_shape
    # Columns j with 0 <= j stride + column < width.
    left = max(0, (stride[1] - 1 - column) // stride[1])
    right = min(out_width, (width - 1 - column) // stride[1] + 1)
    count = 0
    for i in range(top, bottom):
        h = i * stride[0] + row
        if 0 <= h < height and left < right:
            first = ((n * height + h) * width + left * stride[1] + column) * channels
            first_grad = ((n * out_height + i) * out_width + left) * outputs
            for j in range(right - left):
                pixels_x[count + j] = first + j * stride[1] * channels
                pixels_grad[count + j] = first_grad + j * outputs
            count += right - left
    # The inner loop prefetches pixels after the one it is at.
    if count:
        pixels_x[count : count + PREFETCHED_PIXELS] = pixels_x[0]
        pixels_grad[count : count + PREFETCHED_PIXELS] = pixels_grad[0]
    return count


@helper
def _store_in_order_of_weight(tile, rows_a_tap, columns, square, taps, channels, outputs, target, begin, length):
    """target[begin + o length + c taps + tap] = tile[tap rows_a_tap + c, o] for channels c and outputs o, a square
    at a time.
    """
    wide = VECTOR_BYTES // tile.itemsize
    c, tap = 0, 0
    for q in range(0, channels * taps, wide):
        count = min(wide, channels * taps - q)
        first_c, first_tap = c, tap
        for o in range(0, outputs, wide):
            c, tap = first_c, first_tap
            for i in range(count):
                store(square, i * wide, load(tile, (tap * rows_a_tap + c) * columns + o))
                tap += 1
                if tap == taps:
                    c, tap = c + 1, 0
            transpose(square, 0, wide, count, target, begin + o * length + q, length, min(wide, outputs - o))


@kernel
def _sum_products(start, stop, x, grad, sums, size, stride, taps, numbers, band_rows, parts, column_parts, scratch):
    """Items: (partial sum, part of the rows, part of the columns).

    sums[s, o, c, tap] sums over the bands that belong to s; ``size``: C and the number of taps. ``taps``: where each
    looks, relative to the pixel's place, and only one where the ``numbers`` come from all; ``numbers``: where from
    there the rows are found. ``scratch`` holds a part of the sums and a square.
    """
    images, height, width, channels = x.shape
    _, out_height, out_width, outputs = grad.shape
    inputs, taps_in_all = size
    flat_x, flat_grad = x.reshape(-1), grad.reshape(-1)
    bands_an_image = (out_height + band_rows - 1) // band_rows
    bands = images * bands_an_image
    wide = VECTOR_BYTES // x.itemsize
    tile, square = scratch[wide * wide :], scratch[: wide * wide]
    most = band_rows * out_width + PREFETCHED_PIXELS
    pixels_x, pixels_grad = np.empty(most, np.int64), np.empty(most, np.int64)
    row_blocks, blocks = len(numbers) // SUM_ROWS, (outputs + VECTORS * wide - 1) // (VECTORS * wide)
    length, met = inputs * taps_in_all, np.empty(len(taps), np.bool_)
    for item in range(start, stop):
        rest, column_part = item // column_parts, item % column_parts
        s, part = rest // parts, rest % parts
        first, last = part * row_blocks // parts * SUM_ROWS, (part + 1) * row_blocks // parts * SUM_ROWS
        low = column_part * blocks // column_parts * VECTORS * wide
        high = min((column_part + 1) * blocks // column_parts * VECTORS * wide, outputs)
        rows, columns = last - first, (high - low + wide - 1) // wide * wide
        met[:] = False
        for band in range(s * bands // len(sums), (s + 1) * bands // len(sums)):
            n, top = band // bands_an_image, band % bands_an_image * band_rows
            for tap in range(len(taps)):
                pixels = _find_pixels(
                    (height, width, channels), (out_height, out_width, outputs), n, top,
                    min(top + band_rows, out_height), stride, taps[tap, 0], taps[tap, 1], pixels_x, pixels_grad,
                )  # fmt: skip
                if pixels == 0:
                    continue
                for o in range(0, columns, VECTORS * wide):
                    outer_sum_prefetched(
                        flat_x, 0, pixels_x, numbers, first, rows, flat_grad, low + o, pixels_grad, pixels,
                        tile, tap * rows * columns + o, columns, outputs - low - o, met[tap],
                    )  # fmt: skip
                met[tap] = True
        for tap in range(len(taps)):
            if not met[tap]:
                clear(tile, tap * rows * columns, rows * columns)
        first_channel = first if len(taps) == taps_in_all else 0
        here = min(rows, inputs - first) if len(taps) == taps_in_all else inputs
        rows_a_tap = rows if len(taps) == taps_in_all else inputs
        begin = (s * outputs + low) * length + first_channel * taps_in_all
        _store_in_order_of_weight(
            tile, rows_a_tap, columns, square, taps_in_all, here, high - low, sums.reshape(-1), begin, length,
        )  # fmt: skip


@kernel
def _add_up(start, stop, sums, out, together):
    """out[i] = sum over s of sums[s, i]. Items: so many numbers."""
    count, length = sums.shape
    flat, wide = sums.reshape(-1), VECTOR_BYTES // out.itemsize
    for item in range(start, stop):
        low, high = item * together, min((item + 1) * together, length)
        whole = low + (high - low) // wide * wide
        for i in range(low, whole, wide):
            vector = load(flat, i)
            for s in range(1, count):
                vector = vector + load(flat, i + s * length)
            store(out, i, vector)
        for i in range(whole, high):
            total = number(flat, i)
            for s in range(1, count):
                total += number(flat, i + s * length)
            put(out, i, total)


def _with_border(x: Array, padding: Pair, extent: Pair) -> Array:
    """x (N,H,W,C) inside a border of zeros: ``padding`` above and to the left, ``extent`` rows and columns in all.

    A row more, so that reading a few numbers beyond the last pixel stays inside.
    """
    images, height, width, channels = x.shape
    bordered = zeros((images, extent[0] + 1, extent[1], channels), x.dtype)
    rows, columns = min(height, extent[0] - padding[0]), min(width, extent[1] - padding[1])
    bordered[:, padding[0] : padding[0] + rows, padding[1] : padding[1] + columns] = x[:, :rows, :columns]
    return bordered


def _split(rows: int, pitch: int, taps: int, pixels: int, bands: int, splittable: bool) -> tuple[int, int, int]:
    """Into how many parts the rows, the columns and the sums are split; it follows from the shapes alone.

    Of the ways that make enough items the one that moves the fewest numbers: each part of the rows reads the
    gradient's pixels again, and if there are several sums these are written, and read to be added up.
    """
    column_parts = max(1, pitch // _COLUMNS)

    def parts_and_sums(together: int) -> tuple[int, int]:
        parts = -(-rows // together)
        return parts, max(1, min(-(-_ITEMS // (parts * column_parts)), bands))

    def moved(together: int) -> int:
        parts, sums = parts_and_sums(together)
        return pixels * pitch * parts + (2 * sums * taps * rows * pitch if sums > 1 else 0)

    choices = [together for together in _ROWS_TOGETHER if together < rows + SUM_ROWS] if splittable else [rows]
    fitting = [n for n in choices if taps * n * min(pitch, _COLUMNS) <= _TILE_NUMBERS]
    parts, sums = parts_and_sums(min(fitting, key=moved) if fitting else choices[-1])
    return parts, column_parts, sums


@dataclass(frozen=True)
class _Plan:
    """What follows from the shapes alone. ``extent``: of a copy of x with a border, if one is made."""

    extent: Pair | None
    size: Pair
    taps: Array
    numbers: Array
    splitting: tuple[int, int, int]
    sums: int
    scratch: int


@functools.lru_cache(maxsize=1024)
def _plan(
    x: tuple[int, ...],
    grad: tuple[int, ...],
    out: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    itemsize: int,
) -> _Plan:
    outputs, channels, *kernel_size = out
    images, out_height, out_width, _ = grad
    wide = lanes(itemsize)
    places = [(r * dilation[0], s * dilation[1]) for r in range(kernel_size[0]) for s in range(kernel_size[1])]
    extent = None
    if channels < SUM_ROWS:
        down, across = ((grad[1 + i] - 1) * stride[i] + (kernel_size[i] - 1) * dilation[i] + 1 for i in (0, 1))
        extent = (down, across)
        taps = np.zeros((1, 2), np.int64)
        numbers = np.array([(r * across + s) * channels + c for r, s in places for c in range(channels)])
    else:
        taps = np.array(places) - np.array(padding)
        numbers = np.arange(channels)
    numbers = np.append(numbers, np.repeat(numbers[-1:], -numbers.size % SUM_ROWS))  # the last one again is no harm
    pitch = -(-outputs // wide) * wide
    row_bytes = out_width * (min(numbers.size, _ROWS_TOGETHER[0]) + min(pitch, _COLUMNS)) * itemsize
    band_rows = max(1, min(out_height, _BAND_BYTES // row_bytes))
    bands, pixels = images * -(-out_height // band_rows), images * out_height * out_width
    parts, column_parts, sums = _split(numbers.size, pitch, len(taps), pixels, bands, extent is None)
    blocks = -(-pitch // (VECTORS * wide))
    tile_rows = -(-numbers.size // SUM_ROWS // parts) * SUM_ROWS
    tile_columns = min(pitch, -(-blocks // column_parts) * VECTORS * wide)
    scratch = len(taps) * tile_rows * tile_columns + wide * wide
    size = (channels, len(places))
    return _Plan(extent, size, taps, numbers, (band_rows, parts, column_parts), sums, scratch)


def weight_gradient(x: Array, grad: Array, out: Array, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """out (O,C,kh,kw), itself C-contiguous, from x (N,H,W,C) and grad (N,H',W',O), both C-contiguous."""
    if not grad.size:
        out[...] = 0
        return
    how = _plan(x.shape, grad.shape, out.shape, stride, padding, dilation, x.itemsize)
    source = x if how.extent is None else _with_border(x, padding, how.extent)
    sums = out.reshape(1, -1) if how.sums == 1 else empty((how.sums, out.size), x.dtype)
    arguments = (source, grad, sums, how.size, stride, how.taps, how.numbers, *how.splitting)
    _, parts, column_parts = how.splitting
    parallel.run(_sum_products, how.sums * parts * column_parts, 1, *arguments, scratch=(how.scratch, x.dtype))
    if how.sums > 1:
        parallel.run(_add_up, -(-out.size // _ADDED_TOGETHER), 16, sums, out.reshape(-1), _ADDED_TOGETHER)
