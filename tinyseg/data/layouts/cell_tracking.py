"""The Cell Tracking Challenge: films of cells under the microscope, PhC-C2DH-U373 and DIC-C2DH-HeLa among them.

::

    DIC-C2DH-HeLa/
      01/t000.tif  t001.tif ...             the frames of film 01 (four digits from 1000 frames on)
      01_GT/SEG/man_seg002.tif ...          16 bit: a number for each cell, 0 elsewhere; of some frames only
      01_GT/TRA/man_track000.tif ...        a marker for each cell, in all frames
      01_ST/SEG/man_seg000.tif ...          the same as SEG, made by programs ("silver")
      02/ ...

A frame may be labelled in part: there 0 does not mean background. Such frames are left out: where the markers (or the
silver labels) of a frame show more cells than are labelled, by more than a fifth, it is not complete. Frames without
either are trusted.

Class 1 is a cell, class 0 is background and the line where two cells touch, so that they stay apart
(:func:`~tinyseg.data.instances.separated_cells`). The last frames of each film validate.
"""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..dataset import Classes, check_index
from ..formats.images import read_raw_mask
from ..instances import renumbered, separated_cells
from .layout import Pair
from .train_val_split import SplitInOrder

CLASSES = Classes(("background", "cell"), ((0, 0, 0), (80, 200, 120)))

COMPLETE = 0.8
"""The least share of a frame's cells that has to be labelled."""

LABELS = {"gold": "GT", "silver": "ST"}


class CellTracking(SplitInOrder):
    """The labelled frames of a data set of the challenge.

    Args:
        root: the data set's folder, with ``01`` and ``01_GT`` in it.
        split: ``"train"`` or ``"val"``; the challenge's test films have no public labels.
        val_fraction: the share of each film's labelled frames, from the end, that validates; 0.2 if not given.

    ``left_out`` names the frames that are labelled in part. Raises ``DataError`` when no film has labels.
    """

    name = "cell-tracking"
    classes = CLASSES
    in_channels = 1
    labels = "gold"
    why_no_other = "; the challenge's test films have no public labels"

    def _find_files(self) -> None:
        self.left_out: list[Path] = []
        films = [self._frames(folder) for folder in sorted(self.root.iterdir()) if _is_film(folder)]
        whole = [film for film in films if film]
        if not whole:
            suffix = LABELS[self.labels]
            raise DataError(f"{self.root}: no frame is labelled as a whole; expected 01/ and 01_{suffix}/SEG/")
        self.pairs = [pair for film in whole for pair in self._part(film, len(whole))]

    def _part(self, film: list[Pair], films: int) -> list[Pair]:
        """The frames of a film that are this split; one of a single frame is for training, if there are others."""
        if len(film) == 1 < films:
            return film if self.split == "train" else []
        return self.part(film)

    def _frames(self, film: Path) -> list[Pair]:
        """The frames of a film that are labelled as a whole."""
        folder = film.with_name(f"{film.name}_{LABELS[self.labels]}") / "SEG"
        pairs = []
        for mask in sorted(folder.glob("man_seg*.tif")):
            number = mask.stem.removeprefix("man_seg")
            if self.labels == "gold" and not _is_complete(mask, film, number):
                self.left_out.append(mask)
                continue
            pairs.append((film / f"t{number}.tif", mask))
        return pairs

    def sample_name(self, index: int) -> str:
        """Film and frame: the frames of all films are named alike."""
        image, _ = self.pairs[check_index(index, len(self))]
        return f"{image.parent.name}-{image.stem}"

    def raw_mask(self, index: int) -> NDArray[np.uint8]:
        """0 and 1; the numbers of the cells are what ``instances`` gives."""
        return separated_cells(super().raw_mask(index))

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """The cells, as they are labelled: they touch."""
        return renumbered(super().raw_mask(check_index(index, len(self))))


class CellTrackingSilver(CellTracking):
    """The same with the challenge's silver labels, which programs made, for all frames that have them."""

    name = "cell-tracking-silver"
    labels = "silver"


def _is_film(folder: Path) -> bool:
    return folder.is_dir() and re.fullmatch("[0-9]{2}", folder.name) is not None


def _is_complete(mask: Path, film: Path, number: str) -> bool:
    """Whether nearly all cells are labelled that the markers, or else the silver labels, show."""
    others = (
        film.with_name(f"{film.name}_GT") / "TRA" / f"man_track{number}.tif",
        film.with_name(f"{film.name}_ST") / "SEG" / f"man_seg{number}.tif",
    )
    for other in others:
        if other.is_file():
            return _count(mask) >= COMPLETE * _count(other)
    return True


def _count(path: Path) -> int:
    return int(np.count_nonzero(np.unique(read_raw_mask(path))))
