"""Sums, products, largest and smallest elements along dimensions."""

from __future__ import annotations

import numpy as np

from .array import Array

__all__ = ["argmax", "argmin", "max", "min", "prod", "sum"]


def sum(x: Array, out: Array, axes: tuple[int, ...]) -> None:
    """Sums; floating types are accumulated in float64."""
    wide = np.float64 if x.dtype.kind == "f" else out.dtype
    out[...] = x.sum(axis=axes, dtype=wide, keepdims=True)


def prod(x: Array, out: Array, axes: tuple[int, ...]) -> None:
    """Products; floating types are accumulated in float64."""
    wide = np.float64 if x.dtype.kind == "f" else out.dtype
    with np.errstate(all="ignore"):
        out[...] = x.prod(axis=axes, dtype=wide, keepdims=True)


def max(x: Array, out: Array, axes: tuple[int, ...]) -> None:
    """Largest elements."""
    out[...] = x.max(axis=axes, keepdims=True)


def min(x: Array, out: Array, axes: tuple[int, ...]) -> None:
    """Smallest elements."""
    out[...] = x.min(axis=axes, keepdims=True)


def argmax(x: Array, out: Array, axis: int) -> None:
    """Where the first largest element stands."""
    out[...] = np.argmax(x, axis=axis, keepdims=True)


def argmin(x: Array, out: Array, axis: int) -> None:
    """Where the first smallest element stands."""
    out[...] = np.argmin(x, axis=axis, keepdims=True)
