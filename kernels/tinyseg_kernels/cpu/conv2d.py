"""Convolution forward, its adjoint, and its gradient by the weight: the choice of the way.

Directly: ``walk.py`` (the first two) and ``correlate.py`` (the third). By Winograd's tiles: ``winograd.py`` and
``winograd_gradient.py``; what is not finite then is computed directly, so that a NaN or an infinity reaches only the
results that depend on it. One channel at a time: ``depthwise.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .conv import depthwise
from .conv import weight_gradient as correlate
from .conv.algorithm import Shape, gradient_uses_winograd, set_conv_algorithm, uses_winograd
from .conv.direct import Lattice, Plan, Tap, plan, walk
from .conv.winograd import forward as winograd
from .conv.winograd import weight_gradient as winograd_gradient
from .elementwise import relu as rectify
from .patterns.copying import deliver
from .runtime.layout import Array, Pair, channels_last
from .runtime.memory import contiguous, empty

__all__ = ["conv2d", "conv2d_weight_gradient", "conv_transpose2d", "set_conv_algorithm"]


# Where the packed forms of a weight are kept from call to call, or None; see ``spec.py``.
Memo = dict[Any, Any] | None


def _flat_weight(weight: Array) -> tuple[Array, tuple[int, int, int, int]]:
    """The weight's memory as a vector, and the strides of O, I, kh, kw in it, counted in elements."""
    weight = contiguous(weight)
    o, i, r, s = (stride // weight.itemsize for stride in weight.strides)
    return weight.reshape(-1), (o, i, r, s)


def _met(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Pairs of an output and a tap that is inside the image there, along one dimension."""
    count = 0
    for offset in range(-padding, kernel * dilation - padding, dilation):
        first, last = max(0, -(offset // stride)), min(out - 1, (size - 1 - offset) // stride)
        count += max(0, last - first + 1)
    return count


@functools.lru_cache(maxsize=1024)
def _shape(
    x: tuple[int, ...],
    y: tuple[int, ...],
    weight: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    itemsize: int,
) -> Shape:
    """Of the convolution from x to y, N,C,H,W; its adjoint is one from y to x."""
    met = x[0]
    for i in (0, 1):
        met *= _met(x[2 + i], y[2 + i], weight[2 + i], stride[i], padding[i], dilation[i])
    return Shape(weight[2:], stride, winograd.count_tiles(x[0], (y[2], y[3]), dilation), met, x[1], y[1], itemsize)


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


def _last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """N,H,W,C of N,C,H,W."""
    return shape[0], shape[2], shape[3], shape[1]


def _first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """N,C,H,W of N,H,W,C."""
    return shape[0], shape[3], shape[1], shape[2]


@functools.lru_cache(maxsize=1024)
def _plan(
    x: tuple[int, ...],
    out: tuple[int, ...],
    weight: tuple[int, ...],
    strides: tuple[int, int, int, int],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    itemsize: int,
) -> Plan | None:
    """One lattice: every pixel of the output."""
    taps = [
        Tap(r * dilation[0] - padding[0], s * dilation[1] - padding[1], r, s)
        for r in range(weight[2])
        for s in range(weight[3])
    ]
    pixels = Lattice((0, 0), (out[2], out[3]), taps)
    return plan(_last(x), _last(out), itemsize, strides, [pixels], (1, 1), stride)


def _redo(marks: Array, out: Array, dilation: Pair, direct: Callable[[int, Array], None]) -> None:
    """Compute marked tiles of Winograd's algorithm directly: ``direct(n, image)`` computes all of image n.

    ``out`` is (N,H,W,K). An image with a marked tile is computed twice; one without costs nothing.
    """
    if not marks.any():
        return
    pixels = winograd.pixels_of(marks, out.shape[0], (out.shape[1], out.shape[2]), dilation)
    image = empty((1, *out.shape[1:]), out.dtype)
    for n in np.flatnonzero(pixels.any(axis=(1, 2))).tolist():
        direct(n, image)
        out[n][pixels[n]] = image[0][pixels[n]]


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
    flat, strides = _flat_weight(weight)
    shape = _shape(x.shape, out.shape, weight.shape, stride, padding, dilation, x.itemsize)
    source = channels_last(x)

    def direct(source: Array, target: Array, memo: Memo) -> None:
        shapes = (_first(source.shape), _first(target.shape), weight.shape)
        how = _plan(*shapes, strides, stride, padding, dilation, x.itemsize)
        walk(how, source, flat, bias, target, relu, memo)

    if uses_winograd(shape, memo is not None):
        marks = winograd.convolve(source, flat, strides, False, bias, memory, padding, dilation, relu, memo)
        _redo(marks, memory, dilation, lambda n, image: direct(source[n : n + 1], image, None))
    else:
        direct(source, memory, memo)
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


@functools.lru_cache(maxsize=1024)
def _transposed_plan(
    y: tuple[int, ...],
    out: tuple[int, ...],
    weight: tuple[int, ...],
    strides: tuple[int, int, int, int],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    itemsize: int,
) -> tuple[Plan | None, list[Pair]]:
    """Stride x stride lattices, each with the taps that reach it; and the first pixels of those that none reaches."""
    down, across = (
        [_phase(phase, out[2 + i], weight[2 + i], stride[i], padding[i], dilation[i]) for phase in range(stride[i])]
        for i in (0, 1)
    )
    lattices, unmet = [], []
    for first_row, rows, row_taps in down:
        for first_column, columns, column_taps in across:
            taps = [Tap(row, column, r, s) for row, r in row_taps for column, s in column_taps]
            if taps:
                lattices.append(Lattice((first_row, first_column), (rows, columns), taps))
            else:  # a stride longer than the kernel
                unmet.append((first_row, first_column))
    return plan(_last(y), _last(out), itemsize, strides, lattices, stride, (1, 1)), unmet


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
    turned = (2 * dilation[0] - padding[0], 2 * dilation[1] - padding[1])
    shape = _shape(y.shape, out.shape, weight.shape, stride, turned, dilation, y.itemsize)

    def direct(source: Array, target: Array, memo: Memo) -> None:
        shapes = (_first(source.shape), _first(target.shape), weight.shape)
        how, unmet = _transposed_plan(*shapes, strides, stride, padding, dilation, y.itemsize)
        for row, column in unmet:
            value = np.zeros(out.shape[1], out.dtype) if bias is None else bias
            target[:, row :: stride[0], column :: stride[1]] = np.maximum(value, 0) if relu else value
        walk(how, source, flat, bias, target, relu, memo)

    if uses_winograd(shape, memo is not None):
        marks = winograd.convolve(source, flat, strides, True, bias, memory, turned, dilation, relu, memo)
        _redo(marks, memory, dilation, lambda n, image: direct(source[n : n + 1], image, None))
    else:
        direct(source, memory, memo)
    deliver(memory, out)


def conv2d_weight_gradient(
    x: Array, grad: Array, out: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> None:
    """Winograd's way, or a sum of outer products tap by tap."""
    if _is_depthwise(out, groups):
        depthwise.conv2d_weight_gradient(x, grad, out, stride, padding, dilation)
        return
    if groups > 1:
        for x_, grad_, out_ in _each_group(groups, (x, 1), (grad, 1), (out, 0)):
            conv2d_weight_gradient(x_, grad_, out_, stride, padding, dilation, 1)
        return
    whole = out if out.flags.c_contiguous else empty(out.shape, out.dtype)
    source, gradient = channels_last(x), channels_last(grad)
    if gradient_uses_winograd(_shape(x.shape, grad.shape, out.shape, stride, padding, dilation, x.itemsize)):
        if winograd_gradient.weight_gradient(source, gradient, whole, padding, dilation):
            direct = empty(out.shape, out.dtype)
            correlate.weight_gradient(source, gradient, direct, stride, padding, dilation)
            filters = ~np.isfinite(whole).all(axis=(2, 3))
            whole[filters] = direct[filters]
    else:
        correlate.weight_gradient(source, gradient, whole, stride, padding, dilation)
    if whole is not out:
        out[...] = whole
