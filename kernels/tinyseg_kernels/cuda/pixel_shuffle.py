"""Channels to pixels and back."""

from __future__ import annotations

from .array import reshape
from .patterns.array import DeviceArray, contiguous, row_major_like, transpose
from .patterns.assignment import assign, deliver

__all__ = ["pixel_shuffle", "pixel_unshuffle"]


def _delivered(values: DeviceArray, out: DeviceArray, blocks: tuple[int, ...]) -> None:
    """out, seen as blocks, = values of six dimensions."""
    target = row_major_like(out)
    assign(values, reshape(target, blocks))
    deliver(target, out)


def pixel_shuffle(x: DeviceArray, out: DeviceArray, factor: int) -> None:
    """(N, C, r, r, H, W) -> (N, C, H, r, W, r); see ``spec.py``, as for every kernel here."""
    n, _, height, width = x.shape
    values = reshape(contiguous(x), (n, out.shape[1], factor, factor, height, width))
    _delivered(transpose(values, (0, 1, 4, 2, 5, 3)), out, (n, out.shape[1], height, factor, width, factor))


def pixel_unshuffle(x: DeviceArray, out: DeviceArray, factor: int) -> None:
    """(N, C, H, r, W, r) -> (N, C, r, r, H, W)."""
    (n, channels), (height, width) = x.shape[:2], out.shape[2:]
    values = reshape(contiguous(x), (n, channels, height, factor, width, factor))
    _delivered(transpose(values, (0, 1, 3, 5, 2, 4)), out, (n, channels, factor, factor, height, width))
