"""What a transform is.

A transform is called as ``transform(sample, rng)`` and returns the changed sample: image, mask, and the objects,
weights and extra masks of its pixels where there are any, all by the same change. What is random in it comes from
``rng`` alone, which the loader makes anew for each sample and epoch: so neither the order of samples nor the number
of threads matters.

Images are ``(H, W, C)``, ``uint8`` or ``float32`` in 0..1; masks are ``(H, W)`` ``uint8``. Values of a mask are never
mixed, and what comes from outside the image is 255 (ignored) in it, no object, and mirrored in the image.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dataset import IGNORE_INDEX, Sample

Plane = NDArray[Any]
PairFunction = Callable[[NDArray[Any], NDArray[np.uint8]], tuple[NDArray[Any], NDArray[np.uint8]]]


class Transform(ABC):
    """A change of samples. Subclass it, or hand a plain function to :class:`Compose` or the loader."""

    @abstractmethod
    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The changed sample; the arrays of the one given are left as they are."""


class PairTransform(Transform):
    """A function ``(image, mask) -> (image, mask)`` as a transform: other libraries plug in here.

    What is random in it is its own affair; it is not seeded by sample and epoch. Raises ``ValueError`` for samples
    with objects or weights, which such a function cannot move along, and when an image and a mask of different sizes
    or types come back.

    >>> invert = PairTransform(lambda image, mask: (255 - image, mask))
    >>> sample = Sample(np.zeros((2, 2, 1), np.uint8), np.zeros((2, 2), np.uint8), "black")
    >>> int(invert(sample, np.random.default_rng()).image.max())
    255
    """

    def __init__(self, function: PairFunction) -> None:
        self.function = function

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Call the function."""
        name = getattr(self.function, "__name__", type(self.function).__name__)
        if sample.instances is not None or sample.weights is not None or sample.extra:
            raise ValueError(
                f"{name} changes an image and its mask, but {sample.name} has objects, weights or a second mask that "
                "would stay behind; write a tinyseg.data.Transform, which gets the whole sample"
            )
        image, mask = self.function(sample.image, sample.mask)
        if image.ndim != 3 or image.shape[:2] != mask.shape or image.dtype not in (np.uint8, np.float32):
            raise ValueError(
                f"{name}: expected an image (H, W, C), uint8 or float32 in 0..1, and a mask (H, W), got "
                f"{image.dtype} {image.shape} and {mask.dtype} {mask.shape}"
            )
        return sample._replace(image=image, mask=np.asarray(mask, np.uint8))


AnyTransform = Transform | PairFunction


def as_transform(function: AnyTransform) -> Transform:
    """A transform as it is, and any other callable as a :class:`PairTransform`; ``TypeError`` for the rest."""
    if isinstance(function, Transform):
        return function
    if inspect.isclass(function) or not callable(function):
        raise TypeError(f"expected a transform, or a function (image, mask) -> (image, mask), got {function!r}")
    return PairTransform(function)


class Compose(Transform):
    """One transform after another; functions ``(image, mask) -> (image, mask)`` will do.

    >>> from tinyseg.data import Normalise, RandomFlip, Resize
    >>> transform = Compose([Resize((8, 8)), RandomFlip(), Normalise([0.5], [0.25])])
    >>> sample = Sample(np.full((4, 4, 1), 255, np.uint8), np.zeros((4, 4), np.uint8), "white")
    >>> sample = transform(sample, np.random.default_rng(0))
    >>> sample.image.shape, float(sample.image.max()), sample.mask.shape
    ((8, 8, 1), 2.0, (8, 8))
    """

    def __init__(self, transforms: Sequence[AnyTransform]) -> None:
        self.transforms = tuple(as_transform(transform) for transform in transforms)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Apply them in order."""
        for transform in self.transforms:
            sample = transform(sample, rng)
        return sample


def moved(sample: Sample, values: Callable[[Plane], Plane], labels: Callable[[Plane, int], Plane]) -> Sample:
    """``sample`` with its pixels in other places.

    ``values`` moves ``(H, W, C)`` of numbers that may be mixed (the image, the weights as one channel); ``labels``
    moves ``(H, W)`` of numbers that may not, and is told what lies outside.
    """
    return sample._replace(
        image=values(sample.image),
        mask=labels(sample.mask, IGNORE_INDEX),
        instances=None if sample.instances is None else labels(sample.instances, 0),
        weights=None if sample.weights is None else values(sample.weights[:, :, None])[:, :, 0],
        extra={name: labels(mask, IGNORE_INDEX) for name, mask in sample.extra.items()},
    )
