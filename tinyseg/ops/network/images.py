"""Lines and volumes as images: N,C,H,W, which is what kernels take, and back again.

A line is an image with a height of one. Of more than two dimensions of space, all but the last make the height.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...geometry import Pair
from ...tensor_base import Tensor
from ..shape import reshape


def as_images(x: Tensor, space: int | None = None) -> Tensor:
    """``x``, whose last ``space`` dimensions are space, as N,C,H,W; without a batch it is one image.

    Where ``space`` is None, all dimensions but the first two are space, of which there may be none.
    """
    if x.ndim == 4 and space in (None, 2):
        return x
    dims = x.ndim - 2 if space is None else space
    batched = x.shape if x.ndim == dims + 2 else (1, *x.shape)
    *before, height, width = (1, 1, *batched[2:])
    return reshape(x, (*batched[:2], math.prod(before) * height, width))


def as_given(y: Tensor, x: Tensor, space: int) -> Tensor:
    """An operator's result N,C,H,W with the dimensions of the input ``x`` that ``as_images`` made an image of."""
    if x.ndim == 4 and space == 2:
        return y
    shape = (*y.shape[:2], *y.shape[4 - space :])
    return reshape(y, shape if x.ndim == space + 2 else shape[1:])


def as_pair(numbers: Sequence[int], of_one: int) -> Pair:
    """An operator's numbers for images; those of a line are for its width, beside ``of_one`` for a height of one."""
    vertical, horizontal = (of_one, *numbers)[-2:]
    return vertical, horizontal
