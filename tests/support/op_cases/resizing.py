"""Resizing."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
import scipy.signal
import scipy.special

import tinyseg
from tinyseg.op_calls.networks import SMALL
from tinyseg.op_calls.table import Array, bools, integers, spread

from .table import NO_TORCH, bad, case, expect, zeros


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
expect("nearest up and down", lambda x: nearest(x, (7, 3)), batch=(0,))
expect("bilinear up and down", lambda x: bilinear(x, (7, 3), False), batch=(0,))
expect("bilinear up and down, corners aligned", lambda x: bilinear(x, (7, 3), True), batch=(0,))
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

# A factor that keeps or doubles a size, but is not quite 1 or 2, counts as if it were.
case(
    "nearest by almost 1 and 2",
    lambda t, x: t.F.interpolate(x, scale_factor=(1.3, 2.2)),
    SMALL,
    expected=lambda x: nearest(x, (3, 8)),
    batch=(0,),
)
case(
    "bilinear by almost 1 and 2",
    lambda t, x: t.F.interpolate(x, scale_factor=(1.3, 2.2), mode="bilinear"),
    SMALL,
    expected=lambda x: bilinear(x, (3, 8), False, (1, 1 / 2.2)),
    batch=(0,),
)
case(
    "bilinear by a factor, aligned",
    lambda t, x: t.F.interpolate(x, scale_factor=(2.5, 0.5), mode="bilinear", align_corners=True),
    SMALL,
    expected=lambda x: bilinear(x, (7, 2), True),
    batch=(0,),
)
case(
    "nearest by a recomputed factor",
    lambda t, x: t.F.interpolate(x, scale_factor=(2.5, 1.3), recompute_scale_factor=True),
    SMALL,
    expected=lambda x: nearest(x, (7, 5)),
    batch=(0,),
)
expect("bed_of_nails", lambda x: np.kron(x, [[1, 0], [0, 0], [0, 0]]), batch=(0,), torch=NO_TORCH)
case(
    "bed_of_nails of one image",
    lambda t, x: t.F.bed_of_nails(x, 2),
    spread(2, 3, 2),
    expected=lambda x: np.kron(x, [[1, 0], [0, 0]]),
    torch=NO_TORCH,
)


def shuffled(x: Array, r: int) -> Array:
    """Pixel by pixel, as Shi et al. 2016 define it: their equation 4, with PyTorch's order of channels."""
    *leading, channels, height, width = x.shape
    out = np.empty((*leading, channels // r**2, height * r, width * r))
    for c, i, j in np.ndindex(out.shape[-3:]):
        out[..., c, i, j] = x[..., c * r * r + i % r * r + j % r, i // r, j // r]
    return out


def unshuffled(x: Array, r: int) -> Array:
    """The place of each element is read off the places of their numbers."""
    shape = (*x.shape[:-3], x.shape[-3] * r * r, x.shape[-2] // r, x.shape[-1] // r)
    return x.ravel()[shuffled(np.arange(x.size).reshape(shape), r).astype(int).ravel().argsort()].reshape(shape)


expect("pixel_shuffle images", lambda x: shuffled(x, 2), batch=(0,))
expect("pixel_unshuffle images", lambda x: unshuffled(x, 2), batch=(0,))
for _name, _x, _r in (
    ("one image", (9, 1, 2), 3),
    ("a sequence of images", (1, 2, 4, 2, 1), 2),
):
    case(
        f"pixel_shuffle {_name}",
        lambda t, x, r=_r: t.F.pixel_shuffle(x, r),
        spread(*_x),
        expected=lambda x, r=_r: shuffled(x, r),
        batch=() if _name == "one image" else (0,),
    )
    case(
        f"pixel_unshuffle {_name}",
        lambda t, x, r=_r: t.F.pixel_unshuffle(x, r),
        spread(*_x[:-3], _x[-3] // _r**2, _x[-2] * _r, _x[-1] * _r),
        expected=lambda x, r=_r: unshuffled(x, r),
        batch=() if _name == "one image" else (0,),
    )
for _name, _values in (("integers", integers(1, 4, 2, 3)), ("bools", bools(1, 4, 2, 3))):
    case(
        f"pixel_shuffle {_name}",
        lambda t, x: t.F.pixel_shuffle(x, 2),
        _values,
        expected=lambda x: shuffled(x, 2).astype(x.dtype),
        gradient=False,
    )

_F = tinyseg.nn.functional
_X = (1, 4, 4, 6)
bad("interpolate one image", lambda: _F.interpolate(zeros(3, 4, 5), 2), ValueError, "unsqueeze(0) adds N")
bad(
    "interpolate to halves",
    lambda: _F.interpolate(zeros(*_X), 2.5),
    TypeError,
    "size must be an int or a pair of ints",
)
bad(
    "interpolate to three",
    lambda: _F.interpolate(zeros(*_X), (2, 2, 2)),
    TypeError,
    "or a pair of ints, got (2, 2, 2)",
)
bad(
    "interpolate by a text",
    lambda: _F.interpolate(zeros(*_X), None, "2"),
    ValueError,
    "two positive numbers, got '2'",
)
bad(
    "interpolate to a recomputed size",
    lambda: _F.interpolate(zeros(*_X), 2, recompute_scale_factor=True),
    ValueError,
    "recompute_scale_factor goes with scale_factor, not with size",
)
bad(
    "interpolate integers",
    lambda: _F.interpolate(zeros(*_X).long(), 2),
    TypeError,
    "interpolate: input must be float32",
)
bad("bed_of_nails of a matrix", lambda: _F.bed_of_nails(zeros(4, 5), 2), ValueError, "must be N,C,H,W or C,H,W, got")
bad("bed_of_nails by 0", lambda: _F.bed_of_nails(zeros(*_X), 0), ValueError, "scale_factor must be at least 1, got 0")
bad("bed_of_nails by halves", lambda: _F.bed_of_nails(zeros(*_X), 1.5), TypeError, "or a pair of ints, got 1.5")
bad(
    "bed_of_nails by three",
    lambda: _F.bed_of_nails(zeros(*_X), (1, 2, 3)),
    TypeError,
    "a pair of ints, got (1, 2, 3)",
)
bad("bed_of_nails of an array", lambda: _F.bed_of_nails(np.zeros(_X), 2), TypeError, "must be a Tensor, got ndarray")
case(
    "pixel_unshuffle by one",
    lambda t, x: t.F.pixel_unshuffle(x, 1),
    spread(2, 3, 4, 5),
    expected=lambda x: x,
    batch=(0,),
)
bad(
    "pixel_shuffle a matrix",
    lambda: _F.pixel_shuffle(zeros(4, 5), 2),
    ValueError,
    "must be ...,C,H,W, got shape (4, 5)",
)
bad(
    "pixel_shuffle channels",
    lambda: _F.pixel_shuffle(zeros(*_X), 3),
    ValueError,
    "4 channels, which is no multiple of 9",
)
bad(
    "pixel_shuffle by 0",
    lambda: _F.pixel_shuffle(zeros(*_X), 0),
    ValueError,
    "upscale_factor must be at least 1, got 0",
)
bad(
    "pixel_shuffle by halves",
    lambda: _F.pixel_shuffle(zeros(*_X), 2.0),
    TypeError,
    "upscale_factor must be an int, got",
)
bad("pixel_shuffle an array", lambda: _F.pixel_shuffle(np.zeros(_X), 2), TypeError, "must be a Tensor, got ndarray")
bad(
    "pixel_unshuffle pixels",
    lambda: _F.pixel_unshuffle(zeros(*_X), 4),
    ValueError,
    "4x6 pixels, which are no multiples",
)
bad(
    "pixel_unshuffle by -1",
    lambda: _F.pixel_unshuffle(zeros(*_X), -1),
    ValueError,
    "downscale_factor must be at least 1",
)
