"""Elements repeated: as a view where the shape allows it, else as copies."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Op
from ..geometry import Field, InputField
from ..tensor_base import Tensor, TensorBase
from .common import dimension, need_tensor, new, new_activation, sizes, sum_to
from .gather import index_select
from .shape import expand, reshape

__all__ = ["broadcast_to", "expand_as", "repeat", "repeat_interleave"]


class Repeat(Op):
    """Each dimension is two for a while, a number of copies and a size; the copies' gradients are added up."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, times: tuple[int, ...], in_a_row: bool) -> Tensor:
        """Copies of the whole one after the other, or of each element if they are to stand ``in_a_row``."""
        one, all_, shape = _apart(x.shape, (1,) * x.ndim, in_a_row), _apart(x.shape, times, in_a_row), x.shape
        out = (new_activation if x.ndim == 4 else new)(x, [n * size for n, size in zip(times, shape, strict=True)])
        reshape = x.backend.reshape
        x.backend.assign(reshape(x.array, one), reshape(out.array, all_))  # to take a dimension apart makes a view
        ctx.one, ctx.all, ctx.shape = one, all_, shape
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Summed over the copies."""
        return reshape(sum_to(reshape(grad, ctx.all), ctx.one), ctx.shape), None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """The whole image along a dimension that is repeated."""
        return inputs.unit_by_unit()


def _apart(shape: tuple[int, ...], times: tuple[int, ...], in_a_row: bool) -> tuple[int, ...]:
    """(copies, size) for each dimension, or (size, copies)."""
    pairs = zip(shape, times, strict=True) if in_a_row else zip(times, shape, strict=True)
    return tuple(n for pair in pairs for n in pair)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` repeated without a copy to ``other``'s shape; see ``Tensor.expand``.

    >>> import tinyseg
    >>> expand_as(tinyseg.tensor([1, 2]), tinyseg.zeros(2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return expand(input, need_tensor("expand_as", "other", other, floating=False).shape)


def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """Dimensions of size 1 repeated without a copy, new ones put in front; -1 leaves a size. A view.

    Raises ``ValueError`` where sizes do not match.

    >>> import tinyseg
    >>> broadcast_to(tinyseg.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
           [1, 2]])
    """
    return expand(need_tensor("broadcast_to", "input", input, floating=False), size)


def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """The whole tensor so many times along each dimension; more numbers than dimensions put new ones in front.

    Raises ``ValueError`` for fewer numbers than dimensions, and negative ones.

    >>> import tinyseg
    >>> repeat(tinyseg.tensor([1, 2]), 2, 2)
    tensor([[1, 2, 1, 2],
           [1, 2, 1, 2]])
    """
    x = need_tensor("repeat", "input", input, floating=False)
    times = sizes("repeat", repeats)
    if len(times) < x.ndim or min(times, default=0) < 0:
        raise ValueError(f"repeat: expected a number >= 0 for each of the {x.ndim} dimensions (or more), got {times}")
    return Repeat.apply(reshape(x, (1,) * (len(times) - x.ndim) + x.shape), times, False)


def repeat_interleave(input: Tensor, repeats: int | Tensor, dim: int | None = None) -> Tensor:
    """Each element so many times in a row along ``dim``, or of the flat tensor.

    ``repeats`` is one number, or a vector of integers with one for each element of the dimension. Raises
    ``ValueError`` for negative numbers, and a vector of another length.

    >>> import tinyseg
    >>> repeat_interleave(tinyseg.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    >>> repeat_interleave(tinyseg.tensor([1, 2]), tinyseg.tensor([3, 1]))
    tensor([1, 1, 1, 2])
    """
    x = need_tensor("repeat_interleave", "input", input, floating=False)
    x = reshape(x, -1) if dim is None or not x.ndim else x
    axis = 0 if dim is None else dimension("repeat_interleave", dim, input.ndim)
    given = repeats.tolist() if isinstance(repeats, TensorBase) else repeats
    if (isinstance(repeats, TensorBase) and repeats.dtype.kind not in "iu") or isinstance(given, (bool, float)):
        raise TypeError(f"repeat_interleave: repeats must be integers, got {repeats!r}")
    counts = np.asarray(given, np.int64).reshape(-1)
    if counts.size not in (1, x.shape[axis]) or counts.min(initial=0) < 0:
        raise ValueError(
            f"repeat_interleave: repeats must be one number >= 0 or {x.shape[axis]} of them, got {given!r}"
        )
    if counts.size == 1:
        return Repeat.apply(x, tuple(int(counts[0]) if i == axis else 1 for i in range(x.ndim)), True)
    places = np.repeat(np.arange(x.shape[axis]), counts)
    return index_select(x, axis, x.wrap_numpy(places.astype(np.int64)))
