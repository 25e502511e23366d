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

import reprlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..dataset import IGNORE_INDEX, MAX_CLASSES, Classes, Color, check_index
from ..formats.images import read_raw_mask
from ..formats.json_records import JsonRecords
from ..instances import renumbered
from ..labels.mapping import Table, category_table
from . import coco_records as fields
from .coco_records import Identifier
from .coco_stuff import find_images
from .layout import Layout, in_any_form

VOID = 0
"""The segment of pixels that belong to none, unless a file lists a segment of this number."""


class _Segment(NamedTuple):
    """The class of a segment, and its number among the objects of its image: 0 where it is no thing."""

    label: int
    thing: int


class CocoPanoptic(Layout):
    """COCO's panoptic maps; ``root`` holds ``train2017`` and ``annotations``.

    A mapping is from the numbers of categories to classes. Identifiers are keys: a category may have any number, 0
    among them. Raises ``DataError``, naming file and record, for what cannot be meant.
    """

    name = "coco-panoptic"
    stores_labels = False
    """Files store segments, whose categories the JSON says."""

    def _find_files(self) -> None:
        images, annotations = find_images(self.root, self.split), self.root / "annotations"
        self.path = annotations / f"panoptic_{self.split}2017.json"
        self._index()
        self._meanings = category_table(self.class_of, len(self.classes), self.mapping, self.path)
        masks = annotations / f"panoptic_{self.split}2017"
        self.pairs = [
            (in_any_form(images, f"{Path(name).stem}.jpg"), in_any_form(masks, name)) for name, _ in self.annotations
        ]

    def _index(self) -> None:
        categories: dict[Identifier, _Category] = {}
        annotations: dict[str, tuple[int, int]] = {}

        def visit(array: str, record: Any, start: int, length: int) -> None:
            if array == "categories":
                key, category = fields.identifier(record, "id"), _category(record)
                if categories.setdefault(key, category) != category:
                    raise ValueError(f"has the id {key!r} of the category {categories[key].name!r}")
            elif array == "annotations":
                name = fields.name(record, "file_name")
                if annotations.setdefault(name, (start, length)) != (start, length):
                    raise ValueError(f"is about {name}, as one before; a map has one record")

        self.records = JsonRecords(self.path, visit)
        if not annotations or not categories:
            raise DataError(f"{self.path}: lists {len(annotations)} images and {len(categories)} categories")
        if len(categories) > MAX_CLASSES:
            raise DataError(f"{self.path}: lists {len(categories)} categories; masks hold {MAX_CLASSES} at most")
        self.annotations = sorted(annotations.items())
        ordered = sorted(categories, key=fields.order)
        self.class_of = {key: index for index, key in enumerate(ordered)}
        self.things = {key for key, category in categories.items() if category.is_thing}
        default = Classes.named([categories[key].name for key in ordered])
        colors = tuple(categories[key].color or color for key, color in zip(ordered, default.colors, strict=True))
        self.classes = Classes(default.names, colors, void_color=(0, 0, 0))

    @property
    def meanings(self) -> Table:
        """Classes stand for themselves, unless the mapping has another one for the number of their category."""
        return self._meanings

    def raw_mask(self, index: int) -> NDArray[Any]:
        """The class of each pixel, before any mapping; 255 for void."""
        numbers, segment_of = self._segments(index)
        return _replaced(numbers, {number: segment.label for number, segment in segment_of.items()}).astype(np.uint8)

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """The segments that are things."""
        numbers, segment_of = self._segments(check_index(index, len(self)))
        things = _replaced(numbers, {number: segment.thing for number, segment in segment_of.items()})
        return renumbered(things)

    def _segments(self, index: int) -> tuple[NDArray[np.int64], dict[int, _Segment]]:
        """The number of each pixel's segment, and the segments by their numbers."""
        path = self.pairs[index][1]
        colors = read_raw_mask(path, as_stored=self.as_stored)
        if colors.ndim != 3:
            raise DataError(f"{path}: expected an RGB image of segments")
        numbers = colors.astype(np.int64) @ np.array([1, 256, 65536])
        (record,) = self.records.read([self.annotations[index][1]])
        try:
            segment_of = self._listed_segments(record)
        except ValueError as error:
            raise DataError(f"{self.path}: the record of {path.name} {error}") from error
        if unknown := sorted(set(np.unique(numbers).tolist()) - set(segment_of)):
            raise DataError(f"{path}: has the segment {unknown[0]}, which {self.path.name} does not list")
        return numbers, segment_of

    def _listed_segments(self, record: Any) -> dict[int, _Segment]:
        """The segments of a record, and void; ``ValueError`` for ones that cannot be used."""
        parts = fields.field(record, "segments_info")
        if not isinstance(parts, list):
            raise ValueError("has segments_info that are no list")
        segment_of: dict[int, _Segment] = {}
        for part in parts:
            number, category = fields.identifier(part, "id"), fields.identifier(part, "category_id")
            if not isinstance(number, int):
                raise ValueError(f"has the segment {number!r}, expected a whole number")
            if category not in self.class_of:
                raise ValueError(f"has a segment of category {category!r}, which is not listed")
            if number in segment_of:
                raise ValueError(f"lists the segment {number} twice")
            segment_of[number] = _Segment(self.class_of[category], number + 1 if category in self.things else 0)
        return {VOID: _Segment(IGNORE_INDEX, 0), **segment_of}


class _Category(NamedTuple):
    name: str
    is_thing: bool
    color: Color | None


def _category(record: Any) -> _Category:
    is_thing = True if record.get("isthing") is None else fields.flag(record, "isthing")
    return _Category(fields.name(record, "name"), is_thing, _color(record))


def _color(record: Any) -> Color | None:
    given = record.get("color")
    if given is None:
        return None
    whole = isinstance(given, list) and len(given) == 3 and all(type(value) is int for value in given)
    if not whole or not all(0 <= value <= 255 for value in given):
        raise ValueError(f"has the color {reprlib.repr(given)}, expected three whole numbers from 0 to 255")
    red, green, blue = given
    return red, green, blue


def _replaced(numbers: NDArray[np.int64], by: dict[int, int]) -> NDArray[np.int64]:
    values, inverse = np.unique(numbers, return_inverse=True)
    return np.array([by[value] for value in values.tolist()], np.int64)[inverse].reshape(numbers.shape)
