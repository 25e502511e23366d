"""Which images validate, where a data set leaves that open."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from ...errors import DataError, InputError
from ...paths import PathLike, name_bytes

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


def _check_count(where: PathLike, count: int) -> None:
    if count < 2:
        raise DataError(f"{where}: {count} image cannot be divided into train and val; add images or a folder val/")


def _place(name: str, seed: int) -> float:
    """A number in 0..1 that depends on the name and the seed alone."""
    digest = hashlib.sha256(f"{seed}:".encode() + name_bytes(name)).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
