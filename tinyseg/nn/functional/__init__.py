"""The operators as functions of tensors, with PyTorch's names, arguments and defaults.

Images are N,C,H,W. Arguments that are sizes take one int for both directions or a pair (vertical, horizontal).
Shapes, types and values are checked: ``ValueError`` for shapes and values, ``TypeError`` for types, ``IndexError``
for indices, each with a message that says what was expected and what came.
"""

from ...ops.pad import pad
from .activation import elu, gelu, leaky_relu, log_softmax, prelu, relu, sigmoid, softmax, softplus, tanh
from .boundary_loss import boundary_loss, dice_boundary_loss, signed_distance
from .convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d, fold, unfold
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
from .lovasz_loss import lovasz_softmax_loss
from .normalization import batch_norm, group_norm, instance_norm, layer_norm, local_response_norm
from .one_hot import one_hot
from .overlap_loss import dice_ce_loss, dice_focal_loss, dice_loss, focal_tversky_loss, jaccard_loss, tversky_loss
from .padding import centre_crop
from .pixel_loss import focal_loss, weighted_cross_entropy
from .pooling import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    max_pool1d,
    max_pool2d,
    max_unpool1d,
    max_unpool2d,
)
from .upsampling import bed_of_nails, interpolate, pixel_shuffle, pixel_unshuffle

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "batch_norm",
    "bed_of_nails",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "boundary_loss",
    "centre_crop",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cross_entropy",
    "dice_boundary_loss",
    "dice_ce_loss",
    "dice_focal_loss",
    "dice_loss",
    "dropout",
    "dropout2d",
    "elu",
    "focal_loss",
    "focal_tversky_loss",
    "fold",
    "gelu",
    "group_norm",
    "instance_norm",
    "interpolate",
    "jaccard_loss",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "lovasz_softmax_loss",
    "max_pool1d",
    "max_pool2d",
    "max_unpool1d",
    "max_unpool2d",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "relu",
    "sigmoid",
    "signed_distance",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
    "tversky_loss",
    "unfold",
    "weighted_cross_entropy",
]
