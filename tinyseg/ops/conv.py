"""Convolution and transposed convolution: three kernels, two operators.

With y = conv2d(x, w), three maps are adjoint to each other in pairs: x -> y, y -> x (``conv_transpose2d``), and
(x, y) -> w (``conv2d_weight_gradient``). The gradient of a convolution by its input *is* the transposed
convolution, and the gradient of a transposed convolution by its input is a convolution; both find the gradient by
the weight with the same third kernel, the roles of input and output exchanged.
"""

from __future__ import annotations

from typing import Any

from ..autograd import Op, is_grad_enabled
from ..geometry import convolution_size, transposed_size
from ..tensor import Memo, Tensor
from .common import Pair, array_or_none, need_same_type, need_tensor, new, new_activation, pair, with_relu
from .elementwise import through_relu


def _bias_gradient(grad: Tensor) -> Tensor:
    """The bias is added at every pixel of every image."""
    total = new(grad, (1, grad.shape[1], 1, 1))
    grad.backend.sum(grad.array, total.array, (0, 2, 3))
    return Tensor(grad.backend.reshape(total.array, grad.shape[1:2]), grad.device)


def _weight_gradient(x: Tensor, grad: Tensor, weight: Tensor, window: tuple[Any, ...]) -> Tensor:
    out = new(weight, weight.shape)
    x.backend.conv2d_weight_gradient(x.array, grad.array, out.array, *window)
    return out


class Conv2d(Op):
    """y[n,o,i,j] = bias[o] + sum_{c,r,s} weight[o,c,r,s] x[n, c, i sh - ph + r dh, j sw - pw + s dw]."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
        relu: bool,
        memo: Memo | None,
    ) -> Tensor:
        """Shapes have been checked; with ``relu`` negative numbers become 0."""
        size = [
            convolution_size(x.shape[2 + i], weight.shape[2 + i], stride[i], padding[i], dilation[i]) for i in (0, 1)
        ]
        out = new_activation(x, (x.shape[0], weight.shape[0], *size))
        ctx.window = stride, padding, dilation, groups
        ctx.save_for_backward(x, weight, out if relu else None)
        x.backend.conv2d(x.array, weight.array, array_or_none(bias), out.array, *ctx.window, relu, memo)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """By the input: the transposed convolution of the gradient."""
        x, weight, y = ctx.saved_tensors
        grad = grad if y is None else through_relu(grad, y)
        by_x = by_weight = by_bias = None
        if ctx.needs_input_grad[0]:
            by_x = new_activation(x, x.shape)
            x.backend.conv_transpose2d(grad.array, weight.array, None, by_x.array, *ctx.window, False, None)
        if ctx.needs_input_grad[1]:
            by_weight = _weight_gradient(x, grad, weight, ctx.window)
        if ctx.needs_input_grad[2]:
            by_bias = _bias_gradient(grad)
        return by_x, by_weight, by_bias, None, None, None, None, None, None


class ConvTranspose2d(Op):
    """The adjoint of ``Conv2d`` in x: what that reads at a place is added there."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        size: Pair,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
        relu: bool,
        memo: Memo | None,
    ) -> Tensor:
        """Shapes have been checked; ``size`` is the output's; with ``relu`` negative numbers become 0."""
        out = new_activation(x, (x.shape[0], weight.shape[1] * groups, *size))
        ctx.window = stride, padding, dilation, groups
        ctx.save_for_backward(x, weight, out if relu else None)
        x.backend.conv_transpose2d(x.array, weight.array, array_or_none(bias), out.array, *ctx.window, relu, memo)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """By the input: the convolution of the gradient."""
        x, weight, y = ctx.saved_tensors
        grad = grad if y is None else through_relu(grad, y)
        by_x = by_weight = by_bias = None
        if ctx.needs_input_grad[0]:
            by_x = new_activation(x, x.shape)
            x.backend.conv2d(grad.array, weight.array, None, by_x.array, *ctx.window, False, None)
        if ctx.needs_input_grad[1]:
            by_weight = _weight_gradient(grad, x, weight, ctx.window)
        if ctx.needs_input_grad[2]:
            by_bias = _bias_gradient(grad)
        return by_x, by_weight, by_bias, None, None, None, None, None, None, None


def _memo(x: Tensor, weight: Tensor, bias: Tensor | None) -> Memo | None:
    """Where the kernel may keep what it makes of the weight alone, good until the weight is changed in place.

    Only for prediction: where a gradient is recorded, each weight is about to change and what is kept is let go.
    """
    version = weight.version.count
    if is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, weight, bias)):
        if weight.memo is not None and weight.memo.version != version:
            weight.memo = None
        return None
    if weight.memo is None or weight.memo.version != version:
        weight.memo = Memo(version)  # a new one: another thread may be reading the old one
    return weight.memo


