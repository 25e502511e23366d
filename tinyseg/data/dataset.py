"""What a data set is: a sequence of samples.

A data set yields one :class:`Sample` at a time and keeps no images in memory; batches, shuffling and random
changes are the loader's and the transforms' affair. Any class with the members of :class:`Dataset` is a data set:
there is nothing to inherit from, though :class:`~tinyseg.data.layouts.layout.Layout` does most of the work for files.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

IGNORE_INDEX = 255
"""The value of a mask's pixel that belongs to no class: it counts neither in a loss nor in a score."""

SPLITS = ("train", "val", "test")

DRAWN_SIZE = (128, 128)
"""Height and width of images that are drawn, unless asked for otherwise."""

MAX_CLASSES = 255
"""Masks are bytes, and 255 is taken."""

Color = tuple[int, int, int]
Size = tuple[int, int]


def size_text(size: tuple[int, ...]) -> str:
    """``360x480``."""
    return "x".join(str(length) for length in size)


class Sample(NamedTuple):
    """One image with its labels.

    ``image`` is ``(H, W, C)`` with C = 1 or 3, ``uint8``, or ``float32`` in 0..1 when its file has more than
    8 bits a channel; ``mask`` is ``(H, W)`` ``uint8``: class indices, and 255 where a pixel is ignored.
    ``instances``, where they were asked for (:class:`WithInstances`), is ``(H, W)`` ``int32``: 0 where there is no
    object, and a number of its own for each object. ``weights`` is ``(H, W)`` ``float32``: how much each pixel
    counts in the loss; 1 everywhere if there are none. ``extra`` (:class:`WithExtra`) holds more masks of the same
    pixels, in other classes, by the names of these targets.
    """

    image: NDArray[Any]
    mask: NDArray[np.uint8]
    name: str
    instances: NDArray[np.int32] | None = None
    weights: NDArray[np.float32] | None = None
    extra: Mapping[str, NDArray[np.uint8]] = {}


def voc_palette(count: int) -> NDArray[np.uint8]:
    """The colours of Pascal VOC's masks: ``(count, 3)`` ``uint8``, for 1 to 256 classes.

    Bit ``3j + k`` of a class index becomes bit ``7 - j`` of its colour's channel ``k``, so that neighbouring
    indices get colours far apart. Raises ``ValueError`` for any other count.

    >>> voc_palette(4).tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    """
    if not 1 <= count <= 256:
        raise ValueError(f"voc_palette: count must be 1 to 256, got {count}")
    index = np.arange(count)
    palette = np.zeros((count, 3), np.uint8)
    for channel in range(3):
        for j in range(3):
            bit = index >> (3 * j + channel) & 1
            palette[:, channel] |= (bit << (7 - j)).astype(np.uint8)
    return palette


@dataclass(frozen=True)
class Classes:
    """The classes of a data set: names and colours, in the order of their indices.

    ``void_color`` is the colour of pixels that are ignored (Pascal VOC's if not given). Classes of one name are told
    apart by their indices: see ``distinct``.

    Raises ``ValueError`` when there are none, more than 255 (masks are bytes and 255 is ignored), or not as
    many colours as names.

    >>> classes = Classes.numbered(2)
    >>> classes.names, classes.colors
    (('class 0', 'class 1'), ((0, 0, 0), (128, 0, 0)))
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    void_color: Color = (224, 224, 192)

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= MAX_CLASSES:
            raise ValueError(f"Classes: expected 1 to {MAX_CLASSES} classes, got {len(self.names)}")
        if len(self.colors) != len(self.names):
            raise ValueError(f"Classes: {len(self.names)} names but {len(self.colors)} colours")
        object.__setattr__(self, "names", distinct(self.names))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def palette(self) -> NDArray[np.uint8]:
        """The colours as a ``(K, 3)`` ``uint8`` array."""
        return np.array(self.colors, np.uint8)

    @classmethod
    def named(cls, names: Sequence[str]) -> "Classes":
        """Classes of these names, in the colours of Pascal VOC."""
        if not names:
            raise ValueError("Classes: expected at least one name")
        return cls(tuple(names), palette_colors(voc_palette(len(names))))

    @classmethod
    def numbered(cls, count: int) -> "Classes":
        """Classes named ``class 0``, ``class 1``, ... in the colours of Pascal VOC."""
        return cls.named([f"class {index}" for index in range(count)])


def distinct(names: Sequence[str], key: Callable[[str], str] = str) -> tuple[str, ...]:
    """Names of which no two are equal: those that come more than once get their index in front.

    Columns, files and lines of tables are named by classes, and the second of one name would replace the first. What
    ``key`` makes of names is compared.

    >>> distinct(["sky", "vein", "leaf", "vein"])
    ('sky', '1-vein', 'leaf', '3-vein')
    """
    found = tuple(names)
    # A name that was changed may be another class's; that one is changed in the next round, and so on.
    while True:
        count = Counter(map(key, found))
        if len(count) == len(found):
            return found
        found = tuple(name if count[key(name)] == 1 else f"{index}-{name}" for index, name in enumerate(found))


def palette_colors(palette: NDArray[np.uint8]) -> tuple[Color, ...]:
    """A ``(K, 3)`` array of colours as a tuple of plain integers, which is comparable and hashable."""
    return tuple((int(red), int(green), int(blue)) for red, green, blue in palette)


class Dataset(Protocol):
    """A sequence of samples. ``dataset[i]`` is the same sample each time, whatever was asked for before.

    The loader calls ``dataset[i]`` from several threads at once.
    """

    @property
    def name(self) -> str:
        """What the data set is called."""

    @property
    def classes(self) -> Classes:
        """Names and colours of its classes."""

    @property
    def in_channels(self) -> int:
        """How many channels every image has, 1 (grey) or 3 (RGB)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def mask(self, index: int) -> NDArray[np.uint8]:
        """The mask of ``dataset[index]``; the image is not decoded for it."""

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """The objects of ``dataset[index]``, numbered; None where the data set tells no objects apart."""

    def size(self, index: int) -> Size:
        """Height and width of ``dataset[index]``; the image is not decoded for it."""

    def sample_name(self, index: int) -> str:
        """The name of ``dataset[index]``; no file is read for it."""


