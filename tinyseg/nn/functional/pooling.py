"""Pooling and its reverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ops import pool
from ...tensor import Tensor

Size = int | Sequence[int]


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
