"""Any file of weights: which format it is in, which of its values are the weights, and under which names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checkpoint import METADATA_KEY, parse_metadata
from ..errors import CheckpointError
from ..files import PathLike
from .archive import Archive, ArchiveError
from .npy import array_of
from .pickle_machine import PickleError
from .torch_file import is_legacy, is_torch_archive, read_archive, read_legacy
from .torch_values import BFLOAT16, DType, numbers_of

MAX_NAME = 500

NESTED = ("state_dict", "model_state_dict", "model", "net")
"""Under which of these a training script keeps the weights, beside other things."""

PREFIXES = ("module.", "_orig_mod.")
"""What torch.nn.DataParallel and torch.compile put before every name."""


@dataclass(frozen=True)
class Weights:
    """What a file holds. ``arrays`` are its weights by name, as they are in the file: read-only, and read from the
    disk when they are looked at where the format allows it.

    ``found_at``: the keys that lead to them, and the prefix that was taken off their names, for a reader to know.
    ``others``: whatever else is in the file, by its place, and what it is. ``own``: the state that tinyseg kept in a
    checkpoint beside the weights, None for files from elsewhere.
    """

    path: Path
    format: str
    arrays: Mapping[str, NDArray[Any]]
    found_at: str
    others: Mapping[str, str]
    own: Mapping[str, Any] | None = None

    def beside(self) -> list[str]:
        """A line for each thing that is beside the weights; one for all that are the same."""
        places: dict[str, list[str]] = {}
        for place, what in self.others.items():
            places.setdefault(what, []).append(place)
        return [
            f"beside them: {found[0]} is {what}"
            if len(found) == 1
            else f"beside them: {found[0]} and {len(found) - 1} more are {what}"
            for what, found in places.items()
        ]

    def as_dict(self) -> dict[str, Any]:
        """All but the numbers, for JSON."""
        weights = {
            name: {"shape": list(array.shape), "type": array.dtype.name} for name, array in self.arrays.items()
        }
        about = {"path": str(self.path), "format": self.format, "found_at": self.found_at}
        return {**about, "weights": weights, "others": dict(self.others)}


def read(path: PathLike) -> Weights:
    """Read a file of weights: PyTorch's ``.pth`` and ``.pt`` of both forms, ``.safetensors``, ``.npz``.

    The content decides, not the name. Nothing in the file is executed: a PyTorch file may hold tensors, numbers,
    texts and containers, and one that asks for anything else is refused. Raises ``CheckpointError`` for a file that
    cannot be read, with the reason.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "weights.npz"
    >>> np.savez(path, weight=np.ones((2, 3), np.float32))
    >>> weights = read(path)
    >>> weights.format, weights.arrays["weight"].shape
    ('NumPy archive', (2, 3))
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise CheckpointError(f"{path}: no such file of weights")
        return _read(path)
    except (PickleError, ArchiveError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error


def _read(path: Path) -> Weights:
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith(b"PK\x03\x04"):
        archive = Archive(path)
        if is_torch_archive(archive):
            return _state_dict(path, "PyTorch archive", read_archive(archive))
        if all(name.endswith(".npy") for name in archive.names()):
            return _weights(path, "NumPy archive", _numpy_arrays(archive))
        raise ArchiveError("is a zip archive, but neither PyTorch's nor NumPy's")
    if is_legacy(start):
        return _state_dict(path, "PyTorch file from before 1.6", read_legacy(path))
    if start[257:262] == b"ustar":
        raise ArchiveError("is a tar archive, in which PyTorch kept weights before 0.2; save it anew with PyTorch")
    # The length of a safetensors file's header comes first; its lowest byte may be what a pickle begins with.
    is_pickle = start[:1] == b"\x80" and int.from_bytes(start[:8], "little") > path.stat().st_size - 8
    if start[8:9] == b"{" and not is_pickle:
        return _safetensors(path)
    if start[:1] == b"\x80":
        raise PickleError("is a pickle, but not of PyTorch's; save a state_dict with torch.save")
    raise ArchiveError(
        f"is no file of weights that tinyseg reads (.pth, .pt, .safetensors, .npz); it begins with {start[:12]!r}"
    )


def _state_dict(path: Path, form: str, content: Any) -> Weights:
    """The weights in what a PyTorch file holds, however nested."""
    keys: list[str] = []
    others: dict[str, str] = {}
    while isinstance(content, dict):
        key = next((key for key in NESTED if _holds_arrays(content.get(key))), None)
        if key is None:
            break
        others |= {_place(keys, other): _described(part) for other, part in content.items() if other != key}
        keys.append(key)
        content = content[key]
    items = content.items() if isinstance(content, dict) else ()
    arrays = {key: part for key, part in items if isinstance(key, str) and isinstance(part, np.ndarray)}
    if not arrays:
        raise CheckpointError(
            f"{path}: holds no weights by name, at the top or under {', '.join(NESTED)}; it is {_described(content)}"
        )
    others |= {_place(keys, key): _described(part) for key, part in items if key not in arrays}
    return _weights(path, form, arrays, keys, others)


def _holds_arrays(value: Any) -> bool:
    """Whether there is a tensor in a dict, or in a dict in it, and so on."""
    return isinstance(value, dict) and any(
        isinstance(part, np.ndarray) or _holds_arrays(part) for part in value.values()
    )


def _weights(
    path: Path,
    form: str,
    arrays: Mapping[str, NDArray[Any]],
    keys: Sequence[str] = (),
    others: Mapping[str, str] | None = None,
    own: Mapping[str, Any] | None = None,
) -> Weights:
    """The weights that were found under ``keys``, without the prefix that all their names have."""
    for name in arrays:
        if not name.isprintable() or len(name) > MAX_NAME:
            raise CheckpointError(f"{path}: a weight has the name {name!r:.80}, which cannot be printed")
    prefix = next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in arrays)), "")
    where = ", ".join([*keys, *([f"names begin with {prefix}"] if prefix and arrays else [])])
    named = {name.removeprefix(prefix): array for name, array in arrays.items()}
    return Weights(path, form, named, where, others or {}, own)


