"""What numbers and colours in masks that mean nothing could mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

from ..dataset import IGNORE_INDEX, MAX_CLASSES, Color
from .mapping import Table

NEAR = 60.0
"""How far a colour may be from the one that is meant: compression and antialiasing shift colours by less."""

DETOUR = 2.0
"""How much longer the way between two colours may be through a third one that is a blend of them."""

SMOOTH, SMOOTHED = 0.8, 8
"""Masks with smoothed edges: the least share of pixels of the two classes, and of the values between them."""

FREQUENT = 0.001
"""The least share of pixels of a colour that may be a class, where nobody says which colours are."""

IGNORED = 0.05
"""The largest share of pixels of a colour, or of numbers in all, that a proposal leaves out: more may be a class."""


def propose_mapping(
    found: Mapping[int | Color, int], table: Table, num_classes: int | None = None, given: Table | None = None
) -> dict[int | Color, int]:
    """A class, or 255, for what was found in masks and is not in ``table``.

    Args:
        found: numbers and colours with their pixels.
        table: what is known.
        num_classes: how many classes there are; None if nobody knows.
        given: the colours of ``table`` that somebody gave to classes; the others are for showing them. All of them if
            not given.

    Numbers in their order become 0, 1, 2, ... if there are as many as classes, 255 left out, or else 255 among them
    (at once where 255 is frequent and the others are far from class indices: greys);
    if there are more, those that are no class become 255. Where nearly all is of two values and many lie between,
    an image program has smoothed the edges of two classes: what lies between becomes 255. Grey colours that are
    numbered as classes are become these. Other colours become the class of the given colour that is near (within
    60 of 255, and twice as near as any other), or else 255; where no given colour was found, the most frequent ones
    become classes, in the order of their colours.

    Empty where nothing has to be changed, and where a proposal would leave something out that may be a class.

    >>> propose_mapping({0: 900, 255: 100}, {0: 0, 1: 1, 255: 255}, 2)
    {0: 0, 255: 1}
    >>> propose_mapping({(128, 0, 0): 90, (126, 2, 1): 10}, {(128, 0, 0): 0, (0, 0, 0): 255})
    {(126, 2, 1): 0}
    """
    numbers = {key: count for key, count in found.items() if isinstance(key, int)}
    colors = {key: count for key, count in found.items() if not isinstance(key, int)}
    of_numbers = _for_numbers(numbers, table, num_classes)
    of_colors = _for_colors(colors, table, num_classes, table if given is None else given)
    return {} if of_numbers is None or of_colors is None else {**of_numbers, **of_colors}


def is_smoothed(found: Mapping[int, int]) -> bool:
    """Whether these are the numbers of black and white masks whose edges an image program has smoothed."""
    extremes = found.get(0, 0), found.get(IGNORE_INDEX, 0)
    return min(extremes) > 0 and len(found) >= 2 + SMOOTHED and sum(extremes) >= SMOOTH * sum(found.values())


def _for_numbers(found: Mapping[int, int], table: Table, num_classes: int | None) -> dict[int | Color, int] | None:
    """A class for each number; None where there is none for a frequent one."""
    unknown = [value for value in found if value not in table]
    without_void = sorted(value for value in found if value != IGNORE_INDEX)
    wanted = num_classes or (len(without_void) if len(without_void) > 1 else len(found))
    meant = {table[value] for value in found if value in table} - {IGNORE_INDEX}
    # Where everything is understood, two kinds of pixels of which one is ignored leave nothing to learn.
    if not unknown and (len(meant) > 1 or len(found) < 2):
        return {}
    if num_classes in (None, 2) and is_smoothed(found):
        return {value: {0: 0, IGNORE_INDEX: 1}.get(value, IGNORE_INDEX) for value in sorted(found)}
    if _is_void_a_class(found, without_void):
        without_void, wanted = [], num_classes or len(found)
    for values in (without_void, sorted(found)):
        if len(values) == wanted:
            ranks: dict[int | Color, int] = {value: rank for rank, value in enumerate(values)}
            return ranks if any(table.get(value) != rank for value, rank in ranks.items()) else {}
    if sum(found[value] for value in unknown) > IGNORED * sum(found.values()):
        return None  # many small ones are a class, too: each object of a mask may have a number of its own
    return dict.fromkeys(sorted(unknown), IGNORE_INDEX)


def _is_void_a_class(found: Mapping[int, int], others: list[int]) -> bool:
    """Whether 255 is as frequent as a class, and the other numbers are greys and no indices: 0 and 128, say."""
    frequent = found.get(IGNORE_INDEX, 0) > IGNORED * sum(found.values())
    return frequent and len(others) > 1 and others[-1] + 1 > 2 * len(others)


def _for_colors(
    found: Mapping[Color, int], table: Table, num_classes: int | None, given: Table
) -> dict[int | Color, int] | None:
    """A class for each colour; None where there is none for a frequent one."""
    known = {key: value for key, value in table.items() if not isinstance(key, int)}
    if all(color in known for color in found):
        return {}
    if _are_indices(found, num_classes):
        return {color: color[0] for color in sorted(found)}
    if all(len(set(color)) == 1 for color in found) and is_smoothed(greys := _greys(found)):
        return {} if num_classes not in (None, 2) else _of_greys(_for_numbers(greys, {}, 2))
    least = FREQUENT * sum(found.values())
    frequent = [color for color in found if found[color] >= least]
    if any(color in found for color in given if not isinstance(color, int)) or all(c in known for c in frequent):
        near = {color: _nearest(color, known) for color in sorted(found) if color not in known}
        return _without_loss(near, found)
    return _chosen(found, frequent, num_classes)


def _greys(found: Mapping[Color, int]) -> dict[int, int]:
    return {color[0]: count for color, count in found.items()}


def _of_greys(numbers: Mapping[int | Color, int] | None) -> dict[int | Color, int]:
    """What numbers mean, for the greys of their brightness."""
    return {(key, key, key): value for key, value in (numbers or {}).items() if isinstance(key, int)}


def _chosen(
    found: Mapping[Color, int], frequent: list[Color], num_classes: int | None
) -> dict[int | Color, int] | None:
    """The most frequent colours as classes, in the order of their colours, black first, as palettes often are.

    None where another one is frequent, too, and no blend of theirs, which smoothed edges are made of.
    """
    by_count = sorted(frequent, key=lambda color: (-found[color], color))
    known = {color: rank for rank, color in enumerate(sorted(by_count[: num_classes or MAX_CLASSES]))}
    rest = {color: _nearest(color, known) for color in found if color not in known}
    for color in frequent:
        if rest.get(color) == IGNORE_INDEX and not _is_blend(color, known):
            return None
    return dict(sorted({**known, **rest}.items()))


def _without_loss(proposed: Mapping[Any, int], found: Mapping[Any, int]) -> dict[int | Color, int] | None:
    """``proposed``, or None where it ignores what is frequent."""
    most = IGNORED * sum(found.values())
    lost = any(value == IGNORE_INDEX and found[key] > most for key, value in proposed.items())
    return None if lost else dict(proposed)


def _are_indices(found: Mapping[Color, int], num_classes: int | None) -> bool:
    """Whether masks of class indices were saved with three channels: all greys, numbered as classes are."""
    values = sorted(color[0] for color in found if len(set(color)) == 1 and color[0] != IGNORE_INDEX)
    if len(values) < 2 or any(len(set(color)) > 1 for color in found):
        return False
    return values[-1] < num_classes if num_classes else values[-1] - values[0] == len(values) - 1 and values[0] < 2


def _nearest(color: Color, known: Mapping[Color, int]) -> int:
    """The class of the colour that is clearly the nearest, or 255."""
    distances = sorted((_distance(color, other), value) for other, value in known.items())
    first, meant = distances[0]
    others = [distance for distance, value in distances if value != meant]
    return meant if first <= NEAR and (not others or others[0] >= 2 * first) else IGNORE_INDEX


def _is_blend(color: Color, known: Iterable[Color]) -> bool:
    """Whether a colour lies between two of ``known``: the distances to both add up to little more than theirs."""
    return any(
        _distance(color, one) + _distance(color, other) <= _distance(one, other) + DETOUR
        for one, other in combinations(known, 2)
    )


def _distance(one: Color, other: Color) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5)
