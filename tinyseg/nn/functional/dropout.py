"""Leaving out at random."""

from __future__ import annotations

from ...ops import dropout as _dropout
from ...random import Generator
from ...tensor import Tensor


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Sets each element to 0 with probability ``p`` and multiplies the others by 1 / (1 - p); the identity if not
    ``training``. Random numbers come from ``generator`` (default: the one that ``manual_seed`` seeds).

    ``inplace`` is accepted for PyTorch's sake: ``input`` is left alone.

    Raises ``ValueError`` unless 0 <= p <= 1, ``TypeError`` for integers. Source: Srivastava et al. 2014.

    >>> import tinyseg
    >>> dropout(tinyseg.ones(3), p=0.5, training=False)
    tensor([1., 1., 1.])
    """
    return _dropout.dropout(input, p, training, generator)


def dropout2d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """``dropout`` of whole channels of N,C,H,W: neighbouring pixels are too much alike to be dropped one by one.

    Three dimensions are N,C,L, as PyTorch takes them, not an image without its batch; any other number of them
    raises ``ValueError``. For the rest see ``dropout``. Source: Tompson et al. 2015.

    >>> import tinyseg
    >>> y = dropout2d(tinyseg.ones(1, 8, 2, 2), p=0.5)
    >>> bool((y[:, :, 0, 0] == y[:, :, 1, 1]).all())
    True
    """
    return _dropout.dropout2d(input, p, training, generator)
