"""Convolution, transposed convolution and matrix products as direct sums over pixels and taps.

All of them make, for a lattice of output pixels, the same kind of sum::

    out[n, h0 + q hs, w0 + p ws, :] = bias + sum_t  x[n, q rs + row_t, p cs + column_t, :] @ weight_t

A convolution writes every pixel (hs = 1) and reads with its stride (rs = stride, row_t = r dilation - padding). The
transposed one reads every pixel (rs = 1) and writes with its stride: the output falls into stride x stride lattices,
each of which meets only some of the taps; all of them are made from the same rows of the source while these are in
the cache. A matrix product is the case of one tap and an image of one row.

A block of ROWS pixels times two vectors of channels is summed in registers (``microkernel.gather_product``). The
band of source rows that a few output rows need is first copied into a border of zeros, small enough to stay in the
cache; where no tap leaves the image it is read in place. Where taps reach far beyond the image, as with a large
dilation, the lattice is cut into pieces so that each piece meets only the taps that are inside (``lattices.py``).

All that follows from shapes is in the plan (``plan.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime import parallel
from ..runtime.compiler import helper, kernel
from ..runtime.layout import Array
from ..runtime.memory import zeros
from ..runtime.processor import ROWS
from ..vector.microkernel import gather_product
from ..vector.simd import clear, copy_numbers
from .packing import pack
from .plan import Plan, piece_at


@helper
def _copy_band(x, n, top, rows, left, columns, band):
    """band[i, j, :] = x[n, top + i, left + j, :], and 0 outside the image; band is flat."""
    height, width, channels = x.shape[1:]
    flat = x.reshape(-1)
    inner_left, inner_right = max(0, -left), min(columns, width - left)
    for i in range(rows):
        line = i * columns * channels
        h = top + i
        if h < 0 or h >= height or inner_right <= inner_left:
            clear(band, line, columns * channels)
            continue
        clear(band, line, inner_left * channels)
        clear(band, line + inner_right * channels, (columns - inner_right) * channels)
        place = ((n * height + h) * width + left + inner_left) * channels
        copy_numbers(flat, place, band, line + inner_left * channels, (inner_right - inner_left) * channels)


@kernel
def _convolve(start, stop, x, packed, bias, lowest, out, schedule, pieces, taps, scratch):
    """Items: (image, band of output rows, part of the output channels).

    ``schedule``: the fields of a ``Schedule``; ``pieces`` and ``taps`` as in the plan. ``scratch`` holds the band.
    """
    steps, source_steps, block, bands, band_rows, parts = schedule
    height, width, channels = x.shape[1:]
    out_height, out_width, out_channels = out.shape[1:]
    blocks = (out_channels + block - 1) // block
    flat_x, flat_out = x.reshape(-1), out.reshape(-1)
    tap_rows, tap_columns, tap_panels = taps[:, 0], taps[:, 1], taps[:, 2].copy()

    # The rectangle of source pixels that is met from a band's first pixel on.
    low_row, low_column, high_row = tap_rows.min(), tap_columns.min(), tap_rows.max()
    columns, most, inside = 0, 0, low_row >= 0 and low_column >= 0
    for i in range(len(pieces)):
        piece = piece_at(pieces, i)
        for t in range(piece.first_tap, piece.first_tap + piece.taps):
            last_row = (piece.rows - 1) * source_steps[0] + tap_rows[t]
            end_column = (piece.columns - 1) * source_steps[1] + tap_columns[t] + piece.run
            inside = inside and last_row < height and end_column <= width
            columns = max(columns, end_column - low_column)
        most = max(most, band_rows * piece.columns)
    pitch = width if inside else columns
    tap_offsets = ((tap_rows - low_row) * pitch + tap_columns - low_column) * channels

    # For each pixel of a band where it is read and written; the last block of rows is filled up with its last pixel.
    read, written = np.empty(most + ROWS, np.int64), np.empty(most + ROWS, np.int64)
    for item in range(start, stop):
        n, rest = item // (bands * parts), item % (bands * parts)
        q0 = rest // parts * band_rows
        part = rest % parts
        top = q0 * source_steps[0] + low_row
        if inside:
            x_band, origin = flat_x, ((n * height + top) * width + low_column) * channels
        else:
            x_band, origin = scratch, 0
            needed = (band_rows - 1) * source_steps[0] + high_row - low_row + 1
            _copy_band(x, n, top, needed, low_column, columns, scratch)
        for i in range(len(pieces)):
            piece = piece_at(pieces, i)
            pixels = 0
            for q in range(q0, min(q0 + band_rows, piece.rows)):
                from_row, to_row = (q - q0) * source_steps[0] * pitch, n * out_height + piece.row + q * steps[0]
                for p in range(piece.columns):
                    read[pixels] = (from_row + p * source_steps[1]) * channels
                    written[pixels] = (to_row * out_width + piece.column + p * steps[1]) * out_channels
                    pixels += 1
            if pixels == 0:
                continue
            read[pixels : pixels + ROWS] = read[pixels - 1]
            written[pixels : pixels + ROWS] = written[pixels - 1]
            products = piece.run * channels
            for b in range(part * blocks // parts, (part + 1) * blocks // parts):
                panels = piece.weights + b * piece.panels * products * block
                gather_product(
                    x_band, origin, read, 0, pixels, tap_offsets, tap_panels, piece.first_tap, piece.taps, products,
                    packed, panels, bias, b * block, lowest, flat_out, b * block, written, 0,
                    min(block, out_channels - b * block),
                )  # fmt: skip


def convolve(
    plan: Plan | None,
    x: Array,
    weight: Array,
    bias: Array | None,
    out: Array,
    relu: bool = False,
    memo: dict[Any, Any] | None = None,
) -> None:
    """Write the lattices of ``out``; see the top of the file.

    ``x`` and ``out`` are C-contiguous N,H,W,C; ``weight`` is flat. Nothing is written without a plan.
    """
    if plan is None:
        return
    packed = None if memo is None else memo.get(plan.key)
    if packed is None:
        packed = pack(weight, plan.packing)
        if memo is not None:
            memo[plan.key] = packed
    outputs, block = plan.packing.outputs, plan.packing.block
    initial = zeros((-(-outputs // block) * block,), x.dtype)
    if bias is not None:
        initial[:outputs] = bias
    lowest = x.dtype.type(0 if relu else -np.inf)
    arguments = (x, packed, initial, lowest, out, tuple(plan.schedule), plan.pieces, plan.taps)
    parallel.run(_convolve, plan.items, plan.grain, *arguments, scratch=(plan.scratch, x.dtype))
