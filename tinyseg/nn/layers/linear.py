"""Matrix products, and nothing at all."""

from __future__ import annotations

import math

from ...creation import zeros
from ...tensor import Tensor
from .. import functional as F
from .. import init
from ..module import Module, Parameter

__all__ = ["Identity", "Linear"]


class Linear(Module):
    """Fully connected layer, see ``functional.linear``. ``weight``: (out, in); ``bias``: (out,)."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        bound = 1 / math.sqrt(in_features)
        self.weight = Parameter(zeros(out_features, in_features))
        init.uniform_(self.weight, -bound, bound)
        self.register_parameter("bias", Parameter(zeros(out_features)) if bias else None)
        if bias:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Features."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Identity(Module):
    """Nothing: what takes the place of a layer that is left out."""

    def forward(self, input: Tensor) -> Tensor:
        """Returns its input."""
        return input
