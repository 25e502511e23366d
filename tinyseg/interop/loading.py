"""Weights from a file into a model, with a report of what became of each of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..autograd import no_grad
from ..errors import CheckpointError
from ..models.network import Network, Preprocessing
from ..paths import PathLike
from ..tensor import Tensor, tensor
from .file import Weights, read
from .names import CLASS_LAYERS, CONSTANTS, Change, Rule, excuse, recognise, rules_for

LOADED, RENAMED, RESHAPED = "loaded", "renamed", "reshaped"
MISSING, UNEXPECTED, SKIPPED = "missing", "unexpected", "skipped"
FATES = (LOADED, RENAMED, RESHAPED, SKIPPED, MISSING, UNEXPECTED)


@dataclass(frozen=True)
class Entry:
    """What became of one weight. ``fate`` is one of

    - loaded, renamed, reshaped: it was copied from ``theirs``, its name in the file, to ``ours``, that in the model;
    - skipped: it is in the file and was left out, for the reason in ``note``;
    - missing: the model has it and the file has not; it stays as it was;
    - unexpected: the file has it and the model has not.

    ``is_problem``: nothing explains why it is missing, unexpected or of another shape.
    """

    fate: str
    theirs: str | None
    ours: str | None
    note: str = ""
    is_problem: bool = False

    def __str__(self) -> str:
        names = [name for name in (self.theirs, self.ours) if name is not None]
        text = " -> ".join(dict.fromkeys(names))
        return f"{self.fate:<10} {text}" + (f"  ({self.note})" if self.note else "")


@dataclass(frozen=True)
class Report:
    """What became of each weight. ``source``: whose they are, as far as their names tell; ``preprocessing``: what
    they expect of images, None where that is not known.
    """

    weights: Weights
    source: str
    preprocessing: Preprocessing | None
    entries: tuple[Entry, ...]

    def of(self, *fates: str) -> tuple[Entry, ...]:
        """The entries with one of these fates."""
        return tuple(entry for entry in self.entries if entry.fate in fates)

    @property
    def problems(self) -> tuple[Entry, ...]:
        """What nothing explains."""
        return tuple(entry for entry in self.entries if entry.is_problem)

    @property
    def needs_random_start(self) -> bool:
        """Whether the model has weights that the file has not, and that do not start with constants."""
        return any(entry.is_problem for entry in self.of(MISSING, SKIPPED))

    def summary(self) -> str:
        """One line."""
        counts = Counter(entry.fate for entry in self.entries)
        listed = ", ".join(f"{counts[fate]} {fate}" for fate in FATES if counts[fate])
        where = f", under {self.weights.found_at}" if self.weights.found_at else ""
        return f"{self.weights.path}: {self.weights.format}, from {self.source}{where}: {listed}"

    def __str__(self) -> str:
        others = [f"beside them: {place} is {what}" for place, what in self.weights.others.items()]
        return "\n".join([self.summary(), *map(str, self.entries), *others])


def load(model: Network, file: PathLike | Weights, strict: bool = True) -> Report:
    """Copy the weights in ``file`` into ``model``, rename and reshape them as far as it takes, and tell of each.

    A classifier's weights go into the networks that are made of it: convolutions by their places, fully connected
    layers as convolutions. Scores of another number of classes are left out. Numbers of another type are converted.
    ``model.preprocessing`` becomes what the weights expect of images, where that is known.

    Raises ``CheckpointError``, and changes nothing, for a file that cannot be read and for weights of which none
    fits; and, if ``strict``, when a weight is missing, unexpected or of another shape and nothing explains why. With
    ``strict=False`` those stay as they are and are in the report like all others.

    >>> import tempfile, tinyseg
    >>> path = f"{tempfile.mkdtemp()}/net.npz"
    >>> model = tinyseg.models.create("unet", num_classes=2, width=4, depth=1)
    >>> np.savez(path, **{name: value.numpy() for name, value in model.state_dict().items()})
    >>> report = load(model, path)
    >>> len(report.of("loaded")), len(report.entries)
    (45, 45)
    """
    weights = file if isinstance(file, Weights) else read(file)
    plan = _Plan(model, weights)
    report = plan.report()
    copied = report.of(LOADED, RENAMED, RESHAPED)
    if not copied or (strict and report.problems):
        raise CheckpointError(_refusal(report, model))
    with no_grad():
        for key, values in plan.values.items():
            plan.own[key].copy_(tensor(values))
    if report.preprocessing is not None:
        model.preprocessing = report.preprocessing
    return report


def _refusal(report: Report, model: Network) -> str:
    head = f"{report.weights.path}: {report.source}'s weights" if False else f"{report.weights.path}"
    listed = [str(entry).replace("  ", " ") for entry in report.problems]
    more = f"; and {len(listed) - 6} more" if len(listed) > 6 else ""
    return f"{head}: does not fit {model.name}: {'; '.join(listed[:6])}{more}"
