"""PyTorch's file formats written by hand, so that files that PyTorch would never write can be made, too."""

from __future__ import annotations

import io
import struct
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {"float32": "Float", "float64": "Double", "float16": "Half", "int64": "Long", "uint8": "Byte"}


@dataclass(frozen=True)
class Name:
    """A global name, which unpickling would import."""

    module: str
    name: str


@dataclass(frozen=True)
class Call:
    """What unpickling would call."""

    function: Any
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Outside:
    """An object that is kept outside of the pickle."""

    description: Any


@dataclass(frozen=True)
class State:
    """An object whose state unpickling would set."""

    value: Any
    state: Any


@dataclass(frozen=True)
class Raw:
    """Instructions as they are."""

    code: bytes


def pickled(value: Any) -> bytes:
    """A pickle of protocol 2."""
    return b"\x80\x02" + code(value) + b"."


def code(value: Any) -> bytes:
    """The instructions that make ``value``."""
    match value:
        case Raw(content):
            return content
        case Name(module, name):
            return f"c{module}\n{name}\n".encode()
        case Call(function, arguments):
            return code(function) + code(arguments) + b"R"
        case Outside(description):
            return code(description) + b"Q"
        case State(inner, state):
            return code(inner) + code(state) + b"b"
        case None | True | False:
            return {None: b"N", True: b"\x88", False: b"\x89"}[value]
        case int():
            size = value.bit_length() // 8 + 1
            return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case tuple():
            return b"(" + b"".join(map(code, value)) + b"t"
        case list():
            return b"](" + b"".join(map(code, value)) + b"e"
        case dict():
            return b"}(" + b"".join(code(key) + code(part) for key, part in value.items()) + b"u"
    raise TypeError(f"no instructions for a {type(value).__name__}")


def storage(key: str, count: int, kind: str = "Float", legacy: bool = False) -> Outside:
    """How a pickle names a storage; before 1.6 there was a sixth entry."""
    return Outside(("storage", Name("torch", f"{kind}Storage"), key, "cpu", count, *((None,) if legacy else ())))


def tensor(where: Any, shape: tuple[int, ...], strides: tuple[int, ...] | None = None, offset: int = 0) -> Call:
    """How a pickle describes a tensor that is a view of a storage."""
    if strides is None:
        strides = tuple(int(np.prod(shape[place + 1 :])) for place in range(len(shape)))
    hooks = Call(Name("collections", "OrderedDict"), ())
    return Call(Name("torch._utils", "_rebuild_tensor_v2"), (where, offset, shape, strides, False, hooks))


def state_dict(arrays: Mapping[str, NDArray[Any]], legacy: bool = False) -> tuple[Any, dict[str, bytes]]:
    """A state dict as a pickle describes it, and its storages."""
    content: dict[str, Any] = {}
    storages: dict[str, bytes] = {}
    for number, (name, array) in enumerate(arrays.items()):
        where = storage(str(number), array.size, STORAGES[array.dtype.name], legacy)
        content[name] = tensor(where, array.shape)
        storages[str(number)] = array.tobytes()
    return content, storages


def write_archive(path: Path, content: Any, storages: Mapping[str, bytes], **options: Any) -> Path:
    """A file as PyTorch writes it since 1.6. ``members``: further ones; ``compression``: zipfile's."""
    with zipfile.ZipFile(path, "w", options.get("compression", zipfile.ZIP_STORED)) as archive:
        archive.writestr("archive/data.pkl", pickled(content))
        for name, text in options.get("members", {"byteorder": sys.byteorder}).items():
            archive.writestr(f"archive/{name}", text)
        for key, raw in storages.items():
            archive.writestr(f"archive/data/{key}", raw)
    return path


def write_legacy(
    path: Path, content: Any, storages: Mapping[str, bytes], itemsize: int = 4, machine: str = "little"
) -> Path:
    """A file as PyTorch wrote it before 1.6."""
    stream = io.BytesIO()
    facts = {"protocol_version": 1001, "little_endian": machine == "little", "type_sizes": {"int": 4}}
    for value in (MAGIC, 1001, facts, content, list(storages)):
        stream.write(pickled(value))
    for raw in storages.values():
        stream.write((len(raw) // itemsize).to_bytes(8, "little") + raw)
    path.write_bytes(stream.getvalue())
    return path
