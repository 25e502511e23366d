"""A tensor taken apart along a dimension: split, chunk, unbind."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np

from ..autograd import Op
from ..geometry import Field, InputField
from ..tensor_base import Tensor
from .common import dimension, need_tensor, sizes, view
from .shape import cat, squeeze

__all__ = ["chunk", "split", "unbind"]


class Split(Op):
    """The pieces' gradients are joined again."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: int, lengths: tuple[int, ...]) -> tuple[Tensor, ...]:
        """Views."""
        ctx.axis = axis
        ends = np.cumsum([0, *lengths]).tolist()
        places = [(*[slice(None)] * axis, slice(a, b)) for a, b in pairwise(ends)]
        return tuple(view(x, x.backend.slice_view(x.array, place)) for place in places)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """In their order."""
        return cat(grads, ctx.axis), None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Kept where channels are taken apart; along rows or columns the places of units are lost."""
        return inputs.mixed_along(ctx.axis)


def _axis(who: str, x: Tensor, dim: int) -> int:
    if need_tensor(who, "input", x, floating=False).ndim == 0:
        raise ValueError(f"{who}: input must have at least one dimension, got a single number")
    return dimension(who, dim, x.ndim)


def split(input: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces along ``dim``, views: of so many elements each (the last has what is left), or of the lengths given.

    Raises ``ValueError`` for lengths that do not add up to the dimension's, and negative ones.

    >>> import tinyseg
    >>> split(tinyseg.tensor([1, 2, 3, 4, 5]), 2)
    (tensor([1, 2]), tensor([3, 4]), tensor([5]))
    >>> split(tinyseg.tensor([1, 2, 3, 4, 5]), [1, 4])
    (tensor([1]), tensor([2, 3, 4, 5]))
    """
    axis = _axis("split", input, dim)
    length = input.shape[axis]
    if isinstance(split_size_or_sections, Integral):
        size = int(split_size_or_sections)
        if size < 0 or (size == 0 and length):
            raise ValueError(f"split: split_size must be positive, got {size} for a dimension of size {length}")
        lengths = tuple(min(size, length - start) for start in range(0, length, max(size, 1))) or (0,)
    else:
        lengths = sizes("split", (split_size_or_sections,))
        if min(lengths, default=0) < 0 or sum(lengths) != length:
            raise ValueError(f"split: sections {lengths} must add up to {length}, the size of dim {axis}")
    return Split.apply(input, axis, lengths)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most so many pieces of one length (the last may be shorter) along ``dim``; views.

    >>> import tinyseg
    >>> chunk(tinyseg.tensor([1, 2, 3, 4, 5]), 2)
    (tensor([1, 2, 3]), tensor([4, 5]))
    """
    axis = _axis("chunk", input, dim)
    if not isinstance(chunks, Integral) or chunks < 1:
        raise ValueError(f"chunk: chunks must be an int of at least 1, got {chunks!r}")
    size = -(-input.shape[axis] // int(chunks))
    return split(input, size if size else [0] * int(chunks), axis)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along ``dim``, which has gone; views.

    >>> import tinyseg
    >>> unbind(tinyseg.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    axis = _axis("unbind", input, dim)
    if not input.shape[axis]:
        return ()
    return tuple(squeeze(piece, axis) for piece in split(input, 1, axis))
