"""Reductions over dimensions: sum, product, mean, largest and smallest elements and where they stand, any and all."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

from ..autograd import Op
from ..geometry import Field, InputField
from ..tensor_base import Dims, Tensor, TensorBase, bool_, float32, int64
from .common import dimension, dimensions, filled, need_tensor, new, repeated
from .copying import to
from .elementwise import divide, equal, maximum, minimum, multiply, not_equal, where
from .gather import gather
from .shape import reshape

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "max",
    "mean",
    "min",
    "prod",
    "sum",
]


def _kept(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 if i in axes else size for i, size in enumerate(shape))


def reduced(kernel: Callable[..., None], x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """One kernel of the backend over the axes, which are kept with size 1."""
    out = new(x, _kept(x.shape, axes))
    kernel(x.array, out.array, axes)
    return out


def without(x: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    """What was reduced over the axes without them, unless they are to be kept."""
    return x if keepdim else reshape(x, tuple(size for i, size in enumerate(x.shape) if i not in axes))


class Sum(Op):
    """Every element counts once, so each gets its sum's gradient."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Dimensions are kept with size 1."""
        ctx.shape = x.shape
        return reduced(x.backend.sum, x, axes)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The gradient, repeated without a copy."""
        return repeated(grad, ctx.shape), None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """The whole image along a dimension that is reduced."""
        return inputs.unit_by_unit()


class Extremum(Op):
    """Largest or smallest elements; those that are equal share the gradient."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, largest: bool, axes: tuple[int, ...]) -> Tensor:
        """The largest elements, or the smallest."""
        out = reduced(x.backend.max if largest else x.backend.min, x, axes)
        ctx.axes = axes
        ctx.save_for_backward(x, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """To the winners, in equal parts."""
        x, out = ctx.saved_tensors
        wins = to(equal(x, out), x.dtype)
        return multiply(wins, divide(grad, reduced(x.backend.sum, wins, ctx.axes))), None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """The whole image along a dimension that is reduced."""
        return inputs.unit_by_unit()


class Prod(Op):
    """d(x1 x2 ...)/dx1 = x2 ..., which is the product divided by x1, but where x1 is 0."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Dimensions are kept with size 1."""
        out = reduced(x.backend.prod, x, axes)
        ctx.axes = axes
        ctx.save_for_backward(x, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """A single 0 has the product of the others for a slope, and these have 0; beside a second 0 it has 0 too."""
        x, out = ctx.saved_tensors
        zero = equal(x, 0.0)
        if not bool(any(zero)):
            return divide(multiply(grad, out), x), None
        others = where(zero, 1.0, x)
        alone = equal(reduced(x.backend.sum, to(zero, x.dtype), ctx.axes), 1.0)
        slope = where(alone, reduced(x.backend.prod, others, ctx.axes), 0.0)
        return multiply(grad, where(zero, slope, divide(out, others))), None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """The whole image along a dimension that is reduced."""
        return inputs.unit_by_unit()


def _counted(x: Tensor, dtype: Any) -> Tensor:
    """x in the type in which it is added up: the one asked for, or int64 of bools and integers."""
    if dtype is not None:
        return to(x, dtype)
    return x if x.is_floating_point else to(x, int64)


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum over ``dim`` (an int, several, or all); bools and small integers are counted in int64.

    With ``keepdim`` the dimensions stay with size 1; with ``dtype`` input is converted first.

    >>> import tinyseg
    >>> sum(tinyseg.tensor([[1.0, 2.0], [3.0, 4.0]]), 0)
    tensor([4., 6.])
    """
    x = need_tensor("sum", "input", input, floating=False)
    axes = dimensions("sum", dim, x.ndim)
    return without(Sum.apply(_counted(x, dtype), axes), axes, keepdim)


def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum divided by the number of elements; NaN over none. Raises ``TypeError`` for integers, unless a floating
    ``dtype`` is given, to which they are converted first.

    >>> import tinyseg
    >>> mean(tinyseg.tensor([[1.0, 3.0], [2.0, 4.0]]), 1)
    tensor([2., 3.])
    """
    x = input if dtype is None else to(need_tensor("mean", "input", input, floating=False), dtype)
    x = need_tensor("mean", "input", x)
    axes = dimensions("mean", dim, x.ndim)
    count = math.prod(x.shape[i] for i in axes)
    total = sum(x, axes, keepdim)
    return multiply(total, 1.0 / count if count else math.nan)


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Product of all elements, or along ``dim``; 1 of none. Bools and small integers are multiplied in int64.

    The gradient is right beside zeros, too. With ``keepdim`` the dimension stays with size 1; with ``dtype`` input is
    converted first. Raises ``TypeError`` for several dimensions.

    >>> import tinyseg
    >>> x = tinyseg.tensor([2.0, 0.0, 4.0], requires_grad=True)
    >>> prod(x).backward()
    >>> x.grad
    tensor([0., 8., 0.])
    """
    x = need_tensor("prod", "input", input, floating=False)
    if dim is not None and not isinstance(dim, Integral):
        raise TypeError(f"prod: dim must be an int or None, got {dim!r}; take one product after the other")
    axes = dimensions("prod", dim, x.ndim)
    return without(Prod.apply(_counted(x, dtype), axes), axes, keepdim)


def _extremum(who: str, largest: bool, x: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    need_tensor(who, "input", x, floating=False)
    axes = dimensions(who, dim, x.ndim)
    if 0 in (x.shape[i] for i in axes):
        raise ValueError(f"{who}: no element to choose from in shape {x.shape} over dim {axes}")
    return without(Extremum.apply(x, largest, axes), axes, keepdim)


def amax(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Largest elements over ``dim`` (an int, several, or all); NaN if any is. Equal ones share the gradient evenly.

    Raises ``ValueError`` where there is no element.

    >>> import tinyseg
    >>> amax(tinyseg.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=(0, 1))
    tensor(7.)
    """
    return _extremum("amax", True, input, dim, keepdim)


def amin(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Smallest elements over ``dim`` (an int, several, or all); NaN if any is. Equal ones share the gradient evenly.

    Raises ``ValueError`` where there is no element.

    >>> import tinyseg
    >>> amin(tinyseg.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1, keepdim=True)
    tensor([[1.],
            [2.]])
    """
    return _extremum("amin", False, input, dim, keepdim)


def _position(who: str, largest: bool, x: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    x = need_tensor(who, "input", x, floating=False).detach()
    x = to(x, float32) if x.dtype == bool_ else x
    if dim is None:
        place = _position(who, largest, reshape(x, -1), 0, False)
        return reshape(place, (1,) * x.ndim) if keepdim else place
    axis = dimension(who, dim, x.ndim)
    if not x.ndim:
        return _position(who, largest, reshape(x, 1), 0, False)
    if x.shape[axis] == 0:
        raise ValueError(f"{who}: no element to choose from in shape {x.shape} along dim {axis}")
    out = new(x, _kept(x.shape, (axis,)), int64)
    kernel = x.backend.argmax if largest else x.backend.argmin
    kernel(x.array, out.array, axis)
    return without(out, (axis,), keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index (int64) of the first largest element, of the flat tensor or along ``dim``; a NaN is the largest.

    >>> import tinyseg
    >>> argmax(tinyseg.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    tensor([1, 0])
    """
    return _position("argmax", True, input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index (int64) of the first smallest element, of the flat tensor or along ``dim``; a NaN is the smallest.

    >>> import tinyseg
    >>> argmin(tinyseg.tensor([3.0, 1.0, 2.0]))
    tensor(1)
    """
    return _position("argmin", False, input, dim, keepdim)


class MaxResult(NamedTuple):
    """What ``max`` and ``min`` over one dimension give."""

    values: Any
    indices: Any


def _best(who: str, largest: bool, x: Tensor, dim: int | None, keepdim: bool) -> Any:
    if dim is None:
        return _extremum(who, largest, x, None, keepdim)
    axis = dimension(who, dim, x.ndim)
    if not x.ndim:
        return _best(who, largest, reshape(x, 1), 0, False)
    indices = _position(f"arg{who}", largest, x, axis, True)
    values = gather(x, axis, indices)
    return MaxResult(without(values, (axis,), keepdim), without(indices, (axis,), keepdim))


def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """The largest element, equal ones sharing the gradient; with ``dim`` the pair (values, indices) along it,
    where the gradient goes to the index. With a second tensor in place of ``dim`` the larger of the two.

    >>> import tinyseg
    >>> max(tinyseg.tensor([[1.0, 5.0], [7.0, 2.0]]), 1)
    MaxResult(values=tensor([5., 7.]), indices=tensor([1, 0]))
    """
    return maximum(input, dim) if isinstance(dim, TensorBase) else _best("max", True, input, dim, keepdim)


def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """The smallest element, equal ones sharing the gradient; with ``dim`` the pair (values, indices) along it,
    where the gradient goes to the index. With a second tensor in place of ``dim`` the smaller of the two.

    >>> import tinyseg
    >>> min(tinyseg.tensor([3.0, 1.0, 2.0]))
    tensor(1.)
    """
    return minimum(input, dim) if isinstance(dim, TensorBase) else _best("min", False, input, dim, keepdim)


def _truth(who: str, largest: bool, x: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    """The smallest or largest truth, False being the smaller one."""
    need_tensor(who, "input", x, floating=False)
    axes = dimensions(who, dim, x.ndim)
    truth = x if x.dtype == bool_ else not_equal(x.detach(), 0)
    if 0 in (x.shape[i] for i in axes):
        out = filled(new(x, _kept(x.shape, axes), bool_), not largest)
    else:
        out = reduced(x.backend.max if largest else x.backend.min, truth, axes)
    return without(out, axes, keepdim)


def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """True (bool) where no element over ``dim`` (an int, several, or all) is 0 or False; so of no elements.

    >>> import tinyseg
    >>> all(tinyseg.tensor([[1.0, 0.0], [2.0, 3.0]]), dim=1)
    tensor([False,  True])
    """
    return _truth("all", False, input, dim, keepdim)


def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """True (bool) where some element over ``dim`` (an int, several, or all) is neither 0 nor False; not of none.

    >>> import tinyseg
    >>> any(tinyseg.tensor([[0.0, 0.0], [2.0, 0.0]]), dim=1)
    tensor([False,  True])
    """
    return _truth("any", True, input, dim, keepdim)
