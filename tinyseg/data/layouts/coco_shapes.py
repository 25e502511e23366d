"""The shapes of COCO's objects: polygons and run lengths, as masks."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dataset import Size

FARTHEST = 1e9
"""The largest coordinate of a corner: beyond it differences lose the pixels."""

MAX_CROSSINGS = 2**26
"""The largest number of rows that the edges of one polygon may cross, all together: it is its time."""

LONGEST_SHIFT = 60
"""Bits of a compressed run length: without an end, a number would grow with its text."""

_STEP = 2**18
"""Crossings computed at once: a few megabytes."""


def polygon_mask(corners: Sequence[float], size: Size) -> NDArray[np.bool_]:
    """Where the centres of pixels lie inside a polygon: ``(H, W)``.

    ``corners`` is x1, y1, x2, y2, ...; pixel (row, column) has its centre at x = column + 1/2, y = row + 1/2. Where
    the outline crosses itself, what is enclosed twice is outside (the even-odd rule). Raises ``ValueError`` for fewer
    than three corners, and for coordinates that are no numbers, not finite, or beyond 1e9.

    >>> polygon_mask([1, 0, 3, 0, 3, 2, 1, 2], (2, 4)).astype(int).tolist()
    [[0, 1, 1, 0], [0, 1, 1, 0]]
    """
    x, y = _checked_corners(corners)
    top, bottom = _between(y, size[0])
    left, right = _between(x, size[1])
    mask = np.zeros(size, bool)
    if top == bottom or left == right:
        return mask
    # Every crossing to the left of a pixel turns it from outside to inside, or back: only the parity counts.
    turns = np.zeros((bottom - top, right - left + 1), np.uint8)
    for row, crossing in _crossings(x, y, top, bottom):
        column = np.clip(np.ceil(crossing - 0.5), left, right).astype(np.int64)
        np.add.at(turns, (row - top, column - left), 1)
    inside = np.cumsum(turns, axis=1, dtype=np.uint8)[:, :-1] % 2 == 1
    mask[top:bottom, left:right] = inside
    return mask


def _checked_corners(corners: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = _numbers(corners, "a polygon is a list of numbers x1, y1, x2, y2, ...")
    if len(values) < 6 or len(values) % 2:
        raise ValueError(f"a polygon needs three corners or more, got {len(values)} numbers")
    if not (np.abs(values) <= FARTHEST).all():  # written so that a NaN fails, too
        raise ValueError(f"a polygon has the coordinate {values[~(np.abs(values) <= FARTHEST)][0]:g}")
    x, y = values.astype(np.float64).reshape(-1, 2).T
    return x, y


def _numbers(values: Any, expected: str) -> NDArray[Any]:
    """A list of plain numbers as an array; ``ValueError`` saying what was ``expected`` for anything else."""
    array = np.asarray(values) if isinstance(values, Sequence) and not isinstance(values, str) else None
    if array is None or array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        raise ValueError(f"{expected}, got {reprlib.repr(values)}")
    return array


def _between(values: NDArray[np.float64], length: int) -> tuple[int, int]:
    """The first and the last but one of the pixels whose centres lie between the least and the greatest value."""
    first, last = np.clip(np.ceil(np.array([values.min(), values.max()]) - 0.5), 0, length)
    return int(first), int(last)


def _crossings(
    x: NDArray[np.float64], y: NDArray[np.float64], top: int, bottom: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Rows whose centres an edge passes, and where, a part at a time: its lower end included, its upper one not."""
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    first = np.clip(np.ceil(np.minimum(y, next_y) - 0.5), top, bottom).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(y, next_y) - 0.5), top, bottom).astype(np.int64)
    ends = np.cumsum(last - first)
    if ends[-1] > MAX_CROSSINGS:
        raise ValueError(f"the edges of a polygon cross {ends[-1]:,} rows, more than {MAX_CROSSINGS:,}")
    begins = ends - (last - first)
    for start in range(0, int(ends[-1]), _STEP):
        place = np.arange(start, min(start + _STEP, int(ends[-1])))
        edge = np.searchsorted(ends, place, side="right")
        row = place - begins[edge] + first[edge]
        slope = (next_x - x)[edge] / (next_y - y)[edge]
        yield row, x[edge] + (row + 0.5 - y[edge]) * slope


def run_length_mask(counts: Sequence[int], size: Size) -> NDArray[np.bool_]:
    """The mask of run lengths: ``(H, W)``.

    Runs go down the columns, from left to right; the first one, which may be empty, is outside. Raises ``ValueError``
    for what is no list of whole numbers, and when they do not add up to H W.

    >>> run_length_mask([1, 2, 1], (2, 2)).astype(int).tolist()
    [[0, 1], [1, 0]]
    """
    height, width = size
    given = _numbers(counts, "run lengths are a list of whole numbers")
    if (given != np.floor(given)).any():
        raise ValueError("run lengths are a list of whole numbers, got a fraction or no number")
    # Each is compared before they are added up: a sum of integers may overflow to the right one.
    if not (given >= 0).all() or given.max(initial=0) > height * width or given.sum() != height * width:
        total = given.astype(np.float64).sum()
        raise ValueError(f"run lengths add up to {total:.0f}, expected {height} x {width} pixels")
    runs = given.astype(np.int64)
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def decode_counts(text: str) -> list[int]:
    """The run lengths in COCO's compressed text.

    Each number is written in groups of five bits, the lowest first: a character is 48 plus the group, plus 32 if more
    groups follow; the last group's highest bit is the sign. From the fourth number on it is the difference to the
    number two before.

    >>> decode_counts("121")
    [1, 2, 1]
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        if shift > LONGEST_SHIFT:
            raise ValueError("compressed run lengths have a number that is longer than an image")
        group = ord(character) - 48
        if not 0 <= group < 64:
            raise ValueError(f"compressed run lengths have the character {character!r}")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("compressed run lengths end in the middle of a number")
    return counts


def shape_mask(segmentation: Any, size: Size) -> NDArray[np.bool_]:
    """The mask of an annotation's ``segmentation``: polygons, which are joined, or run lengths of either kind.

    Raises ``ValueError`` for anything else.
    """
    if isinstance(segmentation, Mapping):
        if missing := [key for key in ("size", "counts") if key not in segmentation]:
            raise ValueError(f"run lengths have no {missing[0]!r}")
        if segmentation["size"] != list(size):
            raise ValueError(f"run lengths are for {reprlib.repr(segmentation['size'])}, the image is {list(size)}")
        counts = segmentation["counts"]
        return run_length_mask(decode_counts(counts) if isinstance(counts, str) else counts, size)
    if not isinstance(segmentation, list):
        raise ValueError(f"a segmentation is polygons or run lengths, got {reprlib.repr(segmentation)}")
    mask = np.zeros(size, bool)
    for corners in segmentation:
        mask |= polygon_mask(corners, size)
    return mask
