"""Checkpoints: weights, and all that a training run needs to go on, in one safetensors file.

The weights stand under their own names, so that any reader of safetensors finds them; names with a slash are
training state (an optimiser's momenta, say). What is no tensor is JSON in the file's metadata, where a tensor is
represented by its name.

A checkpoint takes the place of the last good one only when it is complete and on the disk (``files.writing``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import CheckpointError
from .files import PathLike, write_bytes
from .finite import damage, is_representable
from .models.expectations import expectations, stored
from .models.network import Conventions, Network
from .nn import Module
from .tensor import Tensor, tensor

METADATA_KEY = "tinyseg"
"""One key for everything: the order of several would not be the same each time, nor the bytes of the file."""

MAX_METADATA = 1 << 26
"""Characters; parsed, they may take twenty times as many bytes of memory."""

MAX_DEPTH = 50
"""Levels of a state, of each of which JSON makes up to three."""
_LEVELS_OF_JSON = 3

_TENSOR, _PAIRS = "$tensor", "$pairs"


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: ``weights`` by name, and ``state``, a nest of dicts, lists, numbers, texts and tensors."""

    weights: Mapping[str, Tensor]
    state: Mapping[str, Any] = field(default_factory=dict)


def save(path: PathLike, checkpoint: Checkpoint, *, only_finite: bool = False) -> None:
    """Write ``checkpoint`` to ``path``, all of it or nothing. Raises ``WriteError`` when that is impossible.

    With ``only_finite``, as runs are saved, also for weights, or tensors of the state, that are not finite: ``load``
    would raise, and a good file may be in the place. Without it they are written, for a look at what went wrong.

    The same checkpoint gives the same bytes.

    >>> import tempfile, tinyseg
    >>> path = Path(tempfile.mkdtemp()) / "net.safetensors"
    >>> save(path, Checkpoint({"weight": tinyseg.tensor([1.0, 2.0])}, {"epoch": 3}))
    >>> load(path).weights["weight"].tolist(), load(path).state
    ([1.0, 2.0], {'epoch': 3})
    """
    import safetensors.numpy

    arrays: dict[str, NDArray[Any]] = {}
    for name, value in checkpoint.weights.items():
        if "/" in name:
            raise ValueError(f"save: the weight's name {name!r} has a slash, which marks training state")
        arrays[name] = _array(value)
    text = json.dumps(_dismantle(checkpoint.state, "state", arrays))
    if only_finite and (damaged := damage(arrays)):
        kept = "; the last good one is kept" if Path(path).exists() else ""
        raise CheckpointError(f"{path}: is not written: {damaged}{kept}")
    content = safetensors.numpy.save(arrays, metadata={METADATA_KEY: text})
    write_bytes(path, content)


def save_weights(path: PathLike, model: Module, state: Mapping[str, Any] | None = None) -> None:
    """Write the weights of ``model``, with what a network of ``models`` expects of images and what its weights mean
    beyond their shapes (``Network.preprocessing``, ``Network.conventions``), and with ``state``.

    ``load_weights`` and ``interop.load`` compare this with the network that the weights are loaded into; of a file
    that ``save`` wrote from a ``state_dict`` alone they cannot know it. Raises ``WriteError`` as ``save`` does, and
    ``CheckpointError`` for numbers that are not finite.

    >>> import tempfile, tinyseg
    >>> path = Path(tempfile.mkdtemp()) / "net.safetensors"
    >>> save_weights(path, tinyseg.models.create("unet", num_classes=2, width=1, skip_first=True))
    >>> load(path).state
    {'conventions': {'': {'pad_maps': False}, 'merge': {'skip_first': True}}}
    """
    save(path, Checkpoint(model.state_dict(), {**(state or {}), **expectations(model)}), only_finite=True)


def _array(value: Tensor) -> NDArray[Any]:
    # ascontiguousarray would give a tensor without dimensions one.
    return np.array(value.detach().numpy(), order="C")


