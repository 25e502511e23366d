"""From what a user asks for to a settled configuration; whatever cannot work is refused here, before any work."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data import (
    IGNORE_INDEX,
    ClassCounts,
    Dataset,
    class_counts,
    measure_normalisation,
    median_frequency_weights,
    open_dataset,
)
from ..errors import DataError, InputError, flag
from ..models import Network, Preprocessing, SegmentationModel
from ..nn.init import skip
from .config import Config, DataConfig, ModelConfig, Size, TrainingConfig, format_color
from .pipeline import OPTIMIZERS, SCHEDULES, image_sizes, segmentation_model
from .start import Start, open_weights

EPOCHS = {"shapes": 3}
OTHER_EPOCHS = 50
LEARNING_RATES = {"adam": 2e-3, "adamw": 2e-3, "sgd": 5e-2}
CLASS_WEIGHTS = ("none", "median")
SCALES = (0.75, 1.5)
MAX_CROP, CROP_MULTIPLE = 512, 32


@dataclass(frozen=True)
class TrainOptions:
    """What a user may say about a run; None stands for a choice that depends on the data or the optimiser.

    ``size`` is (height, width). ``momentum`` is Adam's first beta, too. ``data_seed`` chooses the images (of
    ``shapes``) or the validation split (of ``folder``), ``seed`` all the rest, so that runs with other seeds are
    measured on the same images. ``weights``: a file that the network begins with; with ``partial_weights``
    it need not fit in all.
    """

    data: str = "shapes"
    root: str | None = None
    num_classes: int | None = None
    val_fraction: float | None = None
    data_seed: int = 0
    size: Size | None = None
    augment: bool = True
    model: str = "fcn8s"
    model_options: Mapping[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    batch_size: int = 8
    optimizer: str = "adam"
    lr: float | None = None
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = "cosine"
    class_weights: str = "none"
    seed: int = 0
    weights: str | None = None
    partial_weights: bool = False


@dataclass(frozen=True)
class Plan:
    """A run that is ready to start: its configuration, its images, what the user should know about it, and the
    weights that it begins with, where they are not random.
    """

    config: Config
    train_set: Dataset
    val_set: Dataset
    notes: tuple[str, ...]
    start: Start | None = None


def prepare(options: TrainOptions) -> Plan:
    """Open the data, settle what was left open, check that all fits together.

    Raises ``InputError`` for options, and ``DataError`` for data, that cannot be used.
    """
    _check_numbers(options)
    root = None if options.root is None else str(Path(options.root).absolute())
    train_set, val_set = (
        open_dataset(
            options.data,
            split,
            root=root,
            num_classes=options.num_classes,
            size=options.size if options.data == "shapes" else None,
            val_fraction=options.val_fraction,
            seed=options.data_seed,
        )
        for split in ("train", "val")
    )
    with skip():  # its sizes are asked for, not its weights
        model = segmentation_model(
            options.model, len(train_set.classes), train_set.in_channels, options.model_options
        )
    weights_path = None if options.weights is None else str(Path(options.weights).absolute())
    start = None if weights_path is None else open_weights(weights_path, model, options.partial_weights)
    crop = _check_sizes(options, model, train_set, val_set)
    notes: list[str] = []
    if start is not None and model.preprocessing is None:
        notes.append(
            f"what {options.weights} expects of images is not known: they are normalised by the mean and standard "
            "deviation of the training images"
        )
    batch_size = _batch_size(options, train_set, notes)
    _check_batch_norm(model, batch_size, crop or options.size)
    counts = _count_labels(options, train_set, val_set, notes)
    data = _data_config(options, root, train_set, crop, model.preprocessing or _measured(train_set))
    weights = None if counts is None else tuple(median_frequency_weights(counts).tolist())
    training = _training_config(options, batch_size, weights if options.class_weights == "median" else None)
    from .. import __version__

    model_config = ModelConfig(options.model, dict(options.model_options), weights_path)
    return Plan(Config(__version__, data, model_config, training), train_set, val_set, tuple(notes), start)


def _check_numbers(options: TrainOptions) -> None:
    for name in ("epochs", "batch_size"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise InputError(f"{flag(name)} must be at least 1, got {value}")
    if options.lr is not None and not 0 < options.lr < math.inf:
        raise InputError(f"--lr must be positive, got {options.lr}")
    if not 0 <= options.momentum < 1:
        raise InputError(f"--momentum must be at least 0 and less than 1, got {options.momentum}")
    if not 0 <= options.weight_decay < math.inf:
        raise InputError(f"--weight-decay must not be negative, got {options.weight_decay}")
    for name in ("seed", "data_seed"):
        if not 0 <= getattr(options, name) < 2**63:
            raise InputError(f"{flag(name)} must be 0 to 2**63 - 1, got {getattr(options, name)}")
    for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("class_weights", CLASS_WEIGHTS)):
        if getattr(options, name) not in known:
            raise InputError(f"unknown {flag(name)} {getattr(options, name)!r}; there are {', '.join(known)}")


def check_size(model: Network, size: tuple[int, ...], what: str) -> None:
    """``InputError`` if an image of ``size`` is too small for ``model``; ``what`` says which image that is."""
    height, width = model.min_size
    if size[0] < height or size[1] < width:
        raise InputError(
            f"{what} of {size[0]}x{size[1]} is too small for {model.name}, which needs {height}x{width} at least"
        )


def _check_sizes(
    options: TrainOptions, model: SegmentationModel, train_set: Dataset, val_set: Dataset
) -> Size | None:
    """The window that training takes, or None where images have one size and stay whole."""
    if options.size is not None:
        check_size(model, options.size, "a size")
        return options.size if options.augment and options.data != "shapes" else None
    name, smallest = _smallest(train_set)
    _, smallest_val = _smallest(val_set)
    check_size(model, smallest, f"the training image {name}")
    check_size(model, smallest_val, "a validation image")
    if options.data == "shapes":
        return None
    height, width = (
        min(MAX_CROP, max(n - n % CROP_MULTIPLE, m)) for n, m in zip(smallest, model.min_size, strict=True)
    )
    return height, width


def _smallest(dataset: Dataset) -> tuple[str, Size]:
    """Name and size of the image with the fewest rows, and the least height and width there are."""
    sizes = image_sizes(dataset)
    least = min(size[0] for _, size in sizes), min(size[1] for _, size in sizes)
    return min(sizes, key=lambda entry: min(entry[1]))[0], least


def _batch_size(options: TrainOptions, train_set: Dataset, notes: list[str]) -> int:
    if options.batch_size > len(train_set):
        notes.append(f"there are only {len(train_set)} training images: the batch size is {len(train_set)}")
    return min(options.batch_size, len(train_set))


def _check_batch_norm(model: SegmentationModel, batch_size: int, size: Size | None) -> None:
    """Batch norm has no variance over the single pixel of a single image."""
    if batch_size == 1 and size is not None and max(size) <= model.single_unit:
        raise InputError(
            f"one image of {size[0]}x{size[1]} is a single pixel in the deepest layer of {model.name}, too little "
            "for batch normalisation; take larger images or a larger batch"
        )


def _count_labels(
    options: TrainOptions, train_set: Dataset, val_set: Dataset, notes: list[str]
) -> ClassCounts | None:
    """Read every mask, so that a bad one is found now and not after an epoch; the classes of the training masks.

    Masks that are drawn are right by construction: they are counted for class weights only, otherwise None comes
    back. Raises ``DataError`` where there is nothing to learn.
    """
    weighted = options.class_weights == "median"
    if options.data == "shapes":
        return class_counts(train_set) if weighted else None
    counts = class_counts(train_set)
    class_counts(val_set)
    _check_labels(train_set, counts, notes)
    if counts.absent:
        names = ", ".join(train_set.classes.names[index] for index in counts.absent)
        notes.append(f"in no training mask{', so with class weight 0' if weighted else ''}: {names}")
    return counts


def _check_labels(train_set: Dataset, counts: ClassCounts, notes: list[str]) -> None:
    """Refuse, or note, training masks in which there is nothing to tell apart."""
    present = [index for index in range(len(train_set.classes)) if index not in counts.absent]
    if not present:
        raise DataError(f"{train_set.name}: every pixel of the training masks is ignored; there is nothing to learn")
    if len(present) > 1:
        return
    if counts.ignored:
        raise DataError(
            f"{train_set.name}: the training masks hold only {present[0]} and {IGNORE_INDEX}, and {IGNORE_INDEX} is "
            f"ignored: there is nothing to tell apart. If {IGNORE_INDEX} means a class, write its number there "
            "(1, for example)"
        )
    notes.append(
        f"WARNING: every pixel of the training masks is {train_set.classes.names[present[0]]!r}; the network can "
        "learn nothing but to say so"
    )


def _measured(train_set: Dataset) -> Preprocessing:
    """Mean and standard deviation of the training images, for weights that expect nothing yet."""
    return Preprocessing(*measure_normalisation(train_set))


def _data_config(
    options: TrainOptions, root: str | None, train_set: Dataset, crop: Size | None, preprocessing: Preprocessing
) -> DataConfig:
    classes = train_set.classes
    # Shapes are drawn at all the sizes there are; others may be seen nearer or farther.
    drawn = options.data == "shapes"
    return DataConfig(
        name=options.data,
        num_classes=len(classes),
        in_channels=train_set.in_channels,
        class_names=classes.names,
        class_colors=tuple(format_color(color) for color in classes.colors),
        void_color=format_color(classes.void_color),
        ignore_index=IGNORE_INDEX,
        mean=preprocessing.mean,
        std=preprocessing.std,
        flip=options.augment,
        seed=options.data_seed,
        root=root,
        val_fraction=options.val_fraction,
        size=options.size,
        crop=crop,
        scale=SCALES if options.augment and not drawn else None,
        bgr=preprocessing.bgr,
    )


def _training_config(
    options: TrainOptions, batch_size: int, class_weights: tuple[float, ...] | None
) -> TrainingConfig:
    return TrainingConfig(
        epochs=EPOCHS.get(options.data, OTHER_EPOCHS) if options.epochs is None else options.epochs,
        batch_size=batch_size,
        optimizer=options.optimizer,
        lr=LEARNING_RATES[options.optimizer] if options.lr is None else options.lr,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
        schedule=options.schedule,
        seed=options.seed,
        class_weights=class_weights,
    )
