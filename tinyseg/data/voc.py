"""Pascal VOC 2011 and 2012: photographs in 20 classes and background.

::

    VOCdevkit/VOC2012/
      JPEGImages/NAME.jpg
      SegmentationClass/NAME.png           palette PNG: 0 background, 1..20 class, 255 void
      SegmentationObject/NAME.png          the same, with a number for each object
      ImageSets/Segmentation/train.txt  val.txt  trainval.txt ...

1464 and 1449 images for 2012, 1112 and 1111 for 2011; the labels of the test images are not public. Any list in
``ImageSets/Segmentation`` is a split: FCN's ``seg11valid.txt`` put there can be evaluated by ``--split seg11valid``.
Masks of larger lists (``trainaug``) are looked for in ``SegmentationClassAug``, too. Palettes follow the bit-shuffle
rule (:func:`~tinyseg.data.dataset.voc_palette`).
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..paths import PathLike
from .dataset import Classes, check_index
from .images import read_raw_mask
from .layout import Layout, MissingSplitError, find_root, read_list
from .mapping import Table

CLASSES = Classes.named((
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
))  # fmt: skip

FOLDERS = ("SegmentationClass", "SegmentationClassAug")


class VOC(Layout):
    """Pascal VOC of one year.

    Args:
        root: the folder ``VOC2012``, or ``VOCdevkit``, or the one that holds that.
        split: ``"train"``, ``"val"``, or the name of another list.
        year: 2011 or 2012.

    Raises ``DataError`` when the folder is not as above, or there is no list of this name.
    """

    name = "voc2012"
    classes = CLASSES
    year = 2012

    def __init__(self, root: PathLike, split: str = "train", *, mapping: Table | None = None) -> None:
        own = f"VOC{self.year}"
        marks = ("JPEGImages", FOLDERS[0], "ImageSets/Segmentation")
        self.root = find_root(root, marks, (own, f"VOCdevkit/{own}"))
        self.split, self.mapping = split, mapping
        self.pairs = [(self.root / "JPEGImages" / f"{name}.jpg", self._mask_of(name)) for name in self._names(split)]

    def _names(self, split: str) -> list[str]:
        lists = self.root / "ImageSets" / "Segmentation"
        path = lists / f"{split}.txt"
        if not path.is_file():
            there = ", ".join(sorted(file.stem for file in lists.glob("*.txt"))) or "none"
            why = "; the labels of the test images are not public" if split == "test" else ""
            raise MissingSplitError(f"{self.name}: no list {path}; there are {there}{why}")
        # Lists of other tools have a line 'IMAGE MASK' each.
        return [Path(line.split()[0]).stem for line in read_list(path)]

    def _mask_of(self, name: str) -> Path:
        places = [self.root / folder / f"{name}.png" for folder in FOLDERS]
        return next((path for path in places if path.is_file()), places[0])

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """The objects, from ``SegmentationObject``; None where that has no such file. Void counts as none."""
        image, _ = self.pairs[check_index(index, len(self))]
        path = self.root / "SegmentationObject" / f"{image.stem}.png"
        if not path.is_file():
            return None
        objects: NDArray[Any] = read_raw_mask(path)
        return np.where(objects == 255, 0, objects).astype(np.int32)


class VOC2011(VOC):
    """Pascal VOC of 2011, which FCN's tables are about."""

    name = "voc2011"
    year = 2011
