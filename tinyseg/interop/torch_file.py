"""PyTorch's files, in both forms, without PyTorch.

Since PyTorch 1.6 a file is a zip archive: ``NAME/data.pkl`` is a pickle of the saved object, ``NAME/data/KEY`` the
numbers of each storage, ``NAME/byteorder`` says how they are written. Before, it was a row of pickles: a magic
number, a version, facts about the machine, the object, and the keys of its storages; behind them, for each key, the
number of elements as 8 bytes and the elements themselves, little-endian whatever those facts say. Most older public
weights are of that form.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

from numpy.typing import NDArray

from .archive import Archive, ArchiveError, map_file
from .pickle_machine import Machine, PickleError
from .torch_values import NAMES, ByteOrder, Storage, TensorView, build, numbers_of, storage_from_id

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_VERSION = 1001
LEGACY_START = b"\x80\x02\x8a\x0a" + LEGACY_MAGIC.to_bytes(10, "little")
"""How such a file begins: the magic number as a pickle of protocol 2."""

_ORDERS: Mapping[str, ByteOrder] = {"little": "<", "big": ">"}


class _Object:
    """The saved object, in which tensors are views still, and the storages that it names."""

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}
        self.machine = Machine(NAMES, self._storage, build)

    def _storage(self, description: Any) -> Storage:
        storage = storage_from_id(description)
        if self.storages.setdefault(storage.key, storage) != storage:
            raise PickleError(f"storage {storage.key!r} has two types or sizes")
        return storage


def is_torch_archive(archive: Archive) -> bool:
    """Whether a zip archive is PyTorch's."""
    return any(name.endswith("/data.pkl") for name in archive.names())


def read_archive(archive: Archive) -> Any:
    """The object in a zip archive; its tensors are arrays. Raises ``PickleError`` and ``ArchiveError``."""
    names = archive.names()
    pickles = [name for name in names if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ArchiveError(f"its zip archive has {len(pickles)} members data.pkl, expected one")
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}constants.pkl" in names or any(name.startswith(f"{root}code/") for name in names):
        raise PickleError("is a TorchScript archive, which is a program; save the state_dict() of its model instead")
    order = "little"
    if f"{root}byteorder" in names:
        order = bytes(archive.read(f"{root}byteorder")[:10]).decode("latin1")
    if order not in _ORDERS:
        raise PickleError(f"its byte order is {order!r}, expected 'little' or 'big'")
    found = _Object()
    content = found.machine.run(io.BytesIO(archive.read(pickles[0])))
    memory: dict[str, memoryview] = {}
    for key, storage in found.storages.items():
        name = f"{root}data/{key}"
        # Before it is read: a storage that is not what the pickle says need not be inflated.
        if archive.size(name) != storage.nbytes:
            raise PickleError(
                f"storage {key!r} has {archive.size(name):,} bytes where the pickle says {storage.nbytes:,}"
            )
        memory[key] = archive.read(name)
    return _with_arrays(content, _Memory(memory, _ORDERS[order]))


def is_legacy(start: bytes) -> bool:
    """Whether a file that starts so is of the form from before PyTorch 1.6."""
    return start.startswith(LEGACY_START)


def read_legacy(path: Path) -> Any:
    """The object in a file of the form from before PyTorch 1.6; its tensors are arrays. Raises ``PickleError``."""
    with path.open("rb") as file:
        memory_of_file = map_file(file)
    mapped = cast(IO[bytes], memory_of_file)
    found, plain = _Object(), Machine({})
    magic, version, machine = (plain.run(mapped) for _ in range(3))
    if magic != LEGACY_MAGIC or version != LEGACY_VERSION or not isinstance(machine, dict):
        raise PickleError(f"its version is not the {LEGACY_VERSION} that PyTorch wrote before 1.6")
    content = found.machine.run(mapped)
    keys = plain.run(mapped)
    texts = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not texts or set(keys) != set(found.storages) or len(keys) != len(found.storages):
        raise PickleError("its list of storages is not that of the storages its tensors are in")
    memory: dict[str, memoryview] = {}
    content_of_file, position = memoryview(memory_of_file), mapped.tell()
    for key in keys:
        storage = found.storages[key]
        count = int.from_bytes(content_of_file[position : position + 8], "little")
        if count != storage.count:
            raise PickleError(f"storage {key!r} has {count:,} elements where the pickle says {storage.count:,}")
        position += 8
        memory[key] = content_of_file[position : position + storage.nbytes]
        if len(memory[key]) != storage.nbytes:
            raise PickleError(f"is incomplete: it ends within storage {key!r}")
        position += storage.nbytes
    return _with_arrays(content, _Memory(memory, "<"))


class _Memory:
    """The numbers of storages, each read once."""

    def __init__(self, content: Mapping[str, memoryview], order: ByteOrder) -> None:
        self.content, self.order = content, order
        self.numbers: dict[tuple[str, str], NDArray[Any]] = {}

    def array(self, view: TensorView) -> NDArray[Any]:
        key = view.storage.key, view.dtype.name
        if key not in self.numbers:
            self.numbers[key] = numbers_of(self.content[view.storage.key], view.dtype, self.order)
        return view.array(self.numbers[key])


def _with_arrays(value: Any, memory: _Memory) -> Any:
    """``value`` with an array in the place of each view."""
    if isinstance(value, TensorView):
        return memory.array(value)
    if isinstance(value, dict):
        return {key: _with_arrays(part, memory) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_arrays(part, memory) for part in value]
    return value
