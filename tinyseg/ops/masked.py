"""What a mask chooses: filling and selecting."""

from __future__ import annotations

import numpy as np

from ..tensor_base import Number, Tensor, TensorBase, bool_
from .common import broadcast_shape, need_same_device, need_tensor
from .elementwise import where
from .gather import index_select
from .inplace import changing, fitting
from .shape import expand, reshape

__all__ = ["masked_fill", "masked_fill_", "masked_select"]

_HELD = {"b": "b", "i": "biu", "u": "biu", "f": "biuf"}  # kinds of type, and what each can take in


def _mask(who: str, x: Tensor, mask: Tensor) -> Tensor:
    need_tensor(who, "input", x, floating=False)
    if need_tensor(who, "mask", mask, floating=False).dtype != bool_:
        raise TypeError(f"{who}: mask must be bool, got {mask.dtype}; compare it with something")
    need_same_device(who, x, mask)
    return mask


def _value(who: str, x: Tensor, value: Tensor | Number) -> Tensor | Number:
    """A number, or a tensor of one, that x's type can hold."""
    if isinstance(value, TensorBase) and value.ndim:
        raise ValueError(f"{who}: value must be a number or a tensor without dimensions, got shape {value.shape}")
    kind = value.dtype.kind if isinstance(value, TensorBase) else np.asarray(value).dtype.kind
    if kind not in _HELD[x.dtype.kind]:
        raise TypeError(f"{who}: a tensor of {x.dtype} cannot hold {value!r}; convert it with .to()")
    return value


def masked_fill(input: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor:
    """``value`` where ``mask`` (bool, broadcast) holds, else input. What was filled has gradient 0.

    ``value`` is a number, or a tensor without dimensions, whose gradient is the sum over the mask. Raises
    ``TypeError`` for a mask that is not bool and a value that input's type cannot hold, ``ValueError`` for shapes.

    >>> import tinyseg
    >>> masked_fill(tinyseg.tensor([1.0, 2.0]), tinyseg.tensor([True, False]), -1)
    tensor([-1.,  2.])
    """
    return where(_mask("masked_fill", input, mask), _value("masked_fill", input, value), input)


def masked_fill_(input: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor:
    """``masked_fill`` in place; the mask is broadcast to input's shape.

    >>> import tinyseg
    >>> x = tinyseg.tensor([1.0, -2.0])
    >>> masked_fill_(x, x < 0, 0.0)
    tensor([1., 0.])
    """
    _mask("masked_fill_", input, mask)
    if broadcast_shape("masked_fill_", input.shape, mask.shape) != input.shape:
        raise ValueError(f"masked_fill_: mask of shape {mask.shape} cannot be broadcast to {input.shape}")
    number = fitting("masked_fill_", input, _value("masked_fill_", input, value))
    target = changing("masked_fill_", input, value).array
    input.backend.where(mask.array, number, target, target)
    return input


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where ``mask`` (bool; both are broadcast) holds, in row-major order, as a vector.

    >>> import tinyseg
    >>> x = tinyseg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> masked_select(x, x > 1.5)
    tensor([2., 3., 4.])
    """
    shape = broadcast_shape("masked_select", input.shape, _mask("masked_select", input, mask).shape)
    places = np.flatnonzero(expand(mask, shape).numpy())  # how many there are decides a shape, so they are read here
    return index_select(reshape(expand(input, shape), -1), 0, input.wrap_numpy(places.astype(np.int64)))
