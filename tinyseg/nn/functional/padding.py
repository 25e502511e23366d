"""Cropping; ``pad`` adds borders."""

from __future__ import annotations

from collections.abc import Sequence

from ...ops import pad as _pad
from ...tensor import Tensor

Size = int | Sequence[int]


def centre_crop(input: Tensor, size: Size) -> Tensor:
    """The middle of an image, as U-Net and FCN bring a larger map to the size of the one it is joined with.

    Rows floor((H - H') / 2) .. floor((H - H') / 2) + H' - 1 are kept, and columns likewise: where the difference is
    odd, one row (column) more is cut off below (on the right) than above (on the left).

    Args:
        input: any type, (..., H, W).
        size: (H', W'), or one int for both; not larger than (H, W).

    Returns:
        (..., H', W'), a view. The gradient of what was cut off is 0.

    Raises:
        ValueError: the image is smaller, or the size is less than 1. TypeError: sizes are no ints.

    Source: Ronneberger, Fischer and Brox 2015, figure 1; Long, Shelhamer and Darrell 2015 and their released code.

    >>> import tinyseg
    >>> centre_crop(tinyseg.arange(12).reshape(3, 4), (2, 2))
    tensor([[1, 2],
            [5, 6]])
    """
    return _pad.centre_crop(input, size)
