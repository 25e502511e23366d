"""From what a user asks for to a settled configuration; whatever cannot work is refused here, before any work."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .. import models
from ..checkpoint import listed
from ..data import (
    IGNORE_INDEX,
    BorderWeights,
    ClassCounts,
    Dataset,
    WithExtra,
    check_mapping,
    class_counts,
    get_kind,
    measure_normalisation,
    open_dataset,
    parse_augmentations,
    parse_table,
    read_mapping,
)
from ..data.dataset import MaskRanges
from ..data.layout import Layout, layout_of
from ..data.mapping import format_key
from ..data.mapping import listed as listed_values
from ..errors import DataError, InputError, flag, many
from ..models import Network, Preprocessing, SegmentationModel
from ..nn.init import skip
from ..paths import printable
from .bounds import check_numbers
from .class_weights import BY_NAME, class_weights
from .config import Config, DataConfig, ModelConfig, Size, TrainingConfig, extra_classes, format_color
from .image_notes import look_at
from .memory import check_memory
from .objective import OF_PIXELS, check_loss
from .optimization import OPTIMIZERS, SCHEDULES, STAGES, Schedule, create_optimizer, frozen_parts, steps_of_epoch
from .pipeline import check_size, evaluation_batch, image_sizes, segmentation_model
from .start import Start, open_weights

EPOCHS = {"shapes": 3, "cells": 5}
OTHER_EPOCHS = 50
LEARNING_RATES = {"adam": 2e-3, "adamw": 2e-3, "sgd": 5e-2, "rmsprop": 1e-3}
MOMENTA = {"adam": 0.9, "adamw": 0.9, "sgd": 0.9, "rmsprop": 0.0}
REDUCTIONS = ("mean", "sum")
AUGMENT, AUGMENT_DRAWN = "flip,scale", "flip"
"""What is done to training images unless the user says otherwise; images are drawn at all the sizes there are."""
MAX_CROP, CROP_MULTIPLE = 512, 32


@dataclass(frozen=True)
class TrainOptions:
    """What a user may say about a run; None stands for a choice that depends on the data or the optimiser.

    ``augment`` names random changes of images (``data.parse_augmentations``), ``mapping`` a file that says what
    numbers and colours in masks mean (``data.read_mapping``), or what it says. With ``as_stored`` images are not
    turned as their EXIF orientation says. ``crowds``: "ignore" or "objects".
    ``size`` and ``crop`` are (height, width): what files are resized to, or what images of ``shapes`` and ``cells``
    are drawn at, and the window that training takes then; with ``full_images`` it takes none. ``momentum`` is Adam's
    first beta, too. ``data_seed`` chooses the images that are drawn, or the validation split (of ``folder``),
    ``seed`` all the rest, so that runs with other seeds are measured on the same images. ``class_weights`` is "none",
    "median", "inverse", "log", a file, or the weights themselves.
    For the rest see ``TrainingConfig``.
    """

    data: str = "shapes"
    root: str | None = None
    num_classes: int | None = None
    val_fraction: float | None = None
    data_seed: int = 0
    size: Size | None = None
    crop: Size | None = None
    full_images: bool = False
    augment: str | None = None
    mapping: str | Mapping[str, int] | None = None
    as_stored: bool = False
    crowds: str | None = None
    model: str = "fcn8s"
    model_options: Mapping[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    batch_size: int = 8
    optimizer: str = "adam"
    lr: float | None = None
    momentum: float | None = None
    weight_decay: float = 1e-4
    schedule: str = "cosine"
    class_weights: str | tuple[float, ...] = "none"
    loss: str = "ce"
    loss_options: dict[str, Any] = field(default_factory=dict)
    border_weights: tuple[float, float] | None = None
    seed: int = 0
    nesterov: bool = False
    bias_lr: float = 1.0
    rate_of: dict[str, float] = field(default_factory=dict)
    accumulate: int = 1
    reduction: str = "mean"
    clip_norm: float | None = None
    clip_value: float | None = None
    freeze: tuple[str, ...] = ()
    warmup: float = 0.0
    power: float = 0.9
    gamma: float = 0.1
    step_epochs: int | None = None
    milestones: tuple[int, ...] = ()
    plateau_patience: int = 10
    ema: float | None = None
    recalibrate: int = 0
    patience: int | None = None
    stage: str | None = None
    weights: str | None = None
    partial_weights: bool = False
    pictures: int = 0


def options_of(config: Config) -> TrainOptions:
    """The options that a configuration was made with, or might have been: ``prepare`` makes the same of them."""
    data, training = config.data, config.training
    return TrainOptions(
        data=data.name,
        root=data.root,
        num_classes=data.num_classes,
        val_fraction=data.val_fraction,
        data_seed=data.seed,
        size=data.size,
        crop=data.crop,
        full_images=data.crop is None and data.size is None and not get_kind(data.name).drawn,
        augment=",".join(data.augment) or "none",
        mapping=data.mapping,
        as_stored=data.as_stored,
        crowds=data.crowds,
        model=config.model.name,
        model_options=config.model.options,
        **{**vars(training), "class_weights": training.class_weights or "none"},
    )


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
    root = _absolute(options.root, "root")
    mapping = _mapping(options.mapping)
    train_set, val_set = open_splits(options)
    with skip():  # its sizes are asked for, not its weights
        model = segmentation_model(
            options.model, len(train_set.classes), train_set.in_channels, options.model_options, options.stage
        )
    start = None if options.weights is None else open_weights(options.weights, model, options.partial_weights)
    _check_stage(model, options.stage, start)
    crop = _check_sizes(options, model, train_set, val_set)
    notes, depths = look_at((train_set, val_set))
    if start is not None and model.preprocessing is None:
        notes.append(
            f"what {options.weights} expects of images is not known: they are normalised by the mean and standard "
            "deviation of the training images"
        )
    if options.crop is not None:
        notes += _on_large_crop(options.crop, options.size, train_set)
    batch_size = _batch_size(options, train_set, notes)
    _check_batch_norm(model, batch_size, crop or options.size)
    counts = _count_labels(options, train_set, val_set, notes)
    preprocessing = _preprocessing(options, model, train_set)
    measured = preprocessing.std if model.preprocessing is None else None
    data = replace(
        _data_config(options, root, train_set, crop, mapping, preprocessing),
        depths=depths,
        spread=_spread(options, train_set, measured),
    )
    given = options.class_weights
    weights = class_weights(given, counts, train_set.classes) if isinstance(given, str) else tuple(given)
    training = _training_config(options, batch_size, weights)
    from .. import __version__

    adopted = _adopted(options, model, notes)
    config = Config(__version__, data, ModelConfig(options.model, {**options.model_options, **adopted}), training)
    _check_loss(training, train_set)
    _check_training(training, model, len(train_set) // batch_size)
    notes += _unused(training)
    sizes = crop or options.size or _largest(train_set), options.size or _largest(val_set)
    notes += check_memory(config, model, *sizes, evaluation_batch(config, val_set))
    return Plan(config, train_set, val_set, tuple(notes), start)


def _adopted(options: TrainOptions, model: Network, notes: list[str]) -> dict[str, Any]:
    """Options of the network that the weights have brought with them, noted where others were given, or none."""
    given = {**models.options(options.model), **options.model_options}
    adopted = {name: value for name, value in model.adopted.items() if given[name] != value}
    notes += [f"{options.weights} expects {flag(name)} = {value}, and gets it" for name, value in adopted.items()]
    return adopted


def open_splits(options: TrainOptions) -> tuple[Dataset, Dataset]:
    """The images that a run is trained on and those that it is validated on.

    Raises ``InputError`` and its kinds where training with these options is impossible, before a mask is read.
    """
    mapping = _mapping(options.mapping)
    train_set, val_set = (
        open_dataset(
            options.data,
            split,
            root=_absolute(options.root, "root"),
            num_classes=options.num_classes,
            size=options.size if get_kind(options.data).drawn else None,
            val_fraction=options.val_fraction,
            seed=options.data_seed,
            mapping=None if mapping is None else parse_table(mapping, "--mapping"),
            crowds=options.crowds,
            as_stored=options.as_stored,
            **extra_classes(options.model_options),
        )
        for split in ("train", "val")
    )
    check_mapping(mapping or {}, len(train_set.classes))
    return train_set, val_set


def _check_training(training: TrainingConfig, model: SegmentationModel, batches: int) -> None:
    """``InputError`` for what the optimiser or its schedule cannot do, before anything is counted or written."""
    frozen_parts(model, training.freeze)
    if training.warmup > training.epochs:
        raise InputError(f"--warmup {training.warmup:g} is longer than the run of {many(training.epochs, 'epoch')}")
    if training.schedule == "multistep" and training.milestones[0] <= training.warmup:
        raise InputError(f"--milestones {training.milestones[0]} lies in the --warmup of {training.warmup:g} epochs")
    try:
        optimizer = create_optimizer(training, model)
        Schedule(training, optimizer, max(1, steps_of_epoch(training, batches)))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error


def _unused(training: TrainingConfig) -> list[str]:
    """Notes on what was asked for and changes nothing."""
    notes = [
        f"{flag(name)} is for --schedule {schedule}, and not used by {training.schedule}"
        for name, schedule in (("milestones", "multistep"), ("step_epochs", "step"))
        if getattr(training, name) and training.schedule != schedule
    ]
    late = [str(epoch) for epoch in training.milestones if epoch >= training.epochs]
    if late and training.schedule == "multistep":
        notes.append(f"--milestones {','.join(late)}: not reached in {many(training.epochs, 'epoch')}")
    return notes


def _check_loss(training: TrainingConfig, train_set: Dataset) -> None:
    """``InputError`` for a loss that there is not, or weights of borders that the data cannot have."""
    check_loss(training.loss, training.loss_options, len(train_set.classes))
    if training.reduction == "sum" and training.loss not in OF_PIXELS:
        raise InputError(f"--reduction sum is for --loss {' and '.join(OF_PIXELS)}, not for {training.loss}")
    if training.border_weights is not None:
        BorderWeights(train_set, *training.border_weights)


def _check_numbers(options: TrainOptions) -> None:
    given = {name: value for name, value in vars(options).items() if value is not None}
    check_numbers(given, flag)
    for name, known in (
        ("optimizer", OPTIMIZERS),
        ("schedule", SCHEDULES),
        ("reduction", REDUCTIONS),
        ("stage", STAGES),
    ):
        if name in given and given[name] not in known:
            raise InputError(f"unknown {flag(name)} {given[name]!r}; there are {', '.join(known)}")
    _check_together(options)


def _check_together(options: TrainOptions) -> None:
    """Options that go without each other only, or only together."""
    if options.full_images and (options.crop or options.size):
        raise InputError("--full-images takes images as they are, without a --size or a --crop")
    if options.nesterov and (options.optimizer != "sgd" or not _momentum(options)):
        raise InputError("--nesterov is for --optimizer sgd with a --momentum")
    if options.schedule == "multistep" and not options.milestones:
        raise InputError("--schedule multistep needs --milestones, the epochs after which the rate falls: 30,60")
    if options.schedule == "plateau" and options.gamma == 1:
        raise InputError("--schedule plateau needs a --gamma below 1")
    if options.recalibrate and options.freeze:
        raise InputError("--recalibrate measures all batch norm anew, --freeze leaves some as it is; choose one")
    if options.partial_weights and options.weights is None:
        raise InputError("--partial-weights is for --weights FILE, of which it accepts a part")


def _check_stage(model: SegmentationModel, stage: str | None, start: Start | None) -> None:
    """``InputError`` unless all of the part that ``stage`` freezes is there: it would stay random for good."""
    frozen, made_by = next(((one.frozen, one.made_by) for one in model.stages if one.name == stage), ("", ""))
    if not frozen:
        return
    called = frozen.replace("_", " ")
    if start is None:
        raise InputError(
            f"--stage {stage} needs the {called} of a run that was made by --stage {made_by}: --weights RUN"
        )
    left = [entry.ours for entry in start.report.of("missing", "skipped") if entry.ours is not None]
    if lacking := [name for name in left if name.startswith(f"{frozen}.")]:
        raise InputError(
            f"--stage {stage}: {start.weights.path} is no {called} for these classes: "
            f"{listed('missing or of another shape', lacking)}"
        )


def _momentum(options: TrainOptions) -> float:
    return MOMENTA[options.optimizer] if options.momentum is None else options.momentum


def _absolute(path: str | None, option: str) -> str | None:
    """The path as ``config.toml`` is to have it; ``InputError`` where it is no text, which no TOML can hold."""
    if path is None:
        return None
    absolute = str(Path(path).absolute())
    if (shown := printable(absolute)) != absolute:
        raise InputError(f"{flag(option)} {shown}: the name is not UTF-8, and cannot be written to a run; rename it")
    return absolute


def _mapping(given: str | Mapping[str, int] | None) -> dict[str, int] | None:
    """The mapping in a file, or the one that was given."""
    return read_mapping(given) if isinstance(given, str) else None if given is None else dict(given)


def settled_augmentations(options: TrainOptions) -> tuple[str, ...]:
    """The random changes of training images that are asked for, or the usual ones."""
    usual = AUGMENT_DRAWN if get_kind(options.data).drawn else AUGMENT
    return parse_augmentations(usual if options.augment is None else options.augment)


def _is_enlarged(options: TrainOptions) -> bool:
    """Whether images come out of augmentation at other sizes than they went in."""
    return any(text.startswith(("scale", "rare")) for text in settled_augmentations(options))


def _check_sizes(
    options: TrainOptions, model: SegmentationModel, train_set: Dataset, val_set: Dataset
) -> Size | None:
    """The window that training takes, or None where images stay whole."""
    if options.crop is not None:
        check_size(model, options.crop, "a crop")
    if options.size is not None:
        check_size(model, options.size, "a size")
        return options.crop or (options.size if _is_enlarged(options) else None)
    if get_kind(options.data).drawn:
        return options.crop or (train_set.size(0) if _is_enlarged(options) else None)
    name, smallest = _smallest(train_set)
    _, smallest_val = _smallest(val_set)
    check_size(model, smallest, f"the training image {name}")
    check_size(model, smallest_val, "a validation image")
    if options.crop is not None or options.full_images:
        return options.crop
    height, width = (
        min(MAX_CROP, max(n - n % CROP_MULTIPLE, m)) for n, m in zip(smallest, model.min_size, strict=True)
    )
    return height, width


def _on_large_crop(crop: Size, size: Size | None, train_set: Dataset) -> list[str]:
    """A note where windows are larger than the images that they are taken from."""
    sizes = [size] if size is not None else [size for _, size in image_sizes(train_set)]
    smaller = [size for size in sizes if size[0] < crop[0] or size[1] < crop[1]]
    if not smaller:
        return []
    if size is not None:
        what = f"the --size of {size[0]}x{size[1]}"
    else:
        what = f"{len(smaller)} of the {len(sizes)} training images (one has {smaller[0][0]}x{smaller[0][1]})"
    return [
        f"the --crop of {crop[0]}x{crop[1]} is larger than {what}: images are mirrored outwards to fill it, and "
        "nothing is learnt from what is added"
    ]


def _smallest(dataset: Dataset) -> tuple[str, Size]:
    """Name and size of the image with the fewest rows, and the least height and width there are."""
    sizes = image_sizes(dataset)
    least = min(size[0] for _, size in sizes), min(size[1] for _, size in sizes)
    return min(sizes, key=lambda entry: min(entry[1]))[0], least


def _largest(dataset: Dataset) -> Size:
    """The size of the image with the most pixels."""
    return max((size for _, size in image_sizes(dataset)), key=math.prod)


def _batch_size(options: TrainOptions, train_set: Dataset, notes: list[str]) -> int:
    if options.batch_size > len(train_set):
        notes.append(f"only {many(len(train_set), 'training image')}: the batch size is {len(train_set)}")
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
    weighted = options.class_weights in BY_NAME[1:]
    if get_kind(options.data).drawn:
        return class_counts(train_set) if weighted else None
    counts = class_counts(train_set)
    of_validation = class_counts(val_set)
    for dataset in (train_set, val_set):
        for other in dataset.others.values() if isinstance(dataset, WithExtra) else ():
            class_counts(other)
    notes += check_labels(train_set, counts)
    if counts.absent:
        names = ", ".join(train_set.classes.names[index] for index in counts.absent)
        notes.append(f"in no training mask{', so with class weight 0' if weighted else ''}: {names}")
    notes += _on_validation(val_set, of_validation)
    return counts


def check_labels(dataset: Dataset, counts: ClassCounts) -> list[str]:
    """What to know about training masks before training; ``counts`` is what they hold.

    Raises ``DataError`` where there is nothing to tell apart.
    """
    layout = layout_of(dataset)
    remarks = () if layout is None else layout.remarks
    serious = "; ".join(remark.text for remark in remarks if remark.serious)
    present = [index for index in range(len(counts.pixels)) if index not in counts.absent]
    if len(present) < 2 and serious:
        raise DataError(f"{dataset.name}: there is nothing to learn: {serious}")
    mapped = _ignored_by_mapping(layout)
    if not present:
        by = f" ({mapped})" if mapped else ""
        raise DataError(
            f"{dataset.name}: every pixel of the training masks is ignored{by}; there is nothing to learn"
        )
    if len(present) == 1 and counts.ignored:
        raise DataError(_nothing_apart(dataset.name, present[0], mapped))
    notes = [remark.text for remark in remarks]
    if len(present) == 1:
        notes.append(
            f"WARNING: every pixel of the training masks is {dataset.classes.names[present[0]]!r}; the network can "
            "learn nothing but to say so"
        )
    if layout is not None and (mixed := mixed_ranges(layout, counts.ranges, len(counts.pixels))):
        notes.append(f"WARNING: {mixed}")
    return notes


def _ignored_by_mapping(layout: Layout | None) -> str:
    """What a user's mapping ignores, as it is written there."""
    mapping = {} if layout is None or layout.mapping is None else layout.mapping
    keys = [format_key(key) for key, value in mapping.items() if value == IGNORE_INDEX]
    return f"--mapping: {listed_values(keys)} = {IGNORE_INDEX}" if keys else ""


