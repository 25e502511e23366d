"""Layers: modules of one operator each, with PyTorch's names, arguments and parameter names."""

from .activation import ReLU
from .container import ModuleList, Sequential, is_plain
from .convolution import Conv2d, ConvTranspose2d
from .dropout import Dropout, Dropout2d
from .linear import Identity, Linear
from .normalization import BatchNorm2d
from .pooling import MaxPool2d, MaxUnpool2d
from .upsampling import Upsample

__all__ = [
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Dropout2d",
    "Identity",
    "Linear",
    "MaxPool2d",
    "MaxUnpool2d",
    "ModuleList",
    "ReLU",
    "Sequential",
    "Upsample",
    "is_plain",
]
