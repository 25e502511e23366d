"""Losses of overlap: how much of a class's region is found, summed over all its pixels before it is divided.

TP = sum m p q, FP = sum m (1-p) q and FN = sum m p (1-q), with the truth p (0 or 1), the probability q and the weight
m of each pixel, over all images of the batch, for each class apart. Such a loss is the mean over classes, so a rare
class counts as much as a frequent one.
"""

from __future__ import annotations

from numbers import Real
from typing import NamedTuple

from ...ops.elementwise import where
from ...ops.network.loss import need_reduction
from ...tensor import Tensor
from .loss import Loss
from .pixel_losses import focal_loss, weighted_cross_entropy
from .pixels import Pixels, need_class_weight, need_pixels

__all__ = ["DiceCELoss", "DiceFocalLoss", "DiceLoss", "FocalTverskyLoss", "JaccardLoss", "TverskyLoss"]

AVERAGED = ("all", "present")


class _Index(NamedTuple):
    """(TP + s) / (TP + a FP + b FN + s), and the power that the loss, 1 less it, is taken to."""

    who: str
    alpha: float
    beta: float
    smooth: float
    power: float


def _index(who: str, alpha: float, beta: float, smooth: float, power: float = 1.0, share: float = 1.0) -> _Index:
    """With numbers checked, and ``share`` of the smooth; raises ``ValueError``."""
    for name, value in (("alpha", alpha), ("beta", beta), ("smooth", smooth)):
        if not isinstance(value, Real) or not value >= 0:
            raise ValueError(f"{who}: {name} must be a number of at least 0, got {value!r}")
    if not alpha + beta > 0:
        raise ValueError(f"{who}: alpha and beta must not both be 0: every prediction would be perfect")
    return _Index(who, float(alpha), float(beta), share * float(smooth), power)


