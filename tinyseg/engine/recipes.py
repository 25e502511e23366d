"""Options of training from files: a user's own, a run's ``config.toml``, and the presets, which are such files, too.

A file has a key for each option, named as on the command line, with dashes or underscores::

    data = "folder"
    root = "data"
    model = "unet"
    width = 16                     # options of the model stand among the others
    schedule = "multistep"
    milestones = [30, 60]
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_type_hints

from .. import models
from ..errors import InputError
from ..files import parse_toml, read_toml
from .config import convert, read_config
from .objective import parse_border_weights, parse_loss_options
from .prepare import TrainOptions, options_of

Options = dict[str, Any]
"""Names of ``TrainOptions`` and their values; those of the model stand in a dict, ``model_options``."""

AROUND: Mapping[str, type] = {
    "out": str,
    "tensorboard": bool,
    "threads": int,
    "workers": int,
    "cache_images": str,
    "device": str,
    "quiet": bool,
}
"""What is no option of the training itself; a file for ``tinyseg train`` may speak of these, too."""


@dataclass(frozen=True)
class Preset:
    """Options that go together: a paper's, or ones that were found to do well."""

    name: str
    description: str
    source: str
    options: Options
    text: str


def preset_names() -> list[str]:
    """All presets."""
    return sorted(entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml"))


def preset(name: str) -> Preset:
    """A preset; raises ``InputError``, with those that there are, for an unknown name.

    >>> preset("fcn32s-heavy").options["reduction"]
    'sum'
    """
    if name not in preset_names():
        raise InputError(f"unknown --preset {name!r}; there are {', '.join(preset_names())}")
    text = (_folder() / f"{name}.toml").read_text(encoding="utf-8")
    table = parse_toml(text)
    return Preset(name, table["description"], table["source"], options_from(table), text)


def _folder() -> Any:
    return resources.files(__package__) / "presets"


def read_options(path: Path, others: Mapping[str, type] | None = None) -> Options:
    """The options in a file; that may also be the ``config.toml`` of a run, and has those which that was made with.

    ``others``: keys that are no options of training, and their types. Raises ``InputError``, naming the file, if it
    is no TOML, has a key that is not known, or a value of another kind.
    """
    table = read_toml(path)
    try:
        if isinstance(table.get("training"), dict):
            found = options_of(read_config(path))
            return {name: value for name, value in vars(found).items() if value is not None}
        return options_from(table, others)
    except InputError as error:
        raise InputError(f"{error}" if str(error).startswith(str(path)) else f"{path}: {error}") from error


def options_from(table: Mapping[str, Any], others: Mapping[str, type] | None = None) -> Options:
    """The options in a table of TOML; raises ``InputError`` for unknown keys and values of another kind."""
    kinds = {**get_type_hints(TrainOptions), **(others or {})}
    del kinds["model_options"]
    of_models = {name: option.kind for name, option in models.all_options().items()}
    options: Options = {}
    given: Options = {}
    for key, value in table.items():
        if key in ("description", "source"):  # of a preset that somebody keeps for himself
            continue
        name = key.replace("-", "_")
        if name in kinds:
            options[name] = _value(name, value, kinds[name])
        elif name in of_models:
            given[name] = convert(value, of_models[name], key)
        else:
            known = sorted({*kinds, *of_models})
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"unknown key {key}; {hint}there are {', '.join(known)}")
    return options | ({"model_options": given} if given else {})


def _value(name: str, value: Any, kind: Any) -> Any:
    """A value as its option has it: sizes, lists and weights may also be texts, as on the command line."""
    if name in ("size", "crop"):
        return _size(name, value)
    if name in PARSED and isinstance(value, str):
        return PARSED[name](value)
    if name == "class_weights" and isinstance(value, list):
        return convert(value, tuple[float, ...], name)
    if name == "freeze" and isinstance(value, str):
        return (value,)
    return convert(value, kind, name)


def _size(name: str, value: Any) -> tuple[int, int]:
    if isinstance(value, str):
        return parse_size(value, name)
    try:
        height, width = convert(value, tuple[int, int], name)
    except InputError as error:
        raise InputError(f'{error}, height and width: {name} = [180, 240], or "180x240"') from error
    return parse_size(f"{height}x{width}", name)


def parse_size(text: str, option: str = "size") -> tuple[int, int]:
    """``180x240`` as (height, width); raises ``InputError`` for other texts.

    >>> parse_size("180x240")
    (180, 240)
    """
    found = re.fullmatch("([0-9]+)x([0-9]+)", text.lower())
    if not found or not all(int(part) for part in found.groups()):
        raise InputError(f"--{option}: expected HEIGHTxWIDTH, such as 180x240, got {text!r}")
    return int(found[1]), int(found[2])


def parse_milestones(text: str) -> tuple[int, ...]:
    """``30,60`` as (30, 60); raises ``InputError`` for other texts."""
    if not re.fullmatch("[0-9]+(,[0-9]+)*", text):
        raise InputError(f"--milestones: expected epochs, such as 30,60, got {text!r}")
    return tuple(int(part) for part in text.split(","))


def parse_rates(text: str) -> dict[str, float]:
    """``fc8=10,up.0=0.5`` as a dict; raises ``InputError`` for other texts, and for a name that comes twice.

    >>> parse_rates("fc8=10,up.0=0.5")
    {'fc8': 10.0, 'up.0': 0.5}
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, times = (piece.strip() for piece in part.partition("="))
        try:
            factor = float(times)
        except ValueError:
            factor = math.nan
        if not name or math.isnan(factor):
            raise InputError(f"--rate-of: expected PREFIX=TIMES, such as fc8=10, got {part!r}")
        if name in found:
            raise InputError(f"--rate-of: {name} comes twice")
        found[name] = factor
    return found


PARSED: dict[str, Callable[[str], Any]] = {
    "milestones": parse_milestones,
    "loss_options": parse_loss_options,
    "border_weights": parse_border_weights,
    "rate_of": parse_rates,
}
"""Options that are texts on the command line, and may be in files."""


def layered(*layers: Options) -> Options:
    """All options, those of later layers in the place of earlier ones'.

    Options of a model, or of a loss, go with it, and so do the rates of a model's parts: a later layer with another
    one leaves the earlier ones' behind.

    >>> layered({"model": "unet", "model_options": {"width": 8}}, {"model": "fcn8s", "epochs": 3})
    {'model': 'fcn8s', 'epochs': 3}
    """
    result: Options = {}
    for layer in layers:
        if layer.get("model", result.get("model")) != result.get("model"):
            result.pop("model_options", None)
            result.pop("rate_of", None)
        if layer.get("loss", result.get("loss", "ce")) != result.get("loss", "ce"):
            result.pop("loss_options", None)
        own = {**result.get("model_options", {}), **layer.get("model_options", {})}
        result |= layer
        if own:
            result["model_options"] = own
    return result
