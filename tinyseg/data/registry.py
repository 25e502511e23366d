"""Every data set by its name, and what each may be asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError, flag
from ..files import PathLike
from .dataset import Dataset, Size, WithExtra, WithInstances
from .labels.mapping import Table
from .layouts.ade20k import ADE20K
from .layouts.camvid import CamVid
from .layouts.cell_tracking import CellTracking, CellTrackingSilver
from .layouts.cityscapes import Cityscapes
from .layouts.coco_instances import CocoInstances
from .layouts.coco_panoptic import CocoPanoptic
from .layouts.coco_stuff import CocoStuff
from .layouts.folder import Folder
from .layouts.isbi2012 import ISBI2012
from .layouts.layout import Layout
from .layouts.nyudv2 import NYUDv2
from .layouts.pascal_context import PascalContext
from .layouts.sbd import SBD
from .layouts.sift_flow import SiftFlow, SiftFlowGeometric
from .layouts.sun_rgbd import SunRGBD
from .layouts.voc import VOC, VOC2011
from .synthetic.cells import Cells
from .synthetic.shapes import Shapes


@dataclass(frozen=True)
class Kind:
    """A data set that can be opened by its name.

    ``create(split=..., ...)`` opens it; ``takes`` names the options that mean something to it. ``published`` says how
    many labelled images each split has, where that was published. One that is ``drawn`` has no files. ``extra``
    names, for each extra target of its samples, the data set of the same images in the classes of that target.
    """

    create: Callable[..., Any]
    title: str
    takes: tuple[str, ...]
    published: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def drawn(self) -> bool:
        """Whether its images are made and not read."""
        return "root" not in self.takes

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have labels."""
        return tuple(self.create.splits)  # type: ignore[attr-defined]


_DRAWN = ("size", "count", "seed")
_FILES = ("root", "mapping")
_DIVIDED = (*_FILES, "val_fraction", "seed")
_OUTLINES = (*_DIVIDED, "crowds")
_FILMS = ("root", "val_fraction")


def _splits(train: int, val: int = 0, test: int = 0) -> dict[str, int]:
    return {name: count for name, count in (("train", train), ("val", val), ("test", test)) if count}


_COCO = _splits(118287, 5000)
_SIFT = _splits(2488, test=200)

DATASETS: dict[str, Kind] = {
    "shapes": Kind(Shapes, "disks, squares, triangles, rings and crosses, drawn", _DRAWN, _splits(2000, 200, 200)),
    "cells": Kind(Cells, "cells that touch, with a number each, drawn", _DRAWN, _splits(500, 50, 50)),
    "folder": Kind(Folder, "your own images and masks", (*_DIVIDED, "num_classes", "as_stored")),
    "camvid": Kind(CamVid, "streets, 11 classes", _FILES, _splits(367, 101, 233)),
    "voc2011": Kind(VOC2011, "photographs, 20 classes and background", _DIVIDED, _splits(1112, 1111)),
    "voc2012": Kind(VOC, "photographs, 20 classes and background", _DIVIDED, _splits(1464, 1449)),
    "sbd": Kind(SBD, "more labels for VOC's photographs", _FILES, _splits(8498, 2857)),
    "pascal-context": Kind(PascalContext, "photographs, 59 things and stuff", _FILES, _splits(4998, 5105)),
    "cityscapes": Kind(Cityscapes, "streets, 19 classes", _FILES, _splits(2975, 500)),
    "ade20k": Kind(ADE20K, "scenes, 150 classes", _FILES, _splits(20210, 2000)),
    "coco-stuff": Kind(CocoStuff, "photographs, 182 things and stuff, pixel maps", _FILES, _COCO),
    "coco-panoptic": Kind(CocoPanoptic, "photographs, 133 classes, things told apart", _FILES, _COCO),
    "coco-instances": Kind(CocoInstances, "photographs, 80 things and background, outlines", _OUTLINES, _COCO),
    "isbi2012": Kind(ISBI2012, "membranes of neurons, in slices", (*_FILES, "val_fraction"), _splits(30)),
    "cell-tracking": Kind(CellTracking, "films of cells (PhC-C2DH-U373, DIC-C2DH-HeLa ...)", _FILMS),
    "cell-tracking-silver": Kind(CellTrackingSilver, "the same, labelled by programs", _FILMS),
    "nyudv2": Kind(NYUDv2, "rooms, 40 classes", _FILES, _splits(381, 414, 654)),
    "sift-flow": Kind(SiftFlow, "outdoor scenes, 33 classes", _DIVIDED, _SIFT, {"geometric": "sift-flow-geometric"}),
    "sift-flow-geometric": Kind(SiftFlowGeometric, "the same: sky, horizontal, vertical", _DIVIDED, _SIFT),
    "sun-rgbd": Kind(SunRGBD, "rooms, 37 classes (needs h5py)", _DIVIDED, _splits(5285, test=5050)),
}
"""Every data set that :func:`open_dataset` knows."""

EXTRA_TARGETS = tuple(dict.fromkeys(target for kind in DATASETS.values() for target in kind.extra))
"""The names of all extra targets that samples of a data set may have."""


