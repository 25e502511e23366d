"""What all layouts on disk have in common: pairs of files, and masks that are numbers or colours with a meaning.

A layout says which files there are (``pairs``), what the numbers in its masks mean (``table``) and, where a mask is
no plain image file, how to read it (``raw_mask``). Everything else is here. Nothing is read before it is asked for,
and nothing is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, InputError
from ..paths import PathLike
from ..reading import read_text
from .dataset import Classes, Sample, Size, check_index
from .images import read_header, read_image, read_raw_mask
from .mapping import Table, color_table, identity_table, to_labels

Pair = tuple[Path, Path]


class MissingSplitError(DataError):
    """A data set is there, but this split of it is not."""


class Layout:
    """A data set of image files and mask files; layouts inherit from it.

    A layout's ``__init__`` sets ``root``, ``split``, ``classes`` and ``pairs``, the (image, mask) files of its
    samples in order. ``mapping``, where a user gives one, says what numbers and colours of its masks mean that the
    layout itself knows otherwise or not at all.
    """

    name: ClassVar[str]
    splits: ClassVar[tuple[str, ...]] = ("train", "val")
    """The splits that have labels."""
    classes: Classes
    in_channels: int = 3
    root: Path
    split: str
    pairs: list[Pair]
    mapping: Table | None = None

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        index = check_index(index, len(self))
        image, mask = self.image(index), self._labels(index)
        self._check_size(index, mask.shape, (image.shape[0], image.shape[1]))
        return Sample(image, mask, self.sample_name(index))

    def image(self, index: int) -> NDArray[Any]:
        """The image of sample ``index``."""
        return read_image(self.pairs[index][0], self.in_channels)

    def mask(self, index: int) -> NDArray[np.uint8]:
        """The mask of sample ``index``, which must have the size that its image's header says."""
        index = check_index(index, len(self))
        mask = self._labels(index)
        self._check_size(index, mask.shape, self.size(index))
        return mask

    def raw_mask(self, index: int) -> NDArray[Any]:
        """What the mask of sample ``index`` stores: numbers ``(H, W)``, or colours ``(H, W, 3)``."""
        return read_raw_mask(self.pairs[index][1])

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """The objects of sample ``index``, numbered; None as long as a layout does not tell them apart."""
        return None

    def size(self, index: int) -> Size:
        """Height and width of sample ``index``, from its image's header."""
        return read_header(self.pairs[check_index(index, len(self))][0]).size

    def sample_name(self, index: int) -> str:
        """The name of its image file, without the extension."""
        return self.pairs[check_index(index, len(self))][0].stem

    @property
    def table(self) -> Table:
        """What the numbers (and colours) of masks mean; a layout overrides it unless numbers are class indices."""
        return {**identity_table(len(self.classes)), **color_table(self.classes)}

    def _labels(self, index: int) -> NDArray[np.uint8]:
        raw, where = self.raw_mask(index), self.pairs[index][1]
        return to_labels(raw, {**self.table, **(self.mapping or {})}, self.classes, where)

    def _check_size(self, index: int, mask: tuple[int, ...], image: tuple[int, ...]) -> None:
        if mask != image:
            image_path, mask_path = self.pairs[index]
            raise DataError(
                f"{mask_path}: the mask is {written(mask)} but its image {image_path.name} is {written(image)} "
                "(height x width); they must be equal"
            )


def written(size: tuple[int, ...]) -> str:
    """``360x480``."""
    return "x".join(str(length) for length in size)


def check_split(name: str, split: str, splits: Sequence[str], why: str = "") -> None:
    """``InputError`` unless ``split`` is one of ``splits``; ``why`` says what is the matter with the others."""
    if split not in splits:
        raise InputError(f"{name}: no split {split!r}; it has {', '.join(splits)}{why}")


def find_root(root: PathLike, marks: Iterable[str], below: Iterable[str] = ()) -> Path:
    """The folder with all of ``marks`` in it: ``root``, or what it holds under one of the names ``below``.

    So a user may name the folder that was unpacked into, or the one that was unpacked. Raises ``DataError`` that says
    what was expected.
    """
    marks = list(marks)
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    for folder in (root, *(root / name for name in below)):
        if all((folder / mark).exists() for mark in marks):
            return folder
    missing = next(mark for mark in marks if not (root / mark).exists())
    among = f", in it or in {', '.join(below)}" if below else ""
    raise DataError(f"{root}: expected {', '.join(marks)}{among}; {missing} is not there")


def read_split(path: Path) -> list[str]:
    """The lines of the list of a split; ``MissingSplitError`` where there is none."""
    if not path.is_file():
        raise MissingSplitError(f"{path}: there is no such list, so no split {path.stem!r}")
    return read_list(path)


def read_list(path: Path) -> list[str]:
    """The lines of a text file that hold anything; ``DataError`` when it is not there or holds nothing."""
    text = read_text(path, "list", missing="cannot be read as a list (no such file)", error=DataError)
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if not lines:
        raise DataError(f"{path}: lists no images")
    return lines


def read_mat(path: Path) -> dict[str, Any]:
    """The variables of a MATLAB file (up to version 7); ``DataError``, naming it, if it cannot be read."""
    from scipy.io import loadmat

    try:
        return loadmat(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Exception as error:  # what a broken file raises depends on where it is broken
        raise DataError(f"{path}: cannot be read as a MATLAB file ({error}); is it complete?") from error


def mat_variable(path: Path, name: str) -> NDArray[Any]:
    """A variable of a MATLAB file as it is stored; ``DataError`` if there is none of this name."""
    content = read_mat(path)
    if name not in content:
        found = [key for key in content if not key.startswith("__")]
        raise DataError(f"{path}: has no variable {name!r}; it has {', '.join(found)}")
    return np.asarray(content[name])


def mat_mask(path: Path, name: str) -> NDArray[Any]:
    """A mask ``(H, W)`` of whole numbers in a MATLAB file."""
    values = mat_variable(path, name)
    if values.ndim != 2 or values.dtype.kind not in "iufb":
        raise DataError(f"{path}: {name} is {values.dtype} {values.shape}, expected a mask (H, W)")
    whole = values.astype(np.int64) if values.dtype.kind == "f" else values
    if values.dtype.kind == "f" and not np.array_equal(whole, values):
        raise DataError(f"{path}: {name} has values that are no whole numbers")
    return whole


def natural(path: Path) -> list[str | int]:
    """A key that sorts ``2.png`` before ``10.png``.

    >>> sorted([Path("10.png"), Path("2.png")], key=natural)[0].name
    '2.png'
    """
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", path.name)]
