"""Convolution, its adjoint and its gradient by the weight: one equation, read in three directions.

    y[n,o,i,j] = sum over c,r,s of  weight[o,c,r,s] * x[n,c, i*stride - padding + r*dilation, j*... ]

Each kernel below walks over the taps (r, s) of the weight. For one tap the pixels of x that it meets form a
regular grid, a strided *view* of the padded x, and what is left is a matrix product over channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .array import Array, Pair

__all__ = ["conv2d", "conv2d_weight_gradient", "conv_transpose2d", "set_conv_algorithm"]


def taps(kernel_size: Pair, out_size: Pair, stride: Pair, dilation: Pair) -> Iterator[tuple[int, int, slice, slice]]:
    """For each tap (r, s) the rows and columns of the padded input that it meets, one for each output pixel."""
    for r in range(kernel_size[0]):
        rows = slice(r * dilation[0], r * dilation[0] + (out_size[0] - 1) * stride[0] + 1, stride[0])
        for s in range(kernel_size[1]):
            columns = slice(s * dilation[1], s * dilation[1] + (out_size[1] - 1) * stride[1] + 1, stride[1])
            yield r, s, rows, columns


def _grouped(array: Array, groups: int, axis: int) -> Array:
    """Dimension ``axis`` of channels split into (groups, channels of a group)."""
    shape = array.shape
    return array.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])


def with_zeros(x: Array, padding: Pair) -> Array:
    """Zeros around each image."""
    return np.pad(x, ((0, 0), (0, 0), (padding[0], padding[0]), (padding[1], padding[1])))


def _finish(out: Array, bias: Array | None, relu: bool) -> None:
    """What follows the sum at each pixel."""
    if bias is not None:
        out += bias[:, None, None]
    if relu:
        np.maximum(out, 0, out=out)  # a NaN stays


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
    memo: dict[Any, Any] | None,
) -> None:
    """The equation as it stands."""
    padded = _grouped(with_zeros(x, padding), groups, 1)
    w = _grouped(weight, groups, 0)
    y = np.zeros_like(_grouped(out, groups, 1))
    for r, s, rows, columns in taps(weight.shape[2:], out.shape[2:], stride, dilation):
        y += np.einsum("goc,ngchw->ngohw", w[..., r, s], padded[..., rows, columns])
    out[...] = y.reshape(out.shape)
    _finish(out, bias, relu)


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
    memo: dict[Any, Any] | None,
) -> None:
    """The same walk, values flowing back: where conv2d read, this adds (lecture: upsampling by transposed
    convolution; put the kernel down at each input pixel, weighted by it, and sum where copies overlap).
    """
    n, c, h, w_ = out.shape
    padded = np.zeros((n, groups, c // groups, h + 2 * padding[0], w_ + 2 * padding[1]), out.dtype)
    w, y = _grouped(weight, groups, 0), _grouped(y, groups, 1)
    for r, s, rows, columns in taps(weight.shape[2:], y.shape[3:], stride, dilation):
        padded[..., rows, columns] += np.einsum("goc,ngohw->ngchw", w[..., r, s], y)
    inner = padded[..., padding[0] : padding[0] + h, padding[1] : padding[1] + w_]
    out[...] = inner.reshape(out.shape)
    _finish(out, bias, relu)


def conv2d_weight_gradient(
    x: Array, grad: Array, out: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> None:
    """The same walk, summed over images and pixels: each tap correlates its view of x with the gradient."""
    padded = _grouped(with_zeros(x, padding), groups, 1)
    g = _grouped(grad, groups, 1)
    for r, s, rows, columns in taps(out.shape[2:], grad.shape[2:], stride, dilation):
        tap = np.einsum("ngohw,ngchw->goc", g, padded[..., rows, columns])
        out[..., r, s] = tap.reshape(out.shape[:2])


def set_conv_algorithm(name: str) -> None:
    """There is only the definition."""
