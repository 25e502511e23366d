"""Max pooling with the places of its maxima, and max-unpooling back to them.

Not two directions of one map: with overlapping windows a pixel may win twice. The gradient of pooling adds both,
unpooling lets the last one stand (see the kernels' file ``pool2d.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Op
from ...geometry import Field, InputField, transposed_size
from ...tensor_base import Tensor, int64
from ..common import Pair, Size, bounds, ints, need_tensor, new_activation
from ..shape import reshape
from .images import as_given, as_pair
from .pooling_windows import adaptive_size, need_image, output_sizes, window

__all__ = ["adaptive_max_pool2d", "max_pool1d", "max_pool2d", "max_unpool1d", "max_unpool2d"]


class MaxPool2d(Op):
    """The largest element of each window, and where it stood."""

    multiplies_little = True

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
    ) -> tuple[Tensor, Tensor]:
        """Shapes have been checked; ``size`` is the output's."""
        out = new_activation(x, (*x.shape[:2], *size))
        indices = new_activation(x, out.shape, int64)
        x.backend.max_pool2d(x.array, out.array, indices.array, kernel_size, stride, padding, dilation)
        ctx.shape, ctx.window = x.shape, (kernel_size, stride, padding, dilation)
        ctx.save_for_backward(indices)
        return out, indices

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Any) -> Any:
        """Each maximum's place gets its gradient."""
        (indices,) = ctx.saved_tensors
        out = new_activation(grad, ctx.shape)
        grad.backend.max_pool2d_backward(grad.array, indices.array, out.array, *ctx.window)
        return out, None, None, None, None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Each unit sees a window."""
        kernel_size, stride, padding, dilation = (pair[inputs.axis] for pair in ctx.window)
        return inputs.field.through(kernel_size, stride, dilation, padding)


class AdaptiveMaxPool2d(Op):
    """The same over windows that share the image out."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: Pair) -> tuple[Tensor, Tensor]:
        """``size`` is the output's."""
        out = new_activation(x, (*x.shape[:2], *size))
        indices = new_activation(x, out.shape, int64)
        x.backend.adaptive_max_pool2d(x.array, out.array, indices.array)
        ctx.shape = x.shape
        ctx.save_for_backward(indices)
        return out, indices

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Any) -> Any:
        """Each maximum's place gets its gradient."""
        (indices,) = ctx.saved_tensors
        out = new_activation(grad, ctx.shape)
        grad.backend.adaptive_max_pool2d_backward(grad.array, indices.array, out.array)
        return out, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """The whole image, unless each window holds one unit."""
        return inputs.unit_by_unit()


class MaxUnpool2d(Op):
    """Each element put at its index in a plane of zeros."""

    multiplies_little = True

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, indices: Tensor, size: Pair, kernel_size: Pair, stride: Pair, padding: Pair
    ) -> Tensor:
        """Indices have been checked; the window says which units may come to a place."""
        out = new_activation(x, (*x.shape[:2], *size))
        x.backend.max_unpool2d(x.array, indices.array, out.array)
        ctx.window = kernel_size, stride, padding
        ctx.save_for_backward(indices)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Each element gets the gradient of its place, if it is the one that stood there."""
        (indices,) = ctx.saved_tensors
        out = new_activation(grad, indices.shape)
        grad.backend.max_unpool2d_backward(grad.array, indices.array, out.array)
        return out, None, None, None, None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """A unit may have come from any window that it lies in."""
        kernel_size, stride, padding = (pair[inputs.axis] for pair in ctx.window)
        return inputs.field.through_transposed(kernel_size, stride, padding=padding)


def _max_pool(
    who: str,
    dims: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    x = need_image(who, input, dims)
    given = window(who, dims, kernel_size, stride, padding, dilation)
    sizes = as_pair(output_sizes(who, input.shape, given, ceil_mode), 1)
    out, indices = (as_given(y, input, dims) for y in MaxPool2d.apply(x, sizes, *given.pairs()))
    return (out, indices) if return_indices else out


def max_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of a line; ``max_pool2d`` in one dimension.

    Args:
        input: float (N, C, L) or (C, L).
        kernel_size, stride, padding, dilation, ceil_mode: see ``max_pool2d``; ints, or sequences of one.
        return_indices: also return where the maxima stood, int64.

    Returns:
        (N, C, L') or (C, L'); with ``return_indices`` the pair of it and the indices.

    Raises:
        ValueError, TypeError: sizes do not fit, or a window would hold no element.

    >>> import tinyseg
    >>> max_pool1d(tinyseg.tensor([[1.0, 5, 2, 4, 3]]), 2, ceil_mode=True, return_indices=True)
    (tensor([[5., 4., 3.]]), tensor([[1, 3, 4]]))
    """
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window; the first one where several are equal, NaN if there is one.

    Args:
        input: float (N, C, H, W) or (C, H, W).
        kernel_size: size of the window.
        stride: pixels from one window to the next; the window's size if None or empty.
        padding: pixels around the image that are never chosen, at most half of the window.
        dilation: pixels from one element of the window to the next.
        ceil_mode: sizes are rounded up: a last window may stick out at the bottom and at the right.
        return_indices: also return where the maxima stood, int64 ``h * W + w`` in each plane.

    Returns:
        (N, C, H', W') or (C, H', W') as in ``conv2d``; with ``return_indices`` the pair of it and the indices.

    Raises:
        ValueError, TypeError: sizes do not fit, or a window would hold no pixel.

    >>> import tinyseg
    >>> x = tinyseg.tensor([[[[1.0, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]]]])
    >>> max_pool2d(x, 2)
    tensor([[[[5., 6.],
              [7., 8.]]]])
    """
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest element of each of ``output_size`` windows that share the image out.

    Window i of H' has the rows floor(i H / H') to ceil((i + 1) H / H') - 1, and columns alike: neighbours may share
    a row. Of several that are equal the first one counts; NaN if there is one.

    Args:
        input: float (N, C, H, W) or (C, H, W).
        output_size: an int or a pair; None in the pair keeps the input's size.
        return_indices: also return where the maxima stood, int64 ``h * W + w`` in each plane.

    Returns:
        (N, C, H', W') or (C, H', W'); with ``return_indices`` the pair of it and the indices.

    Raises:
        ValueError, TypeError: shapes or sizes do not fit.

    Source: He, Zhang, Ren and Sun 2014, spatial pyramid pooling.

    >>> import tinyseg
    >>> adaptive_max_pool2d(tinyseg.tensor([[[1.0, 2, 6], [3, 5, 2]]]), (1, 2), return_indices=True)
    (tensor([[[5., 6.]]]), tensor([[[4, 2]]]))
    """
    who = "adaptive_max_pool2d"
    x = need_image(who, input, 2)
    size = adaptive_size(who, output_size, x.shape)
    out, indices = (as_given(y, input, 2) for y in AdaptiveMaxPool2d.apply(x, size))
    return (out, indices) if return_indices else out


