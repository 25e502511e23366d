"""Differentiable operators, a family a file, forward and backward side by side.

Importing this package is what gives ``Tensor`` its methods: the operators enter themselves in its table.
"""

from . import (
    conv,
    creation,
    dropout,
    elementwise,
    gather,
    inplace,
    interpolate,
    matmul,
    norm,
    pad,
    pixel_shuffle,
    pool,
    reduce,
    shape,
    softmax,
    unfold,
)

__all__ = [
    "conv",
    "creation",
    "dropout",
    "elementwise",
    "gather",
    "inplace",
    "interpolate",
    "matmul",
    "norm",
    "pad",
    "pixel_shuffle",
    "pool",
    "reduce",
    "shape",
    "softmax",
    "unfold",
]
