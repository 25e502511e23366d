"""The same elements in another order: flip and roll."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from ..autograd import Op
from ..geometry import Field, InputField
from ..tensor_base import Tensor
from .common import dimension, dimensions, need_tensor, new_like, several, sizes
from .shape import reshape

__all__ = ["flip", "roll"]


class Flip(Op):
    """Flipped again, the gradient is back in its place."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        """A copy, as PyTorch's, so that a change in place of one is none of the other."""
        ctx.axes = axes
        return _flipped(x, axes)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Flipped."""
        return _flipped(grad, ctx.axes), None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Unit i sees what unit size - 1 - i saw."""
        flipped = inputs.is_map and 2 + inputs.axis in ctx.axes
        return inputs.moved(1 - inputs.size, -1) if flipped else inputs.unit_by_unit()


def _flipped(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    out = new_like(x)
    turned = tuple(slice(None, None, -1 if i in axes else None) for i in range(x.ndim))
    x.backend.assign(x.backend.slice_view(x.array, turned), out.array)
    return out


class Roll(Op):
    """Rolled back, the gradient is in its place."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, shifts: tuple[int, ...]) -> Tensor:
        """One shift a dimension."""
        ctx.shifts = shifts
        return _rolled(x, shifts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Rolled the other way."""
        return _rolled(grad, tuple(-shift for shift in ctx.shifts)), None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Unit i sees what unit i - shift saw. The image is taken to go on without end, so that what comes back at
        the other end does not matter.
        """
        return inputs.moved(ctx.shifts[2 + inputs.axis]) if inputs.is_map else inputs.whole_image()


def _rolled(x: Tensor, shifts: tuple[int, ...]) -> Tensor:
    """Along each dimension the last elements come first: two pieces, each copied to its place."""
    out = new_like(x)
    pieces = []
    for size, shift in zip(x.shape, shifts, strict=True):
        start = shift % size if size else 0
        both = [(slice(0, size - start), slice(start, size)), (slice(size - start, size), slice(0, start))]
        pieces.append(both if start else both[:1])
    for choice in itertools.product(*pieces):
        source, target = (tuple(part[i] for part in choice) for i in (0, 1))
        x.backend.assign(x.backend.slice_view(x.array, source), x.backend.slice_view(out.array, target))
    return out


def flip(input: Tensor, *dims: Any) -> Tensor:
    """The elements in reverse order along ``dims``; a copy.

    Raises ``IndexError`` where there is no such dimension and ``ValueError`` for one that is named twice.

    >>> import tinyseg
    >>> flip(tinyseg.tensor([[1, 2], [3, 4]]), (0, 1))
    tensor([[4, 3],
           [2, 1]])
    """
    x = need_tensor("flip", "input", input, floating=False)
    wanted = sizes("flip", dims)
    return Flip.apply(x, dimensions("flip", wanted, x.ndim) if wanted else ())


def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """The elements moved on by ``shifts`` along ``dims``; those that go over the end come back at the front.

    Without ``dims`` the flat tensor is rolled. Raises ``ValueError`` unless there is one shift a dimension.

    >>> import tinyseg
    >>> roll(tinyseg.tensor([1, 2, 3, 4]), 1)
    tensor([4, 1, 2, 3])
    """
    x = need_tensor("roll", "input", input, floating=False)
    steps = several("roll", "shifts", shifts)
    if dims is None or dims == ():
        if len(steps) != 1:
            raise ValueError(f"roll: {len(steps)} shifts without dims; the flat tensor is rolled by one")
        return reshape(Roll.apply(reshape(x, -1), steps), x.shape)
    axes = [dimension("roll", axis, x.ndim) for axis in several("roll", "dims", dims)]
    if len(axes) != len(steps):
        raise ValueError(f"roll: {len(steps)} shifts for {len(axes)} dims; there must be one for each")
    if not x.ndim:
        raise IndexError("roll: a tensor without dimensions has none to roll along; leave dims out")
    total = [0] * x.ndim
    for axis, step in zip(axes, steps, strict=True):
        total[axis] += step
    return Roll.apply(x, tuple(total))
