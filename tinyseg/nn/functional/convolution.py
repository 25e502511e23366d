"""Convolutions, and windows as columns."""

from __future__ import annotations

from collections.abc import Sequence

from ...ops import conv
from ...ops import unfold as _unfold
from ...tensor import Tensor

Size = int | Sequence[int]


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
    return conv.conv1d(input, weight, bias, stride, padding, dilation, groups, activation)


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
    return conv.conv2d(input, weight, bias, stride, padding, dilation, groups, activation)


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
    return conv.conv_transpose1d(input, weight, bias, stride, padding, output_padding, groups, dilation, activation)


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
    return conv.conv_transpose2d(input, weight, bias, stride, padding, output_padding, groups, dilation, activation)


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
    return _unfold.unfold(input, kernel_size, dilation, padding, stride)


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
    return _unfold.fold(input, output_size, kernel_size, dilation, padding, stride)
