"""The confusion matrix as a picture."""

from typing import Any

import numpy as np

from ..data.dataset import Classes
from ..files import PathLike
from ..metrics import ConfusionMatrix
from .figures import as_array, literal, new_figure, save

WRITTEN = 30
"""Up to so many classes, the percentages are written into the cells."""


def save_confusion(path: PathLike, matrix: Any, classes: Classes) -> None:
    """Draw which classes are taken for which: a row for each class of the truth, a column for what was predicted.

    ``matrix`` is a ``ConfusionMatrix``, or counts ``(K, K)`` with the truth in rows. A cell shows the percentage of
    its row, so the diagonal has the classes' accuracies, and rows add up to 100. A class of which there is no pixel
    in the truth has an empty row; one that was not predicted either is left out. Raises ``ValueError`` for another
    shape, or where nothing was counted.

    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "confusion.png"
    >>> save_confusion(path, [[8, 2], [1, 9]], Classes.named(["ground", "tree"]))
    >>> path.stat().st_size > 1000
    True
    """
    counts = as_array(matrix.matrix if isinstance(matrix, ConfusionMatrix) else matrix)
    if counts.shape != (len(classes), len(classes)):
        raise ValueError(
            f"save_confusion: expected counts ({len(classes)}, {len(classes)}) of {len(classes)} classes, got "
            f"{counts.shape}"
        )
    shown = np.flatnonzero(counts.sum(0) + counts.sum(1))
    if not shown.size:
        raise ValueError("save_confusion: the matrix is empty, nothing was counted")
    counts = counts[np.ix_(shown, shown)]
    with np.errstate(invalid="ignore"):
        percent = 100 * counts / counts.sum(1, keepdims=True)
    names = [literal(classes.names[index]) for index in shown]
    side = max(2.4, min(0.46, 13 / len(names)) * len(names))
    text = 0.08 * max(len(name) for name in names)
    upright = len(names) > 4
    figure = new_figure(side + text + 1.5, side + (text if upright else 0.1) + 0.85)
    axes = figure.subplots()
    picture = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    figure.colorbar(picture, ax=axes, label="% of the true class's pixels", fraction=0.05, pad=0.02)
    size = 9 if len(names) <= WRITTEN else 6
    axes.set_xticks(range(len(names)), names, rotation=90 if upright else 0, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth")
    axes.set_title(f"{counts.trace() / counts.sum():.1%} of {counts.sum():,} pixels are right", fontsize=11)
    if len(names) <= WRITTEN:
        for (row, column), value in np.ndenumerate(percent):
            if np.isfinite(value):
                axes.text(column, row, _short(value), ha="center", va="center", fontsize=8, color=_ink(value))
    save(figure, path)


def _short(value: float) -> str:
    """A percentage in at most four signs; one that is nearly 0, or nearly 100, is not rounded to it."""
    if value in (0, 100):
        return f"{value:.0f}"
    return "<0.1" if value < 0.1 else ">99.9" if value > 99.9 else f"{value:.1f}"


def _ink(value: float) -> str:
    """White on the dark half of the blues."""
    return "white" if value > 68 else "black"
