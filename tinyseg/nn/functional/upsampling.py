"""Making images larger and smaller."""

from __future__ import annotations

from collections.abc import Sequence

from ...ops import interpolate as _interpolate
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
    1 / scale_factor where that is given and not to be recomputed from the sizes.

    Args:
        input: float (N, C, H, W).
        size: the output's (H', W').
        scale_factor: or how many times larger it is; sizes are rounded down.
        mode: 'nearest' or 'bilinear'.
        align_corners: for 'bilinear', see above.
        recompute_scale_factor: take the step from the sizes even if ``scale_factor`` is given.

    Returns:
        (N, C, H', W').

    Raises:
        ValueError, TypeError: both or neither of size and scale_factor, an unknown mode, an empty size.

    >>> import tinyseg
    >>> interpolate(tinyseg.tensor([[[[1.0, 2], [3, 4]]]]), scale_factor=2)
    tensor([[[[1., 1., 2., 2.],
              [1., 1., 2., 2.],
              [3., 3., 4., 4.],
              [3., 3., 4., 4.]]]])
    """
    return _interpolate.interpolate(input, size, scale_factor, mode, align_corners, recompute_scale_factor)
