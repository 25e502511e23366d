"""From a configuration to its parts: data sets, what is done to their images, loaders, the model."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import backend, models
from ...data import (
    Batch,
    BorderWeights,
    Classes,
    Compose,
    DataLoader,
    Dataset,
    Normalise,
    Resize,
    ResizeImage,
    Sample,
    Transform,
    augmentations,
    get_kind,
    open_dataset,
    parse_table,
)
from ...errors import DataError, InputError, many
from ...models import Network, Preprocessing, SegmentationModel
from ...options import Size
from ...tensor import Tensor
from ..config.config import Config, DataConfig


def open_split(data: DataConfig, split: str, extra: Mapping[str, Any] | None = None) -> Dataset:
    """A split of the data that a run is about, with the masks of ``extra`` targets, of which the numbers of classes
    are given by name; raises ``DataError`` if it is not as it was when the run began.
    """
    kind = get_kind(data.name)
    dataset = open_dataset(
        data.name,
        split,
        root=data.root,
        num_classes=data.num_classes if "num_classes" in kind.takes else None,
        size=data.size if kind.drawn else None,
        val_fraction=data.val_fraction,
        seed=data.seed,
        mapping=None if data.mapping is None else parse_table(data.mapping, "the run's mapping"),
        crowds=data.crowds,
        as_stored=data.as_stored and not kind.drawn,
        **(extra or {}),
    )
    check_classes(data, dataset)
    return dataset


def check_classes(data: DataConfig, dataset: Dataset) -> None:
    """``DataError`` unless the labels of ``dataset`` mean what those of the run do."""
    if len(dataset.classes) != data.num_classes:
        raise DataError(
            f"{dataset.name}: has {many(len(dataset.classes), 'class')}, but the run was for {data.num_classes}"
        )
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
    """Name and size of each image."""
    return [(dataset.sample_name(index), dataset.size(index)) for index in range(len(dataset))]


def names_digest(dataset: Dataset) -> str:
    """A short text that is another one when the images of ``dataset`` have other names, or come in another order."""
    names = [dataset.sample_name(index) for index in range(len(dataset))]
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:16]


def create_model(config: Config) -> SegmentationModel:
    """The network, with random weights, as its stage has it, and with the preprocessing that the run's are trained
    with.
    """
    data, given = config.data, config.model
    stage = config.training.stage
    model = segmentation_model(given.name, data.num_classes, data.in_channels, given.options, stage)
    model.preprocessing = Preprocessing(data.mean, data.std, data.bgr)
    return model


def segmentation_model(
    name: str, num_classes: int, in_channels: int, options: Mapping[str, Any], stage: str | None = None
) -> SegmentationModel:
    """``models.create``, in a stage if there is one; raises ``InputError`` for a network that does not label pixels,
    or is not trained in stages.
    """
    model = models.create(name, num_classes=num_classes, in_channels=in_channels, **options)
    if not isinstance(model, SegmentationModel):
        raise InputError(f"{name} is a classifier, and labels no pixels; take a network made of it, fcn8s")
    if stage is not None:
        if not model.stages:
            raise InputError(f"--stage is for --model {', '.join(models.stages())}; {name} is not trained in stages")
        try:
            model.train_stage(stage)
        except ValueError as error:
            raise InputError(f"--stage {stage}: {error}") from error
    return model


def check_size(model: Network, size: tuple[int, ...], what: str) -> None:
    """``InputError`` if an image of ``size`` is too small for ``model``; ``what`` says which image that is."""
    height, width = model.min_size
    if size[0] < height or size[1] < width:
        raise InputError(
            f"{what} of {size[0]}x{size[1]} is too small for {model.name}, which needs {height}x{width} at least"
        )


def to_channels(image: NDArray[Any], channels: int) -> NDArray[Any]:
    """``image`` (H, W, C) with 3 equal channels instead of 1, or with 1, its luma, instead of 3."""
    if image.shape[2] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=2)
    luma = image @ np.array([0.299, 0.587, 0.114], np.float32)
    return (np.rint(luma) if image.dtype == np.uint8 else luma).astype(image.dtype)[:, :, None]


class ToChannels(Transform):
    """The same for a data set: a split may be all grey while the one that the model was trained on is not."""

    def __init__(self, channels: int) -> None:
        self.channels = channels

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Convert the image alone."""
        return sample._replace(image=to_channels(sample.image, self.channels))


def training_transform(data: DataConfig) -> Transform:
    """Resize, augment (a crop among the augmentations), normalise: as far as each is asked for."""
    resize: list[Transform] = [] if data.size is None else [Resize(data.size)]
    changes = augmentations(data.augment, data.crop, data.spread)
    return Compose([*resize, *changes, Normalise(data.mean, data.std, data.bgr)])


def evaluation_transform(data: DataConfig) -> Transform:
    """The image with the model's channels, resized as in training and normalised; the label as it is."""
    resize: list[Transform] = [] if data.size is None else [ResizeImage(data.size)]
    return Compose([ToChannels(data.in_channels), *resize, Normalise(data.mean, data.std, data.bgr)])


def training_loader(config: Config, dataset: Dataset, workers: int) -> DataLoader:
    """Full batches only: the statistics of a batch of one left-over image would be poor."""
    training = config.training
    size, seed = training.batch_size, training.seed
    transform = training_transform(config.data)
    if training.border_weights is not None:
        dataset = BorderWeights(dataset, *training.border_weights, training.class_weights)
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


class Sent(NamedTuple):
    """A batch's images, labels, weights of pixels (or None) and labels of extra targets by name, as tensors of the
    default device.
    """

    images: Tensor
    labels: Tensor
    weights: Tensor | None
    extra: dict[str, Tensor]


def send(batch: Batch) -> Callable[[], Sent]:
    """Begin to copy a batch to the default device; what comes back waits for it."""
    device = backend.get_default_device()

    def begin(values: NDArray[Any]) -> Callable[[], Tensor]:
        arrives = backend.kernels(device).send(values)
        return lambda: Tensor(arrives(), device)

    images, labels = begin(batch.images), begin(batch.labels)
    weights = None if batch.weights is None else begin(batch.weights)
    extra = {target: begin(values) for target, values in batch.extra.items()}
    return lambda: Sent(
        images(),
        labels(),
        None if weights is None else weights(),
        {target: arrives() for target, arrives in extra.items()},
    )


def sent_ahead(batches: Iterable[Batch]) -> Iterator[tuple[Batch, Sent]]:
    """Batches and their tensors; while the caller works with one batch, the next one is on its way to a GPU."""
    waiting: deque[tuple[Batch, Callable[[], Sent]]] = deque()
    for batch in batches:
        waiting.append((batch, send(batch)))
        if len(waiting) == 2:
            before, arrived = waiting.popleft()
            yield before, arrived()
    while waiting:
        before, arrived = waiting.popleft()
        yield before, arrived()
