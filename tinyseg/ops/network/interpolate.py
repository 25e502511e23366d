"""Resizing of images: nearest, bilinear and "bed of nails". Each is a linear map, and its backward is the adjoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from numbers import Real
from typing import Any

from ...autograd import Op
from ...geometry import Field, InputField
from ...tensor_base import Tensor
from ..common import Pair, Size, filled, need_tensor, new, new_activation, pair, view

__all__ = ["bed_of_nails", "interpolate"]


def _ratio(step: float) -> Fraction:
    """The ratio of two sizes that ``step`` is."""
    return Fraction(step).limit_denominator(10_000)


class Nearest(Op):
    """Each output pixel copies one source pixel."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: Pair, step: tuple[float, float]) -> Tensor:
        """``step``: source pixels for one output pixel."""
        out = new_activation(x, (*x.shape[:2], *size))
        ctx.shape, ctx.step = x.shape, step
        x.backend.interpolate_nearest(x.array, out.array, step)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Sums over the copies."""
        out = new_activation(grad, ctx.shape)
        grad.backend.interpolate_nearest_backward(grad.array, out.array, ctx.step)
        return out, None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Each unit copies one."""
        return inputs.field.nearest(_ratio(ctx.step[inputs.axis]))


class Bilinear(Op):
    """Each output pixel weighs the four source pixels around it."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: Pair, step: tuple[float, float], align_corners: bool) -> Tensor:
        """``step``: source pixels for one output pixel."""
        out = new_activation(x, (*x.shape[:2], *size))
        ctx.shape, ctx.step, ctx.align_corners = x.shape, step, align_corners
        x.backend.interpolate_bilinear(x.array, out.array, step, align_corners)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The same weights, the other way."""
        out = new_activation(grad, ctx.shape)
        grad.backend.interpolate_bilinear_backward(grad.array, out.array, ctx.step, ctx.align_corners)
        return out, None, None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Each unit mixes two along each dimension."""
        return inputs.field.bilinear(_ratio(ctx.step[inputs.axis]), ctx.align_corners)


class BedOfNails(Op):
    """Each pixel at the upper left of a block of zeros."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, factors: Pair) -> Tensor:
        """``factors``: the block's height and width."""
        *leading, height, width = x.shape
        shape = (*leading, height * factors[0], width * factors[1])
        out = filled((new_activation if x.ndim == 4 else new)(x, shape), 0)
        ctx.factors = factors
        ctx.nails = (Ellipsis, slice(None, None, factors[0]), slice(None, None, factors[1]))
        x.backend.assign(x.array, x.backend.slice_view(out.array, ctx.nails))
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The gradient at the nails."""
        return view(grad, grad.backend.slice_view(grad.array, ctx.nails)), None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """A nail sees what its unit does, the zeros between see nothing."""
        return inputs.field.through_transposed(1, stride=ctx.factors[inputs.axis])


def _scales(scale_factor: Any) -> tuple[float, float]:
    both = tuple(scale_factor) if isinstance(scale_factor, Sequence) else (scale_factor, scale_factor)
    if len(both) != 2 or not all(isinstance(s, Real) and float(s) > 0 and math.isfinite(s) for s in both):
        raise ValueError(f"interpolate: scale_factor must be one or two positive numbers, got {scale_factor!r}")
    return float(both[0]), float(both[1])


def _exact(step: float, source: int, target: int, mode: str) -> float:
    """The step itself, but where sizes say it better than a ``scale_factor`` that is not quite their ratio: PyTorch
    copies what keeps its size, and what is doubled by nearest.
    """
    if source == target:
        return 1.0
    return 0.5 if mode == "nearest" and 2 * source == target else step


def interpolate(
    input: Tensor,
    size: Size | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """Resizes images.

    ``'nearest'`` copies the pixel floor(i * step); ``'bilinear'`` weighs the four pixels around the position: with
    ``align_corners`` i * (H - 1) / (H' - 1), else (i + 0.5) * step - 0.5, not below 0. The step is H / H', or
    1 / scale_factor where that is given and not to be recomputed from the sizes; but 1 where H' = H, and for
    'nearest' 1/2 where H' = 2 H, whatever the factor. Transposed convolution can be a bilinear upsampling that
    learns, see ``nn.init.bilinear_``.

    Args:
        input: float (N, C, H, W); with a batch, as three dimensions would be ambiguous.
        size: the output's (H', W'), or one int for both.
        scale_factor: or how many times larger it is, one number or two; H' = floor(H * scale_factor).
        mode: 'nearest' or 'bilinear'.
        align_corners: for 'bilinear', see above; False if None.
        recompute_scale_factor: take the step from the sizes even if ``scale_factor`` is given. The two differ where
            H * scale_factor is no whole number.

    Returns:
        (N, C, H', W').

    Raises:
        ValueError: both or neither of size and scale_factor, ``recompute_scale_factor`` with size, align_corners
            with 'nearest', an unknown mode, an empty image, a shape that is not N,C,H,W. TypeError: types do not fit.

    Source: bilinear: Long, Shelhamer and Darrell 2015, section 3.3; PyTorch's definitions of ``align_corners`` and
    ``recompute_scale_factor``.

    >>> import tinyseg
    >>> interpolate(tinyseg.tensor([[[[1.0, 2], [3, 4]]]]), scale_factor=2)
    tensor([[[[1., 1., 2., 2.],
              [1., 1., 2., 2.],
              [3., 3., 4., 4.],
              [3., 3., 4., 4.]]]])
    """
    x = need_tensor("interpolate", "input", input)
    if x.ndim != 4:
        raise ValueError(
            f"interpolate: input must be N,C,H,W, got shape {x.shape}"
            + ("; unsqueeze(0) adds N" if x.ndim == 3 else "")
        )
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f"interpolate: mode must be 'nearest' or 'bilinear', got {mode!r}")
    if align_corners is not None and mode == "nearest":
        raise ValueError("interpolate: align_corners is only for mode='bilinear'")
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor")
    source = x.shape[2:]
    scales = None
    if scale_factor is not None:
        scales = _scales(scale_factor)
        size = tuple(math.floor(source[i] * scales[i]) for i in (0, 1))
        scales = None if recompute_scale_factor else scales
    elif recompute_scale_factor:
        raise ValueError("interpolate: recompute_scale_factor goes with scale_factor, not with size")
    height, width = pair("interpolate", "size", size)
    if min(height, width, *source) < 1:
        raise ValueError(f"interpolate: input of shape {x.shape} and output of {height}x{width} must not be empty")
    target = height, width
    if mode == "bilinear" and align_corners:  # the corner pixels' centres stay in the corners
        step = tuple((source[i] - 1) / (target[i] - 1) if target[i] > 1 else 0.0 for i in (0, 1))
    else:
        step = tuple(source[i] / target[i] if scales is None else 1 / scales[i] for i in (0, 1))
        step = tuple(_exact(step[i], source[i], target[i], mode) for i in (0, 1))
    if mode == "nearest":
        return Nearest.apply(x, target, step)
    return Bilinear.apply(x, target, step, bool(align_corners))


def bed_of_nails(input: Tensor, scale_factor: Size) -> Tensor:
    """Upsampling with zeros: each pixel comes to the upper left of a block of its own.

    y[n, c, i s, j s] = x[n, c, i, j], and 0 everywhere else. A stride-s transposed convolution is this, followed by
    a convolution with the mirrored kernel.

    Args:
        input: x, (N, C, H, W) or (C, H, W), any type.
        scale_factor: s, a whole number, or two: the block's (height, width).

    Returns:
        (N, C, H s, W s) or (C, H s, W s).

    Raises:
        ValueError, TypeError: the shape or the factor does not fit.

    Source: the lectures' "bed of nails" (Stanford's CS231n, "Detection and segmentation").

    >>> import tinyseg
    >>> bed_of_nails(tinyseg.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2)
    tensor([[[1., 0., 2., 0.],
             [0., 0., 0., 0.],
             [3., 0., 4., 0.],
             [0., 0., 0., 0.]]])
    """
    x = need_tensor("bed_of_nails", "input", input, floating=False)
    if x.ndim not in (3, 4):
        raise ValueError(f"bed_of_nails: input must be N,C,H,W or C,H,W, got shape {x.shape}")
    return BedOfNails.apply(x, pair("bed_of_nails", "scale_factor", scale_factor, 1))
