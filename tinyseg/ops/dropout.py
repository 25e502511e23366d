"""Dropout: of single elements, or of whole channels."""

from __future__ import annotations

from numbers import Real
from typing import Any

from ..autograd import Op, no_grad
from ..random import Generator, default_generator
from ..tensor_base import Tensor
from .common import filled, need_tensor, new, new_like
from .elementwise import multiply


class Dropout(Op):
    """Elements are set to 0 by chance, and the others scaled up so that the mean stays."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, probability: float, key: int, counter: int) -> Tensor:
        """The random numbers depend on key and counter alone, so no mask has to be kept."""
        ctx.chance = probability, key, counter
        out = new_like(x)
        x.backend.dropout(x.array, out.array, *ctx.chance)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The same numbers again: the same elements are dropped."""
        out = new_like(grad)
        grad.backend.dropout(grad.array, out.array, *ctx.chance)
        return out, None, None, None


def _probability(who: str, p: float) -> float:
    if not isinstance(p, Real):
        raise TypeError(f"{who}: p must be a number, got {type(p).__name__}")
    if not 0 <= p <= 1:
        raise ValueError(f"{who}: p must be a probability, 0 .. 1, got {p}")
    return float(p)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, generator: Generator | None = None) -> Tensor:
    """See ``nn.functional.dropout``."""
    x = need_tensor("dropout", "input", input)
    p = _probability("dropout", p)
    if not training or p == 0:
        return x
    return Dropout.apply(x, p, *(generator or default_generator).reserve(x.numel()))


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, generator: Generator | None = None) -> Tensor:
    """See ``nn.functional.dropout2d``."""
    x = need_tensor("dropout2d", "input", input)
    if x.ndim not in (3, 4):
        raise ValueError(
            f"dropout2d: input must be (N, C, H, W) or (N, C, L), got shape {x.shape}; dropout() takes any shape"
        )
    p = _probability("dropout2d", p)
    if not training or p == 0:
        return x
    with no_grad():
        kept = dropout(filled(new(x, (*x.shape[:2], *(1 for _ in x.shape[2:]))), 1), p, True, generator)
    return multiply(x, kept)
