"""Convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal
import scipy.special

import tinyseg
from tinyseg.op_calls.table import Array, rectified, spread

from .table import bad, both, case, expect, zeros


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
expect("conv2d 3x3 padded", lambda x, w, b: convolved(x, w, b, padding=1), **_CONVOLUTION)
expect("conv2d with every option", lambda x, w: convolved(x, w, None, (2, 1), (1, 2), 2, 2), **_CONVOLUTION)
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


expect("conv2d and relu, 3x3", lambda x, w, b: np.maximum(convolved(x, w, b, padding=1), 0), **_CONVOLUTION)
for _name, _x, _w, _window in (
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


expect("conv_transpose2d 3x3", transposed, **_CONVOLUTION)
expect(
    "conv_transpose2d and relu, with every option",
    lambda x, w: np.maximum(transposed(x, w, None, 2, 1, 1, 2), 0),
    **_CONVOLUTION,
)
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

# Kernels of even size: the odd zero of 'same' comes last.
case(
    "conv2d same, even",
    lambda t, x, w, b: t.F.conv2d(x, w, b, padding="same", dilation=(1, 3)),
    spread(2, 2, 4, 5),
    spread(3, 2, 4, 2, seed=1),
    spread(3, seed=2),
    expected=lambda x, w, b: convolved(np.pad(x, ((0, 0), (0, 0), (1, 2), (1, 2))), w, b, dilation=(1, 3)),
    **_CONVOLUTION,
)
case(
    "conv2d of one image",
    lambda t, x, w, b: t.F.conv2d(x, w, b, padding=1),
    spread(2, 4, 5),
    spread(3, 2, 3, 3, seed=1),
    spread(3, seed=2),
    expected=lambda x, w, b: convolved(x[None], w, b, padding=1)[0],
    tolerance=2e-4,
)
case(
    "conv_transpose2d of one image",
    lambda t, x, w: t.F.conv_transpose2d(x, w, stride=2),
    spread(2, 3, 4),
    spread(2, 3, 2, 3, seed=1),
    expected=lambda x, w: transposed(x[None], w, stride=2)[0],
    tolerance=2e-4,
)


# Lines: rows of an image, one by one.


def _of_lines(function: Any, **window: Any) -> Any:
    """What a function of images makes of lines, vertical numbers being those of a height of one."""
    still = {"padding": 0, "output_padding": 0}
    both_ways = {name: n if name == "groups" else (still.get(name, 1), n) for name, n in window.items()}
    return lambda x, w, b=None: function(x[:, :, None], w[:, :, None], b, **both_ways)[:, :, 0]


for _name, _x, _w, _window in (
    ("padded", (2, 3, 6), (4, 3, 3), {"padding": 1}),
    ("of one pixel", (1, 2, 1), (3, 2, 1), {}),
):
    case(
        f"conv1d {_name}",
        lambda t, x, w, b, window=_window: t.F.conv1d(x, w, b, **window),
        spread(*_x),
        spread(*_w, seed=1),
        spread(_w[0], seed=2),
        expected=_of_lines(convolved, **_window),
        **_CONVOLUTION,
    )
expect(
    "conv1d strided, dilated, in groups",
    _of_lines(convolved, stride=2, dilation=3, padding=1, groups=2),
    **_CONVOLUTION,
)
case(
    "conv1d same, of one line",
    lambda t, x, w: t.F.conv1d(x, w, padding="same"),
    spread(2, 7),
    spread(3, 2, 4, seed=1),
    expected=lambda x, w: _of_lines(convolved)(np.pad(x, ((0, 0), (1, 2)))[None], w)[0],
    tolerance=2e-4,
)
case(
    "conv1d and relu",
    lambda t, x, w: rectified(t, "conv1d", x, w, stride=2, padding="valid"),
    spread(1, 2, 8),
    spread(3, 2, 3, seed=1),
    expected=lambda x, w: np.maximum(_of_lines(convolved, stride=2)(x, w), 0),
    **_CONVOLUTION,
)
expect(
    "conv_transpose1d with output padding",
    _of_lines(transposed, stride=2, padding=1, output_padding=1),
    **_CONVOLUTION,
)
case(
    "conv_transpose1d dilated, in groups",
    lambda t, x, w, b: t.F.conv_transpose1d(x, w, b, dilation=3, padding=2, groups=2),
    spread(1, 4, 5),
    spread(4, 1, 2, seed=1),
    spread(2, seed=2),
    expected=_of_lines(transposed, dilation=3, padding=2, groups=2),
    **_CONVOLUTION,
)
case(
    "conv_transpose1d of one line, and relu",
    lambda t, x, w: rectified(t, "conv_transpose1d", x, w, stride=3),
    spread(2, 3),
    spread(2, 3, 2, seed=1),
    expected=lambda x, w: np.maximum(_of_lines(transposed, stride=3)(x[None], w)[0], 0),
    tolerance=2e-4,
)


# Windows as columns.


def columns(x: Array, kernel: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Array:
    """NumPy's sliding windows; of each every ``dilation``-th element, of them every ``stride``-th."""
    (kh, kw), (dv, dh), (pv, ph), (sv, sh) = (both(value) for value in (kernel, dilation, padding, stride))
    x = np.pad(x, ((0, 0), (0, 0), (pv, pv), (ph, ph)))
    reach = ((kh - 1) * dv + 1, (kw - 1) * dh + 1)
    windows = np.lib.stride_tricks.sliding_window_view(x, reach, (2, 3))[:, :, ::sv, ::sh, ::dv, ::dh]
    return windows.transpose(0, 1, 4, 5, 2, 3).reshape(len(x), x.shape[1] * kh * kw, -1)


