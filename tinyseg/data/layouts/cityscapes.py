"""Cityscapes: streets of 50 cities in 19 classes, 1024x2048 (Cordts et al. 2016).

::

    root/
      leftImg8bit/train|val|test/CITY/NAME_leftImg8bit.png
      gtFine/train|val|test/CITY/NAME_gtFine_labelTrainIds.png     0..18, 255 void
                                 NAME_gtFine_labelIds.png          the ids of all labels
                                 NAME_gtFine_instanceIds.png       16 bit: id * 1000 + number for objects

2975 and 500 images; those of the test split have no public labels. ``labelTrainIds`` are taken where all images have
them, otherwise ``labelIds``, of which 7, 8, 11, 12, 13, 17, 19..28, 31, 32 and 33 are the classes 0..18 and the rest
is void.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..dataset import IGNORE_INDEX, Classes, check_index
from ..formats.images import read_raw_mask
from ..labels.mapping import Table
from .layout import Layout, MissingSplitError, Pair

CLASSES = Classes(
    (
        "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
        "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
    ),
    (
        (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153),
        (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0),
        (0, 0, 142), (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
    ),
    void_color=(0, 0, 0),
)  # fmt: skip

CLASS_IDS = (7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33)
FROM_IDS: Table = {
    **dict.fromkeys((*range(34), 255), IGNORE_INDEX),
    **{number: index for index, number in enumerate(CLASS_IDS)},
}
FROM_TRAIN_IDS: Table = {**{index: index for index in range(len(CLASSES))}, IGNORE_INDEX: IGNORE_INDEX}

IMAGE, IDS, TRAIN_IDS, INSTANCE_IDS = (
    "_leftImg8bit.png", "_gtFine_labelIds.png", "_gtFine_labelTrainIds.png", "_gtFine_instanceIds.png",
)  # fmt: skip


class Cityscapes(Layout):
    """Cityscapes with fine labels; ``root`` holds ``leftImg8bit`` and ``gtFine``."""

    name = "cityscapes"
    classes = CLASSES
    marks = ("leftImg8bit", "gtFine")
    why_no_other = "; the labels of the test images are not public"

    def _find_files(self) -> None:
        self.kind, self.pairs = _find_pairs(self.root, self.split)

    @property
    def table(self) -> Table:
        """That of the kind of files that were found."""
        return FROM_TRAIN_IDS if self.kind == TRAIN_IDS else FROM_IDS

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """Objects are the ids from 1000 on; None where there is no file of them."""
        image, mask = self.pairs[check_index(index, len(self))]
        path = mask.with_name(image.name.removesuffix(IMAGE) + INSTANCE_IDS)
        if not path.is_file():
            return None
        ids = read_raw_mask(path, as_stored=self.as_stored).astype(np.int32)
        return np.where(ids >= 1000, ids, 0)


def _find_pairs(root: Path, split: str) -> tuple[str, list[Pair]]:
    """The kind of masks that all images have, and the pairs."""
    images = sorted((root / "leftImg8bit" / split).glob(f"*/*{IMAGE}"))
    if not images:
        raise MissingSplitError(f"{root / 'leftImg8bit' / split}: no images CITY/*{IMAGE} in it")
    stems = [root / "gtFine" / split / image.parent.name / image.name.removesuffix(IMAGE) for image in images]
    made = all(stem.with_name(stem.name + TRAIN_IDS).is_file() for stem in stems)
    kind = TRAIN_IDS if made else IDS
    return kind, [(image, stem.with_name(stem.name + kind)) for image, stem in zip(images, stems, strict=True)]
