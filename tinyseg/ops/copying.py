"""Operators that copy: to another type, to another device, into memory of one's own."""

from __future__ import annotations

from typing import Any

from ..autograd import Op
from ..tensor_base import Tensor, type_and_device
from .common import new, new_like

__all__ = ["clone", "contiguous", "to"]


class Copy(Op):
    """The same values in other memory, perhaps of another type."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, out: Tensor) -> Tensor:
        """Into ``out``, which is new."""
        ctx.dtype, ctx.device = x.dtype, x.device
        x.backend.assign(x.array, out.array)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Back in the old type."""
        return to(grad, ctx.dtype), None


class Move(Op):
    """The same values on another device."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, device: str) -> Tensor:
        """By way of the host."""
        ctx.device = x.device
        return x.wrap_numpy(x.host_values(), device)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Back to where the input was."""
        return grad.wrap_numpy(grad.host_values(), ctx.device), None


def to(input: Tensor, dtype: Any = None, device: str | None = None) -> Tensor:
    """Cast to ``dtype``, or copy to ``device``; itself if nothing changes. A device may stand first,
    ``to("reference", "float64")``, or a tensor whose type and device are meant.

    Raises ``TypeError`` for a type that tensors cannot have and ``ValueError`` for an unknown device.
    """
    x, (wanted, place) = input, type_and_device(dtype, device, "to")
    if wanted is not None and wanted != x.dtype:
        x = Copy.apply(x, new_like(x, wanted))
    if place is not None and place != x.device:
        x = Move.apply(x, place)
    return x


def clone(input: Tensor) -> Tensor:
    """A copy in memory of its own; gradients flow through."""
    return Copy.apply(input, new_like(input))


def contiguous(input: Tensor) -> Tensor:
    """A copy in row-major order; gradients flow through."""
    return Copy.apply(input, new(input, input.shape))