def summed(x: Array, size: tuple[int, int], kernel: Any, **window: Any) -> Array:
    """Which pixel each element of the columns was is read off columns of the pixels' numbers; 0 is the padding."""
    channels = x.shape[1] // (both(kernel)[0] * both(kernel)[1])
    pixels = np.arange(1.0, channels * size[0] * size[1] + 1).reshape(1, channels, *size)
    numbers = columns(pixels, kernel, **window).astype(int).ravel()
    planes = [np.bincount(numbers, image.ravel(), pixels.size + 1)[1:] for image in x]
    return np.array(planes).reshape(len(x), channels, *size)


for _name, _x, _kernel, _window in (
    ("3x3, padded", (2, 2, 4, 3), 3, {"padding": 1}),
    ("strided, with gaps", (1, 2, 5, 6), (2, 1), {"stride": (3, 2)}),
    ("dilated", (2, 1, 5, 7), (2, 3), {"dilation": (3, 2), "padding": (0, 2), "stride": (1, 2)}),
):
    case(
        f"unfold {_name}",
        lambda t, x, kernel=_kernel, window=_window: t.F.unfold(x, kernel, **window),
        spread(*_x),
        expected=lambda x, kernel=_kernel, window=_window: columns(x, kernel, **window),
        batch=(0,),
    )
    case(
        f"fold {_name}",
        lambda t, x, size=_x[2:], kernel=_kernel, window=_window: t.F.fold(x, size, kernel, **window),
        spread(*columns(np.zeros(_x), _kernel, **_window).shape),
        expected=lambda x, size=_x[2:], kernel=_kernel, window=_window: summed(x, size, kernel, **window),
        batch=(0,),
    )
expect("unfold padded, strided", lambda x: columns(x, (2, 3), padding=1, stride=2), batch=(0,))
expect("fold 2x2", lambda x: summed(x, (3, 4), 2), batch=(0,))
case("unfold one image", lambda t, x: t.F.unfold(x, 2), spread(2, 3, 4), expected=lambda x: columns(x[None], 2)[0])
case(
    "fold one image",
    lambda t, x: t.F.fold(x, (3, 4), 2),
    spread(8, 6),
    expected=lambda x: summed(x[None], (3, 4), 2)[0],
)

