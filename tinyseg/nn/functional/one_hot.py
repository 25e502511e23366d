"""Class indices as vectors."""

from __future__ import annotations

from numbers import Integral

from ...creation import arange
from ...tensor import Tensor
from ...tensor_base import int64


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
    if not isinstance(input, Tensor) or input.dtype.kind not in "iu":
        what = str(input.dtype) if isinstance(input, Tensor) else type(input).__name__
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
        low, high = int(input.min()), int(input.max())
    count = high + 1 if num_classes == -1 else num_classes
    if low < 0 or high >= count:
        raise IndexError(f"one_hot: input holds {low if low < 0 else high}, but there are classes 0 .. {count - 1}")
    return (input.to(int64).unsqueeze(-1) == arange(count, device=input.device)).to(int64)
