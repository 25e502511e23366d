"""Dropout: of single elements, or of whole channels."""

from __future__ import annotations

from numbers import Real
from typing import Any

from ...autograd import Op, no_grad
from ...random import Generator, default_generator
from ...tensor_base import Tensor
from ..common import filled, need_tensor, new, new_like
from ..elementwise import multiply

__all__ = ["dropout", "dropout2d"]


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


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Sets each element to 0 with probability ``p`` and multiplies the others by 1 / (1 - p); the identity if not
    ``training``. Random numbers come from ``generator`` (default: the one that ``manual_seed`` seeds).

    ``inplace`` is accepted for PyTorch's sake: ``input`` is left alone.

    Raises ``ValueError`` unless 0 <= p <= 1, ``TypeError`` for integers. Source: Srivastava et al. 2014.

    >>> import tinyseg
    >>> dropout(tinyseg.ones(3), p=0.5, training=False)
    tensor([1., 1., 1.])
    """
    x = need_tensor("dropout", "input", input)
    p = _probability("dropout", p)
    if not training or p == 0:
        return x
    return Dropout.apply(x, p, *(generator or default_generator).reserve(x.numel()))


def dropout2d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """``dropout`` of whole channels of N,C,H,W: neighbouring pixels are too much alike to be dropped one by one.

    Three dimensions are N,C,L, as PyTorch takes them, not an image without its batch; any other number of them
    raises ``ValueError``. For the rest see ``dropout``. Source: Tompson et al. 2015.

    >>> import tinyseg
    >>> y = dropout2d(tinyseg.ones(1, 8, 2, 2), p=0.5)
    >>> bool((y[:, :, 0, 0] == y[:, :, 1, 1]).all())
    True
    """
    x = need_tensor("dropout2d", "input", input)
    if x.ndim not in (3, 4):
        raise ValueError(
            f"dropout2d: input must be (N, C, H, W) or (N, C, L), got shape {x.shape}; dropout() takes any shape"
        )
    p = _probability("dropout2d", p)
    if not training or p == 0:
        return x
    with no_grad():
        kept = dropout(filled(new(x, (*x.shape[:2], *(1 for _ in x.shape[2:]))), 1), p, True, generator=generator)
    return multiply(x, kept)
