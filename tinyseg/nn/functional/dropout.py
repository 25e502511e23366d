"""Leaving out at random."""

from __future__ import annotations

from collections.abc import Sequence

from ...ops import dropout as _dropout
from ...random import Generator
from ...tensor import Tensor

Size = int | Sequence[int]


def dropout(input: Tensor, p: float = 0.5, training: bool = True, generator: Generator | None = None) -> Tensor:
    """Sets each element to 0 with probability ``p`` and multiplies the others by 1 / (1 - p); the identity if not
    ``training``. Random numbers come from ``generator`` (default: the one that ``manual_seed`` seeds).

    Raises ``ValueError`` unless 0 <= p <= 1. Source: Srivastava et al. 2014.

    >>> import tinyseg
    >>> dropout(tinyseg.ones(3), p=0.5, training=False)
    tensor([1., 1., 1.])
    """
    return _dropout.dropout(input, p, training, generator)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, generator: Generator | None = None) -> Tensor:
    """``dropout`` of whole channels of N,C,H,W: neighbouring pixels are too much alike to be dropped one by one.

    Source: Tompson et al. 2015.

    >>> import tinyseg
    >>> y = dropout2d(tinyseg.ones(1, 8, 2, 2), p=0.5)
    >>> bool((y[:, :, 0, 0] == y[:, :, 1, 1]).all())
    True
    """
    return _dropout.dropout2d(input, p, training, generator)
