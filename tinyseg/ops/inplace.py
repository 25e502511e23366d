"""Changes in place.

``x += y`` is ``x.add_(y)``: the memory of x takes the new values, and every tensor that shares it sees them. Where a
gradient is required, arithmetic is recorded, and x becomes the operator's result. Three kinds of change are not
recorded, and raise, lest a gradient miss them: of a leaf that requires a gradient; of a view of a tensor that is in
use, whose past would change, too; and those that are no arithmetic (``fill_``, ``copy_``, assignment to elements).

Memory has a version, shared by all views of it, that every change moves on: an operator that saved the old values
for its backward will notice (``Context.saved_tensors``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import Op, is_grad_enabled, no_grad
from ..errors import GraphError
from ..random import Generator, default_generator
from ..tensor_base import Number, Tensor, TensorBase
from .common import broadcast_shape, need_same_device, need_tensor
from .copying import clone, to
from .elementwise import (
    Add,
    Divide,
    Multiply,
    Pow,
    Remainder,
    Subtract,
    divisible,
    floor_divide,
    power,
    quotient,
    summands,
)
from .indexing import getitem
from .logic import bools, logical_and, logical_or, logical_xor
from .operands import matched

__all__ = [
    "add_",
    "bitwise_and_",
    "bitwise_or_",
    "bitwise_xor_",
    "copy_",
    "div_",
    "fill_",
    "floor_divide_",
    "lerp_",
    "mul_",
    "normal_",
    "pow_",
    "remainder_",
    "setitem_",
    "sub_",
    "uniform_",
]


def _missed(*tensors: Any) -> bool:
    """Whether a gradient would miss a change that is not recorded."""
    return is_grad_enabled() and any(isinstance(t, TensorBase) and t.requires_grad for t in tensors)


def _refuse(who: str, where: str) -> None:
    raise GraphError(
        f"{who}: changes in place are not recorded{where}, and a gradient would miss this one; use the form that "
        "makes a new tensor (x = x + y), detach(), or a no_grad() block"
    )


def changing(who: str, x: Tensor, *sources: Any) -> Tensor:
    """``x``, about to be written to by what is not recorded."""
    if _missed(x, *sources):
        _refuse(who, "")
    x.need_own_memory(who)
    x.version.count += 1
    return x


def _recordable(who: str, x: Tensor, *sources: Any) -> Tensor:
    """``x``, if it may become the result of a recorded operator, or need not."""
    if _missed(x, *sources):
        if x.is_leaf and x.requires_grad and not x.stale:
            _refuse(who, " in a leaf that requires a gradient")
        if x.kin is not None and not x.kin.is_base(x) and x.kin.others(x):
            _refuse(who, " through a view of a tensor that is still in use")
    x.need_own_memory(who)
    return x


def fitting(who: str, x: Tensor, source: Any) -> Any:
    """The source's array, of x's type, if it can be broadcast to x."""
    if not isinstance(source, TensorBase):
        if isinstance(source, float) and not x.is_floating_point:
            raise TypeError(f"{who}: a tensor of {x.dtype} cannot take {source!r} in place; .float() converts it")
        return source
    if broadcast_shape(who, x.shape, source.shape) != x.shape:
        raise ValueError(f"{who}: shape {source.shape} cannot be broadcast to {x.shape}")
    need_same_device(who, x, source)
    if source.is_floating_point and source.dtype != x.dtype:
        raise TypeError(f"{who}: types differ: {x.dtype} and {source.dtype}; convert one with .to()")
    return _apart(x, to(source.detach(), x.dtype)).array


def _apart(x: Tensor, source: Tensor) -> Tensor:
    """The source, in other memory if it is another view of x's, which is written to while it is read."""
    return clone(source) if source.version is x.version and source.array is not x.array else source


