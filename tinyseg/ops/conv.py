"""Convolution and transposed convolution: three kernels, two operators.

With y = conv2d(x, w), three maps are adjoint to each other in pairs: x -> y, y -> x (``conv_transpose2d``), and
(x, y) -> w (``conv2d_weight_gradient``). The gradient of a convolution by its input *is* the transposed
convolution, and the gradient of a transposed convolution by its input is a convolution; both find the gradient by
the weight with the same third kernel, the roles of input and output exchanged.

Over a line (N,C,L) they are those over an image whose height is one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..autograd import Op, is_grad_enabled
from ..geometry import Field, InputField, convolution_size, transposed_size
from ..tensor_base import Memo, Tensor
from .common import Pair, array_or_none, ints, need_same_type, need_tensor, new, new_activation, with_relu
from .elementwise import through_relu
from .pad import pad
from .shape import squeeze, unsqueeze


def _bias_gradient(grad: Tensor) -> Tensor:
    """The bias is added at every pixel of every image."""
    total = new(grad, (1, grad.shape[1], 1, 1))
    grad.backend.sum(grad.array, total.array, (0, 2, 3))
    return grad.wrap(grad.backend.reshape(total.array, grad.shape[1:2]))


def _weight_gradient(x: Tensor, grad: Tensor, weight: Tensor, window: tuple[Any, ...]) -> Tensor:
    out = new(weight, weight.shape)
    x.backend.conv2d_weight_gradient(x.array, grad.array, out.array, *window)
    return out


class Conv2d(Op):
    """y[n,o,i,j] = bias[o] + sum_{c,r,s} weight[o,c,r,s] x[n, c, i sh - ph + r dh, j sw - pw + s dw]."""

    layer_kind = "convolution"

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

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Each unit sees a window."""
        stride, padding, dilation = (pair[inputs.axis] for pair in ctx.window[:3])
        return inputs.field.through(ctx.saved_tensors[1].shape[2 + inputs.axis], stride, dilation, padding)

    @staticmethod
    def multiply_adds(ctx: Any, shape: tuple[int, ...]) -> int:
        """Each output is a sum over a window of C / groups channels."""
        return math.prod(shape) * math.prod(ctx.saved_tensors[1].shape[1:])


class ConvTranspose2d(Op):
    """The adjoint of ``Conv2d`` in x: what that reads at a place is added there."""

    layer_kind = "transposed convolution"

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

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Each unit sees those whose windows it lies in."""
        stride, padding, dilation = (pair[inputs.axis] for pair in ctx.window[:3])
        return inputs.field.through_transposed(ctx.saved_tensors[1].shape[2 + inputs.axis], stride, dilation, padding)

    @staticmethod
    def multiply_adds(ctx: Any, shape: tuple[int, ...]) -> int:
        """Each input is spread over a window of O / groups channels."""
        x, weight, _ = ctx.saved_tensors
        return x.numel() * math.prod(weight.shape[1:])


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


class _Kind(NamedTuple):
    """How many of the dimensions are space, and what they are called."""

    dims: int
    batch: str
    single: str
    sizes: tuple[str, ...]


_LINE = _Kind(1, "N,C,L", "C,L", ("length",))
_IMAGE = _Kind(2, "N,C,H,W", "C,H,W", ("height", "width"))


def _check(who: str, kind: _Kind, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    """What all operators ask of types and of the number of dimensions."""
    need_tensor(who, "input", x)
    need_tensor(who, "weight", weight, kind.dims + 2)
    need_same_type(who, input=x, weight=weight, bias=bias)
    if x.ndim - kind.dims not in (1, 2):
        raise ValueError(f"{who}: input must be {kind.batch} or {kind.single}, got shape {x.shape}")
    if min(x.shape[-kind.dims :]) < 1:
        raise ValueError(f"{who}: input of shape {x.shape} has no pixel")
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"{who}: groups must be a positive int, got {groups!r}")
    if min(weight.shape) < 1:
        raise ValueError(f"{who}: weight of shape {weight.shape} has a size of 0")


def _check_bias(who: str, bias: Tensor | None, channels: int) -> None:
    if bias is not None and need_tensor(who, "bias", bias).shape != (channels,):
        raise ValueError(f"{who}: bias must have shape ({channels},), one for each output channel, got {bias.shape}")


def same_padding(kernel: Sequence[int], dilation: Sequence[int]) -> tuple[list[int], list[int]]:
    """Pixels before and after, in each direction, with which stride 1 keeps the size; an odd one comes after."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return [total // 2 for total in totals], [total - total // 2 for total in totals]


def check_named_padding(who: str, padding: str, stride: Sequence[int]) -> None:
    """Raises ``ValueError`` unless it is 'valid', or 'same' and strides are 1."""
    if padding not in ("same", "valid"):
        raise ValueError(f"{who}: padding must be numbers, 'same' or 'valid', got {padding!r}")
    if padding == "same" and set(stride) != {1}:
        raise ValueError(f"{who}: padding='same' needs stride 1, got {tuple(stride)}; give the padding in numbers")


def _as_images(x: Tensor, kind: _Kind) -> Tensor:
    """N,C,H,W: with one image if there is no N, with a height of one if it is a line."""
    x = x if x.ndim == kind.dims + 2 else unsqueeze(x, 0)
    return x if kind.dims == 2 else unsqueeze(x, -2)


