"""What a run is: everything it needs to be repeated, continued, evaluated or used, as one ``config.toml``.

A configuration is complete and settled: options left open on the command line have their values here, and what was
measured from the data (normalisation, class weights) is written out. Who holds the file and the weights needs
neither the command line nor the training images.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from ...data import EXTRA_TARGETS, Classes, Normalise, augmentations, get_kind
from ...data.dataset import IGNORE_INDEX, Color, distinct
from ...errors import InputError
from ...files import open_regular, read_toml, write_text
from ...options import TRAIN_OPTIONS, ImageOptions, TrainingOptions, TrainOptions, check
from ...options.declaration import is_required
from ...options.values import convert

_MARK = "# Written by tinyseg train"
"""What the file begins with; one that a user has written does not."""


def parse_color(text: str) -> Color:
    """The colour that ``#rrggbb`` stands for; raises ``InputError`` for other texts.

    >>> parse_color("#ff8000")
    (255, 128, 0)
    """
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise InputError(f"expected a colour such as #ff8000, got {text!r}")
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def format_color(color: Color) -> str:
    """The inverse of ``parse_color``."""
    return "#" + bytes(color).hex()


@dataclass(frozen=True, kw_only=True)
class DataConfig(ImageOptions):
    """The images: where they come from, what their labels are, and what is done to them.

    ``root`` is absolute, and None for data that has no folder. ``seed`` chooses the images that ``shapes`` draws and
    those that ``folder`` sets aside for validation. ``size`` (height, width): images are resized to it, labels only
    in training. ``crop``: the window that training takes. ``augment``: the random changes of training images, as
    ``data.parse_augmentations`` gives them. ``mapping``: what numbers and colours in masks mean, where a user says
    so; ``crowds``: what becomes of crowds in COCO's annotations, likewise. ``mean`` and ``std`` normalise the
    channels of images in 0..1, which with ``bgr`` then come in reverse: as the weights expect them that training
    began with, or as measured. Colours are #rrggbb. ``as_stored``: images are not turned as their EXIF orientation
    says. ``depths``: bits of the training images' numbers, where they are files; ``spread``: their standard
    deviation, where noise is relative to it.
    """

    name: str
    num_classes: int = field()
    in_channels: int
    class_names: tuple[str, ...]
    class_colors: tuple[str, ...]
    void_color: str
    ignore_index: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: tuple[str, ...] = ()
    seed: int = 0
    mapping: dict[str, int] | None = None
    bgr: bool = False
    depths: tuple[int, ...] = ()
    spread: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", distinct(self.class_names))

    @property
    def classes(self) -> Classes:
        """Names and colours of the classes."""
        colors = tuple(parse_color(text) for text in self.class_colors)
        return Classes(self.class_names, colors, parse_color(self.void_color))


@dataclass(frozen=True)
class ModelConfig:
    """The network: its name and its options, as ``models.create`` takes them."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def extra_classes(self) -> dict[str, Any]:
        """Classes of each extra target that there is a head for, by its name."""
        return extra_classes(self.options)


