"""Nonlinear functions."""

from __future__ import annotations

from collections.abc import Sequence

from ...ops import softmax as _softmax
from ...tensor import Tensor

Size = int | Sequence[int]


def log_softmax(input: Tensor, dim: int) -> Tensor:
    """log(exp(x) / sum exp(x)) along ``dim``, without overflow.

    Raises ``IndexError`` for a ``dim`` that is not there.

    >>> import tinyseg
    >>> log_softmax(tinyseg.tensor([0.0, 0.0]), dim=0)
    tensor([-0.6931472, -0.6931472])
    """
    return _softmax.log_softmax(input, dim)


def softmax(input: Tensor, dim: int) -> Tensor:
    """exp(x) / sum exp(x) along ``dim``, without overflow.

    >>> import tinyseg
    >>> softmax(tinyseg.tensor([1000.0, 1000.0]), dim=0)
    tensor([0.5, 0.5])
    """
    return _softmax.log_softmax(input, dim).exp()
