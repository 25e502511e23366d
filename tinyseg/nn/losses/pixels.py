"""What losses of segmentation share: each pixel's probabilities, its true class, and how much it counts."""

from __future__ import annotations

from typing import NamedTuple

from ...creation import arange
from ...ops.common import need_constant, need_same_device, need_same_type, need_tensor
from ...ops.elementwise import where
from ...ops.network.activation import sigmoid
from ...ops.network.cross_entropy import count_labels, need_labels
from ...ops.network.softmax import softmax
from ...tensor import Tensor


class Pixels(NamedTuple):
    """``logits`` (N, C, H, W), ``labels`` (N, H, W), and ``mass``, how much each pixel counts.

    ``mass`` is (N, H, W) in the logits' type: 0 where a pixel is ignored, its weight elsewhere; or None if every
    pixel counts 1 and the host knows it. Ignored pixels have the label 0 and logits of 0 here, so that nothing in
    them reaches a loss.
    """

    logits: Tensor
    labels: Tensor
    mass: Tensor | None

    @property
    def is_binary(self) -> bool:
        """One channel: the logit of class 1 against class 0."""
        return self.logits.shape[1] == 1

    def probabilities(self) -> Tensor:
        """(N, C, H, W): the softmax of the classes, or the sigmoid of a single channel."""
        return sigmoid(self.logits) if self.is_binary else softmax(self.logits, 1)

    def truth(self) -> Tensor:
        """(N, C, H, W): 1 for the true class and 0 elsewhere; with a single channel the labels themselves."""
        if self.is_binary:
            return self.labels.unsqueeze(1).to(self.logits.dtype)
        classes = arange(self.logits.shape[1], device=self.logits.device)
        # The classes of a pixel lie side by side, as in the memory of activations.
        return (self.labels.unsqueeze(-1) == classes).to(self.logits.dtype).permute(0, 3, 1, 2)

    def weighted(self, each: Tensor) -> Tensor:
        """``each``, N,C,H,W or N,H,W, times the mass of its pixels."""
        if self.mass is None:
            return each
        return each * (self.mass.unsqueeze(1) if each.ndim == 4 else self.mass)


def need_pixels(
    who: str, input: Tensor, target: Tensor, ignore_index: int, pixel_weight: Tensor | None = None
) -> Pixels:
    """The arguments of a loss, checked; raises ``TypeError``, ``ValueError`` and, for labels, ``IndexError``."""
    x = need_tensor(who, "input", input, 4)
    if not x.shape[1]:
        raise ValueError(f"{who}: input of shape {x.shape} has no classes")
    if not isinstance(ignore_index, int):
        raise TypeError(f"{who}: ignore_index must be an int, got {ignore_index!r}")
    labels = need_labels(who, x, target)
    counted = count_labels(who, labels, max(x.shape[1], 2), ignore_index)
    if pixel_weight is not None:
        need_same_type(who, input=x, pixel_weight=need_tensor(who, "pixel_weight", pixel_weight))
        need_same_device(who, x, pixel_weight)
        if pixel_weight.shape != labels.shape:
            raise ValueError(
                f"{who}: pixel_weight must have shape {labels.shape}, one for each pixel, got {pixel_weight.shape}"
            )
    if counted == labels.numel():  # on a GPU it is not known yet, and pixels that count have a mass of 1
        return Pixels(x, labels, pixel_weight)
    counts = labels != ignore_index
    mass = counts.to(x.dtype) if pixel_weight is None else where(counts, pixel_weight, 0.0)
    return Pixels(where(counts.unsqueeze(1), x, 0.0), where(counts, labels, 0), mass)


def need_class_weight(who: str, pixels: Pixels, weight: Tensor | None, count: int | None = None) -> Tensor | None:
    """The weights of classes, ``count`` (by default as many as channels); raises ``TypeError`` and ``ValueError``."""
    if weight is None:
        return None
    count = count or pixels.logits.shape[1]
    need_same_type(who, input=pixels.logits, weight=need_tensor(who, "weight", weight))
    need_same_device(who, pixels.logits, weight)
    need_constant(who, "weight", weight)
    if weight.shape != (count,):
        raise ValueError(f"{who}: weight must have shape ({count},), one for each class, got {weight.shape}")
    return weight


def of_labels(values: Tensor, labels: Tensor) -> Tensor:
    """``values[labels]``: for each pixel the value of its class."""
    return values.detach().gather(0, labels.reshape(-1)).reshape(labels.shape)


def reduced_over_pixels(losses: Tensor, divisor: Tensor | None, reduction: str) -> Tensor:
    """Weighted losses (N, H, W) as they are, summed, or divided by the sum of ``divisor`` (None: by their number).

    The mean over nothing is 0, and so is its gradient.
    """
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if divisor is None:
        return losses.mean() if losses.numel() else losses.sum()
    total = divisor.sum()
    return losses.sum() / where(total > 0.0, total, 1.0)
