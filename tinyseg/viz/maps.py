"""Numbers as colours: heat maps, the channels of a layer's output, the kernels of a convolution."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .figures import as_array
from .palettes import sampled

Picture = NDArray[np.uint8]

MISSING = 160
"""The grey of what is no number."""
GAP, DARK, WHITE = 2, 64, 255
"""Pixels between pictures, and the levels of grey that these have."""
SMALLEST_MAP, SMALLEST_KERNEL = 48, 24
"""Pixels that a map, or a kernel, is enlarged to at least."""


def heatmap(values: Any, low: float | None = None, high: float | None = None, diverging: bool = False) -> Picture:
    """Numbers ``(H, W)``, an array or a tensor, as colours ``(H, W, 3)`` ``uint8``, a pixel each.

    From ``low``, dark blue, over green to ``high``, yellow (viridis, of equal steps in lightness); what is below or
    above gets the colour of the end. They are the smallest and the largest value if not given. ``diverging``: blue
    for less than 0, white, red for more, with ``-high`` and ``high`` at the ends; ``high`` is then the largest
    magnitude if not given, and there is no ``low``. NaN and infinity are grey.

    Raises ``ValueError`` for another shape, ``low`` above ``high``, or ``low`` of a diverging one.

    >>> heatmap(np.array([[0.0, 1.0], [2.0, np.nan]]))[1].tolist()
    [[253, 231, 36], [160, 160, 160]]
    """
    numbers = as_array(values).astype(np.float64)
    if numbers.ndim != 2:
        raise ValueError(f"heatmap: expected numbers (H, W), got shape {numbers.shape}")
    known = np.isfinite(numbers)
    if diverging:
        if low is not None:
            raise ValueError("heatmap: diverging is symmetric about 0; give high alone")
        high = float(np.abs(numbers[known]).max(initial=0.0)) if high is None else high
        low = -high
    low = float(numbers[known].min()) if low is None and known.any() else low or 0.0
    high = float(numbers[known].max()) if high is None and known.any() else high or 0.0
    if low > high:
        raise ValueError(f"heatmap: low must not be above high, got {low:g} and {high:g}")
    middle = 0.5 if diverging else 0.0
    share = (numbers - low) / (high - low) if high > low else np.full(numbers.shape, middle)
    colors = sampled("RdBu_r" if diverging else "viridis", np.where(known, np.clip(share, 0, 1), 0))
    return np.where(known[:, :, None], colors, MISSING).astype(np.uint8)


def feature_maps(activation: Any, columns: int | None = None) -> Picture:
    """The channels of a layer's output ``(C, H, W)``, an array or a tensor, beside each other in one picture.

    Each is a ``heatmap`` of its own range, so that faint ones are seen too; one that has the same value everywhere is
    dark. They are read row by row, ``columns`` in each (as many as make it nearly a square, if not given), and small
    ones are enlarged by a whole number. Raises ``ValueError`` for another shape or no channel.

    >>> feature_maps(np.arange(96.0).reshape(6, 4, 4)).shape
    (98, 148, 3)
    """
    maps = as_array(activation)
    if maps.ndim != 3 or not maps.size:
        raise ValueError(f"feature_maps: expected (C, H, W) of one image, got shape {maps.shape}")
    pictures = [enlarged(heatmap(one), SMALLEST_MAP) for one in maps]
    return tiled(pictures, columns or _nearly_square(pictures))


def filters(weight: Any) -> Picture:
    """The kernels of a convolution, ``weight`` ``(O, I, kh, kw)`` as an array or a tensor, in one picture.

    With I = 3 each is shown as RGB with 0 in mid grey, which shows the colours that it looks for, scaled by its own
    largest magnitude. Otherwise blue is less than 0, white 0, red more, on one scale for all: with I = 1 the O
    kernels row by row, else a row for each of O outputs and a column for each of I inputs. Raises ``ValueError`` for
    another shape.

    >>> filters(np.ones((4, 1, 3, 3))).shape
    (50, 50, 3)
    """
    kernels = as_array(weight)
    if kernels.ndim != 4 or not kernels.size:
        raise ValueError(f"filters: expected a weight (O, I, kh, kw), got shape {kernels.shape}")
    if kernels.shape[1] == 3:
        pictures = [enlarged(_as_colors(kernel), SMALLEST_KERNEL) for kernel in kernels]
        return tiled(pictures, _nearly_square(pictures))
    high = float(np.abs(kernels).max())
    pictures = [
        enlarged(heatmap(plane, high=high, diverging=True), SMALLEST_KERNEL) for kernel in kernels for plane in kernel
    ]
    # What is 0 is white, so the lines between are dark.
    return tiled(pictures, kernels.shape[1] if kernels.shape[1] > 1 else _nearly_square(pictures), DARK)


def enlarged(picture: Picture, least: int) -> Picture:
    """Each pixel as a square of so many that the shorter side has at least ``least``."""
    times = -(-least // min(picture.shape[:2]))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def tiled(pictures: list[Picture], columns: int, gap: int = WHITE) -> Picture:
    """Pictures of one size in rows, with lines of a grey between them; the last row may end in it."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), gap, np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // columns * (height + GAP), number % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def _nearly_square(pictures: list[Picture]) -> int:
    """The number of columns for which all pictures together are about as wide as high, rather wider."""
    height, width = pictures[0].shape[:2]
    return min(len(pictures), int(np.ceil(np.sqrt(len(pictures) * height / width))))


def _as_colors(kernel: NDArray[Any]) -> Picture:
    """A kernel ``(3, kh, kw)`` as RGB: 0 is mid grey."""
    largest = float(np.abs(kernel).max()) or 1.0
    return np.rint(127.5 + 127.5 * kernel.transpose(1, 2, 0) / largest).astype(np.uint8)
