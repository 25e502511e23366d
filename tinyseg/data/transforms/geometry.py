"""Changes of place: sizes, mirrors, turns, crops, and U-Net's elastic deformation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..dataset import IGNORE_INDEX, Sample, Size
from .base import Plane, Transform, moved


def resize_image(image: NDArray[Any], size: Size) -> NDArray[Any]:
    """``image`` ``(H, W, C)`` at ``size`` = (height, width), bilinear, antialiased where it shrinks.

    >>> resize_image(np.full((4, 4, 3), 9, np.uint8), (2, 6)).shape
    (2, 6, 3)
    """
    if image.shape[:2] == size:
        return image
    height, width = size
    # Pillow has no float RGB: floats, and one channel of bytes, go plane by plane.
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    planes = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
        for plane in np.ascontiguousarray(image.transpose(2, 0, 1))
    ]
    return np.stack(planes, axis=2)


def resize_labels(labels: NDArray[Any], size: Size) -> NDArray[Any]:
    """``labels`` ``(H, W)``, ``uint8`` or ``int32``, at ``size`` = (height, width), nearest neighbour.

    >>> resize_labels(np.array([[1, 2]], np.uint8), (2, 4)).tolist()
    [[1, 1, 2, 2], [1, 1, 2, 2]]
    """
    if labels.shape == size:
        return labels
    height, width = size
    return np.asarray(Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST))


def _resized(sample: Sample, size: Size) -> Sample:
    return moved(sample, lambda image: resize_image(image, size), lambda labels, _: resize_labels(labels, size))


def _checked_size(name: str, size: Size) -> Size:
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"{name}: size must be (height, width), both 1 or more, got {size}")
    return size


class Resize(Transform):
    """Everything at ``size`` = (height, width)."""

    def __init__(self, size: Size) -> None:
        self.size = _checked_size("Resize", size)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Resize all."""
        return _resized(sample, self.size)


class ResizeImage(Transform):
    """The image at ``size``, the labels as they are: for evaluation, which happens at the labels' resolution."""

    def __init__(self, size: Size) -> None:
        self.size = _checked_size("ResizeImage", size)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Resize the image alone."""
        return sample._replace(image=resize_image(sample.image, self.size))


class RandomFlip(Transform):
    """Mirror left and right in every other call, and upside down too if ``vertical``."""

    def __init__(self, horizontal: bool = True, vertical: bool = False) -> None:
        self.horizontal = horizontal
        self.vertical = vertical

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Flip all, or nothing."""
        along = slice(None, None, -1 if self.horizontal and rng.random() < 0.5 else 1)
        down = slice(None, None, -1 if self.vertical and rng.random() < 0.5 else 1)

        def flipped(plane: Plane) -> Plane:
            return np.ascontiguousarray(plane[down, along])

        return moved(sample, flipped, lambda labels, _: flipped(labels))


class RandomRotate90(Transform):
    """Turn by 0, 90, 180 or 270 degrees, each as likely as the others.

    With ``square``, images that are not square are turned by 0 or 180 only, so that they keep their size.
    """

    def __init__(self, square: bool = True) -> None:
        self.square = square

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Turn all."""
        quarters = int(rng.integers(4))
        if self.square and sample.mask.shape[0] != sample.mask.shape[1]:
            quarters -= quarters % 2

        def turned(plane: Plane) -> Plane:
            return np.ascontiguousarray(np.rot90(plane, quarters))

        return moved(sample, turned, lambda labels, _: turned(labels))


class RandomScale(Transform):
    """Enlarge or shrink by a factor between ``low`` and ``high``, as likely to halve as to double."""

    def __init__(self, low: float = 0.5, high: float = 2.0) -> None:
        if not 0 < low <= high:
            raise ValueError(f"RandomScale: expected 0 < low <= high, got {low} and {high}")
        self.low = low
        self.high = high

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Scale all by one factor."""
        factor = np.exp(rng.uniform(np.log(self.low), np.log(self.high)))
        height, width = (max(1, round(length * factor)) for length in sample.mask.shape)
        return _resized(sample, (height, width))


