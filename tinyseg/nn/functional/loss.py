"""Losses."""

from __future__ import annotations

from collections.abc import Sequence

from ...ops import softmax as _softmax
from ...tensor import Tensor

Size = int | Sequence[int]


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Softmax cross-entropy of class logits: l = -w[t] log(exp(x[t]) / sum_c exp(x[c])) for each pixel's label t.

    Pixels whose label is ``ignore_index`` count nothing, whatever their logits are.

    Args:
        input: logits, float (N, C, H, W); also (C,), (N, C) and (N, C, L).
        target: integer class indices (N, H, W); likewise (), (N,), (N, L).
        weight: (C,), one for each class, or None for 1.
        ignore_index: the label of pixels that do not count.
        reduction: 'none': each pixel's l; 'sum': their sum; 'mean': their sum divided by the sum of w[t], which is
            NaN if every pixel is ignored.

    Returns:
        A tensor without dimensions, or of target's shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit. IndexError: a label that is no class.

    >>> import tinyseg
    >>> cross_entropy(tinyseg.zeros(1, 4), tinyseg.tensor([2])).item() == tinyseg.log(tinyseg.tensor(4.0)).item()
    True
    """
    return _softmax.cross_entropy(input, target, weight, ignore_index, reduction)
