"""Losses of pixels, weighted."""

from __future__ import annotations

from numbers import Real

from ...ops.network.cross_entropy import cross_entropy
from ...ops.network.loss import binary_cross_entropy_with_logits, need_reduction
from ...tensor import Tensor, tensor
from .loss import Loss
from .pixels import Pixels, need_class_weight, need_pixels, of_labels, reduced_over_pixels

__all__ = ["FocalLoss", "WeightedCrossEntropyLoss"]


def weighted_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """Cross-entropy with weights of classes, of one logit channel or of several: WCE = -(b p log q + (1-p) log(1-q)).

    p is the truth, 0 or 1, q the probability of class 1, and b = w[1] with w[0] = 1. With several channels it is
    ``cross_entropy``: l = -w[t] log q[t].

    Args:
        input: logits (N, C, H, W); C = 1 is the logit of class 1 against class 0.
        target: integer class indices (N, H, W); 0 and 1 if C = 1.
        weight: (C,), one for each class, or (2,) if C = 1; a constant. None for 1.
        ignore_index: the label of pixels that do not count, whatever their logits are.
        reduction: 'none': each pixel's w m l; 'sum': their sum; 'mean': their sum divided by that of w m.
        pixel_weight: m, (N, H, W), of input's type, as U-Net's weight map; None for 1.

    Returns:
        A tensor without dimensions, or (N, H, W). The mean is 0, with gradient 0, if no pixel counts.

    Raises:
        ValueError, TypeError: shapes, types or options do not fit. IndexError: a label that is no class.

    >>> import tinyseg
    >>> x, t = tinyseg.zeros(1, 1, 1, 2), tinyseg.tensor([[[0, 1]]])
    >>> weighted_cross_entropy(x, t, tinyseg.tensor([1.0, 3.0]), reduction="none")
    tensor([[[0.6931472, 2.0794415]]])
    """
    who = "weighted_cross_entropy"
    need_reduction(who, reduction)
    pixels = need_pixels(who, input, target, ignore_index, pixel_weight)
    weight = need_class_weight(who, pixels, weight, 2 if pixels.is_binary else None)
    return _reduced(pixels, _negative_log(pixels), weight, reduction)


def focal_loss(
    input: Tensor,
    target: Tensor,
    alpha: float | None = None,
    gamma: float = 2.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """Cross-entropy in which easy pixels count little: FL = -(a (1-q)^g p log q + (1-a) q^g (1-p) log(1-q)).

    p is the truth, 0 or 1, and q the probability of class 1; with several classes l = -(1 - q[t])^g log q[t].
    ``gamma`` = 0 without ``alpha`` is ``weighted_cross_entropy``.

    Args:
        input: logits (N, C, H, W); C = 1 is the logit of class 1 against class 0.
        target: integer class indices (N, H, W).
        alpha: a in 0 .. 1, the weight of class 1, class 0 having 1 - a; for two classes only. None for 1 and 1.
        gamma: g, 0 or more.
        weight, ignore_index, reduction, pixel_weight: as of ``weighted_cross_entropy``. ``alpha`` is no part of what
            'mean' divides by.

    Returns:
        A tensor without dimensions, or (N, H, W). The mean is 0, with gradient 0, if no pixel counts.

    Raises:
        ValueError, TypeError: shapes, types or options do not fit. IndexError: a label that is no class.

    Source: Lin et al. 2017, "Focal loss for dense object detection", equation 5.

    >>> import tinyseg
    >>> x, t = tinyseg.tensor([[[[0.0, 4.0]]]]), tinyseg.tensor([[[1, 1]]])
    >>> focal_loss(x, t, alpha=0.25, reduction="none")
    tensor([[[4.332170e-02, 1.467893e-06]]])
    """
    who = "focal_loss"
    need_reduction(who, reduction)
    if not isinstance(gamma, Real) or not gamma >= 0:
        raise ValueError(f"{who}: gamma must be a number of at least 0, got {gamma!r}")
    pixels = need_pixels(who, input, target, ignore_index, pixel_weight)
    weight = need_class_weight(who, pixels, weight, 2 if pixels.is_binary else None)
    losses = _negative_log(pixels)
    # 1 - q = 1 - exp(-l); above 0 by a little, so that its power has a slope where it is 0.
    wrong = (-(-losses).expm1()).clamp(min=1e-20)
    losses = losses * wrong ** float(gamma)
    if alpha is not None:
        losses = losses * of_labels(_alpha(who, pixels, alpha), pixels.labels)
    return _reduced(pixels, losses, weight, reduction)


def _alpha(who: str, pixels: Pixels, alpha: float) -> Tensor:
    """(1 - a, a); raises ``ValueError``."""
    if pixels.logits.shape[1] > 2:
        raise ValueError(
            f"{who}: alpha weighs class 1 against class 0, but input has {pixels.logits.shape[1]} classes; "
            "give weight, a number for each class"
        )
    if not isinstance(alpha, Real) or not 0 <= alpha <= 1:
        raise ValueError(f"{who}: alpha must be a number in 0 .. 1, got {alpha!r}")
    return tensor([1.0 - float(alpha), float(alpha)], dtype=pixels.logits.dtype, device=pixels.logits.device)


def _negative_log(pixels: Pixels) -> Tensor:
    """-log of the probability of each pixel's class, (N, H, W); of no loss of digits near 0 and 1."""
    if pixels.is_binary:
        logits = pixels.logits.squeeze(1)
        truth = pixels.labels.to(logits.dtype)
        return binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return cross_entropy(pixels.logits, pixels.labels, reduction="none")


def _reduced(pixels: Pixels, losses: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """With the weights of classes and pixels."""
    each = pixels.mass
    if weight is not None:
        of_class = of_labels(weight, pixels.labels)
        each = of_class if each is None else of_class * each
    return reduced_over_pixels(losses if each is None else losses * each, each, reduction)


class WeightedCrossEntropyLoss(Loss):
    """Cross-entropy of one channel or of several, see ``functional.weighted_cross_entropy``."""

    function = staticmethod(weighted_cross_entropy)


class FocalLoss(Loss):
    """Cross-entropy in which easy pixels count little, see ``functional.focal_loss``."""

    function = staticmethod(focal_loss)
