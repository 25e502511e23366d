"""Max pooling with the places of its maxima, and max-unpooling back to them.

Not two directions of one map: with overlapping windows a pixel may win twice. The gradient of pooling adds both,
unpooling lets the last one stand (see the kernels' file ``pool2d.py``).
"""

from __future__ import annotations

from typing import Any

from ..autograd import Op
from ..geometry import pooled_size, transposed_size
from ..tensor import Tensor, int64
from .common import Pair, need_tensor, new_activation, pair


class MaxPool2d(Op):
    """The largest element of each window, and where it stood."""

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


class MaxUnpool2d(Op):
    """Each element put at its index in a plane of zeros."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, indices: Tensor, size: Pair) -> Tensor:
        """Indices have been checked."""
        out = new_activation(x, (*x.shape[:2], *size))
        x.backend.max_unpool2d(x.array, indices.array, out.array)
        ctx.save_for_backward(indices)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Each element gets the gradient of its place, if it is the one that stood there."""
        (indices,) = ctx.saved_tensors
        out = new_activation(grad, indices.shape)
        grad.backend.max_unpool2d_backward(grad.array, indices.array, out.array)
        return out, None, None


def _images(who: str, x: Tensor) -> Tensor:
    if need_tensor(who, "input", x).ndim != 4:
        hint = "; unsqueeze(0) adds N" if x.ndim == 3 else ""
        raise ValueError(f"{who}: input must be N,C,H,W, got shape {x.shape}{hint}")
    return x


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """See ``nn.functional.max_pool2d``."""
    who = "max_pool2d"
    x = _images(who, input)
    kernel_size = pair(who, "kernel_size", kernel_size, 1)
    stride = kernel_size if stride is None else pair(who, "stride", stride, 1)
    padding, dilation = pair(who, "padding", padding), pair(who, "dilation", dilation, 1)
    size = []
    for i, name in enumerate(("height", "width")):
        pixels, reach = x.shape[2 + i], dilation[i] * (kernel_size[i] - 1) + 1
        if not pixels:
            raise ValueError(f"{who}: input of shape {x.shape} has no pixel")
        if 2 * padding[i] > kernel_size[i]:
            raise ValueError(f"{who}: padding {padding} must be at most half of kernel_size {kernel_size}")
        count = pooled_size(pixels, kernel_size[i], stride[i], padding[i], dilation[i], ceil_mode)
        if not count:
            raise ValueError(
                f"{who}: input of shape {x.shape} is too small: its {name} must be at least "
                f"{reach - 2 * padding[i]} for kernel_size {kernel_size}"
            )
        starts = range(-padding[i], count * stride[i] - padding[i], stride[i])
        if not all(any(0 <= tap < pixels for tap in range(start, start + reach, dilation[i])) for start in starts):
            raise ValueError(
                f"{who}: input of shape {x.shape} with padding {padding} and dilation {dilation} has windows that "
                "hold no pixel"
            )
        size.append(count)
    out, indices = MaxPool2d.apply(x, tuple(size), kernel_size, stride, padding, dilation)
    return (out, indices) if return_indices else out


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """See ``nn.functional.max_unpool2d``."""
    who = "max_unpool2d"
    x = _images(who, input)
    kernel_size = pair(who, "kernel_size", kernel_size, 1)
    stride = kernel_size if stride is None else pair(who, "stride", stride, 1)
    padding = pair(who, "padding", padding)
    if need_tensor(who, "indices", indices, floating=False).dtype != int64:
        raise TypeError(
            f"{who}: indices must be int64, got {indices.dtype}; max_pool2d(return_indices=True) gives them"
        )
    if indices.shape != x.shape:
        raise ValueError(f"{who}: indices of shape {indices.shape} must have input's shape {x.shape}")
    default = [transposed_size(x.shape[2 + i], kernel_size[i], stride[i], padding[i]) for i in (0, 1)]
    size = tuple(default) if output_size is None else pair(who, "output_size", tuple(output_size)[-2:], 1)
    if any(not default[i] - stride[i] < size[i] < default[i] + stride[i] for i in (0, 1)):
        raise ValueError(f"{who}: output_size {size} must be within stride {stride} of {tuple(default)}")
    if min(size) < 1:
        raise ValueError(f"{who}: input of shape {x.shape} gives an output of {size[0]}x{size[1]} pixels")
    if indices.numel():
        low, high = int(indices.min()), int(indices.max())
        if low < 0 or high >= size[0] * size[1]:
            raise IndexError(
                f"{who}: index {low if low < 0 else high} is out of range for planes of {size[0]}x{size[1]} pixels"
            )
    return MaxUnpool2d.apply(x, indices, size)