def extra_classes(model_options: Mapping[str, Any]) -> dict[str, Any]:
    """How many classes of an extra target ``x`` options of a network ask for by ``x_classes``, by its name; whether
    there are as many, ``open_dataset`` knows.
    """
    given = {target: model_options.get(f"{target}_classes", 0) for target in EXTRA_TARGETS}
    return {target: classes for target, classes in given.items() if classes}


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(TrainingOptions):
    """How weights are learnt: the options of training (see ``TrainingOptions``), none of them open.

    ``class_weights`` has a number for each class, or is None for 1. ``loss`` is a name in ``objective.LOSSES``.
    """

    epochs: int = field()
    lr: float = field()
    momentum: float = field()
    class_weights: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Config:
    """All of it, and the version of tinyseg that wrote it."""

    tinyseg: str
    data: DataConfig
    model: ModelConfig
    training: TrainingConfig

    def __post_init__(self) -> None:
        data, training = self.data, self.training
        TRAIN_OPTIONS["num_classes"].check(data.num_classes, "data.num_classes")
        if data.ignore_index != IGNORE_INDEX:
            raise InputError(f"data.ignore_index must be {IGNORE_INDEX}, as in all labels, got {data.ignore_index}")
        for name in ("size", "crop"):
            given = getattr(data, name)
            if given is not None and min(given) < 1:
                raise InputError(f"data.{name} must be two numbers of 1 or more, got {given[0]} and {given[1]}")
        lengths = {"class_names": data.num_classes, "class_colors": data.num_classes}
        lengths |= {"mean": data.in_channels, "std": data.in_channels}
        for name, length in lengths.items():
            if len(getattr(data, name)) != length:
                raise InputError(f"data.{name} has {len(getattr(data, name))} entries, expected {length}")
        if training.class_weights is not None and len(training.class_weights) != data.num_classes:
            raise InputError(
                f"training.class_weights has {len(training.class_weights)} entries for {data.num_classes} classes"
            )
        # They refuse what cannot be used.
        _ = data.classes, Normalise(data.mean, data.std), augmentations(data.augment, data.crop, data.spread)
        check(TRAIN_OPTIONS, vars(training), "training.{}".format)
        TRAIN_OPTIONS["data_seed"].check(data.seed, "data.seed")


def options_of(config: Config) -> TrainOptions:
    """The options that a configuration was made with, or might have been: ``prepare`` makes the same of them."""
    data, training = config.data, config.training
    kept: dict[str, Any] = {item.name: getattr(data, item.name) for item in fields(ImageOptions)}
    return TrainOptions(
        data=data.name,
        data_seed=data.seed,
        full_images=data.crop is None and data.size is None and not get_kind(data.name).drawn,
        augment=",".join(data.augment) or "none",
        model=config.model.name,
        model_options=config.model.options,
        **kept,
        **{**vars(training), "class_weights": training.class_weights or "none"},
    )


def write_config(path: Path, config: Config) -> None:
    """Write ``config`` as TOML; values that are None are left out, as TOML has none."""
    import tomli_w

    text = f"{_MARK}: what this run is. --resume, evaluate and predict read it.\n\n"
    table = asdict(config)
    for name, part in (("data", config.data), ("training", config.training)):
        keys = sorted(fields(part), key=lambda item: not is_required(item))  # what every file has comes first
        table[name] = {item.name: table[name][item.name] for item in keys}
    text += tomli_w.dumps(_without_none(table))
    write_text(path, text)


def is_written(path: Path) -> bool:
    """Whether ``path`` is a file that ``write_config`` has written, or the beginning of one."""
    try:
        with open_regular(path) as file:
            return file.read(len(_MARK)) == _MARK.encode()
    except OSError:
        return False


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(part) for key, part in value.items() if part is not None}
    return [_without_none(part) for part in value] if isinstance(value, tuple) else value


def read_config(path: Path) -> Config:
    """Read what ``write_config`` wrote.

    Raises ``InputError``, naming the file, when it is no TOML, lacks a key, has one that is not known, or a value of
    another kind than expected.
    """
    table = read_toml(path, missing=f"no such file; is {path.parent} the folder of a run?")
    try:
        config: Config = _read(Config, table, "")
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return config


def _read(cls: type, table: Mapping[str, Any], prefix: str) -> Any:
    """A dataclass from a table, key by key."""
    known = {item.name for item in fields(cls)}
    if unknown := [key for key in table if key not in known]:
        raise InputError(f"unknown key {prefix}{unknown[0]}; there are {', '.join(sorted(known))}")
    if missing := [item.name for item in fields(cls) if is_required(item) and item.name not in table]:
        raise InputError(f"the key {prefix}{missing[0]} is missing")
    hints = get_type_hints(cls)
    return cls(**{key: _value(value, hints[key], f"{prefix}{key}") for key, value in table.items()})


def _value(value: Any, hint: Any, key: str) -> Any:
    if is_dataclass(hint) and isinstance(value, dict):
        return _read(hint, value, f"{key}.")  # type: ignore[arg-type]  # a class, as get_type_hints gives them
    return convert(value, hint, key)
