"""Layers, their functions, losses, and initial values of weights."""

from . import functional as functional
from . import init as init
from . import utils as utils
from .layers.activation import *
from .layers.container import *
from .layers.convolution import *
from .layers.dropout import *
from .layers.folding import *
from .layers.linear import *
from .layers.normalization import *
from .layers.pooling import *
from .layers.upsampling import *
from .losses.boundary import *
from .losses.elements import *
from .losses.lovasz import *
from .losses.overlap import *
from .losses.pixel_losses import *
from .module import Module as Module
from .module import Parameter as Parameter

# Every layer and loss: what a file offers stands in its own ``__all__``.
__all__ = sorted(name for name, value in globals().items() if isinstance(value, type))
__all__ += ["functional", "init", "utils"]
