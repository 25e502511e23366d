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

A block of tiles goes through all three before the next one, so V and M stay in the cache.

A dilated convolution is d x d ordinary ones: the pixels whose row and column leave the same rest by d form an
image of their own, and tiles are cut from these interleaved grids.

The gradient by the input is the same with the filter turned round. The gradient by the weight runs the transforms
backwards (the adjoint of y(g) above):  dg = G^T [sum over tiles (B^T d B) * (A dy A^T)] G.

The factors of A reach 8, so results lose about a digit against a direct sum. A value that is not finite spreads over
the 4x4 patch it meets, and infinities may become NaN (inf - inf); none is hidden.
"""

from __future__ import annotations

import numpy as np

from . import parallel
from .array import Array, Pair, channels_padded
from .compiler import helper, kernel
from .memory import empty, zeros
from .microkernel import gather_product, outer_sum
from .simd import ROWS, VECTORS, lanes, load, store

FREQUENCIES = 36
_GRADIENT_ROWS = 8

_product = gather_product(VECTORS)
_product_narrow = gather_product(1)
_sum_wide = outer_sum(_GRADIENT_ROWS, VECTORS)
_sum_narrow = outer_sum(_GRADIENT_ROWS, 1)

# What V and M of a block of tiles may take together: a little less than a second-level cache.
_BLOCK_BYTES = 768 * 1024
_PARTIAL_BYTES = 4 << 20


def _apart(count: int, wide: int) -> int:
    """How far apart in memory the frequencies are, for ``count`` numbers each: an odd number of vectors.

    The transforms write to 36 places at once; a power of two would put them all into one set of the cache.
    """
    return (count // wide | 1) * wide


_distance = helper(_apart)


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
def _output_adjoint(y0, y1, y2, y3):
    """A y."""
    s, t, u, v = y0 + y2, y1 + y3, y0 + 4.0 * y2, 2.0 * y1 + 8.0 * y3
    return y0, s + t, s - t, u + v, u - v, y3


@helper
def _weight_transform(g0, g1, g2):
    """G g."""
    s, t, u = g0 + g2, (1 / 24) * g0 + (1 / 6) * g2, (1 / 12) * g1
    return 0.25 * g0, (-1 / 6) * (s + g1), (1 / 6) * (g1 - s), t + u, t - u, g2


@helper
def _weight_adjoint(u0, u1, u2, u3, u4, u5):
    """G^T u."""
    s, t = u1 + u2, u3 + u4
    return 0.25 * u0 - (1 / 6) * s + (1 / 24) * t, (1 / 6) * (u2 - u1) + (1 / 12) * (u3 - u4), (1 / 6) * (t - s) + u5


@kernel
def _pack(start, stop, weight, strides, turned, channels, depth, outputs, wide, packed):
    """U[f, b, c, j] for the output channels b * block + j; the last block is half as wide where that is enough.

    ``depth``: the number of channels c that there is room for. ``turned``: the filter is read from its last tap to
    its first, as the gradient by the input needs it. Items: (block, channel c).
    """
    out_stride, in_stride, r_stride, s_stride = strides
    block = VECTORS * wide
    blocks = (outputs + block - 1) // block
    g, rows = np.empty(9 * wide, weight.dtype), np.empty(18 * wide, weight.dtype)
    step = _distance(blocks * depth * block, wide)
    for item in range(start, stop):
        b, c = item // channels, item % channels
        columns = wide if 2 * (outputs - b * block) <= block else block
        for j in range(0, columns, wide):
            first = (b * block + j) * out_stride + c * in_stride
            for lane in range(wide):
                inside = b * block + j + lane < outputs
                for tap in range(9):
                    r, s = tap // 3, tap % 3
                    source = first + lane * out_stride
                    source += (2 - r) * r_stride + (2 - s) * s_stride if turned else r * r_stride + s * s_stride
                    g[tap * wide + lane] = weight[source] if inside else 0
            for s in range(3):
                e = s * wide
                u = _weight_transform(load(g, e), load(g, e + 3 * wide), load(g, e + 6 * wide))
                store(rows, e, u[0])
                store(rows, e + 3 * wide, u[1])
                store(rows, e + 6 * wide, u[2])
                store(rows, e + 9 * wide, u[3])
                store(rows, e + 12 * wide, u[4])
                store(rows, e + 15 * wide, u[5])
            for p in range(6):
                e = p * 3 * wide
                u = _weight_transform(load(rows, e), load(rows, e + wide), load(rows, e + 2 * wide))
                o = p * 6 * step + b * depth * block + c * columns + j
                store(packed, o, u[0])
                store(packed, o + step, u[1])
                store(packed, o + 2 * step, u[2])
                store(packed, o + 3 * step, u[3])
                store(packed, o + 4 * step, u[4])
                store(packed, o + 5 * step, u[5])


@helper
def _tile(number, tiles, dilation):
    """Which image, interleaved grid and tile: (n, a, b, i, j)."""
    rows, columns = tiles
    rest, j = number // columns, number % columns
    rest, i = rest // rows, rest % rows
    rest, b = rest // dilation[1], rest % dilation[1]
    return rest // dilation[0], rest % dilation[0], b, i, j


@helper
def _copy_patch(source, n, top, left, dilation, size, c, wide, patch):
    """patch[p, q, :wide] = source[n, top + p dh, left + q dw, c : c + wide], 0 outside the image."""
    height, width = source.shape[1:3]
    for p in range(size):
        h = top + p * dilation[0]
        for q in range(size):
            w = left + q * dilation[1]
            place = (p * size + q) * wide
            if 0 <= h < height and 0 <= w < width:
                for lane in range(wide):
                    patch[place + lane] = source[n, h, w, c + lane]
            else:
                for lane in range(wide):
                    patch[place + lane] = 0


@helper
def _transform_inputs(x, first, count, block, tiles, padding, dilation, channels, wide, V, d, patch):
    """Step 1 for ``count`` tiles and the channels from channels[0] to channels[1]: V[f, t, c] = (B^T d B)[f]."""
    height, width, depth = x.shape[1:]
    flat = x.reshape(-1)
    low, high = channels
    for t in range(count):
        n, a, b, i, j = _tile(first + t, tiles, dilation)
        top = a + 4 * i * dilation[0] - padding[0]
        left = b + 4 * j * dilation[1] - padding[1]
        whole = top >= 0 and left >= 0 and top + 5 * dilation[0] < height and left + 5 * dilation[1] < width
        for c in range(low, high, wide):
            if whole:
                values, o = flat, ((n * height + top) * width + left) * depth + c
                row, column = dilation[0] * width * depth, dilation[1] * depth
            else:
                _copy_patch(x, n, top, left, dilation, 6, c, wide, patch)
                values, o, row, column = patch, 0, 6 * wide, wide
            for q in range(6):
                v = _input_transform(
                    load(values, o), load(values, o + row), load(values, o + 2 * row),
                    load(values, o + 3 * row), load(values, o + 4 * row), load(values, o + 5 * row),
                )  # fmt: skip
                o += column
                e = q * wide
                store(d, e, v[0])
                store(d, e + 6 * wide, v[1])
                store(d, e + 12 * wide, v[2])
                store(d, e + 18 * wide, v[3])
                store(d, e + 24 * wide, v[4])
                store(d, e + 30 * wide, v[5])
            for p in range(6):
                e = p * 6 * wide
                v = _input_transform(
                    load(d, e), load(d, e + wide), load(d, e + 2 * wide),
                    load(d, e + 3 * wide), load(d, e + 4 * wide), load(d, e + 5 * wide),
                )  # fmt: skip
                step = _distance(block * (high - low), wide)
                e = p * 6 * step + t * (high - low) + c - low
                store(V, e, v[0])
                store(V, e + step, v[1])
                store(V, e + 2 * step, v[2])
                store(V, e + 3 * step, v[3])
                store(V, e + 4 * step, v[4])
                store(V, e + 5 * step, v[5])


@helper
def _transform_outputs(M, pitch, first, count, block, tiles, dilation, bias, wide, out, d):
    """Step 3 for ``count`` tiles: out = bias + A^T M A, as far as it lies in the image."""
    height, width, channels = out.shape[1:]
    flat = out.reshape(-1)
    for t in range(count):
        n, a, b, i, j = _tile(first + t, tiles, dilation)
        top, left = a + 4 * i * dilation[0], b + 4 * j * dilation[1]
        for k in range(0, channels, wide):
            start = load(bias, k)
            frequency = _distance(block * pitch, wide)
            step = 6 * frequency
            for q in range(6):
                e = q * frequency + t * pitch + k
                y = _output_transform(
                    load(M, e), load(M, e + step), load(M, e + 2 * step),
                    load(M, e + 3 * step), load(M, e + 4 * step), load(M, e + 5 * step),
                )  # fmt: skip
                store(d, q * wide, y[0])
                store(d, (6 + q) * wide, y[1])
                store(d, (12 + q) * wide, y[2])
                store(d, (18 + q) * wide, y[3])
            for p in range(4):
                h = top + p * dilation[0]
                if h >= height:
                    break
                e = p * 6 * wide
                y = _output_transform(
                    load(d, e), load(d, e + wide), load(d, e + 2 * wide),
                    load(d, e + 3 * wide), load(d, e + 4 * wide), load(d, e + 5 * wide),
                )  # fmt: skip
                place, step_right = ((n * height + h) * width + left) * channels + k, dilation[1] * channels
                if left + 3 * dilation[1] < width and k + wide <= channels:
                    store(flat, place, y[0] + start)
                    store(flat, place + step_right, y[1] + start)
                    store(flat, place + 2 * step_right, y[2] + start)
                    store(flat, place + 3 * step_right, y[3] + start)
                    continue
                store(d, e, y[0] + start)
                store(d, e + wide, y[1] + start)
                store(d, e + 2 * wide, y[2] + start)
                store(d, e + 3 * wide, y[3] + start)
                for q in range(4):
                    if left + q * dilation[1] < width:
                        for lane in range(min(wide, channels - k)):
                            flat[place + q * step_right + lane] = d[e + q * wide + lane]


@kernel
def _convolve(start, stop, x, packed, bias, out, tiles, padding, dilation, total, tiles_a_block, wide):
    """Items: blocks of tiles."""
    channels, outputs = x.shape[3], out.shape[3]
    block = VECTORS * wide
    blocks = (outputs + block - 1) // block
    pitch = (outputs + wide - 1) // wide * wide
    T = tiles_a_block
    v_step, m_step = _distance(T * channels, wide), _distance(T * pitch, wide)
    u_step = _distance(blocks * channels * block, wide)
    V, M = np.empty(FREQUENCIES * v_step, x.dtype), np.empty(FREQUENCIES * m_step, x.dtype)
    d, patch = np.empty(FREQUENCIES * wide, x.dtype), np.empty(FREQUENCIES * wide, x.dtype)
    read, written = np.arange(T) * channels, np.arange(T) * pitch
    nothing, one_tap = np.zeros(block, x.dtype), np.zeros(1, np.int64)
    for item in range(start, stop):
        first = item * T
        count = min(T, total - first)
        _transform_inputs(x, first, count, T, tiles, padding, dilation, (0, channels), wide, V, d, patch)
        for f in range(FREQUENCIES):
            for b in range(blocks):
                panel = f * u_step + b * channels * block
                target = M[f * m_step + b * block :]
                narrow = 2 * (outputs - b * block) <= block
                for t in range(0, count, ROWS):
                    if narrow:
                        _product_narrow(
                            V, f * v_step, read, t, one_tap, 1, channels, packed, panel, nothing, 0, target,
                            written, t,
                        )  # fmt: skip
                    else:
                        _product(
                            V, f * v_step, read, t, one_tap, 1, channels, packed, panel, nothing, 0, target,
                            written, t,
                        )  # fmt: skip
        _transform_outputs(M, pitch, first, count, T, tiles, dilation, bias, wide, out, d)


def _tiles(height: int, width: int, dilation: Pair) -> Pair:
    """Tiles of a grid, downwards and across."""
    rows, columns = -(-height // dilation[0]), -(-width // dilation[1])
    return -(-rows // 4), -(-columns // 4)


def count_tiles(images: int, size: Pair, dilation: Pair) -> int:
    """How many tiles cover images of that size."""
    rows, columns = _tiles(*size, dilation)
    return images * dilation[0] * dilation[1] * rows * columns


def convolve(
    x: Array,
    weight: Array,
    strides: tuple[int, int, int, int],
    turned: bool,
    bias: Array | None,
    out: Array,
    padding: Pair,
    dilation: Pair,
) -> None:
    """out (N,H',W',K) = convolution of x (N,H,W,C), both C-contiguous, with a flat 3x3 weight.

    ``strides`` say how far apart in the weight are output channels, input channels, rows and columns.
    """
    wide = lanes(x.itemsize)
    block = VECTORS * wide
    channels, outputs = x.shape[3], out.shape[3]
    tiles = _tiles(out.shape[1], out.shape[2], dilation)
    total = count_tiles(x.shape[0], out.shape[1:3], dilation)
    if not total:
        return
    blocks = -(-outputs // block)
    padded = channels_padded(x, wide)
    inputs = padded.shape[3]
    packed = empty((FREQUENCIES * _apart(blocks * inputs * block, wide),), x.dtype)
    if inputs != channels:
        packed[:] = 0
    arguments = (weight, strides, turned, channels, inputs, outputs, wide, packed)
    parallel.run(_pack, blocks * channels, max(1, 16384 // (FREQUENCIES * block)), *arguments)
    start = np.zeros(blocks * block, x.dtype)
    if bias is not None:
        start[:outputs] = bias
    fitting = _BLOCK_BYTES // (FREQUENCIES * (inputs + outputs) * x.dtype.itemsize)
    # Whole blocks of rows for the products, and some eight items or more where there are tiles for it.
    in_rows = max(1, min(fitting // ROWS, -(-total // (8 * ROWS))))
    tiles_a_block = in_rows * ROWS
    parallel.run(
        _convolve,
        -(-total // tiles_a_block),
        1,
        padded,
        packed,
        start,
        out,
        tiles,
        padding,
        dilation,
        total,
        tiles_a_block,
        wide,
    )


@helper
def _transform_gradients(grad, first, count, block, tiles, dilation, wide, Z, d, patch):
    """Z[f, t, k] = (A dy A^T)[f] for ``count`` tiles."""
    height, width, channels = grad.shape[1:]
    flat = grad.reshape(-1)
    for t in range(count):
        n, a, b, i, j = _tile(first + t, tiles, dilation)
        top, left = a + 4 * i * dilation[0], b + 4 * j * dilation[1]
        whole = top + 3 * dilation[0] < height and left + 3 * dilation[1] < width
        for k in range(0, channels, wide):
            if whole:
                values, o = flat, ((n * height + top) * width + left) * channels + k
                row, column = dilation[0] * width * channels, dilation[1] * channels
            else:
                _copy_patch(grad, n, top, left, dilation, 4, k, wide, patch)
                values, o, row, column = patch, 0, 4 * wide, wide
            for q in range(4):
                z = _output_adjoint(
                    load(values, o), load(values, o + row), load(values, o + 2 * row), load(values, o + 3 * row)
                )
                o += column
                e = q * wide
                store(d, e, z[0])
                store(d, e + 4 * wide, z[1])
                store(d, e + 8 * wide, z[2])
                store(d, e + 12 * wide, z[3])
                store(d, e + 16 * wide, z[4])
                store(d, e + 20 * wide, z[5])
            for p in range(6):
                e = p * 4 * wide
                z = _output_adjoint(load(d, e), load(d, e + wide), load(d, e + 2 * wide), load(d, e + 3 * wide))
                step = _distance(block * channels, wide)
                e = p * 6 * step + t * channels + k
                store(Z, e, z[0])
                store(Z, e + step, z[1])
                store(Z, e + 2 * step, z[2])
                store(Z, e + 3 * step, z[3])
                store(Z, e + 4 * step, z[4])
                store(Z, e + 5 * step, z[5])


@kernel
def _correlate(start, stop, x, grad, partial, tiles, padding, dilation, total, tiles_a_block, splits, wide):
    """Items: (partial sum, part of the input channels). partial[s, f, c, k] = sum over its tiles of V Z."""
    channels, outputs = x.shape[3], grad.shape[3]
    sums = partial.shape[0]
    flat = partial.reshape(-1)
    T = tiles_a_block
    groups = channels // wide
    widest = (groups + splits - 1) // splits * wide
    z_step = _distance(T * outputs, wide)
    V = np.empty(FREQUENCIES * _distance(T * widest, wide), x.dtype)
    Z = np.empty(FREQUENCIES * z_step, x.dtype)
    d, patch = np.empty(FREQUENCIES * wide, x.dtype), np.empty(FREQUENCIES * wide, x.dtype)
    block = VECTORS * wide
    for item in range(start, stop):
        s, split = item // splits, item % splits
        low, high = split * groups // splits * wide, (split + 1) * groups // splits * wide
        read_x, read_grad = np.arange(T) * (high - low), np.arange(T) * outputs
        v_step = _distance(T * (high - low), wide)
        end = (s + 1) * total // sums
        for first in range(s * total // sums, end, T):
            count = min(T, end - first)
            _transform_inputs(x, first, count, T, tiles, padding, dilation, (low, high), wide, V, d, patch)
            _transform_gradients(grad, first, count, T, tiles, dilation, wide, Z, d, patch)
            for f in range(FREQUENCIES):
                for k in range(0, outputs, block):
                    for c in range(low, high, _GRADIENT_ROWS):
                        a, b = f * v_step + c - low, f * z_step + k
                        place = (s * FREQUENCIES + f) * partial.shape[2] + c * outputs + k
                        if outputs - k >= block:
                            _sum_wide(V, a, read_x, Z, b, read_grad, count, flat, place, outputs)
                        else:
                            _sum_narrow(V, a, read_x, Z, b, read_grad, count, flat, place, outputs)


@kernel
def _unpack(start, stop, partial, wide, out):
    """out[k, c] = G^T (sum over s of partial[s, :, c, k]) G. Items: (vector of output channels, input channel)."""
    sums, _, step = partial.shape
    outputs, channels = out.shape[:2]
    pitch = (outputs + wide - 1) // wide * wide
    flat = partial.reshape(-1)
    u, rows, g = np.empty(36 * wide, out.dtype), np.empty(18 * wide, out.dtype), np.empty(9 * wide, out.dtype)
    for item in range(start, stop):
        k, c = item // channels * wide, item % channels
        for f in range(FREQUENCIES):
            place = f * step + c * pitch + k
            total = load(flat, place)
            for s in range(1, sums):
                total = total + load(flat, place + s * FREQUENCIES * step)
            store(u, f * wide, total)
        for q in range(6):
            e = q * wide
            v = _weight_adjoint(
                load(u, e), load(u, e + 6 * wide), load(u, e + 12 * wide),
                load(u, e + 18 * wide), load(u, e + 24 * wide), load(u, e + 30 * wide),
            )  # fmt: skip
            store(rows, e, v[0])
            store(rows, e + 6 * wide, v[1])
            store(rows, e + 12 * wide, v[2])
        for r in range(3):
            e = r * 6 * wide
            v = _weight_adjoint(
                load(rows, e), load(rows, e + wide), load(rows, e + 2 * wide),
                load(rows, e + 3 * wide), load(rows, e + 4 * wide), load(rows, e + 5 * wide),
            )  # fmt: skip
            store(g, r * 3 * wide, v[0])
            store(g, (r * 3 + 1) * wide, v[1])
            store(g, (r * 3 + 2) * wide, v[2])
        for lane in range(min(wide, outputs - k)):
            for tap in range(9):
                out[k + lane, c, tap // 3, tap % 3] = g[tap * wide + lane]


def weight_gradient(x: Array, grad: Array, out: Array, padding: Pair, dilation: Pair) -> None:
    """out (K,C,3,3), C-contiguous, from x (N,H,W,C) and grad (N,H',W',K), C-contiguous."""
    wide = lanes(x.itemsize)
    multiple = max(wide, _GRADIENT_ROWS)
    padded_x, padded_grad = channels_padded(x, multiple), channels_padded(grad, wide)
    channels, outputs = padded_x.shape[3], padded_grad.shape[3]
    tiles = _tiles(grad.shape[1], grad.shape[2], dilation)
    total = count_tiles(x.shape[0], grad.shape[1:3], dilation)
    if not total:
        out[...] = 0
        return
    itemsize = x.dtype.itemsize
    # Sums are split by tiles as long as all of them together stay small, beyond that by channels.
    sums = max(1, min(4, _PARTIAL_BYTES // (FREQUENCIES * channels * outputs * itemsize), total // 64))
    splits = max(1, min(channels // multiple, 4 // sums))
    fitting = _BLOCK_BYTES // (FREQUENCIES * (-(-channels // splits) + outputs) * itemsize)
    tiles_a_block = max(8, min(fitting, -(-total // sums), 128))
    partial = zeros((sums, FREQUENCIES, _apart(channels * outputs, wide)), x.dtype)
    parallel.run(
        _correlate,
        sums * splits,
        1,
        padded_x,
        padded_grad,
        partial,
        tiles,
        padding,
        dilation,
        total,
        tiles_a_block,
        splits,
        wide,
    )
    vectors = -(-grad.shape[3] // wide)
    parallel.run(_unpack, vectors * x.shape[3], max(1, 65536 // (FREQUENCIES * sums * wide)), partial, wide, out)
