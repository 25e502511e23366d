"""Fields of COCO's records, checked: identifiers, names, lengths and flags.

Identifiers are keys and nothing else: a category may be number 0, -1, or a text. They never stand for pixels, so none
of them can be mistaken for background or void.

Every function raises ``ValueError`` that says what is wrong with the field; the caller adds the file and the record.
"""

from __future__ import annotations

import reprlib
from typing import Any

from PIL import Image

Identifier = int | str


def field(record: Any, key: str) -> Any:
    """The value of ``key`` in a record, which must be an object that has it.

    >>> field({"id": 3}, "name")
    Traceback (most recent call last):
    ...
    ValueError: has no 'name'
    """
    if not isinstance(record, dict):
        raise ValueError(f"is {reprlib.repr(record)}, expected an object")
    if key not in record:
        raise ValueError(f"has no {key!r}")
    return record[key]


def identifier(record: Any, key: str) -> Identifier:
    """A whole number or a text; ``1.0``, as some programs write it, is the number 1.

    >>> identifier({"id": 0}, "id"), identifier({"id": "a7"}, "id")
    (0, 'a7')
    """
    value = field(record, key)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"has the {key} {reprlib.repr(value)}, expected a whole number or a text")
    return value


def order(identifier: Identifier) -> tuple[bool, Identifier]:
    """A key that sorts identifiers: numbers by their size, then texts."""
    return isinstance(identifier, str), identifier


def name(record: Any, key: str) -> str:
    """A text that is not blank and can be written to a file."""
    value = field(record, key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"has the {key} {reprlib.repr(value)}, expected a text that is not empty")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"has the {key} {value!a}, which is no text: half of a pair of surrogates") from None
    return value


def size(record: Any) -> tuple[int, int]:
    """Height and width, of no more pixels than an image may have."""
    height, width = (_length(record, key) for key in ("height", "width"))
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and height * width > limit:
        raise ValueError(
            f"has the size {reprlib.repr(height)}x{reprlib.repr(width)} (height x width); images of more than "
            f"{limit:,} pixels are not read"
        )
    return height, width


def _length(record: Any, key: str) -> int:
    value = field(record, key)
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or value < 1:
        raise ValueError(f"has the {key} {reprlib.repr(value)}, expected a whole number from 1 on")
    return int(value)


def flag(record: Any, key: str) -> bool:
    """0 or 1, or false or true; false where it is not there.

    >>> flag({"iscrowd": 1}, "iscrowd"), flag({}, "iscrowd")
    (True, False)
    """
    value = record.get(key)
    if value is None or value in (0, 1):
        return bool(value)
    raise ValueError(f"has the {key} {reprlib.repr(value)}, expected 0 or 1")
