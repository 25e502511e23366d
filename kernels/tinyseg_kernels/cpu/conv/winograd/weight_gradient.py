"""The weight gradient of a 3x3 convolution with stride 1, over the tiles of ``tiles.py``.

    dg = G^T [sum over tiles (B^T d B) * (A dy A^T)] G

For each of the 36 frequencies this is a matrix product over tiles, dU[f, c, k] = sum_t V[f, t, c] Z[f, t, k] with
Z = A dy A^T. Where dU is small, parts of the tiles have partial sums of their own and blocks of tiles go through all
steps in the cache. Where channels are many, dU is large and tiles are few: V and Z are made for all tiles, and then
each part of dU is summed at once and leaves as a gradient of the weight.

A value that is not finite in x or dy makes all nine taps non-finite, also those that do not meet it at a border.
Results that are not finite are reported, and the caller computes them directly.
"""

from __future__ import annotations

import numpy as np

from ...runtime import parallel
from ...runtime.compiler import helper, kernel
from ...runtime.layout import Array, Pair
from ...runtime.memory import empty, zeros
from ...runtime.processor import VECTORS, lanes
from ...vector.microkernel import PREFETCHED_PIXELS, SUM_ROWS, outer_sum
from ...vector.simd import any_nan, fma, load, splat, store
from ...vector.transpose import transpose
from .tiles import (
    BLOCK_BYTES,
    Strides,
    Tiling,
    copy_patch,
    count_tiles,
    frequency_stride,
    round_up,
    strides_of,
    tile_corner,
    tiling,
    transform_all,
    transform_inputs,
)
from .transforms import FREQUENCIES, adjoint_column, transform_gradient_patch, weight_adjoint

# Up to here dU stays in the cache beside a block of tiles.
_SMALL_BYTES = 320 * 1024
# What V and Z may take where they are made for many tiles at once.
_STAGED_BYTES = 4 << 20
# What partial sums may take in all.
_PARTIAL_BYTES = 4 << 20
# Input channels of a part of dU that is summed at once: with a block of output channels a few hundred kilobytes.
_CHANNELS_TOGETHER = 64
# Input channels whose gradients are transposed together on their way out.
_TRANSPOSED_TOGETHER = 16


@helper
def _transform_gradients(grad, first, count, place, strides, tiling, wide, Z, patch):
    """Z[f, place + t, k] = (A dy A^T)[f] for ``count`` tiles from ``first`` on."""
    dilation = tiling.dilation
    height, width, channels = grad.shape[1:]
    flat = grad.reshape(-1)
    row, column = dilation[0] * width * channels, dilation[1] * channels
    for t in range(count):
        n, top, left = tile_corner(first + t, tiling)
        whole = top + 3 * dilation[0] < height and left + 3 * dilation[1] < width
        begin = ((n * height + top) * width + left) * channels
        for k in range(0, channels, wide):
            e = (place + t) * strides.tile + k
            if whole and k + wide <= channels:
                transform_gradient_patch(flat, begin + k, row, column, Z, e, strides.frequency)
            else:
                copy_patch(flat, n, height, width, channels, top, left, dilation, 4, k, wide, patch)
                transform_gradient_patch(patch, 0, 4 * wide, wide, Z, e, strides.frequency)


