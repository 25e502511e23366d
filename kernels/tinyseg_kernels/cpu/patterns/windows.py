"""Where the windows of pooling lie along one dimension: small tables that the kernels walk by."""

from __future__ import annotations

import numpy as np

from ..runtime.layout import Array

_ITEMS = 64  # enough for the threads there are
_LEAST = 64  # channels


def sliding(count: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> Array:
    """(count, 2): the first pixel of each window and the one after its last; either may lie in the padding."""
    first = np.arange(count) * stride - padding
    return np.stack((first, first + (kernel - 1) * dilation + 1), axis=1)


def adaptive(size: int, count: int) -> Array:
    """The same of windows that share ``size`` pixels out: floor(i size / count) to ceil((i + 1) size / count)."""
    i = np.arange(count)
    return np.stack((i * size // count, -(-(i + 1) * size // count)), axis=1)


def inside(windows: Array, size: int, dilation: int = 1) -> Array:
    """Windows cut to the image: the first pixel of theirs that is one of it, and the end."""
    first, stop = windows.T
    missed = -(np.minimum(first, 0) // dilation)  # taps before the image
    return np.stack((first + missed * dilation, np.minimum(stop, size)), axis=1)


def meeting(windows: Array, starts: Array, stops: Array) -> Array:
    """For each run of pixels start .. stop - 1 the run of windows that may hold one of them."""
    first = np.searchsorted(windows[:, 1], starts, "right")
    last = np.searchsorted(windows[:, 0], stops, "left")
    return np.stack((first, np.maximum(first, last)), axis=1)


def strip(rows: int, channels: int) -> int:
    """How many channels of a row are one item: all, unless rows are few, but never few."""
    parts = min(_ITEMS // max(rows, 1), channels // _LEAST)
    return channels if parts < 2 else -(-channels // (_LEAST * parts)) * _LEAST
