"""ISBI 2012 EM: membranes of neurons in slices of 512x512 (Arganda-Carreras et al. 2015).

As the challenge has it, or as folders of single images (PNG or TIFF)::

    root/                          root/
      train-volume.tif               train/image/0.png  1.png ...     (or images/)
      train-labels.tif               train/label/0.png  1.png ...     (or labels/)
      test-volume.tif

30 slices with labels: 255 is the inside of a cell, 0 membrane. Here membrane is class 0 and cell class 1. The last
slices validate; neighbouring slices look alike, so that they are not drawn by lot. The test volume has no labels.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...files import printable
from ..dataset import Classes, Size, check_index
from ..formats.images import count_frames, read_header, read_image, read_raw_mask
from ..instances import connected_cells
from ..labels.mapping import Table
from .layout import Pair
from .train_val_split import SplitInOrder

CLASSES = Classes(("membrane", "cell"), ((0, 0, 0), (255, 255, 255)), void_color=(255, 0, 0))

VOLUME, LABELS = "train-volume.tif", "train-labels.tif"
SUFFIXES = (".png", ".tif", ".tiff")
WHERE = ("", "train", "data/membrane/train", "membrane/train")


class ISBI2012(SplitInOrder):
    """The labelled slices of ISBI 2012 EM.

    Args:
        root: the folder of the two volumes, or the one that holds ``image`` and ``label`` (or ``train`` with them).
        split: ``"train"`` or ``"val"``.
        val_fraction: the share of the slices, from the end, that validates; 0.2 if not given.
    """

    name = "isbi2012"
    classes = CLASSES
    in_channels = 1
    why_no_other = "; the test volume has no labels"

    def _find_files(self) -> None:
        pages: list[tuple[Pair, int | None]]
        if (self.root / VOLUME).is_file():
            pages = [((self.root / VOLUME, self.root / LABELS), frame) for frame in _frames(self.root)]
        else:
            pages = [(pair, None) for pair in _slices(self.root)]
        chosen = self.part(pages)
        self.pairs = [pair for pair, _ in chosen]
        self.frames = [frame for _, frame in chosen]

    @property
    def table(self) -> Table:
        """0 and 255; labels that were made with 1 for a cell are understood, too."""
        return {0: 0, 1: 1, 255: 1}

    def image(self, index: int) -> NDArray[Any]:
        """One slice ``(H, W, 1)``."""
        return read_image(self.pairs[index][0], 1, self.frames[index], self.as_stored)

    def raw_mask(self, index: int) -> NDArray[Any]:
        """The labels of one slice."""
        return read_raw_mask(self.pairs[index][1], self.frames[index], self.as_stored)

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """The cells, which are connected parts of what is no membrane."""
        return connected_cells(self.mask(index) == 1)

    def size(self, index: int) -> Size:
        """Height and width of a slice."""
        index = check_index(index, len(self))
        return read_header(self.pairs[index][0], self.frames[index]).size_as(self.as_stored)

    def sample_name(self, index: int) -> str:
        """The file's name, with the slice's number if it is a stack."""
        index = check_index(index, len(self))
        stem, frame = self.pairs[index][0].stem, self.frames[index]
        return printable(stem if frame is None else f"{stem}-{frame:02}")


def _frames(root: Path) -> range:
    count, labels = count_frames(root / VOLUME), count_frames(root / LABELS)
    if count != labels:
        raise DataError(f"{root / LABELS}: has {labels} slices but {VOLUME} has {count}")
    return range(count)


def _slices(root: Path) -> list[Pair]:
    """Single images and their labels, by name, in the order of their numbers."""
    for folder in (root / where for where in WHERE):
        images = next((folder / name for name in ("image", "images") if (folder / name).is_dir()), None)
        labels = next((folder / name for name in ("label", "labels") if (folder / name).is_dir()), None)
        if images is None or labels is None:
            continue
        files = sorted((path for path in images.iterdir() if path.suffix.lower() in SUFFIXES), key=_natural_key)
        if not files:
            raise DataError(f"{images}: no images in it")
        return [(path, labels / path.name) for path in files]
    raise DataError(f"{root}: expected {VOLUME} and {LABELS}, or the folders image/ and label/")


def _natural_key(path: Path) -> list[str | int]:
    """A key that sorts ``2.png`` before ``10.png``.

    >>> sorted([Path("10.png"), Path("2.png")], key=_natural_key)[0].name
    '2.png'
    """
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", path.name)]
