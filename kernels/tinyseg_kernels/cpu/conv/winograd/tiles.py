"""Tiles of 4x4 outputs, their places in the images, and the transform of their inputs.

A dilated convolution is d x d ordinary ones: the pixels whose row and column leave the same rest by d form an
image of their own, and tiles are cut from these interleaved grids.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...runtime import parallel
from ...runtime.compiler import helper, kernel
from ...runtime.layout import Array, Pair
from ...runtime.processor import lanes
from ...vector.simd import load_first, splat, store
from .transforms import FREQUENCIES, transform_patch

# What the transformed tiles of a block may take together: half of a second-level cache, which other numbers need too.
BLOCK_BYTES = 512 * 1024

# Kernels get the fields of the named tuples below as plain tuples, which Numba passes faster, and name them again.


class Tiling(NamedTuple):
    """The tiles of each interleaved grid, downwards and across, and the window of the convolution."""

    rows: int
    columns: int
    padding: Pair
    dilation: Pair


class Strides(NamedTuple):
    """How transformed tiles lie in memory: V[f, tile, c] at f * frequency + tile * tile + c; in elements."""

    frequency: int
    tile: int


def round_up(channels: int, wide: int) -> int:
    """The room that channels take where they fill whole vectors of ``wide`` numbers."""
    return -(-channels // wide) * wide


def frequency_stride(count: int, wide: int) -> int:
    """How far apart in memory the frequencies are, for ``count`` numbers each: an odd number of vectors.

    The transforms write to 36 places at once; a power of two would put them all into one set of the cache.
    """
    return (count // wide | 1) * wide


def strides_of(tiles: int, channels: int, wide: int) -> Strides:
    """Of transformed tiles; ``channels`` is the room for channels."""
    return Strides(frequency_stride(tiles * channels, wide), channels)


def tiling(size: Pair, padding: Pair, dilation: Pair) -> Tiling:
    """The tiling of outputs of that height and width."""
    rows, columns = -(-size[0] // dilation[0]), -(-size[1] // dilation[1])
    return Tiling(-(-rows // 4), -(-columns // 4), padding, dilation)


def count_tiles(images: int, size: Pair, dilation: Pair) -> int:
    """The number of tiles that cover images of that size."""
    tiles = tiling(size, (0, 0), dilation)
    return images * dilation[0] * dilation[1] * tiles.rows * tiles.columns


def pixels_of(marks: Array, images: int, size: Pair, dilation: Pair) -> Array:
    """Which pixels belong to marked tiles: (N,H,W) booleans, for images of that height and width."""
    (rows, columns, *_), (height, width) = tiling(size, (0, 0), dilation), size
    by_tile = marks.reshape(images, *dilation, rows, columns)
    h, w = np.arange(height)[:, None], np.arange(width)
    within = h // dilation[0] // 4, w // dilation[1] // 4
    pixels: Array = by_tile[:, h % dilation[0], w % dilation[1], within[0], within[1]]
    return pixels


@helper
def _tile(number, tiling):
    """Which image, interleaved grid and tile: (n, a, b, i, j)."""
    rest, j = number // tiling.columns, number % tiling.columns
    rest, i = rest // tiling.rows, rest % tiling.rows
    rest, b = rest // tiling.dilation[1], rest % tiling.dilation[1]
    return rest // tiling.dilation[0], rest % tiling.dilation[0], b, i, j


@helper
def tile_corner(number, tiling):
    """Image, and the output pixel at the upper left: (n, top, left)."""
    n, a, b, i, j = _tile(number, tiling)
    return n, a + 4 * i * tiling.dilation[0], b + 4 * j * tiling.dilation[1]


@helper
def copy_patch(flat, n, height, width, channels, top, left, dilation, size, c, wide, patch):
    """patch[p, q, :wide] = image n at [top + p dh, left + q dw, c : c + wide], 0 where there is none."""
    zero = splat(flat.dtype.type(0))
    for p in range(size):
        h = top + p * dilation[0]
        for q in range(size):
            w = left + q * dilation[1]
            place = (p * size + q) * wide
            if 0 <= h < height and 0 <= w < width:
                store(patch, place, load_first(flat, ((n * height + h) * width + w) * channels + c, channels - c))
            else:
                store(patch, place, zero)


@helper
def transform_inputs(x, first, count, place, strides, tiling, wide, V, patch):
    """V[f, place + t, c] = (B^T d B)[f] for ``count`` tiles from ``first`` on."""
    padding, dilation = tiling.padding, tiling.dilation
    height, width, channels = x.shape[1:]
    flat = x.reshape(-1)
    row, column = dilation[0] * width * channels, dilation[1] * channels
    for t in range(count):
        n, top, left = tile_corner(first + t, tiling)
        top, left = top - padding[0], left - padding[1]
        whole = top >= 0 and left >= 0 and top + 5 * dilation[0] < height and left + 5 * dilation[1] < width
        begin = ((n * height + top) * width + left) * channels
        for c in range(0, channels, wide):
            e = (place + t) * strides.tile + c
            if whole and c + wide <= channels:
                transform_patch(flat, begin + c, row, column, V, e, strides.frequency)
            else:
                copy_patch(flat, n, height, width, channels, top, left, dilation, 6, c, wide, patch)
                transform_patch(patch, 0, 6 * wide, wide, V, e, strides.frequency)


@kernel
def _transform_all(start, stop, x, first, count, strides, tiling, grain, wide, V):
    """V of tiles first .. first + count. Items: ``grain`` tiles."""
    places, tiles = Strides(*strides), Tiling(*tiling)
    patch = np.empty(FREQUENCIES * wide, x.dtype)
    for item in range(start, stop):
        t = item * grain
        here = min(grain, count - t)
        transform_inputs(x, first + t, here, t, places, tiles, wide, V, patch)


def transform_all(x: Array, first: int, count: int, strides: Strides, tiling: Tiling, V: Array) -> None:
    """V of ``count`` tiles from ``first`` on, of x (N,H,W,C)."""
    grain = max(1, 2048 // strides.tile)
    arguments = (x, first, count, tuple(strides), tuple(tiling), grain, lanes(x.itemsize), V)
    parallel.run(_transform_all, -(-count // grain), 1, *arguments)
