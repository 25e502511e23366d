"""Reductions over dimensions: sum, mean, largest and smallest elements and where they stand."""

from __future__ import annotations

import math
from typing import Any

from ..autograd import Op
from ..tensor import Dims, MaxResult, Tensor, bool_, float32, int64, operator
from .common import dimension, dimensions, need_tensor, new, repeated
from .elementwise import equal, maximum, minimum, not_equal
from .gather import gather


def _kept(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 if i in axes else size for i, size in enumerate(shape))


def _reduce(kernel: str, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    out = new(x, _kept(x.shape, axes))
    getattr(x.backend, kernel)(x.array, out.array, axes)
    return out


def _without(x: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    return x if keepdim else x.reshape(tuple(size for i, size in enumerate(x.shape) if i not in axes))


class Sum(Op):
    """Every element counts once, so each gets its sum's gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Dimensions are kept with size 1."""
        ctx.shape = x.shape
        return _reduce("sum", x, axes)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The gradient, repeated without a copy."""
        return repeated(grad, ctx.shape), None


class Extremum(Op):
    """Largest or smallest elements; those that are equal share the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: str, axes: tuple[int, ...]) -> Tensor:
        """``kernel`` is max or min."""
        out = _reduce(kernel, x, axes)
        ctx.axes = axes
        ctx.save_for_backward(x, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """To the winners, in equal parts."""
        x, out = ctx.saved_tensors
        wins = equal(x, out).to(x.dtype)
        return wins * (grad / _reduce("sum", wins, ctx.axes)), None, None


@operator
def sum(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Sum over ``dim`` (an int, several, or all); bools and small integers are counted in int64."""
    x = need_tensor("sum", "input", input, floating=False)
    axes = dimensions("sum", dim, x.ndim)
    x = x if x.is_floating_point else x.to(int64)
    return _without(Sum.apply(x, axes), axes, keepdim)


@operator
def mean(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Sum divided by the number of elements; NaN over none. Raises ``TypeError`` for integers."""
    x = need_tensor("mean", "input", input)
    axes = dimensions("mean", dim, x.ndim)
    count = math.prod(x.shape[i] for i in axes)
    total = sum(x, axes, keepdim)
    return total * (1.0 / count) if count else total * math.nan


def _extremum(kernel: str, x: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    need_tensor(f"a{kernel}", "input", x, floating=False)
    axes = dimensions(f"a{kernel}", dim, x.ndim)
    if 0 in (x.shape[i] for i in axes):
        raise ValueError(f"{kernel}: no element to choose from in shape {x.shape} over dim {axes}")
    return _without(Extremum.apply(x, kernel, axes), axes, keepdim)


@operator
def amax(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Largest elements over ``dim``; NaN if any is. Raises ``ValueError`` where there is no element."""
    return _extremum("max", input, dim, keepdim)


@operator
def amin(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Smallest elements over ``dim``; NaN if any is. Raises ``ValueError`` where there is no element."""
    return _extremum("min", input, dim, keepdim)


def _position(kernel: str, x: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    x = need_tensor(kernel, "input", x, floating=False).detach()
    x = x.to(float32) if x.dtype == bool_ else x
    if dim is None:
        place = _position(kernel, x.reshape(-1), 0, False)
        return place.reshape((1,) * x.ndim) if keepdim else place
    axis = dimension(kernel, dim, x.ndim)
    if not x.ndim:
        return _position(kernel, x.reshape(1), 0, False)
    if x.shape[axis] == 0:
        raise ValueError(f"{kernel}: no element to choose from in shape {x.shape} along dim {axis}")
    out = new(x, _kept(x.shape, (axis,)), int64)
    getattr(x.backend, kernel)(x.array, out.array, axis)
    return _without(out, (axis,), keepdim)


@operator
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index (int64) of the first largest element, of the flat tensor or along ``dim``; a NaN is the largest."""
    return _position("argmax", input, dim, keepdim)


@operator
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index (int64) of the first smallest element, of the flat tensor or along ``dim``; a NaN is the smallest."""
    return _position("argmin", input, dim, keepdim)


def _best(name: str, x: Tensor, dim: int | None, keepdim: bool) -> Any:
    if dim is None:
        return _extremum(name, x, None, keepdim)
    axis = dimension(name, dim, x.ndim)
    if not x.ndim:
        return _best(name, x.reshape(1), 0, False)
    indices = _position(f"arg{name}", x, axis, True)
    values = gather(x, axis, indices)
    return MaxResult(_without(values, (axis,), keepdim), _without(indices, (axis,), keepdim))


@operator
def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """The largest element, equal ones sharing the gradient; with ``dim`` the pair (values, indices) along it,
    where the gradient goes to the index. With a second tensor in place of ``dim`` the larger of the two.
    """
    return maximum(input, dim) if isinstance(dim, Tensor) else _best("max", input, dim, keepdim)


@operator
def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """The smallest element, equal ones sharing the gradient; with ``dim`` the pair (values, indices) along it,
    where the gradient goes to the index. With a second tensor in place of ``dim`` the smaller of the two.
    """
    return minimum(input, dim) if isinstance(dim, Tensor) else _best("min", input, dim, keepdim)


@operator
def all(input: Tensor) -> Tensor:
    """True if no element is 0 (or False)."""
    return sum(equal(input.detach(), 0)) == 0


@operator
def any(input: Tensor) -> Tensor:
    """True if some element is not 0 (or False)."""
    return sum(not_equal(input.detach(), 0)) > 0
