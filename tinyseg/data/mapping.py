"""What the numbers and colours in mask files mean: from them to class indices.

A file of a mapping (``tinyseg check --fix-mapping FILE`` proposes one, ``tinyseg train --mapping FILE`` takes it)
says for a number, or a colour, which class it is; 255 says that such pixels are ignored::

    [mapping]
    255 = 1
    "#800000" = 2
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, InputError
from ..paths import PathLike
from ..reading import read_toml
from .dataset import IGNORE_INDEX, Classes, Color

Table = Mapping[int | Color, int]
"""From a number, or a colour, to a class index, or to 255."""

_COLOR = re.compile("#[0-9a-fA-F]{6}")


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
        codes = color_codes(raw)
        known = {int(color_codes(np.array(key))): value for key, value in table.items() if isinstance(key, tuple)}
        return _looked_up(codes, known, lambda wrong: _unknown_colors(where, wrong))
    numbers = {key: value for key, value in table.items() if isinstance(key, int)}
    return _looked_up(raw, numbers, lambda wrong: _unknown_numbers(where, wrong, numbers, classes))


def _looked_up(raw: NDArray[Any], table: Mapping[int, int], refusal: Any) -> NDArray[np.uint8]:
    unknown = -1
    if raw.dtype == np.uint8:
        lookup = np.full(256, unknown, np.int16)
        for key, value in table.items():
            if 0 <= key < 256:
                lookup[key] = value
        labels = lookup[raw]
    else:
        values, inverse = np.unique(raw, return_inverse=True)
        lookup = np.array([table.get(value, unknown) for value in values.tolist()], np.int16)
        labels = lookup[inverse].reshape(raw.shape)
    if labels.size and labels.min() == unknown:
        raise refusal(np.unique(raw[labels == unknown]).tolist())
    return labels.astype(np.uint8)


def _unknown_numbers(where: PathLike, wrong: list[int], table: Mapping[int, int], classes: Classes) -> DataError:
    if table == identity_table(len(classes)):
        expected = (
            f"with {len(classes)} classes a mask holds 0 to {len(classes) - 1}, and {IGNORE_INDEX} where a pixel "
            "is ignored"
        )
    else:
        expected = f"a mask holds {listed(sorted(table))}"
    return DataError(f"{where}: values {listed(wrong)} are no class: {expected}")


def _unknown_colors(where: PathLike, wrong: list[int]) -> DataError:
    return DataError(
        f"{where}: colours {listed([color_of(code) for code in wrong])} are no class; give each class its colour in "
        "classes.txt ('name R G B'), or save class indices as 8-bit grey PNG"
    )


def listed(values: list[Any], limit: int = 8) -> str:
    """The first few of ``values``, separated by commas."""
    more = f", ... ({len(values)} in all)" if len(values) > limit else ""
    return ", ".join(str(value) for value in values[:limit]) + more


# Files


def format_key(key: int | Color) -> str:
    """``7`` or ``#rrggbb``."""
    return str(key) if isinstance(key, int) else "#" + bytes(key).hex()


def parse_table(texts: Mapping[str, Any], where: PathLike) -> dict[int | Color, int]:
    """The table that a mapping's texts mean; raises ``InputError``, naming ``where``, for others.

    >>> parse_table({"7": 1, "#ff0000": 255}, "map.toml")
    {7: 1, (255, 0, 0): 255}
    """
    table: dict[int | Color, int] = {}
    for key, value in texts.items():
        if type(value) is not int or not 0 <= value <= IGNORE_INDEX:
            raise InputError(f"{where}: {key} = {value!r:.80}: expected a class index, or 255 for what is ignored")
        if _COLOR.fullmatch(key):
            red, green, blue = bytes.fromhex(key[1:])
            table[red, green, blue] = value
        elif re.fullmatch("[0-9]+", key):
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
    """Write ``table`` as a file for :func:`read_mapping`."""
    import tomli_w

    text = "# What numbers and colours in masks mean: a class index, or 255 for what is ignored.\n\n"
    text += tomli_w.dumps({"mapping": {format_key(key): value for key, value in table.items()}})
    Path(path).write_text(text, encoding="utf-8", newline="\n")
