"""What all operators need: new tensors, one type for two operands, gradients of what was broadcast."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from ..autograd import is_grad_enabled
from ..tensor_base import Dims, Tensor, TensorBase

Pair = tuple[int, int]
Size = int | Sequence[int]
"""One number for all directions, or one for each."""


def new(like: Tensor, shape: Sequence[int], dtype: Any = None) -> Tensor:
    """An uninitialised tensor on the device of ``like``, in row-major order."""
    return like.wrap(like.backend.empty(tuple(shape), dtype or like.dtype))


def new_activation(like: Tensor, shape: Sequence[int], dtype: Any = None) -> Tensor:
    """An uninitialised N,C,H,W tensor in the memory order that the backend's kernels like best."""
    return like.wrap(like.backend.empty_activation(tuple(shape), dtype or like.dtype))


def new_like(x: Tensor, dtype: Any = None) -> Tensor:
    """An uninitialised tensor of the shape and memory order of ``x``."""
    return x.wrap(x.backend.empty_like(x.array, dtype or x.dtype))


def view(x: Tensor, array: Any) -> Tensor:
    """A tensor of ``array``, which the backend made of ``x``'s: in-place changes of one count for both."""
    return x.alias(array) if x.backend.shares_memory(x.array, array) else x.wrap(array)


