"""Windows as columns of a matrix (im2col), and columns added up to an image again: a linear map and its adjoint."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..autograd import Op
from ..geometry import convolution_size
from ..tensor import Tensor
from .common import Pair, need_tensor, new, new_activation, pair
from .pad import centre_crop, pad
from .shape import reshape

Window = tuple[Pair, Pair, Pair]  # kernel size, stride, dilation


def _counts(size: Any, window: Window, padding: Pair = (0, 0)) -> Pair:
    """How many windows fit, vertically and horizontally."""
    kernel, stride, dilation = window
    rows, columns = (convolution_size(size[i], kernel[i], stride[i], padding[i], dilation[i]) for i in (0, 1))
    return rows, columns


def _taps(counts: Pair, window: Window) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """For each element (r, s) of the window: its place in all windows as pixels of the image, and as columns."""
    kernel, stride, dilation = window
    for r in range(kernel[0]):
        for s in range(kernel[1]):
            starts = r * dilation[0], s * dilation[1]
            pixels = [slice(starts[i], starts[i] + (counts[i] - 1) * stride[i] + 1, stride[i]) for i in (0, 1)]
            yield (Ellipsis, *pixels), (slice(None), slice(None), r, s)


def _unfolded(x: Tensor, window: Window) -> Tensor:
    n, c, *size = x.shape
    counts = _counts(size, window)
    out = new(x, (n, c, *window[0], *counts))
    for pixels, columns in _taps(counts, window):
        x.backend.assign(x.backend.slice_view(x.array, pixels), x.backend.slice_view(out.array, columns))
    return Tensor(x.backend.reshape(out.array, (n, c * math.prod(window[0]), math.prod(counts))), x.device)


def _folded(x: Tensor, size: Pair, window: Window) -> Tensor:
    n, counts = x.shape[0], _counts(size, window)
    channels = x.shape[1] // math.prod(window[0])
    out = new_activation(x, (n, channels, *size)).zero_()
    array = x.backend.reshape(x.array, (n, channels, *window[0], *counts))
    for pixels, columns in _taps(counts, window):
        target = x.backend.slice_view(out.array, pixels)
        x.backend.add(target, x.backend.slice_view(array, columns), target)
    return out


class Unfold(Op):
    """out[n, (c, r, s), (i, j)] = x[n, c, i sh + r dh, j sw + s dw]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, window: Window) -> Tensor:
        """Padding has been put on, sizes have been checked."""
        ctx.size, ctx.window = x.shape[2:], window
        return _unfolded(x, window)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Folded: what was read several times gets a sum."""
        return _folded(grad, ctx.size, ctx.window), None


class Fold(Op):
    """out[n, c, i sh + r dh, j sw + s dw] += x[n, (c, r, s), (i, j)]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: Pair, window: Window) -> Tensor:
        """``size`` includes the padding that is cut off afterwards."""
        ctx.window = window
        return _folded(x, size, window)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Unfolded."""
        return _unfolded(grad, ctx.window), None, None


def _window(who: str, kernel_size: Any, stride: Any, dilation: Any) -> Window:
    kernel = pair(who, "kernel_size", kernel_size, 1)
    return kernel, pair(who, "stride", stride, 1), pair(who, "dilation", dilation, 1)


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """See ``nn.functional.unfold``."""
    if need_tensor("unfold", "input", input).ndim not in (3, 4):
        raise ValueError(f"unfold: input must be N,C,H,W or C,H,W, got shape {input.shape}")
    window, border = _window("unfold", kernel_size, stride, dilation), pair("unfold", "padding", padding)
    if min(input.shape[-3:]) < 1 or min(_counts(input.shape[-2:], window, border)) < 1:
        raise ValueError(
            f"unfold: input of shape {input.shape} with padding {border} is too small: no window of "
            f"{window[0][0]}x{window[0][1]} with dilation {window[2]} fits"
        )
    x = input if input.ndim == 4 else reshape(input, (1, *input.shape))
    if any(border):
        x = pad(x, (border[1], border[1], border[0], border[0]))
    out = Unfold.apply(x, window)
    return out if input.ndim == 4 else reshape(out, out.shape[1:])


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """See ``nn.functional.fold``."""
    if need_tensor("fold", "input", input).ndim not in (2, 3):
        raise ValueError(f"fold: input must be (N, C kh kw, L) or (C kh kw, L), got shape {input.shape}")
    window, border = _window("fold", kernel_size, stride, dilation), pair("fold", "padding", padding)
    size = pair("fold", "output_size", output_size, 1)
    if input.shape[-2] % math.prod(window[0]) or not input.shape[-2]:
        raise ValueError(
            f"fold: input of shape {input.shape} has {input.shape[-2]} rows, which is no multiple of the "
            f"{math.prod(window[0])} elements of a {window[0][0]}x{window[0][1]} window"
        )
    rows, columns = _counts(size, window, border)
    if input.shape[-1] != rows * columns or not rows * columns:
        raise ValueError(
            f"fold: input of shape {input.shape} has {input.shape[-1]} columns, but {rows} * {columns} = "
            f"{rows * columns} windows of {window[0][0]}x{window[0][1]} fit into an image of {size[0]}x{size[1]} "
            f"with padding {border}, stride {window[1]} and dilation {window[2]}"
        )
    x = input if input.ndim == 3 else reshape(input, (1, *input.shape))
    out = Fold.apply(x, (size[0] + 2 * border[0], size[1] + 2 * border[1]), window)
    if any(border):
        out = centre_crop(out, size)
    return out if input.ndim == 3 else reshape(out, out.shape[1:])