def tversky_loss(
    input: Tensor,
    target: Tensor,
    alpha: float = 0.3,
    beta: float = 0.7,
    smooth: float = 1.0,
    classes: str = "all",
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """1 - (TP + s) / (TP + a FP + b FN + s) of each class: b above a if a miss is worse than a false alarm.

    The lecture's index, pq / (pq + b(1-p)q + (1-b)p(1-q)), has its b as ``alpha`` here and 1 - b as ``beta``. With
    a = b = 0.5 it is Dice's loss with twice the ``smooth``, with a = b = 1 Jaccard's.

    Args:
        input: logits (N, C, H, W); C = 1 is the logit of class 1 against class 0, and the loss is class 1's.
        target: integer class indices (N, H, W); 0 and 1 if C = 1.
        alpha, beta: a and b, the costs of false positives and of false negatives, 0 or more, not both 0.
        smooth: s, 0 or more. A class that is in no label has TP = FN = 0: its loss, 1 - s / (a FP + s), falls to 0
            with what is predicted as it. With s = 0 it is 1, without gradient, however little that is; where TP, FP
            and FN are all 0 the loss is 0.
        classes: 'all': the mean over every class; 'present': over those that a counting pixel of the batch has
            (0 if there is none).
        weight: (C,), how much each class counts in that mean, or None for 1; a constant.
        ignore_index: the label of pixels that do not count, whatever their logits are.
        reduction: 'none': each class's loss, 0 where it is not averaged; 'sum', or 'mean': the sum divided by that of
            the weights.
        pixel_weight: m, (N, H, W), of input's type; None for 1.

    Returns:
        A tensor without dimensions, or (C,). If no pixel counts it is 0 with gradient 0.

    Raises:
        ValueError, TypeError: shapes, types or options do not fit. IndexError: a label that is no class.

    Source: Salehi et al. 2017, "Tversky loss function for image segmentation using 3D fully convolutional deep
    networks", equation 2; summed over pixels, smoothed and averaged as here it is a common reading of it.

    >>> import tinyseg
    >>> x, t = tinyseg.zeros(1, 1, 1, 2), tinyseg.tensor([[[0, 1]]])
    >>> round(tversky_loss(x, t, alpha=0.3, beta=0.7, smooth=0.0).item(), 6)  # 0.5 / (0.5 + 0.15 + 0.35)
    0.5
    """
    index = _index("tversky_loss", alpha, beta, smooth)
    return _overlap_loss(index, input, target, classes, weight, ignore_index, reduction, pixel_weight)


def focal_tversky_loss(
    input: Tensor,
    target: Tensor,
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 4 / 3,
    smooth: float = 1.0,
    classes: str = "all",
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """``tversky_loss`` of each class to the power of 1 / ``gamma``, g >= 1: classes nearly right keep their slope.

    Args:
        gamma: g, positive; 1 changes nothing. All else, the result and the errors are those of ``tversky_loss``.
            The loss of a class is taken to be 0 below 1e-7: a root's slope at 0 is infinite.

    Source: Abraham, Khan 2018, "A novel focal Tversky loss function with improved attention U-Net for lesion
    segmentation", equation 4, with the mean over classes for the sum.

    >>> import tinyseg
    >>> x, t = tinyseg.zeros(1, 1, 1, 2), tinyseg.tensor([[[0, 1]]])
    >>> round(focal_tversky_loss(x, t, gamma=2.0, smooth=0.0).item(), 6)  # the root of 0.5
    0.707107
    """
    who = "focal_tversky_loss"
    if not isinstance(gamma, Real) or not gamma > 0:
        raise ValueError(f"{who}: gamma must be a positive number, got {gamma!r}")
    index = _index(who, alpha, beta, smooth, 1 / float(gamma))
    return _overlap_loss(index, input, target, classes, weight, ignore_index, reduction, pixel_weight)


def dice_loss(
    input: Tensor,
    target: Tensor,
    smooth: float = 1.0,
    classes: str = "all",
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """1 - (2 sum pq + s) / (sum p + sum q + s) of each class: Dice's coefficient 2TP / (2TP + FP + FN) as a loss.

    Args:
        smooth: s, 0 or more; 1 as the lecture has it. A class that is in no label, and hardly predicted, has nearly
            the loss 0; with s = 0 it has 1, without gradient, however little is predicted as it.
        input, target, classes, weight, ignore_index, reduction, pixel_weight: as of ``tversky_loss``, and so are the
            result and the errors.

    Source: Milletari et al. 2016, "V-Net", section 3, without the squares.

    >>> import tinyseg
    >>> x, t = tinyseg.zeros(1, 1, 1, 2), tinyseg.tensor([[[0, 1]]])
    >>> round(dice_loss(x, t).item(), 6)  # 1 - (2 * 0.5 + 1) / (1 + 1 + 1)
    0.333333
    """
    index = _index("dice_loss", 0.5, 0.5, smooth, share=0.5)
    return _overlap_loss(index, input, target, classes, weight, ignore_index, reduction, pixel_weight)


def jaccard_loss(
    input: Tensor,
    target: Tensor,
    smooth: float = 1.0,
    classes: str = "all",
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """1 - (sum pq + s) / (sum p + sum q - sum pq + s) of each class: the IoU, TP / (TP + FP + FN), as a loss.

    Args:
        smooth: s, 0 or more; see ``tversky_loss`` for what it does to empty classes.
        input, target, classes, weight, ignore_index, reduction, pixel_weight: as of ``tversky_loss``, and so are the
            result and the errors.

    Source: Rahman, Wang 2016, "Optimizing intersection-over-union in deep neural networks for image segmentation".

    >>> import tinyseg
    >>> x, t = tinyseg.zeros(1, 1, 1, 2), tinyseg.tensor([[[0, 1]]])
    >>> round(jaccard_loss(x, t, smooth=0.0).item(), 6)  # 1 - 0.5 / (1 + 1 - 0.5)
    0.666667
    """
    index = _index("jaccard_loss", 1.0, 1.0, smooth)
    return _overlap_loss(index, input, target, classes, weight, ignore_index, reduction, pixel_weight)


def dice_ce_loss(
    input: Tensor,
    target: Tensor,
    dice_weight: float = 1.0,
    ce_weight: float = 1.0,
    smooth: float = 1.0,
    classes: str = "all",
    weight: Tensor | None = None,
    ignore_index: int = -100,
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """u ``dice_loss`` + v ``weighted_cross_entropy``: Dice for the overlap, cross-entropy for a smooth start.

    Args:
        dice_weight, ce_weight: u and v, 0 or more.
        smooth, classes: of ``dice_loss``.
        input, target, weight, ignore_index, pixel_weight: of both; with one channel ``weight`` must be None.

    Returns:
        A tensor without dimensions; 0 with gradient 0 if no pixel counts.

    Raises:
        ValueError, TypeError: shapes, types or options do not fit. IndexError: a label that is no class.

    >>> import tinyseg
    >>> x, t = tinyseg.zeros(1, 1, 1, 2), tinyseg.tensor([[[0, 1]]])
    >>> round(dice_ce_loss(x, t).item(), 6)  # 1/3 + log 2
    1.02648
    """
    need_shares("dice_ce_loss", dice_weight=dice_weight, ce_weight=ce_weight)
    overlap = dice_loss(input, target, smooth, classes, weight, ignore_index, "mean", pixel_weight)
    return overlap * dice_weight + ce_weight * weighted_cross_entropy(
        input, target, weight, ignore_index, "mean", pixel_weight
    )


def dice_focal_loss(
    input: Tensor,
    target: Tensor,
    dice_weight: float = 1.0,
    focal_weight: float = 1.0,
    alpha: float | None = None,
    gamma: float = 2.0,
    smooth: float = 1.0,
    classes: str = "all",
    weight: Tensor | None = None,
    ignore_index: int = -100,
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """u ``dice_loss`` + v ``focal_loss``.

    Args:
        dice_weight, focal_weight: u and v, 0 or more.
        alpha, gamma: of ``focal_loss``.
        smooth, classes: of ``dice_loss``.
        input, target, weight, ignore_index, pixel_weight: of both; with one channel ``weight`` must be None.

    Returns:
        A tensor without dimensions; 0 with gradient 0 if no pixel counts.

    Raises:
        ValueError, TypeError: shapes, types or options do not fit. IndexError: a label that is no class.

    >>> import tinyseg
    >>> x, t = tinyseg.zeros(1, 1, 1, 2), tinyseg.tensor([[[0, 1]]])
    >>> round(dice_focal_loss(x, t).item(), 6)  # 1/3 + log(2) / 4
    0.50662
    """
    need_shares("dice_focal_loss", dice_weight=dice_weight, focal_weight=focal_weight)
    overlap = dice_loss(input, target, smooth, classes, weight, ignore_index, "mean", pixel_weight)
    return overlap * dice_weight + focal_weight * focal_loss(
        input, target, alpha, gamma, weight, ignore_index, "mean", pixel_weight
    )


def need_shares(who: str, **shares: float) -> None:
    """Raises ``ValueError`` for a share that is no number of at least 0."""
    for name, value in shares.items():
        if not isinstance(value, Real) or not value >= 0:
            raise ValueError(f"{who}: {name} must be a number of at least 0, got {value!r}")


def _overlap_loss(
    index: _Index,
    input: Tensor,
    target: Tensor,
    classes: str,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    pixel_weight: Tensor | None,
) -> Tensor:
    """The loss that ``index`` stands for."""
    need_reduction(index.who, reduction)
    pixels = need_pixels(index.who, input, target, ignore_index, pixel_weight)
    weight = need_class_weight(index.who, pixels, weight)
    hits, predicted, true = _overlaps(pixels)
    losses = 1.0 - _ratio(index, hits, predicted, true)
    if index.power != 1.0:
        perfect = losses <= 1e-7
        losses = where(perfect, 0.0, where(perfect, 1.0, losses) ** index.power)
    return mean_over_classes(index.who, losses, true, classes, weight, reduction)


def _overlaps(pixels: Pixels) -> tuple[Tensor, Tensor, Tensor]:
    """TP, TP + FP and TP + FN of each class, (C,)."""
    probabilities, truth = pixels.probabilities(), pixels.weighted(pixels.truth())
    hits, predicted = probabilities * truth, pixels.weighted(probabilities)
    return hits.sum((0, 2, 3)), predicted.sum((0, 2, 3)), truth.sum((0, 2, 3))


def _ratio(index: _Index, hits: Tensor, predicted: Tensor, true: Tensor) -> Tensor:
    """(TP + s) / (TP + a FP + b FN + s), and 1 where that is 0 / 0."""
    above = hits + index.smooth
    below = above + index.alpha * (predicted - hits) + index.beta * (true - hits)
    empty = below == 0.0
    return where(empty, 1.0, above) / where(empty, 1.0, below)


def mean_over_classes(
    who: str, losses: Tensor, true: Tensor, classes: str, weight: Tensor | None, reduction: str
) -> Tensor:
    """Losses (C,) of classes that have ``true`` (C,) pixels, reduced; the mean over no class is 0."""
    if classes not in AVERAGED:
        raise ValueError(f"{who}: classes must be 'all' or 'present', got {classes!r}")
    if classes == "present":
        present = (true.detach() > 0.0).to(losses.dtype)
        weight = present if weight is None else weight * present
    if weight is not None:
        losses = losses * weight
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if weight is None:
        return losses.mean()
    total = weight.sum()
    return losses.sum() / where(total > 0.0, total, 1.0)


class TverskyLoss(Loss):
    """Overlap with a price each of false alarms and of misses, see ``functional.tversky_loss``."""

    function = staticmethod(tversky_loss)


class FocalTverskyLoss(Loss):
    """A root of Tversky's loss, see ``functional.focal_tversky_loss``."""

    function = staticmethod(focal_tversky_loss)


class DiceLoss(Loss):
    """1 less Dice's coefficient, see ``functional.dice_loss``."""

    function = staticmethod(dice_loss)


class JaccardLoss(Loss):
    """1 less the IoU, see ``functional.jaccard_loss``."""

    function = staticmethod(jaccard_loss)


class DiceCELoss(Loss):
    """Dice's loss and cross-entropy, see ``functional.dice_ce_loss``."""

    function = staticmethod(dice_ce_loss)


class DiceFocalLoss(Loss):
    """Dice's loss and the focal loss, see ``functional.dice_focal_loss``."""

    function = staticmethod(dice_focal_loss)
