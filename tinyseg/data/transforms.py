"""Changes of an image and its mask together: sizes, flips, crops, normalisation.

A transform is called as ``transform(image, mask, rng)`` and returns the new pair; what is random in it comes from
``rng`` alone. Images are ``(H, W, C)``, ``uint8`` or ``float32`` in 0..1, masks ``(H, W)`` ``uint8``. Values of
a mask are never mixed: it is resized by nearest neighbour, and what a crop adds around it is 255 (ignored).
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .dataset import IGNORE_INDEX, unit_range

Mask = NDArray[np.uint8]
Pair = tuple[NDArray[Any], Mask]


class Transform(Protocol):
    """Anything that can be called so."""

    def __call__(self, image: NDArray[Any], mask: Mask, rng: np.random.Generator) -> Pair:
        """The changed image and mask; the ones given are left as they are."""


def resize_image(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
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


def resize_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """``mask`` ``(H, W)`` at ``size`` = (height, width), nearest neighbour.

    >>> resize_mask(np.array([[1, 2]], np.uint8), (2, 4)).tolist()
    [[1, 1, 2, 2], [1, 1, 2, 2]]
    """
    if mask.shape == size:
        return mask
    height, width = size
    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))


def _checked_size(name: str, size: tuple[int, int]) -> tuple[int, int]:
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"{name}: size must be (height, width), both 1 or more, got {size}")
    return size


class Compose:
    """One transform after another.

    >>> transform = Compose([Resize((8, 8)), RandomFlip(), Normalise([0.5], [0.25])])
    >>> image, mask = np.full((4, 4, 1), 255, np.uint8), np.zeros((4, 4), np.uint8)
    >>> image, mask = transform(image, mask, np.random.default_rng(0))
    >>> image.shape, float(image.max()), mask.shape
    ((8, 8, 1), 2.0, (8, 8))
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = tuple(transforms)

    def __call__(self, image: NDArray[Any], mask: Mask, rng: np.random.Generator) -> Pair:
        """Apply them in order."""
        for transform in self.transforms:
            image, mask = transform(image, mask, rng)
        return image, mask


class Resize:
    """Image and mask at ``size`` = (height, width)."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = _checked_size("Resize", size)

    def __call__(self, image: NDArray[Any], mask: Mask, rng: np.random.Generator) -> Pair:
        """Resize both."""
        return resize_image(image, self.size), resize_mask(mask, self.size)


class ResizeImage:
    """The image at ``size``, the mask as it is: for evaluation, which happens at the label's resolution."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = _checked_size("ResizeImage", size)

    def __call__(self, image: NDArray[Any], mask: Mask, rng: np.random.Generator) -> Pair:
        """Resize the image alone."""
        return resize_image(image, self.size), mask


class RandomFlip:
    """Mirror left and right in every other call, and upside down too if ``vertical``."""

    def __init__(self, horizontal: bool = True, vertical: bool = False) -> None:
        self.horizontal = horizontal
        self.vertical = vertical

    def __call__(self, image: NDArray[Any], mask: Mask, rng: np.random.Generator) -> Pair:
        """Flip both, or not."""
        if self.horizontal and rng.random() < 0.5:
            image, mask = image[:, ::-1], mask[:, ::-1]
        if self.vertical and rng.random() < 0.5:
            image, mask = image[::-1], mask[::-1]
        return np.ascontiguousarray(image), np.ascontiguousarray(mask)


class RandomScale:
    """Enlarge or shrink by a factor between ``low`` and ``high``, as likely to halve as to double."""

    def __init__(self, low: float = 0.5, high: float = 2.0) -> None:
        if not 0 < low <= high:
            raise ValueError(f"RandomScale: expected 0 < low <= high, got {low} and {high}")
        self.low = low
        self.high = high

    def __call__(self, image: NDArray[Any], mask: Mask, rng: np.random.Generator) -> Pair:
        """Scale both by one factor."""
        factor = np.exp(rng.uniform(np.log(self.low), np.log(self.high)))
        height, width = (max(1, round(length * factor)) for length in mask.shape)
        return resize_image(image, (height, width)), resize_mask(mask, (height, width))


class RandomCrop:
    """A random window of ``size``; where the image is smaller it is mirrored outwards and the mask is ignored."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = _checked_size("RandomCrop", size)

    def __call__(self, image: NDArray[Any], mask: Mask, rng: np.random.Generator) -> Pair:
        """Cut the same window out of both."""
        missing = [max(0, wanted - length) for wanted, length in zip(self.size, mask.shape, strict=True)]
        if any(missing):
            widths = [(lack // 2, lack - lack // 2) for lack in missing]
            image = np.pad(image, [*widths, (0, 0)], mode="reflect")
            mask = np.pad(mask, widths, constant_values=IGNORE_INDEX)
        top, left = (
            int(rng.integers(length - wanted + 1)) for length, wanted in zip(mask.shape, self.size, strict=True)
        )
        window = slice(top, top + self.size[0]), slice(left, left + self.size[1])
        return np.ascontiguousarray(image[window]), np.ascontiguousarray(mask[window])


class Normalise:
    """``(image - mean) / std`` for each channel, as ``float32``, of the image in 0..1.

    One mean and one standard deviation for each channel, or one for all; with ``bgr`` the channels then come in
    reverse, as weights trained with Caffe expect them. Raises ``ValueError`` when they are
    not as many, a ``std`` is not positive, or the image has another number of channels.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], bgr: bool = False) -> None:
        if len(mean) != len(std) or len(mean) == 0:
            raise ValueError(f"Normalise: {len(mean)} means but {len(std)} standard deviations")
        if min(std) <= 0:
            raise ValueError(f"Normalise: standard deviations must be positive, got {list(std)}")
        self.mean = np.array(mean, np.float32)
        self.std = np.array(std, np.float32)
        self.bgr = bgr

    def __call__(self, image: NDArray[Any], mask: Mask, rng: np.random.Generator) -> Pair:
        """Normalise the image; the mask stays."""
        if len(self.mean) not in (1, image.shape[2]):
            raise ValueError(f"Normalise: {len(self.mean)} means for an image of {image.shape[2]} channels")
        normalised = (unit_range(image) - self.mean) / self.std
        return np.ascontiguousarray(normalised[:, :, ::-1]) if self.bgr else normalised, mask
