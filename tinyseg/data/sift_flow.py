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

from ..paths import PathLike
from .dataset import IGNORE_INDEX, SPLITS, Classes, Dataset, WithExtra
from .division import divide_by_name
from .layout import Layout, check_split, find_root, mat_mask, read_split
from .mapping import Table, numbered_from

FOLDER = "spatial_envelope_256x256_static_8outdoorcategories"

SEMANTIC = Classes.named((
    "awning", "balcony", "bird", "boat", "bridge", "building", "bus", "car", "cow", "crosswalk", "desert", "door",
    "fence", "field", "grass", "moon", "mountain", "person", "plant", "pole", "river", "road", "rock", "sand", "sea",
    "sidewalk", "sign", "sky", "staircase", "streetlight", "sun", "tree", "window",
))  # fmt: skip
GEOMETRIC = Classes.named(("sky", "horizontal", "vertical"))


class SiftFlow(Layout):
    """SIFT Flow's semantic classes.

    Args:
        root: holds ``Images``, ``SemanticLabels`` and the lists.
        split: ``"train"`` and ``"val"`` divide ``trainval.txt``; ``"test"``.
        val_fraction, seed: of that division, by a hash of each name (see ``Folder``).
    """

    name = "sift-flow"
    splits = SPLITS
    classes = SEMANTIC
    labels = "SemanticLabels"

    def __init__(
        self,
        root: PathLike,
        split: str = "train",
        *,
        val_fraction: float | None = None,
        seed: int = 0,
        mapping: Table | None = None,
    ) -> None:
        check_split(self.name, split, self.splits)
        self.root = find_root(root, (f"Images/{FOLDER}", f"{self.labels}/{FOLDER}"))
        self.split, self.mapping = split, mapping
        names = read_split(self.root / ("test.txt" if split == "test" else "trainval.txt"))
        if split != "test":
            names = divide_by_name(self.root, names, names, split, val_fraction, seed)
        images, masks = self.root / "Images" / FOLDER, self.root / self.labels / FOLDER
        self.pairs = [(images / f"{name}.jpg", masks / f"{name}.mat") for name in names]

    @property
    def table(self) -> Table:
        """Classes are numbered from 1; 0 and -1 are ignored."""
        return {0: IGNORE_INDEX, -1: IGNORE_INDEX, **numbered_from(1, len(self.classes))}

    def raw_mask(self, index: int) -> NDArray[Any]:
        """The variable ``S``."""
        return mat_mask(self.pairs[index][1], "S")


class SiftFlowGeometric(SiftFlow):
    """SIFT Flow's geometric classes: sky, horizontal, vertical."""

    name = "sift-flow-geometric"
    classes = GEOMETRIC
    labels = "GeoLabels"


class WithGeometric(WithExtra):
    """``dataset`` with a second mask of each image in its samples, as the extra target ``geometric``: that of
    ``other``, the same images in geometric classes.

    Raises ``InputError`` if their images have other names.
    """

    def __init__(self, dataset: Dataset, other: Dataset) -> None:
        super().__init__(dataset, {"geometric": other})
