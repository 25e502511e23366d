"""Your own data: a folder of images and a folder of masks whose names match.

Two layouts::

    root/                               root/
      classes.txt                         classes.txt
      images/NAME.jpg                     train/images/NAME.jpg
      masks/NAME.png                      train/masks/NAME.png
                                          val/images/..., val/masks/..., test/...

In the first, a share of the images (``val_fraction``) is set aside as the split ``val``: each name, hashed with a
seed, decides for itself, so that images that are added later move no other from one split to the other. The share
is therefore met on average only. (An empty split is given one image all the same, see
:func:`~tinyseg.data.layouts.train_val_split.split_by_name`.)
``classes.txt`` has a line for each class, in the order of its index: ``name`` or ``name R G B``.
"""

import unicodedata
from pathlib import Path
from typing import NamedTuple

from ...errors import DataError, InputError, many
from ...files import PathLike
from ..dataset import SPLITS, Classes, check_split
from ..formats.image_folder import image_files
from ..formats.images import read_header
from ..labels.class_lists import CLASSES_FILE, read_classes, read_colors
from ..labels.mapping import Table
from .layout import Layout, MissingSplitError, Pair, check_sizes
from .train_val_split import split_by_name


class Folder(Layout):
    """A data set of your own images and masks.

    Args:
        root: the folder, in one of the layouts above.
        split: ``"train"``, ``"val"`` or ``"test"``.
        num_classes: number of classes when there is no ``classes.txt``.
        val_fraction: share of the images that is ``val`` when there is one pair of folders only; 0.2 if not
            given. Met on average, as each name decides for itself; both splits get an image at least.
        seed: which images those are. The same names and seed give the same split, on any machine.
        mapping: what numbers and colours in masks mean that are no class indices.
        as_stored: leave images as they are stored, whatever orientation their EXIF data give.
        strict: with False, files without a counterpart and sizes that differ are passed over; ``unmatched`` has
            the former.

    Names match by stem: ``images/a.jpg`` belongs to ``masks/a.png``. The data set is grey (1 channel) when all
    its images are, otherwise RGB. Only the headers of the files are read before a sample is asked for.

    Raises ``DataError`` when a folder is missing or empty, an image has no mask or a mask no image, two files
    have one stem, or sizes differ; ``InputError`` for impossible options.
    """

    name = "folder"
    splits = SPLITS

    def __init__(
        self,
        root: PathLike,
        split: str = "train",
        *,
        num_classes: int | None = None,
        val_fraction: float | None = None,
        seed: int = 0,
        mapping: Table | None = None,
        as_stored: bool = False,
        strict: bool = True,
    ) -> None:
        self.root, self.split, self.mapping, self.as_stored = Path(root), split, mapping, as_stored
        if not self.root.is_dir():
            raise DataError(f"{self.root}: no such folder")
        self.classes = _find_classes(self.root, num_classes)
        # Now and not for each mask: they would all change with the file.
        self.listed_colors = read_colors(self.root / CLASSES_FILE) if (self.root / CLASSES_FILE).is_file() else {}
        check_split(str(root), split, SPLITS)
        found = _match(_folder_of(self.root, split, val_fraction))
        if strict or not found.pairs:
            found.refuse_unmatched()
        self.unmatched = [*found.images, *found.masks]
        self.pairs = found.pairs
        if not is_divided(self.root):
            names = [image.stem for image, _ in found.pairs]
            self.pairs = split_by_name(self.root, found.pairs, names, split, val_fraction, seed)
        self.in_channels = _check_headers(self.pairs, as_stored) if strict else _any_channels(self.pairs)


def _find_classes(root: Path, num_classes: int | None) -> Classes:
    path = root / CLASSES_FILE
    if path.is_file():
        classes = read_classes(path)
        if num_classes not in (None, len(classes)):
            raise InputError(f"{path} lists {many(len(classes), 'class')} where {num_classes} are expected")
        return classes
    if num_classes is None:
        raise InputError(f"{root}: how many classes? Give --num-classes, or write classes.txt with a name a line")
    if not 1 <= num_classes <= 255:
        raise InputError(f"{root}: --num-classes must be 1 to 255, got {num_classes}")
    return Classes.numbered(num_classes)


