"""Pooling and its reverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ops import avg_pool, pool
from ...tensor import Tensor

Size = int | Sequence[int]


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
    return pool.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


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
    return pool.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


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
    return pool.adaptive_max_pool2d(input, output_size, return_indices)


def avg_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window: y[i, j] = 1 / D sum_{r,s} x[i stride - padding + r, j stride - padding + s].

    Args:
        input: float (N, C, H, W) or (C, H, W).
        kernel_size, stride, padding, ceil_mode: as in ``max_pool2d``; the padding is 0.
        count_include_pad: D counts the padding's pixels too (never what a window has beyond the padding).
        divisor_override: D itself, instead of a number of pixels.

    Returns:
        (N, C, H', W') or (C, H', W').

    Raises:
        ValueError, TypeError: shapes or sizes do not fit.

    Source: LeCun, Bottou, Bengio and Haffner 1998.

    >>> import tinyseg
    >>> x = tinyseg.tensor([[[1.0, 2, 6], [3, 5, 2]]])
    >>> avg_pool2d(x, 2)
    tensor([[[2.75]]])
    >>> avg_pool2d(x, 2, ceil_mode=True)
    tensor([[[2.75, 4.  ]]])
    """
    return avg_pool.avg_pool2d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each of ``output_size`` windows that share the image out; 1 is the mean of the whole image.

    Window i of H' has the rows floor(i H / H') to ceil((i + 1) H / H') - 1, and columns alike: neighbours may share
    a row.

    Args:
        input: float (N, C, H, W) or (C, H, W).
        output_size: an int or a pair; None in the pair keeps the input's size.

    Returns:
        (N, C, H', W') or (C, H', W').

    Raises:
        ValueError, TypeError: shapes or sizes do not fit.

    Source: He, Zhang, Ren and Sun 2014; Zhao, Shi, Qi, Wang and Jia 2017, the pyramid pooling of PSPNet.

    >>> import tinyseg
    >>> adaptive_avg_pool2d(tinyseg.tensor([[[1.0, 2, 6], [3, 5, 2]]]), (None, 2))
    tensor([[[1.5, 4. ],
             [4. , 3.5]]])
    """
    return avg_pool.adaptive_avg_pool2d(input, output_size)


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
    return pool.max_unpool1d(input, indices, kernel_size, stride, padding, output_size)


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
    return pool.max_unpool2d(input, indices, kernel_size, stride, padding, output_size)
