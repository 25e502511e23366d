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
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ... import models
from ...errors import InputError
from ...files import parse_toml, read_toml
from ...options import TRAIN_OPTIONS
from ...options.values import convert
from .config import options_of, read_config

Options = dict[str, Any]
"""Names of ``TrainOptions`` and their values; those of the model stand in a dict, ``model_options``."""


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


def read_options(path: Path, others: Mapping[str, Any] | None = None) -> Options:
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


def options_from(table: Mapping[str, Any], others: Mapping[str, Any] | None = None) -> Options:
    """The options in a table of TOML; raises ``InputError`` for unknown keys and values of another kind."""
    others = others or {}
    of_models = {name: option.kind for name, option in models.all_options().items()}
    options: Options = {}
    given: Options = {}
    for key, value in table.items():
        if key in ("description", "source"):  # of a preset that somebody keeps for himself
            continue
        name = key.replace("-", "_")
        if name in TRAIN_OPTIONS:
            options[name] = TRAIN_OPTIONS[name].from_file(value)
        elif name in others:
            options[name] = convert(value, others[name], name)
        elif name in of_models:
            given[name] = convert(value, of_models[name], key)
        else:
            known = sorted({*TRAIN_OPTIONS, *others, *of_models})
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"unknown key {key}; {hint}there are {', '.join(known)}")
    return options | ({"model_options": given} if given else {})


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
