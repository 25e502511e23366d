"""Convolution, transposed convolution and matrix products as one walk over pixels and taps.

All of them make, for a lattice of output pixels, the same kind of sum::

    out[n, h0 + q hs, w0 + p ws, :] = bias + sum_t  source[n, q rs + row_t, p cs + column_t, :] @ weight_t

A convolution writes every pixel (hs = 1) and reads with its stride (rs = stride, row_t = r dilation - padding). The
transposed one reads every pixel (rs = 1) and writes with its stride: the output falls into stride x stride lattices,
each of which meets only some of the taps; all of them are made from the same rows of the source while these are in
the cache. A matrix product is the case of one tap and an image of one row.

A block of ROWS pixels times two vectors of channels is summed in registers (``microkernel.gather_product``). The
band of source rows that a few output rows need is first copied into a border of zeros, small enough to stay in the
cache; where no tap leaves the image it is read in place. Where taps reach far beyond the image, as with a large
dilation, the lattice is cut into pieces so that each piece meets only the taps that are inside.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..runtime import parallel
from ..runtime.compiler import helper, kernel
from ..runtime.layout import Array, Pair
from ..runtime.memory import empty, zeros
from ..runtime.processor import ROWS, VECTORS, lanes
from ..vector.microkernel import gather_product
from ..vector.simd import clear, copy_numbers, load, store
from ..vector.transpose import transpose

# What a band of source rows may take of the second-level cache, in bytes.
_BAND_BYTES = 192 * 1024
# A lattice is cut into pieces where these have less than this part of the work.
_WORTH_CUTTING = 0.8
# Multiply-adds that are worth handing to a thread.
_CHUNK_WORK = 1 << 21
# Pieces of packing that there should be, so that many threads have some.
_PACKING_ITEMS = 8


@dataclass(frozen=True)
class Tap:
    """Source pixel (relative to the lattice's) and the place in the weight of what it is multiplied with."""

    row: int
    column: int
    r: int
    s: int


@dataclass(frozen=True)
class Lattice:
    """Output pixels (first[0] + q steps[0], first[1] + p steps[1]) for q, p below count, and the taps they meet."""

    first: Pair
    count: Pair
    taps: Sequence[Tap]


def _merged(taps: Sequence[Tap]) -> tuple[list[Tap], int]:
    """The first taps of runs of neighbours in a row, and the length of the runs; ``taps`` are in order.

    Channels of neighbouring pixels lie side by side, so a run of taps is one longer run of products: a first layer
    with 3 channels and a 3x3 kernel sums 9 numbers at a time instead of 3.
    """
    width = sum(tap.row == taps[0].row for tap in taps)
    runs = [taps[i : i + width] for i in range(0, len(taps), width)]
    for run in runs:
        if [(tap.row, tap.column) for tap in run] != [(run[0].row, run[0].column + i) for i in range(width)]:
            return list(taps), 1
    return [run[0] for run in runs], width


@kernel
def _pack(start, stop, weight, strides, places, channels, outputs, block, parts, packed, square):
    """For each lattice and block of output channels the weights in order of use: [(t, c), j], and 0 past the last.

    Items: (block of output channels, part of the input channels). The last block is half as wide where half the
    vectors are enough. ``places``: for each place of the kernel where the panels of its lattice begin, how many
    numbers those of one block are, and which of them is its own; -1 if no lattice meets it. ``square``: room for
    lanes x lanes numbers.
    """
    out_stride, in_stride = strides
    count, wide = len(places), block // VECTORS
    panels, where = np.empty(count, np.int64), np.empty(wide, np.int64)
    for item in range(start, stop):
        b, part = item // parts, item % parts
        low, high = part * channels // parts, (part + 1) * channels // parts
        here = min(block, outputs - b * block)
        panel = wide if here <= wide else block
        # Numbers that lie side by side: a filter, or all filters of an output channel.
        together = high - low if in_stride == count else 1
        for j in range(0, panel, wide):
            rows = min(wide, here - j)
            if rows < wide:
                clear(square, 0, wide * wide)
            for t in range(count):
                begin, size, order = places[t]
                panels[t] = -1 if order < 0 else begin + b * size + order * channels * panel + j
            for c in range(low, high, together):
                first = c * in_stride + (b * block + j) * out_stride
                if out_stride == 1 and rows == wide:  # they are in order already
                    store(packed, panels[0] + c * panel, load(weight, first))
                    continue
                channel, t = c, 0
                for q in range(0, together * count, wide):
                    columns = min(wide, together * count - q)
                    for i in range(columns):
                        where[i] = -1 if panels[t] < 0 else panels[t] + channel * panel
                        t += 1
                        if t == count:
                            channel, t = channel + 1, 0
                    transpose(weight, first + q, out_stride, rows, square, 0, wide, columns)
                    for i in range(columns):
                        if where[i] >= 0:
                            store(packed, where[i], load(square, i * wide))


@helper
def _copy_band(source, n, top, rows, left, columns, band):
    """band[i, j, :] = source[n, top + i, left + j, :], and 0 outside the image; band is flat."""
    height, width, channels = source.shape[1:]
    flat = source.reshape(-1)
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
def _walk(
    start, stop, source, packed, bias, low, out, steps, source_steps, lattices, taps, block, bands, band_rows, parts,
    scratch,
):  # fmt: skip
    """Items: (image, band of output rows, part of the output channels).

    ``lattices``: for each its first row and column, rows and columns, first tap and their number, run, where its
    packed weights begin and how many panels a block of them has; ``taps``: row, column and panel of each. ``scratch``
    holds the band.
    """
    height, width, channels = source.shape[1:]
    out_height, out_width, out_channels = out.shape[1:]
    blocks = (out_channels + block - 1) // block
    flat_source, flat_out = source.reshape(-1), out.reshape(-1)

    # The rectangle of source pixels that is met from a band's first pixel on.
    low_row, low_column, high_row = taps[:, 0].min(), taps[:, 1].min(), taps[:, 0].max()
    columns, most, inside = 0, 0, low_row >= 0 and low_column >= 0
    for lattice in lattices:
        for t in range(lattice[4], lattice[4] + lattice[5]):
            last_row = (lattice[2] - 1) * source_steps[0] + taps[t, 0]
            end_column = (lattice[3] - 1) * source_steps[1] + taps[t, 1] + lattice[6]
            inside = inside and last_row < height and end_column <= width
            columns = max(columns, end_column - low_column)
        most = max(most, band_rows * lattice[3])
    pitch = width if inside else columns
    tap_panels = taps[:, 2].copy()
    tap_offsets = ((taps[:, 0] - low_row) * pitch + taps[:, 1] - low_column) * channels

    # For each pixel of a band where it is read and written; the last block of rows is filled up with its last pixel.
    read, written = np.empty(most + ROWS, np.int64), np.empty(most + ROWS, np.int64)
    for item in range(start, stop):
        n, rest = item // (bands * parts), item % (bands * parts)
        q0 = rest // parts * band_rows
        part = rest % parts
        top = q0 * source_steps[0] + low_row
        if inside:
            values, origin = flat_source, ((n * height + top) * width + low_column) * channels
        else:
            values, origin = scratch, 0
            needed = (band_rows - 1) * source_steps[0] + high_row - low_row + 1
            _copy_band(source, n, top, needed, low_column, columns, scratch)
        for lattice in lattices:
            pixels = 0
            for q in range(q0, min(q0 + band_rows, lattice[2])):
                from_row, to_row = (q - q0) * source_steps[0] * pitch, n * out_height + lattice[0] + q * steps[0]
                for p in range(lattice[3]):
                    read[pixels] = (from_row + p * source_steps[1]) * channels
                    written[pixels] = (to_row * out_width + lattice[1] + p * steps[1]) * out_channels
                    pixels += 1
            if pixels == 0:
                continue
            read[pixels : pixels + ROWS] = read[pixels - 1]
            written[pixels : pixels + ROWS] = written[pixels - 1]
            first_tap, count, run = lattice[4], lattice[5], lattice[6]
            products = run * channels
            for b in range(part * blocks // parts, (part + 1) * blocks // parts):
                panels = lattice[7] + b * lattice[8] * products * block
                gather_product(
                    values, origin, read, 0, pixels, tap_offsets, tap_panels, first_tap, count, products, packed,
                    panels, bias, b * block, low, flat_out, b * block, written, 0,
                    min(block, out_channels - b * block),
                )  # fmt: skip


@dataclass(frozen=True)
class _Packing:
    """How weights are packed: what ``_pack`` wants to know beside them, and how many numbers come of it."""

    strides: Pair
    places: Array
    inputs: int
    outputs: int
    block: int
    parts: int
    items: int
    grain: int
    size: int


def _packing(strides: tuple[int, int, int, int], lattices: Sequence[Lattice], channels: Pair, block: int) -> _Packing:
    """One lattice after the other."""
    inputs, outputs = channels
    blocks = -(-outputs // block)
    rows, columns = (max(getattr(tap, which) for lattice in lattices for tap in lattice.taps) + 1 for which in "rs")
    places = np.full((max(rows * strides[2], columns), 3), -1)
    begin = 0
    for lattice in lattices:
        size = len(lattice.taps) * inputs * block
        for order, tap in enumerate(lattice.taps):
            places[tap.r * strides[2] + tap.s * strides[3]] = begin, size, order
        begin += blocks * size
    parts = min(inputs, -(-_PACKING_ITEMS // blocks))
    grain = max(1, 65536 * blocks * parts // begin)
    return _Packing(strides[:2], places, inputs, outputs, block, parts, blocks * parts, grain, begin)


def _packed(weight: Array, how: _Packing) -> Array:
    packed = empty((how.size,), weight.dtype)
    arguments = (weight, how.strides, how.places, how.inputs, how.outputs, how.block, how.parts, packed)
    parallel.run(_pack, how.items, how.grain, *arguments, scratch=((how.block // VECTORS) ** 2, weight.dtype))
    return packed


def _intervals(count: int, step: int, offsets: set[int], size: int) -> list[tuple[int, int, set[int]]]:
    """The places q below ``count`` in runs that meet the same offsets: (first, how many, offsets).

    Those met are 0 <= q step + offset < size.
    """
    ends = {0, count}
    for offset in offsets:
        ends |= {min(max(-(offset // step), 0), count), min(max((size - 1 - offset) // step + 1, 0), count)}
    cuts = sorted(ends)
    return [
        (first, end - first, {offset for offset in offsets if 0 <= first * step + offset < size})
        for first, end in itertools.pairwise(cuts)
    ]


Piece = tuple[Pair, Pair, Pair, Sequence[int]]


def _pieces(lattice: Lattice, size: Pair, steps: Pair, source_steps: Pair) -> list[Piece]:
    """The lattice cut so that no piece meets taps outside the image: (first, count, how far its taps are moved, their
    numbers). None where too little is gained, or a pixel meets no tap at all.
    """
    rows, columns = (
        _intervals(lattice.count[i], source_steps[i], offsets, size[i])
        for i, offsets in enumerate(({tap.row for tap in lattice.taps}, {tap.column for tap in lattice.taps}))
    )
    pieces: list[Piece] = []
    work = 0
    for top, height, tap_rows in rows:
        for left, width, tap_columns in columns:
            met = [i for i, tap in enumerate(lattice.taps) if tap.row in tap_rows and tap.column in tap_columns]
            first = (lattice.first[0] + top * steps[0], lattice.first[1] + left * steps[1])
            pieces.append((first, (height, width), (top * source_steps[0], left * source_steps[1]), met))
            work += height * width * len(met)
    whole = lattice.count[0] * lattice.count[1] * len(lattice.taps)
    return pieces if work < _WORTH_CUTTING * whole and all(piece[3] for piece in pieces) else []


def _bands(lattice_rows: int, row_bytes: int, images: int) -> int:
    """How many output rows a band has: what fits the cache, but some eight bands in all if there are rows for it."""
    fitting = max(1, _BAND_BYTES // row_bytes)
    return max(1, min(fitting, -(-lattice_rows * images // 8), lattice_rows))


@dataclass(frozen=True)
class Plan:
    """All that follows from shapes alone: it is made once, and ``walk`` is called with it again and again.

    ``key`` tells packed forms of one weight apart; the rest is what ``_walk`` wants to know.
    """

    packing: _Packing
    key: tuple[Any, ...]
    steps: Pair
    source_steps: Pair
    lattices: Array
    taps: Array
    bands: int
    band_rows: int
    parts: int
    items: int
    grain: int
    scratch: int


def plan(
    source: tuple[int, ...],
    out: tuple[int, ...],
    itemsize: int,
    strides: tuple[int, int, int, int],
    lattices: Sequence[Lattice],
    steps: Pair,
    source_steps: Pair,
) -> Plan | None:
    """How to write the ``lattices`` of an output of shape ``out`` from a source, both N,H,W,C; None for no pixels.

    ``strides``: how far apart in the weight are output channels, input channels, rows and columns of the kernel;
    numbers of a kernel stand side by side. Every lattice meets a tap.
    """
    images, _, _, inputs = source
    outputs = out[3]
    present = [
        Lattice(lattice.first, lattice.count, sorted(lattice.taps, key=lambda tap: (tap.row, tap.column)))
        for lattice in lattices
        if min(lattice.count) > 0
    ]
    if not images or not present:
        return None
    block = VECTORS * lanes(itemsize)
    blocks = -(-outputs // block)
    table: list[tuple[int, ...]] = []
    taps: list[tuple[int, int, int]] = []
    begin = 0
    for lattice in present:
        firsts, run = _merged(lattice.taps)
        pieces = _pieces(lattice, (source[1], source[2]), steps, source_steps) if run == 1 else []
        for piece in pieces or [(lattice.first, lattice.count, (0, 0), range(len(firsts)))]:
            first, count, moved, numbers = piece
            table.append((*first, *count, len(taps), len(numbers), run, begin, len(firsts)))
            taps += [(firsts[i].row + moved[0], firsts[i].column + moved[1], i) for i in numbers]
        begin += len(lattice.taps) * inputs * blocks * block
    rows, columns = (max(lattice.count[i] for lattice in present) for i in (0, 1))
    low, high = min(tap[1] for tap in taps), max(tap[1] for tap in taps) + max(line[6] for line in table)
    width = (columns - 1) * source_steps[1] + high - low
    band_rows = _bands(rows, source_steps[0] * width * inputs * itemsize, images)
    depth = (band_rows - 1) * source_steps[0] + max(tap[0] for tap in taps) - min(tap[0] for tap in taps) + 1
    bands = -(-rows // band_rows)
    parts = min(blocks, -(-8 // (images * bands)))
    work = band_rows * columns * sum(len(lattice.taps) for lattice in present) * inputs * outputs // parts
    return Plan(
        _packing(strides, present, (inputs, outputs), block),
        ("walk", strides, inputs, outputs, tuple((tap.r, tap.s) for lattice in present for tap in lattice.taps)),
        steps,
        source_steps,
        np.array(table),
        np.array(taps),
        bands,
        band_rows,
        parts,
        images * bands * parts,
        max(1, _CHUNK_WORK // max(work, 1)),
        depth * width * inputs,
    )


def walk(
    how: Plan | None,
    source: Array,
    weight: Array,
    bias: Array | None,
    out: Array,
    relu: bool = False,
    memo: dict[Any, Any] | None = None,
) -> None:
    """Write the lattices of ``out``; see the top of the file.

    ``source`` and ``out`` are C-contiguous N,H,W,C; ``weight`` is flat.
    """
    if how is None:
        return
    packed = None if memo is None else memo.get(how.key)
    if packed is None:
        packed = _packed(weight, how.packing)
        if memo is not None:
            memo[how.key] = packed
    outputs, block = how.packing.outputs, how.packing.block
    start = zeros((-(-outputs // block) * block,), source.dtype)
    if bias is not None:
        start[:outputs] = bias
    low = source.dtype.type(0 if relu else -np.inf)
    lattices = (how.steps, how.source_steps, how.lattices, how.taps)
    arguments = (source, packed, start, low, out, *lattices, block, how.bands, how.band_rows, how.parts)
    parallel.run(_walk, how.items, how.grain, *arguments, scratch=(how.scratch, source.dtype))
