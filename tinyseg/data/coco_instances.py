"""COCO's objects, or any data set written like them: outlines in JSON (Lin et al. 2014).

::

    root/
      train2017/NAME.jpg                            (or images/train2017 ...)
      annotations/instances_train2017.json          images, categories, annotations
      val2017/...  annotations/instances_val2017.json

118287 and 5000 images. Class 0 is background, then come the categories in the order of their numbers (80 in COCO).
Polygons and run lengths, plain or compressed, are understood. Where objects overlap, the smaller lies on top; a crowd
that is outlined as a whole (``iscrowd``) is ignored where no single object lies. A file of your own works as well:
``annotations.json`` in ``root`` with paths of images relative to it, of which a share validates.

The JSON is read once for an index of where each record stands; the outlines of an image are read when it is asked
for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..paths import PathLike
from .coco_shapes import shape_mask
from .coco_stuff import find_images
from .dataset import IGNORE_INDEX, Classes, Color, Size, check_index
from .division import divide_by_name
from .json_records import JsonRecords
from .layout import Layout, check_split
from .mapping import Table

BACKGROUND = "background"
NO_CLASS = ("_background_", BACKGROUND)
"""Names under which some tools list what is no category."""
CROWD = -1


class _Picture(NamedTuple):
    """An image of the index: its file, its size, and where the records of its objects stand."""

    file: Path
    size: Size
    objects: list[tuple[int, int]]


class CocoInstances(Layout):
    """Objects in JSON.

    Args:
        root: as above.
        split: ``"train"`` or ``"val"``.
        val_fraction, seed: where there is one ``annotations.json``: the share that validates, by a hash of each name.
    """

    name = "coco-instances"

    def __init__(
        self,
        root: PathLike,
        split: str = "train",
        *,
        val_fraction: float | None = None,
        seed: int = 0,
        mapping: Table | None = None,
    ) -> None:
        check_split(self.name, split, self.splits)
        self.root, self.split, self.mapping = Path(root), split, mapping
        own = self.root / "annotations.json"
        self.path = own if own.is_file() else self.root / "annotations" / f"instances_{split}2017.json"
        images = self.root if own.is_file() else find_images(self.root, split)
        self.pictures = self._index(images)
        if own.is_file():
            names = [picture.file.name for picture in self.pictures]
            self.pictures = divide_by_name(self.root, self.pictures, names, split, val_fraction, seed)
        self.pairs = [(picture.file, self.path) for picture in self.pictures]

    def _index(self, images: Path) -> list[_Picture]:
        """Set ``records``, ``class_of`` and ``classes``; the images by name."""
        pictures: dict[Any, _Picture] = {}
        names: dict[int, str] = {}
        objects: dict[Any, list[tuple[int, int]]] = {}

        def visit(array: str, record: Any, start: int, length: int) -> None:
            if array == "images":
                size = int(record["height"]), int(record["width"])
                pictures[record["id"]] = _Picture(images / record["file_name"], size, [])
            elif array == "categories" and record["name"] not in NO_CLASS:
                names[record["id"]] = record["name"]
            elif array == "annotations":
                objects.setdefault(record["image_id"], []).append((start, length))

        try:
            self.records = JsonRecords(self.path, visit)
        except (KeyError, TypeError) as error:
            raise DataError(f"{self.path}: a record is not as COCO's are ({error!r})") from error
        if not pictures or not names:
            raise DataError(f"{self.path}: lists {len(pictures)} images and {len(names)} categories")
        for image_id, places in objects.items():
            if image_id not in pictures:
                raise DataError(f"{self.path}: has objects of image {image_id!r}, which is not listed")
            pictures[image_id].objects.extend(places)
        self.class_of: dict[int | Color, int] = {number: index for index, number in enumerate(sorted(names), 1)}
        self.classes = Classes.named([BACKGROUND, *(names[number] for number in sorted(names))])
        return sorted(pictures.values(), key=lambda picture: picture.file.name)

    def raw_mask(self, index: int) -> NDArray[Any]:
        """Numbers of categories, 0 for background, -1 for crowds."""
        return self._drawn(index)[0]

    @property
    def table(self) -> Table:
        """Categories in order, from 1."""
        return {0: 0, CROWD: IGNORE_INDEX, **self.class_of}

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """The objects, numbered by size from the largest; crowds are none."""
        return self._drawn(check_index(index, len(self)))[1]

    def size(self, index: int) -> Size:
        """Height and width, as the JSON says."""
        return self.pictures[check_index(index, len(self))].size

    def _drawn(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Categories and objects of each pixel."""
        picture = self.pictures[index]
        categories, objects = np.zeros(picture.size, np.int32), np.zeros(picture.size, np.int32)
        shapes = []
        try:
            for record in self.records.read(picture.objects):
                mask = shape_mask(record["segmentation"], picture.size)
                shapes.append((bool(record.get("iscrowd")), int(mask.sum()), record["category_id"], mask))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{self.path}: an object of {picture.file.name} cannot be drawn ({error!r})") from error
        # Crowds first, then the largest: what comes later lies on top.
        shapes.sort(key=lambda shape: (not shape[0], -shape[1]))
        for number, (is_crowd, _, category, mask) in enumerate(shapes, 1):
            categories[mask] = CROWD if is_crowd else category
            objects[mask] = 0 if is_crowd else number
        return categories, objects
