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

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, InputError
from ..paths import PathLike
from .dataset import IGNORE_INDEX, SPLITS, Classes, Sample, check_index
from .images import read_header, read_image, read_mask

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
_WITH_VOID = Classes((*CLASSES.names, "Void"), (*CLASSES.colors, CLASSES.void_color))


class CamVid:
    """CamVid in SegNet's layout; void (11 in the files) is 255 in a sample's mask.

    Args:
        root: the folder that holds ``train.txt``.
        split: ``"train"``, ``"val"`` or ``"test"``.

    Raises ``InputError`` for another split, ``DataError`` when the folder or the split's list is not there, or
    a line of the list is not as expected; and when a sample is asked for, if its files are not as they should be.
    """

    name = "camvid"
    classes = CLASSES
    in_channels = 3

    def __init__(self, root: PathLike, split: str = "train") -> None:
        self.root = Path(root)
        self.split = split
        if split not in SPLITS:
            raise InputError(f"camvid: no split {split!r}; it has {', '.join(SPLITS)}")
        if not self.root.is_dir():
            raise DataError(f"{self.root}: no such folder")
        self.pairs = _read_list(self.root, split)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        image_path, _ = self.pairs[check_index(index, len(self))]
        return Sample(read_image(image_path, 3), self.mask(index), image_path.stem)

    def mask(self, index: int) -> NDArray[np.uint8]:
        """The mask of sample ``index``, which must have the size that its image's header says."""
        image_path, mask_path = self.pairs[check_index(index, len(self))]
        mask, (height, width) = _read_void_mask(mask_path), read_header(image_path).size
        if mask.shape != (height, width):
            raise DataError(
                f"{mask_path}: the mask is {mask.shape[0]}x{mask.shape[1]} but its image is "
                f"{height}x{width} (height x width); they must be equal"
            )
        return mask


def _read_void_mask(path: Path) -> NDArray[np.uint8]:
    mask = read_mask(path, _WITH_VOID)
    return np.where(mask == VOID, np.uint8(IGNORE_INDEX), mask)


def _read_list(root: Path, split: str) -> list[tuple[Path, Path]]:
    """The (image, mask) files that ``root``'s list of ``split`` names."""
    path = root / f"{split}.txt"
    if not path.is_file():
        there = [name for name in SPLITS if (root / f"{name}.txt").is_file()]
        found = f"found {', '.join(there)}" if there else "is this CamVid in SegNet's layout?"
        raise DataError(f"{root}: no split {split!r}: expected {path.name} with a line 'IMAGE MASK' each; {found}")
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{path}: lists no images")
    for number, line in enumerate(lines, 1):
        if len(line) != 2:
            raise DataError(f"{path}: line {number}: expected 'IMAGE MASK', got {' '.join(line)!r}")
    return [(_below(root, image), _below(root, mask)) for image, mask in lines]


def _below(root: Path, listed: str) -> Path:
    """The file under ``root`` that a list's path, whatever it begins with, stands for."""
    return root.joinpath(*PurePosixPath(listed).parts[-2:])
