"""CamVid: street scenes in 11 classes, in the layout that SegNet made of it.

::

    root/
      train.txt  val.txt  test.txt      a line for each image: IMAGE MASK
      train/NAME.png  trainannot/NAME.png
      val/...  valannot/...  test/...  testannot/...

367, 101 and 233 images of 360x480. Masks are 8-bit grey: 0..10 are classes, 11 is void. The paths in the lists
begin with the folder they had on their authors' machine (``/SegNet/CamVid/``); only their last two parts count.
"""

from pathlib import Path, PurePosixPath

from ..errors import DataError
from ..paths import PathLike
from .dataset import IGNORE_INDEX, SPLITS, Classes
from .layout import Layout, MissingSplitError, Pair, check_split, read_list
from .mapping import Table, color_table, identity_table

VOID = 11

CLASSES = Classes(
    (
        "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian",
        "Bicyclist",
    ),
    (
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
    void_color=(0, 0, 0),
)  # fmt: skip


class CamVid(Layout):
    """CamVid in SegNet's layout; void (11 in the files) is 255 in a sample's mask.

    Args:
        root: the folder that holds ``train.txt``.
        split: ``"train"``, ``"val"`` or ``"test"``.

    Raises ``InputError`` for another split, ``DataError`` when the folder or the split's list is not there, or
    a line of the list is not as expected; and when a sample is asked for, if its files are not as they should be.
    """

    name = "camvid"
    splits = SPLITS
    classes = CLASSES

    def __init__(self, root: PathLike, split: str = "train", *, mapping: Table | None = None) -> None:
        self.root, self.split, self.mapping = Path(root), split, mapping
        check_split("camvid", split, SPLITS)
        if not self.root.is_dir():
            raise DataError(f"{self.root}: no such folder")
        self.pairs = _read_list(self.root, split)

    @property
    def table(self) -> Table:
        """Classes are numbered from 0, void is 11."""
        return {**identity_table(len(CLASSES)), **color_table(CLASSES), VOID: IGNORE_INDEX}


def _read_list(root: Path, split: str) -> list[Pair]:
    """The (image, mask) files that ``root``'s list of ``split`` names."""
    path = root / f"{split}.txt"
    if not path.is_file():
        there = [name for name in SPLITS if (root / f"{name}.txt").is_file()]
        found = f"found {', '.join(there)}" if there else "is this CamVid in SegNet's layout?"
        raise MissingSplitError(
            f"{root}: no split {split!r}: expected {path.name} with a line 'IMAGE MASK' each; {found}"
        )
    lines = [line.split() for line in read_list(path)]
    for number, line in enumerate(lines, 1):
        if len(line) != 2:
            raise DataError(f"{path}: line {number}: expected 'IMAGE MASK', got {' '.join(line)!r}")
    return [(_below(root, image), _below(root, mask)) for image, mask in lines]


def _below(root: Path, listed: str) -> Path:
    """The file under ``root`` that a list's path, whatever it begins with, stands for."""
    return root.joinpath(*PurePosixPath(listed).parts[-2:])
