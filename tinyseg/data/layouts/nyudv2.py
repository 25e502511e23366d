"""NYUDv2 in the form of Gupta et al. (2013): rooms in 40 classes, 425x560.

::

    root/
      data/images/img_NUMBER.png
      segmentation/img_NUMBER.mat      segmentation: 0 void, 1..40 class
      train.txt  val.txt  test.txt     a NUMBER a line

381, 414 and 654 images. Depth is not read.
"""

from typing import Any

from numpy.typing import NDArray

from ..dataset import IGNORE_INDEX, SPLITS, Classes
from ..formats.mat_file import read_mask_variable
from ..labels.mapping import Table, numbered_from
from .layout import Layout, read_split

CLASSES = Classes.named((
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
    "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books",
    "refridgerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard", "person", "night stand",
    "toilet", "sink", "lamp", "bathtub", "bag", "otherstructure", "otherfurniture", "otherprop",
))  # fmt: skip


class NYUDv2(Layout):
    """NYUDv2; ``root`` holds ``data``, ``segmentation`` and the lists."""

    name = "nyudv2"
    splits = SPLITS
    classes = CLASSES
    marks = ("data/images", "segmentation")

    def _find_files(self) -> None:
        names = [f"img_{line.removeprefix('img_')}" for line in read_split(self.root / f"{self.split}.txt")]
        images, masks = (self.root / mark for mark in self.marks)
        self.pairs = [(images / f"{name}.png", masks / f"{name}.mat") for name in names]

    @property
    def table(self) -> Table:
        """Classes are numbered from 1; 0 is ignored."""
        return {0: IGNORE_INDEX, **numbered_from(1, len(CLASSES))}

    def raw_mask(self, index: int) -> NDArray[Any]:
        """The variable ``segmentation``."""
        return read_mask_variable(self.pairs[index][1], "segmentation")