class RandomCrop(Transform):
    """A random window of ``size``; where the image is smaller it is mirrored outwards and the mask is ignored.

    With probability ``rare`` the window holds a pixel of a class that is drawn evenly from those in the image, so
    that classes of few pixels come into windows as often as others.
    """

    def __init__(self, size: Size, rare: float = 0.0) -> None:
        self.size = _checked_size("RandomCrop", size)
        if not 0 <= rare <= 1:
            raise ValueError(f"RandomCrop: rare is a probability, got {rare}")
        self.rare = rare

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Cut the same window out of all."""
        missing = [max(0, wanted - length) for wanted, length in zip(self.size, sample.mask.shape, strict=True)]
        if any(missing):
            sample = _extended(sample, [(lack // 2, lack - lack // 2) for lack in missing])
        spans = [(0, length - wanted) for wanted, length in zip(self.size, sample.mask.shape, strict=True)]
        if self.rare and rng.random() < self.rare:
            spans = self._starts_with(_pixel_of_some_class(sample.mask, rng), spans)
        top, left = (int(rng.integers(low, high + 1)) for low, high in spans)
        window = slice(top, top + self.size[0]), slice(left, left + self.size[1])

        def cut(plane: Plane) -> Plane:
            return np.ascontiguousarray(plane[window])

        return moved(sample, cut, lambda labels, _: cut(labels))

    def _starts_with(self, pixel: Size | None, spans: list[Size]) -> list[Size]:
        """Where a window may begin so that ``pixel`` lies in it."""
        if pixel is None:
            return spans
        return [
            (max(low, place - wanted + 1), min(high, place))
            for place, wanted, (low, high) in zip(pixel, self.size, spans, strict=True)
        ]


def _extended(sample: Sample, widths: list[Size]) -> Sample:
    return moved(
        sample,
        lambda image: np.pad(image, [*widths, (0, 0)], mode="reflect"),
        lambda labels, outside: np.pad(labels, widths, constant_values=outside),
    )


def _pixel_of_some_class(mask: NDArray[np.uint8], rng: np.random.Generator) -> Size | None:
    """(row, column) of a random pixel of a random class; None where all is ignored."""
    counts = np.bincount(mask.ravel(), minlength=256)
    counts[IGNORE_INDEX] = 0
    present = np.flatnonzero(counts)
    if not len(present):
        return None
    chosen = present[rng.integers(len(present))]
    number = int(rng.integers(counts[chosen]))
    place = int(np.flatnonzero(mask.ravel() == chosen)[number])
    return place // mask.shape[1], place % mask.shape[1]


# Places between pixels


def _resampled(sample: Sample, rows: NDArray[Any], columns: NDArray[Any]) -> Sample:
    """Each pixel of the result is taken from (row, column), bilinear for values and nearest for labels."""
    nearest = np.rint(rows).astype(np.intp), np.rint(columns).astype(np.intp)
    inside = np.ones(rows.shape, bool)
    for places, length in zip(nearest, sample.mask.shape, strict=True):
        inside &= (places >= 0) & (places < length)
        np.clip(places, 0, length - 1, out=places)

    place = nearest[0] * sample.mask.shape[1] + nearest[1]

    def labels(plane: Plane, outside: int) -> Plane:
        return np.where(inside, plane.ravel().take(place), np.asarray(outside, plane.dtype))

    corners = _Corners(rows, columns, sample.mask.shape)
    return moved(sample, corners.mixed, labels)


class _Corners:
    """The four pixels around each of many places (row, column), and how much each of them counts there."""

    def __init__(self, rows: NDArray[Any], columns: NDArray[Any], size: tuple[int, ...]) -> None:
        (top, bottom, self.down), (left, right, self.along) = (
            _neighbours(places, length) for places, length in zip((rows, columns), size, strict=True)
        )
        self.places = [line * size[1] + column for line in (top, bottom) for column in (left, right)]

    def mixed(self, image: Plane) -> Plane:
        """The values of ``(H, W, C)`` at the places, bilinear."""
        result = np.empty(self.down.shape + image.shape[2:], image.dtype)
        for channel in range(image.shape[2]):
            plane = image[:, :, channel].ravel()
            one, two, three, four = (plane.take(places).astype(np.float32) for places in self.places)
            one += self.along * (two - one)
            three += self.along * (four - three)
            one += self.down * (three - one)
            result[:, :, channel] = one + np.float32(0.5) if image.dtype == np.uint8 else one
        return result


def _neighbours(places: NDArray[Any], length: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """The pixels before and behind each place along an axis that is mirrored at its ends, and the way from one on."""
    if length == 1:
        nothing = np.zeros(places.shape, np.intp)
        return nothing, nothing, nothing.astype(np.float32)
    period = 2 * (length - 1)
    mirrored = np.abs(np.remainder(places + length - 1, period) - (length - 1))
    before = np.minimum(mirrored.astype(np.intp), length - 2)
    return before, before + 1, (mirrored - before).astype(np.float32)


class RandomRotate(Transform):
    """Turn about the centre by an angle between -``degrees`` and ``degrees``; the size stays."""

    def __init__(self, degrees: float = 15.0) -> None:
        if not 0 <= degrees <= 180:
            raise ValueError(f"RandomRotate: expected 0 to 180 degrees, got {degrees}")
        self.degrees = degrees

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Turn all by one angle."""
        angle = math.radians(rng.uniform(-self.degrees, self.degrees))
        cos, sin = math.cos(angle), math.sin(angle)
        height, width = sample.mask.shape
        y = np.arange(height)[:, None] - (height - 1) / 2
        x = np.arange(width)[None, :] - (width - 1) / 2
        return _resampled(sample, cos * y - sin * x + (height - 1) / 2, sin * y + cos * x + (width - 1) / 2)


