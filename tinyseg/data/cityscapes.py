"""Cityscapes: streets of 50 cities in 19 classes, 1024x2048 (Cordts et al. 2016).

::

    root/
      leftImg8bit/train|val|test/CITY/NAME_leftImg8bit.png
      gtFine/train|val|test/CITY/NAME_gtFine_labelTrainIds.png     0..18, 255 void
                                 NAME_gtFine_labelIds.png          the ids of all labels
                                 NAME_gtFine_instanceIds.png       16 bit: id * 1000 + number for objects

2975 and 500 images; those of the test split have no public labels. ``labelTrainIds`` are taken where they were
made, otherwise ``labelIds``, of which 7, 8, 11, 12, 13, 17, 19..28, 31, 32 and 33 are the classes 0..18 and the rest
is void.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..paths import PathLike
from .dataset import IGNORE_INDEX, Classes, check_index
from .images import read_raw_mask
from .layout import Layout, Pair, check_split, find_root
from .mapping import Table, to_labels

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

    def __init__(self, root: PathLike, split: str = "train", *, mapping: Table | None = None) -> None:
        check_split(self.name, split, self.splits, "; the labels of the test images are not public")
        self.root = find_root(root, ("leftImg8bit", "gtFine"))
        self.split, self.mapping = split, mapping
        self.pairs = _find_pairs(self.root, split)

    def _labels(self, index: int) -> NDArray[np.uint8]:
        path = self.pairs[index][1]
        table = FROM_TRAIN_IDS if path.name.endswith(TRAIN_IDS) else FROM_IDS
        return to_labels(self.raw_mask(index), {**table, **(self.mapping or {})}, CLASSES, path)

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """Objects are the ids from 1000 on; None where there is no file of them."""
        image, mask = self.pairs[check_index(index, len(self))]
        path = mask.with_name(image.name.removesuffix(IMAGE) + INSTANCE_IDS)
        if not path.is_file():
            return None
        ids = read_raw_mask(path).astype(np.int32)
        return np.where(ids >= 1000, ids, 0)


def _find_pairs(root: Path, split: str) -> list[Pair]:
    images = sorted((root / "leftImg8bit" / split).glob(f"*/*{IMAGE}"))
    if not images:
        raise DataError(f"{root / 'leftImg8bit' / split}: no images CITY/*{IMAGE} in it")
    pairs = []
    for image in images:
        folder = root / "gtFine" / split / image.parent.name
        stem = image.name.removesuffix(IMAGE)
        made = folder / (stem + TRAIN_IDS)
        pairs.append((image, made if made.is_file() else folder / (stem + IDS)))
    return pairs
