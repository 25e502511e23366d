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
:func:`~tinyseg.data.division.divide_by_name`.)
``classes.txt`` has a line for each class, in the order of its index: ``name`` or ``name R G B``.
"""

import re
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from ..errors import DataError, InputError, many
from ..paths import PathLike
from ..reading import read_text
from .dataset import SPLITS, Classes, Color
from .division import divide_by_name
from .images import read_header
from .layout import Layout, MissingSplitError, Pair, check_split, written
from .mapping import Table

_WITH_COLOR = re.compile(r"(?P<name>.*?)[\s,]+(?P<r>\d+)[\s,]+(?P<g>\d+)[\s,]+(?P<b>\d+)")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_HEX = re.compile("[0-9a-fA-F]{6}")


def read_classes(path: PathLike) -> Classes:
    """The classes in a ``classes.txt``.

    A line for each class: ``name``, or ``name R G B`` (commas will do too). Classes without a colour get Pascal
    VOC's. Empty lines and what follows a ``#`` are skipped. A line named ``ignore`` is no class: it gives the
    colour of ignored pixels in RGB masks. A name may have spaces, and a number at its end (``lane 2``); two of them
    are a colour that lacks one. Raises ``DataError``, naming the line, for such a one, for a colour that is not
    0..255 or written as ``#rrggbb``; and when a name comes twice, or there is no class.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "classes.txt"
    >>> _ = path.write_text("sky 70 130 180\\ntraffic light  # no colour given\\n")
    >>> read_classes(path)
    Classes(names=('sky', 'traffic light'), colors=((70, 130, 180), (128, 0, 0)), void_color=(224, 224, 192))
    """
    lines = read_text(path, "list of classes", error=DataError).splitlines()
    entries = [_parse_class(path, number, line) for number, line in enumerate(lines, 1)]
    found = [entry for entry in entries if entry is not None]
    classes = [entry for entry in found if entry[0] != "ignore"]
    names = [name for name, _ in classes]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{path}: the class {repeated[0]!r} is listed twice")
    if not 1 <= len(names) <= 255:
        raise DataError(f"{path}: expected 1 to 255 classes, one a line, found {len(names)}")
    default = Classes.named(names)
    colors = tuple(color or default.colors[index] for index, (_, color) in enumerate(classes))
    void = next((color for name, color in found if name == "ignore" and color), default.void_color)
    return Classes(default.names, colors, void)


def _parse_class(path: PathLike, number: int, line: str) -> tuple[str, Color | None] | None:
    """Name and colour in a line of ``classes.txt``; None for an empty one."""
    before, _, comment = line.partition("#")
    text = before.strip().rstrip(",").strip()
    if not text:
        return None
    match = _WITH_COLOR.fullmatch(text)
    name = text if match is None else match["name"]
    if _numbers_at_end(name) > 1 or _HEX.fullmatch(comment.strip()):
        raise DataError(
            f"{path}: line {number}: expected 'name', or 'name R G B' with three whole numbers from 0 to 255, got "
            f"{line.strip()!r}"
        )
    if match is None:
        return name, None
    red, green, blue = (int(match[channel]) for channel in "rgb")
    if max(red, green, blue) > 255:
        raise DataError(f"{path}: line {number}: colours run from 0 to 255, got {red} {green} {blue}")
    return name, (red, green, blue)


def _numbers_at_end(text: str) -> int:
    """How many of the last words are numbers.

    >>> [_numbers_at_end(text) for text in ("lane 2", "2 lanes", "sky 1 2", "sky;1;2.5;-3")]
    [1, 0, 2, 3]
    """
    words = re.split(r"[\s,;]+", text)
    return len(list(takewhile(_NUMBER.fullmatch, reversed(words))))


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
        strict: bool = True,
    ) -> None:
        self.root, self.split, self.mapping = Path(root), split, mapping
        if not self.root.is_dir():
            raise DataError(f"{self.root}: no such folder")
        self.classes = _find_classes(self.root, num_classes)
        check_split(str(root), split, SPLITS)
        found = _match(_folder_of(self.root, split, val_fraction))
        if strict:
            found.refuse_unmatched()
        self.unmatched = [*found.images, *found.masks]
        self.pairs = found.pairs
        if not is_divided(self.root):
            names = [image.stem for image, _ in found.pairs]
            self.pairs = divide_by_name(self.root, found.pairs, names, split, val_fraction, seed)
        self.in_channels = _check_headers(self.pairs) if strict else _any_channels(self.pairs)


def _find_classes(root: Path, num_classes: int | None) -> Classes:
    path = root / "classes.txt"
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


def _folder_of(root: Path, split: str, val_fraction: float | None) -> Path:
    """The folder with the images/ and masks/ that ``split`` comes from."""
    if divided := _splits_in(root):
        if split not in divided:
            raise MissingSplitError(
                f"{root}: no split {split!r}: expected the folder {root / split}, found {', '.join(divided)}"
            )
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
    readable = Image.registered_extensions()
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in readable or not path.is_file():
            continue
        if path.stem in files:
            raise DataError(f"{folder}: {files[path.stem].name} and {path.name} have one name; keep one of them")
        files[path.stem] = path
    return files


def _check_headers(pairs: list[Pair]) -> int:
    """Compare the sizes of all images with their masks'; the number of channels that fits all images."""
    channels = 1
    for image_path, mask_path in pairs:
        image, mask = read_header(image_path), read_header(mask_path)
        if image.size != mask.size:
            raise DataError(
                f"{mask_path}: the mask is {written(mask.size)} but its image {image_path.name} is "
                f"{written(image.size)} (height x width); they must be equal"
            )
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
