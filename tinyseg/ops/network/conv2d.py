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

from ...autograd import Op, is_grad_enabled
from ...geometry import Field, InputField, convolution_size, transposed_size
from ...tensor_base import Memo, Tensor
from ..common import Pair, Size, array_or_none, ints, need_same_type, need_tensor, new, new_activation, with_relu
from ..shape import unsqueeze
from .activation import through_relu
from .images import as_given, as_images, as_pair
from .pad import pad

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]


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
        arrays = x.array, weight.array, array_or_none(bias), out.array
        x.backend.conv2d(*arrays, stride, padding, dilation, groups, relu, memo)
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
        arrays = x.array, weight.array, array_or_none(bias), out.array
        x.backend.conv_transpose2d(*arrays, stride, padding, dilation, groups, relu, memo)
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
        as_images(x, kind.dims),
        weight if kind.dims == 2 else unsqueeze(weight, -2),
        bias,
        as_pair(stride, 1),
        as_pair(before, 0),
        as_pair(dilation, 1),
        groups,
        relu,
        _memo(input, weight, bias),
    )
    return as_given(y, input, kind.dims)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
    activation: str | None = None,
) -> Tensor:
    """Convolution over a line: ``conv2d`` of an image whose height is one.

    y[n,o,i] = bias[o] + sum over c,r of weight[o,c,r] x[n, c, i*stride - padding + r*dilation]

    Args:
        input: x, float (N, C, L) or (C, L).
        weight: (O, C / groups, k).
        bias: (O,) or None.
        stride: elements from one window to the next.
        padding: zeros at both ends; ``'same'`` keeps the length (stride 1; the odd zero of an even kernel comes
            last), ``'valid'`` is 0.
        dilation: elements from one tap of the kernel to the next.
        groups: channels are split into so many groups, each convolved on its own.
        activation: 'relu' makes it relu(y), in one pass over memory instead of two.

    Returns:
        (N, O, L') or (O, L') with L' = floor((L + 2 padding - dilation (k - 1) - 1) / stride) + 1.

    Raises:
        ValueError, TypeError: shapes, sizes or types do not fit.

    Source: Dumoulin and Visin 2016.

    >>> import tinyseg
    >>> x = tinyseg.tensor([[1.0, 2.0, 3.0, 4.0]])
    >>> conv1d(x, tinyseg.tensor([[[1.0, 10.0, 100.0]]]), padding=1)
    tensor([[210., 321., 432.,  43.]])
    """
    return _convolution("conv1d", _LINE, input, weight, bias, stride, padding, dilation, groups, activation)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
    activation: str | None = None,
) -> Tensor:
    """Convolution (cross-correlation, as everywhere in the field).

    y[n,o,i,j] = bias[o] + sum over c,r,s of weight[o,c,r,s] x[n, c, i*stride - padding + r*dilation, ...]

    Args:
        input: x, float (N, C, H, W) or (C, H, W).
        weight: (O, C / groups, kh, kw).
        bias: (O,) or None.
        stride: pixels from one window to the next.
        padding: zeros around the image; ``'same'`` keeps the size (stride 1; the odd row and column that kernels of
            even size need come last), ``'valid'`` is 0.
        dilation: pixels from one tap of the kernel to the next.
        groups: channels are split into so many groups, each convolved on its own.
        activation: 'relu' makes it relu(y), in one pass over memory instead of two.

    Returns:
        (N, O, H', W') or (O, H', W') with H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1.

    Raises:
        ValueError, TypeError: shapes, sizes or types do not fit.

    Source: Dumoulin and Visin 2016; dilation: Yu and Koltun 2016, section 2.

    >>> import tinyseg
    >>> x = tinyseg.arange(9, dtype=tinyseg.float32).reshape(1, 1, 3, 3)
    >>> conv2d(x, tinyseg.ones(1, 1, 2, 2))
    tensor([[[[ 8., 12.],
              [20., 24.]]]])
    """
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
        as_images(input, kind.dims),
        weight if kind.dims == 2 else unsqueeze(weight, -2),
        bias,
        as_pair(size, 1),
        as_pair(stride, 1),
        as_pair(padding, 0),
        as_pair(dilation, 1),
        groups,
        relu,
        _memo(input, weight, bias),
    )
    return as_given(y, input, kind.dims)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
    activation: str | None = None,
) -> Tensor:
    """Transposed convolution over a line: ``conv_transpose2d`` of an image whose height is one.

    y[n,o,i*stride - padding + r*dilation] gets weight[c,o,r] x[n,c,i] for all c, i and r, added up, and bias[o].

    Args:
        input: x, float (N, C, L) or (C, L).
        weight: (C, O / groups, k).
        bias: (O,) or None.
        stride: output elements from one copy of the kernel to the next.
        padding: elements cut off at both ends.
        output_padding: elements added at the end; smaller than stride or dilation.
        groups: channels are split into so many groups.
        dilation: output elements from one tap to the next.
        activation: 'relu' makes it relu(y), in one pass over memory instead of two.

    Returns:
        (N, O, L') or (O, L') with L' = (L - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1.

    Raises:
        ValueError, TypeError: shapes, sizes or types do not fit.

    Source: Dumoulin and Visin 2016, chapter 4.

    >>> import tinyseg
    >>> x = tinyseg.tensor([[1.0, 2.0]])
    >>> conv_transpose1d(x, tinyseg.tensor([[[1.0, 10.0, 100.0]]]), stride=2)
    tensor([[  1.,  10., 102.,  20., 200.]])
    """
    window = (stride, padding, output_padding, groups, dilation)
    return _transposed_convolution("conv_transpose1d", _LINE, input, weight, bias, *window, activation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
    activation: str | None = None,
) -> Tensor:
    """Transposed convolution: the adjoint of ``conv2d``, so its gradient by the input as an operator of its own.

    Each input pixel puts the kernel, times its value, into the output, ``stride`` pixels apart, and what overlaps
    is added. Other names are up-convolution and fractionally strided convolution; "deconvolution", which it is not.

    Args:
        input: float (N, C, H, W) or (C, H, W).
        weight: (C, O / groups, kh, kw).
        bias: (O,) or None.
        stride: output pixels from one copy of the kernel to the next.
        padding: pixels cut off around the output.
        output_padding: pixels added at the bottom and right; smaller than stride or dilation.
        groups: channels are split into so many groups.
        dilation: output pixels from one tap to the next.
        activation: 'relu' makes it relu(y), in one pass over memory instead of two.

    Returns:
        (N, O, H', W') or (O, H', W') with H' = (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1.

    Raises:
        ValueError, TypeError: shapes, sizes or types do not fit.

    Source: Long, Shelhamer and Darrell 2015, section 3.3; Dumoulin and Visin 2016, chapter 4.

    >>> import tinyseg
    >>> x = tinyseg.tensor([[[[1.0, 2.0]]]])
    >>> conv_transpose2d(x, tinyseg.tensor([[[[1.0, 10.0, 100.0]]]]), stride=(1, 2))
    tensor([[[[  1.,  10., 102.,  20., 200.]]]])
    """
    window = (stride, padding, output_padding, groups, dilation)
    return _transposed_convolution("conv_transpose2d", _IMAGE, input, weight, bias, *window, activation)
