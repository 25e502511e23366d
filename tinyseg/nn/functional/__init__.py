"""The operators as functions of tensors, with PyTorch's names, arguments and defaults.

Images are N,C,H,W. Arguments that are sizes take one int for both directions or a pair (vertical, horizontal).
Shapes, types and values are checked: ``ValueError`` for shapes and values, ``TypeError`` for types, ``IndexError``
for indices, each with a message that says what was expected and what came.
"""

from ...ops.shape import pad
from .activation import elu, gelu, leaky_relu, log_softmax, prelu, relu, sigmoid, softmax, softplus, tanh
from .convolution import conv2d, conv_transpose2d
from .dropout import dropout, dropout2d
from .linear import linear
from .loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from .normalization import batch_norm
from .one_hot import one_hot
from .pooling import max_pool2d, max_unpool2d
from .upsampling import interpolate

__all__ = [
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "elu",
    "gelu",
    "interpolate",
    "l1_loss",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "max_unpool2d",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "pad",
    "prelu",
    "relu",
    "sigmoid",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]
