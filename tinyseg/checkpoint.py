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
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import CheckpointError
from .files import write_bytes
from .paths import PathLike
from .tensor import Tensor, tensor

if TYPE_CHECKING:
    from .nn import Module


METADATA_KEY = "tinyseg"
"""One key for everything: the order of several would not be the same each time, nor the bytes of the file."""

_TENSOR, _PAIRS = "$tensor", "$pairs"


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: ``weights`` by name, and ``state``, a nest of dicts, lists, numbers, texts and tensors."""

    weights: Mapping[str, Tensor]
    state: Mapping[str, Any] = field(default_factory=dict)


def save(path: PathLike, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` to ``path``, all of it or nothing. Raises ``WriteError`` when that is impossible.

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
    content = safetensors.numpy.save(arrays, metadata={METADATA_KEY: text})
    write_bytes(path, content)


def _array(value: Tensor) -> NDArray[Any]:
    # ascontiguousarray would give a tensor without dimensions one.
    return np.array(value.detach().numpy(), order="C")


def _dismantle(value: Any, name: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """``value`` as JSON can hold it; its tensors go to ``arrays``, under names that begin with ``name``."""
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

    Raises ``CheckpointError`` when there is none, or it is truncated or otherwise no such file.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: tensor(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118 (no mapping)
            text = (file.metadata() or {}).get(METADATA_KEY, "{}")
        weights = {name: value for name, value in tensors.items() if "/" not in name}
        state = _assemble(json.loads(text), tensors)
        if not isinstance(state, dict):
            raise ValueError(f"its metadata is a {type(state).__name__}")
        return Checkpoint(weights, state)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path}: not a complete checkpoint ({error})") from error


def load_weights(path: PathLike, model: Module) -> Checkpoint:
    """Read a checkpoint and copy its weights into ``model``; nothing is changed unless every key fits.

    Raises ``CheckpointError`` with the keys that are missing, unexpected, or of another shape.
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
    ]
    if any(problems):
        raise CheckpointError(f"{path}: does not match the model: {'; '.join(filter(None, problems))}")
    model.load_state_dict(found)
    return checkpoint


def listed(what: str, keys: list[str], limit: int = 3) -> str:
    """``keys`` counted, and the first few of them."""
    more = ", ..." if len(keys) > limit else ""
    return f"{len(keys)} {what} ({', '.join(keys[:limit])}{more})" if keys else ""
