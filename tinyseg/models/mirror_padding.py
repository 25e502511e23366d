"""Borders around an image, for networks that pad nothing themselves."""

from __future__ import annotations

from ..nn import functional as F
from ..tensor import Tensor


def mirrored(input: Tensor, borders: tuple[int, int, int, int]) -> Tensor:
    """``input`` (N, C, H, W) mirrored outwards at its outermost pixels, which are not repeated, by (left, right, top,
    bottom); again and again where a border is wider than the image, as a picture between two mirrors.

    >>> import tinyseg
    >>> mirrored(tinyseg.tensor([[[[1.0, 2.0, 3.0]]]]), (0, 6, 0, 0))[0, 0, 0].tolist()
    [1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0]
    """
    left, right, top, bottom = borders
    periods = [input.shape[3] - 1, input.shape[3] - 1, input.shape[2] - 1, input.shape[2] - 1]
    if any(border and not period for period, border in zip(periods, borders, strict=True)):
        raise ValueError(f"mirrored: an image of shape {input.shape} has nothing to mirror")
    while any(borders):
        sizes = [input.shape[3]] * 2 + [input.shape[2]] * 2
        # Whole periods at a time: then what is outermost is again where the picture turns round.
        steps = [
            min(border, (size - 1) // max(period, 1) * period)
            for border, size, period in zip(borders, sizes, periods, strict=True)
        ]
        input = F.pad(input, steps, mode="reflect")
        left, right, top, bottom = (border - step for border, step in zip(borders, steps, strict=True))
        borders = left, right, top, bottom
    return input
