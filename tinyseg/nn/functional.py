"""The operators as functions of tensors, with PyTorch's names, arguments and defaults.

Images are N,C,H,W. Arguments that are sizes take one int for both directions or a pair (vertical, horizontal).
Shapes, types and values are checked: ``ValueError`` for shapes and values, ``TypeError`` for types, ``IndexError``
for indices, each with a message that says what was expected and what came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ops import conv, norm, pool
from ..ops import dropout as _dropout
from ..ops import interpolate as _interpolate
from ..ops import matmul as _matmul
from ..ops import softmax as _softmax
from ..ops.elementwise import relu, tanh
from ..ops.shape import pad
from ..random import Generator
from ..tensor import Tensor

__all__ = [
    "batch_norm",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "interpolate",
    "linear",
    "log_softmax",
    "max_pool2d",
    "max_unpool2d",
    "pad",
    "relu",
    "softmax",
    "tanh",
]

Size = int | Sequence[int]


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
        input: x, float (N, C, H, W).
        weight: (O, C / groups, kh, kw).
        bias: (O,) or None.
        stride: pixels from one window to the next.
        padding: zeros around the image; ``'same'`` keeps the size (stride 1), ``'valid'`` is 0.
        dilation: pixels from one tap of the kernel to the next.
        groups: channels are split into so many groups, each convolved on its own.
        activation: 'relu' makes it relu(y), in one pass over memory instead of two.

    Returns:
        (N, O, H', W') with H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1.

    Raises:
        ValueError, TypeError: shapes, sizes or types do not fit.

    Source: Dumoulin and Visin 2016; dilation: Yu and Koltun 2016, section 2.

    >>> import tinyseg
    >>> x = tinyseg.arange(9, dtype=tinyseg.float32).reshape(1, 1, 3, 3)
    >>> conv2d(x, tinyseg.ones(1, 1, 2, 2))
    tensor([[[[ 8., 12.],
              [20., 24.]]]])
    """
    return conv.conv2d(input, weight, bias, stride, padding, dilation, groups, activation)


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
        input: float (N, C, H, W).
        weight: (C, O / groups, kh, kw).
        bias: (O,) or None.
        stride: output pixels from one copy of the kernel to the next.
        padding: pixels cut off around the output.
        output_padding: pixels added at the bottom and right; smaller than stride or dilation.
        groups: channels are split into so many groups.
        dilation: output pixels from one tap to the next.
        activation: 'relu' makes it relu(y), in one pass over memory instead of two.

    Returns:
        (N, O, H', W') with H' = (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1.

    Raises:
        ValueError, TypeError: shapes, sizes or types do not fit.

    Source: Long, Shelhamer and Darrell 2015, section 3.3; Dumoulin and Visin 2016, chapter 4.

    >>> import tinyseg
    >>> x = tinyseg.tensor([[[[1.0, 2.0]]]])
    >>> conv_transpose2d(x, tinyseg.tensor([[[[1.0, 10.0, 100.0]]]]), stride=(1, 2))
    tensor([[[[  1.,  10., 102.,  20., 200.]]]])
    """
    return conv.conv_transpose2d(input, weight, bias, stride, padding, output_padding, groups, dilation, activation)


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
        input: float (N, C, H, W).
        kernel_size: size of the window.
        stride: pixels from one window to the next; the window's size if None.
        padding: pixels around the image that are never chosen, at most half of the window.
        dilation: pixels from one element of the window to the next.
        ceil_mode: sizes are rounded up: a last window may stick out at the bottom and at the right.
        return_indices: also return where the maxima stood, int64 ``h * W + w`` in each plane.

    Returns:
        (N, C, H', W') as in ``conv2d``; with ``return_indices`` the pair of it and the indices.

    Raises:
        ValueError, TypeError: sizes do not fit, or a window would hold no pixel.

    >>> import tinyseg
    >>> x = tinyseg.tensor([[[[1.0, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]]]])
    >>> max_pool2d(x, 2)
    tensor([[[[5., 6.],
              [7., 8.]]]])
    """
    return pool.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


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
        input: float (N, C, H, W).
        indices: int64 of the same shape, flat in the output's planes, as ``max_pool2d`` returns them.
        kernel_size, stride, padding: those of the pooling; they give the output's size.
        output_size: the output's size, where pooling could have come from several (its last two numbers count).

    Returns:
        (N, C, H', W') with H' = (H - 1) stride - 2 padding + kernel_size, or ``output_size``.

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
    return pool.max_unpool2d(input, indices, kernel_size, stride, padding, output_size)


