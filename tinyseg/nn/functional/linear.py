"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence

from ...ops import matmul as _matmul
from ...tensor import Tensor

Size = int | Sequence[int]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x weight^T + bias.

    Args:
        input: x, float (..., features).
        weight: (outputs, features).
        bias: (outputs,) or None.

    Returns:
        (..., outputs).

    Raises:
        ValueError, TypeError: shapes or types do not fit.

    >>> import tinyseg
    >>> linear(tinyseg.tensor([1.0, 2.0]), tinyseg.tensor([[3.0, 4.0]]), tinyseg.tensor([0.5]))
    tensor([11.5])
    """
    return _matmul.linear(input, weight, bias)
