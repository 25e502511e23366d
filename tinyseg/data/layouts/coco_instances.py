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

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, InputError, many
from ...files import PathLike
from ..dataset import IGNORE_INDEX, MAX_CLASSES, Classes, Size, check_index, size_text
from ..formats.images import read_header
from ..formats.json_records import JsonRecords
from ..labels.mapping import Table, category_table
from . import coco_records as fields
from .coco_records import Identifier
from .coco_shapes import shape_mask
from .coco_stuff import find_images
from .layout import Remark, in_any_form, orientation_hint
from .train_val_split import SplitByName

BACKGROUND = "background"
NO_CLASS = ("_background_", BACKGROUND)
"""Names under which some tools list what is no category."""

CROWDS = ("ignore", "objects")
"""What becomes of crowds."""


class _Picture(NamedTuple):
    """An image of the index: its file, its size, and where the records of its objects stand."""

    file: Path
    size: Size
    objects: list[tuple[int, int]]


class CocoInstances(SplitByName):
    """Objects in JSON.

    Args:
        root: as above.
        split: ``"train"`` or ``"val"``.
        val_fraction, seed: where there is one ``annotations.json``: the share that validates, by a hash of each name.
        mapping: from numbers of categories to classes.
        crowds: ``"ignore"`` (if not given), or ``"objects"`` to take crowds for objects as all others.

    Identifiers are keys: a category may have any number, 0 and -1 among them. Raises ``DataError``, naming file and
    record, for what cannot be meant: an identifier that comes twice, a category without a name, an object of an image
    or a category that is not listed.
    """

    name = "coco-instances"
    stores_labels = False
    """Masks are drawn here, and whatever is in them is what it means."""

    def __init__(
        self,
        root: PathLike,
        split: str = "train",
        *,
        val_fraction: float | None = None,
        seed: int = 0,
        mapping: Table | None = None,
        crowds: str | None = None,
    ) -> None:
        if crowds not in (None, *CROWDS):
            raise InputError(f"{self.name}: unknown --crowds {crowds!r}; there are {', '.join(CROWDS)}")
        self.crowds_are_objects = crowds == "objects"
        super().__init__(root, split, val_fraction=val_fraction, seed=seed, mapping=mapping)

    def _find_files(self) -> None:
        own = self.root / "annotations.json"
        self.has_own_classes = own.is_file()
        self.path = own if own.is_file() else self.root / "annotations" / f"instances_{self.split}2017.json"
        index = _Index(own.parent if own.is_file() else find_images(self.root, self.split))
        self.records = JsonRecords(self.path, index.visit)
        index.check(self.path)
        names = index.ordered_names()
        self.class_of: dict[Identifier, int] = {key: number for number, key in enumerate(names, 1)}
        self._drawn_as = {**dict.fromkeys(index.no_class, 0), **self.class_of}
        self.classes = Classes.named([BACKGROUND, *names.values()])
        self._meanings = category_table(self.class_of, len(self.classes), self.mapping, self.path)
        self.remarks = () if self.crowds_are_objects else _on_crowds(index)
        self.remarks += _on_outlines(index)
        self.pictures = sorted(index.pictures.values(), key=lambda picture: picture.file.name)
        if own.is_file():
            files = [picture.file.name for picture in self.pictures]
            self.pictures = self.part(self.pictures, files)
        self.pairs = [(picture.file, self.path) for picture in self.pictures]

    def raw_mask(self, index: int) -> NDArray[Any]:
        """Classes, before any mapping: 0 for background, 255 for crowds."""
        return self._drawn(index)[0]

    @property
    def meanings(self) -> Table:
        """Classes stand for themselves, unless the mapping has another one for the number of their category."""
        return self._meanings

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """The objects, numbered by size from the largest; crowds are none, unless they are taken for objects."""
        return self._drawn(check_index(index, len(self)))[1]

    def size(self, index: int) -> Size:
        """Height and width, as the JSON says."""
        return self.pictures[check_index(index, len(self))].size

    def mask_size(self, index: int) -> Size:
        """As the JSON says, also where the image has another one and nothing is drawn."""
        return self.size(index)

    def _drawn(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Class and object of each pixel."""
        picture = self.pictures[index]
        self._check_picture(picture)
        shapes = []
        for record in self.records.read(picture.objects):
            try:
                mask = shape_mask(record.get("segmentation") or [], picture.size)
            except ValueError as error:
                raise DataError(f"{self.path}: an object of {picture.file.name} cannot be drawn ({error})") from error
            is_crowd = fields.flag(record, "iscrowd") and not self.crowds_are_objects
            label = IGNORE_INDEX if is_crowd else self._drawn_as[fields.identifier(record, "category_id")]
            box = _box(mask)
            shapes.append((is_crowd, int(mask.sum()), label, box, mask[box].copy()))
        # Crowds first, then the largest: what comes later lies on top.
        shapes.sort(key=lambda shape: (not shape[0], -shape[1]))
        labels, objects = np.zeros(picture.size, np.uint8), np.zeros(picture.size, np.int32)
        for number, (is_crowd, _, label, box, mask) in enumerate(shapes, 1):
            labels[box][mask] = label
            objects[box][mask] = 0 if is_crowd else number
        return labels, objects

    def _check_picture(self, picture: _Picture) -> None:
        """``DataError`` unless the picture has the size that the JSON says: before anything is drawn at it."""
        if not os.path.isfile(picture.file):
            return
        found = read_header(picture.file).size_as(self.as_stored)
        if found != picture.size:
            raise DataError(
                f"{self.path}: {picture.file.name} is listed as {size_text(picture.size)} but the image is "
                f"{size_text(found)} (height x width); they must be equal"
                f"{orientation_hint(picture.file, picture.size, self.as_stored)}"
            )


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rows and columns that hold all of a mask."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not len(rows):
        return slice(0), slice(0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


@dataclass
class _Index:
    """What a file lists. ``crowds`` and ``bare``: how many objects of each category are crowds, have no outline."""

    images: Path
    pictures: dict[Identifier, _Picture] = field(default_factory=dict)
    listed: dict[str, Identifier] = field(default_factory=dict)
    names: dict[Identifier, str] = field(default_factory=dict)
    places: dict[Identifier, list[tuple[int, int]]] = field(default_factory=dict)
    objects: Counter[Identifier] = field(default_factory=Counter)
    crowds: Counter[Identifier] = field(default_factory=Counter)
    bare: Counter[Identifier] = field(default_factory=Counter)

    def visit(self, array: str, record: Any, start: int, length: int) -> None:
        """A record of the file; ``ValueError`` for one that cannot be used."""
        if array == "images":
            self._add_image(fields.identifier(record, "id"), record)
        elif array == "categories":
            key, name = fields.identifier(record, "id"), fields.name(record, "name")
            if self.names.setdefault(key, name) != name:
                raise ValueError(f"has the id {key!r} of the category {self.names[key]!r}")
        elif array == "annotations":
            category = fields.identifier(record, "category_id")
            self.places.setdefault(fields.identifier(record, "image_id"), []).append((start, length))
            self.objects[category] += 1
            self.crowds[category] += fields.flag(record, "iscrowd")
            self.bare[category] += not record.get("segmentation")

    def _add_image(self, key: Identifier, record: Any) -> None:
        name = fields.name(record, "file_name")
        picture = _Picture(in_any_form(self.images, name), fields.size(record), [])
        if self.pictures.setdefault(key, picture) != picture:
            raise ValueError(f"has the id {key!r} of {self.pictures[key].file.name}; an image needs its own")
        if self.listed.setdefault(name, key) != key:
            raise ValueError(f"is {name}, which is listed before with the id {self.listed[name]!r}; give it one id")

    @property
    def no_class(self) -> list[Identifier]:
        """The categories that stand for background."""
        return [key for key, name in self.names.items() if name in NO_CLASS]

    def ordered_names(self) -> dict[Identifier, str]:
        """The categories that are classes, in the order of their identifiers."""
        chosen = (key for key, name in self.names.items() if name not in NO_CLASS)
        return {key: self.names[key] for key in sorted(chosen, key=fields.order)}

    def check(self, path: Path) -> None:
        """``DataError`` unless the records belong together; then pictures know their objects."""
        count = len(self.names) - len(self.no_class)
        if not self.pictures or not count:
            raise DataError(f"{path}: lists {len(self.pictures)} images and {count} categories")
        if count >= MAX_CLASSES:
            raise DataError(f"{path}: lists {count} categories; masks hold {MAX_CLASSES - 1} and background at most")
        for key, places in self.places.items():
            if key not in self.pictures:
                raise DataError(f"{path}: has objects of image {key!r}, which is not listed")
            self.pictures[key].objects.extend(places)
        if unknown := [key for key in self.objects if key not in self.names]:
            raise DataError(f"{path}: has objects of category {unknown[0]!r}, which is not listed")


def _on_crowds(index: _Index) -> tuple[Remark, ...]:
    """What to know where all objects, or all of a class, are ignored."""
    way = "are crowds (iscrowd 1), which are ignored; CVAT marks brush strokes so: --crowds objects takes them"
    total = sum(index.objects.values())
    if total and sum(index.crowds.values()) == total:
        return (Remark("crowds", f"all {many(total, 'object')} {way}", serious=True),)
    return tuple(
        Remark("crowds", f"all {many(count, 'object')} of {index.names[key]!r} {way}")
        for key, count in index.objects.items()
        if index.crowds[key] == count and index.names[key] not in NO_CLASS
    )


def _on_outlines(index: _Index) -> tuple[Remark, ...]:
    """What to know where objects have no outline, as in exports for detection, and leave nothing in masks."""
    total, bare = sum(index.objects.values()), sum(index.bare.values())
    if not bare:
        return ()
    text = f"{bare} of {many(total, 'object')} have no outline (no segmentation), and are not in the masks"
    return (Remark("outlines", text, serious=bare == total),)