def _nothing_apart(name: str, label: int, mapped: str) -> str:
    """The message for masks of one class, and of pixels that are ignored."""
    if mapped:
        return (
            f"{name}: the training masks hold only class {label} and pixels that are ignored ({mapped}): there is "
            "nothing to tell apart. Give what is a class its index"
        )
    return (
        f"{name}: the training masks hold only {label} and {IGNORE_INDEX}, and {IGNORE_INDEX} is ignored: there is "
        f"nothing to tell apart. If {IGNORE_INDEX} means a class, say so by --mapping (tinyseg check --fix-mapping "
        "writes one)"
    )


def mixed_ranges(layout: Layout, ranges: MaskRanges, classes: int) -> str:
    """What to know where masks of 0 and 255 stand among masks of 0 and 1; empty where there is nothing.

    A user who maps 255 has said what it means.
    """
    asked = IGNORE_INDEX in (layout.mapping or {})
    if classes != 2 or asked or not layout.stores_labels or not ranges.are_mixed:
        return ""
    return (
        f"{many(ranges.ignored, 'mask')} of 0 and {IGNORE_INDEX} among {many(ranges.classes, 'mask')} of 0 and 1: if "
        f"{IGNORE_INDEX} is class 1 in the former, map {IGNORE_INDEX} = 1, and else {IGNORE_INDEX} = {IGNORE_INDEX}"
    )


