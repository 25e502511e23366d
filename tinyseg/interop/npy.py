"""NumPy's own files of one array, ``.npy``, out of which a ``.npz`` is made.

    \\x93NUMPY  version (2 bytes)  length of the header (2 bytes, from version 2 on 4)
    {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
    the numbers

The header is the text of a Python dict. NumPy gives it to Python's own parser; here a pattern of three keys and plain
values is enough, and what it claims is compared with the numbers that are there before anything is made of it.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .archive import ArchiveError

MAGIC = b"\x93NUMPY"
MAX_HEADER = 10_000
MAX_DIMENSIONS = 32

_LENGTHS = {1: 2, 2: 4}
"""Bytes of the header's length, by the version."""

_ENTRY = re.compile(r"""\s*(['"])(\w+)\1\s*:\s*('[^']*'|"[^"]*"|True|False|\([0-9L,\s]*\))\s*(?:,|$)\s*""")
_NUMBERS = re.compile(r"[<>|=]?(?:[fiuc][0-9]{1,2}|b1|\?)")
_LEFT_ALONE = re.compile(r"[<>|=]?(?:[SUV][0-9]{1,6}|[mM]8(?:\[\w{1,8}\])?)")
"""Texts, bytes and times: no weights, but they may be among them."""


def array_of(name: str, content: memoryview) -> NDArray[Any]:
    """The array in ``content``, on its memory. Raises ``ArchiveError``, with the ``name``, where it is damaged, or of
    Python objects, which NumPy would unpickle.

    >>> import io
    >>> file = io.BytesIO()
    >>> np.save(file, np.eye(2))
    >>> array_of("x", memoryview(file.getvalue())).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    header, numbers = _split(name, content)
    entries = _entries(name, header)
    dtype = _dtype(name, entries.get("descr", ""))
    shape = _shape(name, entries.get("shape", ""))
    if entries.keys() != {"descr", "fortran_order", "shape"} or entries["fortran_order"] not in ("True", "False"):
        raise ArchiveError(f"its array {name!r} is damaged (its header is {header.strip()!r:.80})")
    needed = math.prod(shape) * dtype.itemsize
    # An array without elements may claim any other sizes.
    if needed > len(numbers) or math.prod(size for size in shape if size) * dtype.itemsize >= 2**62:
        raise ArchiveError(
            f"its array {name!r} is damaged (its shape {shape!r:.80} takes {needed:,} bytes, there are "
            f"{len(numbers):,})"
        )
    return np.ndarray(shape, dtype, numbers, order="F" if entries["fortran_order"] == "True" else "C")


def _split(name: str, content: memoryview) -> tuple[str, memoryview]:
    """The header's text, and the numbers behind it."""
    start = bytes(content[: len(MAGIC) + 2])
    if len(start) < len(MAGIC) + 2 or not start.startswith(MAGIC):
        raise ArchiveError(f"its array {name!r} is damaged (it begins with {start!r})")
    major, minor = start[len(MAGIC) :]
    if major not in _LENGTHS or minor:
        raise ArchiveError(f"its array {name!r} is of version {(major, minor)}, which only tables of records need")
    begin = len(start) + _LENGTHS[major]
    length = int.from_bytes(content[len(start) : begin], "little")
    if length > MAX_HEADER or len(content) < begin + length:
        raise ArchiveError(f"its array {name!r} is damaged (a header of {length:,} bytes)")
    return bytes(content[begin : begin + length]).decode("latin1"), content[begin + length :]


def _entries(name: str, header: str) -> dict[str, str]:
    """The keys and values of the header, as texts."""
    whole = re.fullmatch(r"\s*\{(.*)\}\s*", header, re.DOTALL)
    if whole is None:
        raise ArchiveError(f"its array {name!r} is damaged (its header is {header.strip()!r:.80})")
    found: dict[str, str] = {}
    text = whole[1]
    if "'O" in text or "|O" in text:
        raise ArchiveError(f"its array {name!r} is of Python objects, which may be anything")
    while match := _ENTRY.match(text):
        if match[2] in found:
            break
        found[match[2]], text = match[3], text[match.end() :]
    if text.strip():
        raise ArchiveError(f"its array {name!r} is damaged (its header has {text.strip()!r:.80})")
    return found


def _dtype(name: str, text: str) -> np.dtype[Any]:
    kind = text[1:-1]
    if _NUMBERS.fullmatch(kind) or _LEFT_ALONE.fullmatch(kind):
        try:
            dtype = np.dtype(kind)
        except TypeError:  # f1, u3, c2, ...
            dtype = None
        if dtype is not None and dtype.itemsize:  # of S0, U0 and V0 any number of elements takes no bytes
            return dtype
    raise ArchiveError(f"its array {name!r} is of the type {text!r:.40}, which weights are not")


def _shape(name: str, text: str) -> tuple[int, ...]:
    sizes = [size.strip().removesuffix("L") for size in text[1:-1].split(",")]  # Python 2 had long numbers
    if sizes[-1] == "":
        sizes.pop()
    if len(sizes) > MAX_DIMENSIONS or not text or not all(re.fullmatch("[0-9]{1,18}", size) for size in sizes):
        raise ArchiveError(f"its array {name!r} is damaged (its shape is {text!r:.80})")
    return tuple(map(int, sizes))
