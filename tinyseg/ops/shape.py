"""Operators that move elements and compute nothing: reshape, permute, slices, concatenation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np

from ..autograd import Op
from ..geometry import Field, InputField
from ..tensor_base import Dims, Tensor
from .common import (
    dimension,
    dimensions,
    need_same_type,
    need_tensor,
    new,
    new_activation,
    repeated,
    several,
    sizes,
    sum_to,
    view,
)

__all__ = [
    "cat",
    "expand",
    "flatten",
    "movedim",
    "permute",
    "reshape",
    "squeeze",
    "stack",
    "transpose",
    "unflatten",
    "unsqueeze",
]


class Reshape(Op):
    """Row-major order is kept, so the gradient is reshaped back."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """A view where the strides allow it."""
        ctx.shape = x.shape
        return view(x, x.backend.reshape(x.array, shape))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Back."""
        return view(grad, grad.backend.reshape(grad.array, ctx.shape)), None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Kept where a map keeps its rows and columns; else the places of units are lost."""
        kept = inputs.is_map and inputs.before[2:] == inputs.after[2:]
        return inputs.field if kept else inputs.whole_image()


class Permute(Op):
    """Dimensions in another order; the gradient's are put back."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        """A view."""
        ctx.inverse = tuple(axes.index(i) for i in range(len(axes)))
        return view(x, x.backend.transpose(x.array, axes))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The inverse order."""
        return view(grad, grad.backend.transpose(grad.array, ctx.inverse)), None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Kept where a map keeps its rows and columns; else the places of units are lost."""
        return inputs.field if inputs.is_map and ctx.inverse[2:] == (2, 3) else inputs.whole_image()


class Expand(Op):
    """An element that is repeated gets the sum of its copies' gradients."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """A view."""
        ctx.shape = x.shape
        return repeated(x, shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Summed over the copies."""
        return sum_to(grad, ctx.shape), None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """The whole image along a dimension that is repeated."""
        return inputs.unit_by_unit()


