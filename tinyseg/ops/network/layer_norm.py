"""Layer normalisation (Ba, Kiros and Hinton 2016)."""

from __future__ import annotations

import math
from typing import Any

from ...autograd import Op
from ...geometry import Field, InputField
from ...tensor_base import Tensor
from ..common import Size, array_or_none, need_same_type, need_tensor, new, sizes
from ..shape import permute, reshape

__all__ = ["layer_norm"]


class LayerNorm(Op):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, row by row of a matrix."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        """Mean and variance are those of a row."""
        out, mean, rstd = new(x, x.shape), new(x, x.shape[:1]), new(x, x.shape[:1])
        factors = array_or_none(weight), array_or_none(bias)
        x.backend.layer_norm(x.array, *factors, out.array, mean.array, rstd.array, eps)
        ctx.save_for_backward(x, mean, rstd, weight)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """All in one pass."""
        x, mean, rstd, weight = ctx.saved_tensors
        by_x, by_weight, by_bias = new(x, x.shape), new(x, x.shape[1:]), new(x, x.shape[1:])
        given = (grad.array, x.array, mean.array, rstd.array, array_or_none(weight))
        x.backend.layer_norm_backward(*given, by_weight.array, by_bias.array, by_x.array)
        return by_x, by_weight, by_bias, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Rows of a matrix are no map N,C,H,W."""
        return inputs.unit_by_unit()


def layer_norm(
    input: Tensor,
    normalized_shape: Size,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Layer normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias, mean and (biased) variance those over
    the last dimensions.

    Args:
        input: float, of a shape that ends in ``normalized_shape``.
        normalized_shape: an int or several.
        weight, bias: of shape ``normalized_shape``, or None.
        eps: added to the variance.

    Returns:
        The same shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit.

    Source: Ba, Kiros and Hinton 2016.

    >>> import tinyseg
    >>> layer_norm(tinyseg.tensor([[1.0, 3.0], [4.0, 8.0]]), 2, eps=0.0)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    who = "layer_norm"
    need_tensor(who, "input", input)
    need_same_type(who, input=input, weight=weight, bias=bias)
    shape = sizes(who, (normalized_shape,))
    if not shape or input.shape[-len(shape) :] != shape:
        raise ValueError(
            f"{who}: normalized_shape {shape} must be what the shape of input ends in, which is {input.shape}"
        )
    for name, v in (("weight", weight), ("bias", bias)):
        if v is not None and v.shape != shape:
            raise ValueError(f"{who}: {name} must have normalized_shape {shape}, got shape {v.shape}")
    if input.ndim == 4 and len(shape) == 3:
        # The order in a row does not matter to its statistics: so it may be that of an activation's memory.
        factors = (None if v is None else permute(v, 1, 2, 0) for v in (weight, bias))
        return permute(_by_rows(permute(input, 0, 2, 3, 1), math.prod(shape), eps, *factors), 0, 3, 1, 2)
    return _by_rows(input, math.prod(shape), eps, weight, bias)


def _by_rows(x: Tensor, width: int, eps: float, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    flat = [None if v is None else reshape(v, width) for v in (weight, bias)]
    return reshape(LayerNorm.apply(reshape(x, (x.numel() // max(width, 1), width)), *flat, eps), x.shape)
