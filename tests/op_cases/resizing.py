"""Resizing."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
import scipy.signal
import scipy.special

from .table import (
    Array,
    case,
    spread,
)


def nearest(x: Array, size: tuple[int, int], step: tuple[float, float] | None = None) -> Array:
    """Pixel by pixel."""
    step = step or (x.shape[2] / size[0], x.shape[3] / size[1])
    rows, columns = ([min(int(i * step[k]), x.shape[2 + k] - 1) for i in range(size[k])] for k in (0, 1))
    return x[:, :, rows][..., columns]


def bilinear(x: Array, size: tuple[int, int], align_corners: bool, step: tuple[float, float] | None = None) -> Array:
    """SciPy's linear spline, read at the positions that the definition gives."""
    places = []
    for k in (0, 1):
        i = np.arange(size[k])
        if align_corners:
            places.append(np.linspace(0, x.shape[2 + k] - 1, size[k]))
        else:
            scale = x.shape[2 + k] / size[k] if step is None else step[k]
            places.append(np.maximum((i + 0.5) * scale - 0.5, 0))
    grid = np.meshgrid(*places, indexing="ij")
    planes = [scipy.ndimage.map_coordinates(plane, grid, order=1, mode="nearest") for image in x for plane in image]
    return np.array(planes).reshape(*x.shape[:2], *size)


SMALL = spread(2, 3, 3, 4)
for _name, _size in (
    ("up", (6, 8)),
    ("unevenly", (7, 5)),
    ("down", (2, 3)),
    ("to one pixel", (1, 1)),
    ("as it is", (3, 4)),
):
    case(
        f"nearest {_name}",
        lambda t, x, s=_size: t.F.interpolate(x, s),
        SMALL,
        expected=lambda x, s=_size: nearest(x, s),
        batch=(0,),
    )
    for _corners in (False, True):
        case(
            f"bilinear {_name}{', corners aligned' if _corners else ''}",
            lambda t, x, s=_size, c=_corners: t.F.interpolate(x, s, mode="bilinear", align_corners=c),
            SMALL,
            expected=lambda x, s=_size, c=_corners: bilinear(x, s, c),
            batch=(0,),
        )
case(
    "nearest of one pixel",
    lambda t, x: t.F.interpolate(x, scale_factor=3),
    spread(1, 2, 1, 1),
    expected=lambda x: np.tile(x, (1, 1, 3, 3)),
)
case(
    "nearest by a factor",
    lambda t, x: t.F.interpolate(x, scale_factor=(2.5, 1.3)),
    SMALL,
    expected=lambda x: nearest(x, (7, 5), (1 / 2.5, 1 / 1.3)),
    batch=(0,),
)
case(
    "bilinear by a factor",
    lambda t, x: t.F.interpolate(x, scale_factor=(2.5, 1.3), mode="bilinear"),
    SMALL,
    expected=lambda x: bilinear(x, (7, 5), False, (1 / 2.5, 1 / 1.3)),
    batch=(0,),
)
case(
    "bilinear by a recomputed factor",
    lambda t, x: t.F.interpolate(x, scale_factor=1.7, mode="bilinear", recompute_scale_factor=True),
    SMALL,
    expected=lambda x: bilinear(x, (5, 6), False),
    batch=(0,),
)
case(
    "bilinear, wide",
    lambda t, x: t.F.interpolate(x, (7, 9), mode="bilinear"),
    spread(1, 21, 4, 5),
    expected=lambda x: bilinear(x, (7, 9), False),
    gradient=False,
    batch=(0,),
)
