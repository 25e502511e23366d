"""Changes of samples: image, mask, objects and weights together (:mod:`~tinyseg.data.transforms.base`)."""

from .base import AnyTransform, Compose, PairTransform, Transform, as_transform
from .colour import ColourJitter, Normalise, RandomBlur, RandomNoise
from .geometry import (
    ElasticDeformation,
    RandomCrop,
    RandomFlip,
    RandomRotate,
    RandomRotate90,
    RandomScale,
    Resize,
    ResizeImage,
    resize_image,
    resize_labels,
)
from .named import AUGMENTATIONS, augmentations, parse_augmentations

__all__ = [
    "AUGMENTATIONS",
    "AnyTransform",
    "ColourJitter",
    "Compose",
    "ElasticDeformation",
    "Normalise",
    "PairTransform",
    "RandomBlur",
    "RandomCrop",
    "RandomFlip",
    "RandomNoise",
    "RandomRotate",
    "RandomRotate90",
    "RandomScale",
    "Resize",
    "ResizeImage",
    "Transform",
    "as_transform",
    "augmentations",
    "parse_augmentations",
    "resize_image",
    "resize_labels",
]
