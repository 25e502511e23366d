"""Losses of label maps, as modules; their functions say what they compute.

All are called as ``loss(logits, labels, pixel_weight=None)`` with logits (N, C, H, W), C = 1 being the logit of class
1 against class 0, labels (N, H, W), and weights of pixels (N, H, W).
"""

from __future__ import annotations

from ...tensor import Tensor
from .. import functional as F
from .elements import Loss


class WeightedCrossEntropyLoss(Loss):
    """Cross-entropy of one channel or of several, see ``functional.weighted_cross_entropy``."""

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """The loss."""
        return F.weighted_cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, pixel_weight)


class FocalLoss(Loss):
    """Cross-entropy in which easy pixels count little, see ``functional.focal_loss``."""

    def __init__(
        self,
        alpha: float | None = None,
        gamma: float = 2.0,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, reduction)
        self.alpha, self.gamma, self.ignore_index = alpha, gamma, ignore_index

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """The loss."""
        shared = self.weight, self.ignore_index, self.reduction, pixel_weight
        return F.focal_loss(input, target, self.alpha, self.gamma, *shared)


class _Overlap(Loss):
    """What losses of overlap have in common."""

    def __init__(
        self, smooth: float, classes: str, weight: Tensor | None, ignore_index: int, reduction: str = "mean"
    ) -> None:
        super().__init__(weight, reduction)
        self.smooth, self.classes, self.ignore_index = smooth, classes, ignore_index


class DiceLoss(_Overlap):
    """1 less Dice's coefficient, see ``functional.dice_loss``."""

    def __init__(
        self,
        smooth: float = 1.0,
        classes: str = "all",
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(smooth, classes, weight, ignore_index, reduction)

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """The loss."""
        shared = self.classes, self.weight, self.ignore_index, self.reduction, pixel_weight
        return F.dice_loss(input, target, self.smooth, *shared)


class JaccardLoss(_Overlap):
    """1 less the IoU, see ``functional.jaccard_loss``."""

    def __init__(
        self,
        smooth: float = 1.0,
        classes: str = "all",
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(smooth, classes, weight, ignore_index, reduction)

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """The loss."""
        shared = self.classes, self.weight, self.ignore_index, self.reduction, pixel_weight
        return F.jaccard_loss(input, target, self.smooth, *shared)


class TverskyLoss(_Overlap):
    """Overlap with a price each of false alarms and of misses, see ``functional.tversky_loss``."""

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        smooth: float = 1.0,
        classes: str = "all",
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(smooth, classes, weight, ignore_index, reduction)
        self.alpha, self.beta = alpha, beta

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """The loss."""
        shared = self.classes, self.weight, self.ignore_index, self.reduction, pixel_weight
        return F.tversky_loss(input, target, self.alpha, self.beta, self.smooth, *shared)


class FocalTverskyLoss(_Overlap):
    """A root of Tversky's loss, see ``functional.focal_tversky_loss``."""

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        gamma: float = 4 / 3,
        smooth: float = 1.0,
        classes: str = "all",
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(smooth, classes, weight, ignore_index, reduction)
        self.alpha, self.beta, self.gamma = alpha, beta, gamma

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """The loss."""
        shared = self.classes, self.weight, self.ignore_index, self.reduction, pixel_weight
        return F.focal_tversky_loss(input, target, self.alpha, self.beta, self.gamma, self.smooth, *shared)


class DiceCELoss(_Overlap):
    """Dice's loss and cross-entropy, see ``functional.dice_ce_loss``."""

    def __init__(
        self,
        dice_weight: float = 1.0,
        ce_weight: float = 1.0,
        smooth: float = 1.0,
        classes: str = "all",
        weight: Tensor | None = None,
        ignore_index: int = -100,
    ) -> None:
        super().__init__(smooth, classes, weight, ignore_index)
        self.dice_weight, self.ce_weight = dice_weight, ce_weight

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """The loss."""
        shared = self.smooth, self.classes, self.weight, self.ignore_index, pixel_weight
        return F.dice_ce_loss(input, target, self.dice_weight, self.ce_weight, *shared)


class DiceFocalLoss(_Overlap):
    """Dice's loss and the focal loss, see ``functional.dice_focal_loss``."""

    def __init__(
        self,
        dice_weight: float = 1.0,
        focal_weight: float = 1.0,
        alpha: float | None = None,
        gamma: float = 2.0,
        smooth: float = 1.0,
        classes: str = "all",
        weight: Tensor | None = None,
        ignore_index: int = -100,
    ) -> None:
        super().__init__(smooth, classes, weight, ignore_index)
        self.dice_weight, self.focal_weight = dice_weight, focal_weight
        self.alpha, self.gamma = alpha, gamma

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """The loss."""
        shared = self.smooth, self.classes, self.weight, self.ignore_index, pixel_weight
        options = self.dice_weight, self.focal_weight, self.alpha, self.gamma, *shared
        return F.dice_focal_loss(input, target, *options)


class BoundaryLoss(Loss):
    """How far what is wrong lies from the truth's edge, see ``functional.boundary_loss``."""

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """The loss; the distances are computed."""
        return F.boundary_loss(input, target, None, self.weight, self.ignore_index, self.reduction, pixel_weight)


class DiceBoundaryLoss(_Overlap):
    """Dice's loss and the boundary loss, see ``functional.dice_boundary_loss``."""

    def __init__(
        self,
        dice_weight: float = 1.0,
        boundary_weight: float = 0.01,
        smooth: float = 1.0,
        classes: str = "all",
        weight: Tensor | None = None,
        ignore_index: int = -100,
    ) -> None:
        super().__init__(smooth, classes, weight, ignore_index)
        self.dice_weight, self.boundary_weight = dice_weight, boundary_weight

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """The loss."""
        shared = self.smooth, self.classes, self.weight, self.ignore_index, pixel_weight
        return F.dice_boundary_loss(input, target, self.dice_weight, self.boundary_weight, *shared)


class LovaszSoftmaxLoss(Loss):
    """The IoU made continuous, see ``functional.lovasz_softmax_loss``."""

    def __init__(
        self,
        classes: str = "present",
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, reduction)
        self.classes, self.ignore_index = classes, ignore_index

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """The loss."""
        shared = self.weight, self.ignore_index, self.reduction, pixel_weight
        return F.lovasz_softmax_loss(input, target, self.classes, *shared)
