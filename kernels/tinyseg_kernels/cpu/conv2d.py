"""Convolution forward, its adjoint, and its gradient by the weight, channels-last: the choice of the way, and the
direct gradient by the weight. The other two directions are walked in ``walk.py``, or go by ``winograd.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import depthwise, parallel, winograd, winograd_gradient
from .algorithm import gradient_uses_winograd, set_conv_algorithm, uses_winograd
from .array import Array, Pair, channels_last, channels_padded
from .compiler import kernel
from .elementwise import deliver
from .elementwise import relu as rectify
from .memory import zeros
from .microkernel import outer_sum
from .simd import VECTORS, lanes
from .walk import Lattice, Tap, walk

__all__ = ["conv2d", "conv2d_weight_gradient", "conv_transpose2d", "set_conv_algorithm"]

# Where the packed forms of a weight are kept from call to call, or None; see ``spec.py``.
Memo = dict[Any, Any] | None

_GRADIENT_ROWS = 8
_sum_wide = outer_sum(_GRADIENT_ROWS, VECTORS)
_sum_narrow = outer_sum(_GRADIENT_ROWS, 1)

# Partial sums of the gradient by the weight may take so many bytes in all.
_PARTIAL_BYTES = 16 << 20
_BAND_BYTES = 256 * 1024


def _flat_weight(weight: Array) -> tuple[Array, tuple[int, int, int, int]]:
    """The weight's memory as a vector, and the strides of O, I, kh, kw in it, counted in elements."""
    weight = np.ascontiguousarray(weight)
    o, i, r, s = (stride // weight.itemsize for stride in weight.strides)
    return weight.reshape(-1), (o, i, r, s)


def _by_winograd(x: Array, y: Array, weight: Array, stride: Pair, dilation: Pair, memo: Memo) -> bool:
    """Whether the convolution from x to y, N,C,H,W, goes Winograd's way; its adjoint is one from y to x."""
    images, channels = x.shape[:2]
    pixels = images * y.shape[2] * y.shape[3]
    tiles = winograd.count_tiles(images, y.shape[2:], dilation)
    packed = memo is not None
    return uses_winograd(weight.shape[2:], stride, tiles, pixels, channels, y.shape[1], x.itemsize, packed)


def _part_of(memo: Memo, group: int) -> Memo:
    """A memo for one group of channels."""
    return None if memo is None else memo.setdefault(("group", group), {})


def _each_group(groups: int, *arrays: tuple[Array | None, int]) -> Any:
    """For each group of channels the parts of the arrays that belong to it; each comes with its channel axis."""
    for g in range(groups):
        parts: list[Any] = []
        for array, axis in arrays:
            if array is None:
                parts.append(None)
                continue
            size = array.shape[axis] // groups
            parts.append(array[(*[slice(None)] * axis, slice(g * size, (g + 1) * size))])
        yield parts


def _is_depthwise(weight: Array, groups: int) -> bool:
    return groups > 1 and weight.shape[1] == 1 and weight.shape[0] == groups


def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None,
    out: Array,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    relu: bool,
    memo: Memo,
) -> None:
    """Winograd's way, or one lattice: every output pixel."""
    if _is_depthwise(weight, groups):
        depthwise.conv2d(x, weight, bias, out, stride, padding, dilation)
        if relu:
            rectify(out, out)
        return
    if groups > 1:
        parts = _each_group(groups, (x, 1), (weight, 0), (bias, 0), (out, 1))
        for g, (x_, weight_, bias_, out_) in enumerate(parts):
            conv2d(x_, weight_, bias_, out_, stride, padding, dilation, 1, relu, _part_of(memo, g))
        return
    memory = channels_last(out)
    if _by_winograd(x, out, weight, stride, dilation, memo):
        flat, strides = _flat_weight(weight)
        winograd.convolve(channels_last(x), flat, strides, False, bias, memory, padding, dilation, relu, memo)
        deliver(memory, out)
        return
    taps = [
        Tap(r * dilation[0] - padding[0], s * dilation[1] - padding[1], r, s)
        for r in range(weight.shape[2])
        for s in range(weight.shape[3])
    ]
    pixels = Lattice((0, 0), (out.shape[2], out.shape[3]), taps)
    walk(channels_last(x), *_flat_weight(weight), bias, memory, [pixels], (1, 1), stride, relu, memo)
    deliver(memory, out)


