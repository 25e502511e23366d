"""Pooling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tinyseg
from tinyseg.op_calls.table import Array, spread

from .table import bad, both, case, expect, zeros

_F = tinyseg.nn.functional


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
    ("with a rest", (1, 2, 5, 7), {"kernel_size": 2}),
    ("of one pixel", (2, 3, 1, 1), {"kernel_size": 1}),
    ("overlapping", (1, 2, 6, 5), {"kernel_size": 3, "stride": 1}),
    ("dilated", (1, 2, 7, 6), {"kernel_size": 2, "stride": 2, "padding": 1, "dilation": 2}),
    ("uneven", (2, 1, 6, 7), {"kernel_size": (2, 3), "stride": (1, 2), "padding": (0, 1), "dilation": (3, 1)}),
    ("wide", (1, 17, 2, 4), {"kernel_size": 2}),
    ("rounded up", (1, 2, 5, 7), {"kernel_size": 2, "ceil_mode": True}),
    ("rounded up, padded", (1, 2, 6, 5), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
]
expect("max_pool2d 2x2", lambda x: pooled(x, 2), batch=(0,))
expect("max_pool2d padded", lambda x: pooled(x, 3, 2, 1), batch=(0,))
for _name, _shape, _window in POOLINGS:
    case(
        f"max_pool2d {_name}",
        lambda t, x, w=_window: t.F.max_pool2d(x, **w, return_indices=True),
        spread(*_shape),
        expected=lambda x, w=_window: pooled(x, *_ordered(w)),
        batch=(0,),
    )


case(
    "max_pool2d, sequences of one",
    lambda t, x: t.F.max_pool2d(x, (3,), [2], (1,), [1]),
    spread(1, 2, 6, 5),
    expected=lambda x: pooled(x, 3, 2, 1)[0],
)
case(
    "max_pool2d, an empty stride",
    lambda t, x: t.F.max_pool2d(x, (2,), ()),
    spread(1, 2, 6, 4),
    expected=lambda x: pooled(x, 2)[0],
)
case(
    "max_pool1d, an empty stride",
    lambda t, x: t.F.max_pool1d(x, 2, []),
    spread(2, 3, 6),
    expected=lambda x: x.reshape(2, 3, 3, 2).max(3),
)
case(
    "avg_pool2d, a sequence of one and an empty stride",
    lambda t, x: t.F.avg_pool2d(x, [2], ()),
    spread(1, 2, 6, 4),
    expected=lambda x: x.reshape(1, 2, 3, 2, 2, 2).mean((3, 5)),
)
case(
    "max_unpool2d to a whole shape",
    lambda t, x, i: t.F.max_unpool2d(x, i, 2, output_size=(1, 1, 5, 4)),
    spread(1, 1, 2, 2),
    np.array([[[[0, 3], [9, 19]]]]),
    expected=lambda x, i: unpooled(x, i, (5, 4)),
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
expect("max_unpool2d", lambda x, i: unpooled(x, i, (4, 4)), batch=(0, 1))
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

case(
    "max_pool2d without a batch",
    lambda t, x: t.F.max_pool2d(x, 2, return_indices=True),
    spread(2, 5, 4),
    expected=lambda x: tuple(y[0] for y in pooled(x[None], 2)),
)
case(
    "max_unpool2d without a batch",
    lambda t, x, i: t.F.max_unpool2d(x, i, 2),
    spread(2, 2, 2),
    _PLACES[0],
    expected=lambda x, i: unpooled(x[None], i[None], (4, 4))[0],
)
case(
    "max_unpool2d of scattered places",
    lambda t, x, i: t.F.max_unpool2d(x, i, 2),
    spread(1, 3, 20, 16),
    np.random.default_rng(3).integers(0, 40 * 32, (1, 3, 20, 16)),
    expected=lambda x, i: unpooled(x, i, (40, 32)),
    gradient=False,
)

LINES: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("by 2", (2, 3, 7), {"kernel_size": 2}),
    ("without a batch, overlapping", (2, 8), {"kernel_size": (3,), "stride": 2, "padding": 1}),
    ("dilated, rounded up", (1, 2, 10), {"kernel_size": 3, "stride": 3, "dilation": 2, "ceil_mode": True}),
]
for _name, _shape, _window in LINES:
    case(
        f"max_pool1d {_name}",
        lambda t, x, w=_window: t.F.max_pool1d(x, **w, return_indices=True),
        spread(*_shape),
        expected=lambda x, w=_window: _pooled_lines(x, w),
        batch=(0,) if len(_shape) == 3 else (),
    )


def _pooled_lines(x: Array, window: dict[str, Any]) -> tuple[Array, ...]:
    """The same of images of one row."""
    kernel, stride, padding, dilation, ceil = _ordered(window)
    kernel = kernel if isinstance(kernel, int) else kernel[0]
    sizes = (1, kernel), (1, stride or kernel), (0, padding), (1, dilation)
    found = pooled(x.reshape(-1, x.shape[-2], 1, x.shape[-1]), *sizes, ceil)
    return tuple(y.reshape(*x.shape[:-1], y.shape[-1]) for y in found)


expect("max_pool1d padded", lambda x: _pooled_lines(x, {"kernel_size": 3, "stride": 2, "padding": 1})[0], batch=(0,))
expect("max_unpool1d", lambda x, i: unpooled(x[..., None], i[..., None], (6, 1))[..., 0], batch=(0, 1))
case(
    "max_unpool1d to a size, without a batch",
    lambda t, x, i: t.F.max_unpool1d(x, i, 2, 3, 1, output_size=(7,)),
    spread(2, 3),
    [[0, 3, 6], [1, 2, 5]],
    expected=lambda x, i: unpooled(x[None, ..., None], i[None, ..., None], (7, 1))[0, ..., 0],
)


def averaged(
    x: Array,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Array:
    """Window by window; the padding is a border of zeros, and ones beside it are what there is to count."""
    kernel, padding = both(kernel), both(padding)
    stride = kernel if stride is None else both(stride)
    around = [(0, 0), (0, 0), *((p, p) for p in padding)]
    values = np.pad(x, around)
    ones = np.pad(np.ones_like(x), around, constant_values=float(count_include_pad))
    rows, columns = (list(_windows(x.shape[2 + i], kernel[i], stride[i], padding[i], 1, ceil)) for i in (0, 1))
    out = np.zeros((*x.shape[:2], len(rows), len(columns)))
    for n, c, i, j in np.ndindex(out.shape):
        top, left = i * stride[0], j * stride[1]
        window = np.s_[n, c, top : top + kernel[0], left : left + kernel[1]]
        out[n, c, i, j] = values[window].sum() / (divisor or ones[window].sum())
    return out


AVERAGES: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("2x2", (2, 3, 4, 7), {"kernel_size": 2}),
    ("padded, of pixels alone", (1, 2, 5, 6), {"kernel_size": 3, "padding": 1, "count_include_pad": False}),
    ("uneven, with gaps", (1, 2, 7, 6), {"kernel_size": (2, 1), "stride": (3, 2), "padding": (1, 0)}),
    ("rounded up", (1, 2, 6, 5), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("divided by 3", (1, 2, 4, 4), {"kernel_size": 2, "padding": 1, "divisor_override": 3}),
    ("of many channels", (1, 130, 3, 3), {"kernel_size": (3, 2), "stride": 1}),
]
for _name, _shape, _window in AVERAGES:
    case(
        f"avg_pool2d {_name}",
        lambda t, x, w=_window: t.F.avg_pool2d(x, **w),
        spread(*_shape),
        expected=lambda x, w=_window: averaged(
            x,
            w["kernel_size"],
            w.get("stride"),
            w.get("padding", 0),
            w.get("ceil_mode", False),
            w.get("count_include_pad", True),
            w.get("divisor_override"),
        ),
        batch=(0,),
    )
expect("avg_pool2d overlapping, padded", lambda x: averaged(x, 3, 1, 1), batch=(0,))
expect("avg_pool2d rounded up, of pixels alone", lambda x: averaged(x, 2, 1, 1, True, False), batch=(0,))
case(
    "avg_pool2d without a batch",
    lambda t, x: t.F.avg_pool2d(x, 2, 1),
    spread(2, 3, 4),
    expected=lambda x: averaged(x[None], 2, 1)[0],
)
case(
    "avg_pool2d of infinity and NaN",
    lambda t, x: t.F.avg_pool2d(x, 2),
    [[[[np.inf, 1, 4, 0], [1, 1, np.nan, 1]]]],
    expected=[[[[np.inf, np.nan]]]],
    gradient=False,
)


def _shared_out(x: Array, size: tuple[int, int], reduce: Any) -> Array:
    """reduce(pixels) of each window from floor(i H / H') to ceil((i + 1) H / H')."""
    h, w = x.shape[2:]
    rows, columns = (
        [(i * n // m, -(-(i + 1) * n // m)) for i in range(m)] for n, m in zip((h, w), size, strict=True)
    )
    return np.stack([np.stack([reduce(x, *r, *c) for c in columns], -1) for r in rows], -2)


def _mean(x: Array, top: int, bottom: int, left: int, right: int) -> Array:
    return x[:, :, top:bottom, left:right].mean((2, 3))


def _largest(x: Array, top: int, bottom: int, left: int, right: int) -> Array:
    return x[:, :, top:bottom, left:right].max((2, 3))


def _where_largest(x: Array, top: int, bottom: int, left: int, right: int) -> Array:
    """Outside the window nothing is larger."""
    outside = np.full_like(x, -np.inf)
    outside[:, :, top:bottom, left:right] = x[:, :, top:bottom, left:right]
    return outside.reshape(*x.shape[:2], -1).argmax(2)


ADAPTIVE: list[tuple[str, tuple[int, ...], Any, tuple[int, int]]] = [
    ("to one pixel", (2, 3, 4, 5), 1, (1, 1)),
    ("to more pixels", (1, 2, 3, 2), (4, 5), (4, 5)),
    ("to the input's width", (1, 2, 5, 4), (2, None), (2, 4)),
    ("of many channels, large windows", (1, 130, 3, 11), (2, 2), (2, 2)),
]
_OVERLAPPING = "of overlapping windows"
expect(f"adaptive_avg_pool2d {_OVERLAPPING}", lambda x: _shared_out(x, (3, 2), _mean), batch=(0,))
expect(
    f"adaptive_max_pool2d {_OVERLAPPING}",
    lambda x: (_shared_out(x, (3, 2), _largest), _shared_out(x, (3, 2), _where_largest)),
    batch=(0,),
)
for _name, _shape, _given, _size in ADAPTIVE:
    case(
        f"adaptive_avg_pool2d {_name}",
        lambda t, x, s=_given: t.F.adaptive_avg_pool2d(x, s),
        spread(*_shape),
        expected=lambda x, s=_size: _shared_out(x, s, _mean),
        batch=(0,),
    )
    case(
        f"adaptive_max_pool2d {_name}",
        lambda t, x, s=_given: t.F.adaptive_max_pool2d(x, s, return_indices=True),
        spread(*_shape),
        expected=lambda x, s=_size: (_shared_out(x, s, _largest), _shared_out(x, s, _where_largest)),
        batch=(0,),
    )
case(
    "adaptive pooling without a batch",
    lambda t, x: (t.F.adaptive_avg_pool2d(x, 1), t.F.adaptive_avg_pool2d(x, (2, 3)), t.F.adaptive_max_pool2d(x, 2)),
    spread(2, 4, 5),
    expected=lambda x: (
        x.mean((1, 2), keepdims=True),
        _shared_out(x[None], (2, 3), _mean)[0],
        _shared_out(x[None], (2, 2), _largest)[0],
    ),
)
case(
    "adaptive_max_pool2d of equal pixels and NaN",
    lambda t, x: t.F.adaptive_max_pool2d(x, (1, 2), return_indices=True),
    [[[[1, 3, 0, 7], [3, 2, np.nan, 5]]]],
    expected=lambda x: (np.array([[[[3, np.nan]]]]), np.array([[[[1, 6]]]])),
    gradient=False,
)

_LINE = (1, 2, 4)
bad("max_pool1d of a vector", lambda: _F.max_pool1d(zeros(4), 2), ValueError, "be N,C,L or C,L, got shape (4,)")
bad("max_pool1d of images", lambda: _F.max_pool1d(zeros(1, 1, 4, 4), 2), ValueError, "be N,C,L or C,L")
bad(
    "max_pool1d of a short line", lambda: _F.max_pool1d(zeros(*_LINE), 5), ValueError, "its length must be at least 5"
)
bad("max_pool1d with a pair", lambda: _F.max_pool1d(zeros(*_LINE), (2, 2)), TypeError, "an int or a sequence of 1")
bad("max_pool1d padded too much", lambda: _F.max_pool1d(zeros(*_LINE), 2, 1, 2), ValueError, "at most half of")
bad(
    "max_pool1d of a window without element",
    lambda: _F.max_pool1d(zeros(1, 1, 1), 2, padding=1, dilation=2),
    ValueError,
    "windows that hold no pixel",
)
bad(
    "max_unpool1d out of range",
    lambda: _F.max_unpool1d(zeros(*_LINE), tinyseg.full(_LINE, 8), 2),
    IndexError,
    "index 8 is out of range for planes of 8 pixels",
)
bad(
    "max_unpool1d to a far size",
    lambda: _F.max_unpool1d(zeros(*_LINE), tinyseg.full(_LINE, 0), 2, output_size=(10,)),
    ValueError,
    "output_size (10,) must be within stride (2,) of (8,)",
)
_PLANE = (1, 1, 4, 4)
bad("avg_pool2d of a matrix", lambda: _F.avg_pool2d(zeros(4, 4), 2), ValueError, "be N,C,H,W or C,H,W")
bad("avg_pool2d of a small image", lambda: _F.avg_pool2d(zeros(*_PLANE), 5), ValueError, "height must be at least 5")
bad("avg_pool2d padded too much", lambda: _F.avg_pool2d(zeros(*_PLANE), 3, 1, 2), ValueError, "at most half of")
bad("avg_pool2d divided by 0", lambda: _F.avg_pool2d(zeros(*_PLANE), 2, divisor_override=0), ValueError, "got 0")
bad("avg_pool2d with stride 0", lambda: _F.avg_pool2d(zeros(*_PLANE), 2, 0), ValueError, "stride must be at least 1")
bad("avg_pool2d of integers", lambda: _F.avg_pool2d(zeros(*_PLANE).long(), 2), TypeError, "float32 or float64")
for _name, _function in (("avg", _F.adaptive_avg_pool2d), ("max", _F.adaptive_max_pool2d)):
    _who = f"adaptive_{_name}_pool2d"
    bad(f"{_who} of a matrix", lambda f=_function: f(zeros(4, 4), 2), ValueError, "be N,C,H,W or C,H,W")
    bad(
        f"{_who} to nothing",
        lambda f=_function: f(zeros(*_PLANE), (2, 0)),
        ValueError,
        "output_size must be at least",
    )
    bad(f"{_who} to three", lambda f=_function: f(zeros(*_PLANE), (1, 2, 3)), TypeError, "an int or a pair of ints")
    bad(f"{_who} to a float", lambda f=_function: f(zeros(*_PLANE), 1.5), TypeError, "an int or a pair of ints")
    bad(f"{_who} of no pixel", lambda f=_function: f(zeros(1, 2, 0, 3), 1), ValueError, "has no pixel")
