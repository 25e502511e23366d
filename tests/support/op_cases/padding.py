"""Borders and crops."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinyseg
from tinyseg.op_calls.table import IMAGES, A, Array, integers, spread

from .table import NO_TORCH, bad, case, expect, zeros

case(
    "pad",
    lambda t, x: t.F.pad(x, (1, 2, 0, 3), value=0.5),
    A,
    expected=lambda x: np.pad(x, ((0, 0), (0, 3), (1, 2)), constant_values=0.5),
    batch=(0,),
)
case(
    "pad of images",
    lambda t, x: t.F.pad(x, (1, 0, 2, 1)),
    IMAGES,
    expected=lambda x: np.pad(x, ((0, 0), (0, 0), (2, 1), (1, 0))),
    batch=(0,),
)
expect(
    "pad that adds and cuts off",
    lambda x: np.pad(x[:, :, :3], ((0, 0), (0, 0), (0, 0), (1, 2)), constant_values=0.5),
    batch=(0,),
)
case(
    "pad that cuts off",
    lambda t, x: t.F.pad(x, (-1, 2, 1, -2)),
    IMAGES,
    expected=lambda x: np.pad(x[:, :, :2, 1:], ((0, 0), (0, 0), (1, 0), (0, 2))),
    batch=(0,),
)


def bordered(x: Array, pad: tuple[int, ...], mode: str) -> Array:
    """NumPy's borders, which has other names for two of them, and none that cut off."""
    ends = [(0, 0)] * (x.ndim - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    grown = [(max(a, 0), max(b, 0)) for a, b in ends]
    name: Any = {"replicate": "edge", "circular": "wrap"}.get(mode, mode)

    def cut(x: Array) -> Array:
        return x[tuple(slice(-min(a, 0), size + min(b, 0)) for size, (a, b) in zip(x.shape, ends, strict=True))]

    return np.pad(cut(x), grown, name) if mode == "circular" else cut(np.pad(x, grown, name))


for _mode in ("reflect", "replicate", "circular"):
    expect(f"pad {_mode} of images", lambda x, mode=_mode: bordered(x, (1, 2, 3, 0), mode), batch=(0,))
for _name, _x, _pad, _modes in (
    ("as wide as can be", (1, 1, 3, 4), (3, 3, 2, 2), "reflect"),
    ("as wide as can be", (1, 1, 2, 3), (3, 3, 2, 2), "circular"),
    ("wider than the image", (1, 2, 1, 2), (3, 5, 2, 1), "replicate"),
    ("that cuts off", (1, 2, 4, 5), (-3, 3, 1, -1), "reflect replicate"),
    ("that cuts off", (1, 2, 4, 5), (-2, 3, 1, -1), "circular"),
    ("of one image", (2, 3, 4), (2, 1, 0, 2), "reflect circular"),
    ("of lines", (2, 3, 4), (2, 1), "reflect replicate circular"),
    ("of volumes", (1, 1, 2, 3, 2), (1, 0, 2, 1, 0, 1), "reflect replicate"),
):
    for _mode in _modes.split():
        case(
            f"pad {_mode} {_name}",
            lambda t, x, pad=_pad, mode=_mode: t.F.pad(x, pad, mode),
            spread(*_x),
            expected=lambda x, pad=_pad, mode=_mode: bordered(x, pad, mode),
            batch=() if _name == "of one image" else (0,),
        )
case(
    "pad reflect of integers",
    lambda t, x: t.F.pad(x, (2, 1), "reflect"),
    integers(2, 3),
    expected=lambda x: bordered(x, (2, 1), "reflect"),
    gradient=False,
)
expect("centre_crop", lambda x: x[:, :, 1:3, 1:3], batch=(0,), torch=NO_TORCH)
case(
    "centre_crop to one pixel",
    lambda t, x: t.F.centre_crop(x, 1),
    spread(2, 3, 4, 5),
    expected=lambda x: x[:, :, (x.shape[2] - 1) // 2, (x.shape[3] - 1) // 2][:, :, None, None],
    torch=NO_TORCH,
    batch=(0,),
)
case(
    "centre_crop of one image",
    lambda t, x: t.F.centre_crop(x, 3),
    spread(2, 6, 3),
    expected=lambda x: x[:, 1:4],
    torch=NO_TORCH,
)

_F = tinyseg.nn.functional
_X = (1, 3, 4, 5)
bad("pad by an odd number", lambda: _F.pad(zeros(2, 3), (1, 2, 3)), ValueError, "two numbers for each")
bad("pad that cuts off all", lambda: _F.pad(zeros(2, 3), (-2, -2)), ValueError, "cuts off more than there is")
bad("pad by one number", lambda: _F.pad(zeros(2, 3), 1), TypeError, "pad: pad must be ints, two for each dimension")
bad("pad by halves", lambda: _F.pad(zeros(2, 3), (0.5, 1)), TypeError, "pad: sizes must be ints, got (0.5, 1)")
bad("pad in no such mode", lambda: _F.pad(zeros(*_X), (1, 1, 1, 1), "mirror"), ValueError, "'circular', got 'mirror'")
bad("pad reflect of a vector", lambda: _F.pad(zeros(4), (1, 1), "reflect"), ValueError, "does not go with shape (4,)")
bad(
    "pad circular of rows",
    lambda: _F.pad(zeros(*_X), (1, 1), "circular"),
    ValueError,
    "(1, 1) does not go with shape",
)
bad("pad replicate by nothing", lambda: _F.pad(zeros(*_X), (), "replicate"), ValueError, "() does not go with shape")
bad(
    "pad reflect by the size",
    lambda: _F.pad(zeros(*_X), (5, 0, 0, 0), "reflect"),
    ValueError,
    "can be at most 4 wide",
)
bad(
    "pad circular twice round",
    lambda: _F.pad(zeros(*_X), (0, 0, 0, 5), "circular"),
    ValueError,
    "along dimension 2 of",
)
bad("pad replicate of nothing", lambda: _F.pad(zeros(1, 0), (1, 0), "replicate"), ValueError, "at most 0 wide")
bad(
    "pad reflect with a value",
    lambda: _F.pad(zeros(*_X), (1, 1, 1, 1), "reflect", 2.0),
    ValueError,
    "value is only for mode='constant', got 2.0",
)
bad("pad of an array", lambda: _F.pad(np.zeros(3), (1, 1)), TypeError, "pad: input must be a Tensor, got ndarray")
bad("centre_crop of a vector", lambda: _F.centre_crop(zeros(4), 2), ValueError, "shape (4,) does not hold 2x2 pixels")
bad(
    "centre_crop to more",
    lambda: _F.centre_crop(zeros(*_X), (4, 6)),
    ValueError,
    "hold 4x6 pixels; pad() makes it lar",
)
bad("centre_crop to nothing", lambda: _F.centre_crop(zeros(*_X), 0), ValueError, "size must be at least 1, got 0")
bad(
    "centre_crop to halves",
    lambda: _F.centre_crop(zeros(*_X), 2.5),
    TypeError,
    "size must be an int or a pair of ints",
)
bad(
    "centre_crop of an array", lambda: _F.centre_crop(np.zeros(_X), 2), TypeError, "input must be a Tensor, got ndarr"
)
