"""The weights of a direct convolution in the order in which its inner loop reads them.

For each lattice and block of output channels: [tap, input channel, output channel], zeros past the last channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..runtime import parallel
from ..runtime.compiler import kernel
from ..runtime.layout import Array, Pair
from ..runtime.memory import empty
from ..runtime.processor import VECTORS
from ..vector.simd import clear, load, store
from ..vector.transpose import transpose
from .lattices import Lattice

# Pieces of packing that there should be, so that many threads have some.
_ITEMS = 8


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


@dataclass(frozen=True)
class Packing:
    """How weights are packed: the arguments of ``_pack`` but for the weights, and ``size``, the packed numbers."""

    strides: Pair
    places: Array
    inputs: int
    outputs: int
    block: int
    parts: int
    items: int
    grain: int
    size: int


def packing(strides: tuple[int, int, int, int], lattices: Sequence[Lattice], channels: Pair, block: int) -> Packing:
    """How to pack the weights of the lattices, one after the other; ``channels``: inputs and outputs."""
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
    parts = min(inputs, -(-_ITEMS // blocks))
    grain = max(1, 65536 * blocks * parts // begin)
    return Packing(strides[:2], places, inputs, outputs, block, parts, blocks * parts, grain, begin)


def pack(weight: Array, how: Packing) -> Array:
    """The packed form of a flat weight."""
    packed = empty((how.size,), weight.dtype)
    arguments = (weight, how.strides, how.places, how.inputs, how.outputs, how.block, how.parts, packed)
    parallel.run(_pack, how.items, how.grain, *arguments, scratch=((how.block // VECTORS) ** 2, weight.dtype))
    return packed
