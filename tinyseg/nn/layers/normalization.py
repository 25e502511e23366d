"""Normalisation."""

from __future__ import annotations

from ...ops.creation import ones, zeros
from ...tensor import Tensor
from .. import functional as F
from ..module import Module, Parameter


class BatchNorm2d(Module):
    """Batch normalisation, see ``functional.batch_norm``. ``weight``, ``bias``, ``running_mean``, ``running_var``:
    (num_features,); ``num_batches_tracked`` counts training batches.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.register_parameter("weight", Parameter(ones(num_features)) if affine else None)
        self.register_parameter("bias", Parameter(zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", zeros((), dtype="int64") if track_running_stats else None)

    def forward(self, input: Tensor, activation: str | None = None) -> Tensor:
        """(N, C, H, W) -> the same; ``activation``: see ``functional.batch_norm``."""
        training = self.training or self.running_mean is None
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        state = (self.running_mean, self.running_var, self.weight, self.bias)
        return F.batch_norm(input, *state, training, self.momentum, self.eps, activation)

    def extra_repr(self) -> str:
        """Features."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"
