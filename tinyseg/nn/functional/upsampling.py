"""Making images larger and smaller."""

from __future__ import annotations

from collections.abc import Sequence

from ...ops import interpolate as _interpolate
from ...ops import pixel_shuffle as _pixel_shuffle
from ...tensor import Tensor

Size = int | Sequence[int]


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
    return _interpolate.interpolate(input, size, scale_factor, mode, align_corners, recompute_scale_factor)


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
    return _interpolate.bed_of_nails(input, scale_factor)


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
    return _pixel_shuffle.pixel_shuffle(input, upscale_factor)


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
    return _pixel_shuffle.pixel_unshuffle(input, downscale_factor)
