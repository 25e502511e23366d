"""Losses of label maps, as modules; their functions say what they compute, and what their options mean.

All are called as ``loss(logits, labels, pixel_weight=None)`` with logits (N, C, H, W), C = 1 being the logit of class
1 against class 0, labels (N, H, W), and weights of pixels (N, H, W).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ...tensor import Tensor
from .. import functional as F
from ..module import Module


class _LabelLoss(Module):
    """A ``function`` and its options, which are attributes of their names; the weight is saved with the model."""

    function: ClassVar[Callable[..., Tensor]]

    def __init__(self, weight: Tensor | None, **options: Any) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self._options = tuple(options)
        for name, value in options.items():
            setattr(self, name, value)

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """The loss."""
        options = {name: getattr(self, name) for name in self._options}
        return self.function(input, target, weight=self.weight, pixel_weight=pixel_weight, **options)


class WeightedCrossEntropyLoss(_LabelLoss):
    """Cross-entropy of one channel or of several, see ``functional.weighted_cross_entropy``."""

    function = staticmethod(F.weighted_cross_entropy)

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)


class FocalLoss(_LabelLoss):
    """Cross-entropy in which easy pixels count little, see ``functional.focal_loss``."""

    function = staticmethod(F.focal_loss)

    def __init__(
        self,
        alpha: float | None = None,
        gamma: float = 2.0,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, alpha=alpha, gamma=gamma, ignore_index=ignore_index, reduction=reduction)


class DiceLoss(_LabelLoss):
    """1 less Dice's coefficient, see ``functional.dice_loss``."""

    function = staticmethod(F.dice_loss)

    def __init__(
        self,
        smooth: float = 1.0,
        classes: str = "all",
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, smooth=smooth, classes=classes, ignore_index=ignore_index, reduction=reduction)


class JaccardLoss(_LabelLoss):
    """1 less the IoU, see ``functional.jaccard_loss``."""

    function = staticmethod(F.jaccard_loss)

    def __init__(
        self,
        smooth: float = 1.0,
        classes: str = "all",
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, smooth=smooth, classes=classes, ignore_index=ignore_index, reduction=reduction)


class TverskyLoss(_LabelLoss):
    """Overlap with a price each of false alarms and of misses, see ``functional.tversky_loss``."""

    function = staticmethod(F.tversky_loss)

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
        shared = {"smooth": smooth, "classes": classes, "ignore_index": ignore_index, "reduction": reduction}
        super().__init__(weight, alpha=alpha, beta=beta, **shared)


class FocalTverskyLoss(_LabelLoss):
    """A root of Tversky's loss, see ``functional.focal_tversky_loss``."""

    function = staticmethod(F.focal_tversky_loss)

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
        shared = {"smooth": smooth, "classes": classes, "ignore_index": ignore_index, "reduction": reduction}
        super().__init__(weight, alpha=alpha, beta=beta, gamma=gamma, **shared)


class DiceCELoss(_LabelLoss):
    """Dice's loss and cross-entropy, see ``functional.dice_ce_loss``."""

    function = staticmethod(F.dice_ce_loss)

    def __init__(
        self,
        dice_weight: float = 1.0,
        ce_weight: float = 1.0,
        smooth: float = 1.0,
        classes: str = "all",
        weight: Tensor | None = None,
        ignore_index: int = -100,
    ) -> None:
        shared = {"smooth": smooth, "classes": classes, "ignore_index": ignore_index}
        super().__init__(weight, dice_weight=dice_weight, ce_weight=ce_weight, **shared)


class DiceFocalLoss(_LabelLoss):
    """Dice's loss and the focal loss, see ``functional.dice_focal_loss``."""

    function = staticmethod(F.dice_focal_loss)

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
        shared = {"smooth": smooth, "classes": classes, "ignore_index": ignore_index}
        focal = {"alpha": alpha, "gamma": gamma}
        super().__init__(weight, dice_weight=dice_weight, focal_weight=focal_weight, **focal, **shared)


class BoundaryLoss(_LabelLoss):
    """How far what is wrong lies from the truth's edge, see ``functional.boundary_loss``; distances are computed."""

    function = staticmethod(F.boundary_loss)

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)


class DiceBoundaryLoss(_LabelLoss):
    """Dice's loss and the boundary loss, see ``functional.dice_boundary_loss``."""

    function = staticmethod(F.dice_boundary_loss)

    def __init__(
        self,
        dice_weight: float = 1.0,
        boundary_weight: float = 0.01,
        smooth: float = 1.0,
        classes: str = "all",
        weight: Tensor | None = None,
        ignore_index: int = -100,
    ) -> None:
        shared = {"smooth": smooth, "classes": classes, "ignore_index": ignore_index}
        super().__init__(weight, dice_weight=dice_weight, boundary_weight=boundary_weight, **shared)


class LovaszSoftmaxLoss(_LabelLoss):
    """The IoU made continuous, see ``functional.lovasz_softmax_loss``."""

    function = staticmethod(F.lovasz_softmax_loss)

    def __init__(
        self,
        classes: str = "present",
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, classes=classes, ignore_index=ignore_index, reduction=reduction)
