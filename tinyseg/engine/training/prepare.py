"""From what a user asks for to a settled configuration; whatever cannot work is refused here, before any work."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ... import models
from ...checkpoint import listed
from ...data import (
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
from ...data.labels.mapping import format_key
from ...data.labels.mapping import listed as listed_values
from ...data.layouts.layout import Layout, layout_of
from ...data.loading.statistics import MaskRanges
from ...errors import DataError, InputError, flag, many
from ...files import printable
from ...models import Network, Preprocessing, SegmentationModel
from ...nn.init import skip
from ...options import (
    EPOCHS,
    LEARNING_RATES,
    MOMENTA,
    OTHER_EPOCHS,
    TRAIN_OPTIONS,
    ImageOptions,
    Size,
    TrainOptions,
    check,
)
from ...version import __version__
from ..config.config import Config, DataConfig, ModelConfig, TrainingConfig, extra_classes, format_color
from ..inspection.memory import check_memory
from ..parts.class_weights import BY_NAME, class_weights
from ..parts.image_notes import notes_on_images
from ..parts.objective import OF_PIXELS, check_loss
from ..parts.optimization import Schedule, create_optimizer, frozen_parts, steps_of_epoch
from ..parts.pipeline import check_size, evaluation_batch, image_sizes, segmentation_model
from ..storage.initial_weights import InitialWeights, open_weights

AUGMENT, AUGMENT_DRAWN = "flip,scale", "flip"
"""What is done to training images unless the user says otherwise; images are drawn at all the sizes there are."""
MAX_CROP, CROP_MULTIPLE = 512, 32


@dataclass(frozen=True)
class Plan:
    """A run that is ready to start: its configuration, its images, what the user should know about it, and the
    weights that it begins with, where they are not random.
    """

    config: Config
    train_set: Dataset
    val_set: Dataset
    notes: tuple[str, ...]
    start: InitialWeights | None = None


def prepare(options: TrainOptions) -> Plan:
    """Open the data, settle what was left open, check that all fits together.

    Raises ``InputError`` for options, and ``DataError`` for data, that cannot be used.
    """
    check(TRAIN_OPTIONS, vars(options), flag)
    _check_together(options)
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
    notes, depths = notes_on_images((train_set, val_set))
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
    if isinstance(given, str):
        weights = class_weights(given, counts, train_set.classes)
    else:
        weights = None if given is None else tuple(given)
    training = _training_config(options, batch_size, weights)

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


def _check_stage(model: SegmentationModel, stage: str | None, start: InitialWeights | None) -> None:
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
    is_mapped = IGNORE_INDEX in (layout.mapping or {})
    if classes != 2 or is_mapped or not layout.stores_labels or not ranges.are_mixed:
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
    settled: dict[str, Any] = {"num_classes": len(classes), "root": root, "crop": crop, "mapping": mapping}
    as_given: dict[str, Any] = {
        item.name: getattr(options, item.name) for item in fields(ImageOptions) if item.name not in settled
    }
    return DataConfig(
        name=options.data,
        in_channels=train_set.in_channels,
        class_names=classes.names,
        class_colors=tuple(format_color(color) for color in classes.colors),
        void_color=format_color(classes.void_color),
        ignore_index=IGNORE_INDEX,
        mean=preprocessing.mean,
        std=preprocessing.std,
        augment=settled_augmentations(options),
        seed=options.data_seed,
        bgr=preprocessing.bgr,
        **as_given,
        **settled,
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
