"""Layers, their functions, and initial values of their weights."""

from . import functional, init, utils
from .layers import (
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Dropout2d,
    Identity,
    Linear,
    MaxPool2d,
    MaxUnpool2d,
    ModuleList,
    ReLU,
    Sequential,
    Upsample,
)
from .losses import CrossEntropyLoss
from .module import Module, Parameter

__all__ = [
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout2d",
    "Identity",
    "Linear",
    "MaxPool2d",
    "MaxUnpool2d",
    "Module",
    "ModuleList",
    "Parameter",
    "ReLU",
    "Sequential",
    "Upsample",
    "functional",
    "init",
    "utils",
]
