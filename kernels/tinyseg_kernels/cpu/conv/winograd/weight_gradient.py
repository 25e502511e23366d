"""The gradient of a 3x3 convolution by its weight, over the tiles of ``winograd.py``.

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
from ...vector.microkernel import PIXELS_AHEAD, SUM_ROWS, outer_sum
from ...vector.simd import any_nan, fma, load, splat, store
from ...vector.transpose import transpose
from .forward import (
    BLOCK_BYTES,
    FREQUENCIES,
    apart,
    copy_patch,
    count_tiles,
    distance,
    filled,
    room,
    stage,
    store_six,
    tile_corner,
    tiling,
    transform_inputs,
)

# Up to here dU stays in the cache beside a block of tiles.
_SMALL_BYTES = 320 * 1024
# What V and Z may take where they are made for many tiles at once.
_STAGED_BYTES = 4 << 20
# What partial sums may take in all.
_PARTIAL_BYTES = 4 << 20
# Input channels of a part of dU that is summed at once: with a block of output channels a few hundred kilobytes.
_CHANNELS_TOGETHER = 64
# Input channels whose gradients are turned round together on their way out.
_TURNED_TOGETHER = 16


@helper
def _output_adjoint(y0, y1, y2, y3):
    """A y."""
    s, t, u, v = y0 + y2, y1 + y3, y0 + 4.0 * y2, 2.0 * y1 + 8.0 * y3
    return y0, s + t, s - t, u + v, u - v, y3


@helper
def _weight_adjoint(u0, u1, u2, u3, u4, u5):
    """G^T u."""
    s, t = u1 + u2, u3 + u4
    return 0.25 * u0 - (1 / 6) * s + (1 / 24) * t, (1 / 6) * (u2 - u1) + (1 / 12) * (u3 - u4), (1 / 6) * (t - s) + u5


@helper
def _column(y, o, row):
    """One column of A dy."""
    return _output_adjoint(load(y, o), load(y, o + row), load(y, o + 2 * row), load(y, o + 3 * row))


@helper
def _transform_patch(y, o, row, column, Z, e, step):
    """Z[6 p + q] = (A dy A^T)[p, q] of the 4x4 patch at y[o]."""
    s0, s1, s2, s3 = (
        _column(y, o, row), _column(y, o + column, row),
        _column(y, o + 2 * column, row), _column(y, o + 3 * column, row),
    )  # fmt: skip
    store_six(Z, e, step, _output_adjoint(s0[0], s1[0], s2[0], s3[0]))
    store_six(Z, e + 6 * step, step, _output_adjoint(s0[1], s1[1], s2[1], s3[1]))
    store_six(Z, e + 12 * step, step, _output_adjoint(s0[2], s1[2], s2[2], s3[2]))
    store_six(Z, e + 18 * step, step, _output_adjoint(s0[3], s1[3], s2[3], s3[3]))
    store_six(Z, e + 24 * step, step, _output_adjoint(s0[4], s1[4], s2[4], s3[4]))
    store_six(Z, e + 30 * step, step, _output_adjoint(s0[5], s1[5], s2[5], s3[5]))


@helper
def _transform_gradients(grad, first, count, place, pitch, step, tiles, dilation, wide, Z, patch):
    """Z[f step + (place + t) pitch + k] = (A dy A^T)[f] for ``count`` tiles from ``first`` on."""
    height, width, channels = grad.shape[1:]
    flat = grad.reshape(-1)
    row, column = dilation[0] * width * channels, dilation[1] * channels
    for t in range(count):
        n, top, left = tile_corner(first + t, tiles, dilation)
        whole = top + 3 * dilation[0] < height and left + 3 * dilation[1] < width
        begin = ((n * height + top) * width + left) * channels
        for k in range(0, channels, wide):
            e = (place + t) * pitch + k
            if whole and k + wide <= channels:
                _transform_patch(flat, begin + k, row, column, Z, e, step)
            else:
                copy_patch(flat, n, height, width, channels, top, left, dilation, 4, k, wide, patch)
                _transform_patch(patch, 0, 4 * wide, wide, Z, e, step)


@kernel
def _correlate(start, stop, x, grad, partial, tiles, padding, dilation, total, tiles_a_block, wide, scratch):
    """Items: partial sums. partial[s, f, c, k] = sum over its tiles of V Z."""
    depth, pitch = room(x.shape[3], max(wide, SUM_ROWS)), room(grad.shape[3], wide)
    sums = partial.shape[0]
    flat = partial.reshape(-1)
    T = tiles_a_block
    v_step, z_step = distance(T * depth, wide), distance(T * pitch, wide)
    V, Z = scratch[: FREQUENCIES * v_step], scratch[FREQUENCIES * v_step :]
    patch = np.empty(FREQUENCIES * wide, x.dtype)
    more, side_by_side = T + PIXELS_AHEAD, np.arange(depth)
    x_rows, grad_rows = np.arange(more) * depth, np.arange(more) * pitch
    for s in range(start, stop):
        end = (s + 1) * total // sums
        for first in range(s * total // sums, end, T):
            count = min(T, end - first)
            transform_inputs(x, first, count, 0, depth, v_step, tiles, padding, dilation, wide, V, patch)
            _transform_gradients(grad, first, count, 0, pitch, z_step, tiles, dilation, wide, Z, patch)
            for f in range(FREQUENCIES):
                for k in range(0, pitch, VECTORS * wide):
                    outer_sum(
                        V, f * v_step, x_rows, side_by_side, 0, depth, Z, f * z_step + k, grad_rows, count,
                        flat, (s * FREQUENCIES + f) * partial.shape[2] + k, pitch, pitch - k, True,
                    )  # fmt: skip


@kernel
def _transform_all(start, stop, grad, first, count, pitch, step, tiles, dilation, grain, wide, Z):
    """Z for tiles first .. first + count. Items: ``grain`` tiles."""
    patch = np.empty(FREQUENCIES * wide, grad.dtype)
    for item in range(start, stop):
        t = item * grain
        here = min(grain, count - t)
        _transform_gradients(grad, first + t, here, t, pitch, step, tiles, dilation, wide, Z, patch)


@helper
def _sums_column(u, place, row):
    """One column of G^T u."""
    return _weight_adjoint(
        load(u, place), load(u, place + row), load(u, place + 2 * row),
        load(u, place + 3 * row), load(u, place + 4 * row), load(u, place + 5 * row),
    )  # fmt: skip


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
    lie far apart in out; so the nine taps of some channels c are collected in g and turned into rows together.
    """
    outputs, channels = out.shape[:2]
    flat = out.reshape(-1)
    row = 6 * step
    zero = splat(out.dtype.type(0))
    bad = zero
    for low in range(c0, c1, _TURNED_TOGETHER):
        high = min(low + _TURNED_TOGETHER, c1)
        for c in range(low, high):
            e = place + (c - c0) * pitch
            s0, s1, s2 = _sums_column(u, e, row), _sums_column(u, e + step, row), _sums_column(u, e + 2 * step, row)
            e += 3 * step
            s3, s4, s5 = _sums_column(u, e, row), _sums_column(u, e + step, row), _sums_column(u, e + 2 * step, row)
            o = (c - low) * 9 * wide
            upper = _weight_adjoint(s0[0], s1[0], s2[0], s3[0], s4[0], s5[0])
            middle = _weight_adjoint(s0[1], s1[1], s2[1], s3[1], s4[1], s5[1])
            lower = _weight_adjoint(s0[2], s1[2], s2[2], s3[2], s4[2], s5[2])
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
    g = np.empty(9 * wide * _TURNED_TOGETHER, out.dtype)
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
def _by_blocks(start, stop, V, Z, count, depth, pitch, partial, first, last, wide, out, found, scratch):
    """Items: (block of output channels, part of the input channels). Sums over ``count`` tiles, the ``first`` ones or
    later ones; transforms after the ``last``. Until then sums are kept in ``partial``, which is empty if there are no
    more tiles than these.
    """
    outputs, channels = out.shape[:2]
    block = VECTORS * wide
    parts = (depth + _CHANNELS_TOGETHER - 1) // _CHANNELS_TOGETHER
    size = _CHANNELS_TOGETHER * block
    v_step, z_step, u_step = distance(count * depth, wide), distance(count * pitch, wide), distance(size, wide)
    u = scratch[: FREQUENCIES * u_step]
    g = np.empty(9 * wide * _TURNED_TOGETHER, out.dtype)
    more, side_by_side = count + PIXELS_AHEAD, np.arange(_CHANNELS_TOGETHER)
    x_rows, grad_rows = np.arange(more) * depth, np.arange(more) * pitch
    for item in range(start, stop):
        k, c0 = item // parts * block, item % parts * _CHANNELS_TOGETHER
        c1 = min(depth, c0 + _CHANNELS_TOGETHER)
        if partial.size > 0:
            u = partial[item * FREQUENCIES * u_step : (item + 1) * FREQUENCIES * u_step]
        for f in range(FREQUENCIES):
            outer_sum(
                V, f * v_step + c0, x_rows, side_by_side, 0, c1 - c0, Z, f * z_step + k, grad_rows, count,
                u, f * u_step, block, pitch - k, not first,
            )  # fmt: skip
        if last:
            for j in range(0, min(block, outputs - k), wide):
                _transform_sums(u, j, u_step, block, k + j, c0, min(c1, channels), wide, out, found, g)


