"""How much each class counts in the loss: by its frequency, or as a file says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ...data import ClassCounts, Classes, median_frequency_weights
from ...errors import InputError, many
from ...files import read_text

BY_NAME = ("none", "median", "inverse", "log")


def class_weights(choice: str, counts: ClassCounts | None, classes: Classes) -> tuple[float, ...] | None:
    """The weights of the classes; None for ``none``, where all count 1.

    ``median``: median frequency balancing. ``inverse``: proportional to 1 / pixels of the class, and of mean 1 over
    the classes that occur; the others get 0. ``log``: 1 / ln(1.02 + p) for a class with the share p of the labelled
    pixels, so that none counts more than 50 times; milder than the other two (ENet: Paszke, Chaurasia, Kim and
    Culurciello 2016), 0 for a class that never occurs. Everything else is a file with a line for each class, its
    weight, or its name and its weight; lines that begin with # are skipped. Raises ``InputError`` for a file that
    does not fit.

    >>> counts = ClassCounts(np.array([600, 200]), np.array([800, 800]), 0, 1)
    >>> class_weights("inverse", counts, Classes.numbered(2))
    (0.5, 1.5)
    """
    if choice == "none":
        return None
    if choice not in BY_NAME:
        return _from_file(Path(choice), classes)
    if counts is None:
        raise ValueError(f"class_weights: {choice!r} needs the counts of the classes")
    if choice == "median":
        return tuple(median_frequency_weights(counts).tolist())
    present = counts.pixels > 0
    weights = np.zeros(len(counts.pixels))
    if choice == "log":
        weights[present] = 1 / np.log(1.02 + counts.pixels[present] / counts.pixels.sum())
        return tuple(weights.tolist())
    weights[present] = 1 / counts.pixels[present]
    return tuple((weights / weights[present].mean()).tolist())


def _from_file(path: Path, classes: Classes) -> tuple[float, ...]:
    if not path.is_file():
        raise InputError(
            f"unknown --class-weights '{path}': there are {', '.join(BY_NAME)}, and no file of that name"
        )
    lines = [line.strip() for line in read_text(path, "list of weights").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) != len(classes):
        raise InputError(f"{path}: has {many(len(lines), 'weight')} for {many(len(classes), 'class')}")
    weights = []
    for line, expected in zip(lines, classes.names, strict=True):
        name, _, text = line.rpartition(" ")
        try:
            weight = float(text)
        except ValueError:
            weight = math.nan
        if not 0 <= weight < math.inf:
            raise InputError(f"{path}: {line!r} does not end with a weight, a number from 0 on")
        if name.strip() not in ("", expected):
            raise InputError(f"{path}: {name.strip()!r} stands where the class {expected!r} is expected")
        weights.append(weight)
    if not any(weights):
        raise InputError(f"{path}: every weight is 0; nothing would be learnt")
    return tuple(weights)
