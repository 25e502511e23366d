"""The options of training: what is learnt from which images, and how.

Three classes, since a run keeps what its options became (``engine.Config``): ``ImageOptions`` stand as they are in
the table [data] of its ``config.toml``, ``TrainingOptions`` in [training], and ``TrainOptions`` has them and the
rest. The command line and the documentation show them by their groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import models
from .declaration import (
    FACTOR,
    NOT_NEGATIVE,
    POSITIVE,
    POSITIVE_FACTORS,
    SEED,
    SHARE,
    Range,
    at_least,
    declared,
    option,
)
from .parsing import (
    parse_border_weights,
    parse_crop,
    parse_loss_options,
    parse_milestones,
    parse_prefixes,
    parse_rates,
    parse_size,
    read_size,
)
from .values import Size

GROUPS = (
    "The data set",
    "Its files and splits",
    "The network",
    "Sizes of images",
    "Augmentation",
    "What masks mean",
    "Epochs and batches",
    "The optimiser",
    "The learning rate",
    "The loss",
    "What is scored, and when training stops",
    "Initial weights",
    "What is trained",
    "Seed and pictures",
)
"""The headings that options stand under, in their order on the command line."""

EPOCHS = {"shapes": 3, "cells": 5}
OTHER_EPOCHS = 50
LEARNING_RATES = {"adam": 2e-3, "adamw": 2e-3, "sgd": 5e-2, "rmsprop": 1e-3}
MOMENTA = {"adam": 0.9, "adamw": 0.9, "sgd": 0.9, "rmsprop": 0.0}
"""Defaults that depend on the data set, or on the optimiser."""

OPTIMIZERS = tuple(LEARNING_RATES)
SCHEDULES = ("poly", "cosine", "step", "multistep", "exponential", "onecycle", "plateau", "constant")
REDUCTIONS = ("mean", "sum")
STAGES = tuple(stage for stages in models.stages().values() for stage in stages)


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """The options of images and masks that a run's configuration keeps as they were given.

    ``size`` and ``crop`` are (height, width): what files are resized to, or what images of ``shapes`` and ``cells``
    are drawn at, and the window that training takes then. ``mapping`` names a file that says what numbers and colours
    in masks mean (``data.read_mapping``), or is what it says. With ``as_stored`` images are not turned as their EXIF
    orientation says. ``crowds``: "ignore" or "objects".
    """

    root: str | None = option(None, "The folder of the data.", group="Its files and splits", metavar="DIR")
    num_classes: int | None = option(
        None,
        "Number of classes, for a folder without classes.txt.",
        group="Its files and splits",
        within=Range("must be 1 to 255", 1, 255),
    )
    val_fraction: float | None = option(
        None,
        "Share of the images that validates, for a folder without val/.",
        group="Its files and splits",
        shown_default="0.2",
    )
    size: Size | None = option(
        None,
        "Height x width that files are resized to, in prediction too; scores are still taken at the labels' own "
        "size. Shapes and cells are drawn at it, or at 128x128. Without it files keep their size: training then "
        "takes random windows, as large as the smallest image allows, in multiples of 32 up to 512.",
        group="Sizes of images",
        metavar="HxW",
        parse=parse_size,
        read=read_size,
    )
    crop: Size | None = option(
        None,
        "The random window that training takes of each image; a smaller image is mirrored outwards, and what is "
        "added is ignored.",
        group="Sizes of images",
        metavar="HxW",
        parse=parse_crop,
        read=read_size,
    )
    mapping: str | Mapping[str, int] | None = option(
        None,
        "What numbers and colours in masks mean: tinyseg check --fix-mapping writes one.",
        group="What masks mean",
        metavar="FILE",
    )
    as_stored: bool = option(
        False,
        "Do not turn images as their EXIF orientation says: for masks that were not.",
        group="What masks mean",
    )
    crowds: str | None = option(
        None,
        "Of coco-instances: ignore crowds, or take them as objects.",
        group="What masks mean",
        shown_default="ignore",
    )


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How weights are learnt. ``loss`` is a name in ``engine.LOSSES``, ``loss_options`` go with it;
    ``border_weights`` are w0 and sigma of ``data.BorderWeights``.

    Of the optimiser: ``momentum`` (Adam's first beta, too); ``nesterov`` (sgd); ``bias_lr``: what the rate of biases
    is multiplied with; ``rate_of``: the same for parameters by their names, or what these begin with up to a dot;
    ``accumulate``: batches in a step; ``reduction``: the loss is the "mean" or the "sum" over pixels; ``clip_norm``,
    ``clip_value``: see ``nn.utils``; ``freeze``: names, or what they begin with up to a dot, of parameters that stay
    as they are.
    Of the schedule: ``warmup`` and ``step_epochs`` and ``milestones`` in epochs, ``power`` of poly, ``gamma`` of
    step, multistep, exponential and plateau, ``plateau_patience``. ``ema``: the decay of the weights' average, which
    is then what is scored and kept; ``recalibrate``: batches over which batch norm is measured anew before it;
    ``patience``: epochs without a better mean IU after which training stops. ``stage``: what of a network in two
    stages is trained; ``weights``: the file or the run whose weights it began with, with ``partial_weights`` those
    of them that fit. ``pictures``: images drawn after each epoch.
    """

    epochs: int | None = option(
        None,
        "Times through the images.",
        group="Epochs and batches",
        shown_default=f"{EPOCHS['shapes']} for shapes, {EPOCHS['cells']} for cells, else {OTHER_EPOCHS}",
        within=at_least(1),
    )
    batch_size: int = option(8, "Images in a step.", group="Epochs and batches", within=at_least(1), required=True)
    optimizer: str = option(
        "adam", "adam, adamw, sgd or rmsprop.", group="The optimiser", choices=OPTIMIZERS, required=True
    )
    lr: float | None = option(
        None,
        "Learning rate.",
        group="The optimiser",
        shown_default=f"{LEARNING_RATES['adam']:g} for adam and adamw, {LEARNING_RATES['sgd']:g} for sgd, "
        f"{LEARNING_RATES['rmsprop']:g} for rmsprop",
        within=POSITIVE,
    )
    momentum: float | None = option(
        None,
        "Of sgd and rmsprop; the first beta of adam.",
        group="The optimiser",
        shown_default=f"{MOMENTA['sgd']:g}, and {MOMENTA['rmsprop']:g} for rmsprop",
        within=SHARE,
    )
    nesterov: bool = option(False, "Nesterov's momentum, of sgd.", group="The optimiser", negatable=True)
    weight_decay: float = option(
        1e-4, "Of the convolutions' weights.", group="The optimiser", within=NOT_NEGATIVE, required=True
    )
    bias_lr: float = option(1.0, "The rate of biases is so many times --lr.", group="The optimiser", within=POSITIVE)
    rate_of: dict[str, float] = option(
        {},
        "The rate of what has this name, or begins with it and a dot, is so many times the others'. May be repeated.",
        group="The optimiser",
        metavar="PREFIX=TIMES",
        within=POSITIVE_FACTORS,
        parse=parse_rates,
        repeated=True,
    )
    accumulate: int = option(1, "Batches in a step of the optimizer.", group="The optimiser", within=at_least(1))
    reduction: str = option(
        "mean",
        "The loss of a step is the mean or the sum over its pixels.",
        group="The optimiser",
        choices=REDUCTIONS,
    )
    clip_norm: float | None = option(
        None, "Shorten gradients that are longer, all together.", group="The optimiser", within=POSITIVE
    )
    clip_value: float | None = option(
        None, "Cut off larger elements of gradients.", group="The optimiser", within=POSITIVE
    )
    schedule: str = option(
        "cosine",
        "Course of the learning rate: poly, cosine, step, multistep, exponential, onecycle, plateau or constant.",
        group="The learning rate",
        choices=SCHEDULES,
        required=True,
    )
    warmup: float = option(
        0.0, "Epochs in which the rate rises before that.", group="The learning rate", within=NOT_NEGATIVE
    )
    power: float = option(0.9, "Of poly.", group="The learning rate", within=POSITIVE)
    gamma: float = option(
        0.1,
        "What the rate is multiplied with: by step, multistep, plateau; by exponential after each epoch.",
        group="The learning rate",
        within=FACTOR,
    )
    step_epochs: int | None = option(
        None, "Epochs in a step.", group="The learning rate", shown_default="a third of them", within=at_least(1)
    )
    milestones: tuple[int, ...] = option(
        (),
        "The epochs after which multistep lowers the rate.",
        group="The learning rate",
        metavar="N,N...",
        parse=parse_milestones,
    )
    plateau_patience: int = option(
        10,
        "Epochs without a better mean IU that plateau waits for.",
        group="The learning rate",
        within=at_least(1),
    )
    loss: str = option(
        "ce",
        "ce, focal, dice, jaccard, tversky, focal-tversky, dice+ce, dice+focal, boundary, dice+boundary or lovasz.",
        group="The loss",
    )
    loss_options: dict[str, Any] = option(
        {},
        "Of the loss, such as alpha=0.3,beta=0.7 of tversky.",
        group="The loss",
        metavar="NAME=VALUE,...",
        parse=parse_loss_options,
    )
    border_weights: tuple[float, float] | None = option(
        None,
        "U-Net's weights of pixels between cells that nearly touch; the paper has 10,5.",
        group="The loss",
        metavar="W0,SIGMA",
        parse=parse_border_weights,
    )
    class_weights: str | tuple[float, ...] | None = option(
        "none",
        "none; median, inverse or log: rare classes count more; or a file, a line a class.",
        group="The loss",
    )
    ema: float | None = option(
        None,
        "Score and keep the moving average of the weights, such as 0.999.",
        group="What is scored, and when training stops",
        metavar="DECAY",
        within=SHARE,
    )
    recalibrate: int = option(
        0,
        "Batches over which batch norm is measured anew after each epoch.",
        group="What is scored, and when training stops",
        within=at_least(0),
    )
    patience: int | None = option(
        None,
        "Stop after so many epochs without a better mean IU.",
        group="What is scored, and when training stops",
        shown_default="never",
        within=at_least(1),
    )
    weights: str | None = option(
        None,
        "Begin with the weights in a .pth, .pt, .safetensors or .npz file, a classifier's or a whole network's, or "
        "with the best of a run; images are then normalised as they expect it.",
        group="Initial weights",
        metavar="FILE|RUN",
    )
    partial_weights: bool = option(
        False,
        "Accept such as are missing, unexpected or of another shape.",
        group="Initial weights",
        negatable=True,
    )
    freeze: tuple[str, ...] = option(
        (),
        "Do not train what has this name, or begins with it and a dot; its batch norm stays as in evaluation. May be "
        "repeated.",
        group="What is trained",
        metavar="PREFIX",
        parse=parse_prefixes,
        repeated=True,
    )
    stage: str | None = option(
        None, "Of dilatednet: front-end, then context.", group="What is trained", choices=STAGES
    )
    seed: int = option(0, "Of weights, order and changes.", group="Seed and pictures", within=SEED, required=True)
    pictures: int = option(
        0, "Draw so many validation images after each epoch.", group="Seed and pictures", within=at_least(0)
    )


