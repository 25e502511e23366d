"""Winograd's convolution F(4x4, 3x3): a tile of 4x4 outputs by 36 multiplications instead of 144.

For 3x3 kernels and stride 1 (Lavin and Gray 2016, section 4). With the small matrices B, G and A:

    out tile = A^T [ (G weight G^T) * (B^T patch B) ] A

``patch`` are the 6x6 pixels that the 4x4 outputs see, and * is element by element. Summed over input channels, each
of the 36 elements becomes a product of matrices, channels by tiles, and those are what ``product.py`` is for:

    weight (O,C,3,3) --G--> u (36,C,O) --+
                                         +-- 36 products --> m (36,O,tiles) --A--> out (N,O,H',W')
    x (N,C,H,W) --B--> v (36,C,tiles) ---+

u, v and m pass through global memory, so this pays where the products are large enough: see ``pays``.

A dilated convolution is d*d ordinary ones on interleaved grids of pixels, so a tile takes every d-th pixel. The
adjoint is a convolution with the kernel rotated by 180 degrees.

A NaN, an infinity or an overflow anywhere in a patch makes outputs of the whole tile non-finite, also those that do
not depend on it. A thread that finds such a tile sums its outputs directly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..patterns.array import DeviceArray, empty
from ..patterns.planes import over_planes, own_pixel
from ..runtime.compiler import FLOATS, SIMULATED, T, cuda, kernel
from ..runtime.memory import OutOfDeviceMemory
from ..vector.instructions import fetch, inlined, within, write_vector
from .product import product

Pair = tuple[int, int]

_TILE = 4
_ELEMENTS = (_TILE + 2) ** 2
_WORKSPACE = 8192 if SIMULATED else 2**29  # bytes of v and m at a time, or less where memory is short
_BATCH_MULTIPLE = 4 if SIMULATED else 128  # tiles of a batch: no product is to have a border inside
_MULTIPLE = 4  # elements of the longest vector, of which rows in u, v and m have a whole number


# Whole numbers in the shorter type: beside them a float32 stays one, and a float64, too.
TWO, FOUR, FIVE, SIX, EIGHT, TWELVE = (np.float32(n) for n in (2, 4, 5, 6, 8, 12))


@inlined
def _times_g(g, start, step, u, to, stride):
    """Three elements of g, ``step`` apart, times G: six of u, ``stride`` apart."""
    g0, g1, g2 = g[start], g[start + step], g[start + 2 * step]
    even, odd = (g0 + g2) / SIX, g1 / SIX
    large, small = g0 / FOUR / SIX + g2 / SIX, g1 / TWELVE
    u[to] = g0 / FOUR
    u[to + stride] = -even - odd
    u[to + 2 * stride] = odd - even
    u[to + 3 * stride] = large + small
    u[to + 4 * stride] = large - small
    u[to + 5 * stride] = g2


@inlined
def _times_b(d, start, step):
    """Six elements of d, ``step`` apart, times B^T, in their place."""
    d0, d1, d2 = d[start], d[start + step], d[start + 2 * step]
    d3, d4, d5 = d[start + 3 * step], d[start + 4 * step], d[start + 5 * step]
    even, odd = d4 - FOUR * d2, d3 - FOUR * d1
    outer, inner = d4 - d2, TWO * (d3 - d1)
    d[start] = FOUR * d0 - FIVE * d2 + d4
    d[start + step] = even + odd
    d[start + 2 * step] = even - odd
    d[start + 3 * step] = outer + inner
    d[start + 4 * step] = outer - inner
    d[start + 5 * step] = FOUR * d1 - FIVE * d3 + d5


@inlined
def _times_a(m, start, step):
    """Six elements of m, ``step`` apart, times A^T: the first four of them."""
    m0, m5 = m[start], m[start + 5 * step]
    near, far = m[start + step] + m[start + 2 * step], m[start + 3 * step] + m[start + 4 * step]
    near_odd, far_odd = m[start + step] - m[start + 2 * step], m[start + 3 * step] - m[start + 4 * step]
    m[start] = m0 + near + far
    m[start + step] = near_odd + TWO * far_odd
    m[start + 2 * step] = near + FOUR * far
    m[start + 3 * step] = near_odd + EIGHT * far_odd + m5


@kernel("T* T* i8 i8 i8 i8 i8 i8", T=FLOATS)
def _transform_weight(weight, out, inputs, outputs, pitch, input_step, output_step, flipped):
    """out[e, c, o] of weight[c * input_step + o * output_step + tap]; a thread for each c and o."""
    g = cuda.local.array(9, T)
    half = cuda.local.array(18, T)
    u = cuda.local.array(36, T)
    o = own_pixel()
    if o < outputs:
        for c in range(cuda.blockIdx.y, inputs, cuda.gridDim.y):
            start = c * input_step + o * output_step
            for tap in range(9):
                g[tap] = weight[start + (8 - tap if flipped else tap)]
            for s in range(3):  # down the columns: half is 6 x 3
                _times_g(g, s, 3, half, s, 3)
            for r in range(6):
                _times_g(half, 3 * r, 1, u, 6 * r, 1)
            for e in range(36):
                out[(e * inputs + c) * pitch + o] = u[e]


@inlined
def _place(tile, down, across, grid_rows, grid_columns):
    """Image, grid, and tile in the grid, of a tile: tiles are counted image by image, grid by grid, row by row."""
    j = tile % across
    rest = tile // across
    i = rest % down
    rest //= down
    grid = rest % (grid_rows * grid_columns)
    return rest // (grid_rows * grid_columns), grid // grid_columns, grid % grid_columns, i, j


@kernel("T* T* i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8", T=FLOATS)
def _transform_source(x, out, first, tiles, channels, pitch, h, w, down, across, ph, pw, dh, dw):
    """out[e, c, tile - first]; a thread for each tile, so that neighbours write side by side."""
    patch = cuda.local.array(36, T)
    tile = own_pixel()
    if tile < tiles:
        n, grid_row, grid_column, i, j = _place(first + tile, down, across, dh, dw)
        top, left = 4 * i * dh + grid_row - ph, 4 * j * dw + grid_column - pw
        for c in range(cuda.blockIdx.y, channels, cuda.gridDim.y):
            start = (n * channels + c) * h
            for r in range(6):
                row = np.int32(top + r * dh)
                for s in range(6):
                    column = np.int32(left + s * dw)
                    patch[6 * r + s] = fetch(x, (start + row) * w + column, within(row, h) & within(column, w))
            for s in range(6):
                _times_b(patch, s, 6)
            for r in range(6):
                _times_b(patch, 6 * r, 1)
            for e in range(36):
                out[(e * channels + c) * pitch + tile] = patch[e]


@inlined
def _sum_directly(x, start, inputs, h, w, top, left, dh, dw, weight, first, input_step, flipped, zero, patch):
    """patch[6 r + s] = the sum over inputs and taps for output (r, s) of a tile.

    ``start``: where the image begins in x, an input channel being h x w; ``top`` and ``left``: the pixel of the first
    output's first tap. The weight of input c is weight[first + c input_step : ... + 9].
    """
    for r in range(4):
        for s in range(4):
            total = zero
            for c in range(inputs):
                for tap in range(9):
                    row, column = top + (r + tap // 3) * dh, left + (s + tap % 3) * dw
                    if 0 <= row < h and 0 <= column < w:
                        factor = weight[first + c * input_step + (8 - tap if flipped else tap)]
                        total += factor * x[start + (c * h + row) * w + column]
            patch[6 * r + s] = total


@kernel("T* T* T* T* T* i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8", T=FLOATS)
def _transform_back(
    m, bias, out, x, weight, first, tiles, channels, pitch, h, w, down, across, dh, dw, has_bias, relu, pairs,
    inputs, source_h, source_w, ph, pw, input_step, output_step, flipped,
):  # fmt: skip
    """A thread for each tile; what of it lies outside of the image is dropped. ``pairs``: two pixels of a row can be
    written at once. What follows ``pairs``, x and weight are read only for tiles that are not finite.
    """
    patch = cuda.local.array(36, T)
    tile = own_pixel()
    if tile < tiles:
        n, grid_row, grid_column, i, j = _place(first + tile, down, across, dh, dw)
        top, left = 4 * i * dh + grid_row, 4 * j * dw + grid_column
        for c in range(cuda.blockIdx.y, channels, cuda.gridDim.y):
            for e in range(36):
                patch[e] = m[(e * channels + c) * pitch + tile]
            for s in range(6):
                _times_a(patch, s, 6)
            total = T(0)
            for r in range(4):
                _times_a(patch, 6 * r, 1)
                for s in range(4):
                    total += patch[6 * r + s]
            if not abs(total) < np.inf:
                image = n * inputs * source_h * source_w
                rows_of = image, inputs, source_h, source_w, top - ph, left - pw, dh, dw
                _sum_directly(x, *rows_of, weight, c * output_step, input_step, flipped, T(0), patch)
            offset = bias[c] if has_bias else T(0)
            start = (n * channels + c) * h
            for r in range(4):
                row = top + r * dh
                if row < h:
                    for s in range(4):
                        value = patch[6 * r + s] + offset
                        patch[6 * r + s] = T(0) if relu and value <= 0 else value
                    at = (start + row) * w + left
                    if pairs:
                        for s in range(0, 4, 2):
                            if left + s < w:
                                write_vector(out, at + s, patch, 6 * r + s, 2)
                    else:
                        for s in range(4):
                            if left + s * dw < w:
                                out[at + s * dw] = patch[6 * r + s]


@dataclass(frozen=True)
class Tiling:
    """The tiles of an output N,O,H',W': their rows and columns in each of the dilation's grids, and all of them."""

    down: int
    across: int
    count: int

    @staticmethod
    def of(shape: tuple[int, ...], dilation: Pair) -> Tiling:
        """Grids that have fewer pixels than the first get as many tiles."""
        down, across = (-(-shape[2 + i] // (_TILE * dilation[i])) for i in (0, 1))
        return Tiling(down, across, shape[0] * dilation[0] * dilation[1] * down * across)


# Multiply-adds in the time that one number takes on its way to or from memory: on the H100's data sheet 33.5e12 a
# second, and 3.35e12 bytes, four for a number.
_MULTIPLICATIONS_PER_NUMBER = 40
_LAUNCHES = 2**28  # what three more launches cost, in multiply-adds


def pays(source: tuple[int, ...], out: tuple[int, ...], dilation: Pair, kept: bool) -> bool:
    """Whether the multiplications that are saved outweigh what passes through memory; ``kept``: u is there."""
    tiling = Tiling.of(out, dilation)
    inputs, outputs = source[1], out[1]
    direct = 9 * math.prod(out) * inputs
    numbers = 2 * _ELEMENTS * tiling.count * (inputs + outputs) + (1 if kept else 2) * _ELEMENTS * inputs * outputs
    products = _ELEMENTS * tiling.count * inputs * outputs
    return products + numbers * _MULTIPLICATIONS_PER_NUMBER + _LAUNCHES < direct


def _steps(weight: DeviceArray, adjoint: bool) -> Pair:
    """How far apart in the weight are the filters of two input channels, and of two output channels."""
    per_filter = 9 * weight.shape[1]
    return (per_filter, 9) if adjoint else (9, per_filter)


def _transformed_weight(weight: DeviceArray, adjoint: bool, memo: dict[Any, Any] | None) -> DeviceArray:
    """u, kept in the memo if there is one."""
    key = "winograd", adjoint
    if memo is not None and key in memo:
        kept: DeviceArray = memo[key]
        return kept
    first, second = weight.shape[:2]
    inputs, outputs = (first, second) if adjoint else (second, first)
    steps = _steps(weight, adjoint)
    u = empty((_ELEMENTS, inputs, -(-outputs // _MULTIPLE) * _MULTIPLE), weight.dtype)
    over_planes(_transform_weight, (inputs, 1, outputs), weight, u, inputs, outputs, u.shape[2], *steps, adjoint)
    if memo is not None:
        memo[key] = u
    return u


def _workspace(tiles: int, inputs: int, outputs: int, dtype: np.dtype[Any]) -> tuple[int, DeviceArray, DeviceArray]:
    """The number of tiles in a batch, and v and m for them. The batch is halved until v and m fit into the device's
    memory. Raises ``OutOfDeviceMemory`` if even the smallest batch does not fit.
    """
    most = _WORKSPACE // (_ELEMENTS * (inputs + outputs) * dtype.itemsize)
    while True:
        batch = min(tiles, max(1, most // _BATCH_MULTIPLE) * _BATCH_MULTIPLE)
        pitch = -(-batch // _MULTIPLE) * _MULTIPLE
        try:
            return batch, empty((_ELEMENTS, inputs, pitch), dtype), empty((_ELEMENTS, outputs, pitch), dtype)
        except OutOfDeviceMemory:
            if batch <= _BATCH_MULTIPLE:
                raise
        most = batch // 2


def convolve(
    source: DeviceArray,
    weight: DeviceArray,
    bias: DeviceArray | None,
    out: DeviceArray,
    padding: Pair,
    dilation: Pair,
    adjoint: bool,
    relu: bool,
    memo: dict[Any, Any] | None,
) -> bool:
    """Either direction, of contiguous arrays. ``padding`` is that of the convolution from source to out.

    Tiles are processed in batches whose v and m fit into the workspace. Returns False if the device has no memory for
    u and the smallest workspace; then nothing is written, and the caller can use direct convolution, which needs no
    workspace.
    """
    tiling = Tiling.of(out.shape, dilation)
    inputs, outputs = source.shape[1], out.shape[1]
    try:
        u = _transformed_weight(weight, adjoint, memo)
        batch, v, m = _workspace(tiling.count, inputs, outputs, out.dtype)
    except OutOfDeviceMemory:
        if memo is not None:
            memo.pop(("winograd", adjoint), None)  # its memory is of more use elsewhere
        return False
    pitch = v.shape[2]
    grid = tiling.down, tiling.across
    pairs = dilation[1] == 1 and out.shape[3] % 2 == 0 and out.address % 16 == 0
    for first in range(0, tiling.count, batch):
        count = min(batch, tiling.count - first)
        numbers = first, count, inputs, pitch, *source.shape[2:], *grid, *padding, *dilation
        over_planes(_transform_source, (inputs, 1, count), source, v, *numbers)
        product(u, v, m)
        numbers = first, count, outputs, pitch, *out.shape[2:], *grid, *dilation, bias is not None, relu, pairs
        direct = *source.shape[1:], *padding, *_steps(weight, adjoint), adjoint
        arrays = m, out if bias is None else bias, out, source, weight
        over_planes(_transform_back, (outputs, 1, count), *arrays, *numbers, *direct)
    return True
