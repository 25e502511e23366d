"""Convolution, pooling and upsampling as what they are, matrices: ``X @ a.ravel() == op(a).ravel()``.

``matrix_of`` finds the matrix of any linear function of a tensor by trying; the others build theirs from the
definition, for one image. The matrix of an operator's gradient is the transpose, ``X.T``; so a transposed convolution
is called what it is. ``symbolic_conv1d`` prints the picture with letters that lectures show. Needs SciPy, and is
imported by name: ``from tinyseg import linear_maps``.

>>> import tinyseg
>>> from tinyseg import linear_maps
>>> import tinyseg.nn.functional as F
>>> weight = tinyseg.tensor([[[[1.0, 2.0, 3.0]]]])
>>> X = linear_maps.matrix_of(lambda a: F.conv2d(a, weight, stride=(1, 2), padding=(0, 1)), (1, 1, 1, 4))
>>> print(X.toarray())
[[2. 3. 0. 0.]
 [0. 1. 2. 3.]]
>>> (X != linear_maps.convolution(weight, (1, 4), stride=(1, 2), padding=(0, 1))).nnz
0
"""

from .matrices import (
    bilinear,
    convolution,
    max_pooling,
    max_unpooling,
    nearest,
    transposed_convolution,
)
from .probe import matrix_of
from .symbolic import SymbolicMatrix, symbolic_conv1d

__all__ = [
    "SymbolicMatrix",
    "bilinear",
    "convolution",
    "matrix_of",
    "max_pooling",
    "max_unpooling",
    "nearest",
    "symbolic_conv1d",
    "transposed_convolution",
]
