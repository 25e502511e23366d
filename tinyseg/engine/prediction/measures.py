"""Scores beyond those of pixels and classes, on request: what each is called, and what it is given of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...data import Batch, connected_cells
from ...errors import InputError
from ...metrics import BoundaryScores, CellScores, RandScores
from ..config.config import DataConfig

Labels = NDArray[Any]


class Measure(Protocol):
    """Something that counts over a data set and is read once."""

    def update(self, prediction: Any, target: Any) -> None:
        """An image."""

    def as_dict(self) -> dict[str, Any]:
        """Its scores, for JSON."""


class OfClasses:
    """A measure of label maps."""

    def __init__(self, measure: Measure) -> None:
        self.measure = measure

    def add(self, prediction: Labels, batch: Batch) -> None:
        """Each image of a batch."""
        for labels, target in zip(prediction, batch.labels, strict=True):
            self.measure.update(labels, target)

    def as_dict(self) -> dict[str, Any]:
        """Its scores."""
        return self.measure.as_dict()


class OfCells:
    """A measure of instances: those of the data set, or the connected parts of classes where it has none.

    Class 0 is background; where the truth is ignored there is nothing.
    """

    def __init__(self, measure: Measure, ignore_index: int) -> None:
        self.measure, self.ignore_index = measure, ignore_index

    def add(self, prediction: Labels, batch: Batch) -> None:
        """Each image of a batch."""
        for index, (labels, target) in enumerate(zip(prediction, batch.labels, strict=True)):
            counted = target != self.ignore_index
            cells = _parts(np.where(counted, target, 0)) if batch.instances is None else batch.instances[index]
            self.measure.update(_parts(np.where(counted, labels, 0)), np.where(counted, cells, 0))

    def as_dict(self) -> dict[str, Any]:
        """Its scores."""
        return self.measure.as_dict()


def _parts(labels: Labels) -> NDArray[np.int64]:
    """The connected parts of each class but 0, numbered."""
    found = np.zeros(labels.shape, np.int64)
    for value in np.unique(labels[labels != 0]):
        cells = connected_cells(labels == value)
        found += np.where(cells > 0, cells + found.max(), 0)
    return found


METRICS: dict[str, Callable[[DataConfig], OfClasses | OfCells]] = {
    "boundary": lambda data: OfClasses(BoundaryScores(data.num_classes, data.ignore_index)),
    "cells": lambda data: OfCells(CellScores(), data.ignore_index),
    "rand": lambda data: OfCells(RandScores(), data.ignore_index),
}
"""What ``--metrics`` may name; every other score is read off the confusion matrix, and always there."""


def parse_metrics(text: str | Sequence[str]) -> tuple[str, ...]:
    """``cells,rand`` as names; ``all`` for all. Raises ``InputError`` for unknown ones.

    >>> parse_metrics("all")
    ('boundary', 'cells', 'rand')
    """
    names = [name.strip() for name in (text.split(",") if isinstance(text, str) else text) if name.strip()]
    if names == ["all"]:
        return tuple(METRICS)
    for name in names:
        if name not in METRICS:
            raise InputError(f"unknown --metrics {name!r}; there are {', '.join(METRICS)}, or all")
    return tuple(dict.fromkeys(names))
