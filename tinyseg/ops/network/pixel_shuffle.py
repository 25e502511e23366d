"""Channels to pixels and back: rearrangements, so each is the other's inverse and the other's gradient."""

from __future__ import annotations

import math
from fractions import Fraction
from numbers import Integral
from typing import Any

from ...autograd import Op
from ...geometry import Field, InputField
from ...tensor_base import Tensor
from ..common import need_tensor, new_activation
from ..shape import reshape

__all__ = ["pixel_shuffle", "pixel_unshuffle"]


def _shuffled(x: Tensor, factor: int) -> Tensor:
    n, channels, height, width = x.shape
    out = new_activation(x, (n, channels // factor**2, height * factor, width * factor))
    x.backend.pixel_shuffle(x.array, out.array, factor)
    return out


def _unshuffled(x: Tensor, factor: int) -> Tensor:
    n, channels, height, width = x.shape
    out = new_activation(x, (n, channels * factor**2, height // factor, width // factor))
    x.backend.pixel_unshuffle(x.array, out.array, factor)
    return out


class PixelShuffle(Op):
    """out[n, c, h r + i, w r + j] = x[n, c r r + i r + j, h, w]."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: int) -> Tensor:
        """Sizes have been checked."""
        ctx.factor = factor
        return _shuffled(x, factor)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Pixels to channels."""
        return _unshuffled(grad, ctx.factor), None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Which channel of a unit a pixel comes from is not followed: it sees all that the unit does."""
        return inputs.field.nearest(Fraction(1, ctx.factor))


class PixelUnshuffle(Op):
    """out[n, c r r + i r + j, h, w] = x[n, c, h r + i, w r + j]."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: int) -> Tensor:
        """Sizes have been checked."""
        ctx.factor = factor
        return _unshuffled(x, factor)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Channels to pixels."""
        return _shuffled(grad, ctx.factor), None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Each unit sees a block."""
        return inputs.field.through(ctx.factor, stride=ctx.factor)


def _checked(who: str, name: str, x: Tensor, factor: Any) -> int:
    if need_tensor(who, "input", x, floating=False).ndim < 3:
        raise ValueError(f"{who}: input must be ...,C,H,W, got shape {x.shape}")
    if not isinstance(factor, Integral):
        raise TypeError(f"{who}: {name} must be an int, got {factor!r}")
    if factor < 1:
        raise ValueError(f"{who}: {name} must be at least 1, got {factor}")
    return int(factor)


def _applied(op: type[Op], x: Tensor, factor: int) -> Tensor:
    """To images with any dimensions, or none, before their channels."""
    leading = x.shape[:-3]
    if len(leading) == 1:
        return op.apply(x, factor)
    out = op.apply(reshape(x, (math.prod(leading), *x.shape[-3:])), factor)
    return reshape(out, (*leading, *out.shape[1:]))


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels to pixels: r r channels become one of r times the height and width.

    y[..., c, h r + i, w r + j] = x[..., c r r + i r + j, h, w]

    Args:
        input: x, (..., C r r, H, W), any type.
        upscale_factor: r.

    Returns:
        (..., C, H r, W r).

    Raises:
        ValueError, TypeError: the number of channels or the factor does not fit.

    Source: Shi et al. 2016, section 2.2.

    >>> import tinyseg
    >>> pixel_shuffle(tinyseg.tensor([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1), 2)
    tensor([[[1., 2.],
             [3., 4.]]])
    """
    factor = _checked("pixel_shuffle", "upscale_factor", input, upscale_factor)
    if input.shape[-3] % factor**2:
        raise ValueError(
            f"pixel_shuffle: input of shape {input.shape} has {input.shape[-3]} channels, which is no multiple of "
            f"{factor**2}, the pixels of a block of upscale_factor={factor}"
        )
    return _applied(PixelShuffle, input, factor)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels to channels: the inverse of ``pixel_shuffle``, which loses nothing.

    y[..., c r r + i r + j, h, w] = x[..., c, h r + i, w r + j]

    Args:
        input: x, (..., C, H r, W r), any type.
        downscale_factor: r.

    Returns:
        (..., C r r, H, W).

    Raises:
        ValueError, TypeError: the number of pixels or the factor does not fit.

    >>> import tinyseg
    >>> pixel_unshuffle(tinyseg.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2).shape
    (4, 1, 1)
    """
    factor = _checked("pixel_unshuffle", "downscale_factor", input, downscale_factor)
    if input.shape[-2] % factor or input.shape[-1] % factor:
        raise ValueError(
            f"pixel_unshuffle: input of shape {input.shape} has {input.shape[-2]}x{input.shape[-1]} pixels, which "
            f"are no multiples of downscale_factor={factor}; pad() makes them so"
        )
    return _applied(PixelUnshuffle, input, factor)
