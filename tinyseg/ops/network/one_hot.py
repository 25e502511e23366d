"""Class indices as vectors."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from ...tensor_base import Tensor, TensorBase, int64
from ..common import bounds
from ..copying import to
from ..elementwise import equal
from ..shape import unsqueeze

__all__ = ["one_hot"]


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """A vector for each class index, 1 at that place and 0 elsewhere, along a new last dimension.

    Args:
        input: integer class indices, any shape.
        num_classes: how many there are; -1 for the largest index and one.

    Returns:
        An int64 tensor ``(*input.shape, num_classes)``.

    Raises:
        TypeError: the indices are no integers. IndexError: one is below 0, or not below num_classes.
        ValueError: num_classes is neither -1 nor positive, or to be found from no index at all.

    >>> import tinyseg
    >>> one_hot(tinyseg.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if not isinstance(input, TensorBase) or input.dtype.kind not in "iu":
        what = str(input.dtype) if isinstance(input, TensorBase) else type(input).__name__
        raise TypeError(f"one_hot: input must be a tensor of class indices (int64), got {what}")
    if not isinstance(num_classes, Integral):
        raise TypeError(f"one_hot: num_classes must be an int, got {num_classes!r}")
    if num_classes < 1 and num_classes != -1:
        raise ValueError(f"one_hot: num_classes must be positive, or -1 to find it, got {num_classes}")
    if not input.numel():
        if num_classes == -1:
            raise ValueError(f"one_hot: no index in shape {input.shape} to find num_classes from; give it")
        low = high = 0
    else:
        low, high = bounds(input)
    count = high + 1 if num_classes == -1 else num_classes
    if low < 0 or high >= count:
        raise IndexError(f"one_hot: input holds {low if low < 0 else high}, but there are classes 0 .. {count - 1}")
    classes = input.wrap_numpy(np.arange(count))
    return to(equal(unsqueeze(to(input, int64), -1), classes), int64)