def _check(who: str, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    """What both operators ask of types and of the number of dimensions."""
    need_tensor(who, "input", x)
    need_tensor(who, "weight", weight, 4)
    need_same_type(who, input=x, weight=weight, bias=bias)
    if x.ndim != 4:
        raise ValueError(
            f"{who}: input must be N,C,H,W, got shape {x.shape}" + ("; unsqueeze(0) adds N" if x.ndim == 3 else "")
        )
    if min(x.shape[2:]) < 1:
        raise ValueError(f"{who}: input of shape {x.shape} has no pixel")
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"{who}: groups must be a positive int, got {groups!r}")
    if min(weight.shape) < 1:
        raise ValueError(f"{who}: weight of shape {weight.shape} has a size of 0")


def _check_bias(who: str, bias: Tensor | None, channels: int) -> None:
    if bias is not None and need_tensor(who, "bias", bias).shape != (channels,):
        raise ValueError(f"{who}: bias must have shape ({channels},), one for each output channel, got {bias.shape}")


def _same_padding(size: int, kernel: int, stride: int, dilation: int) -> int:
    """For padding='same'."""
    total = dilation * (kernel - 1)
    if stride != 1:
        raise ValueError("conv2d: padding='same' needs stride 1")
    if total % 2:
        raise ValueError(
            f"conv2d: padding='same' with kernel {kernel} and dilation {dilation} needs {total} pixels, which cannot "
            "be shared equally by both sides; use tinyseg.pad() and padding=0"
        )
    return total // 2


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    activation: str | None = None,
) -> Tensor:
    """See ``nn.functional.conv2d``."""
    relu = with_relu("conv2d", activation)
    _check("conv2d", input, weight, bias, groups)
    stride, dilation = pair("conv2d", "stride", stride, 1), pair("conv2d", "dilation", dilation, 1)
    outputs, inputs, *kernel = weight.shape
    if padding == "same":
        padding = tuple(_same_padding(input.shape[2 + i], kernel[i], stride[i], dilation[i]) for i in (0, 1))
    elif padding == "valid":
        padding = 0
    elif isinstance(padding, str):
        raise ValueError(f"conv2d: padding must be numbers, 'same' or 'valid', got {padding!r}")
    padding = pair("conv2d", "padding", padding)
    if input.shape[1] != inputs * groups:
        raise ValueError(
            f"conv2d: input has {input.shape[1]} channels but weight of shape {weight.shape} expects "
            f"{inputs * groups} (groups={groups})"
        )
    if outputs % groups:
        raise ValueError(f"conv2d: weight makes {outputs} channels, which groups={groups} does not divide")
    _check_bias("conv2d", bias, outputs)
    for i, name in enumerate(("height", "width")):
        reach = dilation[i] * (kernel[i] - 1) + 1
        if input.shape[2 + i] + 2 * padding[i] < reach:
            raise ValueError(
                f"conv2d: input of shape {input.shape} with padding {padding} is too small: its {name} must be at "
                f"least {reach - 2 * padding[i]} for kernel {tuple(kernel)} with dilation {dilation}"
            )
    memo = _memo(input, weight, bias)
    return Conv2d.apply(input, weight, bias, stride, padding, dilation, groups, relu, memo)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    activation: str | None = None,
) -> Tensor:
    """See ``nn.functional.conv_transpose2d``."""
    who = "conv_transpose2d"
    relu = with_relu(who, activation)
    _check(who, input, weight, bias, groups)
    stride, dilation = pair(who, "stride", stride, 1), pair(who, "dilation", dilation, 1)
    padding, output_padding = pair(who, "padding", padding), pair(who, "output_padding", output_padding)
    inputs, outputs, *kernel = weight.shape
    if input.shape[1] != inputs:
        raise ValueError(
            f"{who}: input has {input.shape[1]} channels but weight of shape {weight.shape} expects {inputs}"
        )
    if inputs % groups:
        raise ValueError(f"{who}: input has {inputs} channels, which groups={groups} does not divide")
    _check_bias(who, bias, outputs * groups)
    size = []
    for i in (0, 1):
        if output_padding[i] >= max(stride[i], dilation[i]):
            raise ValueError(
                f"{who}: output_padding {output_padding} must be smaller than stride {stride} or dilation {dilation}"
            )
        size.append(
            transposed_size(input.shape[2 + i], kernel[i], stride[i], padding[i], output_padding[i], dilation[i])
        )
    if min(size) < 1:
        raise ValueError(f"{who}: input of shape {input.shape} gives an output of {size[0]}x{size[1]} pixels")
    memo = _memo(input, weight, bias)
    return ConvTranspose2d.apply(input, weight, bias, tuple(size), stride, padding, dilation, groups, relu, memo)
