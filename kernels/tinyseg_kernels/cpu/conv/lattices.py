"""A convolution as lattices of output pixels that meet the same taps, and how a lattice is cut at the borders.

Where taps reach far beyond the image, as with a large dilation, a lattice is cut into pieces so that each piece meets
only the taps that are inside.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from ..runtime.layout import Pair

# A lattice is cut into pieces where these have less than this part of the work.
_WORTH_CUTTING = 0.8


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


@dataclass(frozen=True)
class Cut:
    """A piece of a lattice.

    ``first``, ``count``: its output pixels, as a lattice's. ``moved``: how far their source is moved from that of the
    lattice's first pixel. ``taps``: the numbers of the lattice's taps that it meets.
    """

    first: Pair
    count: Pair
    moved: Pair
    taps: Sequence[int]


def merge_runs(taps: Sequence[Tap]) -> tuple[list[Tap], int]:
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


def cut(lattice: Lattice, size: Pair, steps: Pair, source_steps: Pair) -> list[Cut]:
    """The lattice cut so that no piece meets taps outside the image; empty where too little is gained, or a pixel
    meets no tap at all.
    """
    rows, columns = (
        _intervals(lattice.count[i], source_steps[i], offsets, size[i])
        for i, offsets in enumerate(({tap.row for tap in lattice.taps}, {tap.column for tap in lattice.taps}))
    )
    pieces: list[Cut] = []
    work = 0
    for top, height, tap_rows in rows:
        for left, width, tap_columns in columns:
            met = [i for i, tap in enumerate(lattice.taps) if tap.row in tap_rows and tap.column in tap_columns]
            first = (lattice.first[0] + top * steps[0], lattice.first[1] + left * steps[1])
            pieces.append(Cut(first, (height, width), (top * source_steps[0], left * source_steps[1]), met))
            work += height * width * len(met)
    whole = lattice.count[0] * lattice.count[1] * len(lattice.taps)
    return pieces if work < _WORTH_CUTTING * whole and all(piece.taps for piece in pieces) else []
