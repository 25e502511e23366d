"""Changes of what is seen: colour, sharpness, noise, and the normalisation that networks want."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...finite import check_normalisation
from ..dataset import Sample
from .base import Transform

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def _as_floats(image: NDArray[Any]) -> tuple[NDArray[np.float32], float]:
    """A copy of the image as numbers, and what white is among them."""
    if image.dtype == np.uint8:
        return image.astype(np.float32, order="C"), 255.0
    if image.dtype == np.float32:
        return image.copy(order="C"), 1.0
    raise TypeError(f"an image must be uint8, or float32 in 0..1, got {image.dtype}")


def _as_image(values: NDArray[np.float32], white: float) -> NDArray[Any]:
    """The inverse; what is brighter than white is white."""
    np.clip(values, 0, np.float32(white), out=values)
    if white == 1.0:
        return values
    values += np.float32(0.5)
    return values.astype(np.uint8)


class ColourJitter(Transform):
    """Brightness, contrast and saturation times a factor of 1 - ``strength`` to 1 + ``strength`` each.

    ::

        brightness: x = b x      contrast: x = mean + c (x - mean)      saturation: x = grey + s (x - grey)

    ``mean`` is the image's, ``grey`` the pixel's luma. Grey images have no saturation.
    """

    def __init__(self, strength: float = 0.3) -> None:
        if not 0 <= strength < 1:
            raise ValueError(f"ColourJitter: strength must be at least 0 and less than 1, got {strength}")
        self.strength = strength

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Change the image alone."""
        brightness, contrast, saturation = rng.uniform(1 - self.strength, 1 + self.strength, 3).astype(np.float32)
        values, white = _as_floats(sample.image)
        values *= brightness * contrast
        values += (1 - contrast) * brightness * np.float32(sample.image.mean())
        if values.shape[2] == 3:
            grey = (LUMA[0] * values[:, :, 0] + LUMA[1] * values[:, :, 1] + LUMA[2] * values[:, :, 2])[:, :, None]
            values *= saturation
            values += (1 - saturation) * grey
        return sample._replace(image=_as_image(values, white))


class RandomBlur(Transform):
    """A Gaussian blur of 0 to ``sigma`` pixels in every other call."""

    def __init__(self, sigma: float = 1.0) -> None:
        if sigma < 0:
            raise ValueError(f"RandomBlur: sigma must not be negative, got {sigma}")
        self.sigma = sigma

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Blur the image alone."""
        from scipy import ndimage

        blurred, sigma = rng.random() < 0.5, rng.uniform(0, self.sigma)
        if not blurred:
            return sample
        values, white = _as_floats(sample.image)
        return sample._replace(image=_as_image(ndimage.gaussian_filter(values, (sigma, sigma, 0)), white))


class RandomNoise(Transform):
    """Gaussian noise whose standard deviation is 0 to ``strength`` of the images' range, anew for each value.

    ::

        x = x + u strength (4 spread) white n,    u uniform in 0..1, n normal

    Their range is four times their ``spread``, the standard deviation of images in 0..1. With the usual 0.25 it is
    all of black to white; images that use a few of 65536 levels have a small one, and noise of a share of white would
    be many times what they show.
    """

    def __init__(self, strength: float = 0.05, spread: float = 0.25) -> None:
        if strength < 0:
            raise ValueError(f"RandomNoise: strength must not be negative, got {strength}")
        if not 0 < spread <= 1:
            raise ValueError(f"RandomNoise: spread must be more than 0 and at most 1, got {spread}")
        self.strength, self.spread = strength, spread

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Add noise to the image alone."""
        values, white = _as_floats(sample.image)
        noise = rng.standard_normal(values.shape, np.float32)
        noise *= np.float32(4 * self.spread * white * rng.uniform(0, self.strength))
        values += noise
        return sample._replace(image=_as_image(values, white))


class Normalise(Transform):
    """``(image - mean) / std`` for each channel, as ``float32``, of the image in 0..1.

    One mean and one standard deviation for each channel, or one for all; with ``bgr`` the channels then come in
    reverse, as weights trained with Caffe expect them. Raises ``ValueError`` when they are not as many, a ``std`` is
    not positive, one of them is not finite or so large or small that nothing would be left of an image, or the image
    has another number of channels.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], bgr: bool = False) -> None:
        check_normalisation("Normalise", mean, std)
        self.mean = np.array(mean, np.float64)
        self.std = np.array(std, np.float64)
        self.bgr = bgr

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Normalise the image; all else stays."""
        return sample._replace(image=self.image(sample.image))

    def image(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """The normalised image ``(H, W, C)``."""
        height, width, channels = image.shape
        if len(self.mean) not in (1, channels):
            raise ValueError(f"Normalise: {len(self.mean)} means for an image of {channels} channels")
        mean, std = self.mean, self.std
        if self.bgr:
            image, mean, std = image[:, :, ::-1], mean[::-1], std[::-1]
        values, white = _as_floats(image)
        # Factors as long as a row: NumPy is several times slower where the innermost axis has only 3 elements. It
        # lets go of the interpreter lock meanwhile, so that other threads load, too.
        rows = values.reshape(height, width * channels)
        rows *= _row(1 / (white * std), width, channels)
        rows -= _row(mean / std, width, channels)
        return values


def _row(factors: NDArray[np.float64], width: int, channels: int) -> NDArray[np.float32]:
    """The factors of the channels, again and again for each pixel of a row."""
    return np.tile(np.broadcast_to(factors, channels), width).astype(np.float32)
