"""Running sums."""

from __future__ import annotations

from typing import Any

from ..autograd import Op
from ..geometry import Field, InputField
from ..tensor_base import Tensor, int64
from .common import dimension, need_tensor, new_like
from .copying import clone, to

__all__ = ["cumsum"]


def _run(x: Any, out: Any, axis: int, like: Tensor, backwards: bool) -> None:
    if backwards:
        turned = (*[slice(None)] * axis, slice(None, None, -1))
        x, out = like.backend.slice_view(x, turned), like.backend.slice_view(out, turned)
    like.backend.cumsum(x, out, axis)


class Cumsum(Op):
    """x_i is part of all sums from the i-th on, so its gradient is the running sum of theirs from the end."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: int) -> Tensor:
        """From the first element on."""
        ctx.axis = axis
        out = new_like(x)
        _run(x.array, out.array, axis, x, backwards=False)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """From the last element back."""
        out = new_like(grad)
        _run(grad.array, out.array, ctx.axis, grad, backwards=True)
        return out, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """The last sum has all elements in it."""
        return inputs.mixed_along(ctx.axis)


def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """out_i = x_0 + ... + x_i along ``dim``, of input's shape; bools and small integers are counted in int64.

    With ``dtype`` input is converted first. Raises ``IndexError`` where there is no such ``dim``.

    >>> import tinyseg
    >>> cumsum(tinyseg.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 3., 6.])
    """
    x = need_tensor("cumsum", "input", input, floating=False)
    axis = dimension("cumsum", dim, x.ndim)
    x = to(x, dtype) if dtype is not None else x if x.is_floating_point else to(x, int64)
    return Cumsum.apply(x, axis) if x.ndim else clone(x)
