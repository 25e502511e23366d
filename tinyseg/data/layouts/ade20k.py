"""ADE20K as in the scene parsing challenge: indoors and outdoors in 150 classes (Zhou et al. 2017).

::

    ADEChallengeData2016/
      images/training/NAME.jpg       images/validation/NAME.jpg
      annotations/training/NAME.png  annotations/validation/NAME.png    0 other, 1..150 class
      objectInfo150.txt              names, in a table

20210 and 2000 images. 0 is ignored, 1..150 become 0..149.
"""

from pathlib import Path

from ...errors import DataError
from ..dataset import IGNORE_INDEX, Classes
from ..labels.mapping import Table, numbered_from
from .layout import Layout, MissingSplitError, read_list

COUNT = 150
FOLDERS = {"train": "training", "val": "validation"}


class ADE20K(Layout):
    """ADE20K; ``root`` is ``ADEChallengeData2016`` or the folder that holds it."""

    name = "ade20k"
    marks = ("images", "annotations")
    below = ("ADEChallengeData2016",)

    def _find_files(self) -> None:
        self.classes = _classes(self.root / "objectInfo150.txt")
        folder, masks = (self.root / mark / FOLDERS[self.split] for mark in self.marks)
        images = sorted(folder.glob("*.jpg"))
        if not images:
            raise MissingSplitError(f"{folder}: no images NAME.jpg in it")
        self.pairs = [(image, masks / f"{image.stem}.png") for image in images]

    @property
    def table(self) -> Table:
        """Classes are numbered from 1; 0 is ignored."""
        return {0: IGNORE_INDEX, **numbered_from(1, COUNT)}


def _classes(path: Path) -> Classes:
    """The names in the table, whose last column has them with synonyms; numbered classes where it is not there."""
    if not path.is_file():
        return Classes.numbered(COUNT)
    names = [line.split("\t")[-1].split(",")[0].strip() for line in read_list(path)[1:]]
    if len(names) != COUNT:
        raise DataError(f"{path}: expected a heading and {COUNT} lines, found {len(names)} lines below the heading")
    return Classes.named(names)