class Cat(Op):
    """Each input gets its own part of the gradient."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, axis: int, *tensors: Tensor) -> Tensor:
        """Each input is written into its place."""
        first = tensors[0]
        ctx.axis, ctx.lengths = axis, [x.shape[axis] for x in tensors]
        shape = list(first.shape)
        shape[axis] = sum(ctx.lengths)
        out = (new_activation if first.ndim == 4 else new)(first, shape)
        for x, index in zip(tensors, _parts(axis, ctx.lengths), strict=True):
            first.backend.assign(x.array, first.backend.slice_view(out.array, index))
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Along the first dimension views of the gradient, which are whole pieces of memory; else copies: what comes
        next reads its gradient several times, and would make a copy each time.
        """
        pieces = [grad.backend.slice_view(grad.array, index) for index in _parts(ctx.axis, ctx.lengths)]
        if ctx.axis == 0:
            return None, *(view(grad, piece) for piece in pieces)
        return None, *(_copied(grad, piece) for piece in pieces)

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Kept where channels are joined; along rows or columns the places of units are lost."""
        return inputs.mixed_along(ctx.axis)


def _copied(like: Tensor, array: Any) -> Tensor:
    """The array in memory of its own."""
    out = (new_activation if like.ndim == 4 else new)(like, array.shape)
    like.backend.assign(array, out.array)
    return out


def _parts(axis: int, lengths: Sequence[int]) -> list[tuple[Any, ...]]:
    """For each of the pieces that lie along ``axis`` the index of its place."""
    ends = np.cumsum([0, *lengths]).tolist()
    return [(*[slice(None)] * axis, slice(a, b)) for a, b in pairwise(ends)]


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The elements of ``input``, in row-major order, under another shape; one size may be -1.

    Raises ``ValueError`` if the number of elements differs.

    >>> import tinyseg
    >>> reshape(tinyseg.arange(4), 2, -1)
    tensor([[0, 1],
            [2, 3]])
    """
    given = sizes("reshape", shape)
    known = math.prod(size for size in given if size != -1)
    wanted = list(given)
    if given.count(-1) == 1 and known:
        wanted[given.index(-1)] = input.numel() // known
    if min(wanted, default=0) < 0 or math.prod(wanted) != input.numel():
        raise ValueError(f"reshape: shape {input.shape} has {input.numel()} elements, which do not fill {given}")
    return Reshape.apply(input, tuple(wanted))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions ``start_dim .. end_dim`` made one.

    >>> import tinyseg
    >>> flatten(tinyseg.zeros(2, 3, 4), 1).shape
    (2, 12)
    """
    if not input.ndim:
        return reshape(input, 1)
    start, end = dimension("flatten", start_dim, input.ndim), dimension("flatten", end_dim, input.ndim)
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    shape = input.shape
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension ``dim`` made several of these sizes, one of which may be -1: flatten's inverse.

    Raises ``ValueError`` unless the sizes' product is the dimension's.

    >>> import tinyseg
    >>> unflatten(tinyseg.zeros(2, 12), 1, (3, -1)).shape
    (2, 3, 4)
    """
    if need_tensor("unflatten", "input", input, floating=False).ndim == 0:
        raise ValueError("unflatten: input must have at least one dimension, got a single number")
    axis = dimension("unflatten", dim, input.ndim)
    wanted, length = tuple(sizes), input.shape[axis]
    if not wanted or not all(isinstance(size, Integral) for size in wanted):
        raise TypeError(f"unflatten: sizes must be one or several ints, got {sizes!r}")
    known = abs(int(np.prod(wanted)))
    if wanted.count(-1) == 1 and known and length % known == 0:
        wanted = tuple(length // known if size == -1 else size for size in wanted)
    if min(wanted) < 0 or int(np.prod(wanted)) != length:
        raise ValueError(f"unflatten: sizes {tuple(sizes)} do not multiply up to {length}, the size of dim {axis}")
    return reshape(input, (*input.shape[:axis], *wanted, *input.shape[axis + 1 :]))


def permute(input: Tensor, *dims: Any) -> Tensor:
    """The dimensions in the order ``dims``; raises ``ValueError`` unless each comes once.

    >>> import tinyseg
    >>> permute(tinyseg.zeros(2, 3, 4), 2, 0, 1).shape
    (4, 2, 3)
    """
    axes = tuple(dimension("permute", d, input.ndim) for d in sizes("permute", dims))
    if sorted(axes) != list(range(input.ndim)):
        raise ValueError(f"permute: dims {dims} must name each of the {input.ndim} dimensions once")
    return Permute.apply(input, axes)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged.

    >>> import tinyseg
    >>> transpose(tinyseg.zeros(2, 3), 0, 1).shape
    (3, 2)
    """
    axes = list(range(input.ndim))
    a, b = dimension("transpose", dim0, input.ndim), dimension("transpose", dim1, input.ndim)
    if axes:
        axes[a], axes[b] = axes[b], axes[a]
    return permute(input, axes)


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """The dimensions ``source`` at the places ``destination``, the others in their order; a view.

    Raises ``ValueError`` for a dimension that is named twice and unless there are as many of both.

    >>> import tinyseg
    >>> movedim(tinyseg.zeros(2, 3, 4), -1, 0).shape
    (4, 2, 3)
    """
    x = need_tensor("movedim", "input", input, floating=False)
    named = {
        "source": several("movedim", "source", source),
        "destination": several("movedim", "destination", destination),
    }
    starts, ends = ([dimension("movedim", axis, x.ndim) for axis in axes] for axes in named.values())
    if len(starts) != len(ends) or len(set(starts)) != len(starts) or len(set(ends)) != len(ends):
        raise ValueError(f"movedim: {source} and {destination} must name as many dims, each once")
    rest = iter(axis for axis in range(x.ndim) if axis not in starts)
    places = dict(zip(ends, starts, strict=True))
    return permute(x, [places[i] if i in places else next(rest) for i in range(x.ndim)]) if x.ndim else x


def squeeze(input: Tensor, dim: Dims = None) -> Tensor:
    """Without the dimensions of size 1, or without those of ``dim`` (an int, or several) whose size is 1.

    >>> import tinyseg
    >>> squeeze(tinyseg.zeros(1, 3, 1), -1).shape
    (1, 3)
    """
    axes = () if dim == () else dimensions("squeeze", dim, input.ndim)
    return reshape(input, tuple(size for i, size in enumerate(input.shape) if i not in axes or size != 1))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a dimension of size 1 put in before ``dim``.

    >>> import tinyseg
    >>> unsqueeze(tinyseg.zeros(3), 0).shape
    (1, 3)
    """
    axis = dimension("unsqueeze", dim, input.ndim + 1)
    return reshape(input, (*input.shape[:axis], 1, *input.shape[axis:]))


def expand(input: Tensor, *shape: Any) -> Tensor:
    """Dimensions of size 1 repeated without a copy; -1 leaves a size, new dimensions come in front.

    >>> import tinyseg
    >>> expand(tinyseg.tensor([[1], [2]]), 2, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    wanted = list(sizes("expand", shape))
    extra = len(wanted) - input.ndim
    for i, size in enumerate(input.shape):
        if extra >= 0 and wanted[extra + i] == -1:
            wanted[extra + i] = size
    old = (1,) * extra + input.shape
    if extra < 0 or any(a not in (1, b) for a, b in zip(old, wanted, strict=True)):
        raise ValueError(f"expand: shape {input.shape} cannot be repeated to {tuple(wanted)}")
    return Expand.apply(input, tuple(wanted))


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along a dimension that they have; other sizes and types must agree.

    >>> import tinyseg
    >>> tinyseg.cat([tinyseg.zeros(1, 2), tinyseg.ones(1, 2)])
    tensor([[0., 0.],
           [1., 1.]])
    """
    if not tensors:
        raise ValueError("cat: expected at least one tensor, got none")
    for i, x in enumerate(tensors):
        need_tensor("cat", f"tensors[{i}]", x, floating=False)
    axis = dimension("cat", dim, tensors[0].ndim)
    need_same_type("cat", **{f"tensors[{i}]": x for i, x in enumerate(tensors)})
    rest = {(*x.shape[:axis], *x.shape[axis + 1 :]) for x in tensors}
    if len({x.ndim for x in tensors}) > 1 or len(rest) > 1 or not tensors[0].ndim:
        raise ValueError(f"cat: shapes {[x.shape for x in tensors]} must agree in all dimensions but {axis}")
    return Cat.apply(axis, *tensors)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension.

    >>> import tinyseg
    >>> stack([tinyseg.tensor([1, 2]), tinyseg.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    if len({x.shape for x in tensors}) > 1:
        raise ValueError(f"stack: shapes {[x.shape for x in tensors]} must be equal")
    return cat([unsqueeze(x, dim) for x in tensors], dim)