def weight_gradient(x: Array, grad: Array, out: Array, padding: Pair, dilation: Pair) -> bool:
    """out (K,C,3,3), C-contiguous, from x (N,H,W,C) and grad (N,H',W',K), C-contiguous.

    Returns True if a number of ``out`` may not be finite.
    """
    wide = lanes(x.itemsize)
    depth, pitch = filled(x.shape[3], max(wide, SUM_ROWS)), filled(grad.shape[3], wide)
    tiles = tiling(grad.shape[1:3], dilation)
    total = count_tiles(x.shape[0], grad.shape[1:3], dilation)
    if not total:
        out[...] = 0
        return False
    found = np.zeros(1, np.bool_)
    if FREQUENCIES * depth * pitch * x.itemsize > _SMALL_BYTES:
        _staged(x, grad, out, found, tiles, total, padding, dilation)
        return bool(found[0])
    per_sum = FREQUENCIES * apart(depth * pitch, wide)
    sums = max(1, min(8, _PARTIAL_BYTES // (per_sum * x.itemsize), total // 32))
    fitting = BLOCK_BYTES // (FREQUENCIES * (depth + pitch) * x.itemsize)
    T = max(8, min(fitting, -(-total // sums), 128))
    partial = zeros((sums, FREQUENCIES, apart(depth * pitch, wide)), x.dtype)
    scratch = FREQUENCIES * (apart(T * depth, wide) + apart(T * pitch, wide))
    arguments = (x, grad, partial, tiles, padding, dilation, total, T, wide)
    parallel.run(_correlate, sums, 1, *arguments, scratch=(scratch, x.dtype))
    parallel.run(_finish, -(-out.shape[0] // wide), 1, partial, wide, out, found)
    return bool(found[0])


def _staged(
    x: Array, grad: Array, out: Array, found: Array, tiles: Pair, total: int, padding: Pair, dilation: Pair
) -> None:
    """V and Z for many tiles at once, then sums by blocks of channels."""
    wide = lanes(x.itemsize)
    block = VECTORS * wide
    depth, pitch = filled(x.shape[3], max(wide, SUM_ROWS)), filled(grad.shape[3], wide)
    staged = max(128, _STAGED_BYTES // (FREQUENCIES * (depth + pitch) * x.itemsize))
    most = min(staged, total)
    V = empty((FREQUENCIES * apart(most * depth, wide),), x.dtype)
    Z = empty((FREQUENCIES * apart(most * pitch, wide),), x.dtype)
    u_step = apart(_CHANNELS_TOGETHER * block, wide)
    items = -(-pitch // block) * -(-depth // _CHANNELS_TOGETHER)
    partial = empty((items * FREQUENCIES * u_step if total > staged else 0,), x.dtype)
    grain = max(1, 2048 // pitch)
    for first in range(0, total, staged):
        count = min(staged, total - first)
        stage(x, first, count, depth, tiles, padding, dilation, V)
        step = apart(count * pitch, wide)
        parallel.run(
            _transform_all, -(-count // grain), 1, grad, first, count, pitch, step, tiles, dilation, grain, wide, Z
        )  # fmt: skip
        arguments = (V, Z, count, depth, pitch, partial, first == 0, first + count == total, wide, out, found)
        parallel.run(_by_blocks, items, 1, *arguments, scratch=(FREQUENCIES * u_step, x.dtype))
