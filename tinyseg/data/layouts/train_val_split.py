"""Which images validate, where a data set leaves that open, and what layouts inherit from then."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from ...errors import DataError, InputError
from ...files import PathLike, name_bytes
from ..labels.mapping import Table
from .layout import Layout

VAL_FRACTION = 0.2
"""The share that validates when none is given."""

Item = TypeVar("Item")


def check_fraction(where: PathLike, fraction: float | None) -> float:
    """The share that validates, between 0 and 1; ``InputError`` for another."""
    chosen = VAL_FRACTION if fraction is None else fraction
    if not 0 < chosen < 1:
        raise InputError(f"{where}: --val-fraction must lie between 0 and 1, got {chosen}")
    return chosen


def split_by_name(
    where: PathLike, items: Sequence[Item], names: Sequence[str], split: str, fraction: float | None, seed: int
) -> list[Item]:
    """The part of ``items`` that is ``split``: each name, hashed with a seed, decides for itself.

    A name validates if its hash, as a number in 0..1, lies below the share: items that are added move no other. Where
    that leaves a split empty, it gets the one that is nearest to belonging there; only that one can move later.

    >>> names = [f"photo{number}" for number in range(10)]
    >>> split_by_name("folder", names, names, "val", 0.2, seed=0)
    ['photo1']
    """
    share = check_fraction(where, fraction)
    _check_count(where, len(items))
    places = [_place(name, seed) for name in names]
    ordered = sorted(places)
    border = ordered[1] if ordered[0] >= share else min(share, ordered[-1])
    return [item for place, item in zip(places, items, strict=True) if (place < border) == (split == "val")]


def split_in_order(where: PathLike, items: Sequence[Item], split: str, fraction: float | None) -> list[Item]:
    """The part of ``items``, slices or frames, that is ``split``: the last ones validate.

    Neighbours in a stack or a film look alike; drawn by lot, each of those that validate would lie between two that
    were trained on.

    >>> split_in_order("stack", list(range(25)), "val", None)
    [20, 21, 22, 23, 24]
    """
    share = check_fraction(where, fraction)
    _check_count(where, len(items))
    held_out = min(len(items) - 1, max(1, round(share * len(items))))
    return list(items[-held_out:] if split == "val" else items[:-held_out])


class SplitByName(Layout):
    """A layout of which a share of the images validates, those of each name for themselves.

    Args:
        root, split, mapping: as of every layout.
        val_fraction: the share that validates; 0.2 if not given.
        seed: which images those are; see :func:`split_by_name`.
    """

    def __init__(
        self,
        root: PathLike,
        split: str = "train",
        *,
        val_fraction: float | None = None,
        seed: int = 0,
        mapping: Table | None = None,
    ) -> None:
        self.val_fraction, self.seed = val_fraction, seed
        super().__init__(root, split, mapping=mapping)

    def part(self, items: Sequence[Item], names: Sequence[str]) -> list[Item]:
        """The part of ``items`` that is this layout's split."""
        return split_by_name(self.root, items, names, self.split, self.val_fraction, self.seed)


class SplitInOrder(Layout):
    """A layout of which the last slices or frames validate.

    Args:
        root, split, mapping: as of every layout.
        val_fraction: the share that validates; 0.2 if not given.
    """

    def __init__(
        self,
        root: PathLike,
        split: str = "train",
        *,
        val_fraction: float | None = None,
        mapping: Table | None = None,
    ) -> None:
        self.val_fraction = val_fraction
        super().__init__(root, split, mapping=mapping)

    def part(self, items: Sequence[Item]) -> list[Item]:
        """The part of ``items`` that is this layout's split."""
        return split_in_order(self.root, items, self.split, self.val_fraction)


def _check_count(where: PathLike, count: int) -> None:
    if count < 2:
        raise DataError(f"{where}: {count} image cannot be divided into train and val; add images or a folder val/")


def _place(name: str, seed: int) -> float:
    """A number in 0..1 that depends on the name and the seed alone."""
    digest = hashlib.sha256(f"{seed}:".encode() + name_bytes(name)).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
