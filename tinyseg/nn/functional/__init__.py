"""The operators as functions of tensors, with PyTorch's names, arguments and defaults.

Images are N,C,H,W. Arguments that are sizes take one int for both directions or a pair (vertical, horizontal).
Shapes, types and values are checked: ``ValueError`` for shapes and values, ``TypeError`` for types, ``IndexError``
for indices, each with a message that says what was expected and what came.
"""

from ...ops.elementwise import relu, tanh
from ...ops.pad import pad
from .activation import log_softmax, softmax
from .convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d, fold, unfold
from .dropout import dropout, dropout2d
from .linear import linear
from .loss import cross_entropy
from .normalization import batch_norm
from .padding import centre_crop
from .pooling import max_pool2d, max_unpool2d
from .upsampling import bed_of_nails, interpolate, pixel_shuffle, pixel_unshuffle

__all__ = [
    "batch_norm",
    "bed_of_nails",
    "centre_crop",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "fold",
    "interpolate",
    "linear",
    "log_softmax",
    "max_pool2d",
    "max_unpool2d",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "relu",
    "softmax",
    "tanh",
    "unfold",
]
