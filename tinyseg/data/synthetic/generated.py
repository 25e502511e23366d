"""What synthetic data sets have in common: samples that depend on a seed, the split and their index alone."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..dataset import DRAWN_SIZE, SPLITS, Classes, Sample, Size, check_index, check_split

MIN_SIZE = 32


class Generated:
    """A data set of images that are generated; synthetic ones inherit from it.

    Args:
        split: ``"train"``, ``"val"`` or ``"test"``.
        count: number of images; that of ``counts`` when not given.
        size: height and width, 32 or more.
        seed: a whole number, 0 or more.

    A subclass has its own ``stream``, which keeps the random numbers of its images apart from those of a loader, and
    of other data sets, with the same seed.

    Raises ``InputError`` for any other value.
    """

    name: ClassVar[str]
    counts: ClassVar[dict[str, int]]
    stream: ClassVar[int]
    classes: ClassVar[Classes]
    in_channels: ClassVar[int]
    splits = SPLITS

    def __init__(
        self, split: str = "train", *, count: int | None = None, size: Size = DRAWN_SIZE, seed: int = 0
    ) -> None:
        check_split(self.name, split, SPLITS)
        if min(size) < MIN_SIZE:
            raise InputError(
                f"{self.name}: size {size[0]}x{size[1]} is too small, give {MIN_SIZE}x{MIN_SIZE} or more"
            )
        if seed < 0:
            raise InputError(f"{self.name}: the seed must be 0 or more, got {seed}")
        self.split = split
        self.count = self.counts[split] if count is None else count
        if self.count < 1:
            raise InputError(f"{self.name}: expected 1 image or more, got count {self.count}")
        self.image_size, self.seed = size, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        raise NotImplementedError(f"{type(self).__name__}.__getitem__")

    def mask(self, index: int) -> NDArray[np.uint8]:
        """The mask of sample ``index``; it is drawn with its image."""
        return self[index].mask

    def size(self, index: int) -> Size:
        """Height and width; all images have the same."""
        check_index(index, self.count)
        return self.image_size

    def sample_name(self, index: int) -> str:
        """``shapes-val-7``."""
        return f"{self.name}-{self.split}-{check_index(index, self.count)}"

    def _generator(self, index: int) -> np.random.Generator:
        """The source of all that is random in sample ``index``."""
        index = check_index(index, self.count)
        return np.random.default_rng([self.seed, SPLITS.index(self.split), index, self.stream])
