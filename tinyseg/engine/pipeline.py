"""From a configuration to its parts: data sets, what is done to their images, loaders, the model, its optimiser."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import models, optim
from ..data import (
    Classes,
    Compose,
    DataLoader,
    Dataset,
    Normalise,
    RandomCrop,
    RandomFlip,
    RandomScale,
    Resize,
    ResizeImage,
    open_dataset,
)
from ..data.images import read_header
from ..data.transforms import Transform
from ..errors import DataError, InputError
from ..models import Preprocessing, SegmentationModel
from ..optim.lr_scheduler import CosineAnnealingLR, LRScheduler, PolynomialLR, StepLR
from .config import Config, DataConfig, Size, TrainingConfig

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("poly", "cosine", "step", "constant")


def open_split(data: DataConfig, split: str) -> Dataset:
    """A split of the data that a run is about; raises ``DataError`` if it is not as it was when the run began."""
    dataset = open_dataset(
        data.name,
        split,
        root=data.root,
        num_classes=data.num_classes,
        size=data.size if data.name == "shapes" else None,
        val_fraction=data.val_fraction,
        seed=data.seed,
    )
    check_classes(data, dataset)
    return dataset


def check_classes(data: DataConfig, dataset: Dataset) -> None:
    """``DataError`` unless the labels of ``dataset`` mean what those of the run do."""
    if len(dataset.classes) != data.num_classes:
        raise DataError(f"{dataset.name}: has {len(dataset.classes)} classes, but the run was for {data.num_classes}")
    if dataset.classes.names == Classes.numbered(data.num_classes).names:
        return  # a folder whose classes have no names
    renamed = [
        f"{index} is {new!r}, was {old!r}"
        for index, (new, old) in enumerate(zip(dataset.classes.names, data.class_names, strict=True))
        if new != old
    ]
    if renamed:
        raise DataError(f"{dataset.name}: its classes are not those of the run: {'; '.join(renamed[:3])}")


def image_sizes(dataset: Dataset) -> list[tuple[str, Size]]:
    """Name and size of each image that is read from a file; of one only where all are drawn at one size."""
    pairs = getattr(dataset, "pairs", None)
    if pairs is None:
        sample = dataset[0]
        return [(sample.name, (sample.mask.shape[0], sample.mask.shape[1]))]
    return [(image.name, read_header(image).size) for image, _ in pairs]


def names_digest(dataset: Dataset) -> str:
    """A short text that is another one when the files of ``dataset`` have other names, or come in another order."""
    names = [image.name for image, _ in getattr(dataset, "pairs", ())]
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:16]


def create_model(config: Config) -> SegmentationModel:
    """The network, with random weights, and with the preprocessing that the run's are trained with."""
    data = config.data
    model = segmentation_model(config.model.name, data.num_classes, data.in_channels, config.model.options)
    model.preprocessing = Preprocessing(data.mean, data.std, data.bgr)
    return model


def segmentation_model(
    name: str, num_classes: int, in_channels: int, options: Mapping[str, Any]
) -> SegmentationModel:
    """``models.create``; raises ``InputError`` for a network that does not label pixels."""
    model = models.create(name, num_classes=num_classes, in_channels=in_channels, **options)
    if not isinstance(model, SegmentationModel):
        raise InputError(f"{name} is a classifier, and labels no pixels; take a network made of it, fcn8s")
    return model


def to_channels(image: NDArray[Any], channels: int) -> NDArray[Any]:
    """``image`` (H, W, C) with 3 equal channels instead of 1, or with 1, its luma, instead of 3."""
    if image.shape[2] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=2)
    luma = image @ np.array([0.299, 0.587, 0.114], np.float32)
    return (np.rint(luma) if image.dtype == np.uint8 else luma).astype(image.dtype)[:, :, None]


class ToChannels:
    """The same for a data set: a split may be all grey while the one that the model was trained on is not."""

    def __init__(self, channels: int) -> None:
        self.channels = channels

    def __call__(
        self, image: NDArray[Any], mask: NDArray[np.uint8], rng: np.random.Generator
    ) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Convert the image alone."""
        return to_channels(image, self.channels), mask


def training_transform(data: DataConfig) -> Transform:
    """Resize, scale, crop, flip, normalise: as far as each is asked for."""
    steps: list[Transform] = []
    if data.size is not None:
        steps.append(Resize(data.size))
    if data.scale is not None:
        steps.append(RandomScale(*data.scale))
    if data.crop is not None:
        steps.append(RandomCrop(data.crop))
    if data.flip:
        steps.append(RandomFlip())
    return Compose([*steps, Normalise(data.mean, data.std, data.bgr)])


def evaluation_transform(data: DataConfig) -> Transform:
    """The image with the model's channels, resized as in training and normalised; the label as it is."""
    resize: list[Transform] = [] if data.size is None else [ResizeImage(data.size)]
    return Compose([ToChannels(data.in_channels), *resize, Normalise(data.mean, data.std, data.bgr)])


def training_loader(config: Config, dataset: Dataset, workers: int) -> DataLoader:
    """Full batches only: the statistics of a batch of one left-over image would be poor."""
    size, seed = config.training.batch_size, config.training.seed
    transform = training_transform(config.data)
    return DataLoader(dataset, size, transform, shuffle=True, seed=seed, workers=workers, drop_last=True)


def evaluation_loader(config: Config, dataset: Dataset, workers: int) -> DataLoader:
    """Every image once, in order."""
    return DataLoader(dataset, evaluation_batch(config, dataset), evaluation_transform(config.data), workers=workers)


def evaluation_batch(config: Config, dataset: Dataset) -> int:
    """How many images to evaluate at once: as many as have the pixels of a batch in training, and 1 at least.

    Training takes windows of images that keep their size; evaluation sees those images whole.
    """
    count, data = config.training.batch_size, config.data
    if data.size is not None or data.crop is None:
        return count
    largest = max(math.prod(size) for _, size in image_sizes(dataset))
    return min(count, max(1, count * math.prod(data.crop) // largest))


def create_optimizer(training: TrainingConfig, model: SegmentationModel) -> optim.Optimizer:
    """The optimiser of the run; weight decay acts on the weights of convolutions, not on biases and batch norm."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if training.optimizer == "sgd":
        return optim.SGD(groups, lr=training.lr, momentum=training.momentum)
    if training.optimizer in ("adam", "adamw"):
        kind = optim.Adam if training.optimizer == "adam" else optim.AdamW
        return kind(groups, lr=training.lr, betas=(training.momentum, 0.999))
    raise InputError(f"unknown optimizer {training.optimizer!r}; there are {', '.join(OPTIMIZERS)}")


def create_schedule(training: TrainingConfig, optimizer: optim.Optimizer, batches: int) -> LRScheduler:
    """The learning rate's course over the run's steps; ``step`` divides it by 10 after each third."""
    total = training.epochs * batches
    if training.schedule == "poly":
        return PolynomialLR(optimizer, total, power=0.9)
    if training.schedule == "cosine":
        return CosineAnnealingLR(optimizer, total)
    if training.schedule == "step":
        return StepLR(optimizer, math.ceil(total / 3))
    if training.schedule == "constant":
        return LRScheduler(optimizer)
    raise InputError(f"unknown schedule {training.schedule!r}; there are {', '.join(SCHEDULES)}")