class Wrapper:
    """A data set around another: everything is the other's until a subclass says otherwise."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    @property
    def name(self) -> str:
        """What the data set is called."""
        return self.dataset.name

    @property
    def classes(self) -> Classes:
        """Names and colours of its classes."""
        return self.dataset.classes

    @property
    def in_channels(self) -> int:
        """Channels of every image."""
        return self.dataset.in_channels

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[index]

    def mask(self, index: int) -> NDArray[np.uint8]:
        """The mask of sample ``index``."""
        return self.dataset.mask(index)

    def instances(self, index: int) -> NDArray[np.int32] | None:
        """The objects of sample ``index``, numbered."""
        return self.dataset.instances(index)

    def size(self, index: int) -> Size:
        """Height and width of sample ``index``."""
        return self.dataset.size(index)

    def sample_name(self, index: int) -> str:
        """The name of sample ``index``."""
        return self.dataset.sample_name(index)


class WithInstances(Wrapper):
    """``dataset`` with the objects of each image in its samples; raises ``InputError`` where there are none.

    >>> from tinyseg.data import Cells
    >>> sample = WithInstances(Cells("val", count=1, size=(64, 64)))[0]
    >>> bool((sample.instances[sample.mask == 1] > 0).all())
    True
    """

    def __getitem__(self, index: int) -> Sample:
        instances = self.dataset.instances(index)
        if instances is None:
            raise InputError(f"{self.name}: tells no objects apart, so {self.sample_name(index)} has no instances")
        return self.dataset[index]._replace(instances=instances)


class WithExtra(Wrapper):
    """``dataset`` with more masks of each image in its samples: those of ``others``, which are, by the name of each
    extra target, the same images in other classes, as SIFT Flow labels surfaces by what they are and by how they lie.

    Raises ``InputError`` if their images have other names.
    """

    def __init__(self, dataset: Dataset, others: Mapping[str, Dataset]) -> None:
        super().__init__(dataset)
        self.others = dict(others)
        for other in self.others.values():
            names = [[one.sample_name(index) for index in range(len(one))] for one in (dataset, other)]
            if names[0] != names[1]:
                raise InputError(f"{dataset.name} and {other.name}: have other images, or in another order")

    @property
    def extra_classes(self) -> dict[str, Classes]:
        """The classes of each extra target, by its name."""
        return {name: other.classes for name, other in self.others.items()}

    def extra(self, index: int) -> dict[str, NDArray[np.uint8]]:
        """The masks of sample ``index`` in the classes of each extra target, by its name."""
        return {name: other.mask(index) for name, other in self.others.items()}

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[index]._replace(extra=self.extra(index))


def check_index(index: int, length: int) -> int:
    """``index`` as 0 to length - 1, negative ones counting from the end; ``IndexError`` outside."""
    if not -length <= index < length:
        raise IndexError(f"sample {index} of a data set of {length}")
    return index % length


def check_split(name: str, split: str, splits: Sequence[str], why: str = "") -> None:
    """``InputError`` unless ``split`` is one of ``splits``; ``why`` says what is the matter with the others."""
    if split not in splits:
        raise InputError(f"{name}: no split {split!r}; it has {', '.join(splits)}{why}")


def unit_range(image: NDArray[Any]) -> NDArray[np.float32]:
    """An image in 0..1 as ``float32``: bytes are divided by 255, floats stay.

    Raises ``TypeError`` for any other type.
    """
    if image.dtype == np.uint8:
        return image.astype(np.float32) / np.float32(255)
    if image.dtype == np.float32:
        return image
    raise TypeError(f"an image must be uint8, or float32 in 0..1, got {image.dtype}")
