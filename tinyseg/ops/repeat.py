"""Elements repeated: as a view where the shape allows it, else as copies."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor, operator, tensor
from .common import dimension, need_tensor, sizes
from .gather import index_select
from .shape import contiguous, expand, flatten, reshape, unsqueeze


@operator
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` repeated without a copy to ``other``'s shape; see ``Tensor.expand``."""
    return expand(input, need_tensor("expand_as", "other", other, floating=False).shape)


@operator
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """Dimensions of size 1 repeated without a copy, new ones put in front; -1 leaves a size. A view.

    Raises ``ValueError`` where sizes do not match.

    >>> import tinyseg
    >>> broadcast_to(tinyseg.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
           [1, 2]])
    """
    return expand(need_tensor("broadcast_to", "input", input, floating=False), size)


@operator
def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """The whole tensor so many times along each dimension; more numbers than dimensions put new ones in front.

    Raises ``ValueError`` for fewer numbers than dimensions, and negative ones.

    >>> import tinyseg
    >>> repeat(tinyseg.tensor([1, 2]), 2, 2)
    tensor([[1, 2, 1, 2],
           [1, 2, 1, 2]])
    """
    x = need_tensor("repeat", "input", input, floating=False)
    times = sizes("repeat", repeats)
    if len(times) < x.ndim or min(times, default=0) < 0:
        raise ValueError(f"repeat: expected a number >= 0 for each of the {x.ndim} dimensions (or more), got {times}")
    shape = (1,) * (len(times) - x.ndim) + x.shape
    apart = reshape(x, tuple(n for size in shape for n in (1, size)))
    whole = expand(apart, tuple(n for pair in zip(times, shape, strict=True) for n in pair))
    # copied before reshape, which would leave a view where nothing, or a single element, is repeated
    return reshape(contiguous(whole), tuple(count * size for count, size in zip(times, shape, strict=True)))


@operator
def repeat_interleave(input: Tensor, repeats: int | Tensor, dim: int | None = None) -> Tensor:
    """Each element so many times in a row along ``dim``, or of the flat tensor.

    ``repeats`` is one number, or a vector of integers with one for each element of the dimension. Raises
    ``ValueError`` for negative numbers, and a vector of another length.

    >>> import tinyseg
    >>> repeat_interleave(tinyseg.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    >>> repeat_interleave(tinyseg.tensor([1, 2]), tinyseg.tensor([3, 1]))
    tensor([1, 1, 1, 2])
    """
    x = need_tensor("repeat_interleave", "input", input, floating=False)
    x = reshape(x, -1) if dim is None or not x.ndim else x
    axis = 0 if dim is None else dimension("repeat_interleave", dim, input.ndim)
    given = repeats.tolist() if isinstance(repeats, Tensor) else repeats
    if (isinstance(repeats, Tensor) and repeats.dtype.kind not in "iu") or isinstance(given, (bool, float)):
        raise TypeError(f"repeat_interleave: repeats must be integers, got {repeats!r}")
    counts = np.asarray(given, np.int64).reshape(-1)
    if counts.size not in (1, x.shape[axis]) or counts.min(initial=0) < 0:
        raise ValueError(
            f"repeat_interleave: repeats must be one number >= 0 or {x.shape[axis]} of them, got {given!r}"
        )
    if counts.size == 1:
        shape = (*x.shape[: axis + 1], int(counts[0]), *x.shape[axis + 1 :])
        return flatten(contiguous(expand(unsqueeze(x, axis + 1), shape)), axis, axis + 1)
    places = np.repeat(np.arange(x.shape[axis]), counts)
    return index_select(x, axis, tensor(places, dtype=np.int64, device=x.device))
