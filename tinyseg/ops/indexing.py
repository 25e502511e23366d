"""Indexing by ints, slices, None, an Ellipsis, and one vector of ints."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from ..autograd import Op
from ..geometry import Field, InputField
from ..tensor_base import Tensor, TensorBase, check_dtype, int64
from .common import filled, new, new_activation, view
from .copying import to
from .gather import index_select

__all__ = ["getitem"]


def _taken(index: tuple[Any, ...], dims: int) -> list[tuple[int, slice] | None]:
    """For each dimension of ``x[index]`` that of x which it is taken from, and the slice; None for a new one."""
    used = sum(item is not None and item is not Ellipsis for item in index)
    rest = [slice(None)] * (dims - used)
    cut = index.index(Ellipsis) if Ellipsis in index else len(index)
    found: list[tuple[int, slice] | None] = []
    dim = 0
    for item in (*index[:cut], *rest, *index[cut + 1 :]):
        if item is None:
            found.append(None)
            continue
        if isinstance(item, slice):
            found.append((dim, item))
        dim += 1
    return found


class Slice(Op):
    """Basic indexing: what was left out has gradient 0."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: tuple[Any, ...]) -> Tensor:
        """A view."""
        ctx.index, ctx.shape = index, x.shape
        return view(x, x.backend.slice_view(x.array, index))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The gradient in its place among zeros."""
        out = filled((new_activation if len(ctx.shape) == 4 else new)(grad, ctx.shape), 0)
        grad.backend.assign(grad.array, grad.backend.slice_view(out.array, ctx.index))
        return out, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """The units from the first of the slice on, in its steps. The whole image where rows (or columns) of the
        result are not those of a map.
        """
        taken = _taken(ctx.index, len(inputs.before))[2 + inputs.axis] if inputs.is_map else None
        if taken is None or taken[0] != 2 + inputs.axis:
            return inputs.whole_image()
        start, _, step = taken[1].indices(inputs.size)
        return inputs.moved(-start, step)


def _is_basic(item: Any) -> bool:
    if isinstance(item, bool):  # an int in Python, but a mask where arrays are indexed
        return False
    return item is None or item is Ellipsis or isinstance(item, (slice, Integral))


def getitem(input: Tensor, index: Any) -> Tensor:
    """``input[index]``: ints, slices, None and an Ellipsis make a view; one list or vector of ints makes a copy.

    Raises ``IndexError`` where NumPy does and ``TypeError`` for what cannot be an index.
    """
    items = index if isinstance(index, tuple) else (index,)
    items = tuple(int(i) if isinstance(i, TensorBase) and i.ndim == 0 and i.dtype.kind in "iu" else i for i in items)
    vectors = [i for i, item in enumerate(items) if not _is_basic(item)]
    if len(vectors) > 1:
        raise TypeError("index: only one of the indices may be a list or tensor; use gather() for more")
    if not vectors:
        return Slice.apply(input, _checked(input, items))
    place = vectors[0]
    chosen = _vector(input, items[place])
    # First everything but the vector, then the vector along the dimension where it now stands.
    basic = _checked(input, (*items[:place], slice(None), *items[place + 1 :]))
    before = items[:place]
    if Ellipsis in before:
        used = sum(1 for item in items if item is not None and item is not Ellipsis)
        before = (*(item for item in before if item is not Ellipsis), *[slice(None)] * (input.ndim - used))
    axis = sum(1 for item in before if item is None or isinstance(item, slice))
    return index_select(Slice.apply(input, basic), axis, to(chosen, device=input.device))


def _vector(input: Tensor, item: Any) -> Tensor:
    chosen: Any = item if isinstance(item, TensorBase) else None
    if isinstance(item, (list, np.ndarray)):
        values = np.asarray(item, dtype=None if len(item) else np.int64)
        check_dtype(values.dtype, "index")
        chosen = input.wrap_numpy(values)
    if chosen is None or chosen.dtype.kind not in "iu" or chosen.ndim != 1:
        what = type(item).__name__ if chosen is None else f"a tensor of {chosen.dtype} with shape {chosen.shape}"
        hint = "; tinyseg.where() chooses by a mask" if chosen is not None and chosen.dtype.kind == "b" else ""
        raise TypeError(f"index: expected ints, slices, None, ... or one vector of integers, got {what}{hint}")
    vector: Tensor = to(chosen, int64)
    return vector


def _checked(x: Tensor, items: tuple[Any, ...]) -> tuple[Any, ...]:
    """The index, if it fits; raises ``IndexError``."""
    used = [item for item in items if item is not None and item is not Ellipsis]
    if len(used) > x.ndim or sum(item is Ellipsis for item in items) > 1:
        raise IndexError(f"index: {len(used)} indices for a tensor of {x.ndim} dimensions")
    before = items[: items.index(Ellipsis)] if Ellipsis in items else items
    first = sum(item is not None for item in before)
    places = [*range(first), *range(x.ndim - (len(used) - first), x.ndim)]
    for place, item in zip(places, used, strict=True):
        if isinstance(item, Integral) and not -x.shape[place] <= item < x.shape[place]:
            raise IndexError(f"index: {item} is out of range for dimension {place} of size {x.shape[place]}")
    return items
