"""SBD, the Semantic Boundaries Dataset: more labels for photographs of Pascal VOC 2011 (Hariharan et al. 2011).

::

    benchmark_RELEASE/dataset/
      img/NAME.jpg
      cls/NAME.mat        GTcls.Segmentation: 0 background, 1..20 VOC's classes
      inst/NAME.mat       GTinst.Segmentation: a number for each object
      train.txt  val.txt

8498 and 2857 images. FCN trains on all that are not in VOC's own validation split.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..dataset import check_index
from ..formats.mat_file import read_variable, whole_numbers
from .layout import Layout, read_split
from .voc import CLASSES


class SBD(Layout):
    """SBD; ``root`` is ``benchmark_RELEASE/dataset``, or the folder that holds ``benchmark_RELEASE``."""

    name = "sbd"
    classes = CLASSES
    marks = ("img", "cls")
    below = ("dataset", "benchmark_RELEASE/dataset")

    def _find_files(self) -> None:
        names = read_split(self.root / f"{self.split}.txt")
        self.pairs = [(self.root / "img" / f"{name}.jpg", self.root / "cls" / f"{name}.mat") for name in names]

    def raw_mask(self, index: int) -> NDArray[Any]:
        """The field ``Segmentation`` of ``GTcls``."""
        path = self.pairs[index][1]
        return _segmentation(read_variable(path, "GTcls"), path)

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """The field ``Segmentation`` of ``GTinst``; None where there is no such file."""
        path = self.root / "inst" / f"{self.pairs[check_index(index, len(self))][1].name}"
        if not path.is_file():
            return None
        return _segmentation(read_variable(path, "GTinst"), path).astype(np.int32)


def _segmentation(struct: Any, path: Path) -> NDArray[Any]:
    if not isinstance(struct, dict) or "Segmentation" not in struct:
        raise DataError(f"{path}: expected a struct with the field Segmentation")
    return whole_numbers(struct["Segmentation"], "Segmentation", path)
