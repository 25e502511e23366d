"""What numbers and colours in masks that mean nothing could mean."""

from __future__ import annotations

from collections.abc import Mapping

from .dataset import IGNORE_INDEX, Color
from .mapping import Table

NEAR = 60.0
"""How far a colour may be from the one that is meant: compression and antialiasing shift colours by less."""

SMOOTH, SMOOTHED = 0.8, 8
"""Black and white masks with smoothed edges: the least share of pixels that are 0 or 255, and of values between."""

FREQUENT = 0.001
"""The least share of pixels of a colour that may be a class, where nobody says which colours are."""


def propose_mapping(
    found: Mapping[int | Color, int], table: Table, num_classes: int | None = None
) -> dict[int | Color, int]:
    """A class, or 255, for what was found in masks and is not in ``table``.

    Args:
        found: numbers and colours with their pixels.
        table: what is known.
        num_classes: how many classes there are; None if nobody knows.

    Numbers in their order become 0, 1, 2, ... if there are as many as classes, 255 left out, or else 255 among them;
    if there are more, those that are no class become 255. Where nearly all is 0 or 255 and many values lie between,
    an image program has smoothed the edges of two classes: what lies between becomes 255. Grey colours that are
    numbered as classes are become these. Other colours become the class of the colour that is near (within
    60 of 255, and twice as near as any other), or else 255; where no colour is known, the most frequent ones become
    classes. Empty where nothing has to be changed.

    >>> propose_mapping({0: 900, 255: 100}, {0: 0, 1: 1, 255: 255}, 2)
    {0: 0, 255: 1}
    >>> propose_mapping({(128, 0, 0): 90, (126, 2, 1): 10}, {(128, 0, 0): 0, (0, 0, 0): 255})
    {(126, 2, 1): 0}
    """
    numbers = {key: count for key, count in found.items() if isinstance(key, int)}
    colors = {key: count for key, count in found.items() if not isinstance(key, int)}
    return {**_for_numbers(numbers, table, num_classes), **_for_colors(colors, table, num_classes)}


def _for_numbers(found: Mapping[int, int], table: Table, num_classes: int | None) -> dict[int | Color, int]:
    unknown = [value for value in found if value not in table]
    without_void = sorted(value for value in found if value != IGNORE_INDEX)
    wanted = num_classes or (len(without_void) if len(without_void) > 1 else len(found))
    meant = {table[value] for value in found if value in table} - {IGNORE_INDEX}
    # Where everything is understood, two kinds of pixels of which one is ignored leave nothing to learn.
    if not unknown and (len(meant) > 1 or len(found) < 2):
        return {}
    if num_classes in (None, 2) and _is_smoothed(found):
        return {value: {0: 0, IGNORE_INDEX: 1}.get(value, IGNORE_INDEX) for value in sorted(found)}
    for values in (without_void, sorted(found)):
        if len(values) == wanted:
            ranks: dict[int | Color, int] = {value: rank for rank, value in enumerate(values)}
            return ranks if any(table.get(value) != rank for value, rank in ranks.items()) else {}
    return dict.fromkeys(sorted(unknown), IGNORE_INDEX)


def _is_smoothed(found: Mapping[int, int]) -> bool:
    extremes = found.get(0, 0), found.get(IGNORE_INDEX, 0)
    return min(extremes) > 0 and len(found) >= 2 + SMOOTHED and sum(extremes) >= SMOOTH * sum(found.values())


def _for_colors(found: Mapping[Color, int], table: Table, num_classes: int | None) -> dict[int | Color, int]:
    known = {key: value for key, value in table.items() if not isinstance(key, int)}
    unknown = [color for color in found if color not in known]
    if not unknown:
        return {}
    if _are_indices(found, num_classes):
        return {color: color[0] for color in sorted(found)}
    if not any(color in found for color in known):
        total = sum(found.values())
        frequent = [color for color in unknown if found[color] >= FREQUENT * total]
        chosen = sorted(frequent, key=lambda color: (-found[color], color))[: num_classes or IGNORE_INDEX]
        # In the order of their colours, black first, as indices in palettes often are.
        known = {color: rank for rank, color in enumerate(sorted(chosen))}
        unknown = [*known, *(color for color in unknown if color not in known)]
    return {color: known.get(color, _nearest(color, known)) for color in sorted(unknown)}


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


def _distance(one: Color, other: Color) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5)