class ElasticDeformation(Transform):
    """U-Net's smooth deformation (Ronneberger et al. 2015, section 3.1).

    Displacements drawn from N(0, ``sigma``) pixels on a coarse grid of ``points`` x ``points`` that spans the image;
    in between they follow by bicubic interpolation.
    """

    def __init__(self, sigma: float = 10.0, points: int = 3) -> None:
        if sigma < 0 or points < 2:
            raise ValueError(
                f"ElasticDeformation: expected sigma >= 0 and 2 points or more, got {sigma} and {points}"
            )
        self.sigma = sigma
        self.points = points

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Move all by one field of displacements."""
        height, width = sample.mask.shape
        coarse = rng.normal(0.0, self.sigma, (2, self.points, self.points))
        down, along = (smooth_field(grid, (height, width)) for grid in coarse)
        return _resampled(sample, np.arange(height)[:, None] + down, np.arange(width)[None, :] + along)


def smooth_field(grid: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
    """A coarse grid of values, bicubic at ``size``: its corners are the image's.

    A cubic spline in two directions is one in each: a weight of each grid point for each row, and for each column.

    >>> smooth_field(np.array([[1.0, 2.0], [3.0, 4.0]]), (3, 3))[::2, ::2].round(6).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    rows, columns = (_spline_weights(points, length) for points, length in zip(grid.shape, size, strict=True))
    # Sums in a fixed order: a matrix product's depends on the library and its threads.
    across = sum(grid[:, point, None] * columns[point] for point in range(grid.shape[1]))
    field: NDArray[np.float64] = sum(rows[point][:, None] * across[point] for point in range(grid.shape[0]))
    return field


def _spline_weights(points: int, length: int) -> NDArray[np.float64]:
    """How much each of ``points`` counts at each of ``length`` places, in a cubic spline: ``(points, length)``."""
    from scipy import ndimage

    places = np.linspace(0, points - 1, length)
    return np.stack([ndimage.map_coordinates(unit, [places], order=3, mode="mirror") for unit in np.eye(points)])
