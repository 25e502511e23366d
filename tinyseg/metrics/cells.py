"""How well single cells are found: the IoU of matched cells, and the Rand score of the partition.

Both compare label maps of *instances*, integers ``(H, W)``: 0 is background, every other number a cell. Numbers are
names only; those of the two maps have nothing to do with each other, nor those of two images.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .confusion import divided, plain


class _Overlaps(NamedTuple):
    """Pairs of a true and a predicted segment that share ``pixels``, and the pixels of each in all."""

    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    pixels: NDArray[np.int64]
    true_sizes: NDArray[np.int64]
    predicted_sizes: NDArray[np.int64]


def _overlaps(who: str, prediction: Any, target: Any) -> _Overlaps:
    """Segments are renumbered: 0 is the background, whether there is any or not."""
    prediction, target = np.asarray(prediction), np.asarray(target)
    for name, array in (("prediction", prediction), ("target", target)):
        if array.dtype.kind not in "iu" or array.ndim != 2:
            raise ValueError(f"{who}: {name} must be a map (H, W) of whole numbers, got {array.dtype} {array.shape}")
    if prediction.shape != target.shape:
        raise ValueError(f"{who}: prediction has shape {prediction.shape} but target {target.shape}")
    true, found = _renumbered(target), _renumbered(prediction)
    true_sizes, found_sizes = np.bincount(true), np.bincount(found)
    codes, pixels = np.unique(true * len(found_sizes) + found, return_counts=True)
    return _Overlaps(codes // len(found_sizes), codes % len(found_sizes), pixels, true_sizes, found_sizes)


def _renumbered(labels: NDArray[Any]) -> NDArray[np.int64]:
    """0 for 0, and 1, 2, ... for the others, flat."""
    values, inverse = np.unique(np.append(labels.ravel(), 0), return_inverse=True)
    rank = np.empty(len(values), np.int64)
    order = np.argsort(values != 0, kind="stable")
    rank[order] = np.arange(len(values))
    return rank[inverse[:-1]]


class CellScores:
    """The IoU of cells, as the Cell Tracking Challenge measures it (SEG; Maska et al. 2014).

    A true cell R is matched by the predicted one S that covers more than half of it; there is one at most. It scores
    ``J = |R & S| / |R | S|``, and 0 if it is not matched. ``iou`` is the mean over all true cells of the data set.
    Cells that are predicted where there is none cost nothing; they are counted in ``predicted``.

    >>> scores = CellScores()
    >>> scores.update([[7, 7, 7, 0, 5]], [[1, 1, 0, 2, 2]])
    >>> scores.iou, scores.matched, scores.cells, scores.predicted  # 2/3, and half is not more than half
    (0.3333333333333333, 1, 2, 2)
    """

    def __init__(self) -> None:
        self.total = 0.0
        self.cells = self.matched = self.predicted = 0

    def update(self, prediction: Any, target: Any) -> None:
        """Add two maps of instances ``(H, W)``; raises ``ValueError`` for others, or when shapes differ."""
        found = _overlaps("CellScores.update", prediction, target)
        match = (found.true > 0) & (found.predicted > 0) & (2 * found.pixels > found.true_sizes[found.true])
        sizes = found.true_sizes[found.true] + found.predicted_sizes[found.predicted] - found.pixels
        self.total += float((found.pixels[match] / sizes[match]).sum())
        self.matched += int(match.sum())
        self.cells += len(found.true_sizes) - 1
        self.predicted += len(found.predicted_sizes) - 1

    @property
    def iou(self) -> float:
        """The mean over all true cells; NaN if there is none."""
        return float(divided(self.total, self.cells))

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON; None where there is no score."""
        return {
            "cell_iou": plain(self.iou),
            "cells": self.cells,
            "matched_cells": self.matched,
            "predicted_cells": self.predicted,
        }


class RandScores:
    """The foreground-restricted Rand score of ISBI 2012 (V-Rand; Arganda-Carreras et al. 2015).

    Over the pixels that are no background in the truth, with p_ij those in predicted segment i and true segment j,
    s_i = sum_j p_ij and t_j = sum_i p_ij::

        V-split = sum p_ij^2 / sum t_j^2       below 1 where true segments are split
        V-merge = sum p_ij^2 / sum s_i^2       below 1 where they are merged
        V-Rand  = sum p_ij^2 / (sum s_i^2 / 2 + sum t_j^2 / 2)

    V-Rand is the harmonic mean of the other two. A pixel that is predicted as background there is a segment of its
    own. Sums run over all images; segments of two images are never the same.

    >>> scores = RandScores()
    >>> scores.update([[1, 1, 1, 1]], [[1, 1, 2, 2]])
    >>> scores.split, scores.merge, round(scores.rand, 4)
    (1.0, 0.5, 0.6667)
    """

    def __init__(self) -> None:
        self.joint = self.predicted = self.true = 0

    def update(self, prediction: Any, target: Any) -> None:
        """Add two maps of instances ``(H, W)``; raises ``ValueError`` for others, or when shapes differ."""
        found = _overlaps("RandScores.update", prediction, target)
        kept = found.true > 0
        inside, alone = kept & (found.predicted > 0), kept & (found.predicted == 0)
        sizes = np.zeros(len(found.predicted_sizes), np.int64)
        np.add.at(sizes, found.predicted[inside], found.pixels[inside])
        single = int(found.pixels[alone].sum())
        self.joint += _squares(found.pixels[inside]) + single
        self.predicted += _squares(sizes) + single
        self.true += _squares(found.true_sizes[1:])

    @property
    def split(self) -> float:
        """V-split; NaN without any foreground."""
        return float(divided(self.joint, self.true))

    @property
    def merge(self) -> float:
        """V-merge; NaN without any foreground."""
        return float(divided(self.joint, self.predicted))

    @property
    def rand(self) -> float:
        """V-Rand; NaN without any foreground. 1 less it is the adapted Rand error."""
        return float(divided(2 * self.joint, self.predicted + self.true))

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON; None where there is no score."""
        return {"rand": plain(self.rand), "rand_split": plain(self.split), "rand_merge": plain(self.merge)}


def _squares(counts: NDArray[np.int64]) -> int:
    """The sum of squares; as a whole number it cannot overflow once it is a Python one."""
    return int((counts.astype(np.int64) ** 2).sum())
