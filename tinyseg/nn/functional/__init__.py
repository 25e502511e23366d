"""The operators as functions of tensors, with PyTorch's names, arguments and defaults.

Images are N,C,H,W. Arguments that are sizes take one int for both directions or a pair (vertical, horizontal).
Shapes, types and values are checked: ``ValueError`` for shapes and values, ``TypeError`` for types, ``IndexError``
for indices, each with a message that says what was expected and what came.
"""

from ...ops.elementwise import relu, tanh
from ...ops.shape import pad
from .activation import log_softmax, softmax
from .convolution import conv2d, conv_transpose2d
from .dropout import dropout, dropout2d
from .linear import linear
from .loss import cross_entropy
from .normalization import batch_norm
from .pooling import max_pool2d, max_unpool2d
from .upsampling import interpolate

__all__ = [
    "batch_norm",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "interpolate",
    "linear",
    "log_softmax",
    "max_pool2d",
    "max_unpool2d",
    "pad",
    "relu",
    "softmax",
    "tanh",
]