def _dismantle(value: Any, name: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """``value`` as JSON can hold it; its tensors go to ``arrays``, under names that begin with ``name``."""
    if name.count("/") > MAX_DEPTH:
        raise ValueError(f"save: the state is nested more than {MAX_DEPTH} deep, or holds itself")
    if isinstance(value, Tensor):
        arrays[name] = _array(value)
        return {_TENSOR: name}
    if isinstance(value, Mapping):
        parts = [(key, _dismantle(part, f"{name}/{key}", arrays)) for key, part in value.items()]
        # An optimiser's state goes by numbers, which JSON would turn into texts.
        return dict(parts) if all(isinstance(key, str) for key, _ in parts) else {_PAIRS: parts}
    if isinstance(value, (list, tuple)):
        return [_dismantle(part, f"{name}/{number}", arrays) for number, part in enumerate(value)]
    return value


def _assemble(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The inverse of ``_dismantle``; tuples have become lists."""
    if isinstance(value, dict):
        if value.keys() == {_TENSOR}:
            return tensors[value[_TENSOR]]
        if value.keys() == {_PAIRS}:
            return {key: _assemble(part, tensors) for key, part in value[_PAIRS]}
        return {key: _assemble(part, tensors) for key, part in value.items()}
    if isinstance(value, list):
        return [_assemble(part, tensors) for part in value]
    return value


def load(path: PathLike) -> Checkpoint:
    """Read a checkpoint, or any safetensors file (its ``state`` is then empty), to the default device.

    Raises ``CheckpointError`` when there is none, it is truncated or otherwise no such file, or holds numbers that
    are not finite.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    try:
        if not path.is_file():
            raise CheckpointError(f"{path}: no such checkpoint")
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            text = (file.metadata() or {}).get(METADATA_KEY, "{}")
        tensors = {name: tensor(array) for name, array in arrays.items()}
        weights = {name: value for name, value in tensors.items() if "/" not in name}
        checkpoint = Checkpoint(weights, _assemble(parse_metadata(text), tensors))
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a complete checkpoint ({error})") from error
    if damaged := damage(arrays):
        raise CheckpointError(f"{path}: cannot be used: {damaged}")
    return checkpoint


def parse_metadata(text: str) -> dict[str, Any]:
    """The JSON that a checkpoint has in its metadata; raises ``ValueError`` where it is no object, or too large."""
    if len(text) > MAX_METADATA:
        raise ValueError(f"its metadata of {len(text):,} characters is larger than any run's")
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("its metadata is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"its metadata is a {type(found).__name__}")
    level: list[Any] = [found]
    for _ in range(_LEVELS_OF_JSON * MAX_DEPTH):
        level = [part for value in level for part in (value.values() if isinstance(value, dict) else value)]
        level = [value for value in level if isinstance(value, (dict, list))]
    if level:
        raise ValueError("its metadata is nested too deeply")
    return found


def load_weights(path: PathLike, model: Module) -> Checkpoint:
    """Read a checkpoint and copy its weights into ``model``; nothing is changed unless every key fits.

    Raises ``CheckpointError`` with the keys that are missing, unexpected, of another shape, or hold numbers that the
    model's type cannot (1e300 would become infinity in float32); and where the
    checkpoint says that its weights mean something else than the model takes them for (``Network.conventions``), or
    says of them what cannot be.
    """
    checkpoint = load(path)
    own = model.state_dict()
    found = checkpoint.weights
    problems = [
        listed("missing", [key for key in own if key not in found]),
        listed("unexpected", [key for key in found if key not in own]),
        listed(
            "of another shape",
            [
                f"{key} is {found[key].shape} but the model's {own[key].shape}"
                for key in own
                if key in found and found[key].shape != own[key].shape
            ],
        ),
        listed(
            "of another type",
            [
                f"{key}'s {found[key].dtype} numbers do not fit {own[key].dtype}"
                for key in own
                if key in found and not is_representable(found[key].numpy(), own[key].dtype)
            ],
        ),
    ]
    problems += [_differing(path, checkpoint.state, model)]
    if any(problems):
        raise CheckpointError(f"{path}: does not match the model: {'; '.join(filter(None, problems))}")
    model.load_state_dict(found)
    return checkpoint


def _differing(path: PathLike, state: Mapping[str, Any], model: Module) -> str:
    """In what a checkpoint and a network of ``models`` compute different things from weights of the same shapes."""
    found = stored(path, state)
    if not isinstance(model, Network):
        return ""
    there, here = _facts(found.conventions or {}), _facts(model.conventions)
    others = [
        f"{key} is {there[key]!r:.40} there and {here[key]!r} here"
        for key in here
        if key in there and there[key] != here[key]
    ]
    if found.preprocessing is not None and model.preprocessing is not None:
        kept = vars(found.preprocessing)
        others += [
            f"{name}, of images, is {kept[name]!r:.80} there and {value!r} here"
            for name, value in vars(model.preprocessing).items()
            if kept[name] != value
        ]
    return f"its options are others: {', '.join(others)}" if others else ""


def _facts(conventions: Conventions) -> dict[str, Any]:
    """Each fact by its layers and its name."""
    return {
        ".".join(filter(None, (layers, name))): value
        for layers, facts in conventions.items()
        for name, value in facts.items()
    }


def listed(what: str, keys: list[str], limit: int = 3) -> str:
    """``keys`` counted, and the first few of them."""
    more = ", ..." if len(keys) > limit else ""
    return f"{len(keys)} {what} ({', '.join(keys[:limit])}{more})" if keys else ""
