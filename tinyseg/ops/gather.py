"""Picking elements by indices along a dimension. The adjoint adds: a place may be picked more than once."""

from __future__ import annotations

from typing import Any

from ..autograd import Op
from ..tensor import Tensor, int64, operator
from .common import dimension, need_tensor, new


class Gather(Op):
    """out[..., i, ...] = x[..., index[..., i, ...], ...]."""

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
        out = new(grad, ctx.shape).zero_()
        grad.backend.scatter_add(grad.array, index.array, out.array, ctx.axis)
        return out, None, None


def _checked_index(who: str, index: Tensor, size: int) -> Tensor:
    """int64 indices, negative ones counted from the end; raises ``TypeError`` and ``IndexError``."""
    need_tensor(who, "index", index, floating=False)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{who}: index must be an integer tensor, got {index.dtype}")
    index = index.to(int64)
    if index.numel():
        low, high = int(index.min()), int(index.max())
        if low < -size or high >= size:
            raise IndexError(f"{who}: index {low if low < -size else high} is out of range for size {size}")
        if low < 0:
            index = index + (index < 0).to(int64) * size
    return index


@operator
def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """out[..., i, ...] = input[..., index[..., i, ...], ...]; ``index`` has input's shape but along ``dim``.

    Raises ``IndexError`` for an index that is out of range and ``ValueError`` for other shapes.
    """
    x = need_tensor("gather", "input", input, floating=False)
    axis = dimension("gather", dim, x.ndim)
    index = _checked_index("gather", index, x.shape[axis] if x.ndim else 1)
    others = [(a, b) for i, (a, b) in enumerate(zip(x.shape, index.shape, strict=False)) if i != axis]
    if index.ndim != x.ndim or not _alike(others):
        raise ValueError(
            f"gather: index of shape {index.shape} must equal input's shape {x.shape} but for dim {axis}"
        )
    return Gather.apply(x, index, axis)


def _alike(pairs: list[tuple[int, int]]) -> bool:
    return [a for a, _ in pairs] == [b for _, b in pairs]


@operator
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices along ``dim`` that the one-dimensional ``index`` names, in its order.

    Raises ``IndexError`` for an index that is out of range and ``ValueError`` if ``index`` is no vector.
    """
    x = need_tensor("index_select", "input", input, floating=False)
    axis = dimension("index_select", dim, x.ndim)
    if need_tensor("index_select", "index", index, floating=False).ndim != 1:
        raise ValueError(f"index_select: index must have one dimension, got shape {index.shape}")
    index = _checked_index("index_select", index, x.shape[axis])
    spread = index.reshape(tuple(index.shape[0] if i == axis else 1 for i in range(x.ndim)))
    shape = tuple(index.shape[0] if i == axis else size for i, size in enumerate(x.shape))
    return Gather.apply(x, spread.expand(shape), axis)
