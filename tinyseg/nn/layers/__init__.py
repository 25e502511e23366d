"""Layers: modules of one operator each, with PyTorch's names, arguments and parameter names."""

from .activation import ELU, GELU, LeakyReLU, LogSoftmax, PReLU, ReLU, Sigmoid, Softmax, Softplus, Tanh
from .container import ModuleList, Sequential, is_plain
from .convolution import Conv2d, ConvTranspose2d
from .dropout import Dropout, Dropout2d
from .linear import Identity, Linear
from .normalization import BatchNorm2d
from .pooling import MaxPool2d, MaxUnpool2d
from .upsampling import Upsample

__all__ = [
    "ELU",
    "GELU",
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Dropout2d",
    "Identity",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MaxPool2d",
    "MaxUnpool2d",
    "ModuleList",
    "PReLU",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "Upsample",
    "is_plain",
]
