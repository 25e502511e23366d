"""tinyseg: a deep-learning engine for semantic segmentation, written from scratch on NumPy and Numba.

>>> import tinyseg
>>> x = tinyseg.tensor([[1.0, -2.0]], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([[ 2., -4.]])
"""

from . import autograd, cuda, interop, models, nn, ops, optim
from .autograd import grad, is_grad_enabled, no_grad, set_grad_enabled
from .backend import (
    empty_cache,
    get_default_device,
    get_float32_matmul_precision,
    get_num_threads,
    set_conv_algorithm,
    set_default_device,
    set_float32_matmul_precision,
    set_num_threads,
)
from .creation import (
    arange,
    eye,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    rand,
    rand_like,
    randn,
    randn_like,
    zeros,
    zeros_like,
)
from .gradcheck import gradcheck
from .ops.clamp import clamp, clip
from .ops.einsum import bmm, einsum, tensordot
from .ops.elementary import cos, expm1, log1p, reciprocal, rsqrt, sin
from .ops.elementwise import abs, exp, floor_divide, log, maximum, minimum, pow, remainder, sqrt, where
from .ops.flipping import flip, roll
from .ops.gather import gather, index_select, scatter_add
from .ops.logic import (
    eq,
    ge,
    gt,
    isfinite,
    isinf,
    isnan,
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
)
from .ops.masked import masked_fill, masked_select
from .ops.matmul import matmul
from .ops.network.activation import prelu, relu, sigmoid, tanh
from .ops.network.pad import pad
from .ops.network.softmax import log_softmax, softmax
from .ops.reduce import all, amax, amin, any, argmax, argmin, max, mean, min, prod, sum
from .ops.repeat import broadcast_to, repeat_interleave
from .ops.rounding import ceil, floor, round, sign
from .ops.scan import cumsum
from .ops.shape import cat, flatten, movedim, permute, reshape, squeeze, stack, transpose, unflatten, unsqueeze
from .ops.splitting import chunk, split, unbind
from .ops.statistics import norm, std, var
from .ops.triangles import tril, triu
from .random import Generator, manual_seed
from .tensor import Tensor, tensor
from .tensor_base import bool_, float32, float64, int32, int64, uint8
from .version import __version__ as __version__

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
    "bmm",
    "bool_",
    "broadcast_to",
    "cat",
    "ceil",
    "chunk",
    "clamp",
    "clip",
    "cos",
    "cuda",
    "cumsum",
    "einsum",
    "empty_cache",
    "eq",
    "exp",
    "expm1",
    "eye",
    "flatten",
    "flip",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "full",
    "full_like",
    "gather",
    "ge",
    "get_default_device",
    "get_float32_matmul_precision",
    "get_num_threads",
    "grad",
    "gradcheck",
    "gt",
    "index_select",
    "int32",
    "int64",
    "interop",
    "is_grad_enabled",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "linspace",
    "log",
    "log1p",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "manual_seed",
    "masked_fill",
    "masked_select",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "models",
    "movedim",
    "ne",
    "nn",
    "no_grad",
    "norm",
    "ones",
    "ones_like",
    "ops",
    "optim",
    "pad",
    "permute",
    "pow",
    "prelu",
    "prod",
    "rand",
    "rand_like",
    "randn",
    "randn_like",
    "reciprocal",
    "relu",
    "remainder",
    "repeat_interleave",
    "reshape",
    "roll",
    "round",
    "rsqrt",
    "scatter_add",
    "set_conv_algorithm",
    "set_default_device",
    "set_float32_matmul_precision",
    "set_grad_enabled",
    "set_num_threads",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "split",
    "sqrt",
    "squeeze",
    "stack",
    "std",
    "sum",
    "tanh",
    "tensor",
    "tensordot",
    "transpose",
    "tril",
    "triu",
    "uint8",
    "unbind",
    "unflatten",
    "unsqueeze",
    "var",
    "where",
    "zeros",
    "zeros_like",
]
