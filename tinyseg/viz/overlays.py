"""Masks in colour, alone and over their images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import IGNORE_INDEX, Classes, unit_range


def colorize(mask: NDArray[Any], classes: Classes) -> NDArray[np.uint8]:
    """The picture ``(H, W, 3)`` ``uint8`` of a mask ``(H, W)`` in the colours of ``classes``.

    Ignored pixels (255) have ``classes.void_color``. Raises ``ValueError`` for values that are no class.

    >>> colorize(np.array([[1, 255]]), Classes.numbered(2)).tolist()
    [[[128, 0, 0], [224, 224, 192]]]
    """
    if mask.ndim != 2 or mask.dtype.kind not in "iu":
        raise ValueError(f"colorize: expected an integer mask (H, W), got {mask.dtype} {mask.shape}")
    if ((mask != IGNORE_INDEX) & ((mask < 0) | (mask >= len(classes)))).any():
        raise ValueError(f"colorize: the mask has values that are none of {len(classes)} classes")
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(classes)] = classes.palette
    palette[IGNORE_INDEX] = classes.void_color
    return palette[mask]


def overlay(image: NDArray[Any], mask: NDArray[Any], classes: Classes, alpha: float = 0.5) -> NDArray[np.uint8]:
    """The image with its mask laid over it: ``(1 - alpha) * image + alpha * colour``; ``(H, W, 3)`` ``uint8``.

    ``image`` is ``(H, W, 1 or 3)``, ``uint8`` or ``float32`` in 0..1. Ignored pixels show the image alone. Raises
    ``ValueError`` when sizes differ or ``alpha`` is not in 0..1.

    >>> overlay(np.full((1, 2, 1), 100, np.uint8), np.array([[1, 255]]), Classes.numbered(2)).tolist()
    [[[114, 50, 50], [100, 100, 100]]]
    """
    if image.shape[:2] != mask.shape:
        raise ValueError(f"overlay: the image is {image.shape[:2]} but the mask {mask.shape}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"overlay: alpha must be 0 to 1, got {alpha}")
    base = as_rgb(image)
    mixed = (1 - alpha) * base + alpha * colorize(mask, classes)
    shown = np.where((mask == IGNORE_INDEX)[:, :, None], base, np.rint(mixed))
    return shown.astype(np.uint8)


def stretched(image: NDArray[Any], span: tuple[float, float] | None = None) -> NDArray[Any]:
    """An image for the eye: of a ``float32`` one the darkest value becomes black and the brightest white.

    Files of 16 bits often use few of their levels, and would be black. ``span`` is what becomes black and white,
    where ``image`` is part of another. Bytes, and images of one value, stay as they are.

    >>> stretched(np.array([[[0.001], [0.002], [0.003]]], np.float32)).round(3).tolist()
    [[[0.0], [0.5], [1.0]]]
    """
    if image.dtype == np.uint8 or not image.size:
        return image
    low, high = (float(image.min()), float(image.max())) if span is None else span
    return image if high <= low else ((image - np.float32(low)) / np.float32(high - low)).astype(np.float32)


def as_rgb(image: NDArray[Any]) -> NDArray[np.uint8]:
    """An image ``(H, W, 1 or 3)`` as ``(H, W, 3)`` bytes."""
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"expected an image (H, W, 1 or 3), got {image.shape}")
    levels = np.rint(np.clip(unit_range(image), 0, 1) * 255).astype(np.uint8)
    return np.repeat(levels, 3, axis=2) if image.shape[2] == 1 else levels
