"""Picking elements by indices along a dimension. The adjoint adds: a place may be picked more than once."""

from __future__ import annotations

from typing import Any

from ..autograd import Op
from ..geometry import Field, InputField
from ..tensor_base import Tensor, int64
from .common import bounds, dimension, filled, need_same_type, need_tensor, new
from .copying import contiguous, to
from .elementwise import add, less, multiply
from .shape import expand, reshape

__all__ = ["gather", "index_select", "scatter_add"]


class Gather(Op):
    """out[..., i, ...] = x[..., index[..., i, ...], ...]."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, axis: int) -> Tensor:
        """Indices have been checked."""
        out = new(x, index.shape)
        x.backend.gather(x.array, index.array, out.array, axis)
        ctx.axis, ctx.shape = axis, x.shape
        ctx.save_for_backward(index)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Adds each gradient where its value was picked."""
        (index,) = ctx.saved_tensors
        out = filled(new(grad, ctx.shape), 0)
        grad.backend.scatter_add(grad.array, index.array, out.array, ctx.axis)
        return out, None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """A value may come from anywhere along its dimension."""
        return inputs.mixed_along(ctx.axis)


def _checked_index(who: str, index: Tensor, size: int) -> Tensor:
    """int64 indices, negative ones counted from the end; raises ``TypeError`` and ``IndexError``."""
    need_tensor(who, "index", index, floating=False)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{who}: index must be an integer tensor, got {index.dtype}")
    index = to(index, int64)
    if index.numel():
        low, high = bounds(index)
        if low < -size or high >= size:
            raise IndexError(f"{who}: index {low if low < -size else high} is out of range for size {size}")
        if low < 0:
            index = add(index, multiply(to(less(index, 0), int64), size))
    return index


def _fits(who: str, name: str, x: Tensor, index: Tensor, but: int | None) -> None:
    """Raises ``ValueError`` unless ``index`` is no larger than x, but along one dimension."""
    larger = [i for i, (a, b) in enumerate(zip(index.shape, x.shape, strict=False)) if a > b and i != but]
    if index.ndim != x.ndim or larger:
        rest = "" if but is None else f", but for dim {but}"
        raise ValueError(f"{who}: index of shape {index.shape} must fit into {name}'s shape {x.shape}{rest}")


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """out[..., i, ...] = input[..., index[..., i, ...], ...], of ``index``'s shape, which must not be larger than
    input's but along ``dim``. Indices may come more than once, and negative ones count from the end.

    Raises ``IndexError`` for an index that is out of range and ``ValueError`` for shapes that do not fit.

    >>> import tinyseg
    >>> gather(tinyseg.tensor([[1.0, 2.0], [3.0, 4.0]]), 1, tinyseg.tensor([[1], [0]]))
    tensor([[2.],
           [3.]])
    """
    x = need_tensor("gather", "input", input, floating=False)
    axis = dimension("gather", dim, x.ndim)
    index = _checked_index("gather", index, x.shape[axis] if x.ndim else 1)
    _fits("gather", "input", x, index, axis)
    if not x.ndim:
        return reshape(gather(reshape(x, 1), 0, reshape(index, 1)), ())
    return Gather.apply(x, index, axis)


class ScatterAdd(Op):
    """out[..., index[..., i, ...], ...] += source[..., i, ...]."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, source: Tensor, axis: int) -> Tensor:
        """Indices have been checked."""
        out = contiguous(x)
        x.backend.scatter_add(_part(source, index), index.array, out.array, axis)
        ctx.axis, ctx.shape = axis, source.shape
        ctx.save_for_backward(index)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """What was added gets the gradient of where it went."""
        (index,) = ctx.saved_tensors
        out = filled(new(grad, ctx.shape), 0)
        picked = new(grad, index.shape)
        grad.backend.gather(grad.array, index.array, picked.array, ctx.axis)
        grad.backend.assign(picked.array, _part(out, index))
        return grad, None, out, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """A value may go anywhere along its dimension."""
        return inputs.mixed_along(ctx.axis)


def _part(x: Tensor, index: Tensor) -> Any:
    """The part of x's array that has the index's shape."""
    return x.backend.slice_view(x.array, tuple(slice(size) for size in index.shape))


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy of input with ``out[..., index[..., i, ...], ...] += src[..., i, ...]``, in scan order.

    The adjoint of ``gather``. ``index`` must not be larger than ``src``, nor than input but along ``dim``. Raises
    ``IndexError`` for an index that is out of range, ``ValueError`` for shapes that do not fit and ``TypeError`` for
    types that differ.

    >>> import tinyseg
    >>> scatter_add(tinyseg.zeros(3), 0, tinyseg.tensor([2, 0, 2]), tinyseg.tensor([1.0, 2.0, 3.0]))
    tensor([2., 0., 4.])
    """
    x = need_tensor("scatter_add", "input", input, floating=False)
    need_same_type("scatter_add", input=x, src=src)
    axis = dimension("scatter_add", dim, x.ndim)
    index = _checked_index("scatter_add", index, x.shape[axis] if x.ndim else 1)
    _fits("scatter_add", "input", x, index, axis)
    _fits("scatter_add", "src", src, index, None)
    if not x.ndim:
        return reshape(scatter_add(reshape(x, 1), 0, reshape(index, 1), reshape(src, 1)), ())
    return ScatterAdd.apply(x, index, src, axis)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices along ``dim`` that the one-dimensional ``index`` names, in its order.

    Raises ``IndexError`` for an index that is out of range and ``ValueError`` if ``index`` is no vector.

    >>> import tinyseg
    >>> index_select(tinyseg.tensor([[1, 2, 3]]), 1, tinyseg.tensor([2, 0]))
    tensor([[3, 1]])
    """
    x = need_tensor("index_select", "input", input, floating=False)
    axis = dimension("index_select", dim, x.ndim)
    if need_tensor("index_select", "index", index, floating=False).ndim != 1:
        raise ValueError(f"index_select: index must have one dimension, got shape {index.shape}")
    if not x.ndim:
        return reshape(index_select(reshape(x, 1), 0, index), ())
    index = _checked_index("index_select", index, x.shape[axis])
    spread = reshape(index, tuple(index.shape[0] if i == axis else 1 for i in range(x.ndim)))
    shape = tuple(index.shape[0] if i == axis else size for i, size in enumerate(x.shape))
    return Gather.apply(x, expand(spread, shape), axis)
