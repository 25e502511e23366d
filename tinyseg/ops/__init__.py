"""Differentiable operators, a family a file, forward and backward side by side.

Importing this package is what gives ``Tensor`` its methods: the operators enter themselves in its table.
"""

from . import (
    activation,
    conv,
    creation,
    cross_entropy,
    dropout,
    elementwise,
    gather,
    inplace,
    interpolate,
    loss,
    matmul,
    norm,
    pool,
    reduce,
    shape,
    softmax,
)

__all__ = [
    "activation",
    "conv",
    "creation",
    "cross_entropy",
    "dropout",
    "elementwise",
    "gather",
    "inplace",
    "interpolate",
    "loss",
    "matmul",
    "norm",
    "pool",
    "reduce",
    "shape",
    "softmax",
]
