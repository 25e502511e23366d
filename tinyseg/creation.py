"""Tensors made from nothing: constants, ranges, random numbers."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from .backend import kernels, resolve
from .ops.common import new_like, sizes
from .random import Generator
from .tensor import Tensor, tensor
from .tensor_base import Number, check_dtype, float32, int64


def _empty(who: str, size: tuple[Any, ...], dtype: Any, device: str | None) -> Tensor:
    shape = sizes(who, size)
    if min(shape, default=0) < 0:
        raise ValueError(f"{who}: sizes must not be negative, got {shape}")
    device = resolve(device)
    return Tensor(kernels(device).empty(shape, check_dtype(dtype or float32, who)), device)


def zeros(*size: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """All 0; float32 unless a type is named.

    >>> zeros(2, 2)
    tensor([[0., 0.],
           [0., 0.]])
    """
    return _empty("zeros", size, dtype, device).fill_(0).requires_grad_(requires_grad)


def ones(*size: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """All 1; float32 unless a type is named."""
    return _empty("ones", size, dtype, device).fill_(1).requires_grad_(requires_grad)


def full(
    size: Any, fill_value: Number, dtype: Any = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """All ``fill_value``, whose own kind (bool, int64, float32) is the type unless one is named."""
    shape = (size,) if isinstance(size, Integral) else tuple(size)
    return (
        _empty("full", shape, dtype or _type_of(fill_value), device).fill_(fill_value).requires_grad_(requires_grad)
    )


def _type_of(value: Number) -> Any:
    if isinstance(value, (bool, np.bool_)):
        return np.bool_
    return int64 if isinstance(value, Integral) else float32


def arange(
    start: Number, end: Number | None = None, step: Number = 1, dtype: Any = None, device: str | None = None
) -> Tensor:
    """start, start + step, ... below ``end`` (``arange(end)`` starts at 0); int64 for ints, else float32.

    >>> arange(4)
    tensor([0, 1, 2, 3])
    """
    if end is None:
        start, end = 0, start
    if step == 0:
        raise ValueError("arange: step must not be 0")
    whole = all(isinstance(v, Integral) for v in (start, end, step))
    return tensor(np.arange(start, end, step), dtype=dtype or (int64 if whole else float32), device=device)


def linspace(
    start: Number, end: Number, steps: int, dtype: Any = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """``steps`` numbers at equal distances from ``start`` to ``end``, both included; float32 unless a type is named.

    >>> linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    if not isinstance(steps, Integral) or steps < 0:
        raise ValueError(f"linspace: steps must be an int of at least 0, got {steps!r}")
    values = np.linspace(start, end, int(steps))
    return tensor(values, dtype=dtype or float32, device=device, requires_grad=requires_grad)


def eye(
    n: int, m: int | None = None, dtype: Any = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """1 on the diagonal and 0 elsewhere: n rows, and as many columns unless ``m`` says so.

    >>> eye(2)
    tensor([[1., 0.],
           [0., 1.]])
    """
    rows, columns = sizes("eye", (n, n if m is None else m))
    if min(rows, columns) < 0:
        raise ValueError(f"eye: sizes must not be negative, got ({rows}, {columns})")
    known = check_dtype(dtype or float32, "eye")
    return tensor(np.eye(rows, columns, dtype=known), device=device, requires_grad=requires_grad)


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Random numbers, equally likely in [0, 1)."""
    return _empty("rand", size, dtype, device).uniform_(generator=generator).requires_grad_(requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Random numbers with mean 0 and standard deviation 1, normally distributed."""
    return _empty("randn", size, dtype, device).normal_(generator=generator).requires_grad_(requires_grad)


def _like(input: Tensor, dtype: Any) -> Tensor:
    return new_like(input, None if dtype is None else check_dtype(dtype, "like"))


def zeros_like(input: Tensor, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """All 0, of input's shape, type, device and memory order."""
    return _like(input, dtype).fill_(0).requires_grad_(requires_grad)


def ones_like(input: Tensor, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """All 1, of input's shape, type, device and memory order."""
    return _like(input, dtype).fill_(1).requires_grad_(requires_grad)


def full_like(input: Tensor, fill_value: Number, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """All ``fill_value``, of input's shape, type, device and memory order."""
    return _like(input, dtype).fill_(fill_value).requires_grad_(requires_grad)


def rand_like(input: Tensor, generator: Generator | None = None, requires_grad: bool = False) -> Tensor:
    """Random numbers in [0, 1), of input's shape, type and device."""
    return _like(input, None).uniform_(generator=generator).requires_grad_(requires_grad)


def randn_like(input: Tensor, generator: Generator | None = None, requires_grad: bool = False) -> Tensor:
    """Normally distributed random numbers, of input's shape, type and device."""
    return _like(input, None).normal_(generator=generator).requires_grad_(requires_grad)
