"""The matrix product."""

from __future__ import annotations

import numpy as np

from .array import Array

__all__ = ["matmul"]


def matmul(a: Array, b: Array, out: Array) -> None:
    """For each pair of matrices a @ b."""
    with np.errstate(all="ignore"):
        np.matmul(a, b, out=out)
