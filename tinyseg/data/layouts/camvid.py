"""CamVid: street scenes in 11 classes, in the layout that SegNet made of it.

::

    root/
      train.txt  val.txt  test.txt      a line for each image: IMAGE MASK
      train/NAME.png  trainannot/NAME.png
      val/...  valannot/...  test/...  testannot/...

367, 101 and 233 images of 360x480. Masks are 8-bit grey: 0..10 are classes, 11 is void. The paths in the lists
begin with the folder they had on their authors' machine (``/SegNet/CamVid/``); only their last two parts count.

Images of one's own in this layout have their classes in a list in the same folder
(:mod:`~tinyseg.data.labels.class_lists`); masks then hold its indices or colours.
"""

import re
from pathlib import Path, PurePosixPath

from ...errors import DataError
from ..dataset import IGNORE_INDEX, SPLITS, Classes
from ..labels.mapping import Table, color_table, identity_table
from .layout import Layout, MissingSplitError, Pair, in_any_form, on_foreign_names, read_list

VOID = 11

CLASSES = Classes(
    (
        "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian",
        "Bicyclist",
    ),
    (
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
    void_color=(0, 0, 0),
)  # fmt: skip


PUBLISHED = re.compile("(0001TP|0006R0|0016E5|Seq05VD)_f?[0-9]{5,6}")
"""The names of CamVid's own images."""


class CamVid(Layout):
    """CamVid in SegNet's layout; void (11 in the files) is 255 in a sample's mask. Or images of one's own in it.

    Args:
        root: the folder that holds ``train.txt``.
        split: ``"train"``, ``"val"`` or ``"test"``.

    Raises ``InputError`` for another split, ``DataError`` when the folder or the split's list is not there, or
    a line of the list is not as expected; and when a sample is asked for, if its files are not as they should be.
    """

    name = "camvid"
    splits = SPLITS

    def _find_files(self) -> None:
        self._find_classes(CLASSES)
        self.pairs = _read_list(self.root, self.split)
        if not self.has_own_classes:
            self.remarks = on_foreign_names(self.root, self.pairs, PUBLISHED, "CamVid", CLASSES)

    @property
    def table(self) -> Table:
        """Classes are numbered from 0, void is 11; with a list of their own, it is 255."""
        if self.has_own_classes:
            return super().table
        return {**identity_table(len(CLASSES)), **color_table(CLASSES), VOID: IGNORE_INDEX}


def _read_list(root: Path, split: str) -> list[Pair]:
    """The (image, mask) files that ``root``'s list of ``split`` names."""
    path = root / f"{split}.txt"
    if not path.is_file():
        there = [name for name in SPLITS if (root / f"{name}.txt").is_file()]
        found = f"found {', '.join(there)}" if there else "is this CamVid in SegNet's layout?"
        raise MissingSplitError(
            f"{root}: no split {split!r}: expected {path.name} with a line 'IMAGE MASK' each; {found}"
        )
    return [_pair(root, line, f"{path}: line {number}") for number, line in enumerate(read_list(path), 1)]


def _pair(root: Path, line: str, where: str) -> Pair:
    """The files that a line 'IMAGE MASK' names: where names have spaces, as those parts of it that are files."""
    blanks = [match.span() for match in re.finditer(r"\s+", line)]
    pairs = [(_below(root, line[:start]), _below(root, line[end:])) for start, end in blanks]
    if not pairs:
        raise DataError(f"{where}: expected 'IMAGE MASK', got {line!r}")
    if len(pairs) == 1:
        return pairs[0]
    for image, mask in pairs:
        if image.is_file() and mask.is_file():
            return image, mask
    raise DataError(f"{where}: expected 'IMAGE MASK', got {line!r}, of which no two parts are files")


def _below(root: Path, listed: str) -> Path:
    """The file under ``root`` that a list's path, whatever it begins with, stands for."""
    return in_any_form(root, str(PurePosixPath(*PurePosixPath(listed).parts[-2:])).lstrip("/"))
