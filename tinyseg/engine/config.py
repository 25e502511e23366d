"""What a run is: everything it needs to be repeated, continued, evaluated or used, as one ``config.toml``.

A configuration is complete and settled: options left open on the command line have their values here, and what was
measured from the data (normalisation, class weights) is written out. Who holds the file and the weights needs
neither the command line nor the training images.
"""

from __future__ import annotations

import json
import math
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..data import EXTRA_TARGETS, Classes, Normalise, augmentations
from ..data.dataset import IGNORE_INDEX, MAX_CLASSES, Color, distinct
from ..errors import InputError
from ..files import write_text
from ..reading import open_regular, read_toml
from .bounds import check_numbers

Size = tuple[int, int]

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


@dataclass(frozen=True)
class DataConfig:
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
    num_classes: int
    in_channels: int
    class_names: tuple[str, ...]
    class_colors: tuple[str, ...]
    void_color: str
    ignore_index: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: tuple[str, ...] = ()
    seed: int = 0
    root: str | None = None
    val_fraction: float | None = None
    size: Size | None = None
    crop: Size | None = None
    mapping: dict[str, int] | None = None
    bgr: bool = False
    as_stored: bool = False
    depths: tuple[int, ...] = ()
    spread: float | None = None
    crowds: str | None = None

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


@dataclass(frozen=True)
class TrainingConfig:
    """How weights are learnt. ``class_weights`` has a number for each class, or is None for 1. ``loss`` is a name in
    ``objective.LOSSES``, ``loss_options`` go with it; ``border_weights`` are w0 and sigma of ``data.BorderWeights``.

    Of the optimiser: ``nesterov`` (sgd); ``bias_lr``: what the rate of biases is multiplied with; ``rate_of``: the
    same for parameters by their names, or what these begin with up to a dot; ``accumulate``: batches in a step;
    ``reduction``: the loss is the "mean" or the "sum" over pixels; ``clip_norm``, ``clip_value``: see ``nn.utils``;
    ``freeze``: names, or what they begin with up to a dot, of parameters that stay as they are.
    Of the schedule: ``warmup`` and ``step_epochs`` and ``milestones`` in epochs, ``power`` of poly, ``gamma`` of
    step, multistep, exponential and plateau, ``plateau_patience``. ``ema``: the decay of the weights' average, which
    is then what is scored and kept; ``recalibrate``: batches over which batch norm is measured anew before it;
    ``patience``: epochs without a better mean IU after which training stops. ``stage``: what of a network in two
    stages is trained; ``weights``: the file or the run whose weights it began with, with ``partial_weights`` those
    of them that fit. ``pictures``: images drawn after each epoch.
    """

    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    momentum: float
    weight_decay: float
    schedule: str
    seed: int
    class_weights: tuple[float, ...] | None = None
    loss: str = "ce"
    loss_options: dict[str, Any] = field(default_factory=dict)
    border_weights: tuple[float, float] | None = None
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


@dataclass(frozen=True)
class Config:
    """All of it, and the version of tinyseg that wrote it."""

    tinyseg: str
    data: DataConfig
    model: ModelConfig
    training: TrainingConfig

    def __post_init__(self) -> None:
        data, training = self.data, self.training
        if not 1 <= data.num_classes <= MAX_CLASSES:
            raise InputError(f"data.num_classes must be 1 to {MAX_CLASSES}, got {data.num_classes}")
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
        check_numbers(vars(training), "training.{}".format)
        check_numbers({"seed": data.seed}, "data.{}".format)


def write_config(path: Path, config: Config) -> None:
    """Write ``config`` as TOML; values that are None are left out, as TOML has none."""
    import tomli_w

    text = f"{_MARK}: what this run is. --resume, evaluate and predict read it.\n\n"
    text += tomli_w.dumps(_without_none(asdict(config)))
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
    required = [item.name for item in fields(cls) if item.default is MISSING and item.default_factory is MISSING]
    if missing := [key for key in required if key not in table]:
        raise InputError(f"the key {prefix}{missing[0]} is missing")
    hints = get_type_hints(cls)
    return cls(**{key: convert(value, hints[key], f"{prefix}{key}") for key, value in table.items()})


def convert(value: Any, hint: Any, key: str) -> Any:
    """``value`` as the type ``hint``; raises ``InputError`` if it is of another kind."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return convert(value, arguments[0], key)
    if is_dataclass(hint) and isinstance(value, dict):
        return _read(hint, value, f"{key}.")  # type: ignore[arg-type]  # a class, as get_type_hints gives them
    if origin is tuple and isinstance(value, list):
        kinds = (arguments[0],) * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) == len(value):
            return tuple(convert(part, kind, key) for part, kind in zip(value, kinds, strict=True))
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if origin is dict and isinstance(value, dict) and arguments[1] is not Any:
        return {name: convert(part, arguments[1], f"{key}.{name}") for name, part in value.items()}
    plain = dict if origin is dict else hint
    if plain in (bool, int, str, dict) and type(value) is plain:
        return value
    raise InputError(f"{key} = {_as_toml(value)} is not what belongs there: expected {_described(hint)}")


_SHOWN = 80  # characters of a value in a message

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _described(hint: Any) -> str:
    """What a type is called in a file.

    >>> [_described(hint) for hint in (int, tuple[int, int], tuple[float, ...], dict[str, int])]
    ['a whole number', 'a list of 2 whole numbers', 'a list of numbers', 'a table']
    """
    if get_origin(hint) is not tuple:
        return _WORDS.get(hint, "a table")
    kind, *rest = get_args(hint)
    count = "" if rest[-1:] == [Ellipsis] else f"{1 + len(rest)} "
    return f"a list of {count}{_WORDS[kind].removeprefix('a ')}s"


def _as_toml(value: Any) -> str:
    """A value as it stands in a file, or nearly so, and not all of it if it is long."""
    text = str(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
