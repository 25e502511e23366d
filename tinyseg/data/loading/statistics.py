"""What can be measured over a data set: how often each class occurs, mean and deviation of its images."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..dataset import IGNORE_INDEX, Dataset, unit_range
from .prefetch import prefetched


class MaskRanges(NamedTuple):
    """How many masks hold ignored pixels and none but class 0, classes above 0 and no ignored pixels, or both.

    A mask that is ignored everywhere is none of these: it says nothing about what 255 means.
    """

    ignored: int = 0
    classes: int = 0
    both: int = 0

    @property
    def are_mixed(self) -> bool:
        """Whether some masks seem to write 255 where others write a class: none has both."""
        return self.ignored > 0 and self.classes > 0 and not self.both

    def with_mask(self, histogram: NDArray[np.int64]) -> "MaskRanges":
        """The same with one more mask, of so many pixels of each label ``(256,)``."""
        ignored, classes = bool(histogram[IGNORE_INDEX]), bool(histogram[1:IGNORE_INDEX].any())
        return MaskRanges(
            self.ignored + (ignored and not classes and bool(histogram[0])),
            self.classes + (classes and not ignored),
            self.both + (classes and ignored),
        )


class ClassCounts(NamedTuple):
    """How often each class occurs in a data set.

    ``pixels[c]``: pixels of class c. ``image_pixels[c]``: all pixels, ignored ones included, of the images in
    which c occurs. Both are ``(K,)`` ``int64``. ``ignored``: pixels that are 255. ``images``: images counted.
    ``ranges``: what the masks hold.
    """

    pixels: NDArray[np.int64]
    image_pixels: NDArray[np.int64]
    ignored: int
    images: int
    ranges: "MaskRanges" = MaskRanges()

    @property
    def absent(self) -> list[int]:
        """The indices of the classes that never occur."""
        return [int(index) for index in np.flatnonzero(self.pixels == 0)]


def class_counts(dataset: Dataset) -> ClassCounts:
    """Count the pixels of each class over all of ``dataset``: every mask is read once, in threads, and no image."""
    count = len(dataset.classes)
    pixels = np.zeros(count, np.int64)
    image_pixels = np.zeros(count, np.int64)
    ignored, ranges = 0, MaskRanges()
    for histogram in prefetched(
        lambda index: np.bincount(dataset.mask(index).ravel(), minlength=256), range(len(dataset))
    ):
        pixels += histogram[:count]
        image_pixels += np.where(histogram[:count] > 0, histogram.sum(), 0)
        ignored += int(histogram[IGNORE_INDEX])
        ranges = ranges.with_mask(histogram)
    return ClassCounts(pixels, image_pixels, ignored, len(dataset), ranges)


def median_frequency_weights(counts: ClassCounts) -> NDArray[np.float64]:
    """Class weights that make up for rare classes (Eigen and Fergus 2015; SegNet's for CamVid).

    ::

        freq_c = pixels of c / all pixels of the images that contain c
        weight_c = median(freq) / freq_c

    The median is over the classes that occur. The others (``counts.absent``) get weight 0. Returns ``(K,)``
    ``float64``; raises ``ValueError`` when no class occurs at all.

    >>> counts = ClassCounts(np.array([800, 100, 50, 0]), np.array([1000, 1000, 1000, 0]), 50, 10)
    >>> median_frequency_weights(counts).tolist(), counts.absent
    ([0.125, 1.0, 2.0, 0.0], [3])
    """
    present = counts.pixels > 0
    if not present.any():
        raise ValueError("median_frequency_weights: no pixel belongs to any class")
    frequency = counts.pixels[present] / counts.image_pixels[present]
    weights = np.zeros(len(counts.pixels))
    weights[present] = np.median(frequency) / frequency
    return weights


class Normalisation(NamedTuple):
    """Mean and standard deviation of each channel, of images in 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def measure_normalisation(dataset: Dataset, limit: int = 200) -> Normalisation:
    """Mean and standard deviation of each channel over ``limit`` images spread evenly over ``dataset``.

    A channel that never changes gets standard deviation 1, so that dividing by it is harmless. Raises
    ``ValueError`` for an empty data set or a limit below 1.
    """
    if len(dataset) == 0 or limit < 1:
        raise ValueError(f"measure_normalisation: {len(dataset)} images, limit {limit}: nothing to measure")
    count = min(limit, len(dataset))
    chosen = [index * len(dataset) // count for index in range(count)]
    total = np.zeros(dataset.in_channels)
    squares = np.zeros(dataset.in_channels)
    pixels = 0
    for part, part_squares, part_pixels in prefetched(lambda index: _moments(dataset[index].image), chosen):
        total += part
        squares += part_squares
        pixels += part_pixels
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 0))
    std[std < 1e-6] = 1
    return Normalisation(tuple(mean.tolist()), tuple(std.tolist()))


def _moments(image: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Sums and sums of squares of each channel, of an image in 0..1, and the number of its pixels."""
    values = unit_range(image).astype(np.float64)
    return values.sum((0, 1)), np.square(values).sum((0, 1)), values.shape[0] * values.shape[1]
