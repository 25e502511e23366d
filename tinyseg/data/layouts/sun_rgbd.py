"""SUN RGB-D: rooms in 37 classes (Song et al. 2015). Needs h5py, which the extra ``hdf5`` brings.

::

    root/
      SUNRGBD/...                                      the images, in FOLDER/image/*.jpg
      SUNRGBDtoolbox/Metadata/SUNRGBD2Dseg.mat         HDF5: seglabel, 0 void, 1..37 class
      SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat     alltrain, alltest: the FOLDERs

5285 images to train with, of which a share validates, and 5050 to test. The labels of all images are in one file,
the 5050 of the test split first; it takes many gigabytes when read at once, so each is read when it is asked for.
Depth is not read.
"""

import threading
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, InputError, how_to_install
from ..dataset import IGNORE_INDEX, SPLITS, Classes, check_index
from ..formats.mat_file import read_variable
from ..labels.mapping import Table, numbered_from
from .nyudv2 import CLASSES as NYU_CLASSES
from .train_val_split import SplitByName

# NYUDv2's 40 without the three that are a rest of some kind.
CLASSES = Classes.named(NYU_CLASSES.names[:37])

LABELS = "SUNRGBDtoolbox/Metadata/SUNRGBD2Dseg.mat"
LISTS = "SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat"


class SunRGBD(SplitByName):
    """SUN RGB-D.

    Args:
        root: holds ``SUNRGBD`` and ``SUNRGBDtoolbox``.
        split: ``"train"`` and ``"val"`` divide the training images; ``"test"``.
        val_fraction, seed: of that division, by a hash of each folder's name (see ``Folder``).

    Raises ``InputError`` where h5py is not installed.
    """

    name = "sun-rgbd"
    splits = SPLITS
    classes = CLASSES
    marks = (LABELS, LISTS)

    def _find_files(self) -> None:
        self._file, self._lock = _open(self.root / LABELS), threading.Lock()
        test, train = (_folders(self.root / LISTS, name) for name in ("alltest", "alltrain"))
        if (stored := self._stored().shape[0]) != len(test) + len(train):
            raise DataError(f"{self.root / LABELS}: has {stored} masks for {len(test)} + {len(train)} images")
        chosen = list(enumerate(test)) if self.split == "test" else list(enumerate(train, len(test)))
        if self.split != "test":
            chosen = self.part(chosen, [folder for _, folder in chosen])
        self.rows = [row for row, _ in chosen]
        self.names = [folder for _, folder in chosen]
        self.pairs = [(_image_in(self.root / folder), self.root / LABELS) for folder in self.names]

    @property
    def table(self) -> Table:
        """Classes are numbered from 1; 0 is ignored."""
        return {0: IGNORE_INDEX, **numbered_from(1, len(CLASSES))}

    def sample_name(self, index: int) -> str:
        """The folder of the image; the images themselves are named alike."""
        return PurePosixPath(self.names[check_index(index, len(self))]).name

    def raw_mask(self, index: int) -> NDArray[Any]:
        """One mask of the file; MATLAB's arrays are transposed in HDF5."""
        with self._lock:  # HDF5's library is not made for several threads
            reference = self._stored()[self.rows[index]].flat[0]
            return np.asarray(self._file[reference]).T

    def _stored(self) -> Any:
        """The references to all masks."""
        return self._file["SUNRGBD2Dseg/seglabel"]


def _open(path: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise InputError(f"sun-rgbd: reading it needs h5py: {how_to_install('hdf5')}") from None
    try:
        file = h5py.File(path, "r")
        _ = file["SUNRGBD2Dseg/seglabel"]
    except (OSError, KeyError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    return file


def _folders(path: Path, name: str) -> list[str]:
    """The folders below ``root``: the lists have the paths of the machine where they were made."""
    cells = read_variable(path, name)
    if not isinstance(cells, np.ndarray) or not all(isinstance(text, str) for text in cells.flat):
        raise DataError(f"{path}: {name} is no list of texts")
    folders = []
    for text in cells.flat:
        _, found, below = text.partition("/SUNRGBD/")
        if not found:
            raise DataError(f"{path}: {name} has the path {text!r}, expected one with /SUNRGBD/ in it")
        folders.append(f"SUNRGBD/{below.rstrip('/')}")
    return folders


def _image_in(folder: Path) -> Path:
    """The only image in ``folder/image``; where there is none, a name that says so when it is read."""
    return next(iter(sorted((folder / "image").glob("*.jpg"))), folder / "image" / "NAME.jpg")
