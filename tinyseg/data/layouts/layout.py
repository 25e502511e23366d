"""What all layouts on disk have in common: pairs of files, and masks that are numbers or colours with a meaning.

A layout says which files there are (``pairs``), what the numbers in its masks mean (``table``) and, where a mask is
no plain image file, how to read it (``raw_mask``). Everything else is here. Nothing is read before it is asked for,
and nothing is kept.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...files import PathLike, printable, read_text
from ..dataset import Classes, Dataset, Sample, Size, Wrapper, check_index, check_split, size_text
from ..formats.images import read_header, read_image, read_raw_mask
from ..labels.class_lists import find_own_classes
from ..labels.mapping import Table, color_table, identity_table, to_labels

Pair = tuple[Path, Path]


class MissingSplitError(DataError):
    """A data set is there, but this split of it is not."""


class Remark(NamedTuple):
    """What a user should know about the labels of a data set before training.

    ``kind`` is a word for programs. What is ``serious`` is a problem, and keeps masks from holding what they should.
    """

    kind: str
    text: str
    serious: bool = False


class Layout:
    """A data set of image files and mask files; layouts inherit from it.

    Args:
        root: the data set's folder, or the one that holds it.
        split: one of ``splits``.
        mapping: what numbers and colours of its masks mean that the layout itself knows otherwise or not at all.

    A layout says what it is called and what its folder holds (``marks``); its ``_find_files`` sets ``pairs``, the
    (image, mask) files of its samples in order, and ``classes`` where its files list them. ``as_stored``: images are
    not turned as their EXIF orientation says. ``remarks``: what a user should know about the labels.

    Raises ``InputError`` for another split, ``DataError`` when the folder is not as the layout says.
    """

    name: ClassVar[str]
    splits: ClassVar[tuple[str, ...]] = ("train", "val")
    """The splits that have labels."""
    why_no_other: ClassVar[str] = ""
    """What the message about an unknown split adds, such as that the labels of the test images are not public."""
    lists_splits: ClassVar[bool] = False
    """Whether a folder may list splits of other names, so that ``_find_files`` looks for them."""
    marks: ClassVar[tuple[str, ...]] = ()
    """Files and folders by which the data set's folder is known."""
    below: ClassVar[tuple[str, ...]] = ()
    """Names that it may have in the folder that a user gives."""
    stores_labels: ClassVar[bool] = True
    """Whether masks are stored with numbers or colours, which may be others than they should be."""
    classes: Classes
    in_channels: int = 3
    root: Path
    split: str
    pairs: list[Pair]
    mapping: Table | None = None
    as_stored: bool = False
    remarks: tuple[Remark, ...] = ()
    has_own_classes: bool = False
    """Whether these are a user's images in a public data set's layout, as a list of classes of their own tells."""
    listed_colors: Table | None = None
    """The colours that a user's list gives to classes; None where those of the data set count."""

    def __init__(self, root: PathLike, split: str = "train", *, mapping: Table | None = None) -> None:
        if not self.lists_splits:
            check_split(self.name, split, self.splits, self.why_no_other)
        self.root = find_root(root, self.marks, self.below)
        self.split, self.mapping = split, mapping
        self._find_files()

    def _find_files(self) -> None:
        """Set ``pairs``, and what else the files in ``root`` say of ``split``; each layout has its own."""
        raise NotImplementedError(f"{type(self).__name__}._find_files")

    def _find_classes(self, published: Classes) -> None:
        """Set ``classes`` to those of a user's list in ``root``, or to the published ones where there is no list."""
        listed = find_own_classes(self.root)
        self.has_own_classes = listed is not None
        self.classes = published if listed is None else listed.classes
        self.listed_colors = None if listed is None else listed.colors

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        index = check_index(index, len(self))
        image, mask = self.image(index), self._labels(index)
        check_sizes(self.pairs[index], mask.shape, image.shape[:2], self.as_stored)
        return Sample(image, mask, self.sample_name(index))

    def image(self, index: int) -> NDArray[Any]:
        """The image of sample ``index``."""
        return read_image(self.pairs[index][0], self.in_channels, as_stored=self.as_stored)

    def mask(self, index: int) -> NDArray[np.uint8]:
        """The mask of sample ``index``, which must have the size that its image's header says."""
        index = check_index(index, len(self))
        mask = self._labels(index)
        check_sizes(self.pairs[index], mask.shape, self.size(index), self.as_stored)
        return mask

    def raw_mask(self, index: int) -> NDArray[Any]:
        """What the mask of sample ``index`` stores: numbers ``(H, W)``, or colours ``(H, W, 3)``."""
        return read_raw_mask(self.pairs[index][1], as_stored=self.as_stored)

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """The objects of sample ``index``, numbered; None as long as a layout does not tell them apart."""
        return None

    def size(self, index: int) -> Size:
        """Height and width of sample ``index``, from its image's header."""
        return read_header(self.pairs[check_index(index, len(self))][0]).size_as(self.as_stored)

    def mask_size(self, index: int) -> Size:
        """Height and width of the mask of sample ``index``."""
        height, width = self.raw_mask(index).shape[:2]
        return height, width

    def sample_name(self, index: int) -> str:
        """The name of its image file, without the extension; with escapes where that is no text."""
        return printable(self.pairs[check_index(index, len(self))][0].stem)

    @property
    def table(self) -> Table:
        """What the numbers (and colours) of masks mean; a layout overrides it unless numbers are class indices."""
        return {**identity_table(len(self.classes)), **color_table(self.classes), **self.known_colors}

    @property
    def meanings(self) -> Table:
        """``table``, with what the user's mapping adds or replaces."""
        return {**self.table, **(self.mapping or {})}

    @property
    def known_colors(self) -> Table:
        """The colours that the data set, or its user, gives to classes; not those that are only for showing them."""
        return color_table(self.classes) if self.listed_colors is None else self.listed_colors

    def _labels(self, index: int) -> NDArray[np.uint8]:
        return to_labels(self.raw_mask(index), self.meanings, self.classes, self.pairs[index][1])


