"""Plans of convolutions: everything that their kernels need to know of shapes, as integers on the device.

A plan is made once for a shape and kept. What its numbers mean is said here; the kernels ``direct.py`` and
``weight_gradient.py`` read them.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from ..patterns.array import DeviceArray, from_numpy
from ..vector.instructions import inverse
from .tiles import Split, choose

Pair = tuple[int, int]

HEADER = 24  # numbers before the lattices
LATTICE = 8  # numbers of a lattice
NOWHERE = -(2**29)  # a row that is outside of every image, whatever is added
_DEEPEST = 16  # no tile is deeper: tables are filled up so that a whole slice can be read
_LARGEST = 2**31  # numbers are counted in 32 bits
_MARGIN = 1024  # no tile reaches further beyond the last pixel, channel or weight


@dataclass(frozen=True)
class Window:
    """A convolution from x (N,C,H,W) to y (N,O,H',W'), both sizes given, and its numbers; ``kind``: see ``TILES``."""

    x_shape: tuple[int, ...]
    y_shape: tuple[int, ...]
    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int
    kind: str

    def __post_init__(self) -> None:
        """Places in an image and in a weight, pixels, and rows are counted in 32 bits; ``ValueError`` for more."""
        for shape in (self.x_shape, self.y_shape):
            pixels = shape[0] * shape[2] * shape[3]
            if math.prod(shape[1:]) >= _LARGEST or pixels >= _LARGEST - _MARGIN:
                raise ValueError(f"convolution on a GPU: an array of shape {shape} has 2**31 or more elements in one"
                                 " image, or pixels in the batch; use smaller images or a smaller batch")  # fmt: skip
        inputs, outputs, taps = self.x_shape[1] // self.groups, self.y_shape[1], math.prod(self.kernel)
        # A table has four numbers for each pair of a channel of a group and a tap.
        table = 4 * max(inputs, outputs // self.groups) * taps
        if max(inputs * outputs * taps, table) >= _LARGEST - _MARGIN:
            raise ValueError(f"convolution on a GPU: a weight of shape {(outputs, inputs, *self.kernel)} is too"
                             " large, as places in it, and in tables made of it, are counted in 32 bits; use fewer"
                             " channels or a smaller kernel")  # fmt: skip
        down, across = (dilation * (size - 1) for dilation, size in zip(self.dilation, self.kernel, strict=True))
        padded = (size + 2 * padding for size, padding in zip(self.x_shape[2:], self.padding, strict=True))
        rows = max(*padded, *self.y_shape[2:], down, across)
        places = max(math.prod(shape[1:]) + down * shape[3] + across for shape in (self.x_shape, self.y_shape))
        if rows >= -NOWHERE or places >= _LARGEST:
            raise ValueError(f"convolution on a GPU: an array of shape {self.x_shape}, with padding {self.padding}"
                             f" and windows of {down + 1} x {across + 1} pixels, has more places than can be counted"
                             " in 32 bits; use smaller images, or less padding or dilation")  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """Of one kind of launch: blocks, and the integers on the device.

    Blocks are counted along one dimension of the grid, the only one that may have more than 65535: tile by tile, then
    part by part, lattice by lattice, and group by group.
    """

    split: Split
    blocks: int
    numbers: DeviceArray


@dataclass(frozen=True)
class Lattice:
    """Pixels first, first + step ... of the output along one dimension, ``count`` of them, and the taps they meet:
    the i-th pixel reads from i * source step + origin + offset, for each (offset, tap).
    """

    first: int
    count: int
    origin: int
    taps: tuple[tuple[int, int], ...]


def _every_pixel(count: int, kernel: int, padding: int, dilation: int) -> list[Lattice]:
    """Forward: one lattice, and every tap."""
    return [Lattice(0, count, -padding, tuple((r * dilation, r) for r in range(kernel)))]


def _remainders(size: int, kernel: int, stride: int, padding: int, dilation: int) -> list[Lattice]:
    """The adjoint: a lattice for each remainder of (h + padding) % stride that there is.

    From h = i stride - padding + r dilation follows that r dilation has the same remainder, and that the source is
    i = (h + padding) // stride - r dilation // stride.
    """
    lattices = []
    for remainder in range(stride):
        first = (remainder - padding) % stride
        count = max(0, -(-(size - first) // stride))
        taps = tuple((-(r * dilation // stride), r) for r in range(kernel) if r * dilation % stride == remainder)
        if count:
            lattices.append(Lattice(first, count, (first + padding) // stride, taps))
    return lattices


def _on_device(header: list[int], *tables: np.ndarray) -> DeviceArray:
    numbers = np.concatenate([np.array(header, np.int64), *map(np.ravel, tables)])
    if numbers.size and (numbers.max() >= _LARGEST or numbers.min() < -_LARGEST):
        raise ValueError("convolution on a GPU: a number of its plan has more than 32 bits; use smaller arrays")
    return from_numpy(numbers.astype(np.int32))


@functools.lru_cache(maxsize=1024)
def convolution(window: Window, adjoint: bool) -> Plan:
    """The plan of ``conv2d``, or of ``conv_transpose2d``."""
    (taps_down, taps_across), groups = window.kernel, window.groups
    taps = taps_down * taps_across
    source, out = (window.y_shape, window.x_shape) if adjoint else (window.x_shape, window.y_shape)
    images, channels, height, width = source
    inputs, outputs = channels // groups, out[1] // groups  # of a group
    if adjoint:
        rows, columns = (
            _remainders(out[2 + d], window.kernel[d], window.stride[d], window.padding[d], window.dilation[d])
            for d in (0, 1)
        )
        weight_row, weight_k = taps, outputs * taps  # weight[k's channel, m, tap]
        out_step, source_step = window.stride, (1, 1)
    else:
        rows, columns = (
            _every_pixel(out[2 + d], window.kernel[d], window.padding[d], window.dilation[d]) for d in (0, 1)
        )
        weight_row, weight_k = inputs * taps, taps  # weight[m, k's channel, tap]
        out_step, source_step = (1, 1), window.stride
    lattices = [(row, column) for row in rows for column in columns]
    terms = [inputs * len(row.taps) * len(column.taps) for row, column in lattices]
    pixels = max(images * row.count * column.count for row, column in lattices)
    split = choose(window.kind, outputs, pixels, max(terms), groups * len(lattices))
    row_tiles = -(-outputs // split.tile.rows)
    tiles = row_tiles * -(-pixels // split.tile.columns)

    entries = []
    descriptions = []
    at = HEADER + LATTICE * len(lattices)
    for (row, column), count in zip(lattices, terms, strict=True):
        descriptions.append([at, count, row.count, column.count, row.origin, column.origin, row.first, column.first])
        found = [
            (
                channel * weight_k + r * taps_across + s,
                channel * height * width + down * width + across,
                down,
                across,
            )
            for channel in range(inputs)
            for down, r in row.taps
            for across, s in column.taps
        ]
        filled = -(-count // _DEEPEST) * _DEEPEST
        table = np.full((filled, 4), (0, 0, NOWHERE, 0), np.int64)
        table[:count] = np.array(found).reshape(-1, 4)
        entries.append(table)
        at += 4 * filled
    header = [
        images,
        channels * height * width,
        inputs * height * width,
        height,
        width,
        outputs,
        out[1],
        weight_row,
        window.y_shape[1] // groups * (window.x_shape[1] // groups) * taps,
        out[2],
        out[3],
        *out_step,
        *source_step,
        row_tiles,
        split.parts,
        int(len(lattices) == 1 and out_step == (1, 1) and out[2] * out[3] % split.tile.vector == 0),
        math.prod(out) if split.parts > 1 else 0,
        tiles,
        len(lattices),
        0,
        0,
        0,
    ]  # fmt: skip
    blocks = tiles * split.parts * len(lattices) * groups
    return Plan(split, blocks, _on_device(header, np.array(descriptions), *entries))


@functools.lru_cache(maxsize=1024)
def weight_gradient(window: Window) -> Plan:
    """The plan of ``conv2d_weight_gradient``."""
    images, channels, height, width = window.x_shape
    _, outputs, out_rows, out_columns = window.y_shape
    taps_down, taps_across = window.kernel
    inputs, group_outputs = channels // window.groups, outputs // window.groups
    results, pixels = inputs * taps_down * taps_across, images * out_rows * out_columns
    split = choose(window.kind, group_outputs, results, pixels, window.groups)
    row_tiles = -(-group_outputs // split.tile.rows)
    tiles = row_tiles * -(-results // split.tile.columns)
    channel, r, s = np.indices((inputs, taps_down, taps_across))
    down, across = r * window.dilation[0], s * window.dilation[1]
    table = np.stack([(channel * height + down) * width + across, down, across, 0 * r], -1)
    header = [
        channels * height * width,
        inputs * height * width,
        height,
        width,
        group_outputs,
        outputs,
        results,
        out_rows * out_columns,
        out_columns,
        pixels,
        *window.stride,
        *window.padding,
        *inverse(out_rows * out_columns),
        *inverse(out_columns),
        row_tiles,
        split.parts,
        24,  # where the table begins
        tiles,
        0,
        0,
    ]
    blocks = tiles * split.parts * window.groups
    return Plan(split, blocks, _on_device(header, table))
