"""What a check of data finds: counts, sizes, values, and what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data import Classes
from ...data.dataset import IGNORE_INDEX, MAX_CLASSES, Color, Size
from ...data.labels.mapping import format_key


@dataclass(frozen=True)
class Finding:
    """Something that is wrong (or, as a note, that one should know), and the files it is about."""

    kind: str
    text: str
    files: tuple[str, ...] = ()


@dataclass
class SplitReport:
    """What a split holds.

    ``sizes`` and ``channels`` count images; ``pixels[c]`` counts the pixels of class c, ``images_with[c]`` the images
    that have any.
    """

    split: str
    images: int
    published: int | None
    sizes: Counter[Size] = field(default_factory=Counter)
    channels: Counter[int] = field(default_factory=Counter)
    pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(MAX_CLASSES + 1, np.int64))
    images_with: NDArray[np.int64] = field(default_factory=lambda: np.zeros(MAX_CLASSES + 1, np.int64))

    @property
    def ignored(self) -> int:
        """Pixels that belong to no class."""
        return int(self.pixels[IGNORE_INDEX])

    def shares(self, count: int) -> list[float]:
        """The share of each of ``count`` classes in the pixels that belong to one."""
        labelled = self.pixels[:count]
        return (labelled / max(1, int(labelled.sum()))).tolist()


@dataclass(frozen=True)
class CheckReport:
    """The result of a check. ``values``: pixels of each number or colour in masks; ``mapping``: what is proposed."""

    data: str
    root: str
    classes: Classes
    splits: tuple[SplitReport, ...]
    values: Mapping[int | Color, int]
    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    mapping: Mapping[int | Color, int]

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, texts and lists, for JSON."""
        count = len(self.classes)
        return {
            "data": self.data,
            "root": self.root,
            "classes": list(self.classes.names),
            "splits": [
                {
                    "split": part.split,
                    "images": part.images,
                    "published": part.published,
                    "sizes": {f"{height}x{width}": number for (height, width), number in part.sizes.most_common()},
                    "channels": {str(channels): number for channels, number in sorted(part.channels.items())},
                    "pixels": part.pixels[:count].tolist(),
                    "images_with": part.images_with[:count].tolist(),
                    "ignored": part.ignored,
                }
                for part in self.splits
            ],
            "values": {format_key(key): number for key, number in self.values.items()},
            "problems": [{"kind": one.kind, "text": one.text, "files": list(one.files)} for one in self.problems],
            "notes": [{"kind": one.kind, "text": one.text, "files": list(one.files)} for one in self.notes],
            "mapping": {format_key(key): value for key, value in self.mapping.items()},
        }
