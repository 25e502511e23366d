"""What weights expect of images and mean beyond their shapes, as files store it: from a network, and back.

The stored form is JSON in the file's metadata: ``preprocessing`` is a table of mean, std and bgr, ``conventions`` has
for each group of layers a table of facts. It is read by ``stored`` alone, which checks the type of each field: a text
in the place of a truth value would be true, whatever it says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import CheckpointError
from ..files import PathLike
from ..nn import Module
from .network import Conventions, Network, Preprocessing

_TYPES = {"pad_maps": bool, "skip_first": bool, "dilation": int, "scale": float, "kind": str, "padding": str}
"""Of each fact that a network has in its ``conventions``. Facts not listed here are of other versions."""

_NAMES = {bool: "true or false", int: "a whole number", float: "a finite number", str: "a text"}


@dataclass(frozen=True)
class Expectations:
    """What a file says of its weights. ``None`` where it says nothing, as files from elsewhere do."""

    preprocessing: Preprocessing | None = None
    conventions: Conventions | None = None


def expectations(model: Module) -> dict[str, Any]:
    """What the weights of ``model`` expect of images, and what they mean beyond their shapes, in the stored form;
    empty for a module that is no network of ``models``.

    >>> from tinyseg import models
    >>> expectations(models.create("unet", num_classes=2, width=1, skip_first=True))
    {'conventions': {'': {'pad_maps': False}, 'merge': {'skip_first': True}}}
    """
    if not isinstance(model, Network):
        return {}
    conventions = {layers: dict(facts) for layers, facts in model.conventions.items()}
    expected = {} if model.preprocessing is None else {"preprocessing": asdict(model.preprocessing)}
    return {**expected, "conventions": conventions}


def stored(path: PathLike, state: Mapping[str, Any]) -> Expectations:
    """The inverse of ``expectations``: what the ``state`` of a checkpoint, which was read from ``path``, says.

    Raises ``CheckpointError``, which names the file and the field, for a field of another type or a value that cannot
    be.

    >>> stored("a", {"conventions": {"": {"pad_maps": "no"}}})
    Traceback (most recent call last):
    ...
    tinyseg.errors.CheckpointError: a: its conventions cannot be used: pad_maps must be true or false, got 'no'
    """
    found: dict[str, Any] = {}
    parsers = (("preprocessing", _preprocessing), ("conventions", _conventions))
    for name, parse in parsers:
        try:
            found[name] = None if state.get(name) is None else parse(state[name])
        except ValueError as error:
            raise CheckpointError(f"{path}: its {name} cannot be used: {error}") from error
    return Expectations(**found)


def _preprocessing(kept: Any) -> Preprocessing:
    _need(isinstance(kept, Mapping), "it", "a table", kept)
    for name in ("mean", "std", "bgr"):
        if name not in kept:
            raise ValueError(f"{name!r} is missing")
    for name in ("mean", "std"):
        _need(isinstance(kept[name], (list, tuple)), name, "a list of numbers", kept[name])
        for place, number in enumerate(kept[name]):
            _check(f"{name}[{place}]", number, float)
    _check("bgr", kept["bgr"], bool)
    return Preprocessing(tuple(map(float, kept["mean"])), tuple(map(float, kept["std"])), kept["bgr"])


def _conventions(kept: Any) -> Conventions:
    _need(isinstance(kept, Mapping), "it", "a table", kept)
    for layers, facts in kept.items():
        _need(isinstance(facts, Mapping), f"{layers!r:.40}", "a table", facts)
        for name, value in facts.items():
            if name in _TYPES:
                _check(".".join(filter(None, (f"{layers:.40}", name))), value, _TYPES[name])
    conventions: Conventions = kept
    return conventions


def _check(name: str, value: Any, kind: type) -> None:
    kinds = (int, float) if kind is float else (kind,)
    fits = type(value) in kinds and (kind is not float or (abs(value) < 2**1023 and math.isfinite(value)))
    _need(fits, name, _NAMES[kind], value)


def _need(fits: bool, name: str, wanted: str, value: Any) -> None:
    if not fits:
        plain = value is None or isinstance(value, (bool, float, str)) or (type(value) is int and abs(value) < 2**64)
        raise ValueError(f"{name} must be {wanted}, got {f'{value!r:.40}' if plain else f'a {type(value).__name__}'}")