def _as_given(y: Tensor, x: Tensor, kind: _Kind) -> Tensor:
    """What ``_as_images`` has added to ``x`` is taken from ``y``."""
    y = y if kind.dims == 2 else squeeze(y, -2)
    return y if x.ndim == kind.dims + 2 else squeeze(y, 0)


def _two(numbers: Sequence[int], of_one: int) -> Pair:
    """The numbers of an image; a line's for its width, beside that for a height of one."""
    vertical, horizontal = (of_one, *numbers)[-2:]
    return vertical, horizontal


def _convolution(
    who: str,
    kind: _Kind,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    activation: str | None,
) -> Tensor:
    relu = with_relu(who, activation)
    _check(who, kind, input, weight, bias, groups)
    stride = ints(who, "stride", stride, kind.dims, 1, one_for_all=True)
    dilation = ints(who, "dilation", dilation, kind.dims, 1, one_for_all=True)
    outputs, inputs, *kernel = weight.shape
    if isinstance(padding, str):
        check_named_padding(who, padding, stride)
        before, after = same_padding(kernel, dilation) if padding == "same" else ([0] * kind.dims, [0] * kind.dims)
    else:
        before = after = list(ints(who, "padding", padding, kind.dims, one_for_all=True))
    if input.shape[-kind.dims - 1] != inputs * groups:
        raise ValueError(
            f"{who}: input has {input.shape[-kind.dims - 1]} channels but weight of shape {weight.shape} expects "
            f"{inputs * groups} (groups={groups})"
        )
    if outputs % groups:
        raise ValueError(f"{who}: weight makes {outputs} channels, which groups={groups} does not divide")
    _check_bias(who, bias, outputs)
    for i, name in enumerate(kind.sizes):
        reach, border = dilation[i] * (kernel[i] - 1) + 1, before[i] + after[i]
        if input.shape[i - kind.dims] + border < reach:
            raise ValueError(
                f"{who}: input of shape {input.shape} with padding {tuple(before)} is too small: its {name} must be "
                f"at least {reach - border} for kernel {tuple(kernel)} with dilation {dilation}"
            )
    x = input
    if before != after:  # kernels pad both sides alike: what is more on one of them is put there
        x = pad(x, [n for i in reversed(range(kind.dims)) for n in (0, after[i] - before[i])])
    y = Conv2d.apply(
        _as_images(x, kind),
        weight if kind.dims == 2 else unsqueeze(weight, -2),
        bias,
        _two(stride, 1),
        _two(before, 0),
        _two(dilation, 1),
        groups,
        relu,
        _memo(input, weight, bias),
    )
    return _as_given(y, input, kind)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    activation: str | None = None,
) -> Tensor:
    """See ``nn.functional.conv1d``."""
    return _convolution("conv1d", _LINE, input, weight, bias, stride, padding, dilation, groups, activation)


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
    return _convolution("conv2d", _IMAGE, input, weight, bias, stride, padding, dilation, groups, activation)


def _transposed_convolution(
    who: str,
    kind: _Kind,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
    activation: str | None,
) -> Tensor:
    relu = with_relu(who, activation)
    _check(who, kind, input, weight, bias, groups)
    stride = ints(who, "stride", stride, kind.dims, 1, one_for_all=True)
    dilation = ints(who, "dilation", dilation, kind.dims, 1, one_for_all=True)
    padding = ints(who, "padding", padding, kind.dims, one_for_all=True)
    output_padding = ints(who, "output_padding", output_padding, kind.dims, one_for_all=True)
    inputs, outputs, *kernel = weight.shape
    if input.shape[-kind.dims - 1] != inputs:
        raise ValueError(
            f"{who}: input has {input.shape[-kind.dims - 1]} channels but weight of shape {weight.shape} expects "
            f"{inputs}"
        )
    if inputs % groups:
        raise ValueError(f"{who}: input has {inputs} channels, which groups={groups} does not divide")
    _check_bias(who, bias, outputs * groups)
    size = []
    for i, length in enumerate(input.shape[-kind.dims :]):
        if output_padding[i] >= max(stride[i], dilation[i]):
            raise ValueError(
                f"{who}: output_padding {output_padding} must be smaller than stride {stride} or dilation {dilation}"
            )
        size.append(transposed_size(length, kernel[i], stride[i], padding[i], output_padding[i], dilation[i]))
    if min(size) < 1:
        raise ValueError(f"{who}: input of shape {input.shape} gives an output of {'x'.join(map(str, size))} pixels")
    y = ConvTranspose2d.apply(
        _as_images(input, kind),
        weight if kind.dims == 2 else unsqueeze(weight, -2),
        bias,
        _two(size, 1),
        _two(stride, 1),
        _two(padding, 0),
        _two(dilation, 1),
        groups,
        relu,
        _memo(input, weight, bias),
    )
    return _as_given(y, input, kind)


def conv_transpose1d(
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
    """See ``nn.functional.conv_transpose1d``."""
    window = (stride, padding, output_padding, groups, dilation)
    return _transposed_convolution("conv_transpose1d", _LINE, input, weight, bias, *window, activation)


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
    window = (stride, padding, output_padding, groups, dilation)
    return _transposed_convolution("conv_transpose2d", _IMAGE, input, weight, bias, *window, activation)
