"""Nonlinear functions. ``inplace`` is accepted for PyTorch's sake: ``input`` is always left alone."""

from __future__ import annotations

from typing import Any

from ...ops import activation as _activation
from ...ops import elementwise as _elementwise
from ...ops import softmax as _softmax
from ...tensor import Tensor


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); NaN stays NaN. Source: Nair and Hinton 2010.

    >>> import tinyseg
    >>> relu(tinyseg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return _elementwise.relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope * x: no unit is ever dead.

    Any shape, float. Raises ``TypeError`` for integers. Source: Maas et al. 2013.

    >>> import tinyseg
    >>> leaky_relu(tinyseg.tensor([-1.0, 2.0]), 0.5)
    tensor([-0.5,  2. ])
    """
    return _activation.leaky_relu(input, negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight * x, with a slope that is learnt.

    Args:
        input: any shape, float; the second dimension counts channels, as in (N, C, H, W).
        weight: (C,), a slope for each channel, or (1,) for all.

    Returns:
        A tensor of input's shape.

    Raises:
        ValueError, TypeError: weight has another number of elements, or another type.

    Source: He et al. 2015.

    >>> import tinyseg
    >>> prelu(tinyseg.tensor([[-1.0, -1.0]]), tinyseg.tensor([0.5, 0.25]))
    tensor([[-0.5 , -0.25]])
    """
    return _activation.prelu(input, weight)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (exp(x) - 1), accurate also near 0.

    Any shape, float. Raises ``TypeError`` for integers. Source: Clevert et al. 2016.

    >>> import tinyseg
    >>> elu(tinyseg.tensor([-100.0, 0.0, 2.0]))
    tensor([-1.,  0.,  2.])
    """
    return _activation.elu(input, alpha)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x P(X < x) of a normal X: x (1 + erf(x / sqrt(2))) / 2.

    With ``approximate='tanh'`` it is x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, at most 0.0005 away.

    Any shape, float. Raises ``ValueError`` for any other ``approximate``, ``TypeError`` for integers.
    Source: Hendrycks and Gimpel 2016.

    >>> import tinyseg
    >>> gelu(tinyseg.tensor([-100.0, 0.0, 100.0]))
    tensor([ -0.,   0., 100.])
    """
    return _activation.gelu(input, approximate)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), without overflow. Integers become float32.

    >>> import tinyseg
    >>> sigmoid(tinyseg.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0. , 0.5, 1. ])
    """
    return _elementwise.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)), without overflow. Integers become float32.

    >>> import tinyseg
    >>> tanh(tinyseg.tensor([-1000.0, 0.0, 1000.0]))
    tensor([-1.,  0.,  1.])
    """
    return _elementwise.tanh(input)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, a smooth ReLU; x itself where beta * x > threshold.

    Any shape, float. Raises ``TypeError`` for integers. Source: Dugas et al. 2001.

    >>> import tinyseg
    >>> softplus(tinyseg.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.000000e+00, 6.931472e-01, 1.000000e+03])
    """
    return _activation.softplus(input, beta, threshold)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """log(exp(x) / sum exp(x)) along ``dim``, without overflow; of ``input.to(dtype)`` if a type is given.

    Of no elements it gives none. Raises ``IndexError`` for a ``dim`` that is not there, ``TypeError`` for integers.

    >>> import tinyseg
    >>> log_softmax(tinyseg.tensor([0.0, 0.0]), dim=0)
    tensor([-0.6931472, -0.6931472])
    """
    return _softmax.log_softmax(input, dim, dtype)


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(x) / sum exp(x) along ``dim``, without overflow; of ``input.to(dtype)`` if a type is given.

    Raises as ``log_softmax`` does.

    >>> import tinyseg
    >>> softmax(tinyseg.tensor([1000.0, 1000.0]), dim=0)
    tensor([0.5, 0.5])
    """
    return _softmax.softmax(input, dim, dtype)
