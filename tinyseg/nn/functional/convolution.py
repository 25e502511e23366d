"""Convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from ...ops import conv
from ...tensor import Tensor

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
