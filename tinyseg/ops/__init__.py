"""Differentiable operators, a family a file, forward and backward side by side.

Importing this package is what gives ``Tensor`` its methods: the operators enter themselves in its table.
"""

from . import (
    avg_pool,
    conv,
    creation,
    dropout,
    elementwise,
    gather,
    group_norm,
    inplace,
    interpolate,
    layer_norm,
    local_response_norm,
    matmul,
    norm,
    pool,
    pooling_windows,
    reduce,
    shape,
    softmax,
)

__all__ = [
    "avg_pool",
    "conv",
    "creation",
    "dropout",
    "elementwise",
    "gather",
    "group_norm",
    "inplace",
    "interpolate",
    "layer_norm",
    "local_response_norm",
    "matmul",
    "norm",
    "pool",
    "pooling_windows",
    "reduce",
    "shape",
    "softmax",
]
