"""How well the boundaries of classes are found: boundary F1, and the 95% Hausdorff distance.

The boundary of a class is its pixels with one of the four neighbours in another class. Neither the frame of the image
nor an ignored pixel is another class, so what they cut off has no boundary there; predictions are ignored where the
truth is. Distances are between the centres of pixels, in pixels.

All boundary pixels of a data set go into one count for each class. With d the distance of a pixel to the nearest
boundary pixel of the same class and image in the other map, infinite if there is none::

    precision       share of the predicted boundary with d <= tolerance
    recall          share of the true boundary with d <= tolerance
    boundary F1     2 precision recall / (precision + recall)         (Csurka et al. 2013)
    Hausdorff 95%   the larger of two distances: that which 95% of the predicted boundary does not exceed, and
                    that which 95% of the true boundary does not exceed

A class without any boundary, true or predicted, has no score. One that is only predicted, or only true, has an F1 of
0 and an infinite distance.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .confusion import Array, divided, mean_of_present, need_classes, need_labels, plain

TOLERANCE = 0.0075
"""Of the image's diagonal; Csurka et al. 2013, section 3."""


def boundary(labels: NDArray[Any], index: int, ignore_index: int = 255) -> NDArray[np.bool_]:
    """Where class ``index`` of a label map ``(H, W)`` borders on another one.

    >>> boundary(np.array([[1, 1, 0, 255, 1]]), 1).tolist()
    [[False, True, False, False, False]]
    """
    inside = labels == index
    other = ~inside & (labels != ignore_index)
    beside = np.zeros_like(inside)
    beside[1:] |= other[:-1]
    beside[:-1] |= other[1:]
    beside[:, 1:] |= other[:, :-1]
    beside[:, :-1] |= other[:, 1:]
    return inside & beside


class _Distances:
    """A count of distances from one boundary to another; squared, they are whole numbers."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.total = self.near = 0

    def add(self, boundary: NDArray[np.bool_], other: NDArray[np.bool_], tolerance: float) -> None:
        """Each pixel of ``boundary``, and how far it is from ``other``; infinitely far is in ``total`` alone."""
        from scipy.ndimage import distance_transform_edt

        self.total += int(boundary.sum())
        if not boundary.any() or not other.any():
            return
        away = distance_transform_edt(~other)[boundary]
        self.near += int((away <= tolerance).sum())
        squares, counts = np.unique(np.rint(away**2).astype(np.int64), return_counts=True)
        for square, count in zip(squares.tolist(), counts.tolist(), strict=True):
            self.counts[square] = self.counts.get(square, 0) + count

    def percentile(self, share: float) -> float:
        """The smallest distance that ``share`` of the pixels do not exceed."""
        wanted, seen = share * self.total, 0
        for square in sorted(self.counts):
            seen += self.counts[square]
            if seen >= wanted:
                return float(np.sqrt(square))
        return float("inf") if self.total else float("nan")


class BoundaryScores:
    """Boundaries of each class, over a whole data set.

    Args:
        num_classes: K, 1 or more.
        ignore_index: pixels of this true value are not looked at.
        tolerance: how far a boundary may be off, in pixels; None for 0.75% of each image's diagonal.

    >>> scores = BoundaryScores(2, tolerance=1)
    >>> truth = np.array([[0, 0, 0, 1, 1, 1]])
    >>> scores.update(np.array([[0, 1, 1, 1, 1, 1]]), truth)
    >>> scores.f1.tolist(), scores.hausdorff95.tolist()
    ([0.0, 0.0], [2.0, 2.0])
    """

    def __init__(self, num_classes: int, ignore_index: int = 255, tolerance: float | None = None) -> None:
        need_classes("BoundaryScores", num_classes, ignore_index)
        if tolerance is not None and not tolerance >= 0:
            raise ValueError(f"BoundaryScores: tolerance must be 0 or more pixels, got {tolerance}")
        self.num_classes, self.ignore_index, self.tolerance = num_classes, ignore_index, tolerance
        self._predicted = [_Distances() for _ in range(num_classes)]
        self._true = [_Distances() for _ in range(num_classes)]

    def update(self, prediction: Any, target: Any) -> None:
        """Add a label map ``(H, W)`` and its truth, integers.

        Raises ``TypeError`` for others; ``ValueError`` for other shapes, or a value that is no class where the truth
        is not ignored.
        """
        who = "BoundaryScores.update"
        prediction, target = need_labels(who, prediction, target, self.num_classes, self.ignore_index)
        if target.ndim != 2:
            raise ValueError(f"{who}: expected two maps (H, W), got {target.shape}")
        prediction = np.where(target == self.ignore_index, self.ignore_index, prediction.astype(np.int64))
        diagonal = float(np.hypot(*target.shape))
        tolerance = TOLERANCE * diagonal if self.tolerance is None else self.tolerance
        for index in range(self.num_classes):
            found, true = (boundary(labels, index, self.ignore_index) for labels in (prediction, target))
            self._predicted[index].add(found, true, tolerance)
            self._true[index].add(true, found, tolerance)

    @property
    def precision(self) -> Array:
        """``(K,)``: the share of the predicted boundary that is near the true one; NaN if nothing is predicted."""
        return divided([d.near for d in self._predicted], [d.total for d in self._predicted])

    @property
    def recall(self) -> Array:
        """``(K,)``: the share of the true boundary that is near the predicted one; NaN if there is none."""
        return divided([d.near for d in self._true], [d.total for d in self._true])

    @property
    def f1(self) -> Array:
        """``(K,)``: their harmonic mean; NaN for a class without a boundary."""
        precision, recall = np.nan_to_num(self.precision), np.nan_to_num(self.recall)
        f1 = np.nan_to_num(divided(2 * precision * recall, precision + recall))
        return np.where(self._present, f1, np.nan)

    @property
    def hausdorff95(self) -> Array:
        """``(K,)`` pixels: infinite where more than 5% has no counterpart; NaN for a class without a boundary."""
        pairs = zip(self._predicted, self._true, strict=True)
        return np.array([np.fmax(found.percentile(0.95), true.percentile(0.95)) for found, true in pairs])

    @property
    def mean_f1(self) -> float:
        """The mean F1 of the classes that have a boundary."""
        return mean_of_present(self.f1)

    @property
    def mean_hausdorff95(self) -> float:
        """The mean distance of the classes that have a boundary; infinite if one is."""
        return mean_of_present(self.hausdorff95)

    @property
    def _present(self) -> NDArray[np.bool_]:
        pairs = zip(self._predicted, self._true, strict=True)
        return np.array([found.total + true.total > 0 for found, true in pairs])

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, for JSON; None where there is no score, or an infinite distance."""
        distances = self.hausdorff95
        return {
            "mean_boundary_f1": plain(self.mean_f1),
            "boundary_f1": [plain(value) for value in self.f1],
            "mean_hausdorff95": plain(self.mean_hausdorff95),
            "hausdorff95": [plain(value) for value in distances],
            "infinite_hausdorff95": [int(index) for index in np.flatnonzero(np.isinf(distances))],
            "no_boundary": [int(index) for index in np.flatnonzero(~self._present)],
        }
