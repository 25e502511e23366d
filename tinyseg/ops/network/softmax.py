"""The softmax and its logarithm."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from ...autograd import Op
from ...geometry import Field, InputField
from ...tensor_base import Tensor
from ..common import dimension, need_tensor, new_like
from ..copying import clone, to
from ..shape import reshape

__all__ = ["log_softmax", "softmax"]


class Softmax(Op):
    """y = exp x / sum exp x."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: int) -> Tensor:
        """Along ``axis``."""
        out = new_like(x)
        x.backend.softmax(x.array, out.array, axis)
        ctx.axis = axis
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """y (grad - sum grad y)."""
        (y,) = ctx.saved_tensors
        out = new_like(y)
        y.backend.softmax_backward(grad.array, y.array, out.array, ctx.axis)
        return out, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Each probability depends on all elements along the dimension."""
        return inputs.mixed_along(ctx.axis)


class LogSoftmax(Op):
    """y = x - log sum exp x."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: int) -> Tensor:
        """Along ``axis``."""
        out = new_like(x)
        x.backend.log_softmax(x.array, out.array, axis)
        ctx.axis = axis
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """grad - softmax * sum grad."""
        (y,) = ctx.saved_tensors
        out = new_like(y)
        y.backend.log_softmax_backward(grad.array, y.array, out.array, ctx.axis)
        return out, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Each probability depends on all elements along the dimension."""
        return inputs.mixed_along(ctx.axis)


def _checked(who: str, input: Tensor, dim: int, dtype: Any) -> tuple[Tensor, int]:
    """The input, cast if asked for, and its dimension counted from the front; one number is a vector of itself."""
    x = need_tensor(who, "input", input, floating=dtype is None)
    x = x if dtype is None else need_tensor(who, "dtype's tensor", to(x, dtype))
    if not isinstance(dim, Integral):
        raise TypeError(f"{who}: dim must be an int, got {dim!r}; for N,C,H,W logits it is 1")
    return x, dimension(who, dim, x.ndim)


def _along(op: type[Op], x: Tensor, axis: int) -> Tensor:
    """Apply ``op`` along ``axis``; an empty tensor gives an empty result, even if the axis has size 0."""
    if not x.numel():
        return clone(x)
    y: Tensor = op.apply(x, axis) if x.ndim else reshape(op.apply(reshape(x, 1), 0), ())
    return y


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(x) / sum exp(x) along ``dim``, without overflow; of ``input.to(dtype)`` if a type is given.

    Raises as ``log_softmax`` does.

    >>> import tinyseg
    >>> softmax(tinyseg.tensor([1000.0, 1000.0]), dim=0)
    tensor([0.5, 0.5])
    """
    return _along(Softmax, *_checked("softmax", input, dim, dtype))


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """log(exp(x) / sum exp(x)) along ``dim``, without overflow; of ``input.to(dtype)`` if a type is given.

    Of no elements it gives none. Raises ``IndexError`` for a ``dim`` that is not there, ``TypeError`` for integers.

    >>> import tinyseg
    >>> log_softmax(tinyseg.tensor([0.0, 0.0]), dim=0)
    tensor([-0.6931472, -0.6931472])
    """
    return _along(LogSoftmax, *_checked("log_softmax", input, dim, dtype))