_F = tinyseg.nn.functional
_W = (2, 3, 3)  # of lines
bad(
    "conv1d of images",
    lambda: _F.conv1d(zeros(1, 3, 4, 5), zeros(*_W)),
    ValueError,
    "must be N,C,L or C,L, got shape",
)
bad(
    "conv1d by a kernel of images", lambda: _F.conv1d(zeros(3, 5), zeros(2, 3, 3, 3)), ValueError, "have 3 dimensions"
)
bad("conv1d of channels", lambda: _F.conv1d(zeros(4, 5), zeros(*_W)), ValueError, "conv1d: input has 4 channels but")
bad("conv1d of a short line", lambda: _F.conv1d(zeros(3, 2), zeros(*_W)), ValueError, "its length must be at least 3")
bad(
    "conv1d with two strides", lambda: _F.conv1d(zeros(3, 5), zeros(*_W), stride=(1, 2)), TypeError, "a sequence of 1"
)
bad(
    "conv1d full",
    lambda: _F.conv1d(zeros(3, 5), zeros(*_W), padding="full"),
    ValueError,
    "'same' or 'valid', got 'fu",
)
bad("conv1d same, strided", lambda: _F.conv1d(zeros(3, 5), zeros(*_W), None, 2, "same"), ValueError, "needs stride 1")
bad(
    "conv_transpose1d of channels",
    lambda: _F.conv_transpose1d(zeros(3, 5), zeros(*_W)),
    ValueError,
    "conv_transpose1d: input has 3 channels but weight of shape (2, 3, 3) expects 2",
)
bad(
    "conv_transpose1d, same",
    lambda: _F.conv_transpose1d(zeros(2, 5), zeros(*_W), padding="same"),
    TypeError,
    "padding must be an int or a sequence of 1, got 'same'",
)
bad(
    "conv_transpose1d with output padding",
    lambda: _F.conv_transpose1d(zeros(2, 5), zeros(*_W), output_padding=1),
    ValueError,
    "output_padding (1,) must be smaller than stride (1,)",
)
bad(
    "conv_transpose1d, all cut off",
    lambda: _F.conv_transpose1d(zeros(2, 1), zeros(*_W), padding=2),
    ValueError,
    "an output of -1 pixels",
)
bad("unfold a matrix", lambda: _F.unfold(zeros(4, 5), 2), ValueError, "must be N,C,H,W or C,H,W, got shape (4, 5)")
bad(
    "unfold a small image", lambda: _F.unfold(zeros(1, 3, 3), 3, dilation=2), ValueError, "no window of 3x3 with dila"
)
bad("unfold integers", lambda: _F.unfold(zeros(1, 3, 3).long(), 3), TypeError, "unfold: input must be float32")
bad("unfold with stride 0", lambda: _F.unfold(zeros(1, 3, 3), 3, stride=0), ValueError, "stride must be at least 1")
bad("fold a vector", lambda: _F.fold(zeros(4), 2, 2), ValueError, "must be (N, C kh kw, L) or (C kh kw, L), got")
bad(
    "fold of other channels",
    lambda: _F.fold(zeros(17, 9), 5, 3),
    ValueError,
    "17 rows, which is no multiple of the 9",
)
bad(
    "fold of other windows",
    lambda: _F.fold(zeros(18, 8), 5, 3),
    ValueError,
    "8 columns, but 3 * 3 = 9 windows of 3x3",
)
bad("fold into a small image", lambda: _F.fold(zeros(18, 0), 2, 3), ValueError, "0 * 0 = 0 windows of 3x3 fit into")


case(
    "conv2d, sequences of one",
    lambda t, x, w: t.F.conv2d(x, w, None, (2,), [1], (2,)),
    spread(1, 2, 7, 8),
    spread(3, 2, 3, 3, seed=1),
    expected=lambda x, w: convolved(x, w, None, 2, 1, 2),
)
case(
    "conv_transpose2d, sequences of one",
    lambda t, x, w: t.F.conv_transpose2d(x, w, None, (3,), [1], (2,), 1, [1]),
    spread(1, 2, 4, 3),
    spread(2, 3, 3, 3, seed=1),
    expected=lambda x, w: transposed(x, w, None, 3, 1, 2),
)