def check_sizes(pair: Pair, mask: tuple[int, ...], image: tuple[int, ...], as_stored: bool) -> None:
    """``DataError`` unless a mask, of the size ``mask``, has the size of its image."""
    if mask != image:
        image_path, mask_path = pair
        raise DataError(
            f"{mask_path}: the mask is {size_text(mask)} but its image {image_path.name} is {size_text(image)} "
            f"(height x width); they must be equal{orientation_hint(image_path, mask, as_stored)}"
        )


def layout_of(dataset: Dataset) -> Layout | None:
    """The layout inside of wrappers; None for data that is generated."""
    while isinstance(dataset, Wrapper):
        dataset = dataset.dataset
    return dataset if isinstance(dataset, Layout) else None


def orientation_hint(image: Path, mask: tuple[int, ...], as_stored: bool) -> str:
    """What to add to a message about sizes that differ, where the image would fit if it was turned otherwise."""
    try:
        header = read_header(image)
    except DataError:
        return ""
    if mask != header.size_as(not as_stored) or header.size == header.stored_size:
        return ""
    if as_stored:
        return "; they are once it is turned as its EXIF orientation says: leave out --as-stored"
    return "; they are before it is turned as its EXIF orientation says: --as-stored leaves images as they are stored"


def in_any_form(folder: Path, name: str) -> Path:
    """The file ``name`` in ``folder``, whose name may be stored in another form of Unicode.

    A Mac writes é as two characters, most programs as one; they look alike and are other names.
    """
    path = folder / name
    if name.isascii() or os.path.exists(path):
        return path
    others = (folder / unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    return next((other for other in others if os.path.exists(other)), path)


def on_foreign_names(
    root: Path, pairs: Sequence[Pair], published: re.Pattern[str], title: str, classes: Classes
) -> tuple[Remark, ...]:
    """What to know where images in a public data set's layout are not named as its own: its classes are taken."""
    if not pairs or all(published.fullmatch(image.stem) for image, _ in pairs):
        return ()
    text = (
        f"{root}: images are not named as those of {title}, but its classes are taken (1 is {classes.names[1]}): for "
        "classes of your own put classes.txt there, with a name a line"
    )
    return (Remark("classes", text),)


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
