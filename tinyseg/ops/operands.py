"""Two operands of one type: which a Python number takes, and which two tensors have together."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from ..tensor_base import Number, Tensor, TensorBase, float32
from .common import need_same_device
from .copying import to


def matched(who: str, a: Tensor | Number, b: Tensor | Number, comparing: bool = False) -> tuple[Any, Any]:
    """Both operands with one type: a Python number takes the tensor's, an int tensor that of a float tensor.

    Raises ``TypeError`` for float32 with float64, and for anything that is neither tensor nor number; ``ValueError``
    for tensors on two devices, and for an integer that does not fit the type, unless it is only ``comparing``.
    """
    for x in (a, b):
        if not isinstance(x, (TensorBase, Real)):
            hint = "; tinyseg.tensor() makes a Tensor of it" if isinstance(x, (np.ndarray, list)) else ""
            raise TypeError(f"{who}: expected a Tensor or a number, got {type(x).__name__}{hint}")
    if isinstance(a, TensorBase) and isinstance(b, TensorBase):
        need_same_device(who, a, b)
        if a.dtype == b.dtype:
            return a, b
        if a.is_floating_point and b.is_floating_point:
            raise TypeError(f"{who}: types differ: {a.dtype} and {b.dtype}; convert one with .to()")
        if a.is_floating_point or b.is_floating_point:
            dtype = a.dtype if a.is_floating_point else b.dtype
        else:
            dtype = np.promote_types(a.dtype, b.dtype)
        return to(a, dtype), to(b, dtype)
    if isinstance(a, TensorBase):
        return _with_number(who, a, b, comparing)
    if isinstance(b, TensorBase):
        return _with_number(who, b, a, comparing)[::-1]
    raise TypeError(f"{who}: at least one operand must be a Tensor")


def _with_number(who: str, x: Tensor, number: Any, comparing: bool) -> tuple[Tensor, Any]:
    if x.is_floating_point:
        return x, float(number)
    if not isinstance(number, Integral):
        return to(x, float32), number
    if x.dtype.kind == "b":
        return (x, bool(number)) if isinstance(number, (bool, np.bool_)) else (to(x, np.int64), int(number))
    limits = np.iinfo(x.dtype)
    if not comparing and not limits.min <= int(number) <= limits.max:
        raise ValueError(f"{who}: {number} does not fit {x.dtype}; convert the tensor with .long()")
    return x, int(number)
