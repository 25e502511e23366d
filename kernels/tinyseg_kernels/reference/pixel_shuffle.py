"""Channels to pixels and back: two dimensions change their places."""

from __future__ import annotations

from .array import Array

__all__ = ["pixel_shuffle", "pixel_unshuffle"]


def pixel_shuffle(x: Array, out: Array, factor: int) -> None:
    """(N, C, r, r, H, W) -> (N, C, H, r, W, r)."""
    n, _, height, width = x.shape
    blocks = x.reshape(n, out.shape[1], factor, factor, height, width)
    out[...] = blocks.transpose(0, 1, 4, 2, 5, 3).reshape(out.shape)


def pixel_unshuffle(x: Array, out: Array, factor: int) -> None:
    """(N, C, H, r, W, r) -> (N, C, r, r, H, W)."""
    (n, channels), (height, width) = x.shape[:2], out.shape[2:]
    blocks = x.reshape(n, channels, height, factor, width, factor)
    out[...] = blocks.transpose(0, 1, 3, 5, 2, 4).reshape(out.shape)
