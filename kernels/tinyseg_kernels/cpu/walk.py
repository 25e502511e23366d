"""Convolution, transposed convolution and matrix products as one walk over pixels and taps.

All of them make, for a lattice of output pixels, the same kind of sum::

    out[n, h0 + q hs, w0 + p ws, :] = bias + sum_t  source[n, q rs + row_t, p cs + column_t, :] @ weight_t

A convolution writes every pixel (hs = 1) and reads with its stride (rs = stride, row_t = r dilation - padding). The
transposed one reads every pixel (rs = 1) and writes with its stride: the output falls into stride x stride lattices,
each of which meets only some of the taps. A matrix product is the case of one tap and an image of one row.

A block of ROWS pixels times two vectors of channels is summed in registers (``microkernel.gather_product``). The
band of source rows that a few output rows need is first copied into a border of zeros, small enough to stay in the
cache; where no tap leaves the image it is read in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import parallel
from .array import Array
from .compiler import helper, kernel
from .memory import empty
from .microkernel import gather_product
from .simd import ROWS, VECTORS, lanes

_product_wide = gather_product(VECTORS)
_product_narrow = gather_product(1)

# What a band of source rows may take of the second-level cache, in bytes.
_BAND_BYTES = 192 * 1024
# Multiply-adds that are worth handing to a thread.
_CHUNK_WORK = 1 << 21


@dataclass(frozen=True)
class Lattice:
    """Which output pixels are made, along one dimension, and from where in the source they are made."""

    first: int  # h0
    step: int  # hs
    count: int  # how many q
    source_step: int  # rs


@dataclass(frozen=True)
class Tap:
    """Source pixel (relative to the lattice's) and the place in the weight of what it is multiplied with."""

    row: int
    column: int
    r: int
    s: int


def _merged(taps: list[Tap]) -> tuple[list[Tap], int]:
    """The first taps of runs of neighbours in a row, and the length of the runs.

    Channels of neighbouring pixels lie side by side, so a run of taps is one longer run of products: a first layer
    with 3 channels and a 3x3 kernel sums 9 numbers at a time instead of 3.
    """
    taps = sorted(taps, key=lambda tap: (tap.row, tap.column))
    width = sum(tap.row == taps[0].row for tap in taps)
    runs = [taps[i : i + width] for i in range(0, len(taps), width)]
    for run in runs:
        if [(tap.row, tap.column) for tap in run] != [(run[0].row, run[0].column + i) for i in range(width)]:
            return taps, 1
    return [run[0] for run in runs], width


@kernel
def _pack(start, stop, weight, strides, taps_r, taps_s, channels_in, channels_out, length, block, packed):
    """For each block of output channels its weights in order of use: [(t, c), j], 0 beyond the last channel.

    The last block is half as wide where half the vectors are enough.
    """
    out_stride, in_stride, r_stride, s_stride = strides
    for b in range(start, stop):
        here = channels_out - b * block
        wide = block // 2 if 2 * here <= block else block
        for c in range(channels_in):  # taps innermost, as they are in the weight's memory
            first = b * block * out_stride + c * in_stride
            for t in range(taps_r.size):
                source = first + taps_r[t] * r_stride + taps_s[t] * s_stride
                place = b * length * block + (t * channels_in + c) * wide
                for j in range(min(wide, here)):
                    packed[place + j] = weight[source + j * out_stride]
                for j in range(here, wide):
                    packed[place + j] = 0


@helper
def _copy_band(source, n, top, rows, left, columns, band):
    """band[i, j, :] = source[n, top + i, left + j, :], and 0 outside the image; band is flat."""
    height, width, channels = source.shape[1:]
    inner_left, inner_right = max(0, -left), min(columns, width - left)
    for i in range(rows):
        line = i * columns * channels
        h = top + i
        if h < 0 or h >= height or inner_right <= inner_left:
            band[line : line + columns * channels] = 0
            continue
        band[line : line + inner_left * channels] = 0
        band[line + inner_right * channels : line + columns * channels] = 0
        for j in range(inner_left, inner_right):
            for c in range(channels):
                band[line + j * channels + c] = source[n, h, left + j, c]


@kernel
def _walk(
    start, stop, source, packed, bias, out, down, across, tap_rows, tap_columns, run, block, bands, band_rows, parts
):
    """Items: (image, band of output rows, part of the output channels). ``down`` and ``across`` are Lattices."""
    height, width, channels = source.shape[1:]
    out_height, out_width, out_channels = out.shape[1:]
    first_row, row_step, row_count, source_row_step = down
    first_column, column_step, column_count, source_column_step = across
    blocks = (out_channels + block - 1) // block
    taps = tap_rows.size
    products = run * channels
    flat_source, flat_out = source.reshape(-1), out.reshape(-1)

    # The rectangle of source pixels that is met from a band's first pixel on.
    low_row, low_column = tap_rows.min(), tap_columns.min()
    columns = (column_count - 1) * source_column_step + tap_columns.max() + run - low_column
    inside = (
        low_row >= 0
        and low_column >= 0
        and (row_count - 1) * source_row_step + tap_rows.max() < height
        and low_column + columns <= width
    )
    rows_at_most = (band_rows - 1) * source_row_step + tap_rows.max() - low_row + 1
    pitch = width if inside else columns
    scratch = np.empty(0 if inside else rows_at_most * columns * channels, source.dtype)
    tap_offsets = ((tap_rows - low_row) * pitch + tap_columns - low_column) * channels

    # For each pixel of a band where it is read and written; the last block of rows is filled up with its last pixel.
    most = band_rows * column_count
    read, written = np.empty(most + ROWS, np.int64), np.empty(most + ROWS, np.int64)
    # A block that sticks out at the bottom or at the right is made here and then copied.
    tile = np.empty(ROWS * block, source.dtype)
    tile_rows = np.arange(ROWS) * block

    for item in range(start, stop):
        n, rest = item // (bands * parts), item % (bands * parts)
        q0 = rest // parts * band_rows
        rows = min(band_rows, row_count - q0)
        part = rest % parts
        if inside:
            values = flat_source
            origin = ((n * height + q0 * source_row_step + low_row) * width + low_column) * channels
        else:
            values, origin = scratch, 0
            needed = (rows - 1) * source_row_step + tap_rows.max() - low_row + 1
            _copy_band(source, n, q0 * source_row_step + low_row, needed, low_column, columns, scratch)
        pixels = rows * column_count
        for pixel in range(pixels + ROWS):
            q, p = min(pixel, pixels - 1) // column_count, min(pixel, pixels - 1) % column_count
            read[pixel] = (q * source_row_step * pitch + p * source_column_step) * channels
            h, w = first_row + (q0 + q) * row_step, first_column + p * column_step
            written[pixel] = ((n * out_height + h) * out_width + w) * out_channels
        for b in range(part * blocks // parts, (part + 1) * blocks // parts):
            here = min(block, out_channels - b * block)
            narrow = 2 * here <= block
            for pixel in range(0, pixels, ROWS):
                whole = pixel + ROWS <= pixels and (here == block or 2 * here == block)
                if whole:
                    target, rows_out, s0 = flat_out[b * block :], written, pixel
                else:
                    target, rows_out, s0 = tile, tile_rows, 0
                panel = b * taps * products * block
                if narrow:
                    _product_narrow(
                        values, origin, read, pixel, tap_offsets, taps, products, packed, panel, bias, b * block,
                        target, rows_out, s0,
                    )  # fmt: skip
                else:
                    _product_wide(
                        values, origin, read, pixel, tap_offsets, taps, products, packed, panel, bias, b * block,
                        target, rows_out, s0,
                    )  # fmt: skip
                if not whole:
                    for i in range(min(ROWS, pixels - pixel)):
                        for j in range(here):
                            flat_out[written[pixel + i] + b * block + j] = tile[i * block + j]


def _pack_weight(weight: Array, strides: Any, taps: list[Tap], channels: tuple[int, int], block: int) -> Array:
    """See ``_pack``; ``taps`` are all of them, in order."""
    inputs, outputs = channels
    length = len(taps) * inputs
    blocks = -(-outputs // block)
    packed = empty((blocks * length * block,), weight.dtype)
    taps_r, taps_s = np.array([tap.r for tap in taps]), np.array([tap.s for tap in taps])
    arguments = (weight, strides, taps_r, taps_s, inputs, outputs, length, block, packed)
    parallel.run(_pack, blocks, max(1, 65536 // (length * block)), *arguments)
    return packed


def _bands(lattice_rows: int, row_bytes: int, images: int) -> int:
    """How many output rows a band has: what fits the cache, but some eight bands in all if there are rows for it."""
    fitting = max(1, _BAND_BYTES // row_bytes)
    return max(1, min(fitting, -(-lattice_rows * images // 8), lattice_rows))


def walk(
    source: Array,
    weight: Array,
    strides: tuple[int, int, int, int],
    taps: list[Tap],
    bias: Array | None,
    out: Array,
    down: Lattice,
    across: Lattice,
) -> None:
    """Write the lattice ``down`` x ``across`` of ``out``; see the top of the file.

    ``source`` and ``out`` are C-contiguous N,H,W,C; ``weight`` is flat, and ``strides`` say how far apart in it are
    output channels, input channels, rows and columns of the kernel.
    """
    images, _, _, inputs = source.shape
    outputs = out.shape[3]
    if not images * down.count * across.count:
        return
    block = VECTORS * lanes(source.itemsize)
    firsts, run = _merged(taps)
    ordered = sorted(taps, key=lambda tap: (tap.row, tap.column))
    packed = _pack_weight(weight, strides, ordered, (inputs, outputs), block)
    blocks = -(-outputs // block)
    start = np.zeros(blocks * block, source.dtype)
    if bias is not None:
        start[:outputs] = bias
    row_bytes = down.source_step * (across.count * across.source_step + run) * inputs * source.dtype.itemsize
    band_rows = _bands(down.count, row_bytes, images)
    bands = -(-down.count // band_rows)
    parts = min(blocks, -(-8 // (images * bands)))
    work = band_rows * across.count * len(taps) * inputs * outputs // parts
    parallel.run(
        _walk,
        images * bands * parts,
        max(1, _CHUNK_WORK // max(work, 1)),
        source,
        packed,
        start,
        out,
        (down.first, down.step, down.count, down.source_step),
        (across.first, across.step, across.count, across.source_step),
        np.array([tap.row for tap in firsts]),
        np.array([tap.column for tap in firsts]),
        run,
        block,
        bands,
        band_rows,
        parts,
    )
