"""A 1-D convolution as a table of letters, as lectures print it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..geometry import convolution_size

ZERO = "0"


@dataclass(frozen=True)
class SymbolicMatrix:
    """A matrix whose entries are letters and zeros. ``@`` multiplies it by a signal of letters; ``.T`` transposes.

    >>> X = SymbolicMatrix((("x", "y"), ("0", "x")))
    >>> print(X.T)
    x 0
    y x
    >>> X @ "ab"
    ['ax+by', 'bx']
    """

    rows: tuple[tuple[str, ...], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.rows), len(self.rows[0])

    @property
    def T(self) -> SymbolicMatrix:
        """The transpose."""
        return SymbolicMatrix(tuple(zip(*self.rows, strict=True)))

    def __matmul__(self, signal: Sequence[str]) -> list[str]:
        """Sums of products, a letter of the signal first; a 0 in the signal is a zero. Raises ``ValueError`` for a
        signal that is not as long as a row.
        """
        if len(signal) != self.shape[1]:
            raise ValueError(f"a matrix of shape {self.shape} takes {self.shape[1]} letters, got {signal!r}")
        products = (
            [a + entry for a, entry in zip(signal, row, strict=True) if ZERO not in (a, entry)] for row in self.rows
        )
        return ["+".join(terms) or ZERO for terms in products]

    def numbers(self, **values: float) -> np.ndarray[Any, Any]:
        """The matrix with a number for each letter; raises ``KeyError`` if one is missing.

        >>> SymbolicMatrix((("x", "0"),)).numbers(x=5)
        array([[5., 0.]])
        """
        known = {ZERO: 0.0, **values}
        return np.array([[known[entry] for entry in row] for row in self.rows], np.float64)

    def __str__(self) -> str:
        return "\n".join(" ".join(row) for row in self.rows)


def symbolic_conv1d(
    kernel: str = "xyz", length: int = 4, stride: int = 1, padding: int = 0, dilation: int = 1, border: bool = True
) -> SymbolicMatrix:
    """The matrix of a 1-D convolution with a letter for each weight.

    Args:
        kernel: a letter for each weight.
        length: of the signal.
        stride, padding, dilation: the convolution's.
        border: the padding has columns, as in lectures: the matrix is for the padded signal, (0, a, b, c, d, 0).
            Without them it is the matrix of ``convolution``, for (a, b, c, d).

    Returns:
        A ``SymbolicMatrix``: row i has the kernel from column i stride on.

    Raises:
        ValueError: the kernel is empty or does not fit into the padded signal.

    >>> X = symbolic_conv1d("xyz", length=4, padding=1)
    >>> print(X)
    x y z 0 0 0
    0 x y z 0 0
    0 0 x y z 0
    0 0 0 x y z
    >>> X @ "0abcd0"
    ['ay+bz', 'ax+by+cz', 'bx+cy+dz', 'cx+dy']
    >>> X.T @ "abcd"
    ['ax', 'ay+bx', 'az+by+cx', 'bz+cy+dx', 'cz+dy', 'dz']
    """
    count = convolution_size(length, len(kernel), stride, padding, dilation) if kernel else 0
    if count < 1:
        raise ValueError(f"symbolic_conv1d: kernel {kernel!r} does not fit into {length} + 2 * {padding} letters")
    rows = [[ZERO] * (length + 2 * padding) for _ in range(count)]
    for i, row in enumerate(rows):
        for tap, letter in enumerate(kernel):
            row[i * stride + tap * dilation] = letter
    return SymbolicMatrix(tuple(tuple(row if border else row[padding : padding + length]) for row in rows))
