"""MATLAB files of version 5 to 7: the few forms that data sets use, read with every length checked.

SciPy's reader ends the process for some damaged files. This one reads numbers, texts, cells and structs (what SBD,
NYUDv2, PASCAL Context, SIFT Flow and the lists of SUN RGB-D hold) as "MAT-File Format" describes them: a header of
128 bytes, then elements, each with a type and a length in front, compressed or not; a matrix is an element of
elements (flags, dimensions, name, content). No length is believed before the bytes are there, and nothing unpacks to
more than ``MAX_BYTES``. Files of version 7.3 are HDF5 and read by h5py.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...files import PathLike, open_regular
from .image_file import check_pixels

MAX_BYTES = 8 * 89_478_485
"""Bytes of one variable, unpacked: a number of 8 bytes for each pixel of the largest image that is decoded."""

MAX_CELLS = 1_000_000
"""Cells, fields and lines of texts of one variable, with those in cells: an empty one of 8 bytes takes 20 times that
in memory. Also the largest axes that a matrix without content may have, multiplied."""

_MAX_DIMENSIONS, _MAX_DEPTH, _MAX_NAME = 32, 16, 4096
_START = 16_384  # flags, dimensions and name fit into it

_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _CHARS = 1, 2, 4
_NUMERIC = range(6, 16)
_KINDS = {3: "an object", 5: "a sparse matrix", 16: "a function", 17: "an object", 18: "an object"}
_COMPLEX = 0x800


class MatError(ValueError):
    """The bytes are not what the format says."""


class Unread(NamedTuple):
    """Stands for a value of a form that is not read: a sparse matrix, an object, a function."""

    kind: str


def read_variable(path: PathLike, name: str) -> Any:
    """The variable ``name`` of a MATLAB file.

    Numbers are an array of at least two axes, as they are stored; texts a ``str`` (of several rows, an array of
    them); cells an array of objects; a struct a ``dict`` of its fields (of several structs, an array of them);
    anything else is ``Unread``. Raises ``DataError``, naming the file, if there is no such file or variable, if the
    file is damaged, of another version, or unpacks to more than ``MAX_BYTES``.
    """
    try:
        with open_regular(path) as file:
            content, names = _find(file, name)
            value = None if content is None else _matrix(content, 0)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (MatError, OSError) as error:
        raise DataError(f"{path}: cannot be read as a MATLAB file ({error}); is it complete?") from error
    if content is None:
        raise DataError(f"{path}: has no variable {name!r}; it has {', '.join(names) or 'none'}")
    return value


def read_mask_variable(path: PathLike, name: str) -> NDArray[Any]:
    """A mask ``(H, W)`` of whole numbers in a MATLAB file."""
    return whole_numbers(read_variable(path, name), name, path)


def whole_numbers(values: Any, name: str, path: PathLike) -> NDArray[Any]:
    """``values``, found as ``name`` in a MATLAB file, if they are a mask ``(H, W)``; ``DataError`` otherwise."""
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "iuf":
        what = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise DataError(f"{path}: {name} is {what}, expected a mask (H, W)")
    check_pixels(path, (values.shape[0], values.shape[1]))
    if values.dtype.kind != "f":
        return values
    if not (
        np.isfinite(values).all() and np.abs(values).max(initial=0) < 2**53 and (values == np.rint(values)).all()
    ):
        raise DataError(f"{path}: {name} has values that are no whole numbers")
    return values.astype(np.int64)


def _find(file: BinaryIO, name: str) -> tuple[_Bytes | None, list[str]]:
    """The variable ``name``, or None, and the names of those before it."""
    header = file.read(128)
    order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
    if order is None or len(header) < 128:
        raise MatError("it does not begin as one of version 5 to 7 does")
    if header[124:126] == (b"\0\x02" if order == "<" else b"\x02\0"):
        raise MatError("it has version 7.3, which is HDF5; save it by -v7")
    names: list[str] = []
    while len(tag := file.read(8)) == 8:
        kind, size = struct.unpack(f"{order}II", tag)
        if kind not in (_MATRIX, _COMPRESSED):
            raise MatError(f"it has an element of type {kind} where a variable should be")
        here = file.tell()
        start = file.read(min(size, _START))
        if kind == _COMPRESSED:
            start = _unpacked(start, min(_START, MAX_BYTES))[8:]
        found = _header(_Bytes(start, order)).name
        if found == name:
            file.seek(here)
            # A length of 4 GB costs no memory: no more is read than there is.
            content = file.read(size)
            if len(content) < size:
                raise MatError("it is cut short")
            return _variable(content, kind, order), names
        names += [found] if found else []
        file.seek(here + size)
    if tag:
        raise MatError("it is cut short")
    return None, names


def _variable(content: bytes, kind: int, order: str) -> _Bytes:
    """What follows the tag of a matrix, which may be the content of a compressed element."""
    if kind == _MATRIX:
        return _Bytes(content, order)
    first = _unpacked(content, 8)
    if len(first) < 8:
        raise MatError("it is cut short")
    kind, size = struct.unpack(f"{order}II", first)
    if kind != _MATRIX:
        raise MatError(f"it has an element of type {kind} where a variable should be")
    if size > MAX_BYTES:
        raise MatError(f"a variable of {size:,} bytes; at most {MAX_BYTES:,} are read")
    unpacked = _unpacked(content, 8 + size)[8:]
    if len(unpacked) < size:
        raise MatError("it is cut short")
    return _Bytes(unpacked, order)


def _unpacked(content: bytes, most: int) -> bytes:
    """The first ``most`` bytes of a compressed element."""
    try:
        return zlib.decompressobj().decompress(content, most)
    except zlib.error as error:
        raise MatError(str(error)) from error


class _Bytes:
    """Bytes that are taken off one by one; taking more than there are raises ``MatError``."""

    def __init__(self, content: bytes | memoryview, order: str) -> None:
        self.content, self.order, self.place = memoryview(content), order, 0
        self.cells = [0]

    def inside(self, content: memoryview) -> _Bytes:
        """Bytes whose cells count among these."""
        part = _Bytes(content, self.order)
        part.cells = self.cells
        return part

    @property
    def left(self) -> int:
        return len(self.content) - self.place

    def take(self, size: int) -> memoryview:
        if size > self.left:
            raise MatError("it is cut short, or a length in it is wrong")
        self.place += size
        return self.content[self.place - size : self.place]

    def element(self) -> tuple[int, memoryview]:
        """Type and content of the next element; up to four bytes stand in its tag."""
        (word,) = struct.unpack(f"{self.order}I", self.take(4))
        if word >> 16:
            size, content = word >> 16, self.take(4)
            if size > 4:
                raise MatError(f"a short element of {size} bytes")
            return word & 0xFFFF, content[:size]
        (size,) = struct.unpack(f"{self.order}I", self.take(4))
        content = self.take(size)
        self.take(min(-size % 8, self.left))
        return word, content

    def numbers(self, *kinds: int) -> NDArray[Any]:
        """The numbers of the next element, which must have one of these types (any numeric one if none is given)."""
        kind, content = self.element()
        if kind not in (kinds or _NUMBERS):
            raise MatError(f"an element of type {kind} where numbers should be")
        dtype = np.dtype(f"{self.order}{_NUMBERS[kind]}")
        if len(content) % dtype.itemsize:
            raise MatError(f"{len(content)} bytes where numbers of {dtype.itemsize} bytes should be")
        return np.frombuffer(content, dtype)


class _Header(NamedTuple):
    """What stands in front of the content of each matrix."""

    kind: int
    is_complex: bool
    shape: tuple[int, ...]
    name: str


def _header(content: _Bytes) -> _Header:
    flags = content.numbers(6)
    if len(flags) != 2:
        raise MatError("a matrix without its flags")
    word = int(flags[0])
    if word & 0xFF in (17, 18):  # an object of a later kind has neither dimensions nor a name
        return _Header(word & 0xFF, False, (), "")
    shape = tuple(content.numbers(5).tolist())
    if not 2 <= len(shape) <= _MAX_DIMENSIONS or min(shape) < 0:
        raise MatError(f"a matrix of the dimensions {shape[:8]}")
    kind, name = content.element()
    if kind not in (1, 2, 16) or len(name) > _MAX_NAME:
        raise MatError("a matrix without its name")
    return _Header(word & 0xFF, bool(word & _COMPLEX), shape, bytes(name).decode("latin-1"))


def _matrix(content: _Bytes, depth: int) -> Any:
    """The value of a matrix."""
    if depth > _MAX_DEPTH:
        raise MatError(f"cells in cells, more than {_MAX_DEPTH} deep")
    header = _header(content)
    # What holds nothing is not bounded by its bytes, and NumPy has no array with such axes.
    if 0 in header.shape and math.prod(length for length in header.shape if length) > MAX_CELLS:
        raise MatError(f"a matrix without content of {'x'.join(map(str, header.shape[:8]))}")
    if header.kind in _NUMERIC:
        return Unread("a matrix of complex numbers") if header.is_complex else _numbers(content, header.shape)
    if header.kind == _CHARS:
        return _text(content, header.shape)
    if header.kind == _CELL:
        return _cells(content, header.shape, depth)
    if header.kind == _STRUCT:
        return _structs(content, header.shape, depth)
    if header.kind in _KINDS:
        return Unread(_KINDS[header.kind])
    raise MatError(f"a matrix of class {header.kind}")


def _numbers(content: _Bytes, shape: tuple[int, ...]) -> NDArray[Any]:
    values = content.numbers()
    if len(values) != math.prod(shape):
        raise MatError(f"{len(values)} numbers for a matrix of {'x'.join(map(str, shape))}")
    return np.array(values.reshape(shape, order="F").astype(values.dtype.newbyteorder("=")))


def _count_in(content: _Bytes, count: int) -> None:
    """Objects of Python that are made, which are to be no more than ``MAX_CELLS`` in all."""
    content.cells[0] += count
    if content.cells[0] > MAX_CELLS:
        raise MatError(f"more than {MAX_CELLS:,} cells, fields and lines of texts")


def _text(content: _Bytes, shape: tuple[int, ...]) -> Any:
    kind, raw = content.element()
    if kind not in _TEXTS:
        raise MatError(f"an element of type {kind} where a text should be")
    coding = _TEXTS[kind]
    if coding in ("utf-16", "utf-32"):
        coding += "-le" if content.order == "<" else "-be"
    try:
        letters = bytes(raw).decode(coding)
    except UnicodeDecodeError as error:
        raise MatError(f"a text that is none ({error.reason})") from error
    if len(shape) == 2 and shape[0] <= 1:
        return letters
    if len(letters) != math.prod(shape):
        raise MatError(f"{len(letters)} letters for a text of {'x'.join(map(str, shape))}")
    rows = shape[0]
    _count_in(content, rows)
    lines = np.empty(rows, object)
    lines[:] = [letters[row::rows] for row in range(rows)]
    return lines


def _next(content: _Bytes, depth: int) -> Any:
    """The next element, which must be a matrix."""
    kind, inside = content.element()
    if kind != _MATRIX:
        raise MatError(f"an element of type {kind} where a matrix should be")
    if not len(inside):
        return np.empty((0, 0))
    return _matrix(content.inside(inside), depth + 1)


def _check_count(content: _Bytes, count: int) -> None:
    """A matrix has 8 bytes at least: where they are not there, no room is made for so many."""
    _count_in(content, count)
    if count * 8 > content.left:
        raise MatError(f"{content.left} bytes for {count:,} cells or fields")


def _cells(content: _Bytes, shape: tuple[int, ...], depth: int) -> NDArray[Any]:
    count = math.prod(shape)
    _check_count(content, count)
    cells = np.empty(count, object)
    for place in range(count):
        cells[place] = _next(content, depth)
    return cells.reshape(shape, order="F")


def _structs(content: _Bytes, shape: tuple[int, ...], depth: int) -> Any:
    (width,) = content.numbers(5).tolist() or [0]
    _, names = content.element()
    if width < 1 or len(names) % width:
        raise MatError("a struct without the names of its fields")
    fields = [
        bytes(names[start : start + width]).split(b"\0")[0].decode("latin-1") for start in range(0, len(names), width)
    ]
    count = math.prod(shape)
    _check_count(content, count * max(1, len(fields)))
    structs = np.empty(count, object)
    for place in range(count):
        structs[place] = {name: _next(content, depth) for name in fields}
    return structs[0] if count == 1 else structs.reshape(shape, order="F")
