"""Losses of single elements, as modules; their functions say what they compute."""

from __future__ import annotations

from ...tensor import Tensor
from .. import functional as F
from ..module import Module


class Loss(Module):
    """What most have: a reduction, 'none', 'sum' or 'mean', and a weight or None, which is saved with the model."""

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.reduction = reduction


class CrossEntropyLoss(Loss):
    """Softmax cross-entropy of class logits, see ``functional.cross_entropy``."""

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """Logits (N, C, H, W) and labels (N, H, W) -> the loss."""
        options = self.weight, self.ignore_index, self.reduction, self.label_smoothing
        return F.cross_entropy(input, target, *options, pixel_weight)


class NLLLoss(Loss):
    """The negative log-likelihood of labels, see ``functional.nll_loss``."""

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logarithms of probabilities (N, C, H, W) and labels (N, H, W) -> the loss."""
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class BCELoss(Loss):
    """Cross-entropy of two classes from probabilities, see ``functional.binary_cross_entropy``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Probabilities and targets of one shape -> the loss."""
        return F.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(Loss):
    """Cross-entropy of two classes from logits, see ``functional.binary_cross_entropy_with_logits``."""

    def __init__(
        self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logits and targets of one shape -> the loss."""
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


class _Distance(Module):
    """What has nothing but a reduction: 'none', 'sum' or 'mean'."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction


class MSELoss(_Distance):
    """The squared error, see ``functional.mse_loss``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Tensors of one shape -> the loss."""
        return F.mse_loss(input, target, self.reduction)


class L1Loss(_Distance):
    """The absolute error, see ``functional.l1_loss``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Tensors of one shape -> the loss."""
        return F.l1_loss(input, target, self.reduction)


class SmoothL1Loss(_Distance):
    """The absolute error, rounded off near 0, see ``functional.smooth_l1_loss``."""

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Tensors of one shape -> the loss."""
        return F.smooth_l1_loss(input, target, self.reduction, self.beta)
