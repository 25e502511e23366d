"""COCO panoptic: every pixel has a class, and things an object (Kirillov et al. 2019).

::

    root/
      train2017/NAME.jpg                           (or images/train2017 ...)
      annotations/panoptic_train2017/NAME.png      RGB: segment = R + 256 G + 65536 B, 0 is void
      annotations/panoptic_train2017.json          categories, and the category of each segment
      val2017/...  annotations/panoptic_val2017...

118287 and 5000 images in 133 classes, numbered in the order of the categories.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..paths import PathLike
from .coco_stuff import find_images
from .dataset import IGNORE_INDEX, Classes, Color, check_index
from .images import read_raw_mask
from .instances import renumbered
from .json_records import JsonRecords
from .layout import Layout, check_split
from .mapping import Table

VOID = 0


class CocoPanoptic(Layout):
    """COCO's panoptic maps; ``root`` holds ``train2017`` and ``annotations``."""

    name = "coco-panoptic"

    def __init__(self, root: PathLike, split: str = "train", *, mapping: Table | None = None) -> None:
        check_split(self.name, split, self.splits)
        self.root, self.split, self.mapping = Path(root), split, mapping
        images, annotations = find_images(self.root, split), self.root / "annotations"
        self.path = annotations / f"panoptic_{split}2017.json"
        self._index()
        masks = annotations / f"panoptic_{split}2017"
        self.pairs = [(images / f"{Path(name).stem}.jpg", masks / name) for name, _ in self.annotations]

    def _index(self) -> None:
        categories: dict[int, Any] = {}
        annotations: list[tuple[str, tuple[int, int]]] = []

        def visit(array: str, record: Any, start: int, length: int) -> None:
            if array == "categories":
                categories[record["id"]] = record
            elif array == "annotations":
                annotations.append((record["file_name"], (start, length)))

        try:
            self.records = JsonRecords(self.path, visit)
            ordered = [categories[number] for number in sorted(categories)]
            names = tuple(record["name"] for record in ordered)
            default = Classes.named(names).colors if names else ()
            colors = tuple(
                tuple(record["color"]) if "color" in record else color
                for record, color in zip(ordered, default, strict=True)
            )
        except (KeyError, TypeError) as error:
            raise DataError(f"{self.path}: a record is not as COCO's are ({error!r})") from error
        if not annotations or not categories:
            raise DataError(f"{self.path}: lists {len(annotations)} images and {len(categories)} categories")
        self.annotations = sorted(annotations)
        self.things = {number for number, record in categories.items() if record.get("isthing", 1)}
        self.class_of: dict[int | Color, int] = {number: index for index, number in enumerate(sorted(categories))}
        self.classes = Classes(names, colors, void_color=(0, 0, 0))

    @property
    def table(self) -> Table:
        """Categories in order; void is ignored."""
        return {VOID: IGNORE_INDEX, **self.class_of}

    def raw_mask(self, index: int) -> NDArray[Any]:
        """The number of each pixel's category; 0 for void."""
        segments, category_of = self._segments(index)
        return _replaced(segments, category_of)

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """The segments that are things."""
        segments, category_of = self._segments(check_index(index, len(self)))
        things = {number: number if category in self.things else 0 for number, category in category_of.items()}
        return renumbered(_replaced(segments, things))

    def _segments(self, index: int) -> tuple[NDArray[np.int64], dict[int, int]]:
        """The segment of each pixel, and the category of each segment."""
        path = self.pairs[index][1]
        colors = read_raw_mask(path)
        if colors.ndim != 3:
            raise DataError(f"{path}: expected an RGB image of segments")
        segments = colors.astype(np.int64) @ np.array([1, 256, 65536])
        (record,) = self.records.read([self.annotations[index][1]])
        category_of = {VOID: VOID, **{part["id"]: part["category_id"] for part in record["segments_info"]}}
        if unknown := sorted(set(np.unique(segments).tolist()) - set(category_of)):
            raise DataError(f"{path}: has the segment {unknown[0]}, which {self.path.name} does not list")
        return segments, category_of


def _replaced(numbers: NDArray[np.int64], by: dict[int, int]) -> NDArray[np.int64]:
    values, inverse = np.unique(numbers, return_inverse=True)
    return np.array([by[value] for value in values.tolist()], np.int64)[inverse].reshape(numbers.shape)
