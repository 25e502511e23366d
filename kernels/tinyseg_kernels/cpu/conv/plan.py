"""The plan of a direct convolution: all that follows from shapes alone, made once for many calls."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..runtime.compiler import helper
from ..runtime.layout import Array, Pair
from ..runtime.processor import VECTORS, lanes
from .lattices import Cut, Lattice, Tap, cut, merge_runs
from .packing import Packing, packing

# What a band of source rows may take of the second-level cache, in bytes.
_BAND_BYTES = 192 * 1024
# Multiply-adds that are worth handing to a thread.
_CHUNK_WORK = 1 << 21


class Piece(NamedTuple):
    """A lattice, or a piece of one, for the kernel: a row of ``Plan.pieces``."""

    row: int  # of the first output pixel
    column: int
    rows: int
    columns: int
    first_tap: int  # its row in ``Plan.taps``
    taps: int
    run: int  # neighbouring source pixels that a tap reads as one run of products
    weights: int  # where its packed weights begin
    panels: int  # taps that the packed weights have for each block of output channels


@helper
def piece_at(pieces, i):
    """The piece in row i."""
    return Piece(
        pieces[i, 0], pieces[i, 1], pieces[i, 2], pieces[i, 3], pieces[i, 4], pieces[i, 5], pieces[i, 6],
        pieces[i, 7], pieces[i, 8],
    )  # fmt: skip


class Schedule(NamedTuple):
    """How the work is split into items (image, band of output rows, part of the output channels)."""

    steps: Pair  # between pixels of a lattice, in the output
    source_steps: Pair  # between the source pixels of these
    block: int  # output channels that are summed together
    bands: int  # of an image
    band_rows: int
    parts: int  # of the output channels


@dataclass(frozen=True)
class Plan:
    """All that follows from shapes alone.

    ``key`` tells packed forms of one weight apart. ``pieces``: a ``Piece`` a row; ``taps``: row, column and panel of
    each tap. ``items`` and ``grain`` are for ``parallel.run``; ``scratch``: numbers of a band of the source.
    """

    packing: Packing
    key: tuple[Any, ...]
    schedule: Schedule
    pieces: Array
    taps: Array
    items: int
    grain: int
    scratch: int


def _band_rows(lattice_rows: int, row_bytes: int, images: int) -> int:
    """How many output rows a band has: what fits the cache, but some eight bands in all if there are rows for it."""
    fitting = max(1, _BAND_BYTES // row_bytes)
    return max(1, min(fitting, -(-lattice_rows * images // 8), lattice_rows))


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
    table: list[Piece] = []
    taps: list[tuple[int, int, int]] = []
    begin = 0
    for lattice in present:
        firsts, run = merge_runs(lattice.taps)
        pieces = cut(lattice, (source[1], source[2]), steps, source_steps) if run == 1 else []
        for piece in pieces or [Cut(lattice.first, lattice.count, (0, 0), range(len(firsts)))]:
            table.append(Piece(*piece.first, *piece.count, len(taps), len(piece.taps), run, begin, len(firsts)))
            taps += [(firsts[i].row + piece.moved[0], firsts[i].column + piece.moved[1], i) for i in piece.taps]
        begin += len(lattice.taps) * inputs * blocks * block
    rows, columns = (max(lattice.count[i] for lattice in present) for i in (0, 1))
    tap_rows, tap_columns = [tap[0] for tap in taps], [tap[1] for tap in taps]
    width = (columns - 1) * source_steps[1] + max(tap_columns) - min(tap_columns) + max(piece.run for piece in table)
    band_rows = _band_rows(rows, source_steps[0] * width * inputs * itemsize, images)
    depth = (band_rows - 1) * source_steps[0] + max(tap_rows) - min(tap_rows) + 1
    bands = -(-rows // band_rows)
    parts = min(blocks, -(-8 // (images * bands)))
    work = band_rows * columns * sum(len(lattice.taps) for lattice in present) * inputs * outputs // parts
    return Plan(
        packing(strides, present, (inputs, outputs), block),
        ("direct", strides, inputs, outputs, tuple((tap.r, tap.s) for lattice in present for tap in lattice.taps)),
        Schedule(steps, source_steps, block, bands, band_rows, parts),
        np.array(table),
        np.array(taps),
        images * bands * parts,
        max(1, _CHUNK_WORK // max(work, 1)),
        depth * width * inputs,
    )


def _last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """N,H,W,C of N,C,H,W."""
    return shape[0], shape[2], shape[3], shape[1]


@functools.lru_cache(maxsize=1024)
def convolution_plan(
    x: tuple[int, ...],
    out: tuple[int, ...],
    weight: tuple[int, ...],
    strides: tuple[int, int, int, int],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    itemsize: int,
) -> Plan | None:
    """Of a convolution from x to out, N,C,H,W: one lattice, every pixel of the output."""
    taps = [
        Tap(r * dilation[0] - padding[0], s * dilation[1] - padding[1], r, s)
        for r in range(weight[2])
        for s in range(weight[3])
    ]
    pixels = Lattice((0, 0), (out[2], out[3]), taps)
    return plan(_last(x), _last(out), itemsize, strides, [pixels], (1, 1), stride)


def _phase(phase: int, size: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[int, int, Any]:
    """One dimension of the adjoint: the pixels h with (h + padding) % stride == phase, the first one and how many,
    and the taps they meet.

    Where h = i stride - padding + r dilation, so r dilation % stride == phase, the source is
    i = (h + padding) // stride - r dilation // stride.
    """
    first = (phase - padding) % stride
    count = max(0, -(-(size - first) // stride))
    origin = (first + padding) // stride
    taps = [(origin - r * dilation // stride, r) for r in range(kernel) if r * dilation % stride == phase]
    return first, count, taps


@functools.lru_cache(maxsize=1024)
def transposed_plan(
    y: tuple[int, ...],
    out: tuple[int, ...],
    weight: tuple[int, ...],
    strides: tuple[int, int, int, int],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    itemsize: int,
) -> tuple[Plan | None, list[Pair]]:
    """Stride x stride lattices, each with the taps that reach it; and the first pixels of those that none reaches."""
    down, across = (
        [_phase(phase, out[2 + i], weight[2 + i], stride[i], padding[i], dilation[i]) for phase in range(stride[i])]
        for i in (0, 1)
    )
    lattices, unmet = [], []
    for first_row, rows, row_taps in down:
        for first_column, columns, column_taps in across:
            taps = [Tap(row, column, r, s) for row, r in row_taps for column, s in column_taps]
            if taps:
                lattices.append(Lattice((first_row, first_column), (rows, columns), taps))
            else:  # a stride longer than the kernel
                unmet.append((first_row, first_column))
    return plan(_last(y), _last(out), itemsize, strides, lattices, stride, (1, 1)), unmet
