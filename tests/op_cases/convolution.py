"""Convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal
import scipy.special

from .table import (
    Array,
    both,
    case,
    rectified,
    spread,
)


def _dilated(kernel: Array, dilation: tuple[int, int]) -> Array:
    """A kernel with zeros between its taps."""
    size = [(k - 1) * d + 1 for k, d in zip(kernel.shape, dilation, strict=True)]
    out = np.zeros(size)
    out[:: dilation[0], :: dilation[1]] = kernel
    return out


def convolved(
    x: Array,
    w: Array,
    bias: Array | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """SciPy's correlation of each channel, summed."""
    (sv, sh), (pv, ph) = both(stride), both(padding)
    x = np.pad(x, ((0, 0), (0, 0), (pv, pv), (ph, ph)))
    inputs, outputs = w.shape[1], w.shape[0] // groups
    planes = [
        [
            sum(
                scipy.signal.correlate2d(image[o // outputs * inputs + c], _dilated(w[o, c], both(dilation)), "valid")
                for c in range(inputs)
            )[::sv, ::sh]
            + (0 if bias is None else bias[o])
            for o in range(len(w))
        ]
        for image in x
    ]
    return np.array(planes)


def transposed(
    x: Array,
    w: Array,
    bias: Array | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Array:
    """The lecture's two steps: put zeros between the pixels, then convolve (SciPy); and cut off the padding."""
    stride, padding, output_padding = both(stride), both(padding), both(output_padding)
    n, channels, *size = x.shape
    stuffed = np.zeros((n, channels, *((s - 1) * f + 1 for s, f in zip(size, stride, strict=True))))
    stuffed[:, :, :: stride[0], :: stride[1]] = x
    outputs, group = w.shape[1], channels // groups
    planes = []
    for image in stuffed:
        for o in range(outputs * groups):
            first = o // outputs * group
            full = sum(
                scipy.signal.convolve2d(image[c], _dilated(w[c, o % outputs], both(dilation)))
                for c in range(first, first + group)
            )
            full = np.pad(full, [(0, extra) for extra in output_padding])
            cut = full[padding[0] : full.shape[0] - padding[0], padding[1] : full.shape[1] - padding[1]]
            planes.append(cut + (0 if bias is None else bias[o]))
    return np.array(planes).reshape(n, outputs * groups, *planes[0].shape)


_CONVOLUTION = {"tolerance": 2e-4, "batch": (0,)}


def conv(name: str, x: tuple[int, ...], w: tuple[int, ...], bias: bool = True, **window: Any) -> None:
    inputs = [spread(*x), spread(*w, seed=1)] + ([spread(w[0], seed=2)] if bias else [])
    case(
        f"conv2d {name}",
        lambda t, x, w, b=None: t.F.conv2d(x, w, b, **window),
        *inputs,
        expected=lambda x, w, b=None: convolved(x, w, b, **window),
        **_CONVOLUTION,
    )


conv("3x3", (2, 3, 5, 6), (4, 3, 3, 3))
conv("3x3 padded", (2, 3, 5, 4), (4, 3, 3, 3), padding=1)
conv("without bias", (2, 3, 4, 5), (2, 3, 2, 3), bias=False)
conv("1x1", (2, 5, 3, 4), (3, 5, 1, 1))
conv("1x1 strided", (2, 3, 5, 4), (2, 3, 1, 1), stride=2)
conv("of one pixel", (1, 2, 1, 1), (3, 2, 1, 1))
conv("of one padded pixel", (2, 1, 1, 1), (2, 1, 3, 3), padding=1)
conv("strided", (1, 2, 7, 8), (3, 2, 3, 3), stride=2, padding=1)
conv("in uneven strides", (2, 2, 6, 7), (2, 2, 3, 2), stride=(1, 3), padding=(2, 0))
conv("dilated", (1, 2, 8, 7), (2, 2, 3, 3), dilation=2, padding=2)
conv("dilated unevenly", (1, 2, 6, 9), (2, 2, 2, 3), dilation=(3, 2), padding=(0, 1), stride=(1, 2))
conv("in groups", (2, 4, 5, 4), (6, 2, 3, 3), padding=1, groups=2)
conv("depthwise", (2, 3, 5, 6), (3, 1, 3, 3), padding=1, groups=3)
conv("depthwise, strided and dilated", (1, 4, 7, 8), (4, 1, 3, 2), stride=2, dilation=2, padding=1, groups=4)
conv("depthwise, two for each", (2, 2, 4, 5), (4, 1, 3, 3), padding=1, groups=2)
conv("large kernel", (1, 1, 8, 9), (2, 1, 7, 5), padding=(3, 2))
conv("padding wider than the kernel", (1, 2, 3, 3), (2, 2, 2, 2), padding=3)
case(
    "conv2d same",
    lambda t, x, w: t.F.conv2d(x, w, padding="same", dilation=2),
    spread(1, 2, 4, 5),
    spread(2, 2, 3, 5),
    expected=lambda x, w: convolved(x, w, padding=(2, 4), dilation=2),
    **_CONVOLUTION,
)
case(
    "conv2d valid",
    lambda t, x, w: t.F.conv2d(x, w, padding="valid"),
    spread(1, 2, 4, 5),
    spread(2, 2, 3, 2),
    expected=convolved,
    **_CONVOLUTION,
)


def wide_conv(name: str, x: tuple[int, ...], w: tuple[int, ...], **window: Any) -> None:
    """More channels than a vector has lanes; too many elements for finite differences."""
    case(
        f"conv2d {name}",
        lambda t, x, w: t.F.conv2d(x, w, **window),
        spread(*x),
        spread(*w, seed=1),
        expected=lambda x, w: convolved(x, w, **window),
        gradient=False,
        **_CONVOLUTION,
    )


for _name, _x, _w, _window in (
    ("3x3", (2, 3, 5, 6), (4, 3, 3, 3), {"padding": 1}),
    ("strided", (1, 2, 7, 8), (3, 2, 3, 3), {"stride": 2}),
    ("in groups", (2, 4, 5, 4), (6, 2, 3, 3), {"groups": 2}),
    ("depthwise", (1, 3, 5, 6), (3, 1, 3, 3), {"groups": 3, "padding": 1}),
):
    case(
        f"conv2d and relu, {_name}",
        lambda t, x, w, b, window=_window: rectified(t, "conv2d", x, w, b, **window),
        spread(*_x),
        spread(*_w, seed=1),
        spread(_w[0], seed=2),
        expected=lambda x, w, b, window=_window: np.maximum(convolved(x, w, b, **window), 0),
        **_CONVOLUTION,
    )
for _name, _outputs, _size in (("without bias", 3, 6), ("wide", 40, 17)):
    case(
        f"conv2d and relu, {_name}",
        lambda t, x, w: rectified(t, "conv2d", x, w, padding=1),
        spread(1, _outputs, 5, _size),
        spread(_outputs, _outputs, 3, 3, seed=1),
        expected=lambda x, w: np.maximum(convolved(x, w, padding=1), 0),
        **(_CONVOLUTION | {"gradient": _outputs < 10}),
    )
wide_conv("wide", (2, 35, 9, 17), (37, 35, 3, 3), padding=1)
wide_conv("wide and strided", (1, 33, 11, 10), (40, 33, 3, 3), padding=1, stride=2)
wide_conv("wide 1x1", (2, 48, 7, 9), (21, 48, 1, 1))
wide_conv("wide and dilated", (1, 20, 13, 12), (34, 20, 3, 3), padding=2, dilation=2)
wide_conv("wide depthwise", (2, 40, 9, 7), (40, 1, 3, 3), padding=1, groups=40)


def conv_transpose(name: str, x: tuple[int, ...], w: tuple[int, ...], bias: bool = True, **window: Any) -> None:
    outputs = w[1] * window.get("groups", 1)
    inputs = [spread(*x), spread(*w, seed=1)] + ([spread(outputs, seed=2)] if bias else [])
    case(
        f"conv_transpose2d {name}",
        lambda t, x, w, b=None: t.F.conv_transpose2d(x, w, b, **window),
        *inputs,
        expected=lambda x, w, b=None: transposed(x, w, b, **window),
        **_CONVOLUTION,
    )


conv_transpose("3x3", (2, 3, 4, 5), (3, 2, 3, 3))
conv_transpose("padded", (2, 2, 4, 5), (2, 3, 3, 3), padding=1)
conv_transpose("2x2 stride 2", (2, 4, 3, 2), (4, 2, 2, 2), stride=2)
conv_transpose("4x4 stride 2", (1, 2, 3, 4), (2, 2, 4, 4), stride=2, padding=1, bias=False)
conv_transpose("of one pixel", (1, 2, 1, 1), (2, 3, 3, 3))
conv_transpose("with output padding", (1, 2, 3, 4), (2, 2, 3, 3), stride=2, padding=1, output_padding=1)
conv_transpose("with uneven output padding", (1, 2, 3, 3), (2, 1, 2, 3), stride=(3, 2), output_padding=(2, 0))
conv_transpose("with gaps", (1, 2, 3, 2), (2, 2, 2, 1), stride=3)
conv_transpose("dilated", (1, 2, 4, 3), (2, 2, 3, 2), dilation=(2, 3), stride=2, padding=(1, 0))
conv_transpose("in groups", (2, 4, 3, 3), (4, 2, 3, 3), groups=2, stride=2)
conv_transpose("depthwise", (1, 3, 3, 4), (3, 1, 4, 4), groups=3, stride=2, padding=1)
conv_transpose("with output padding beyond stride 1", (1, 1, 3, 3), (1, 1, 2, 2), dilation=2, output_padding=1)
for _name, _x, _w, _window in (
    ("2x2 stride 2", (2, 4, 3, 2), (4, 2, 2, 2), {"stride": 2}),
    ("with gaps", (1, 2, 3, 2), (2, 2, 2, 1), {"stride": 3}),
    ("in groups", (1, 4, 3, 3), (4, 1, 3, 3), {"groups": 2, "padding": 1}),
):
    case(
        f"conv_transpose2d and relu, {_name}",
        lambda t, x, w, b, window=_window: rectified(t, "conv_transpose2d", x, w, b, **window),
        spread(*_x),
        spread(*_w, seed=1),
        spread(_w[1] * _window.get("groups", 1), seed=2),
        expected=lambda x, w, b, window=_window: np.maximum(transposed(x, w, b, **window), 0),
        **_CONVOLUTION,
    )
case(
    "conv_transpose2d wide",
    lambda t, x, w: t.F.conv_transpose2d(x, w, stride=2),
    spread(1, 34, 6, 9),
    spread(34, 19, 2, 2, seed=1),
    expected=lambda x, w: transposed(x, w, stride=2),
    gradient=False,
    **_CONVOLUTION,
)
