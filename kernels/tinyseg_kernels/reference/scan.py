"""Running sums along a dimension."""

from __future__ import annotations

import numpy as np

from .array import Array

__all__ = ["cumsum"]


def cumsum(x: Array, out: Array, axis: int) -> None:
    """Sums of all elements so far; floating types are accumulated in float64."""
    wide = np.float64 if x.dtype.kind == "f" else out.dtype
    with np.errstate(all="ignore"):
        out[...] = np.cumsum(x, axis=axis, dtype=wide)