def _on_validation(val_set: Dataset, counts: ClassCounts) -> list[str]:
    """Notes on validation masks that cannot tell which epoch is the best."""
    names = val_set.classes.names
    present = [name for index, name in enumerate(names) if index not in counts.absent]
    if not present:
        return [
            "WARNING: every pixel of the validation masks is ignored: no epoch has a score, the last one is the "
            "best, and neither --schedule plateau nor --patience does anything"
        ]
    notes = []
    if counts.absent:
        notes.append(f"in no validation mask: {', '.join(names[index] for index in counts.absent)}")
    if len(present) == 1 and len(names) > 1:
        notes.append(
            f"WARNING: every pixel of the validation masks is {present[0]!r}: the best epoch is the first that "
            "predicts nothing else, whatever it has learnt"
        )
    return notes


def _preprocessing(options: TrainOptions, model: Network, train_set: Dataset) -> Preprocessing:
    """What the weights expect of images: as they know them, or else by mean and deviation of the training images."""
    return model.preprocessing or Preprocessing(*measure_normalisation(train_set))


def _spread(options: TrainOptions, train_set: Dataset, measured: tuple[float, ...] | None) -> float | None:
    """The standard deviation of the training images, where noise is added to them; channels that never change aside.

    ``measured``: that of each channel, if it was measured already.
    """
    if not any(text.startswith("noise") for text in settled_augmentations(options)):
        return None
    varied = [value for value in measured or measure_normalisation(train_set).std if value < 1]
    return sum(varied) / len(varied) if varied else None


