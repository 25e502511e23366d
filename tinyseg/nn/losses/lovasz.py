"""The Lovasz-softmax loss: the IoU itself, made continuous."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.common import need_constant
from ...ops.network.loss import need_reduction
from ...tensor import Tensor, tensor
from .loss import Loss
from .overlap import mean_over_classes
from .pixels import need_class_weight, need_pixels

__all__ = ["LovaszSoftmaxLoss"]


def lovasz_softmax_loss(
    input: Tensor,
    target: Tensor,
    classes: str = "present",
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """The Lovasz extension of the Jaccard loss of each class's errors ``e = |p - q|``: l = sum_i e[i] g[i].

    Pixels of the whole batch are sorted, largest error first; g[i] is what the Jaccard loss 1 - TP / (TP + FP + FN)
    grows by when the i-th pixel joins those that are wrong. For errors of 0 and 1 it is the Jaccard loss itself; in
    between it is linear as long as the order stays.

    Args:
        input: logits (N, C, H, W); C = 1 is the logit of class 1 against class 0, and the loss is class 1's.
        target: integer class indices (N, H, W); 0 and 1 if C = 1.
        classes: 'present': the mean over the classes that a counting pixel of the batch has (0 if there is none);
            'all': over every class; one that is in no label has the loss max e, its largest probability.
        weight: (C,), how much each class counts in that mean, or None for 1; a constant.
        ignore_index: the label of pixels that do not count, whatever their logits are.
        reduction: 'none': each class's loss, 0 where it is not averaged; 'sum', or 'mean': the sum divided by that of
            the weights.
        pixel_weight: (N, H, W), of input's type, 0 or more, a constant: TP, FP and FN count so much of the pixel.

    Returns:
        A tensor without dimensions, or (C,). If no pixel counts it is 0 with gradient 0.

    Raises:
        ValueError, TypeError: shapes, types or options do not fit. IndexError: a label that is no class.

    Source: Berman, Triki, Blaschko 2018, "The Lovasz-softmax loss", equations 8 to 11 and algorithm 1.

    >>> import tinyseg
    >>> x, t = tinyseg.zeros(1, 1, 1, 2), tinyseg.tensor([[[0, 1]]])
    >>> lovasz_softmax_loss(x, t).item()  # both errors are 0.5, and the last g brings their sum to 1
    0.5
    """
    who = "lovasz_softmax_loss"
    need_reduction(who, reduction)
    if isinstance(pixel_weight, Tensor):
        need_constant(who, "pixel_weight", pixel_weight)
    pixels = need_pixels(who, input, target, ignore_index, pixel_weight)
    weight = need_class_weight(who, pixels, weight)
    truth = pixels.truth()
    errors = (truth - pixels.probabilities()).abs()
    count = errors.shape[1]
    mass = np.ones(target.shape) if pixels.mass is None else pixels.mass.detach().numpy()
    slopes = np.empty((*target.shape, count), input.dtype)
    for plane in range(count):
        each, is_true = (x.detach().numpy()[:, plane].ravel() for x in (errors, truth))
        slopes[..., plane] = _slopes(each, is_true, mass.ravel()).reshape(target.shape)
    # In an order of the errors that stays they are constants: the slopes of the extension.
    losses = (errors * tensor(slopes.transpose(0, 3, 1, 2), device=input.device)).sum((0, 2, 3))
    true = pixels.weighted(truth).sum((0, 2, 3))
    return mean_over_classes(who, losses, true, classes, weight, reduction)


def _slopes(errors: Any, truth: Any, mass: Any) -> Any:
    """g of each pixel of one class: by how much the Jaccard loss grows when it joins the wrong ones."""
    order = np.argsort(-errors, kind="stable")
    mass = mass[order].astype(np.float64)
    true = mass * truth[order]
    total = true.sum()
    intersection = total - np.cumsum(true)
    union = total + np.cumsum(mass - true)
    jaccard = 1.0 - np.divide(intersection, union, out=np.ones_like(union), where=union > 0)
    slopes = np.empty_like(jaccard)
    slopes[order] = np.diff(jaccard, prepend=0.0)
    return slopes


class LovaszSoftmaxLoss(Loss):
    """The IoU made continuous, see ``functional.lovasz_softmax_loss``."""

    function = staticmethod(lovasz_softmax_loss)
