"""Keeping elements between two bounds."""

from __future__ import annotations

from typing import Any

from ..autograd import Op
from ..tensor_base import Number, Tensor, TensorBase
from .common import need_tensor, sum_to
from .elementwise import binary, greater, greater_equal, less, less_equal, where
from .logic import logical_and, logical_or
from .operands import matched

__all__ = ["clamp", "clip"]


class Clamp(Op):
    """The gradient goes to the element where it lies within its bounds, at them too, and else to the bound it met."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: Any, high: Any) -> Tensor:
        """min(max(x, low), high); NaN stays NaN."""
        given = [b if isinstance(b, TensorBase) else None for b in (low, high)]
        ctx.numbers = [None if isinstance(b, TensorBase) else b for b in (low, high)]
        ctx.shapes = [None if b is None else b.shape for b in (x, *given)]
        ctx.save_for_backward(x, *given)
        out = x if low is None else binary(x.backend.maximum, x, low)
        return out if high is None else binary(x.backend.minimum, out, high)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Where the lower bound is above the upper one, the upper one is met."""
        x, *bounds = ctx.saved_tensors
        low, high = (n if b is None else b for b, n in zip(bounds, ctx.numbers, strict=True))

        def share(place: int, mask: Tensor) -> Tensor:
            return sum_to(where(mask, grad, 0.0), ctx.shapes[place])

        by_x = by_low = by_high = None
        if ctx.needs_input_grad[0]:
            inside = [f(x, b) for f, b in ((greater_equal, low), (less_equal, high)) if b is not None]
            by_x = share(0, logical_and(inside[0], inside[-1]))
        if ctx.needs_input_grad[1]:
            below = less(x, low)
            by_low = share(1, below if high is None else logical_and(below, less(low, high)))
        if ctx.needs_input_grad[2]:
            above = greater(x, high)
            by_high = share(2, above if low is None else logical_or(above, greater(low, high)))
        return by_x, by_low, by_high


def clamp(input: Tensor, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Tensor:
    """min(max(input, ``min``), ``max``), element by element; a bound is a number, a tensor (broadcast) or left out.

    Where ``min`` is above ``max`` the result is ``max``; NaN stays NaN. The gradient is 1 from bound to bound, these
    included, and 0 outside, where a bound that is a tensor gets it. Raises ``ValueError`` without any bound, and
    ``TypeError`` for float types that differ.

    >>> import tinyseg
    >>> clamp(tinyseg.tensor([-1.0, 0.5, 7.0]), 0, 1)
    tensor([0. , 0.5, 1. ])
    """
    x: Any = need_tensor("clamp", "input", input, floating=False)
    if min is None and max is None:
        raise ValueError("clamp: at least one of min and max must be given, got None and None")
    low, high = min, max
    if low is not None:
        x, low = matched("clamp", x, low)
    if high is not None:
        x, high = matched("clamp", x, high)
    if low is not None:  # input may have become floating because of max
        x, low = matched("clamp", x, low)
    return Clamp.apply(x, low, high)


def clip(input: Tensor, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Tensor:
    """``clamp`` under NumPy's name.

    >>> import tinyseg
    >>> clip(tinyseg.tensor([-1.0, 0.5, 7.0]), max=1)
    tensor([-1. ,  0.5,  1. ])
    """
    return clamp(input, min, max)
