"""Differentiable operators, a family a file, forward and backward side by side.

They are functions of tensors; ``tensor.py`` makes methods of them. Those of networks are in ``network/``.
"""

from . import (
    clamp,
    copying,
    einsum,
    elementary,
    elementwise,
    flipping,
    gather,
    indexing,
    inplace,
    logic,
    masked,
    matmul,
    network,
    reduce,
    repeat,
    rounding,
    scan,
    shape,
    splitting,
    statistics,
    triangles,
)

__all__ = [
    "clamp",
    "copying",
    "einsum",
    "elementary",
    "elementwise",
    "flipping",
    "gather",
    "indexing",
    "inplace",
    "logic",
    "masked",
    "matmul",
    "network",
    "reduce",
    "repeat",
    "rounding",
    "scan",
    "shape",
    "splitting",
    "statistics",
    "triangles",
]
