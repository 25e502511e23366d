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

A dilated convolution is d x d ordinary ones: the pixels whose row and column leave the same rest by d form an
image of their own, and tiles are cut from these interleaved grids.

The gradient by the input is the same with the filter turned round. The gradient by the weight runs the transforms
backwards (the adjoint of y(g) above):  dg = G^T [sum over tiles (B^T d B) * (A dy A^T)] G.

The factors of A reach 8, so results lose about a digit against a direct sum: the error grows with the largest value
of a tile's patch, not with the values that an output depends on.

A NaN, an infinity or an overflow anywhere in a patch makes outputs of the whole tile non-finite, also those that do
not depend on it. Such tiles are marked, at the cost of an addition for each output, and the caller computes them
directly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...runtime import parallel
from ...runtime.compiler import helper, kernel
from ...runtime.layout import Array, Pair
from ...runtime.memory import empty, zeros
from ...runtime.processor import ROWS, VECTORS, lanes
from ...vector.microkernel import gather_product
from ...vector.simd import any_nan, at_least, fma, load, load_first, splat, store, store_first
from ...vector.transpose import transpose

FREQUENCIES = 36

# What V and M of a block of tiles may take together: half of a second-level cache, which U needs too.
BLOCK_BYTES = 512 * 1024
# Up to here U is read again for each block of tiles.
_SMALL_BYTES = 3 << 20
# What V may take where it is made for many tiles at once.
_STAGED_BYTES = 8 << 20
# Tiles whose products with a part of U are made before they are transformed.
_TILES_TOGETHER = 8 * ROWS
# Channels whose weights are brought into vectors of output channels together.
_PACKED_TOGETHER = 16


