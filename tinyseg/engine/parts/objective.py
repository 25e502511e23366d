"""What training lowers: the loss of a run by its name, with weights of classes and of pixels."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import nn
from ...data import Batch
from ...errors import InputError
from ...tensor import Tensor, tensor
from ..config.config import Config

LOSSES: dict[str, Callable[..., nn.Module]] = {
    "ce": nn.CrossEntropyLoss,
    "focal": nn.FocalLoss,
    "dice": nn.DiceLoss,
    "jaccard": nn.JaccardLoss,
    "tversky": nn.TverskyLoss,
    "focal-tversky": nn.FocalTverskyLoss,
    "dice+ce": nn.DiceCELoss,
    "dice+focal": nn.DiceFocalLoss,
    "boundary": nn.BoundaryLoss,
    "dice+boundary": nn.DiceBoundaryLoss,
    "lovasz": nn.LovaszSoftmaxLoss,
}
"""Every loss that a run may have; docs/losses.md says which is for what."""

OF_PIXELS = ("ce", "focal")
"""Those that are a mean over pixels; the others are ratios of sums, of which there is no sum."""

_SHARED = ("weight", "ignore_index", "reduction")


def loss_options(name: str) -> dict[str, Any]:
    """The options of a loss, and their defaults; raises ``InputError`` for an unknown loss.

    >>> loss_options("tversky")
    {'alpha': 0.3, 'beta': 0.7, 'smooth': 1.0, 'classes': 'all'}
    """
    if name not in LOSSES:
        raise InputError(f"unknown --loss {name!r}; there are {', '.join(LOSSES)}")
    parameters = inspect.signature(LOSSES[name]).parameters
    return {key: value.default for key, value in parameters.items() if key not in _SHARED}


def check_loss(name: str, options: Mapping[str, Any], num_classes: int) -> None:
    """``InputError`` unless there is such a loss, it has these options, and they are what it takes."""
    known = loss_options(name)
    if unknown := [key for key in options if key not in known]:
        there = f"there are {', '.join(known)}" if known else "it has none"
        raise InputError(f"--loss {name} has no option {unknown[0]!r}; {there}")
    logits, labels = tensor(np.zeros((1, num_classes, 1, 1), np.float32)), tensor(np.zeros((1, 1, 1), np.int64))
    try:
        LOSSES[name](**options)(logits, labels)
    except (TypeError, ValueError) as error:
        raise InputError(f"--loss {name}: {error}") from error


class Objective:
    """The loss of a run: a mean in which a pixel counts its weight and its class's, and nothing if it is ignored.

    Weights of pixels (``BorderWeights``) have those of their classes in them already.
    """

    def __init__(self, config: Config) -> None:
        training = config.training
        check_loss(training.loss, training.loss_options, config.data.num_classes)  # a config.toml may say anything
        self.ignore_index = config.data.ignore_index
        weights = training.class_weights
        self.values = np.ones(config.data.num_classes) if weights is None else np.array(weights)
        options = {**training.loss_options, "ignore_index": self.ignore_index}
        kind = LOSSES[training.loss]
        self._by_pixel = kind(**options)
        weight = None if weights is None else tensor(self.values.astype(np.float32))
        self._by_class = kind(**options, weight=weight)

    def total(self, labels: NDArray[np.int64], weights: NDArray[np.float32] | None = None) -> float:
        """The sum of the weights of all pixels; 0 if nothing can be learnt from these labels."""
        if weights is not None:
            return float(weights.sum(where=labels != self.ignore_index, dtype=np.float64))
        counts = np.bincount(labels.ravel(), minlength=len(self.values))[: len(self.values)]
        return float(counts @ self.values)

    def __call__(self, logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """The mean loss of logits N,K,H,W with labels, and weights if there are any, N,H,W."""
        loss: Tensor = self._by_class(logits, labels) if weights is None else self._by_pixel(logits, labels, weights)
        return loss

    def counted(self, batch: Batch, extra: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Those of the ``extra`` labels of ``batch``, as tensors by the names of their targets, of which any pixel
        counts: of the others there is no mean.
        """
        return {name: extra[name] for name, labels in batch.extra.items() if (labels != self.ignore_index).any()}
