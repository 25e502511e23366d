"""Lists of classes: names and colours in text files, as tinyseg and other programs write them.

``classes.txt`` is tinyseg's own, of a folder of one's own images. Next to masks in the layouts of Pascal VOC and
CamVid stand other programs' lists, which say what the masks hold there:

==================== ============================== =====================================
file                 a line                         written by
==================== ============================== =====================================
``classes.txt``      ``name`` or ``name R G B``     by hand
``class_names.txt``  ``name``                       labelme2voc
``labels.txt``       ``name``                       labelme
``labelmap.txt``     ``name:R,G,B:parts:actions``   CVAT, Datumaro
``label_colors.txt`` ``R G B name``                 CamVid, Datumaro
==================== ============================== =====================================
"""

import re
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from ...errors import DataError
from ...files import PathLike, read_text
from ..dataset import IGNORE_INDEX, Classes, Color

CLASSES_FILE = "classes.txt"

IGNORE = "ignore"
"""The name of what is no class, in a list of classes."""

_WITH_COLOR = re.compile(r"(?P<name>.*?)[\s,]+(?P<r>\d{1,9})[\s,]+(?P<g>\d{1,9})[\s,]+(?P<b>\d{1,9})")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_HEX = re.compile("[0-9a-fA-F]{6}")


BACKGROUND = "background"

CAMVID_32 = ("Animal", "Archway")
"""The first of the 32 classes of CamVid's own list, which SegNet's 11 are made from: it is not about their masks."""

Entry = tuple[str, Color | None]
"""A name, and the colour that stands with it."""


def read_classes(path: PathLike) -> Classes:
    """The classes in a ``classes.txt``.

    A line for each class: ``name``, or ``name R G B`` (commas will do too). Classes without a colour get Pascal
    VOC's. Empty lines and what follows a ``#`` are skipped. A line named ``ignore`` is no class: it gives the
    colour of ignored pixels in RGB masks. A name may have spaces, and a number at its end (``lane 2``); two of them
    are a colour that lacks one. Raises ``DataError``, naming the line, for such a one, for a colour that is not
    0..255 or written as ``#rrggbb``; and when a name or a colour comes twice, or there is no class.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "classes.txt"
    >>> _ = path.write_text("sky 70 130 180\\ntraffic light  # no colour given\\n")
    >>> read_classes(path)
    Classes(names=('sky', 'traffic light'), colors=((70, 130, 180), (128, 0, 0)), void_color=(224, 224, 192))
    """
    return _named(path, _entries(path)).classes


def read_colors(path: PathLike) -> dict[int | Color, int]:
    """The colours that a ``classes.txt`` gives to classes and to what is ignored; those it leaves open are not there.

    Raises ``DataError`` as ``read_classes``.
    """
    return _named(path, _entries(path)).colors


class OwnClasses(NamedTuple):
    """Classes of a list, and which colours the list itself gives (the others are for showing them)."""

    classes: Classes
    colors: dict[int | Color, int]
    path: Path


def find_own_classes(folder: Path) -> OwnClasses | None:
    """The classes that lists in ``folder`` name; None where there is no list.

    Several lists must have the same names in the same order; colours are taken from the one that gives them. Raises
    ``DataError`` where they differ, and for a list that cannot be read.
    """
    there = [folder / name for name in (CLASSES_FILE, *OTHERS) if (folder / name).is_file()]
    found = [_named(path, _entries(path) if path.name == CLASSES_FILE else _foreign(path)) for path in there]
    found = [one for one in found if one.classes.names[:2] != CAMVID_32]
    if not found:
        return None
    for one in found[1:]:
        if one.classes.names != found[0].classes.names:
            raise DataError(f"{one.path}: names other classes than {found[0].path.name}; keep the one that is right")
    return max(found, key=lambda one: len(one.colors))


def _named(path: PathLike, found: list[Entry]) -> OwnClasses:
    """The classes of a list; ``DataError`` where one comes twice, or there is none."""
    classes = [entry for entry in found if entry[0] != IGNORE]
    names = [name for name, _ in classes]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{path}: the class {repeated[0]!r} is listed twice")
    if not 1 <= len(names) <= 255:
        raise DataError(f"{path}: expected 1 to 255 classes, one a line, found {len(names)}")
    default = Classes.named(names)
    colors = tuple(color or default.colors[index] for index, (_, color) in enumerate(classes))
    void = next((color for name, color in found if name == IGNORE and color), None)
    given: dict[int | Color, int] = {} if void is None else {void: IGNORE_INDEX}
    for index, (name, color) in enumerate(classes):
        if color is not None and given.setdefault(color, index) != index:
            other = IGNORE if given[color] == IGNORE_INDEX else names[given[color]]
            raise DataError(f"{path}: {other!r} and {name!r} have one colour, {' '.join(map(str, color))}")
    return OwnClasses(Classes(default.names, colors, void or default.void_color), given, Path(path))


