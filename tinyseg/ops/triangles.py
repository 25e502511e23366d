"""The lower and the upper triangles of matrices."""

from __future__ import annotations

import numpy as np

from ..tensor_base import Tensor
from .common import need_tensor
from .elementwise import where

__all__ = ["tril", "triu"]


def _triangle(who: str, x: Tensor, diagonal: int, lower: bool) -> Tensor:
    if need_tensor(who, "input", x, floating=False).ndim < 2:
        raise ValueError(f"{who}: input must have at least 2 dimensions, got shape {x.shape}")
    rows, columns = x.shape[-2:]
    below = np.tri(rows, columns, diagonal if lower else diagonal - 1, dtype=bool)
    return where(x.wrap_numpy(below if lower else ~below), x, x.dtype.type(0).item())


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of each matrix: input[..., i, j] where j <= i + diagonal, else 0.

    >>> import tinyseg
    >>> tril(tinyseg.ones(2, 2))
    tensor([[1., 0.],
           [1., 1.]])
    """
    return _triangle("tril", input, diagonal, lower=True)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of each matrix: input[..., i, j] where j >= i + diagonal, else 0.

    >>> import tinyseg
    >>> triu(tinyseg.ones(2, 2), diagonal=1)
    tensor([[0., 1.],
            [0., 0.]])
    """
    return _triangle("triu", input, diagonal, lower=False)