@kernel
def _sum_blocks(start, stop, x, grad, partial, tiles, total, tiles_a_block, wide, v, z, scratch):
    """Items: partial sums. partial[s, f, c, k] = sum over its tiles of V Z.

    ``tiles``: the fields of a ``Tiling``; ``v``, ``z``: of the ``Strides`` of V and Z.
    """
    tiling, v_strides, z_strides = Tiling(*tiles), Strides(*v), Strides(*z)
    depth, pitch = v_strides.tile, z_strides.tile
    sums = partial.shape[0]
    flat = partial.reshape(-1)
    T = tiles_a_block
    V, Z = scratch[: FREQUENCIES * v_strides.frequency], scratch[FREQUENCIES * v_strides.frequency :]
    patch = np.empty(FREQUENCIES * wide, x.dtype)
    more, side_by_side = T + PREFETCHED_PIXELS, np.arange(depth)
    x_rows, grad_rows = np.arange(more) * depth, np.arange(more) * pitch
    for s in range(start, stop):
        end = (s + 1) * total // sums
        for first in range(s * total // sums, end, T):
            count = min(T, end - first)
            transform_inputs(x, first, count, 0, v_strides, tiling, wide, V, patch)
            _transform_gradients(grad, first, count, 0, z_strides, tiling, wide, Z, patch)
            for f in range(FREQUENCIES):
                for k in range(0, pitch, VECTORS * wide):
                    outer_sum(
                        V, f * v_strides.frequency, x_rows, side_by_side, 0, depth, Z, f * z_strides.frequency + k,
                        grad_rows, count, flat, (s * FREQUENCIES + f) * partial.shape[2] + k, pitch, pitch - k, True,
                    )  # fmt: skip


@kernel
def _transform_all(start, stop, grad, first, count, z, tiles, grain, wide, Z):
    """Z of tiles first .. first + count. Items: ``grain`` tiles."""
    strides, tiling = Strides(*z), Tiling(*tiles)
    patch = np.empty(FREQUENCIES * wide, grad.dtype)
    for item in range(start, stop):
        t = item * grain
        here = min(grain, count - t)
        _transform_gradients(grad, first + t, here, t, strides, tiling, wide, Z, patch)


@helper
def _store_three(g, place, wide, vectors):
    store(g, place, vectors[0])
    store(g, place + wide, vectors[1])
    store(g, place + 2 * wide, vectors[2])


@helper
def _transform_sums(u, place, step, pitch, k, c0, c1, wide, out, found, g):
    """out[k + lane, c] = G^T u[:, c, k + lane] G for a vector of output channels and c from c0 to c1; found[0] = True
    if a number of it is not finite.

    The numbers of c are ``pitch`` apart in u, from ``place`` on. A vector holds neighbouring output channels, which
    lie far apart in out; so the nine taps of some channels c are collected in g and transposed together.
    """
    outputs, channels = out.shape[:2]
    flat = out.reshape(-1)
    row = 6 * step
    zero = splat(out.dtype.type(0))
    bad = zero
    for low in range(c0, c1, _TRANSPOSED_TOGETHER):
        high = min(low + _TRANSPOSED_TOGETHER, c1)
        for c in range(low, high):
            e = place + (c - c0) * pitch
            s0, s1, s2 = (
                adjoint_column(u, e, row),
                adjoint_column(u, e + step, row),
                adjoint_column(u, e + 2 * step, row),
            )
            e += 3 * step
            s3, s4, s5 = (
                adjoint_column(u, e, row),
                adjoint_column(u, e + step, row),
                adjoint_column(u, e + 2 * step, row),
            )
            o = (c - low) * 9 * wide
            upper = weight_adjoint(s0[0], s1[0], s2[0], s3[0], s4[0], s5[0])
            middle = weight_adjoint(s0[1], s1[1], s2[1], s3[1], s4[1], s5[1])
            lower = weight_adjoint(s0[2], s1[2], s2[2], s3[2], s4[2], s5[2])
            _store_three(g, o, wide, upper)
            _store_three(g, o + 3 * wide, wide, middle)
            _store_three(g, o + 6 * wide, wide, lower)
            total = (upper[0] + upper[1] + upper[2]) + (middle[0] + middle[1] + middle[2])
            bad = fma(zero, total + (lower[0] + lower[1] + lower[2]), bad)  # 0 times infinity is NaN, too
        count = (high - low) * 9
        for q in range(0, count, wide):
            there = (k * channels + low) * 9 + q
            transpose(g, q * wide, wide, min(wide, count - q), flat, there, channels * 9, min(wide, outputs - k))
    if any_nan(bad):
        found[0] = True


@kernel
def _finish(start, stop, partial, wide, out, found):
    """out[k, c] = G^T (sum over s of partial[s, :, c, k]) G. Items: vectors of output channels."""
    sums, _, step = partial.shape
    outputs, channels = out.shape[:2]
    pitch = (outputs + wide - 1) // wide * wide
    flat = partial.reshape(-1)
    g = np.empty(9 * wide * _TRANSPOSED_TOGETHER, out.dtype)
    for item in range(start, stop):
        for f in range(FREQUENCIES):
            for c in range(channels):
                place = f * step + c * pitch + item * wide
                total = load(flat, place)
                for s in range(1, sums):
                    total = total + load(flat, place + s * FREQUENCIES * step)
                store(flat, place, total)
        _transform_sums(flat, item * wide, step, pitch, item * wide, 0, channels, wide, out, found, g)


@kernel
def _sum_staged(start, stop, V, Z, count, v, z, partial, first, last, wide, step, out, found, scratch):
    """Items: (block of output channels, part of the input channels). Sums over ``count`` tiles, the ``first`` ones or
    later ones; transforms after the ``last``.

    Until then sums are stored in ``partial``, which is empty if there are no more tiles than these. ``step``: how far
    apart the frequencies of a sum are.
    """
    v_strides, z_strides = Strides(*v), Strides(*z)
    depth, pitch = v_strides.tile, z_strides.tile
    outputs, channels = out.shape[:2]
    block = VECTORS * wide
    parts = (depth + _CHANNELS_TOGETHER - 1) // _CHANNELS_TOGETHER
    u = scratch[: FREQUENCIES * step]
    g = np.empty(9 * wide * _TRANSPOSED_TOGETHER, out.dtype)
    more, side_by_side = count + PREFETCHED_PIXELS, np.arange(_CHANNELS_TOGETHER)
    x_rows, grad_rows = np.arange(more) * depth, np.arange(more) * pitch
    for item in range(start, stop):
        k, c0 = item // parts * block, item % parts * _CHANNELS_TOGETHER
        c1 = min(depth, c0 + _CHANNELS_TOGETHER)
        if partial.size > 0:
            u = partial[item * FREQUENCIES * step : (item + 1) * FREQUENCIES * step]
        for f in range(FREQUENCIES):
            outer_sum(
                V, f * v_strides.frequency + c0, x_rows, side_by_side, 0, c1 - c0, Z, f * z_strides.frequency + k,
                grad_rows, count, u, f * step, block, pitch - k, not first,
            )  # fmt: skip
        if last:
            for j in range(0, min(block, outputs - k), wide):
                _transform_sums(u, j, step, block, k + j, c0, min(c1, channels), wide, out, found, g)


def weight_gradient(x: Array, grad: Array, out: Array, padding: Pair, dilation: Pair) -> bool:
    """out (K,C,3,3), C-contiguous, from x (N,H,W,C) and grad (N,H',W',K), C-contiguous.

    Returns True if a number of ``out`` may not be finite.
    """
    wide = lanes(x.itemsize)
    total = count_tiles(x.shape[0], grad.shape[1:3], dilation)
    if not total:
        out[...] = 0
        return False
    depth, pitch = round_up(x.shape[3], max(wide, SUM_ROWS)), round_up(grad.shape[3], wide)
    found = np.zeros(1, np.bool_)
    small = FREQUENCIES * depth * pitch * x.itemsize <= _SMALL_BYTES
    algorithm = _block_by_block if small else _stage_by_stage
    algorithm(x, grad, out, found, tiling(grad.shape[1:3], padding, dilation), total, (depth, pitch))
    return bool(found[0])


def _block_by_block(
    x: Array, grad: Array, out: Array, found: Array, tiles: Tiling, total: int, channels: Pair
) -> None:
    """Blocks of tiles go through all steps; ``channels``: the room for them in V and in Z."""
    wide, (depth, pitch) = lanes(x.itemsize), channels
    step = frequency_stride(depth * pitch, wide)
    sums = max(1, min(8, _PARTIAL_BYTES // (FREQUENCIES * step * x.itemsize), total // 32))
    fitting = BLOCK_BYTES // (FREQUENCIES * (depth + pitch) * x.itemsize)
    T = max(8, min(fitting, -(-total // sums), 128))
    partial = zeros((sums, FREQUENCIES, step), x.dtype)
    v, z = strides_of(T, depth, wide), strides_of(T, pitch, wide)
    scratch = FREQUENCIES * (v.frequency + z.frequency)
    arguments = (x, grad, partial, tuple(tiles), total, T, wide, tuple(v), tuple(z))
    parallel.run(_sum_blocks, sums, 1, *arguments, scratch=(scratch, x.dtype))
    parallel.run(_finish, -(-out.shape[0] // wide), 1, partial, wide, out, found)


def _stage_by_stage(
    x: Array, grad: Array, out: Array, found: Array, tiles: Tiling, total: int, channels: Pair
) -> None:
    """V and Z for many tiles at once, then sums by blocks of channels."""
    wide, (depth, pitch) = lanes(x.itemsize), channels
    block = VECTORS * wide
    staged = max(128, _STAGED_BYTES // (FREQUENCIES * (depth + pitch) * x.itemsize))
    most = min(staged, total)
    V = empty((FREQUENCIES * frequency_stride(most * depth, wide),), x.dtype)
    Z = empty((FREQUENCIES * frequency_stride(most * pitch, wide),), x.dtype)
    step = frequency_stride(_CHANNELS_TOGETHER * block, wide)
    items = -(-pitch // block) * -(-depth // _CHANNELS_TOGETHER)
    partial = empty((items * FREQUENCIES * step if total > staged else 0,), x.dtype)
    grain = max(1, 2048 // pitch)
    for first in range(0, total, staged):
        count = min(staged, total - first)
        v, z = strides_of(count, depth, wide), strides_of(count, pitch, wide)
        transform_all(x, first, count, v, tiles, V)
        placed = (first, count, tuple(z), tuple(tiles), grain, wide)
        parallel.run(_transform_all, -(-count // grain), 1, grad, *placed, Z)
        arguments = (V, Z, count, tuple(v), tuple(z), partial, first == 0, first + count == total, wide, step)
        parallel.run(_sum_staged, items, 1, *arguments, out, found, scratch=(FREQUENCIES * step, x.dtype))
