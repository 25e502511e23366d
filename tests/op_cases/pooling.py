"""Pooling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .table import (
    Array,
    both,
    case,
    spread,
)


def _windows(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil: bool) -> Iterator[list[int]]:
    """The pixels that each window holds; with ``ceil`` one that sticks out is the last if it starts in the image."""
    first, reach = -padding, (kernel - 1) * dilation + 1
    while first + reach <= size + padding or (ceil and first - stride + reach < size + padding and first < size):
        yield [i for i in range(first, first + kernel * dilation, dilation) if 0 <= i < size]
        first += stride


def pooled(
    x: Array, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil: bool = False
) -> tuple[Array, Array]:
    """Window by window, in plain Python: the maxima and their places, the first of several."""
    sizes = [both(v) for v in (kernel, kernel if stride is None else stride, padding, dilation)]
    rows, columns = (list(_windows(x.shape[2 + i], *(size[i] for size in sizes), ceil)) for i in (0, 1))
    values, places = (np.zeros((*x.shape[:2], len(rows), len(columns)), dtype) for dtype in (x.dtype, np.int64))
    for n, c, i, j in np.ndindex(values.shape):
        pixels = [(r, s) for r in rows[i] for s in columns[j]]
        best = max(pixels, key=lambda pixel: x[n, c, pixel[0], pixel[1]])
        values[n, c, i, j], places[n, c, i, j] = x[n, c, best[0], best[1]], best[0] * x.shape[3] + best[1]
    return values, places


POOLINGS: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("2x2", (2, 3, 4, 6), {"kernel_size": 2}),
    ("with a rest", (1, 2, 5, 7), {"kernel_size": 2}),
    ("of one pixel", (2, 3, 1, 1), {"kernel_size": 1}),
    ("overlapping", (1, 2, 6, 5), {"kernel_size": 3, "stride": 1}),
    ("padded", (1, 2, 5, 6), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("dilated", (1, 2, 7, 6), {"kernel_size": 2, "stride": 2, "padding": 1, "dilation": 2}),
    ("uneven", (2, 1, 6, 7), {"kernel_size": (2, 3), "stride": (1, 2), "padding": (0, 1), "dilation": (3, 1)}),
    ("wide", (1, 17, 2, 4), {"kernel_size": 2}),
    ("rounded up", (1, 2, 5, 7), {"kernel_size": 2, "ceil_mode": True}),
    ("rounded up, padded", (1, 2, 6, 5), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
]
for _name, _shape, _window in POOLINGS:
    case(
        f"max_pool2d {_name}",
        lambda t, x, w=_window: t.F.max_pool2d(x, **w, return_indices=True),
        spread(*_shape),
        expected=lambda x, w=_window: pooled(x, *_ordered(w)),
        batch=(0,),
    )


def _ordered(window: dict[str, Any]) -> list[Any]:
    return [
        window.get(name, default)
        for name, default in (
            ("kernel_size", 2),
            ("stride", None),
            ("padding", 0),
            ("dilation", 1),
            ("ceil_mode", False),
        )
    ]


def unpooled(x: Array, places: Array, size: tuple[int, int]) -> Array:
    """Element by element, the last one standing."""
    out = np.zeros((*x.shape[:2], size[0] * size[1]))
    for n, c, i, j in np.ndindex(x.shape):
        out[n, c, places[n, c, i, j]] = x[n, c, i, j]
    return out.reshape(*x.shape[:2], *size)


_PLACES = np.array([[[[5, 2], [12, 15]], [[0, 3], [9, 10]]]])
case(
    "max_unpool2d",
    lambda t, x, i: t.F.max_unpool2d(x, i, 2),
    spread(1, 2, 2, 2),
    _PLACES,
    expected=lambda x, i: unpooled(x, i, (4, 4)),
    batch=(0, 1),
)
case(
    "max_unpool2d to a size",
    lambda t, x, i: t.F.max_unpool2d(x, i, 2, output_size=(5, 4)),
    spread(1, 2, 2, 2),
    _PLACES,
    expected=lambda x, i: unpooled(x, i, (5, 4)),
    batch=(0, 1),
)
case(
    "max_unpool2d of repeated places",
    lambda t, x, i: t.F.max_unpool2d(x, i, 3, stride=1),
    spread(1, 1, 3, 3),
    [[[[7, 7, 8], [7, 12, 8], [0, 24, 24]]]],
    expected=lambda x, i: unpooled(x, i, (5, 5)),
    torch="PyTorch's gradient there gives each what stands in its place",
)