def apart(count: int, wide: int) -> int:
    """How far apart in memory the frequencies are, for ``count`` numbers each: an odd number of vectors.

    The transforms write to 36 places at once; a power of two would put them all into one set of the cache.
    """
    return (count // wide | 1) * wide


def filled(channels: int, wide: int) -> int:
    """The room that channels take where they fill whole vectors."""
    return (channels + wide - 1) // wide * wide


distance, room = helper(apart), helper(filled)


@helper
def _input_transform(d0, d1, d2, d3, d4, d5):
    """B^T d."""
    a, b, e, f = d4 - 4.0 * d2, d3 - 4.0 * d1, d4 - d2, 2.0 * (d3 - d1)
    return 4.0 * d0 - 5.0 * d2 + d4, a + b, a - b, e + f, e - f, 4.0 * d1 - 5.0 * d3 + d5


@helper
def _output_transform(m0, m1, m2, m3, m4, m5):
    """A^T m."""
    s, t, u, v = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + s + u, t + 2.0 * v, s + 4.0 * u, t + 8.0 * v + m5


@helper
def _weight_transform(g0, g1, g2):
    """G g."""
    s, t, u = g0 + g2, (1 / 24) * g0 + (1 / 6) * g2, (1 / 12) * g1
    return 0.25 * g0, (-1 / 6) * (s + g1), (1 / 6) * (g1 - s), t + u, t - u, g2


@helper
def store_six(array, place, step, vectors):
    """Six vectors, ``step`` apart."""
    store(array, place, vectors[0])
    store(array, place + step, vectors[1])
    store(array, place + 2 * step, vectors[2])
    store(array, place + 3 * step, vectors[3])
    store(array, place + 4 * step, vectors[4])
    store(array, place + 5 * step, vectors[5])


@helper
def _pack_block(weight, strides, turned, b, channels, depth, outputs, wide, target, begin, step, columns, g):
    """U[f, c, j] for block b of the output channels, at target[begin + f step + c columns + j]; 0 for c from
    ``channels`` to ``depth``.

    A part of the weight is first turned into g[c, tap, j], since vectors hold neighbouring output channels, which
    lie far apart in it.
    """
    out_stride, in_stride = strides
    here = min(columns, outputs - b * VECTORS * wide)
    if here < columns:
        g[:] = 0
    # A filter, or all filters of an output channel, lie side by side; one turned round is written backwards.
    side_by_side = in_stride == 9 and not turned
    for low in range(0, channels, _PACKED_TOGETHER):
        high = min(low + _PACKED_TOGETHER, channels)
        together = high - low if side_by_side else 1
        for c in range(low, high, together):
            for j in range(0, here, wide):
                source = (b * VECTORS * wide + j) * out_stride + c * in_stride
                for q in range(0, together * 9, wide):
                    place = (c - low) * 9 + (8 - q if turned else q)
                    transpose(
                        weight, source + q, out_stride, min(wide, here - j),
                        g, place * columns + j, -columns if turned else columns, min(wide, together * 9 - q),
                    )  # fmt: skip
        for c in range(low, high):
            for j in range(0, columns, wide):
                e = (c - low) * 9 * columns + j
                left = _weight_transform(load(g, e), load(g, e + 3 * columns), load(g, e + 6 * columns))
                e += columns
                middle = _weight_transform(load(g, e), load(g, e + 3 * columns), load(g, e + 6 * columns))
                e += columns
                right = _weight_transform(load(g, e), load(g, e + 3 * columns), load(g, e + 6 * columns))
                o = begin + c * columns + j
                store_six(target, o, step, _weight_transform(left[0], middle[0], right[0]))
                store_six(target, o + 6 * step, step, _weight_transform(left[1], middle[1], right[1]))
                store_six(target, o + 12 * step, step, _weight_transform(left[2], middle[2], right[2]))
                store_six(target, o + 18 * step, step, _weight_transform(left[3], middle[3], right[3]))
                store_six(target, o + 24 * step, step, _weight_transform(left[4], middle[4], right[4]))
                store_six(target, o + 30 * step, step, _weight_transform(left[5], middle[5], right[5]))
    for f in range(FREQUENCIES):
        target[begin + f * step + channels * columns : begin + f * step + depth * columns] = 0


@helper
def _columns(b, outputs, wide):
    """How wide block b of the output channels is: half as wide as others where half the vectors are enough."""
    return VECTORS * wide // 2 if 2 * (outputs - b * VECTORS * wide) <= VECTORS * wide else VECTORS * wide


@kernel
def _pack(start, stop, weight, strides, turned, channels, depth, outputs, wide, packed, g):
    """U for all output channels, block by block; ``depth``: how many channels there is room for. Items: blocks."""
    block = VECTORS * wide
    step = distance(depth * block, wide)
    for b in range(start, stop):
        columns = _columns(b, outputs, wide)
        begin = b * FREQUENCIES * step
        _pack_block(weight, strides, turned, b, channels, depth, outputs, wide, packed, begin, step, columns, g)


@helper
def _tile(number, tiles, dilation):
    """Which image, interleaved grid and tile: (n, a, b, i, j)."""
    rows, columns = tiles
    rest, j = number // columns, number % columns
    rest, i = rest // rows, rest % rows
    rest, b = rest // dilation[1], rest % dilation[1]
    return rest // dilation[0], rest % dilation[0], b, i, j


@helper
def tile_corner(number, tiles, dilation):
    """Image, and the output pixel at the upper left: (n, top, left)."""
    n, a, b, i, j = _tile(number, tiles, dilation)
    return n, a + 4 * i * dilation[0], b + 4 * j * dilation[1]


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
def _upper(x, o, row):
    """Row 0 of B^T d, for one column of a patch; an extra row further down, the last one."""
    return 4.0 * load(x, o) - 5.0 * load(x, o + 2 * row) + load(x, o + 4 * row)


@helper
def _inner(x, o, row):
    """Rows 1 and 2."""
    d1, d2, d3, d4 = load(x, o + row), load(x, o + 2 * row), load(x, o + 3 * row), load(x, o + 4 * row)
    a, b = d4 - 4.0 * d2, d3 - 4.0 * d1
    return a + b, a - b


@helper
def _outer(x, o, row):
    """Rows 3 and 4."""
    d1, d2, d3, d4 = load(x, o + row), load(x, o + 2 * row), load(x, o + 3 * row), load(x, o + 4 * row)
    e, f = d4 - d2, 2.0 * (d3 - d1)
    return e + f, e - f


@helper
def _transform_patch(x, o, row, column, V, e, step):
    """V[6 p + q] = (B^T d B)[p, q] of the patch at x[o], row by row of B^T d.

    A row of B^T d is six vectors, which stay in registers; there is not room for all six rows.
    """
    o1, o2, o3, o4, o5 = o + column, o + 2 * column, o + 3 * column, o + 4 * column, o + 5 * column
    store_six(V, e, step, _input_transform(
        _upper(x, o, row), _upper(x, o1, row), _upper(x, o2, row),
        _upper(x, o3, row), _upper(x, o4, row), _upper(x, o5, row),
    ))  # fmt: skip
    s0, s1, s2 = _inner(x, o, row), _inner(x, o1, row), _inner(x, o2, row)
    s3, s4, s5 = _inner(x, o3, row), _inner(x, o4, row), _inner(x, o5, row)
    store_six(V, e + 6 * step, step, _input_transform(s0[0], s1[0], s2[0], s3[0], s4[0], s5[0]))
    store_six(V, e + 12 * step, step, _input_transform(s0[1], s1[1], s2[1], s3[1], s4[1], s5[1]))
    s0, s1, s2 = _outer(x, o, row), _outer(x, o1, row), _outer(x, o2, row)
    s3, s4, s5 = _outer(x, o3, row), _outer(x, o4, row), _outer(x, o5, row)
    store_six(V, e + 18 * step, step, _input_transform(s0[0], s1[0], s2[0], s3[0], s4[0], s5[0]))
    store_six(V, e + 24 * step, step, _input_transform(s0[1], s1[1], s2[1], s3[1], s4[1], s5[1]))
    store_six(V, e + 30 * step, step, _input_transform(
        _upper(x, o + row, row), _upper(x, o1 + row, row), _upper(x, o2 + row, row),
        _upper(x, o3 + row, row), _upper(x, o4 + row, row), _upper(x, o5 + row, row),
    ))  # fmt: skip


@helper
def transform_inputs(x, first, count, place, pitch, step, tiles, padding, dilation, wide, V, patch):
    """Step 1 for ``count`` tiles from ``first`` on: V[f step + (place + t) pitch + c] = (B^T d B)[f]."""
    height, width, channels = x.shape[1:]
    flat = x.reshape(-1)
    row, column = dilation[0] * width * channels, dilation[1] * channels
    for t in range(count):
        n, top, left = tile_corner(first + t, tiles, dilation)
        top, left = top - padding[0], left - padding[1]
        whole = top >= 0 and left >= 0 and top + 5 * dilation[0] < height and left + 5 * dilation[1] < width
        begin = ((n * height + top) * width + left) * channels
        for c in range(0, channels, wide):
            e = (place + t) * pitch + c
            if whole and c + wide <= channels:
                _transform_patch(flat, begin + c, row, column, V, e, step)
            else:
                copy_patch(flat, n, height, width, channels, top, left, dilation, 6, c, wide, patch)
                _transform_patch(patch, 0, 6 * wide, wide, V, e, step)


@helper
def _output_column(M, e, row):
    """One column of A^T M."""
    return _output_transform(
        load(M, e), load(M, e + row), load(M, e + 2 * row),
        load(M, e + 3 * row), load(M, e + 4 * row), load(M, e + 5 * row),
    )  # fmt: skip


@helper
def _transform_outputs(M, pitch, step, first, count, k0, k1, tiles, dilation, bias, low, wide, out, marks, d):
    """Step 3 for ``count`` tiles and the output channels from k0 to k1: out = max(low, bias + A^T M A), as far as it
    lies in the image. M[f step + t pitch] is for the channel k0. marks[tile] = True where A^T M A is not finite.
    """
    height, width, channels = out.shape[1:]
    flat = out.reshape(-1)
    lowest, zero = splat(low), splat(out.dtype.type(0))
    right, down = dilation[1] * channels, dilation[0] * width * channels
    for t in range(count):
        n, top, left = tile_corner(first + t, tiles, dilation)
        if top >= height or left >= width:
            continue  # a smaller grid than the largest of a dilation: its last tile may have no pixel at all
        columns = (width - left + dilation[1] - 1) // dilation[1]
        rows = min(4, (height - top + dilation[0] - 1) // dilation[0])
        bad = zero
        for k in range(k0, k1, wide):
            start = load(bias, k)
            e = t * pitch + k - k0
            for q in range(6):
                y = _output_column(M, e + q * step, 6 * step)
                store(d, q * wide, y[0])
                store(d, (6 + q) * wide, y[1])
                store(d, (12 + q) * wide, y[2])
                store(d, (18 + q) * wide, y[3])
            place = ((n * height + top) * width + left) * channels + k
            for p in range(rows):
                y = _output_column(d, p * 6 * wide, wide)
                bad = fma(zero, (y[0] + y[1]) + (y[2] + y[3]), bad)  # 0 times infinity is NaN, too
                y0, y1 = at_least(y[0] + start, lowest), at_least(y[1] + start, lowest)
                y2, y3 = at_least(y[2] + start, lowest), at_least(y[3] + start, lowest)
                store_first(flat, place, y0, channels - k)
                if columns > 1:
                    store_first(flat, place + right, y1, channels - k)
                if columns > 2:
                    store_first(flat, place + 2 * right, y2, channels - k)
                if columns > 3:
                    store_first(flat, place + 3 * right, y3, channels - k)
                place += down
        if any_nan(bad):
            marks[first + t] = True


@kernel
def _convolve(
    start, stop, x, packed, bias, low, out, marks, tiles, padding, dilation, total, tiles_a_block, wide, scratch
):  # fmt: skip
    """All three steps, with U made beforehand. Items: blocks of tiles."""
    outputs = out.shape[3]
    block = VECTORS * wide
    blocks = (outputs + block - 1) // block
    depth, pitch = room(x.shape[3], wide), room(outputs, wide)
    T = tiles_a_block
    v_step, m_step, u_step = distance(T * depth, wide), distance(T * pitch, wide), distance(depth * block, wide)
    V, M = scratch[: FREQUENCIES * v_step], scratch[FREQUENCIES * v_step :]
    d, patch = np.empty(FREQUENCIES * wide, x.dtype), np.empty(FREQUENCIES * wide, x.dtype)
    read, written = np.arange(T + ROWS) * depth, np.arange(T + ROWS) * pitch
    read[T:], written[T:] = read[T - 1], written[T - 1]
    nothing, one_tap, anything = np.zeros(block, x.dtype), np.zeros(1, np.int64), x.dtype.type(-np.inf)
    for item in range(start, stop):
        first = item * T
        count = min(T, total - first)
        transform_inputs(x, first, count, 0, depth, v_step, tiles, padding, dilation, wide, V, patch)
        for f in range(FREQUENCIES):
            for b in range(blocks):
                gather_product(
                    V, f * v_step, read, 0, count, one_tap, one_tap, 0, 1, depth, packed,
                    (b * FREQUENCIES + f) * u_step, nothing, 0, anything, M, f * m_step + b * block, written, 0,
                    _columns(b, outputs, wide),
                )  # fmt: skip
        _transform_outputs(
            M, pitch, m_step, first, count, 0, outputs, tiles, dilation, bias, low, wide, out, marks, d
        )  # fmt: skip


@kernel
def transform_all(start, stop, x, first, count, depth, step, tiles, padding, dilation, grain, wide, V):
    """Step 1 for tiles first .. first + count, into one large V. Items: ``grain`` tiles."""
    patch = np.empty(FREQUENCIES * wide, x.dtype)
    for item in range(start, stop):
        t = item * grain
        here = min(grain, count - t)
        transform_inputs(x, first + t, here, t, depth, step, tiles, padding, dilation, wide, V, patch)


@kernel
def _by_outputs(
    start, stop, V, first, count, weight, strides, turned, channels, depth, packed, bias, low, out, marks, tiles,
    dilation, parts, wide, scratch,
):  # fmt: skip
    """Steps 2 and 3, V being there. Items: (block of output channels, part of the tiles).

    ``packed`` is U, or empty: then each item makes its block of it in the scratch.
    """
    outputs = out.shape[3]
    block = VECTORS * wide
    T = _TILES_TOGETHER
    v_step, m_step, u_step = distance(count * depth, wide), distance(T * block, wide), distance(depth * block, wide)
    M, own = scratch[: FREQUENCIES * m_step], scratch[FREQUENCIES * m_step :]
    g = np.empty(_PACKED_TOGETHER * 9 * block, bias.dtype)
    d = np.empty(FREQUENCIES * wide, bias.dtype)
    read, written = np.arange(count + ROWS) * depth, np.arange(T + ROWS) * block
    read[count:], written[T:] = read[count - 1], written[T - 1]
    nothing, one_tap, anything = np.zeros(block, bias.dtype), np.zeros(1, np.int64), bias.dtype.type(-np.inf)
    for item in range(start, stop):
        b, part = item // parts, item % parts
        columns = _columns(b, outputs, wide)
        U, begin = packed, b * FREQUENCIES * u_step
        if packed.size == 0:
            U, begin = own, 0
            _pack_block(weight, strides, turned, b, channels, depth, outputs, wide, own, 0, u_step, columns, g)
        k0, k1 = b * block, min(outputs, (b + 1) * block)
        end = (part + 1) * count // parts
        for t in range(part * count // parts, end, T):
            here = min(T, end - t)
            for f in range(FREQUENCIES):
                gather_product(
                    V, f * v_step, read, t, here, one_tap, one_tap, 0, 1, depth, U, begin + f * u_step, nothing, 0,
                    anything, M, f * m_step, written, 0, columns,
                )  # fmt: skip
            _transform_outputs(
                M, block, m_step, first + t, here, k0, k1, tiles, dilation, bias, low, wide, out, marks, d
            )  # fmt: skip


def tiling(size: Pair, dilation: Pair) -> Pair:
    """Tiles of a grid, downwards and across, for outputs of that height and width."""
    rows, columns = -(-size[0] // dilation[0]), -(-size[1] // dilation[1])
    return -(-rows // 4), -(-columns // 4)


def count_tiles(images: int, size: Pair, dilation: Pair) -> int:
    """How many tiles cover images of that size."""
    rows, columns = tiling(size, dilation)
    return images * dilation[0] * dilation[1] * rows * columns


@dataclass(frozen=True)
class _Filter:
    """A flat weight, how it is read, and where its U may be kept."""

    weight: Array
    strides: Pair
    turned: bool
    channels: int
    outputs: int
    depth: int  # channels filled up to whole vectors
    memo: dict[Any, Any] | None

    def packed(self) -> Array:
        """U for all channels, from the memo or made now."""
        key = ("winograd", self.strides, self.channels, self.outputs, self.turned)
        if self.memo is not None and key in self.memo:
            return self.memo[key]
        dtype, wide = self.weight.dtype, lanes(self.weight.itemsize)
        block = VECTORS * wide
        blocks = -(-self.outputs // block)
        U = empty((blocks * FREQUENCIES * apart(self.depth * block, wide),), dtype)
        arguments = (self.weight, self.strides, self.turned, self.channels, self.depth, self.outputs, wide, U)
        scratch = (_PACKED_TOGETHER * 9 * block, dtype)
        parallel.run(_pack, blocks, max(1, 1024 // self.depth), *arguments, scratch=scratch)
        if self.memo is not None:
            self.memo[key] = U
        return U


def convolve(
    x: Array,
    weight: Array,
    strides: tuple[int, int, int, int],
    turned: bool,
    bias: Array | None,
    out: Array,
    padding: Pair,
    dilation: Pair,
    relu: bool = False,
    memo: dict[Any, Any] | None = None,
) -> Array:
    """out (N,H',W',K) = convolution of x (N,H,W,C), both C-contiguous, with a flat 3x3 weight.

    ``strides`` say how far apart in the weight are output channels, input channels, rows and columns; a kernel's
    nine numbers stand side by side. ``turned``: the filter is read from its last tap to its first.

    Returns a boolean for each tile, in the order of ``tile_corner``: True where a result before ReLU is not finite
    and the tile has to be computed directly; see ``pixels_of``.
    """
    wide = lanes(x.itemsize)
    block = VECTORS * wide
    outputs = out.shape[3]
    tiles = tiling(out.shape[1:3], dilation)
    total = count_tiles(x.shape[0], out.shape[1:3], dilation)
    marks = np.zeros(total, np.bool_)
    if not total:
        return marks
    start = zeros((-(-outputs // block) * block,), x.dtype)
    if bias is not None:
        start[:outputs] = bias
    depth = filled(x.shape[3], wide)
    source = _Filter(weight, strides[:2], turned, x.shape[3], outputs, depth, memo)
    few = FREQUENCIES * depth * outputs * x.itemsize <= _SMALL_BYTES
    way = _few_channels if few else _many_channels
    way(x, source, start, x.dtype.type(0 if relu else -np.inf), out, marks, tiles, padding, dilation)
    return marks


def pixels_of(marks: Array, images: int, size: Pair, dilation: Pair) -> Array:
    """Which pixels belong to marked tiles: (N,H,W) booleans, for images of that height and width."""
    (rows, columns), (height, width) = tiling(size, dilation), size
    by_tile = marks.reshape(images, *dilation, rows, columns)
    h, w = np.arange(height)[:, None], np.arange(width)
    within = h // dilation[0] // 4, w // dilation[1] // 4
    pixels: Array = by_tile[:, h % dilation[0], w % dilation[1], within[0], within[1]]
    return pixels


def _few_channels(
    x: Array,
    source: _Filter,
    start: Array,
    low: Any,
    out: Array,
    marks: Array,
    tiles: Pair,
    padding: Pair,
    dilation: Pair,
) -> None:
    """Blocks of tiles go through all three steps."""
    wide, total = lanes(x.itemsize), marks.size
    depth, pitch = source.depth, filled(out.shape[3], wide)
    fitting = BLOCK_BYTES // (FREQUENCIES * (depth + pitch) * x.itemsize)
    # Whole blocks of rows for the products, and some eight items or more where there are tiles for it.
    T = max(1, min(fitting // ROWS, -(-total // (8 * ROWS)))) * ROWS
    arguments = (x, source.packed(), start, low, out, marks, tiles, padding, dilation, total, T, wide)
    scratch = FREQUENCIES * (apart(T * depth, wide) + apart(T * pitch, wide))
    parallel.run(_convolve, -(-total // T), 1, *arguments, scratch=(scratch, x.dtype))


def _many_channels(
    x: Array,
    source: _Filter,
    start: Array,
    low: Any,
    out: Array,
    marks: Array,
    tiles: Pair,
    padding: Pair,
    dilation: Pair,
) -> None:
    """Step 1 for many tiles, then steps 2 and 3 by blocks of output channels."""
    wide, total = lanes(x.itemsize), marks.size
    block, depth = VECTORS * wide, source.depth
    blocks = -(-out.shape[3] // block)
    staged = max(_TILES_TOGETHER, _STAGED_BYTES // (FREQUENCIES * depth * x.itemsize))
    # U is made by the way where all tiles are at hand for it, and enough blocks of it for many threads.
    by_the_way = source.memo is None and total <= staged and blocks >= 4
    packed = empty((0,), x.dtype) if by_the_way else source.packed()
    parts = 1 if by_the_way else max(1, min(total // ROWS, 16 // blocks))
    scratch = FREQUENCIES * (apart(_TILES_TOGETHER * block, wide) + (apart(depth * block, wide) if by_the_way else 0))
    V = empty((FREQUENCIES * apart(min(staged, total) * depth, wide),), x.dtype)
    for first in range(0, total, staged):
        count = min(staged, total - first)
        stage(x, first, count, depth, tiles, padding, dilation, V)
        reading = (source.weight, source.strides, source.turned, source.channels, depth, packed)
        arguments = (V, first, count, *reading, start, low, out, marks, tiles, dilation, parts, wide)
        parallel.run(_by_outputs, blocks * parts, 1, *arguments, scratch=(scratch, x.dtype))


def stage(x: Array, first: int, count: int, depth: int, tiles: Pair, padding: Pair, dilation: Pair, V: Array) -> None:
    """Step 1 for ``count`` tiles from ``first`` on, of x (N,H,W,C); ``depth``: the room for channels in V."""
    wide = lanes(x.itemsize)
    grain = max(1, 2048 // depth)
    arguments = (x, first, count, depth, apart(count * depth, wide), tiles, padding, dilation, grain, wide, V)
    parallel.run(transform_all, -(-count // grain), 1, *arguments)
