"""Your own data: a folder of images and a folder of masks whose names match.

Two layouts::

    root/                               root/
      classes.txt                         classes.txt
      images/NAME.jpg                     train/images/NAME.jpg
      masks/NAME.png                      train/masks/NAME.png
                                          val/images/..., val/masks/..., test/...

In the first, a share of the images (``val_fraction``) is set aside as the split ``val``: each name, hashed with a
seed, decides for itself, so that images that are added later move no other from one split to the other. The share
is therefore met on average only. (An empty split is given one image all the same, see :func:`_divide`.)
``classes.txt`` has a line for each class, in the order of its index: ``name`` or ``name R G B``.
"""

import hashlib
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import DataError, InputError
from ..paths import PathLike
from .dataset import SPLITS, Classes, Color, Sample, check_index
from .images import read_header, read_image, read_mask

VAL_FRACTION = 0.2
"""The share that validates when none is given."""

_WITH_COLOR = re.compile(r"(?P<name>.*?)[\s,]+(?P<r>\d+)[\s,]+(?P<g>\d+)[\s,]+(?P<b>\d+)")


def read_classes(path: PathLike) -> Classes:
    """The classes in a ``classes.txt``.

    A line for each class: ``name``, or ``name R G B`` (commas will do too). Classes without a colour get Pascal
    VOC's. Empty lines and what follows a ``#`` are skipped. A line named ``ignore`` is no class: it gives the
    colour of ignored pixels in RGB masks. Raises ``DataError`` when a colour is not 0..255, a name comes twice,
    or there is no class.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "classes.txt"
    >>> _ = path.write_text("sky 70 130 180\\ntraffic light  # no colour given\\n")
    >>> read_classes(path)
    Classes(names=('sky', 'traffic light'), colors=((70, 130, 180), (128, 0, 0)), void_color=(224, 224, 192))
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a list of classes ({error})") from error
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
    text = line.partition("#")[0].strip().rstrip(",").strip()
    if not text:
        return None
    match = _WITH_COLOR.fullmatch(text)
    if match is None or not match["name"]:
        return text, None
    red, green, blue = (int(match[channel]) for channel in "rgb")
    if max(red, green, blue) > 255:
        raise DataError(f"{path}: line {number}: colours run from 0 to 255, got {red} {green} {blue}")
    return match["name"], (red, green, blue)


class Folder:
    """A data set of your own images and masks.

    Args:
        root: the folder, in one of the layouts above.
        split: ``"train"``, ``"val"`` or ``"test"``.
        num_classes: number of classes when there is no ``classes.txt``.
        val_fraction: share of the images that is ``val`` when there is one pair of folders only; 0.2 if not
            given. Met on average, as each name decides for itself; both splits get an image at least.
        seed: which images those are. The same names and seed give the same split, on any machine.

    Names match by stem: ``images/a.jpg`` belongs to ``masks/a.png``. The data set is grey (1 channel) when all
    its images are, otherwise RGB. Only the headers of the files are read before a sample is asked for.

    Raises ``DataError`` when a folder is missing or empty, an image has no mask or a mask no image, two files
    have one stem, or sizes differ; ``InputError`` for impossible options.
    """

    name = "folder"

    def __init__(
        self,
        root: PathLike,
        split: str = "train",
        *,
        num_classes: int | None = None,
        val_fraction: float | None = None,
        seed: int = 0,
    ) -> None:
        self.root = Path(root)
        self.split = split
        if not self.root.is_dir():
            raise DataError(f"{self.root}: no such folder")
        self.classes = _find_classes(self.root, num_classes)
        self.pairs = _find_pairs(self.root, split, val_fraction, seed)
        self.in_channels = _check_headers(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        image_path, _ = self.pairs[check_index(index, len(self))]
        return Sample(read_image(image_path, self.in_channels), self.mask(index), image_path.stem)

    def mask(self, index: int) -> NDArray[np.uint8]:
        """The mask of sample ``index``."""
        return read_mask(self.pairs[check_index(index, len(self))][1], self.classes)


def _find_classes(root: Path, num_classes: int | None) -> Classes:
    path = root / "classes.txt"
    if path.is_file():
        classes = read_classes(path)
        if num_classes not in (None, len(classes)):
            raise InputError(f"{path} lists {len(classes)} classes but {num_classes} were asked for")
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


def _find_pairs(root: Path, split: str, val_fraction: float | None, seed: int) -> list[tuple[Path, Path]]:
    """The (image, mask) files of a split, in the order of their names."""
    if split not in SPLITS:
        raise InputError(f"{root}: no split {split!r}; a folder has {', '.join(SPLITS)}")
    if divided := _splits_in(root):
        if split not in divided:
            raise DataError(
                f"{root}: no split {split!r}: expected the folder {root / split}, found {', '.join(divided)}"
            )
        if val_fraction is not None:
            raise InputError(f"{root}: has the splits {', '.join(divided)} already; leave --val-fraction out")
        return _match(root / split)
    if split == "test":
        raise DataError(f"{root}: no split 'test': expected the folder {root / 'test'} with images/ and masks/")
    return _divide(root, _match(root), split, VAL_FRACTION if val_fraction is None else val_fraction, seed)


def _divide(
    root: Path, pairs: list[tuple[Path, Path]], split: str, val_fraction: float, seed: int
) -> list[tuple[Path, Path]]:
    """The part of ``pairs`` that is ``split``.

    A name validates if its hash, as a number in 0..1, lies below the share. Where that leaves a split empty, it gets
    the image that is nearest to belonging there; only that one can move when images are added.
    """
    if not 0 < val_fraction < 1:
        raise InputError(f"{root}: --val-fraction must lie between 0 and 1, got {val_fraction}")
    if len(pairs) < 2:
        raise DataError(f"{root}: 1 image cannot be divided into train and val; add images or a folder val/")
    places = [_place(image.stem, seed) for image, _ in pairs]
    ordered = sorted(places)
    border = ordered[1] if ordered[0] >= val_fraction else min(val_fraction, ordered[-1])
    return [pair for place, pair in zip(places, pairs, strict=True) if (place < border) == (split == "val")]


def _place(name: str, seed: int) -> float:
    """A number in 0..1 that depends on the name and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _match(folder: Path) -> list[tuple[Path, Path]]:
    """Pair ``folder``'s images/ and masks/ by stem."""
    images, masks = _files_by_stem(folder / "images"), _files_by_stem(folder / "masks")
    if not images:
        raise DataError(f"{folder / 'images'}: no images in it")
    _refuse_unmatched([path for stem, path in images.items() if stem not in masks], "mask", folder / "masks")
    _refuse_unmatched([path for stem, path in masks.items() if stem not in images], "image", folder / "images")
    return [(images[stem], masks[stem]) for stem in sorted(images)]


def _refuse_unmatched(lonely: list[Path], lacks: str, where: Path) -> None:
    if lonely:
        first = min(lonely)
        others = f" (and {len(lonely) - 1} more like it)" if len(lonely) > 1 else ""
        raise DataError(f"{first}: has no {lacks}: expected {where / (first.stem + '.*')}{others}")


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


def _check_headers(pairs: list[tuple[Path, Path]]) -> int:
    """Compare the sizes of all images with their masks'; the number of channels that fits all images."""
    channels = 1
    for image_path, mask_path in pairs:
        image, mask = read_header(image_path), read_header(mask_path)
        if image.size != mask.size:
            raise DataError(
                f"{mask_path}: the mask is {_written(mask.size)} but its image {image_path.name} is "
                f"{_written(image.size)} (height x width); they must be equal"
            )
        channels = max(channels, image.channels)
    return channels


def _written(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
