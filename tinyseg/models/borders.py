"""Borders around an image for networks without padding of their own."""

from __future__ import annotations

from ..ops.pad import pad
from ..tensor import Tensor


def mirror(input: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    """The image mirrored at its outermost pixels, which are not repeated, as often as the border asks for.

    ``functional.pad`` mirrors once, so its borders are narrower than the image; those of an image that was mirrored
    already continue it in the same way. Raises ``ValueError`` for a border along a side of a single pixel.

    >>> import tinyseg
    >>> mirror(tinyseg.tensor([[[[1.0, 2.0, 3.0]]]]), 0, 0, 5, 1)
    tensor([[[[2., 1., 2., 3., 2., 1., 2., 3., 2.]]]])
    """
    while top or bottom or left or right:
        rows, columns = input.shape[-2] - 1, input.shape[-1] - 1
        if (not rows and (top or bottom)) or (not columns and (left or right)):
            raise ValueError(f"mirror: an image of shape {input.shape} has nothing to mirror beside its only pixel")
        step = min(left, columns), min(right, columns), min(top, rows), min(bottom, rows)
        input = pad(input, step, mode="reflect")
        left, right, top, bottom = (whole - now for whole, now in zip((left, right, top, bottom), step, strict=True))
    return input