@dataclass(frozen=True, kw_only=True)
class TrainOptions(TrainingOptions, ImageOptions):
    """What a user may say about a run; None stands for a choice that depends on the data or the optimiser.

    ``augment`` names random changes of images (``data.parse_augmentations``), ``mapping`` a file that says what
    numbers and colours in masks mean (``data.read_mapping``), or what it says. With ``as_stored`` images are not
    turned as their EXIF orientation says. ``crowds``: "ignore" or "objects".
    ``size`` and ``crop`` are (height, width): what files are resized to, or what images of ``shapes`` and ``cells``
    are drawn at, and the window that training takes then; with ``full_images`` it takes none. ``momentum`` is Adam's
    first beta, too. ``data_seed`` chooses the images that are drawn, or the validation split (of ``folder``),
    ``seed`` all the rest, so that runs with other seeds are measured on the same images. ``class_weights`` is "none",
    "median", "inverse", "log", a file, or the weights themselves.
    For the rest see ``TrainingOptions``.
    """

    data: str = option(
        "shapes",
        "shapes, cells: drawn, no files; folder: your own images/ and masks/, with train/ and val/ or not; camvid, "
        "voc2012 ...: tinyseg datasets lists them.",
        group="The data set",
    )
    data_seed: int = option(
        0,
        "Chooses those images, or the ones that shapes and cells draw.",
        group="Its files and splits",
        within=SEED,
    )
    model: str = option("fcn8s", f"{', '.join(models.names())}.", group="The network")
    model_options: Mapping[str, Any] = field(default_factory=dict)
    full_images: bool = option(
        False, "Train on files as they are, without --size; one by one if sizes differ.", group="Sizes of images"
    )
    augment: str | None = option(
        None,
        "Random changes of training images, such as flip,scale=0.5:2,rotate=10,colour: tinyseg datasets "
        "--augmentations lists them; or none.",
        group="Augmentation",
        metavar="NAMES",
        shown_default="flip,scale; flip for images that are drawn",
    )


TRAIN_OPTIONS = dict(sorted(declared(TrainOptions).items(), key=lambda entry: GROUPS.index(entry[1].group)))
"""All options of training by name, in their order on the command line; a model has its own besides."""
