"""Convolution, its adjoint and its weight gradient: the choice of the algorithm.

Directly: ``conv/direct.py`` (the first two) and ``conv/weight_gradient.py`` (the third). With the Winograd algorithm:
``conv/winograd/``; what is not finite then is computed directly, so that a NaN or an infinity reaches only the
results that depend on it. One channel at a time: ``conv/depthwise.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .conv import depthwise
from .conv.algorithm import gradient_uses_winograd, set_conv_algorithm, shape_of, uses_winograd
from .conv.direct import convolve
from .conv.plan import convolution_plan, transposed_plan
from .conv.weight_gradient import weight_gradient
from .conv.winograd import forward as winograd
from .conv.winograd import weight_gradient as winograd_gradient
from .conv.winograd.tiles import pixels_of
from .elementwise import relu as rectify
from .patterns.copying import deliver
from .runtime.layout import Array, Pair, channels_last
from .runtime.memory import contiguous, empty

__all__ = ["conv2d", "conv2d_weight_gradient", "conv_transpose2d", "set_conv_algorithm"]

# Where the packed forms of a weight are stored from call to call, or None; see ``spec.py``.
Memo = dict[Any, Any] | None


def _flat_weight(weight: Array) -> tuple[Array, tuple[int, int, int, int]]:
    """The weight's memory as a vector, and the strides of O, I, kh, kw in it, counted in elements."""
    weight = contiguous(weight)
    o, i, r, s = (stride // weight.itemsize for stride in weight.strides)
    return weight.reshape(-1), (o, i, r, s)


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


def _first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """N,C,H,W of N,H,W,C."""
    return shape[0], shape[3], shape[1], shape[2]


def _recompute(marks: Array, out: Array, dilation: Pair, direct: Callable[[int, Array], None]) -> None:
    """Compute marked tiles of Winograd's algorithm directly: ``direct(n, image)`` computes all of image n.

    ``out`` is (N,H,W,K). An image with a marked tile is computed twice; one without costs nothing.
    """
    if not marks.any():
        return
    pixels = pixels_of(marks, out.shape[0], (out.shape[1], out.shape[2]), dilation)
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
    """The Winograd algorithm, or one lattice: every output pixel."""
    if _is_depthwise(weight, groups):
        depthwise.convolve(x, weight, bias, out, stride, padding, dilation)
        if relu:
            rectify(out, out)
        return
    if groups > 1:
        parts = _each_group(groups, (x, 1), (weight, 0), (bias, 0), (out, 1))
        for g, (x_, weight_, bias_, out_) in enumerate(parts):
            conv2d(x_, weight_, bias_, out_, stride, padding, dilation, 1, relu, _part_of(memo, g))
        return
    flat, strides = _flat_weight(weight)
    shape = shape_of(x.shape, out.shape, weight.shape, stride, padding, dilation, x.itemsize)
    x, pixels = channels_last(x), channels_last(out)  # N,H,W,C from here on

    def direct(x: Array, pixels: Array, memo: Memo) -> None:
        shapes = (_first(x.shape), _first(pixels.shape), weight.shape)
        plan = convolution_plan(*shapes, strides, stride, padding, dilation, x.itemsize)
        convolve(plan, x, flat, bias, pixels, relu, memo)

    if uses_winograd(shape, memo is not None):
        marks = winograd.convolve(x, flat, strides, False, bias, pixels, padding, dilation, relu, memo)
        _recompute(marks, pixels, dilation, lambda n, image: direct(x[n : n + 1], image, None))
    else:
        direct(x, pixels, memo)
    deliver(pixels, out)


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
    """The Winograd algorithm, a convolution with the filter flipped; or stride x stride lattices, each with the taps
    that reach it.
    """
    if _is_depthwise(weight, groups):
        depthwise.convolve_transposed(y, weight, bias, out, stride, padding, dilation)
        if relu:
            rectify(out, out)
        return
    if groups > 1:
        parts = _each_group(groups, (y, 1), (weight, 0), (bias, 0), (out, 1))
        for g, (y_, weight_, bias_, out_) in enumerate(parts):
            conv_transpose2d(y_, weight_, bias_, out_, stride, padding, dilation, 1, relu, _part_of(memo, g))
        return
    flat, (o, i, r_stride, s_stride) = _flat_weight(weight)
    strides = (i, o, r_stride, s_stride)
    flipped_padding = (2 * dilation[0] - padding[0], 2 * dilation[1] - padding[1])
    shape = shape_of(y.shape, out.shape, weight.shape, stride, flipped_padding, dilation, y.itemsize)
    y, pixels = channels_last(y), channels_last(out)  # N,H,W,C from here on

    def direct(y: Array, pixels: Array, memo: Memo) -> None:
        shapes = (_first(y.shape), _first(pixels.shape), weight.shape)
        plan, unmet = transposed_plan(*shapes, strides, stride, padding, dilation, y.itemsize)
        for row, column in unmet:
            value = np.zeros(out.shape[1], out.dtype) if bias is None else bias
            pixels[:, row :: stride[0], column :: stride[1]] = np.maximum(value, 0) if relu else value
        convolve(plan, y, flat, bias, pixels, relu, memo)

    if uses_winograd(shape, memo is not None):
        marks = winograd.convolve(y, flat, strides, True, bias, pixels, flipped_padding, dilation, relu, memo)
        _recompute(marks, pixels, dilation, lambda n, image: direct(y[n : n + 1], image, None))
    else:
        direct(y, pixels, memo)
    deliver(pixels, out)


def conv2d_weight_gradient(
    x: Array, grad: Array, out: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> None:
    """The Winograd algorithm, or a sum of outer products tap by tap."""
    if _is_depthwise(out, groups):
        depthwise.weight_gradient(x, grad, out, stride, padding, dilation)
        return
    if groups > 1:
        for x_, grad_, out_ in _each_group(groups, (x, 1), (grad, 1), (out, 0)):
            conv2d_weight_gradient(x_, grad_, out_, stride, padding, dilation, 1)
        return
    whole = out if out.flags.c_contiguous else empty(out.shape, out.dtype)
    shape = shape_of(x.shape, grad.shape, out.shape, stride, padding, dilation, x.itemsize)
    x, grad = channels_last(x), channels_last(grad)  # N,H,W,C from here on
    if gradient_uses_winograd(shape):
        if winograd_gradient.weight_gradient(x, grad, whole, padding, dilation):
            direct = empty(out.shape, out.dtype)
            weight_gradient(x, grad, direct, stride, padding, dilation)
            filters = ~np.isfinite(whole).all(axis=(2, 3))
            whole[filters] = direct[filters]
    else:
        weight_gradient(x, grad, whole, stride, padding, dilation)
    if whole is not out:
        out[...] = whole
