"""Normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ...creation import ones, zeros
from ...tensor import Tensor
from .. import functional as F
from ..module import Module, Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "GroupNorm", "InstanceNorm2d", "LayerNorm", "LocalResponseNorm"]


def _factors(module: Module, shape: Any, affine: bool, bias: bool = True) -> None:
    """Enter ``weight`` and ``bias``, or None for them."""
    module.register_parameter("weight", Parameter(ones(shape)) if affine else None)
    module.register_parameter("bias", Parameter(zeros(shape)) if affine and bias else None)


class _Tracking(Module):
    """A normalisation that may keep running statistics: ``running_mean``, ``running_var`` (num_features,), and
    ``num_batches_tracked``.
    """

    def __init__(
        self, num_features: int, eps: float, momentum: float | None, affine: bool, track_running_stats: bool
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        _factors(self, num_features, affine)
        self.register_buffer("running_mean", zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", zeros((), dtype="int64") if track_running_stats else None)

    def extra_repr(self) -> str:
        """Features."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class _BatchNorm(_Tracking):
    """``weight``, ``bias``: (num_features,). ``momentum=None`` makes running statistics the plain mean over all
    training batches, which ``num_batches_tracked`` counts.
    """

    shapes: ClassVar[dict[int, str]]  # number of dimensions -> what they are

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, input: Tensor, activation: str | None = None) -> Tensor:
        """The input's shape; ``activation``: see ``functional.batch_norm``."""
        if input.ndim not in self.shapes:
            expected = " or ".join(self.shapes.values())
            raise ValueError(f"{type(self).__name__}: input must be {expected}, got shape {input.shape}")
        training = self.training or self.running_mean is None
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / self.num_batches_tracked.item()
        state = (self.running_mean, self.running_var, self.weight, self.bias)
        return F.batch_norm(input, *state, training, momentum, self.eps, activation)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of vectors (N, C) or lines (N, C, L), see ``functional.batch_norm`` and ``BatchNorm2d``."""

    shapes: ClassVar = {2: "N,C", 3: "N,C,L"}


class BatchNorm2d(_BatchNorm):
    """Batch normalisation, see ``functional.batch_norm``. ``weight``, ``bias``, ``running_mean``, ``running_var``:
    (num_features,); ``num_batches_tracked`` counts training batches. With ``momentum=None`` running statistics are
    the plain mean over all of them.
    """

    shapes: ClassVar = {4: "N,C,H,W"}


class InstanceNorm2d(_Tracking):
    """Instance normalisation, see ``functional.instance_norm``. ``weight``, ``bias``: (num_features,) if ``affine``;
    with ``track_running_stats`` evaluation uses running statistics.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) -> the same."""
        if input.ndim not in (3, 4):
            raise ValueError(f"InstanceNorm2d: input must be N,C,H,W or C,H,W, got shape {input.shape}")
        own = self.training or not self.track_running_stats
        state = (self.running_mean, self.running_var, self.weight, self.bias)
        momentum = 0.0 if self.momentum is None else self.momentum
        images = input if input.ndim == 4 else input.unsqueeze(0)
        y = F.instance_norm(images, *state, own, momentum, self.eps)
        return y if input.ndim == 4 else y.squeeze(0)


class GroupNorm(Module):
    """Group normalisation, see ``functional.group_norm``. ``weight``, ``bias``: (num_channels,)."""

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups must divide num_channels {num_channels}, got {num_groups}")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        _factors(self, num_channels, affine)

    def forward(self, input: Tensor) -> Tensor:
        """``(N, C, *)`` -> the same."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Groups and channels."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class LayerNorm(Module):
    """Layer normalisation, see ``functional.layer_norm``. ``weight``, ``bias``: of shape ``normalized_shape``."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        _factors(self, shape, elementwise_affine, bias)

    def forward(self, input: Tensor) -> Tensor:
        """``(*, *normalized_shape)`` -> the same."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Shape."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """Local response normalisation, see ``functional.local_response_norm``."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        """``(N, C, *)`` -> the same."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Window and numbers."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