def _phase(phase: int, size: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[int, int, Any]:
    """One dimension of the adjoint: the pixels h with (h + padding) % stride == phase, the first one and how many,
    and the taps they meet.

    Where h = i stride - padding + r dilation, so r dilation % stride == phase, the source is
    i = (h + padding) // stride - r dilation // stride.
    """
    first = (phase - padding) % stride
    count = max(0, -(-(size - first) // stride))
    origin = (first + padding) // stride
    taps = [(origin - r * dilation // stride, r) for r in range(kernel) if r * dilation % stride == phase]
    return first, count, taps


def conv_transpose2d(
    y: Array,
    weight: Array,
    bias: Array | None,
    out: Array,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    relu: bool,
    memo: Memo,
) -> None:
    """Winograd's way, a convolution with the filter turned round; or stride x stride lattices, each with the taps
    that reach it.
    """
    if _is_depthwise(weight, groups):
        depthwise.conv_transpose2d(y, weight, bias, out, stride, padding, dilation)
        if relu:
            rectify(out, out)
        return
    if groups > 1:
        parts = _each_group(groups, (y, 1), (weight, 0), (bias, 0), (out, 1))
        for g, (y_, weight_, bias_, out_) in enumerate(parts):
            conv_transpose2d(y_, weight_, bias_, out_, stride, padding, dilation, 1, relu, _part_of(memo, g))
        return
    memory = channels_last(out)
    source = channels_last(y)
    flat, (o, i, r_stride, s_stride) = _flat_weight(weight)
    strides = (i, o, r_stride, s_stride)
    if _by_winograd(y, out, weight, stride, dilation, memo):
        turned = (2 * dilation[0] - padding[0], 2 * dilation[1] - padding[1])
        winograd.convolve(source, flat, strides, True, bias, memory, turned, dilation, relu, memo)
        deliver(memory, out)
        return
    down, across = (
        [_phase(phase, out.shape[2 + i], weight.shape[2 + i], stride[i], padding[i], dilation[i])
         for phase in range(stride[i])]
        for i in (0, 1)
    )  # fmt: skip
    lattices = []
    for first_row, rows, row_taps in down:
        for first_column, columns, column_taps in across:
            taps = [Tap(row, column, r, s) for row, r in row_taps for column, s in column_taps]
            if taps:
                lattices.append(Lattice((first_row, first_column), (rows, columns), taps))
            else:  # a stride longer than the kernel leaves pixels that nothing reaches
                unmet = np.zeros(out.shape[1], out.dtype) if bias is None else bias
                memory[:, first_row :: stride[0], first_column :: stride[1]] = np.maximum(unmet, 0) if relu else unmet
    walk(source, flat, strides, bias, memory, lattices, stride, (1, 1), relu, memo)
    deliver(memory, out)


@kernel
def _weight_gradient(start, stop, x, grad, partial, stride, padding, dilation, size, band_rows, splits, block):
    """Items: (partial sum, part of the blocks of x's channels).

    partial[s, r, t, c, o] sums over the bands of output rows that belong to s. Taps meet pixels outside the image
    at its border: these are left out pixel by pixel, so no padded copy is needed.
    """
    images, height, width, channels = x.shape
    _, out_height, out_width, outputs = grad.shape
    sums = partial.shape[0]
    kernel_height, kernel_width = size
    flat_x, flat_grad, flat_partial = x.reshape(-1), grad.reshape(-1), partial.reshape(-1)
    bands_an_image = (out_height + band_rows - 1) // band_rows
    bands = images * bands_an_image
    channel_blocks = channels // _GRADIENT_ROWS
    pixels_x = np.empty(band_rows * out_width, np.int64)
    pixels_grad = np.empty(band_rows * out_width, np.int64)
    for item in range(start, stop):
        s, split = item // splits, item % splits
        for band in range(s * bands // sums, (s + 1) * bands // sums):
            n, top = band // bands_an_image, band % bands_an_image * band_rows
            for tap in range(kernel_height * kernel_width):
                r, t = tap // kernel_width, tap % kernel_width
                count = 0
                for i in range(top, min(top + band_rows, out_height)):
                    h = i * stride[0] - padding[0] + r * dilation[0]
                    if h < 0 or h >= height:
                        continue
                    for j in range(out_width):
                        w = j * stride[1] - padding[1] + t * dilation[1]
                        if 0 <= w < width:
                            pixels_x[count] = ((n * height + h) * width + w) * channels
                            pixels_grad[count] = ((n * out_height + i) * out_width + j) * outputs
                            count += 1
                if count == 0:
                    continue
                for c in range(split * channel_blocks // splits, (split + 1) * channel_blocks // splits):
                    c0 = c * _GRADIENT_ROWS
                    place = ((s * kernel_height * kernel_width + tap) * channels + c0) * outputs
                    for o in range(0, outputs, block):
                        if outputs - o >= block:
                            _sum_wide(
                                flat_x,
                                c0,
                                pixels_x,
                                flat_grad,
                                o,
                                pixels_grad,
                                count,
                                flat_partial,
                                place + o,
                                outputs,
                            )
                        else:
                            _sum_narrow(
                                flat_x,
                                c0,
                                pixels_x,
                                flat_grad,
                                o,
                                pixels_grad,
                                count,
                                flat_partial,
                                place + o,
                                outputs,
                            )


@kernel
def _combine(start, stop, partial, wide, out):
    """out[o, c, tap] = sum over s of partial[s, tap, c, o]. Items: ``wide`` output channels, a vector of partial."""
    sums, taps = partial.shape[:2]
    outputs, channels = out.shape[:2]
    total = np.empty(wide, partial.dtype)
    for item in range(start, stop):
        first = item * wide
        for c in range(channels):
            for tap in range(taps):
                total[:] = 0
                for s in range(sums):
                    for lane in range(wide):
                        total[lane] += partial[s, tap, c, first + lane]
                for lane in range(min(wide, outputs - first)):
                    out[first + lane, c, tap] = total[lane]


def conv2d_weight_gradient(
    x: Array, grad: Array, out: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> None:
    """Outer products of x's and the gradient's channels, summed over pixels, tap by tap.

    How the sums are split follows from the shapes: for many pixels several partial sums over bands of rows, for
    many channels by channels.
    """
    if _is_depthwise(out, groups):
        depthwise.conv2d_weight_gradient(x, grad, out, stride, padding, dilation)
        return
    if groups > 1:
        for x_, grad_, out_ in _each_group(groups, (x, 1), (grad, 1), (out, 0)):
            conv2d_weight_gradient(x_, grad_, out_, stride, padding, dilation, 1)
        return
    tiles = winograd.count_tiles(x.shape[0], grad.shape[2:], dilation)
    pixels = x.shape[0] * grad.shape[2] * grad.shape[3]
    if gradient_uses_winograd(out.shape[2:], stride, tiles, pixels, x.shape[1], grad.shape[1], x.itemsize):
        whole = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
        winograd_gradient.weight_gradient(channels_last(x), channels_last(grad), whole, padding, dilation)
        if whole is not out:
            out[...] = whole
        return
    outputs, channels, *size = out.shape
    vector = lanes(x.itemsize)
    padded_x = channels_padded(channels_last(x), _GRADIENT_ROWS)
    padded_grad = channels_padded(channels_last(grad), vector)
    images, out_height, out_width, _ = padded_grad.shape
    if not images:
        out[...] = 0
        return
    row_bytes = out_width * (padded_x.shape[3] + padded_grad.shape[3]) * x.dtype.itemsize
    band_rows = max(1, min(out_height, _BAND_BYTES // row_bytes))
    bands = images * -(-out_height // band_rows)
    elements = size[0] * size[1] * padded_x.shape[3] * padded_grad.shape[3]
    sums = max(1, min(8, bands, _PARTIAL_BYTES // (elements * x.dtype.itemsize)))
    splits = max(1, min(padded_x.shape[3] // _GRADIENT_ROWS, -(-8 // sums)))
    partial = zeros((sums, size[0] * size[1], padded_x.shape[3], padded_grad.shape[3]), x.dtype)
    parallel.run(
        _weight_gradient,
        sums * splits,
        1,
        padded_x,
        padded_grad,
        partial,
        tuple(stride),
        tuple(padding),
        tuple(dilation),
        tuple(size),
        band_rows,
        splits,
        VECTORS * vector,
    )
    whole = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
    flat = whole.reshape(outputs, channels, size[0] * size[1])
    parallel.run(
        _combine, -(-outputs // vector), max(1, 65536 // (elements // outputs * vector)), partial, vector, flat
    )
    if whole is not out:
        out[...] = whole