def open_dataset(
    name: str,
    split: str,
    *,
    root: PathLike | None = None,
    num_classes: int | None = None,
    size: Size | None = None,
    count: int | None = None,
    val_fraction: float | None = None,
    seed: int = 0,
    mapping: Table | None = None,
    crowds: str | None = None,
    instances: bool = False,
    as_stored: bool = False,
    **extra: int,
) -> Dataset:
    """Open a data set by its name.

    Args:
        name: a key of ``DATASETS``.
        split: ``"train"``, ``"val"`` or ``"test"``; some have others, or not all of them.
        root: its folder; those that are drawn have none.
        num_classes: for ``folder`` without ``classes.txt``; for the others, checked.
        size: (height, width) of the images that are drawn. Files keep their own size: resizing them is a transform.
        count: how many images are drawn.
        val_fraction: the share that validates, where that is not published.
        seed: of the images that are drawn, or of that share.
        mapping: what numbers and colours in masks mean (``tinyseg.data.labels.mapping``).
        crowds: what becomes of crowds in COCO's outlines: "ignore", or "objects".
        instances: samples have their objects, too; see :class:`~tinyseg.data.dataset.WithInstances`.
        as_stored: images are left as they are stored, and not turned as their EXIF orientation says.
        extra: by the name of an extra target the number of its classes: samples have a mask of those, too, unless it
            is 0. ``geometric=3`` is for sift-flow; see :class:`~tinyseg.data.dataset.WithExtra`.

    Raises ``InputError`` for an unknown name, or an option that is missing, impossible or of no use to this data
    set, ``TypeError`` for the name of an extra target that no data set has; ``DataError`` when the files are not as
    they should be.

    >>> open_dataset("imagenet", "train")
    Traceback (most recent call last):
    ...
    tinyseg.errors.InputError: no data set 'imagenet'; there are shapes, cells, folder, camvid, ...
    """
    if unknown := [target for target in extra if target not in EXTRA_TARGETS]:
        raise TypeError(f"open_dataset() got an unexpected keyword argument {unknown[0]!r}")
    kind = get_kind(name)
    given = {"size": size, "count": count, "val_fraction": val_fraction, "mapping": mapping, "crowds": crowds}
    for option, value in {"root": root, **given}.items():
        if value is not None and option not in kind.takes:
            known_as = option if option == "count" else flag(option)  # a count can be asked for in Python only
            raise InputError(f"the data set {name!r} takes no {known_as}; leave it out")
    options: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if "seed" in kind.takes:
        options["seed"] = seed
    if "num_classes" in kind.takes:
        options["num_classes"] = num_classes
    else:
        _check_classes(name, num_classes, getattr(kind.create, "classes", None))
    if not kind.drawn:
        if root is None:
            raise InputError(f"the data set {name!r} needs its folder: give --root DIR")
        options["root"] = root
    if as_stored and kind.drawn:
        raise InputError(f"the data set {name!r} takes no --as-stored; leave it out")
    dataset = _create(kind, split, options, as_stored)
    _check_classes(name, num_classes, dataset.classes)
    if wanted := {target: classes for target, classes in extra.items() if classes}:
        dataset = WithExtra(dataset, _extra(kind, name, wanted, split, options, as_stored))
    return WithInstances(dataset) if instances else dataset


def _create(kind: Kind, split: str, options: Mapping[str, Any], as_stored: bool) -> Dataset:
    """Only a folder's files are read when it is opened; the others are told afterwards how to read theirs."""
    extra = {"as_stored": as_stored} if "as_stored" in kind.takes else {}
    dataset: Dataset = kind.create(split=split, **options, **extra)
    if isinstance(dataset, Layout):
        dataset.as_stored = as_stored
    return dataset


def _extra(
    kind: Kind, name: str, wanted: Mapping[str, int], split: str, options: Mapping[str, Any], as_stored: bool
) -> dict[str, Dataset]:
    """The same images in the classes of each extra target; ``InputError`` where there are none, or not so many."""
    given = {key: value for key, value in options.items() if key != "mapping"}
    found = {}
    for target, classes in wanted.items():
        if target not in kind.extra:
            having = ", ".join(other for other, one in DATASETS.items() if target in one.extra)
            raise InputError(f"the data set {name!r} has no {target} classes; {having} has")
        other = _create(DATASETS[kind.extra[target]], split, given, as_stored)
        if len(other.classes) != classes:
            option, named = flag(f"{target}_classes"), ", ".join(other.classes.names)
            raise InputError(f"{name}: {option} must be {len(other.classes)} ({named}), got {classes}")
        found[target] = other
    return found


def get_kind(name: str) -> Kind:
    """The data set of this name; ``InputError`` if there is none."""
    if name not in DATASETS:
        raise InputError(f"no data set {name!r}; there are {', '.join(DATASETS)}")
    return DATASETS[name]


def _check_classes(name: str, requested: int | None, classes: Any) -> None:
    """``InputError`` when a number of classes was asked for that the data set does not have."""
    if requested is not None and classes is not None and requested != len(classes):
        raise InputError(f"the data set {name!r} has {len(classes)} classes, not --num-classes {requested}")