def repeated(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """``x`` broadcast to a shape without a copy; the result is not for changing in place."""
    result = view(x, x.backend.broadcast_to(x.array, shape))
    result.repeats = shape != x.shape or x.repeats
    return result


def filled(x: Tensor, value: float) -> Tensor:
    """``x``, which is new and not yet used, with every element ``value``."""
    x.backend.fill(x.array, value)
    return x


def bounds(x: TensorBase) -> tuple[Any, Any]:
    """The smallest and the largest of a tensor's elements, read by the host; there is one at least."""
    axes, one = tuple(range(x.ndim)), (1,) * x.ndim
    low, high = x.backend.empty(one, x.dtype), x.backend.empty(one, x.dtype)
    x.backend.min(x.array, low, axes)
    x.backend.max(x.array, high, axes)
    return x.wrap(low).item(), x.wrap(high).item()


def array_or_none(x: TensorBase | None) -> Any:
    """The array of an optional tensor."""
    return None if x is None else x.array


def need_tensor(who: str, name: str, x: Tensor, ndim: int | None = None, floating: bool = True) -> Tensor:
    """``x``, if it is a tensor of that kind; raises ``TypeError`` or ``ValueError``."""
    if not isinstance(x, TensorBase):
        raise TypeError(f"{who}: {name} must be a Tensor, got {type(x).__name__}; tinyseg.tensor() makes one")
    if floating and not x.is_floating_point:
        raise TypeError(f"{who}: {name} must be float32 or float64, got {x.dtype}; .float() converts it")
    if ndim is not None and x.ndim != ndim:
        raise ValueError(f"{who}: {name} must have {ndim} dimensions, got shape {x.shape}")
    return x


def need_same_type(who: str, **tensors: TensorBase | None) -> None:
    """Raises ``TypeError`` unless all are tensors of one type: float types never mix in silence."""
    given = {name: need_tensor(who, name, x, floating=False).dtype for name, x in tensors.items() if x is not None}
    if len(set(given.values())) > 1:
        listed = ", ".join(f"{name} is {dtype}" for name, dtype in given.items())
        raise TypeError(f"{who}: types differ: {listed}; convert one with .to()")


def need_same_device(who: str, a: TensorBase, b: TensorBase) -> None:
    """Raises ``ValueError`` unless both are on one device: nothing is copied between devices in silence."""
    if a.device != b.device:
        raise ValueError(f"{who}: tensors are on two devices, {a.device!r} and {b.device!r}; move one with .to()")


def need_constant(who: str, name: str, x: TensorBase) -> None:
    """Raises ``ValueError`` if x waits for a gradient that the operator does not have."""
    if x.requires_grad and is_grad_enabled():
        raise ValueError(f"{who}: {name} has no gradient here, but requires one; use {name}.detach()")


def ints(who: str, name: str, value: Any, count: int, least: int = 0, one_for_all: bool = False) -> tuple[int, ...]:
    """An int, for all of ``count`` directions, or one for each; raises ``TypeError`` or ``ValueError``.

    With ``one_for_all`` a sequence of one is taken for an int, as PyTorch's convolutions and pooling do.
    """
    if type(value) is int and value >= least:  # nearly always: the general way asks several times what is what
        return (value,) * count
    given = (value,) * count if isinstance(value, Integral) else value
    if one_for_all and isinstance(given, Sequence) and len(given) == 1:
        given = tuple(given) * count
    whole = isinstance(given, Sequence) and all(isinstance(v, Integral) and type(v) is not bool for v in given)
    if not whole or len(given) != count:
        several = "a pair of ints" if count == 2 else f"a sequence of {count}"
        raise TypeError(f"{who}: {name} must be an int or {several}, got {value!r}")
    if min(given) < least:
        raise ValueError(f"{who}: {name} must be at least {least}, got {value!r}")
    return tuple(int(v) for v in given)


def pair(who: str, name: str, value: Any, least: int = 0) -> Pair:
    """An int or two of them as ``(vertical, horizontal)``; raises ``TypeError`` or ``ValueError``."""
    vertical, horizontal = ints(who, name, value, 2, least)
    return vertical, horizontal


def with_relu(who: str, activation: str | None) -> bool:
    """Whether ``activation`` is 'relu'; raises ``ValueError`` for anything but that and None."""
    if activation is not None and activation != "relu":
        raise ValueError(
            f"{who}: activation must be 'relu' or None, got {activation!r}; apply other functions to the result"
        )
    return activation is not None


def dimension(who: str, dim: int, ndim: int) -> int:
    """``dim`` counted from the front; raises ``IndexError`` where there is none."""
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        raise IndexError(f"{who}: dim {dim} is out of range for a tensor of {ndim} dimensions")
    return dim % max(ndim, 1)


def dimensions(who: str, dim: Dims, ndim: int) -> tuple[int, ...]:
    """``dim`` (an int, several, or None for all) as a sorted tuple; raises ``IndexError`` and ``ValueError``."""
    if dim is None or dim == ():
        return tuple(range(ndim))
    given = [dim] if isinstance(dim, int) else list(dim)
    axes = sorted(dimension(who, d, ndim) for d in given)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{who}: dim {dim} names a dimension twice")
    return tuple(axes) if ndim else ()


def sizes(who: str, given: tuple[Any, ...]) -> tuple[int, ...]:
    """``f(2, 3)`` and ``f((2, 3))`` alike as a tuple of ints."""
    flat = given[0] if len(given) == 1 and isinstance(given[0], Sequence) else given
    if not all(isinstance(size, Integral) for size in flat):
        raise TypeError(f"{who}: sizes must be ints, got {flat!r}")
    return tuple(int(size) for size in flat)


def several(who: str, name: str, value: int | Sequence[int]) -> tuple[int, ...]:
    """An int, or several, as a tuple."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return sizes(who, (tuple(value),))
    if not hasattr(value, "__index__"):
        raise TypeError(f"{who}: {name} must be an int or several, got {value!r}")
    return (int(value),)


def broadcast_shape(who: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that all broadcast to; raises ``ValueError`` where sizes do not match."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(str(shape) for shape in shapes)
        raise ValueError(f"{who}: shapes {listed} cannot be broadcast together") from None


def sum_to(grad: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sums ``grad`` over the dimensions along which a tensor of ``shape`` was repeated: broadcasting's adjoint."""
    if grad.shape == shape:
        return grad
    extra = grad.ndim - len(shape)
    axes = (*range(extra), *(extra + i for i, size in enumerate(shape) if size == 1 and grad.shape[extra + i] != 1))
    kept = tuple(1 if i in axes else size for i, size in enumerate(grad.shape))
    total = new(grad, kept)
    grad.backend.sum(grad.array, total.array, axes)
    return grad.wrap(grad.backend.reshape(total.array, shape))
