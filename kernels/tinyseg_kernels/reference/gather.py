"""Picking elements by an array of indices along one dimension, and the adjoint of that."""

from __future__ import annotations

import numpy as np

from .array import Array

__all__ = ["gather", "scatter_add"]


def _places(index: Array, axis: int) -> tuple[Array, ...]:
    """For each element of ``index`` the place it speaks of: its own, but ``index`` along ``axis``."""
    places: list[Array] = list(np.indices(index.shape, sparse=True))
    places[axis] = index
    return tuple(places)


def gather(x: Array, index: Array, out: Array, axis: int) -> None:
    """What stands at the places."""
    out[...] = x[_places(index, axis)]


def scatter_add(source: Array, index: Array, out: Array, axis: int) -> None:
    """Adds to the places; ``np.add.at`` adds again where a place comes twice, plain indexing would not."""
    np.add.at(out, _places(index, axis), source)
