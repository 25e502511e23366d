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

Images of one's own in this layout, as CVAT, Datumaro and labelme2voc write them, have their classes in a list in the
same folder (:mod:`~tinyseg.data.labels.class_lists`). Where there is one list of images that is no split, CVAT's
``default.txt``, or none at all, a share of the images validates. Images may be of any format.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, InputError
from ..dataset import Classes, check_index
from ..formats.images import read_raw_mask
from ..instances import renumbered
from ..labels.mapping import color_codes
from .layout import MissingSplitError, Pair, Remark, in_any_form, on_foreign_names, read_list
from .train_val_split import SplitByName

CLASSES = Classes.named((
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
))  # fmt: skip

FOLDERS = ("SegmentationClass", "SegmentationClassAug")

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
"""What images may end in."""

PUBLISHED = re.compile("[0-9]{4}_[0-9]{6}")
"""The names of Pascal VOC's own photographs."""


class VOC(SplitByName):
    """Pascal VOC of one year, or images of one's own in its layout.

    Args:
        root: the folder ``VOC2012``, or ``VOCdevkit``, or the one that holds that.
        split: ``"train"``, ``"val"``, or the name of another list.
        val_fraction, seed: where there is one list that is no split, or none: the share that validates, by a hash of
            each name.

    ``year`` is 2012, or 2011 (``VOC2011``). Raises ``DataError`` when the folder is not as above, or there is no list
    of this name.
    """

    name = "voc2012"
    year = 2012
    marks = ("JPEGImages", FOLDERS[0])
    below = (f"VOC{year}", f"VOCdevkit/VOC{year}")
    lists_splits = True

    def _find_files(self) -> None:
        self._find_classes(CLASSES)
        self.pairs = self._pairs(self.split)
        if not self.has_own_classes:
            self.remarks += on_foreign_names(self.root, self.pairs, PUBLISHED, "Pascal VOC", CLASSES)

    def _pairs(self, split: str) -> list[Pair]:
        lists = self.root / "ImageSets" / "Segmentation"
        there = sorted(path.stem for path in lists.glob("*.txt"))
        if split in there:
            if self.val_fraction is not None:
                raise InputError(f"{lists}: has the lists {', '.join(there)}; leave --val-fraction out")
            return [self._pair(line) for line in read_list(lists / f"{split}.txt")]
        if split not in self.splits or len(there) > 1 or there in (["train"], ["val"]):
            why = "; the labels of the test images are not public" if split == "test" else ""
            found = ", ".join(there) or "none"
            raise MissingSplitError(f"{self.name}: no list {lists / f'{split}.txt'}; there are {found}{why}")
        pairs = [self._pair(line) for line in self._all(lists / f"{there[0]}.txt" if there else None)]
        what = f"the only list is {there[0]}.txt" if there else "there is no list of images"
        self.remarks += (Remark("split", f"{self.root}: {what}: a share of its images validates"),)
        return self.part(pairs, [image.stem for image, _ in pairs])

    def _all(self, path: Path | None) -> list[str]:
        """The images in a list, or else those that have masks."""
        if path is not None:
            return read_list(path)
        masks = sorted(path.stem for path in (self.root / FOLDERS[0]).glob("*.png"))
        if not masks:
            raise DataError(f"{self.root / FOLDERS[0]}: no masks NAME.png in it")
        return masks

    def _pair(self, line: str) -> Pair:
        """The files of a line: a name as it is, with an ending or a folder before it, or 'IMAGE MASK'.

        The first way that leads to a file is taken: a name may have dots and spaces.
        """
        ways = _names_in(line)
        for name in ways:
            pair = self._image_of(name), self._mask_of(name)
            if pair[0].is_file() or pair[1].is_file():
                return pair
        name = ways[-1 if len(ways) == 1 or "/" in line else 0]
        return self._image_of(name), self._mask_of(name)

    def _image_of(self, name: str) -> Path:
        folder = self.root / "JPEGImages"
        places = (in_any_form(folder, name + suffix) for suffix in SUFFIXES)
        return next((path for path in places if path.is_file()), folder / f"{name}.jpg")

    def _mask_of(self, name: str) -> Path:
        places = [in_any_form(self.root / folder, f"{name}.png") for folder in FOLDERS]
        return next((path for path in places if path.is_file()), places[0])

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """The objects, from ``SegmentationObject``; None where that has no such file. Void counts as none."""
        _, mask = self.pairs[check_index(index, len(self))]
        path = self.root / "SegmentationObject" / Path(*mask.relative_to(self.root).parts[1:])
        if not path.is_file():
            return None
        objects: NDArray[Any] = read_raw_mask(path, as_stored=self.as_stored)
        if objects.ndim == 3:  # a colour for each object, black where there is none
            void = color_codes(np.array(self.classes.void_color))
            codes = color_codes(objects)
            return renumbered(np.where(codes == void, 0, codes))
        # Void is 255 in bytes; wider files number more objects than that.
        return np.where((objects == 255) & (objects.dtype == np.uint8), 0, objects).astype(np.int32)


def _names_in(line: str) -> list[str]:
    """The names that a line may mean, the most literal first.

    >>> _names_in("frame.0001"), _names_in("photo 1"), _names_in("/JPEGImages/a.jpg /x/a.png")[-1]
    (['frame.0001'], ['photo 1', 'photo'], 'a')
    """
    word, whole = line.split()[0], line.lstrip("/")
    ways = [whole, *(_without_ending(part) for part in (whole, PurePosixPath(whole).name, PurePosixPath(word).name))]
    return list(dict.fromkeys(ways))


def _without_ending(name: str) -> str:
    return next((name[: -len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix)), name)


class VOC2011(VOC):
    """Pascal VOC of 2011, which FCN's tables are about."""

    name = "voc2011"
    year = 2011
    below = (f"VOC{year}", f"VOCdevkit/VOC{year}")
