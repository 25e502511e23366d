"""The confusion matrix, and every score of semantic segmentation that is read off it.

One matrix is filled over a whole data set and the scores are taken once, at its end: the mean of the scores of
batches is another number, and depends on how the images were batched. With n_ij the pixels of class i that were
predicted as j, t_i = sum_j n_ij the pixels of class i and p_i = sum_j n_ji those predicted as i (Long, Shelhamer
and Darrell 2015, section 5)::

    pixel accuracy          sum_i n_ii / sum_i t_i     pixel error: 1 less it
    accuracy of class i     n_ii / t_i                 mean accuracy: over the classes in the truth
    IU of class i           n_ii / (t_i + p_i - n_ii)  mean IU: over the classes in truth or prediction
    Dice of class i         2 n_ii / (t_i + p_i)       mean Dice: over the same
    f.w. IU                 sum_i t_i IU_i / sum_i t_i

A class in neither truth nor prediction is *absent*: it has no score (NaN here, None in :meth:`as_dict`) and
counts in no mean. One that is only predicted has an IU of 0, and counts.

The accuracy of an extra target, such as how surfaces lie in SIFT Flow (horizontal, vertical, sky), is the pixel
accuracy of a matrix of its classes: of the network's second head, or of :meth:`ConfusionMatrix.grouped`, where each
class of the one head belongs to one of them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class ConfusionMatrix:
    """Pixels of each class (rows: the truth) by what was predicted (columns).

    Args:
        num_classes: K, 1 or more.
        ignore_index: pixels of this true value are not counted.

    ``matrix`` is ``(K, K)`` ``int64``. Without any counted pixel all scores are NaN (None in :meth:`as_dict`).

    >>> matrix = ConfusionMatrix(3)
    >>> matrix.update([[0, 1, 1]], [[0, 0, 255]])
    >>> matrix.matrix.tolist(), matrix.pixel_accuracy, matrix.mean_iu, matrix.absent_classes
    ([[1, 1, 0], [0, 0, 0], [0, 0, 0]], 0.5, 0.25, [2])
    """

    def __init__(self, num_classes: int, ignore_index: int = 255) -> None:
        need_classes("ConfusionMatrix", num_classes, ignore_index)
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.matrix = np.zeros((num_classes, num_classes), np.int64)

    def update(self, prediction: Any, target: Any) -> None:
        """Count the pixels of integer arrays of one shape.

        Raises ``TypeError`` for other than integers; ``ValueError`` when shapes differ, or a counted pixel's
        value is no class. Predictions where the target is ignored may be anything.
        """
        who = "ConfusionMatrix.update"
        prediction, target = need_labels(who, prediction, target, self.num_classes, self.ignore_index)
        counted = target != self.ignore_index
        truth, guess = target[counted].astype(np.int64), prediction[counted].astype(np.int64)
        cells = np.bincount(truth * self.num_classes + guess, minlength=self.num_classes**2)
        self.matrix += cells.reshape(self.matrix.shape)

    def merge(self, other: "ConfusionMatrix") -> None:
        """Add the counts of ``other``, which must have as many classes (``ValueError``)."""
        if other.num_classes != self.num_classes:
            raise ValueError(
                f"ConfusionMatrix.merge: {self.num_classes} classes here but {other.num_classes} in the other"
            )
        self.matrix += other.matrix

    def grouped(self, groups: Sequence[int]) -> "ConfusionMatrix":
        """The matrix of coarser classes: class i counts as class ``groups[i]``, 0 .. G - 1.

        Raises ``ValueError`` unless there is a group for each class.

        >>> matrix = ConfusionMatrix(3)
        >>> matrix.update([0, 1, 2], [0, 2, 1])
        >>> matrix.pixel_accuracy, matrix.grouped([0, 1, 1]).pixel_accuracy
        (0.3333333333333333, 1.0)
        """
        if len(groups) != self.num_classes or min(groups) < 0:
            raise ValueError(
                f"ConfusionMatrix.grouped: expected a group, 0 or more, for each of {self.num_classes} classes, got "
                f"{list(groups)}"
            )
        result = ConfusionMatrix(max(groups) + 1, self.ignore_index if self.ignore_index > max(groups) else -1)
        np.add.at(result.matrix, np.ix_(groups, groups), self.matrix)
        return result

    @property
    def true_pixels(self) -> NDArray[np.int64]:
        """The pixels t_i of each class in the truth."""
        return self.matrix.sum(axis=1)

    @property
    def predicted_pixels(self) -> NDArray[np.int64]:
        """The pixels p_i that are predicted as each class."""
        return self.matrix.sum(axis=0)

    @property
    def correct_pixels(self) -> NDArray[np.int64]:
        """The pixels n_ii of each class that were predicted as it."""
        return self.matrix.diagonal()

    @property
    def num_pixels(self) -> int:
        """All pixels counted; ignored ones are not."""
        return int(self.matrix.sum())

    @property
    def present(self) -> NDArray[np.bool_]:
        """``(K,)``: whether the class is in the truth or was predicted."""
        return self.true_pixels + self.predicted_pixels > 0

    @property
    def absent_classes(self) -> list[int]:
        """The indices of the classes in neither truth nor prediction, which have no score."""
        return [int(index) for index in np.flatnonzero(~self.present)]

    @property
    def accuracy(self) -> Array:
        """``(K,)``: n_ii / t_i; NaN for a class that is not in the truth."""
        return divided(self.correct_pixels, self.true_pixels)

    @property
    def iu(self) -> Array:
        """``(K,)``: intersection over union; NaN for an absent class."""
        return divided(self.correct_pixels, self.true_pixels + self.predicted_pixels - self.correct_pixels)

    @property
    def dice(self) -> Array:
        """``(K,)``: Dice's coefficient, the F1 score; NaN for an absent class."""
        return divided(2 * self.correct_pixels, self.true_pixels + self.predicted_pixels)

    @property
    def pixel_accuracy(self) -> float:
        """The share of the pixels that are right."""
        return float(divided(self.correct_pixels.sum(), self.true_pixels.sum()))

    @property
    def pixel_error(self) -> float:
        """The share of the pixels that are wrong."""
        return 1 - self.pixel_accuracy

    @property
    def mean_accuracy(self) -> float:
        """The mean accuracy of the classes in the truth."""
        return mean_of_present(self.accuracy)

    @property
    def mean_iu(self) -> float:
        """The mean IU of the classes that are present."""
        return mean_of_present(self.iu)

    @property
    def mean_dice(self) -> float:
        """The mean Dice coefficient of the classes that are present."""
        return mean_of_present(self.dice)

    @property
    def frequency_weighted_iu(self) -> float:
        """The IUs, each weighted by its class's share of the true pixels."""
        true = self.true_pixels
        return float(divided((true * np.nan_to_num(self.iu)).sum(), true.sum()))

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain numbers and lists, for JSON; None where there is no score."""
        return {
            "pixel_accuracy": plain(self.pixel_accuracy),
            "pixel_error": plain(self.pixel_error),
            "mean_accuracy": plain(self.mean_accuracy),
            "mean_iu": plain(self.mean_iu),
            "mean_dice": plain(self.mean_dice),
            "frequency_weighted_iu": plain(self.frequency_weighted_iu),
            "iu": [plain(value) for value in self.iu.tolist()],
            "dice": [plain(value) for value in self.dice.tolist()],
            "accuracy": [plain(value) for value in self.accuracy.tolist()],
            "absent_classes": self.absent_classes,
            "num_pixels": self.num_pixels,
            "confusion_matrix": self.matrix.tolist(),
        }


def need_classes(who: str, num_classes: int, ignore_index: int) -> None:
    """``ValueError`` unless there is a class, and ``ignore_index`` is none."""
    if num_classes < 1:
        raise ValueError(f"{who}: num_classes must be 1 or more, got {num_classes}")
    if 0 <= ignore_index < num_classes:
        raise ValueError(f"{who}: ignore_index {ignore_index} is one of {num_classes} classes")


def need_labels(
    who: str, prediction: Any, target: Any, num_classes: int, ignore_index: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Label maps of one shape as arrays; ``TypeError`` for other than integers, ``ValueError`` when shapes differ, or
    a value is no class where the target is not ignored.
    """
    prediction, target = np.asarray(prediction), np.asarray(target)
    for name, array in (("prediction", prediction), ("target", target)):
        if array.dtype.kind not in "iu":
            raise TypeError(f"{who}: {name} must hold integers, got {array.dtype}")
    if prediction.shape != target.shape:
        raise ValueError(f"{who}: prediction has shape {prediction.shape} but target {target.shape}")
    counted = target != ignore_index
    for name, values in (("prediction", prediction[counted]), ("target", target[counted])):
        if values.size and not (values.min() >= 0 and values.max() < num_classes):
            raise ValueError(
                f"{who}: {name} has values {values.min()} to {values.max()}, expected 0 to {num_classes - 1} "
                f"(a target of {ignore_index} is ignored)"
            )
    return prediction, target


def divided(numerator: Any, denominator: Any) -> Array:
    """Element by element; NaN, without a warning, where the denominator is 0."""
    numerator, denominator = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    result = np.full(denominator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def mean_of_present(values: Array) -> float:
    """The mean of what is not NaN; NaN if all is."""
    scores = values[~np.isnan(values)]
    return float(scores.mean()) if scores.size else float("nan")


def plain(value: float) -> float | None:
    """``value`` for JSON: None where there is no score."""
    return float(value) if np.isfinite(value) else None