def is_divided(root: PathLike) -> bool:
    """Whether the folder has a folder of its own for each split."""
    return bool(_splits_in(Path(root)))


def _splits_in(root: Path) -> list[str]:
    return [name for name in SPLITS if (root / name).is_dir()]


def _folders_in(root: Path) -> list[str]:
    """The folders that are there, whatever they are called."""
    return sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _folder_of(root: Path, split: str, val_fraction: float | None) -> Path:
    """The folder with the images/ and masks/ that ``split`` comes from."""
    if divided := _splits_in(root):
        if split not in divided:
            found = ", ".join(_folders_in(root))
            raise MissingSplitError(f"{root}: no split {split!r}: expected the folder {root / split}, found {found}")
        if val_fraction is not None:
            raise InputError(f"{root}: has the splits {', '.join(divided)} already; leave --val-fraction out")
        return root / split
    if split == "test":
        raise MissingSplitError(
            f"{root}: no split 'test': expected the folder {root / 'test'} with images/ and masks/"
        )
    return root


class _Matched(NamedTuple):
    """The pairs of a folder, and the images and masks that are alone."""

    folder: Path
    pairs: list[Pair]
    images: list[Path]
    masks: list[Path]

    def refuse_unmatched(self) -> None:
        for lonely, lacks, where in ((self.images, "mask", "masks"), (self.masks, "image", "images")):
            if lonely:
                first = min(lonely)
                others = f" (and {len(lonely) - 1} more like it)" if len(lonely) > 1 else ""
                expected = self.folder / where / (first.stem + ".*")
                raise DataError(f"{first}: has no {lacks}: expected {expected}{others}")


def _match(folder: Path) -> _Matched:
    """Pair ``folder``'s images/ and masks/ by stem, in the order of their names."""
    images, masks = _files_by_stem(folder / "images"), _files_by_stem(folder / "masks")
    if not images:
        raise DataError(f"{folder / 'images'}: no images in it")
    # The same name in another form of Unicode, as a Mac writes it, for those that would be alone.
    lonely = {unicodedata.normalize("NFC", stem): stem for stem in masks if stem not in images}
    for stem in [stem for stem in images if stem not in masks]:
        if (other := lonely.pop(unicodedata.normalize("NFC", stem), None)) is not None:
            masks[stem] = masks.pop(other)
    return _Matched(
        folder,
        [(images[stem], masks[stem]) for stem in sorted(images) if stem in masks],
        [path for stem, path in images.items() if stem not in masks],
        [path for stem, path in masks.items() if stem not in images],
    )


def _files_by_stem(folder: Path) -> dict[str, Path]:
    """The image files in ``folder`` by their names without extension; hidden and other files are passed by."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected images/ and masks/ with names that match")
    files: dict[str, Path] = {}
    for path in image_files(folder):
        if not path.is_file():
            continue
        if path.stem in files:
            raise DataError(f"{folder}: {files[path.stem].name} and {path.name} have one name; keep one of them")
        files[path.stem] = path
    return files


def _check_headers(pairs: list[Pair], as_stored: bool) -> int:
    """Compare the sizes of all images with their masks'; the number of channels that fits all images."""
    channels = 1
    for image_path, mask_path in pairs:
        image, mask = read_header(image_path), read_header(mask_path)
        check_sizes((image_path, mask_path), mask.size_as(as_stored), image.size_as(as_stored), as_stored)
        channels = max(channels, image.channels)
    return channels


def _any_channels(pairs: list[Pair]) -> int:
    """The number of channels that fits all images that can be read."""
    for image_path, _ in pairs:
        try:
            if read_header(image_path).channels == 3:
                return 3
        except DataError:
            continue
    return 1
