"""Changes in place. They are not recorded, so they are refused where a gradient would miss them.

Memory has a version, shared by all views of it, that every change moves on: an operator that saved the old values
for its backward will notice (``Context.saved_tensors``).
"""

from __future__ import annotations

from typing import Any

from ..autograd import is_grad_enabled
from ..errors import GraphError
from ..random import Generator, default_generator
from ..tensor import Number, Tensor, operator
from .common import broadcast_shape, need_same_device, need_tensor


def changing(who: str, x: Tensor, *sources: Any) -> Tensor:
    """``x``, about to be written to."""
    if is_grad_enabled() and any(isinstance(t, Tensor) and t.requires_grad for t in (x, *sources)):
        raise GraphError(
            f"{who}: changes in place are not recorded, and a gradient would miss this one; use the form that makes "
            "a new tensor (x = x + y), detach(), or a no_grad() block"
        )
    if x.repeats:
        raise ValueError(f"{who}: the tensor was expanded, several of its elements are one; change a clone() of it")
    x.version.count += 1
    return x


def fitting(who: str, x: Tensor, source: Any) -> Any:
    """The source's array, of x's type, if it can be broadcast to x."""
    if not isinstance(source, Tensor):
        if isinstance(source, float) and not x.is_floating_point:
            raise TypeError(f"{who}: a tensor of {x.dtype} cannot take {source!r} in place; .float() converts it")
        return source
    if broadcast_shape(who, x.shape, source.shape) != x.shape:
        raise ValueError(f"{who}: shape {source.shape} cannot be broadcast to {x.shape}")
    need_same_device(who, x, source)
    if source.is_floating_point and source.dtype != x.dtype:
        raise TypeError(f"{who}: types differ: {x.dtype} and {source.dtype}; convert one with .to()")
    return _apart(x, source.detach().to(x.dtype)).array


def _apart(x: Tensor, source: Tensor) -> Tensor:
    """The source, in other memory if it is another view of x's, which is written to while it is read."""
    return source.clone() if source.version is x.version and source.array is not x.array else source


def _update(who: str, kernel: str, x: Tensor, other: Any) -> Tensor:
    operand = fitting(who, x, other)
    getattr(x.backend, kernel)(x.array, operand, changing(who, x, other).array)
    return x


@operator
def add_(input: Tensor, other: Tensor | Number) -> Tensor:
    """input = input + other."""
    return _update("add_", "add", input, other)


@operator
def sub_(input: Tensor, other: Tensor | Number) -> Tensor:
    """input = input - other."""
    return _update("sub_", "subtract", input, other)


@operator
def mul_(input: Tensor, other: Tensor | Number) -> Tensor:
    """input = input * other."""
    return _update("mul_", "multiply", input, other)


@operator
def div_(input: Tensor, other: Tensor | Number) -> Tensor:
    """input = input / other."""
    return _update("div_", "divide", need_tensor("div_", "input", input), other)


@operator
def lerp_(input: Tensor, end: Tensor, weight: float) -> Tensor:
    """input = (1 - weight) * input + weight * end."""
    operand = fitting("lerp_", input, end)
    input.backend.lerp(input.array, operand, changing("lerp_", input, end).array, float(weight))
    return input


@operator
def copy_(input: Tensor, source: Tensor) -> Tensor:
    """input takes over the values of ``source``, broadcast and cast, from any device."""
    need_tensor("copy_", "source", source, floating=False)
    if broadcast_shape("copy_", input.shape, source.shape) != input.shape:
        raise ValueError(f"copy_: shape {source.shape} cannot be broadcast to {input.shape}")
    values = _apart(input, source.detach().to(device=input.device))
    input.backend.assign(values.array, changing("copy_", input, source).array)
    return input


@operator
def fill_(input: Tensor, value: Number) -> Tensor:
    """Every element of input = value."""
    input.backend.fill(changing("fill_", input).array, value)
    return input


@operator
def setitem_(input: Tensor, index: Any, value: Tensor | Number) -> None:
    """``input[index] = value``; the index is made of ints, slices, None and an Ellipsis."""
    changing("setitem_", input, value)
    place = input.detach()[index]
    if not input.backend.shares_memory(input.array, place.array) and place.numel():
        raise TypeError(
            "setitem_: only ints, slices, None and ... can be assigned to; use tinyseg.where() for others"
        )
    if isinstance(value, Tensor):
        place.copy_(value.detach())
    else:
        place.fill_(value)


@operator
def uniform_(input: Tensor, low: float = 0.0, high: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Random numbers, equally likely in [low, high)."""
    x = need_tensor("uniform_", "input", input)
    x.backend.uniform(changing("uniform_", x).array, *(generator or default_generator).reserve(x.numel()))
    return (
        x
        if (low, high) == (0.0, 1.0)
        else _update("uniform_", "add", _update("uniform_", "multiply", x, high - low), low)
    )


@operator
def normal_(input: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normally distributed random numbers."""
    x = need_tensor("normal_", "input", input)
    x.backend.normal(changing("normal_", x).array, *(generator or default_generator).reserve(x.numel()))
    return x if (mean, std) == (0.0, 1.0) else _update("normal_", "add", _update("normal_", "multiply", x, std), mean)