def _place(keys: list[str], last: Any) -> str:
    text = ".".join([*keys, str(last)])[:MAX_NAME]
    return text if text.isprintable() else repr(text)


def _described(value: Any) -> str:
    """What a value is, in a few words."""
    if isinstance(value, np.ndarray):
        return "a tensor"
    if isinstance(value, (dict, list, bytes)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, (bool, float, type(None))) or (isinstance(value, int) and abs(value) < 2**64):
        return f"{value}"
    return repr(value) if isinstance(value, str) and len(value) < 40 else f"a {type(value).__name__}"


def _numpy_arrays(archive: Archive) -> dict[str, NDArray[Any]]:
    """The arrays of a .npz."""
    return {name.removesuffix(".npy"): array_of(name, archive.read(name)) for name in archive.names()}


def _safetensors(path: Path) -> Weights:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
            names = list(file.keys())
            # A name with a slash is training state in a checkpoint of ours.
            state = [name for name in names if text is not None and "/" in name]
            wide = [name for name in names if file.get_slice(name).get_dtype() != "BF16"]
            arrays = {name: file.get_tensor(name) for name in wide if name not in state}
        if len(wide) < len(names):
            arrays |= _bfloat16_arrays(path, set(names) - set(state))
        own = None if text is None else parse_metadata(text)
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: not a complete safetensors file ({error})") from error
    return _weights(path, "safetensors", arrays, (), dict.fromkeys(state, "training state"), own)


def _bfloat16_arrays(path: Path, names: set[str]) -> dict[str, NDArray[Any]]:
    """The arrays of a type that NumPy has not, as float32."""
    from safetensors import deserialize

    found = [(name, entry) for name, entry in deserialize(path.read_bytes()) if entry["dtype"] == "BF16"]
    bfloat16 = DType(BFLOAT16)
    return {
        name: numbers_of(memoryview(entry["data"]), bfloat16, "<").reshape(entry["shape"])
        for name, entry in found
        if name in names
    }
