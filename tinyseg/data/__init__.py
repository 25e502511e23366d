"""Data sets (one layout a file), transforms of image and mask together, and the loader.

>>> from tinyseg.data import open_dataset
>>> val = open_dataset("shapes", "val", size=(64, 64))
>>> len(val), val[0].image.shape
(200, (64, 64, 3))
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import InputError, flag
from ..paths import PathLike
from .camvid import CamVid
from .dataset import (
    IGNORE_INDEX,
    ClassCounts,
    Classes,
    Dataset,
    Normalisation,
    Sample,
    class_counts,
    measure_normalisation,
    median_frequency_weights,
)
from .folder import VAL_FRACTION, Folder, is_divided, read_classes
from .images import read_image, read_mask, write_palette_png
from .loader import Batch, DataLoader
from .shapes import Shapes
from .transforms import Compose, Normalise, RandomCrop, RandomFlip, RandomScale, Resize, ResizeImage

__all__ = [
    "DATASETS",
    "IGNORE_INDEX",
    "VAL_FRACTION",
    "Batch",
    "CamVid",
    "ClassCounts",
    "Classes",
    "Compose",
    "DataLoader",
    "Dataset",
    "Folder",
    "Normalisation",
    "Normalise",
    "RandomCrop",
    "RandomFlip",
    "RandomScale",
    "Resize",
    "ResizeImage",
    "Sample",
    "Shapes",
    "class_counts",
    "is_divided",
    "measure_normalisation",
    "median_frequency_weights",
    "open_dataset",
    "read_classes",
    "read_image",
    "read_mask",
    "write_palette_png",
]


@dataclass(frozen=True)
class Options:
    """What :func:`open_dataset` was asked for; a data set refuses the options that mean nothing to it."""

    root: PathLike | None = None
    num_classes: int | None = None
    size: tuple[int, int] | None = None
    count: int | None = None
    val_fraction: float | None = None
    seed: int = 0

    def root_of(self, name: str) -> PathLike:
        """The root, or ``InputError``: this data set needs one."""
        if self.root is None:
            raise InputError(f"the data set {name!r} needs its folder: give --root DIR")
        return self.root

    def refuse(self, name: str, *options: str) -> None:
        """``InputError`` when one of ``options`` was given: data set ``name`` has no use for it."""
        for option in options:
            if getattr(self, option) is not None:
                known_as = option if option == "count" else flag(option)  # a count can be asked for in Python only
                raise InputError(f"the data set {name!r} takes no {known_as}; leave it out")

    def refuse_other_classes(self, name: str, count: int) -> None:
        """``InputError`` when a number of classes was given that is not the data set's ``count``."""
        if self.num_classes not in (None, count):
            raise InputError(f"the data set {name!r} has {count} classes, not --num-classes {self.num_classes}")


def _open_shapes(split: str, options: Options) -> Dataset:
    options.refuse("shapes", "root", "val_fraction")
    options.refuse_other_classes("shapes", len(Shapes.classes))
    return Shapes(split, count=options.count, size=options.size or (128, 128), seed=options.seed)


def _open_folder(split: str, options: Options) -> Dataset:
    options.refuse("folder", "count")
    return Folder(
        options.root_of("folder"),
        split,
        num_classes=options.num_classes,
        val_fraction=options.val_fraction,
        seed=options.seed,
    )


def _open_camvid(split: str, options: Options) -> Dataset:
    options.refuse("camvid", "count", "val_fraction")
    options.refuse_other_classes("camvid", len(CamVid.classes))
    return CamVid(options.root_of("camvid"), split)


DATASETS: dict[str, Callable[[str, Options], Dataset]] = {
    "shapes": _open_shapes,
    "folder": _open_folder,
    "camvid": _open_camvid,
}
"""Every data set that :func:`open_dataset` knows."""


def open_dataset(
    name: str,
    split: str,
    *,
    root: PathLike | None = None,
    num_classes: int | None = None,
    size: tuple[int, int] | None = None,
    count: int | None = None,
    val_fraction: float | None = None,
    seed: int = 0,
) -> Dataset:
    """Open a data set by its name.

    Args:
        name: a key of :data:`DATASETS`.
        split: ``"train"``, ``"val"`` or ``"test"``.
        root: its folder; ``shapes`` has none.
        num_classes: for ``folder`` without ``classes.txt``; for the others, checked.
        size: (height, width) of the images that ``shapes`` draws. Files keep their own size: resizing them is
            a transform.
        count: how many images ``shapes`` draws.
        val_fraction: for ``folder`` without ``train/`` and ``val/``.
        seed: of the images of ``shapes``, and of ``folder``'s split by ``val_fraction``.

    Raises ``InputError`` for an unknown name, or an option that is missing, impossible or of no use to this data
    set; ``DataError`` when the files are not as they should be.

    >>> open_dataset("imagenet", "train")
    Traceback (most recent call last):
    ...
    tinyseg.errors.InputError: no data set 'imagenet'; there are shapes, folder, camvid
    """
    if name not in DATASETS:
        raise InputError(f"no data set {name!r}; there are {', '.join(DATASETS)}")
    return DATASETS[name](split, Options(root, num_classes, size, count, val_fraction, seed))
