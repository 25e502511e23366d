"""PASCAL Context: all of a photograph labelled, in the 59 most frequent classes (Mottaghi et al. 2014).

::

    root/
      VOC2010/JPEGImages/NAME.jpg
      VOC2010/ImageSets/Main/train.txt  val.txt
      trainval/NAME.mat       LabelMap: 1..459
      labels.txt              the 459, a line each: "NUMBER: NAME"
      59_labels.txt           the 59

4998 and 5105 images. Labels that are none of the 59 are ignored.
"""

import re
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...errors import DataError
from ..dataset import IGNORE_INDEX, Classes
from ..formats.mat_file import read_mask_variable
from ..labels.mapping import Table
from .layout import Layout, read_list, read_split

BACKGROUND = "background"

OTHER_NAMES = {"diningtable": "table", "bedcloth": "bedclothes", "clothes": "cloth"}
"""What three of the 59 are called among the 459."""


class PascalContext(Layout):
    """PASCAL Context; ``root`` holds ``VOC2010`` and ``trainval``."""

    name = "pascal-context"
    marks = ("VOC2010/JPEGImages", "trainval", "labels.txt", "59_labels.txt")

    def _find_files(self) -> None:
        numbers = {name: number for number, name in _numbered(self.root / "labels.txt")}
        chosen = [name for _, name in _numbered(self.root / "59_labels.txt") if name != BACKGROUND]
        self.classes = Classes.named(chosen)
        self._table: Table = _table(self.root, numbers, chosen)
        listed = read_split(self.root / "VOC2010" / "ImageSets" / "Main" / f"{self.split}.txt")
        names = [name for name in listed if (self.root / "trainval" / f"{name}.mat").is_file()]
        if not names:
            raise DataError(f"{self.root / 'trainval'}: has no mask of the split {self.split!r}")
        images = self.root / "VOC2010" / "JPEGImages"
        self.pairs = [(images / f"{name}.jpg", self.root / "trainval" / f"{name}.mat") for name in names]

    @property
    def table(self) -> Table:
        """From the 459 labels to the 59; the rest, and 0, is ignored."""
        return self._table

    def raw_mask(self, index: int) -> NDArray[Any]:
        """The variable ``LabelMap``."""
        return read_mask_variable(self.pairs[index][1], "LabelMap")


def _table(root: Path, numbers: dict[str, int], chosen: list[str]) -> Table:
    called = [name if name in numbers else OTHER_NAMES.get(name, name) for name in chosen]
    if missing := [name for name in called if name not in numbers]:
        raise DataError(f"{root / '59_labels.txt'}: {missing[0]!r} is not among the names in labels.txt")
    table: dict[Any, int] = dict.fromkeys((0, *numbers.values()), IGNORE_INDEX)
    return {**table, **{numbers[name]: index for index, name in enumerate(called)}}


def _numbered(path: Path) -> list[tuple[int, str]]:
    """The lines ``NUMBER: NAME``."""
    entries = []
    for line in read_list(path):
        match = re.fullmatch(r"([0-9]+):\s*(.+)", line)
        if match is None:
            raise DataError(f"{path}: expected lines 'NUMBER: NAME', got {line!r}")
        entries.append((int(match[1]), match[2].strip()))
    return entries
