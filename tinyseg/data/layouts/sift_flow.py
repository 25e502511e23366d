"""SIFT Flow: outdoor scenes of 256x256 in 33 classes, and in 3 geometric ones (Liu et al. 2009).

::

    root/
      Images/spatial_envelope_256x256_static_8outdoorcategories/NAME.jpg
      SemanticLabels/spatial_envelope_256x256_static_8outdoorcategories/NAME.mat     S: 0 void, 1..33 class
      GeoLabels/spatial_envelope_256x256_static_8outdoorcategories/NAME.mat          S: -1 void, 1..3 class
      trainval.txt  test.txt      a NAME a line

2488 images to train with, of which a share validates, and 200 to test. Three classes (cow, desert, moon) do not occur
in the test images.

The *geometric accuracy* of SIFT Flow (horizontal, vertical, sky) is the pixel accuracy of a matrix of those classes:
of the network's second head, or of ``ConfusionMatrix.grouped``, where one head's classes have a geometry each.
"""

from typing import Any

from numpy.typing import NDArray

from ..dataset import IGNORE_INDEX, SPLITS, Classes, Dataset, WithExtra
from ..formats.mat_file import read_mask_variable
from ..labels.mapping import Table, numbered_from
from .layout import read_split
from .train_val_split import SplitByName

FOLDER = "spatial_envelope_256x256_static_8outdoorcategories"

SEMANTIC = Classes.named((
    "awning", "balcony", "bird", "boat", "bridge", "building", "bus", "car", "cow", "crosswalk", "desert", "door",
    "fence", "field", "grass", "moon", "mountain", "person", "plant", "pole", "river", "road", "rock", "sand", "sea",
    "sidewalk", "sign", "sky", "staircase", "streetlight", "sun", "tree", "window",
))  # fmt: skip
GEOMETRIC = Classes.named(("sky", "horizontal", "vertical"))


class SiftFlow(SplitByName):
    """SIFT Flow's semantic classes.

    Args:
        root: holds ``Images``, ``SemanticLabels`` and the lists.
        split: ``"train"`` and ``"val"`` divide ``trainval.txt``; ``"test"``.
        val_fraction, seed: of that division, by a hash of each name (see ``Folder``).
    """

    name = "sift-flow"
    splits = SPLITS
    classes = SEMANTIC
    marks = (f"Images/{FOLDER}", f"SemanticLabels/{FOLDER}")

    def _find_files(self) -> None:
        names = read_split(self.root / ("test.txt" if self.split == "test" else "trainval.txt"))
        if self.split != "test":
            names = self.part(names, names)
        images, masks = (self.root / mark for mark in self.marks)
        self.pairs = [(images / f"{name}.jpg", masks / f"{name}.mat") for name in names]

    @property
    def table(self) -> Table:
        """Classes are numbered from 1; 0 and -1 are ignored."""
        return {0: IGNORE_INDEX, -1: IGNORE_INDEX, **numbered_from(1, len(self.classes))}

    def raw_mask(self, index: int) -> NDArray[Any]:
        """The variable ``S``."""
        return read_mask_variable(self.pairs[index][1], "S")


class SiftFlowGeometric(SiftFlow):
    """SIFT Flow's geometric classes: sky, horizontal, vertical."""

    name = "sift-flow-geometric"
    classes = GEOMETRIC
    marks = (f"Images/{FOLDER}", f"GeoLabels/{FOLDER}")


class WithGeometric(WithExtra):
    """``dataset`` with a second mask of each image in its samples, as the extra target ``geometric``: that of
    ``other``, the same images in geometric classes.

    Raises ``InputError`` if their images have other names.
    """

    def __init__(self, dataset: Dataset, other: Dataset) -> None:
        super().__init__(dataset, {"geometric": other})
