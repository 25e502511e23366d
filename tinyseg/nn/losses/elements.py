"""Losses whose functions are operators: of single elements, and the softmax cross-entropy of labels."""

from __future__ import annotations

from ...ops.network.cross_entropy import cross_entropy, nll_loss
from ...ops.network.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from .loss import Loss

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "SmoothL1Loss",
]


class CrossEntropyLoss(Loss):
    """Softmax cross-entropy of class logits, see ``functional.cross_entropy``."""

    function = staticmethod(cross_entropy)


class NLLLoss(Loss):
    """The negative log-likelihood of labels, see ``functional.nll_loss``."""

    function = staticmethod(nll_loss)


class BCELoss(Loss):
    """Cross-entropy of two classes from probabilities, see ``functional.binary_cross_entropy``."""

    function = staticmethod(binary_cross_entropy)


class BCEWithLogitsLoss(Loss):
    """Cross-entropy of two classes from logits, see ``functional.binary_cross_entropy_with_logits``."""

    function = staticmethod(binary_cross_entropy_with_logits)


class MSELoss(Loss, without=("weight",)):
    """The squared error, see ``functional.mse_loss``."""

    function = staticmethod(mse_loss)


class L1Loss(Loss, without=("weight",)):
    """The absolute error, see ``functional.l1_loss``."""

    function = staticmethod(l1_loss)


class SmoothL1Loss(Loss):
    """The absolute error, rounded off near 0, see ``functional.smooth_l1_loss``."""

    function = staticmethod(smooth_l1_loss)
