"""What the numbers and colours in mask files mean: from them to class indices.

A file of a mapping (``tinyseg check --fix-mapping FILE`` proposes one, ``tinyseg train --mapping FILE`` takes it)
says for a number, or a colour, which class it is; 255 says that such pixels are ignored::

    [mapping]
    255 = 1
    "#800000" = 2
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, InputError
from ...files import PathLike, read_toml, write_text
from ..dataset import IGNORE_INDEX, Classes, Color

Table = Mapping[int | Color, int]
"""From a number, or a colour, to a class index, or to 255."""

_COLOR = re.compile("#[0-9a-fA-F]{6}")
_NUMBER = re.compile("-?[0-9]{1,18}")


def identity_table(count: int) -> dict[int | Color, int]:
    """The numbers that are class indices, and 255.

    >>> identity_table(2)
    {0: 0, 1: 1, 255: 255}
    """
    return {**numbered_from(0, count), IGNORE_INDEX: IGNORE_INDEX}


def numbered_from(first: int, count: int) -> dict[int | Color, int]:
    """Classes whose numbers begin with ``first``.

    >>> numbered_from(1, 2)
    {1: 0, 2: 1}
    """
    return {first + index: index for index in range(count)}


def category_table(
    class_of: Mapping[int | str, int], classes: int, mapping: Table | None, where: PathLike
) -> dict[int | Color, int]:
    """For masks that hold class indices made from categories: what each index means where a user maps categories.

    ``class_of``: the index of each category, by its identifier in the file ``where``. Raises ``InputError`` for what
    ``mapping`` has and is no category.

    >>> category_table({7: 1, 0: 2}, 3, {0: 1}, "annotations.json")
    {0: 0, 1: 1, 2: 1, 255: 255}
    """
    table = identity_table(classes)
    for key, value in (mapping or {}).items():
        if not isinstance(key, int) or key not in class_of:
            raise InputError(
                f"--mapping: {format_key(key)} is no category of {where}, which has {listed(list(class_of))}; here a "
                "mapping is from the numbers of categories to classes"
            )
        table[class_of[key]] = value
    return table


def color_table(classes: Classes) -> dict[int | Color, int]:
    """The colours of ``classes``, and of what is ignored; of classes with one colour the first has it."""
    table: dict[int | Color, int] = {classes.void_color: IGNORE_INDEX}
    for index in reversed(range(len(classes))):
        table[classes.colors[index]] = index
    return table


def color_codes(pixels: NDArray[Any]) -> NDArray[np.int64]:
    """Each colour ``(..., 3)`` as the number 0xRRGGBB.

    >>> int(color_codes(np.array([1, 2, 3], np.uint8))) == 0x010203
    True
    """
    wide = pixels.astype(np.int64)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def color_of(code: int) -> Color:
    """The inverse of ``color_codes``, for one."""
    return code >> 16, code >> 8 & 255, code & 255


def to_labels(raw: NDArray[Any], table: Table, classes: Classes, where: PathLike) -> NDArray[np.uint8]:
    """Numbers ``(H, W)`` or colours ``(H, W, 3)``, as a file has them, as class indices ``(H, W)`` ``uint8``.

    Raises ``DataError``, naming the file ``where`` and the values, for what ``table`` does not know.

    >>> to_labels(np.array([[0, 7]]), {0: 0, 7: 255}, Classes.numbered(1), "mask.png").tolist()
    [[0, 255]]
    """
    if raw.ndim == 3:
        known = {int(color_codes(np.array(key))): value for key, value in table.items() if isinstance(key, tuple)}
        return _looked_up(raw, known, lambda wrong: _unknown_colors(where, wrong))
    numbers = {key: value for key, value in table.items() if isinstance(key, int)}
    return _looked_up(raw, numbers, lambda wrong: _unknown_numbers(where, wrong, numbers, classes))


_BAND = 1 << 20
"""Pixels that are looked up at once: what that takes in between is many times the mask, which can be large."""


def _bands(raw: NDArray[Any]) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Some rows at a time, and their numbers; those of colours are their codes."""
    rows = max(1, _BAND // max(1, raw.shape[1]))
    for top in range(0, len(raw), rows):
        part = slice(top, top + rows)
        yield part, color_codes(raw[part]) if raw.ndim == 3 else raw[part]


def value_counts(raw: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The different numbers (or codes of colours) in a mask, in order, and how often each occurs.

    >>> [found.tolist() for found in value_counts(np.array([[3, 1, 3]]))]
    [[1, 3], [1, 2]]
    """
    found = [np.unique(numbers, return_counts=True) for _, numbers in _bands(raw)]
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    values, places = np.unique(np.concatenate([values for values, _ in found]), return_inverse=True)
    counts = np.zeros(len(values), np.int64)
    np.add.at(counts, places, np.concatenate([counts for _, counts in found]))
    return values, counts


def _looked_up(raw: NDArray[Any], table: Mapping[int, int], refusal: Any) -> NDArray[np.uint8]:
    labels = np.empty(raw.shape[:2], np.uint8)
    unknown = []
    for part, numbers in _bands(raw):
        found = _bytes_looked_up(numbers, table) if numbers.dtype == np.uint8 else _numbers_looked_up(numbers, table)
        if found.size and found.min() == _UNKNOWN:
            unknown.append(np.unique(numbers[found == _UNKNOWN]))
        labels[part] = found
    if unknown:
        raise refusal(np.unique(np.concatenate(unknown)))
    return labels


_UNKNOWN = -1


def _bytes_looked_up(numbers: NDArray[np.uint8], table: Mapping[int, int]) -> NDArray[np.int16]:
    lookup = np.full(256, _UNKNOWN, np.int16)
    for key, value in table.items():
        if 0 <= key < 256:
            lookup[key] = value
    return lookup[numbers]


def _numbers_looked_up(numbers: NDArray[Any], table: Mapping[int, int]) -> NDArray[np.int16]:
    """By binary search among the keys that this type of numbers can be."""
    least, most = (-(2**53), 2**53) if numbers.dtype.kind == "f" else _limits(numbers.dtype)
    keys = sorted(key for key in table if least <= key <= most)
    if not keys:
        return np.full(numbers.shape, _UNKNOWN, np.int16)
    ordered = np.array(keys, numbers.dtype)
    places = np.minimum(np.searchsorted(ordered, numbers), len(keys) - 1)
    values = np.array([table[key] for key in keys], np.int16)[places]
    return np.where(ordered[places] == numbers, values, np.int16(_UNKNOWN))


def _limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def _unknown_numbers(where: PathLike, wrong: NDArray[Any], table: Mapping[int, int], classes: Classes) -> DataError:
    if table == identity_table(len(classes)):
        expected = (
            f"with {len(classes)} classes a mask holds 0 to {len(classes) - 1}, and {IGNORE_INDEX} where a pixel "
            "is ignored"
        )
    else:
        expected = f"a mask holds {listed(sorted(table))}"
    return DataError(f"{where}: values {listed(wrong)} are no class: {expected}")


def _unknown_colors(where: PathLike, wrong: NDArray[Any]) -> DataError:
    colors = listed(wrong, show=lambda code: str(color_of(int(code))))
    return DataError(
        f"{where}: colours {colors} are no class; give each class its colour in classes.txt ('name R G B'), say by "
        "--mapping what they mean, or save class indices as 8-bit grey PNG"
    )


def listed(values: Sequence[Any] | NDArray[Any], limit: int = 8, show: Callable[[Any], str] = str) -> str:
    """The first few of ``values``, separated by commas."""
    more = f", ... ({len(values)} in all)" if len(values) > limit else ""
    return ", ".join(show(value) for value in values[:limit]) + more


# Files


def format_key(key: int | Color) -> str:
    """``7`` or ``#rrggbb``."""
    return str(key) if isinstance(key, int) else "#" + bytes(key).hex()


def parse_table(texts: Mapping[str, Any], where: PathLike) -> dict[int | Color, int]:
    """The table that a mapping's texts mean; raises ``InputError``, naming ``where``, for others.

    >>> parse_table({"7": 1, "-1": 0, "#ff0000": 255}, "map.toml")
    {7: 1, -1: 0, (255, 0, 0): 255}
    """
    table: dict[int | Color, int] = {}
    for key, value in texts.items():
        if type(value) is not int or not 0 <= value <= IGNORE_INDEX:
            raise InputError(f"{where}: {key} = {value!r:.80}: expected a class index, or 255 for what is ignored")
        if _COLOR.fullmatch(key):
            red, green, blue = bytes.fromhex(key[1:])
            table[red, green, blue] = value
        elif _NUMBER.fullmatch(key):
            table[int(key)] = value
        else:
            raise InputError(f"{where}: {key!r} is neither a number nor a colour such as #ff8000")
    return table


def check_mapping(texts: Mapping[str, int], classes: int) -> None:
    """``InputError`` for a value that is none of so many classes, nor 255.

    >>> check_mapping({"7": 2}, 2)
    Traceback (most recent call last):
    ...
    tinyseg.errors.InputError: --mapping: 7 = 2 is no class: there are 0 .. 1, and 255 for what is ignored
    """
    for key, value in texts.items():
        if value != IGNORE_INDEX and not 0 <= value < classes:
            raise InputError(
                f"--mapping: {key} = {value} is no class: there are 0 .. {classes - 1}, "
                f"and {IGNORE_INDEX} for what is ignored"
            )


def read_mapping(path: PathLike) -> dict[str, int]:
    """The mapping in a file, as the texts that :func:`parse_table` takes; ``InputError`` if it cannot be used."""
    content = read_toml(path, missing="cannot be read (no such file)")
    texts = content.get("mapping")
    if not isinstance(texts, dict) or not texts or len(content) != 1:
        raise InputError(
            f"{path}: expected a table [mapping] with a line for each number or colour, and nothing else"
        )
    parse_table(texts, path)
    return texts


def write_mapping(path: PathLike, table: Table) -> None:
    """Write ``table`` as a file for :func:`read_mapping`; raises ``WriteError`` where that cannot be written."""
    import tomli_w

    text = "# What numbers and colours in masks mean: a class index, or 255 for what is ignored.\n\n"
    text += tomli_w.dumps({"mapping": {format_key(key): value for key, value in table.items()}})
    write_text(path, text)
