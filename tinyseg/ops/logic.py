"""Truth: what is NaN or infinite, and, or and not, and comparisons under PyTorch's short names."""

from __future__ import annotations

import math
from typing import Any

from ..tensor_base import Number, Tensor, TensorBase, bool_
from .common import need_tensor
from .elementwise import abs, equal, greater, greater_equal, less, less_equal, not_equal, where

__all__ = [
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "eq",
    "ge",
    "gt",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "ne",
]

eq, ne, lt, le, gt, ge = equal, not_equal, less, less_equal, greater, greater_equal


def isnan(input: Tensor) -> Tensor:
    """True where an element is not a number; nowhere in integers.

    >>> import tinyseg
    >>> isnan(tinyseg.tensor([1.0, float("nan"), float("inf")]))
    tensor([False,  True, False])
    """
    x = need_tensor("isnan", "input", input, floating=False).detach()
    return not_equal(x, x)


def isinf(input: Tensor) -> Tensor:
    """True where an element is infinite, of either sign; nowhere in integers.

    >>> import tinyseg
    >>> isinf(tinyseg.tensor([1.0, float('-inf')]))
    tensor([False,  True])
    """
    x = need_tensor("isinf", "input", input, floating=False).detach()
    return equal(abs(x), math.inf) if x.is_floating_point else not_equal(x, x)


def isfinite(input: Tensor) -> Tensor:
    """True where an element is neither infinite nor NaN; everywhere in integers.

    >>> import tinyseg
    >>> isfinite(tinyseg.tensor([1.0, float('nan')]))
    tensor([ True, False])
    """
    x = need_tensor("isfinite", "input", input, floating=False).detach()
    return less(abs(x), math.inf) if x.is_floating_point else equal(x, x)


def _truth(who: str, x: Any) -> Any:
    """x as truth: what is not 0 is true, NaN too."""
    if isinstance(x, bool):
        return x
    need_tensor(who, "each operand", x, floating=False)
    return x if x.dtype == bool_ else not_equal(x.detach(), 0)


def logical_and(input: Tensor, other: Tensor | bool) -> Tensor:
    """True where both are not 0, broadcast.

    >>> import tinyseg
    >>> logical_and(tinyseg.tensor([0, 1, 2]), tinyseg.tensor([True, True, False]))
    tensor([False,  True, False])
    """
    return where(_truth("logical_and", input), _truth("logical_and", other), False)


def logical_or(input: Tensor, other: Tensor | bool) -> Tensor:
    """True where one or both are not 0, broadcast.

    >>> import tinyseg
    >>> logical_or(tinyseg.tensor([0, 2]), tinyseg.tensor([0, 0]))
    tensor([False,  True])
    """
    return where(_truth("logical_or", input), True, _truth("logical_or", other))


def logical_xor(input: Tensor, other: Tensor | bool) -> Tensor:
    """True where one and only one is not 0, broadcast.

    >>> import tinyseg
    >>> logical_xor(tinyseg.tensor([1, 2]), tinyseg.tensor([0, 3]))
    tensor([ True, False])
    """
    return not_equal(_truth("logical_xor", input), _truth("logical_xor", other))


def logical_not(input: Tensor) -> Tensor:
    """True where input is 0.

    >>> import tinyseg
    >>> logical_not(tinyseg.tensor([0.0, 2.0]))
    tensor([ True, False])
    """
    return equal(_truth("logical_not", input), False)


def bools(who: str, *operands: Tensor | Number) -> Any:
    """The operands of ``&``, ``|``, ``^`` and ``~``, which would be bit by bit of integers."""
    for x in operands:
        if not (isinstance(x, bool) or (isinstance(x, TensorBase) and x.dtype == bool_)):
            kind = x.dtype if isinstance(x, TensorBase) else type(x).__name__
            instead = who.replace("bitwise", "logical").removesuffix("_")
            raise TypeError(f"{who}: expected bool tensors, got {kind}; {instead}() takes numbers")
    return operands


def bitwise_and(input: Tensor, other: Tensor | bool) -> Tensor:
    """``input & other`` of bools."""
    return logical_and(*bools("bitwise_and", input, other))


def bitwise_or(input: Tensor, other: Tensor | bool) -> Tensor:
    """``input | other`` of bools."""
    return logical_or(*bools("bitwise_or", input, other))


def bitwise_xor(input: Tensor, other: Tensor | bool) -> Tensor:
    """``input ^ other`` of bools."""
    return logical_xor(*bools("bitwise_xor", input, other))


def bitwise_not(input: Tensor) -> Tensor:
    """``~input`` of bools."""
    return logical_not(*bools("bitwise_not", input))