def interpolate(
    input: Tensor,
    size: Size | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """Resizes images.

    ``'nearest'`` copies the pixel floor(i * step); ``'bilinear'`` weighs the four pixels around the position: with
    ``align_corners`` i * (H - 1) / (H' - 1), else (i + 0.5) * step - 0.5, not below 0. The step is H / H', or
    1 / scale_factor where that is given and not to be recomputed from the sizes.

    Args:
        input: float (N, C, H, W).
        size: the output's (H', W').
        scale_factor: or how many times larger it is; sizes are rounded down.
        mode: 'nearest' or 'bilinear'.
        align_corners: for 'bilinear', see above.
        recompute_scale_factor: take the step from the sizes even if ``scale_factor`` is given.

    Returns:
        (N, C, H', W').

    Raises:
        ValueError, TypeError: both or neither of size and scale_factor, an unknown mode, an empty size.

    >>> import tinyseg
    >>> interpolate(tinyseg.tensor([[[[1.0, 2], [3, 4]]]]), scale_factor=2)
    tensor([[[[1., 1., 2., 2.],
              [1., 1., 2., 2.],
              [3., 3., 4., 4.],
              [3., 3., 4., 4.]]]])
    """
    return _interpolate.interpolate(input, size, scale_factor, mode, align_corners, recompute_scale_factor)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    activation: str | None = None,
) -> Tensor:
    """Batch normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias, channel by channel.

    In training mean and (biased) variance are the batch's over N, H and W, gradients flow through them, and the
    running statistics move towards them in place: running = (1 - momentum) running + momentum batch, the variance
    unbiased. In evaluation the running statistics are used.

    Args:
        input: float (N, C, H, W).
        running_mean, running_var: (C,), or None in training.
        weight, bias: (C,) or None.
        training: whose statistics are used.
        momentum: see above.
        eps: added to the variance.
        activation: 'relu' makes it relu(y), in one pass over memory instead of two, forwards and backwards.

    Returns:
        (N, C, H, W).

    Raises:
        ValueError, TypeError: shapes or types do not fit; training with a single value for each channel.

    Source: Ioffe and Szegedy 2015, algorithms 1 and 2.

    >>> import tinyseg
    >>> x = tinyseg.tensor([1.0, 3.0]).reshape(2, 1, 1, 1)
    >>> batch_norm(x, None, None, training=True, eps=0.0).flatten()
    tensor([-1.,  1.])
    """
    return norm.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps, activation)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x weight^T + bias.

    Args:
        input: x, float (..., features).
        weight: (outputs, features).
        bias: (outputs,) or None.

    Returns:
        (..., outputs).

    Raises:
        ValueError, TypeError: shapes or types do not fit.

    >>> import tinyseg
    >>> linear(tinyseg.tensor([1.0, 2.0]), tinyseg.tensor([[3.0, 4.0]]), tinyseg.tensor([0.5]))
    tensor([11.5])
    """
    return _matmul.linear(input, weight, bias)


def log_softmax(input: Tensor, dim: int) -> Tensor:
    """log(exp(x) / sum exp(x)) along ``dim``, without overflow.

    Raises ``IndexError`` for a ``dim`` that is not there.

    >>> import tinyseg
    >>> log_softmax(tinyseg.tensor([0.0, 0.0]), dim=0)
    tensor([-0.6931472, -0.6931472])
    """
    return _softmax.log_softmax(input, dim)


def softmax(input: Tensor, dim: int) -> Tensor:
    """exp(x) / sum exp(x) along ``dim``, without overflow.

    >>> import tinyseg
    >>> softmax(tinyseg.tensor([1000.0, 1000.0]), dim=0)
    tensor([0.5, 0.5])
    """
    return _softmax.log_softmax(input, dim).exp()


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Softmax cross-entropy of class logits: l = -w[t] log(exp(x[t]) / sum_c exp(x[c])) for each pixel's label t.

    Pixels whose label is ``ignore_index`` count nothing, whatever their logits are.

    Args:
        input: logits, float (N, C, H, W); also (C,), (N, C) and (N, C, L).
        target: integer class indices (N, H, W); likewise (), (N,), (N, L).
        weight: (C,), one for each class, or None for 1.
        ignore_index: the label of pixels that do not count.
        reduction: 'none': each pixel's l; 'sum': their sum; 'mean': their sum divided by the sum of w[t], which is
            NaN if every pixel is ignored.

    Returns:
        A tensor without dimensions, or of target's shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit. IndexError: a label that is no class.

    >>> import tinyseg
    >>> cross_entropy(tinyseg.zeros(1, 4), tinyseg.tensor([2])).item() == tinyseg.log(tinyseg.tensor(4.0)).item()
    True
    """
    return _softmax.cross_entropy(input, target, weight, ignore_index, reduction)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, generator: Generator | None = None) -> Tensor:
    """Sets each element to 0 with probability ``p`` and multiplies the others by 1 / (1 - p); the identity if not
    ``training``. Random numbers come from ``generator`` (default: the one that ``manual_seed`` seeds).

    Raises ``ValueError`` unless 0 <= p <= 1. Source: Srivastava et al. 2014.

    >>> import tinyseg
    >>> dropout(tinyseg.ones(3), p=0.5, training=False)
    tensor([1., 1., 1.])
    """
    return _dropout.dropout(input, p, training, generator)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, generator: Generator | None = None) -> Tensor:
    """``dropout`` of whole channels of N,C,H,W: neighbouring pixels are too much alike to be dropped one by one.

    Source: Tompson et al. 2015.

    >>> import tinyseg
    >>> y = dropout2d(tinyseg.ones(1, 8, 2, 2), p=0.5)
    >>> bool((y[:, :, 0, 0] == y[:, :, 1, 1]).all())
    True
    """
    return _dropout.dropout2d(input, p, training, generator)
