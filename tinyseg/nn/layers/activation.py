"""Nonlinear functions. ``inplace`` is accepted for PyTorch's sake and changes nothing."""

from __future__ import annotations

from ...creation import full
from ...tensor import Tensor
from .. import functional as F
from ..module import Module, Parameter

__all__ = ["ELU", "GELU", "LeakyReLU", "LogSoftmax", "PReLU", "ReLU", "Sigmoid", "Softmax", "Softplus", "Tanh"]


class ReLU(Module):
    """max(x, 0), see ``functional.relu``."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.relu(input)


class LeakyReLU(Module):
    """x or negative_slope * x, see ``functional.leaky_relu``."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        """Slope."""
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """x or weight * x, see ``functional.prelu``. ``weight``: (num_parameters,), 1 or as many as channels."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.weight = Parameter(full((num_parameters,), init))

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...), or any shape with one parameter."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Number of slopes."""
        return f"num_parameters={self.num_parameters}"


class ELU(Module):
    """x or alpha * (exp(x) - 1), see ``functional.elu``."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.elu(input, self.alpha)

    def extra_repr(self) -> str:
        """Alpha."""
        return f"alpha={self.alpha}"


class GELU(Module):
    """x P(X < x), see ``functional.gelu``."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """Which one."""
        return f"approximate={self.approximate!r}"


class Sigmoid(Module):
    """1 / (1 + exp(-x)), see ``functional.sigmoid``."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent, see ``functional.tanh``."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.tanh(input)


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta, see ``functional.softplus``."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Beta and threshold."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Softmax(Module):
    """exp(x) / sum exp(x) along ``dim`` (1 for N,C,H,W logits), see ``functional.softmax``."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Any shape that has that dimension."""
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        """Dimension."""
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """The logarithm of the softmax, see ``functional.log_softmax``."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape that has that dimension."""
        return F.log_softmax(input, self.dim)