def _fits(who: str, x: Tensor, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Raises ``TypeError`` or ``ValueError`` unless x can hold a result of that type, broadcast with that shape."""
    if broadcast_shape(who, x.shape, shape) != x.shape:
        raise ValueError(f"{who}: shape {shape} cannot be broadcast to {x.shape}")
    if not np.can_cast(dtype, x.dtype, "same_kind") and not (dtype.kind in "iu" and x.dtype.kind in "iu"):
        raise TypeError(
            f"{who}: types differ: a tensor of {x.dtype} cannot take a result of {dtype} in place; convert it with "
            ".to(), or use the form that makes a new tensor"
        )


def _update(who: str, op: type[Op], x: Tensor, other: Any, operands: tuple[Any, Any]) -> Tensor:
    """``x`` as the result of ``op`` of the operands, x and other with one type."""
    a, b = operands
    _fits(who, x, a.dtype, b.shape if isinstance(b, TensorBase) else ())
    _recordable(who, x, other)
    return op.apply_(x, a, _apart(x, b) if isinstance(b, TensorBase) else b)


def _replace(who: str, compute: Callable[[Any, Any], Tensor], x: Tensor, other: Any, operands: Any) -> Tensor:
    """``x`` with the values that ``compute`` makes of the operands, x and other with one type; no gradient flows
    through it. What does not fit is found before, so that the message has the name of the change in place.
    """
    a, b = operands
    _fits(who, x, a.dtype, b.shape if isinstance(b, TensorBase) else ())
    with no_grad():
        result = compute(a, b)
    x.backend.assign(result.array, changing(who, x, other).array)
    return x


def add_(input: Tensor, other: Tensor | Number) -> Tensor:
    """``input += other``; of bools the truth of either."""
    return _update("add_", Add, input, other, matched("add_", input, other))


def sub_(input: Tensor, other: Tensor | Number) -> Tensor:
    """``input -= other``."""
    return _update("sub_", Subtract, input, other, summands("sub_", input, other))


def mul_(input: Tensor, other: Tensor | Number) -> Tensor:
    """``input *= other``; of bools the truth of both."""
    return _update("mul_", Multiply, input, other, matched("mul_", input, other))


def div_(input: Tensor, other: Tensor | Number) -> Tensor:
    """``input /= other``."""
    return _update("div_", Divide, input, other, quotient("div_", need_tensor("div_", "input", input), other))


def floor_divide_(input: Tensor, other: Tensor | Number) -> Tensor:
    """``input //= other``. Not recorded: no gradient flows through ``floor_divide``."""
    return _replace("floor_divide_", floor_divide, input, other, divisible("floor_divide_", input, other))


def remainder_(input: Tensor, other: Tensor | Number) -> Tensor:
    """``input %= other``."""
    return _update("remainder_", Remainder, input, other, divisible("remainder_", input, other))


def pow_(input: Tensor, exponent: Tensor | Number) -> Tensor:
    """``input **= exponent``."""
    return _update("pow_", Pow, input, exponent, power("pow_", input, exponent))


def bitwise_and_(input: Tensor, other: Tensor | bool) -> Tensor:
    """``input &= other``, of bools."""
    return _replace("bitwise_and_", logical_and, input, other, bools("bitwise_and_", input, other))


def bitwise_or_(input: Tensor, other: Tensor | bool) -> Tensor:
    """``input |= other``, of bools."""
    return _replace("bitwise_or_", logical_or, input, other, bools("bitwise_or_", input, other))


def bitwise_xor_(input: Tensor, other: Tensor | bool) -> Tensor:
    """``input ^= other``, of bools."""
    return _replace("bitwise_xor_", logical_xor, input, other, bools("bitwise_xor_", input, other))


def lerp_(input: Tensor, end: Tensor, weight: float) -> Tensor:
    """input = (1 - weight) * input + weight * end."""
    operand = fitting("lerp_", input, end)
    input.backend.lerp(input.array, operand, changing("lerp_", input, end).array, float(weight))
    return input


def copy_(input: Tensor, source: Tensor) -> Tensor:
    """input takes over the values of ``source``, broadcast and cast, from any device."""
    need_tensor("copy_", "source", source, floating=False)
    if broadcast_shape("copy_", input.shape, source.shape) != input.shape:
        raise ValueError(f"copy_: shape {source.shape} cannot be broadcast to {input.shape}")
    values = _apart(input, to(source.detach(), device=input.device))
    input.backend.assign(values.array, changing("copy_", input, source).array)
    return input


def fill_(input: Tensor, value: Number) -> Tensor:
    """Every element of input = value."""
    input.backend.fill(changing("fill_", input).array, value)
    return input


def setitem_(input: Tensor, index: Any, value: Tensor | Number) -> None:
    """``input[index] = value``; the index is made of ints, slices, None and an Ellipsis."""
    changing("setitem_", input, value)
    place = getitem(input.detach(), index)
    if not input.backend.shares_memory(input.array, place.array) and place.numel():
        raise TypeError(
            "setitem_: only ints, slices, None and ... can be assigned to; use tinyseg.where() for others"
        )
    if isinstance(value, TensorBase):
        copy_(place, value.detach())
    else:
        fill_(place, value)


def uniform_(input: Tensor, low: float = 0.0, high: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Random numbers, equally likely in [low, high)."""
    x = need_tensor("uniform_", "input", input)
    x.backend.uniform(changing("uniform_", x).array, *(generator or default_generator).reserve(x.numel()))
    return x if (low, high) == (0.0, 1.0) else add_(mul_(x, high - low), low)


def normal_(input: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normally distributed random numbers."""
    x = need_tensor("normal_", "input", input)
    x.backend.normal(changing("normal_", x).array, *(generator or default_generator).reserve(x.numel()))
    return x if (mean, std) == (0.0, 1.0) else add_(mul_(x, std), mean)
