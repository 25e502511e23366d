"""Leaving out at random."""

from __future__ import annotations

from ...tensor import Tensor
from .. import functional as F
from ..module import Module

__all__ = ["Dropout", "Dropout2d"]


class Dropout(Module):
    """Dropout of elements in training, see ``functional.dropout``. ``inplace`` changes nothing."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must be a probability, 0 .. 1, got {p}")
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        """Probability."""
        return f"p={self.p}"


class Dropout2d(Dropout):
    """Dropout of whole channels in training, see ``functional.dropout2d``."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (N, C, L)."""
        return F.dropout2d(input, self.p, self.training)