def _data_config(
    options: TrainOptions,
    root: str | None,
    train_set: Dataset,
    crop: Size | None,
    mapping: dict[str, int] | None,
    preprocessing: Preprocessing,
) -> DataConfig:
    classes = train_set.classes
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
        augment=settled_augmentations(options),
        seed=options.data_seed,
        root=root,
        val_fraction=options.val_fraction,
        size=options.size,
        crop=crop,
        mapping=mapping,
        bgr=preprocessing.bgr,
        as_stored=options.as_stored,
        crowds=options.crowds,
    )


def _training_config(
    options: TrainOptions, batch_size: int, class_weights: tuple[float, ...] | None
) -> TrainingConfig:
    settled: dict[str, Any] = {
        "epochs": EPOCHS.get(options.data, OTHER_EPOCHS) if options.epochs is None else options.epochs,
        "batch_size": batch_size,
        "lr": LEARNING_RATES[options.optimizer] if options.lr is None else options.lr,
        "momentum": _momentum(options),
        "class_weights": class_weights,
        "loss_options": dict(options.loss_options),
        "milestones": tuple(sorted(options.milestones)),
        "weights": _absolute(options.weights, "weights"),
    }
    as_given: dict[str, Any] = {
        item.name: getattr(options, item.name) for item in fields(TrainingConfig) if item.name not in settled
    }
    return TrainingConfig(**as_given, **settled)
