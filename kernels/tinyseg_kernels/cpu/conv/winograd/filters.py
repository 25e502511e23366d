"""The weight in Winograd's form, U = G g G^T, in the order in which the matrix products read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ...runtime import parallel
from ...runtime.compiler import helper, kernel
from ...runtime.layout import Array, Pair
from ...runtime.memory import empty
from ...runtime.processor import VECTORS, lanes
from ...vector.simd import load
from ...vector.transpose import transpose
from .tiles import frequency_stride
from .transforms import FREQUENCIES, store_six, weight_transform

# Channels whose weights are brought into vectors of output channels together.
CHANNELS_TOGETHER = 16


class Filter(NamedTuple):
    """How a flat 3x3 weight is read; a kernel's nine numbers stand side by side."""

    strides: Pair  # between output channels, and between input channels
    flipped: bool  # the filter is read from its last tap to its first
    channels: int
    outputs: int
    depth: int  # channels filled up to whole vectors


@helper
def block_columns(b, outputs, wide):
    """How wide block b of the output channels is: half as wide as others where half the vectors are enough."""
    return VECTORS * wide // 2 if 2 * (outputs - b * VECTORS * wide) <= VECTORS * wide else VECTORS * wide


@helper
def transform_block(weight, filter_, b, wide, target, begin, step, columns, g):
    """U[f, c, j] for block b of the output channels, at target[begin + f step + c columns + j]; 0 for c from
    ``channels`` to ``depth``.

    A part of the weight is first transposed into g[c, tap, j], since vectors hold neighbouring output channels, which
    lie far apart in it.
    """
    out_stride, in_stride = filter_.strides
    flipped, channels = filter_.flipped, filter_.channels
    here = min(columns, filter_.outputs - b * VECTORS * wide)
    if here < columns:
        g[:] = 0
    # A filter, or all filters of an output channel, lie side by side; a flipped one is written backwards.
    side_by_side = in_stride == 9 and not flipped
    for low in range(0, channels, CHANNELS_TOGETHER):
        high = min(low + CHANNELS_TOGETHER, channels)
        together = high - low if side_by_side else 1
        for c in range(low, high, together):
            for j in range(0, here, wide):
                source = (b * VECTORS * wide + j) * out_stride + c * in_stride
                for q in range(0, together * 9, wide):
                    place = (c - low) * 9 + (8 - q if flipped else q)
                    transpose(
                        weight, source + q, out_stride, min(wide, here - j),
                        g, place * columns + j, -columns if flipped else columns, min(wide, together * 9 - q),
                    )  # fmt: skip
        for c in range(low, high):
            for j in range(0, columns, wide):
                e = (c - low) * 9 * columns + j
                left = weight_transform(load(g, e), load(g, e + 3 * columns), load(g, e + 6 * columns))
                e += columns
                middle = weight_transform(load(g, e), load(g, e + 3 * columns), load(g, e + 6 * columns))
                e += columns
                right = weight_transform(load(g, e), load(g, e + 3 * columns), load(g, e + 6 * columns))
                o = begin + c * columns + j
                store_six(target, o, step, weight_transform(left[0], middle[0], right[0]))
                store_six(target, o + 6 * step, step, weight_transform(left[1], middle[1], right[1]))
                store_six(target, o + 12 * step, step, weight_transform(left[2], middle[2], right[2]))
                store_six(target, o + 18 * step, step, weight_transform(left[3], middle[3], right[3]))
                store_six(target, o + 24 * step, step, weight_transform(left[4], middle[4], right[4]))
                store_six(target, o + 30 * step, step, weight_transform(left[5], middle[5], right[5]))
    for f in range(FREQUENCIES):
        target[begin + f * step + channels * columns : begin + f * step + filter_.depth * columns] = 0


@kernel
def _transform(start, stop, weight, fields, wide, step, U, g):
    """U for all output channels, block by block. Items: blocks."""
    filter_ = Filter(*fields)
    for b in range(start, stop):
        columns = block_columns(b, filter_.outputs, wide)
        transform_block(weight, filter_, b, wide, U, b * FREQUENCIES * step, step, columns, g)


@dataclass(frozen=True)
class Weight:
    """A flat weight, how it is read, and where its U may be stored."""

    array: Array
    filter: Filter
    memo: dict[Any, Any] | None

    @property
    def step(self) -> int:
        """How far apart the frequencies of a block of U are."""
        wide = lanes(self.array.itemsize)
        return frequency_stride(self.filter.depth * VECTORS * wide, wide)

    def transformed(self) -> Array:
        """U for all channels, from the memo or made now."""
        filter_ = self.filter
        key = ("winograd", filter_.strides, filter_.channels, filter_.outputs, filter_.flipped)
        if self.memo is not None and key in self.memo:
            return self.memo[key]
        dtype, wide = self.array.dtype, lanes(self.array.itemsize)
        block = VECTORS * wide
        blocks = -(-filter_.outputs // block)
        U = empty((blocks * FREQUENCIES * self.step,), dtype)
        arguments = (self.array, tuple(filter_), wide, self.step, U)
        scratch = (CHANNELS_TOGETHER * 9 * block, dtype)
        parallel.run(_transform, blocks, max(1, 1024 // filter_.depth), *arguments, scratch=scratch)
        if self.memo is not None:
            self.memo[key] = U
        return U