def _unpooled_size(who: str, output_size: Any, dims: int) -> tuple[int, ...]:
    """The sizes of the output's lines or planes, of which the whole shape may be given."""
    given = output_size
    if isinstance(given, Sequence):
        if len(given) not in (dims, dims + 2):
            whole = {1: "L or N,C,L", 2: "H,W or N,C,H,W"}[dims]
            raise ValueError(f"{who}: output_size must be {whole}, got {output_size!r}")
        given = given[-dims:]
    return ints(who, "output_size", given, dims, 1)


def _max_unpool(
    who: str,
    dims: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
) -> Tensor:
    x = need_image(who, input, dims)
    given = window(who, dims, kernel_size, stride, padding)
    if need_tensor(who, "indices", indices, floating=False).dtype != int64:
        raise TypeError(
            f"{who}: indices must be int64, got {indices.dtype}; max_pool{dims}d(return_indices=True) gives them"
        )
    if indices.shape != input.shape:
        raise ValueError(f"{who}: indices of shape {indices.shape} must have input's shape {input.shape}")
    default = tuple(
        transposed_size(pixels, k, s, p) for pixels, k, s, p in zip(input.shape[-dims:], *given[:3], strict=True)
    )
    size = default
    if output_size is not None:
        size = _unpooled_size(who, output_size, dims)
    if any(not d - s < n < d + s for n, d, s in zip(size, default, given.stride, strict=True)):
        raise ValueError(f"{who}: output_size {size} must be within stride {given.stride} of {default}")
    pixels = "x".join(str(n) for n in size)
    if min(size) < 1:
        raise ValueError(f"{who}: input of shape {input.shape} gives an output of {pixels} pixels")
    plane = as_pair(size, 1)
    if indices.numel():
        low, high = bounds(indices)
        if low < 0 or high >= plane[0] * plane[1]:
            raise IndexError(f"{who}: index {low if low < 0 else high} is out of range for planes of {pixels} pixels")
    return as_given(MaxUnpool2d.apply(x, reshape(indices, x.shape), plane, *given.pairs()[:3]), input, dims)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Puts each element where its index says, among zeros; ``max_unpool2d`` in one dimension.

    Args:
        input: float (N, C, L) or (C, L).
        indices: int64 of the same shape, as ``max_pool1d`` returns them.
        kernel_size, stride, padding: those of the pooling; they give the output's size.
        output_size: the output's size, (L,) or (N, C, L), where pooling could have come from several; L counts.

    Returns:
        (N, C, L') or (C, L') with L' = (L - 1) stride - 2 padding + kernel_size, or ``output_size``.

    Raises:
        ValueError, TypeError: sizes do not fit. IndexError: an index is outside the line.

    >>> import tinyseg
    >>> max_unpool1d(tinyseg.tensor([[5.0, 4]]), tinyseg.tensor([[1, 3]]), 2, output_size=[5])
    tensor([[0., 5., 0., 4., 0.]])
    """
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Puts each element where its index says, among zeros; the last one in scan order where indices repeat.

    Args:
        input: float (N, C, H, W) or (C, H, W).
        indices: int64 of the same shape, flat in the output's planes, as ``max_pool2d`` returns them.
        kernel_size, stride, padding: those of the pooling; they give the output's size.
        output_size: the output's size, (H, W) or (N, C, H, W), where pooling could have come from several; H and
            W count.

    Returns:
        (N, C, H', W') or (C, H', W') with H' = (H - 1) stride - 2 padding + kernel_size, or ``output_size``.

    Raises:
        ValueError, TypeError: sizes do not fit. IndexError: an index is outside the planes.

    Source: Zeiler and Fergus 2014; Noh, Hong and Han 2015.

    >>> import tinyseg
    >>> x = tinyseg.tensor([[[[1.0, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]]]])
    >>> _, indices = max_pool2d(x, 2, return_indices=True)
    >>> max_unpool2d(tinyseg.tensor([[[[1.0, 2], [3, 4]]]]), indices, 2)
    tensor([[[[0., 0., 2., 0.],
              [0., 1., 0., 0.],
              [0., 0., 0., 0.],
              [3., 0., 0., 4.]]]])
    """
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)
