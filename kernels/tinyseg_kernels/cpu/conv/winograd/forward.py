"""3x3 convolution with stride 1 by Winograd's minimal filtering F(4x4, 3x3): a quarter of the multiplications.

Source: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4. Four outputs of a
filter of three taps can be had with six multiplications instead of twelve:

    y = A^T [(G g) * (B^T d)]        d: 6 inputs, g: 3 taps, y: 4 outputs, * element by element

and a 4x4 patch of outputs from a 6x6 patch of inputs with 36 instead of 144, applying each matrix to columns and to
rows. B^T d B and A^T m A are additions and multiplications by small numbers; what remains, summed over channels, is
a matrix product for each of the 36 places (called frequencies here, as the transform is much like a Fourier one):

    1. V[f, tile, c] = (B^T d B)[f]              each tile's 6x6 patch of each input channel
    2. M[f, tile, k] = sum_c V[f, tile, c] U[f, c, k]      36 matrix products, U = G g G^T made beforehand
    3. y = A^T M A, four by four pixels of each output channel

Where U is small, a block of tiles goes through all three steps before the next one, so that V and M stay in the
second-level cache beside U. Where channels are many, U is the largest of the three (36/9 times the weight), and it is
U that must not travel: V is made for all tiles first, then for each block of output channels its part of U is made,
used for all tiles, and forgotten.

The input gradient is the same with the filter flipped. The weight gradient runs the transforms backwards (the adjoint
of y(g) above):  dg = G^T [sum over tiles (B^T d B) * (A dy A^T)] G.

The factors of A reach 8, so results lose about a digit against a direct sum: the error grows with the largest value
of a tile's patch, not with the values that an output depends on.

A NaN, an infinity or an overflow anywhere in a patch makes outputs of the whole tile non-finite, also those that do
not depend on it. Such tiles are marked, at the cost of an addition for each output, and the caller computes them
directly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...runtime import parallel
from ...runtime.compiler import helper, kernel
from ...runtime.layout import Array, Pair
from ...runtime.memory import empty, zeros
from ...runtime.processor import ROWS, VECTORS, lanes
from ...vector.microkernel import gather_product
from ...vector.simd import any_nan, at_least, fma, load, splat, store, store_first
from .filters import CHANNELS_TOGETHER, Filter, Weight, block_columns, transform_block
from .tiles import (
    BLOCK_BYTES,
    Strides,
    Tiling,
    count_tiles,
    frequency_stride,
    round_up,
    strides_of,
    tile_corner,
    tiling,
    transform_all,
    transform_inputs,
)
from .transforms import FREQUENCIES, output_column

# Up to here U is read again for each block of tiles.
_SMALL_BYTES = 3 << 20
# What V may take where it is made for many tiles at once.
_STAGED_BYTES = 8 << 20
# Tiles whose products with a part of U are made before they are transformed.
_TILES_TOGETHER = 8 * ROWS


class Output(NamedTuple):
    """Where the results of step 3 go: pixels = max(lowest, bias + A^T M A)."""

    pixels: Array  # (N,H,W,K)
    bias: Array  # zeros where there is none, and up to a whole block of channels
    lowest: Any  # a number of the arrays' type: 0 for a ReLU, -inf for none
    marks: Array  # of each tile: True where A^T M A is not finite


class Split(NamedTuple):
    """How the tiles are split, and where the numbers of the three steps lie."""

    first: int  # the first tile
    tiles: int  # from there on
    block: int  # tiles that go through a step together
    parts: int  # of the tiles, for more items
    wide: int  # numbers of a vector
    v: tuple[int, ...]  # the fields of V's ``Strides``
    m: tuple[int, ...]  # of M's
    u: int  # how far apart the frequencies of a block of U are


@helper
def _transform_outputs(M, strides, first, count, k0, k1, tiling, output, wide, d):
    """Step 3 for ``count`` tiles and the output channels from k0 to k1, as far as they lie in the image.

    M[f, t, 0] is for the channel k0; ``d``: room for 24 vectors.
    """
    dilation, (height, width, channels) = tiling.dilation, output.pixels.shape[1:]
    flat = output.pixels.reshape(-1)
    lowest, zero = splat(output.lowest), splat(output.pixels.dtype.type(0))
    right, down = dilation[1] * channels, dilation[0] * width * channels
    step = strides.frequency
    for t in range(count):
        n, top, left = tile_corner(first + t, tiling)
        if top >= height or left >= width:
            continue  # a smaller grid than the largest of a dilation: its last tile may have no pixel at all
        columns = (width - left + dilation[1] - 1) // dilation[1]
        rows = min(4, (height - top + dilation[0] - 1) // dilation[0])
        bad = zero
        for k in range(k0, k1, wide):
            bias = load(output.bias, k)
            e = t * strides.tile + k - k0
            for q in range(6):
                y = output_column(M, e + q * step, 6 * step)
                store(d, q * wide, y[0])
                store(d, (6 + q) * wide, y[1])
                store(d, (12 + q) * wide, y[2])
                store(d, (18 + q) * wide, y[3])
            place = ((n * height + top) * width + left) * channels + k
            for p in range(rows):
                y = output_column(d, p * 6 * wide, wide)
                bad = fma(zero, (y[0] + y[1]) + (y[2] + y[3]), bad)  # 0 times infinity is NaN, too
                y0, y1 = at_least(y[0] + bias, lowest), at_least(y[1] + bias, lowest)
                y2, y3 = at_least(y[2] + bias, lowest), at_least(y[3] + bias, lowest)
                store_first(flat, place, y0, channels - k)
                if columns > 1:
                    store_first(flat, place + right, y1, channels - k)
                if columns > 2:
                    store_first(flat, place + 2 * right, y2, channels - k)
                if columns > 3:
                    store_first(flat, place + 3 * right, y3, channels - k)
                place += down
        if any_nan(bad):
            output.marks[first + t] = True


@kernel
def _convolve_blocks(start, stop, x, U, pixels, bias, lowest, marks, tiles, split, scratch):
    """All three steps, with U made beforehand. Items: blocks of tiles.

    ``pixels`` to ``marks``: the fields of an ``Output``; ``tiles``: of a ``Tiling``; ``split``: of a ``Split``.
    """
    output, tiling = Output(pixels, bias, lowest, marks), Tiling(*tiles)
    _, total, T, _, wide, v, m, step = split
    v_strides, m_strides = Strides(*v), Strides(*m)
    outputs = pixels.shape[3]
    block = VECTORS * wide
    blocks = (outputs + block - 1) // block
    V, M = scratch[: FREQUENCIES * v_strides.frequency], scratch[FREQUENCIES * v_strides.frequency :]
    d, patch = np.empty(FREQUENCIES * wide, x.dtype), np.empty(FREQUENCIES * wide, x.dtype)
    read, written = np.arange(T + ROWS) * v_strides.tile, np.arange(T + ROWS) * m_strides.tile
    read[T:], written[T:] = read[T - 1], written[T - 1]
    nothing, one_tap, anything = np.zeros(block, x.dtype), np.zeros(1, np.int64), x.dtype.type(-np.inf)
    for item in range(start, stop):
        first = item * T
        count = min(T, total - first)
        transform_inputs(x, first, count, 0, v_strides, tiling, wide, V, patch)
        for f in range(FREQUENCIES):
            for b in range(blocks):
                gather_product(
                    V, f * v_strides.frequency, read, 0, count, one_tap, one_tap, 0, 1, v_strides.tile, U,
                    (b * FREQUENCIES + f) * step, nothing, 0, anything, M, f * m_strides.frequency + b * block,
                    written, 0, block_columns(b, outputs, wide),
                )  # fmt: skip
        _transform_outputs(M, m_strides, first, count, 0, outputs, tiling, output, wide, d)


@kernel
def _convolve_staged(start, stop, V, weight, fields, U, pixels, bias, lowest, marks, tiles, split, scratch):
    """Steps 2 and 3, V being there. Items: (block of output channels, part of the tiles).

    Arguments as in ``_convolve_blocks``; ``fields``: of a ``Filter``. U may be empty: then each item makes its block
    of it in the scratch.
    """
    output, tiling = Output(pixels, bias, lowest, marks), Tiling(*tiles)
    first, count, T, parts, wide, v, m, step = split
    v_strides, m_strides = Strides(*v), Strides(*m)
    filter_ = Filter(*fields)
    outputs = pixels.shape[3]
    block = VECTORS * wide
    M, own = scratch[: FREQUENCIES * m_strides.frequency], scratch[FREQUENCIES * m_strides.frequency :]
    g = np.empty(CHANNELS_TOGETHER * 9 * block, bias.dtype)
    d = np.empty(FREQUENCIES * wide, bias.dtype)
    read, written = np.arange(count + ROWS) * v_strides.tile, np.arange(T + ROWS) * m_strides.tile
    read[count:], written[T:] = read[count - 1], written[T - 1]
    nothing, one_tap, anything = np.zeros(block, bias.dtype), np.zeros(1, np.int64), bias.dtype.type(-np.inf)
    for item in range(start, stop):
        b, part = item // parts, item % parts
        columns = block_columns(b, outputs, wide)
        here_U, begin = U, b * FREQUENCIES * step
        if U.size == 0:
            here_U, begin = own, 0
            transform_block(weight, filter_, b, wide, own, 0, step, columns, g)
        k0, k1 = b * block, min(outputs, (b + 1) * block)
        end = (part + 1) * count // parts
        for t in range(part * count // parts, end, T):
            here = min(T, end - t)
            for f in range(FREQUENCIES):
                gather_product(
                    V, f * v_strides.frequency, read, t, here, one_tap, one_tap, 0, 1, v_strides.tile, here_U,
                    begin + f * step, nothing, 0, anything, M, f * m_strides.frequency, written, 0, columns,
                )  # fmt: skip
            _transform_outputs(M, m_strides, first + t, here, k0, k1, tiling, output, wide, d)


def convolve(
    x: Array,
    weight: Array,
    strides: tuple[int, int, int, int],
    flipped: bool,
    bias: Array | None,
    out: Array,
    padding: Pair,
    dilation: Pair,
    relu: bool = False,
    memo: dict[Any, Any] | None = None,
) -> Array:
    """out (N,H',W',K) = convolution of x (N,H,W,C), both C-contiguous, with a flat 3x3 weight.

    ``strides`` say how far apart in the weight are output channels, input channels, rows and columns; a kernel's
    nine numbers stand side by side. ``flipped``: the filter is read from its last tap to its first.

    Returns a boolean for each tile, in the order of ``tile_corner``: True where a result before ReLU is not finite
    and the tile has to be computed directly; see ``tiles.pixels_of``.
    """
    wide = lanes(x.itemsize)
    block = VECTORS * wide
    outputs = out.shape[3]
    total = count_tiles(x.shape[0], out.shape[1:3], dilation)
    marks = np.zeros(total, np.bool_)
    if not total:
        return marks
    initial = zeros((-(-outputs // block) * block,), x.dtype)
    if bias is not None:
        initial[:outputs] = bias
    depth = round_up(x.shape[3], wide)
    source = Weight(weight, Filter(strides[:2], flipped, x.shape[3], outputs, depth), memo)
    output = Output(out, initial, x.dtype.type(0 if relu else -np.inf), marks)
    few_channels = FREQUENCIES * depth * outputs * x.itemsize <= _SMALL_BYTES
    algorithm = _block_by_block if few_channels else _stage_by_stage
    algorithm(x, source, output, tiling(out.shape[1:3], padding, dilation))
    return marks


def _block_by_block(x: Array, weight: Weight, output: Output, tiles: Tiling) -> None:
    """Blocks of tiles go through all three steps."""
    wide, total = lanes(x.itemsize), output.marks.size
    depth, pitch = weight.filter.depth, round_up(weight.filter.outputs, wide)
    fitting = BLOCK_BYTES // (FREQUENCIES * (depth + pitch) * x.itemsize)
    # Whole blocks of rows for the products, and some eight items or more where there are tiles for it.
    T = max(1, min(fitting // ROWS, -(-total // (8 * ROWS)))) * ROWS
    v, m = strides_of(T, depth, wide), strides_of(T, pitch, wide)
    split = Split(0, total, T, 1, wide, tuple(v), tuple(m), weight.step)
    scratch = FREQUENCIES * (v.frequency + m.frequency)
    arguments = (x, weight.transformed(), *output, tuple(tiles), tuple(split))
    parallel.run(_convolve_blocks, -(-total // T), 1, *arguments, scratch=(scratch, x.dtype))


def _stage_by_stage(x: Array, weight: Weight, output: Output, tiles: Tiling) -> None:
    """Step 1 for many tiles, then steps 2 and 3 by blocks of output channels."""
    wide, total = lanes(x.itemsize), output.marks.size
    block, depth = VECTORS * wide, weight.filter.depth
    blocks = -(-weight.filter.outputs // block)
    staged = max(_TILES_TOGETHER, _STAGED_BYTES // (FREQUENCIES * depth * x.itemsize))
    # Transform the weights on the fly when all tiles are staged at once and the blocks are enough for many threads.
    on_the_fly = weight.memo is None and total <= staged and blocks >= 4
    U = empty((0,), x.dtype) if on_the_fly else weight.transformed()
    parts = 1 if on_the_fly else max(1, min(total // ROWS, 16 // blocks))
    m = strides_of(_TILES_TOGETHER, block, wide)
    scratch = FREQUENCIES * (m.frequency + (weight.step if on_the_fly else 0))
    V = empty((FREQUENCIES * frequency_stride(min(staged, total) * depth, wide),), x.dtype)
    for first in range(0, total, staged):
        count = min(staged, total - first)
        v = strides_of(count, depth, wide)
        transform_all(x, first, count, v, tiles, V)
        split = Split(first, count, _TILES_TOGETHER, parts, wide, tuple(v), tuple(m), weight.step)
        arguments = (V, weight.array, tuple(weight.filter), U, *output, tuple(tiles), tuple(split))
        parallel.run(_convolve_staged, blocks * parts, 1, *arguments, scratch=(scratch, x.dtype))
