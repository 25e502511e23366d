"""Windows as columns of a matrix (im2col), and columns added up to an image again: a linear map and its adjoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Op
from ...geometry import Field, InputField, convolution_size
from ...tensor_base import Tensor
from ..common import Pair, Size, need_tensor, new, pair, view
from ..shape import squeeze, unsqueeze

__all__ = ["fold", "unfold"]

Window = tuple[Pair, Pair, Pair, Pair]  # kernel size, stride, padding, dilation


def _counts(size: Sequence[int], window: Window) -> Pair:
    """How many windows fit, vertically and horizontally."""
    kernel, stride, padding, dilation = window
    rows, columns = (convolution_size(size[i], kernel[i], stride[i], padding[i], dilation[i]) for i in (0, 1))
    return rows, columns


def _unfolded(x: Tensor, window: Window) -> Tensor:
    n, c, *size = x.shape
    counts, taps = _counts(size, window), math.prod(window[0])
    out = new(x, (n, c, *window[0], *counts))
    x.backend.unfold(x.array, out.array, *window)
    return view(out, x.backend.reshape(out.array, (n, c * taps, math.prod(counts))))


def _folded(x: Tensor, size: Pair, window: Window) -> Tensor:
    n, channels = x.shape[0], x.shape[1] // math.prod(window[0])
    out = new(x, (n, channels, *size))
    columns = x.backend.reshape(x.array, (n, channels, *window[0], *_counts(size, window)))
    x.backend.fold(columns, out.array, *window)
    return out


class Unfold(Op):
    """out[n, (c, r, s), (i, j)] = x[n, c, i sh - ph + r dh, j sw - pw + s dw]."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, window: Window) -> Tensor:
        """Sizes have been checked."""
        ctx.size, ctx.window = x.shape[2:], window
        return _unfolded(x, window)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Folded: what was read several times gets a sum."""
        return _folded(grad, ctx.size, ctx.window), None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Columns of windows are no map N,C,H,W."""
        return inputs.whole_image()


class Fold(Op):
    """out[n, c, i sh - ph + r dh, j sw - pw + s dw] += x[n, (c, r, s), (i, j)]."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: Pair, window: Window) -> Tensor:
        """Sizes have been checked; ``size`` is the image's."""
        ctx.window = window
        return _folded(x, size, window)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Unfolded."""
        return _unfolded(grad, ctx.window), None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Columns of windows are no map N,C,H,W."""
        return inputs.whole_image()


def _window(who: str, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Window:
    kernel, stride = pair(who, "kernel_size", kernel_size, 1), pair(who, "stride", stride, 1)
    return kernel, stride, pair(who, "padding", padding), pair(who, "dilation", dilation, 1)


def unfold(input: Tensor, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> Tensor:
    """The windows of a convolution as columns of a matrix (im2col): a convolution is a matrix product with them.

    out[n, (c kh + r) kw + s, i W' + j] = x[n, c, i*stride - padding + r*dilation, j*stride - padding + s*dilation]

    Args:
        input: x, float (N, C, H, W) or (C, H, W).
        kernel_size: size of the window (kh, kw).
        dilation: pixels from one element of the window to the next.
        padding: zeros around the image.
        stride: pixels from one window to the next.

    Returns:
        (N, C kh kw, L) or (C kh kw, L) with L = H' W' windows, H' and W' as in ``conv2d``.

    Raises:
        ValueError, TypeError: shapes, sizes or types do not fit, or no window does.

    Source: Chellapilla, Puri and Simard 2006, section 3.

    >>> import tinyseg
    >>> x = tinyseg.arange(6, dtype=tinyseg.float32).reshape(1, 2, 3)
    >>> unfold(x, 2)
    tensor([[0., 1.],
            [1., 2.],
            [3., 4.],
            [4., 5.]])
    """
    if need_tensor("unfold", "input", input).ndim not in (3, 4):
        raise ValueError(f"unfold: input must be N,C,H,W or C,H,W, got shape {input.shape}")
    window = _window("unfold", kernel_size, stride, padding, dilation)
    if min(input.shape[-3:]) < 1 or min(_counts(input.shape[-2:], window)) < 1:
        raise ValueError(
            f"unfold: input of shape {input.shape} with padding {window[2]} is too small: no window of "
            f"{window[0][0]}x{window[0][1]} with dilation {window[3]} fits"
        )
    if input.ndim == 4:
        return Unfold.apply(input, window)
    return squeeze(Unfold.apply(unsqueeze(input, 0), window), 0)


def fold(
    input: Tensor,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> Tensor:
    """Columns added up to an image (col2im): the adjoint of ``unfold``, so each pixel gets the sum of all elements
    that ``unfold`` would have read there.

    Args:
        input: float (N, C kh kw, L) or (C kh kw, L).
        output_size: the image's (H, W).
        kernel_size, dilation, padding, stride: those of ``unfold``; L must be the number of windows they give.

    Returns:
        (N, C, H, W) or (C, H, W).

    Raises:
        ValueError, TypeError: shapes, sizes or types do not fit.

    >>> import tinyseg
    >>> x = tinyseg.ones(1, 1, 3, 3)
    >>> fold(unfold(x, 2), 3, 2)  # in how many windows each pixel is
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    if need_tensor("fold", "input", input).ndim not in (2, 3):
        raise ValueError(f"fold: input must be (N, C kh kw, L) or (C kh kw, L), got shape {input.shape}")
    window = _window("fold", kernel_size, stride, padding, dilation)
    size = pair("fold", "output_size", output_size, 1)
    if input.shape[-2] % math.prod(window[0]) or not input.shape[-2]:
        raise ValueError(
            f"fold: input of shape {input.shape} has {input.shape[-2]} rows, which is no multiple of the "
            f"{math.prod(window[0])} elements of a {window[0][0]}x{window[0][1]} window"
        )
    rows, columns = _counts(size, window)
    if input.shape[-1] != rows * columns or not rows * columns:
        raise ValueError(
            f"fold: input of shape {input.shape} has {input.shape[-1]} columns, but {rows} * {columns} = "
            f"{rows * columns} windows of {window[0][0]}x{window[0][1]} fit into an image of {size[0]}x{size[1]} "
            f"with stride {window[1]}, padding {window[2]} and dilation {window[3]}"
        )
    if input.ndim == 3:
        return Fold.apply(input, size, window)
    return squeeze(Fold.apply(unsqueeze(input, 0), size, window), 0)
