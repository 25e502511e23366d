"""tinyseg: a deep-learning engine for semantic segmentation, written from scratch on NumPy and Numba.

>>> import tinyseg
>>> x = tinyseg.tensor([[1.0, -2.0]], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([[ 2., -4.]])
"""

from . import autograd, models, nn, ops, optim
from .autograd import grad, is_grad_enabled, no_grad, set_grad_enabled
from .backend import (
    empty_cache,
    get_default_device,
    get_num_threads,
    set_conv_algorithm,
    set_default_device,
    set_num_threads,
)
from .gradcheck import gradcheck
from .ops.activation import prelu
from .ops.creation import (
    arange,
    full,
    full_like,
    ones,
    ones_like,
    rand,
    rand_like,
    randn,
    randn_like,
    zeros,
    zeros_like,
)
from .ops.elementwise import (
    abs,
    exp,
    floor_divide,
    log,
    maximum,
    minimum,
    pow,
    relu,
    remainder,
    sigmoid,
    sqrt,
    tanh,
    where,
)
from .ops.gather import gather, index_select
from .ops.matmul import matmul
from .ops.reduce import all, amax, amin, any, argmax, argmin, max, mean, min, sum
from .ops.shape import cat, flatten, pad, permute, reshape, squeeze, stack, transpose, unsqueeze
from .ops.softmax import log_softmax, softmax
from .random import Generator, manual_seed
from .tensor import Tensor, bool_, float32, float64, int32, int64, tensor, uint8

__version__ = "0.1.0"

__all__ = [
    "Generator",
    "Tensor",
    "abs",
    "all",
    "amax",
    "amin",
    "any",
    "arange",
    "argmax",
    "argmin",
    "autograd",
    "bool_",
    "cat",
    "empty_cache",
    "exp",
    "flatten",
    "float32",
    "float64",
    "floor_divide",
    "full",
    "full_like",
    "gather",
    "get_default_device",
    "get_num_threads",
    "grad",
    "gradcheck",
    "index_select",
    "int32",
    "int64",
    "is_grad_enabled",
    "log",
    "log_softmax",
    "manual_seed",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "models",
    "nn",
    "no_grad",
    "ones",
    "ones_like",
    "ops",
    "optim",
    "pad",
    "permute",
    "pow",
    "prelu",
    "rand",
    "rand_like",
    "randn",
    "randn_like",
    "relu",
    "remainder",
    "reshape",
    "set_conv_algorithm",
    "set_default_device",
    "set_grad_enabled",
    "set_num_threads",
    "sigmoid",
    "softmax",
    "sqrt",
    "squeeze",
    "stack",
    "sum",
    "tanh",
    "tensor",
    "transpose",
    "uint8",
    "unsqueeze",
    "where",
    "zeros",
    "zeros_like",
]