def _lines(path: PathLike) -> list[str]:
    return read_text(path, "list of classes", error=DataError).splitlines()


def _entries(path: PathLike) -> list[Entry]:
    """The lines of a ``classes.txt`` that hold anything."""
    entries = [_parse_class(path, number, line) for number, line in enumerate(_lines(path), 1)]
    return [entry for entry in entries if entry is not None]


def _foreign(path: Path) -> list[Entry]:
    """The lines of another program's list."""
    lines = [(number, line.strip()) for number, line in enumerate(_lines(path), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    entries: list[Entry] = []
    for number, line in lines:
        try:
            name, color = OTHERS[path.name](line)
        except ValueError as error:
            raise DataError(f"{path}: line {number}: {error}, got {line!r}") from error
        entries.append((BACKGROUND if name == "_background_" else name, color))
    # Leaving out a line in between would give all classes behind it other numbers than their masks have.
    if IGNORE in [name for name, _ in entries[:-1]]:
        raise DataError(
            f"{path}: {IGNORE!r} is listed in front of classes, and masks have its number; put it last if it stands "
            "for what is ignored, or give the class another name"
        )
    # labelme counts from the line after the one of what is ignored; others number it after all classes.
    if entries and entries[0][0] == "__ignore__":
        entries[0] = IGNORE, entries[0][1]
    elif entries and entries[-1][0].casefold() in (IGNORE, "ignored", "void"):
        entries[-1] = IGNORE, entries[-1][1]
    return entries


def _name_alone(line: str) -> Entry:
    return line, None


def _name_and_parts(line: str) -> Entry:
    """``name:R,G,B:parts:actions``; the colour may be missing."""
    name, _, rest = line.partition(":")
    color = rest.partition(":")[0].strip()
    if not name.strip():
        raise ValueError("expected 'name:R,G,B:parts:actions'")
    return name.strip(), _color(color.split(",")) if color else None


def _color_and_name(line: str) -> Entry:
    """``R G B name``."""
    words = line.split(maxsplit=3)
    if len(words) != 4:
        raise ValueError("expected 'R G B name'")
    return words[3], _color(words[:3])


def _color(texts: list[str]) -> Color:
    if len(texts) != 3 or not all(re.fullmatch("[0-9]{1,3}", text.strip()) for text in texts):
        raise ValueError("expected a colour R, G, B of whole numbers from 0 to 255")
    red, green, blue = (int(text) for text in texts)
    if max(red, green, blue) > 255:
        raise ValueError("expected a colour R, G, B of whole numbers from 0 to 255")
    return red, green, blue


def _parse_class(path: PathLike, number: int, line: str) -> tuple[str, Color | None] | None:
    """Name and colour in a line of ``classes.txt``; None for an empty one."""
    before, _, comment = line.partition("#")
    text = before.strip().rstrip(",").strip()
    if not text:
        return None
    match = _WITH_COLOR.fullmatch(text)
    name = text if match is None else match["name"]
    if _numbers_at_end(name) > 1 or _HEX.fullmatch(comment.strip()):
        raise DataError(
            f"{path}: line {number}: expected 'name', or 'name R G B' with three whole numbers from 0 to 255, got "
            f"{line.strip()!r}"
        )
    if match is None:
        return name, None
    red, green, blue = (int(match[channel]) for channel in "rgb")
    if max(red, green, blue) > 255:
        raise DataError(f"{path}: line {number}: colours run from 0 to 255, got {red} {green} {blue}")
    return name, (red, green, blue)


def _numbers_at_end(text: str) -> int:
    """How many of the last words are numbers.

    >>> [_numbers_at_end(text) for text in ("lane 2", "2 lanes", "sky 1 2", "sky;1;2.5;-3")]
    [1, 0, 2, 3]
    """
    words = re.split(r"[\s,;]+", text)
    return len(list(takewhile(_NUMBER.fullmatch, reversed(words))))


OTHERS: dict[str, Callable[[str], Entry]] = {
    "class_names.txt": _name_alone,
    "labelmap.txt": _name_and_parts,
    "labels.txt": _name_alone,
    "label_colors.txt": _color_and_name,
}
"""How the lines of other programs' lists are read."""
