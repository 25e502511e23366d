"""Augmentations by name, as the command line and a run's configuration have them: ``flip,scale=0.75:1.5``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...errors import InputError
from ..dataset import Size
from .base import Transform
from .colour import ColourJitter, RandomBlur, RandomNoise
from .geometry import ElasticDeformation, RandomCrop, RandomFlip, RandomRotate, RandomRotate90, RandomScale


@dataclass(frozen=True)
class Augmentation:
    """One that can be asked for: its transform, the numbers it is given if none are, its purpose."""

    create: Callable[..., Transform]
    numbers: tuple[float, ...]
    purpose: str


AUGMENTATIONS: dict[str, Augmentation] = {
    "elastic": Augmentation(ElasticDeformation, (10.0,), "U-Net's smooth deformation; the displacement in pixels"),
    "rotate": Augmentation(RandomRotate, (15.0,), "turned by so many degrees at most"),
    "scale": Augmentation(RandomScale, (0.75, 1.5), "enlarged or shrunk, between these factors"),
    "rare": Augmentation(RandomCrop, (0.5,), "windows around rare classes: in such a share of them"),
    "flip": Augmentation(RandomFlip, (), "mirrored left and right"),
    "vflip": Augmentation(lambda: RandomFlip(horizontal=False, vertical=True), (), "mirrored upside down"),
    "rotate90": Augmentation(RandomRotate90, (), "turned by quarters (halves where not square)"),
    "colour": Augmentation(ColourJitter, (0.3,), "brightness, contrast, saturation: times 1 plus or minus this"),
    "blur": Augmentation(RandomBlur, (1.0,), "blurred by so many pixels at most"),
    "noise": Augmentation(RandomNoise, (0.05,), "noise of such a share of the images' range (4 standard deviations)"),
}
"""All that can be asked for, in the order in which they are applied."""

NONE = "none"


def parse_augmentations(text: str) -> tuple[str, ...]:
    """Names, with numbers or not, separated by commas, in full and in the order in which they are applied.

    Raises ``InputError`` for others, and for one that comes twice.

    >>> parse_augmentations("flip,scale,rotate=10")
    ('rotate=10', 'scale=0.75:1.5', 'flip')
    >>> parse_augmentations("none")
    ()
    """
    if text.strip() == NONE:
        return ()
    requested: dict[str, str] = {}
    for part in text.split(","):
        name, numbers = _parse(part.strip())
        if name in requested:
            raise InputError(f"--augment: {name!r} is named twice")
        requested[name] = name + ("=" + ":".join(f"{number:g}" for number in numbers) if numbers else "")
    return tuple(requested[name] for name in AUGMENTATIONS if name in requested)


def _parse(text: str) -> tuple[str, tuple[float, ...]]:
    """A name, and its numbers with those that stand for what was left out."""
    name, equals, given = text.partition("=")
    if name not in AUGMENTATIONS:
        raise InputError(f"--augment: no augmentation {text!r}; there are {', '.join(AUGMENTATIONS)}, or {NONE}")
    default = AUGMENTATIONS[name].numbers
    if not equals:
        return name, default
    try:
        numbers = tuple(float(number) for number in given.split(":"))
    except ValueError:
        numbers = ()
    if len(numbers) != len(default) or not all(map(math.isfinite, numbers)):
        example = f"{name}={':'.join(f'{number:g}' for number in default)}" if default else name
        raise InputError(f"--augment: {text!r} is not understood; expected {example}")
    if name != "rare":
        _create(name, numbers)
    elif not 0 <= numbers[0] <= 1:
        raise InputError(f"--augment: rare is a share of 0 to 1, got {numbers[0]:g}")
    return name, numbers


def _create(name: str, numbers: Sequence[float]) -> Transform:
    try:
        return AUGMENTATIONS[name].create(*numbers)
    except ValueError as error:
        raise InputError(f"--augment: {error}") from error


def augmentations(specifications: Sequence[str], crop: Size | None, spread: float | None = None) -> list[Transform]:
    """The transforms for what :func:`parse_augmentations` gave, a window of ``crop`` taken in its place among them.

    ``spread`` is the standard deviation of the images in 0..1, where it is known; see :class:`RandomNoise`.

    >>> [type(step).__name__ for step in augmentations(("scale=0.75:1.5", "flip"), (64, 64))]
    ['RandomScale', 'RandomCrop', 'RandomFlip']
    """
    requested = dict(_parse(text) for text in specifications)
    steps: list[Transform] = []
    for name in AUGMENTATIONS:
        if name == "rare":
            if crop is not None:
                steps.append(RandomCrop(crop, *requested.get(name, (0.0,))))
        elif name == "noise" and name in requested and spread is not None:
            steps.append(_create(name, (*requested[name], spread)))
        elif name in requested:
            steps.append(_create(name, requested[name]))
    return steps
