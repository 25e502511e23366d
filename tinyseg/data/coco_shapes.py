"""The shapes of COCO's objects: polygons and run lengths, as masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]


def polygon_mask(corners: Sequence[float], size: Size) -> NDArray[np.bool_]:
    """Where the centres of pixels lie inside a polygon: ``(H, W)``.

    ``corners`` is x1, y1, x2, y2, ...; pixel (row, column) has its centre at x = column + 1/2, y = row + 1/2. Where
    the outline crosses itself, what is enclosed twice is outside (the even-odd rule). Raises ``ValueError`` for fewer
    than three corners.

    >>> polygon_mask([1, 0, 3, 0, 3, 2, 1, 2], (2, 4)).astype(int).tolist()
    [[0, 1, 1, 0], [0, 1, 1, 0]]
    """
    if len(corners) < 6 or len(corners) % 2:
        raise ValueError(f"a polygon needs three corners or more, got {len(corners)} numbers")
    height, width = size
    x0, y0 = np.asarray(corners, np.float64).reshape(-1, 2).T
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    # The rows whose centres an edge passes, its lower end included and its upper one not.
    first = np.clip(np.ceil(np.minimum(y0, y1) - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(y0, y1) - 0.5), 0, height).astype(np.int64)
    count = last - first
    edge = np.repeat(np.arange(len(x0)), count)
    row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    slope = (x1 - x0)[edge] / (y1 - y0)[edge]
    crossing = x0[edge] + (row + 0.5 - y0[edge]) * slope
    column = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    # Every crossing to the left of a pixel turns it from outside to inside, or back.
    turns = np.zeros((height, width + 1), np.int64)
    np.add.at(turns, (row, column), 1)
    return np.cumsum(turns, axis=1)[:, :width] % 2 == 1


def run_length_mask(counts: Sequence[int], size: Size) -> NDArray[np.bool_]:
    """The mask of run lengths: ``(H, W)``.

    Runs go down the columns, from left to right; the first one, which may be empty, is outside. Raises ``ValueError``
    when they do not add up to H W.

    >>> run_length_mask([1, 2, 1], (2, 2)).astype(int).tolist()
    [[0, 1], [1, 0]]
    """
    runs = np.asarray(counts, np.int64)
    height, width = size
    if runs.min(initial=0) < 0 or runs.sum() != height * width:
        raise ValueError(f"run lengths add up to {runs.sum()}, expected {height} x {width} pixels")
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
    """The mask of an annotation's ``segmentation``: polygons, which are joined, or run lengths of either kind."""
    if isinstance(segmentation, Mapping):
        if tuple(segmentation["size"]) != size:
            raise ValueError(f"run lengths are for {segmentation['size']}, the image is {list(size)}")
        counts = segmentation["counts"]
        return run_length_mask(decode_counts(counts) if isinstance(counts, str) else counts, size)
    mask = np.zeros(size, bool)
    for corners in segmentation:
        mask |= polygon_mask(corners, size)
    return mask
