"""Convolution forward, its adjoint, and its weight gradient: the choice of the algorithm, and the launches."""

from __future__ import annotations

from typing import Any

from .conv import depthwise, plan, winograd
from .conv.direct import CONVOLUTION
from .conv.plan import Pair, Window
from .conv.tiles import kind_of
from .conv.weight_gradient import WEIGHT_GRADIENT
from .patterns.array import DeviceArray, contiguous, empty, row_major_like
from .patterns.assignment import deliver, fill
from .patterns.partial_sums import sum_parts
from .runtime.launch import launch

__all__ = ["conv2d", "conv2d_weight_gradient", "conv_transpose2d", "set_conv_algorithm"]

Memo = dict[Any, Any] | None

_VECTOR_BYTES = 16

_chosen = "auto"


def _is_depthwise(weight: DeviceArray, groups: int) -> bool:
    return groups > 1 and weight.shape[1] == 1


def _uses_winograd(source: DeviceArray, out: DeviceArray, window: Window, memo: Memo) -> bool:
    """Whether it applies, and is asked for or seems the faster one."""
    applies = window.kernel == (3, 3) and window.stride == (1, 1) and window.groups == 1
    if not applies or _chosen == "direct":
        return False
    if window.kind == "tf32" and _chosen == "auto":  # there the multiplications are what costs least
        return False
    return _chosen == "winograd" or winograd.pays(source.shape, out.shape, window.dilation, memo is not None)


def _direct(
    source: DeviceArray,
    weight: DeviceArray,
    bias: DeviceArray | None,
    out: DeviceArray,
    window: Window,
    adjoint: bool,
    relu: bool,
) -> None:
    """Either direction, of contiguous arrays; see ``conv/direct.py``."""
    work = plan.convolution(window, adjoint)
    tile, parts = work.split.tile, work.split.parts
    target = out if parts == 1 else empty((parts, *out.shape), out.dtype)
    vectors = target.address % _VECTOR_BYTES == 0
    with_bias = bias is not None and parts == 1
    arrays = weight, source, bias if with_bias else weight, target, work.numbers
    launch(CONVOLUTION[tile], work.blocks, tile.threads, *arrays, with_bias, relu and parts == 1, vectors)
    if parts > 1:
        sum_parts(target, bias, out, parts, relu)


def conv2d(
    x: DeviceArray,
    weight: DeviceArray,
    bias: DeviceArray | None,
    out: DeviceArray,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    relu: bool,
    memo: Memo,
) -> None:
    """See ``spec.py``."""
    if out.size == 0:
        return
    source, weight, bias = contiguous(x), contiguous(weight), None if bias is None else contiguous(bias)
    memory = row_major_like(out)
    if _is_depthwise(weight, groups):
        depthwise.convolve(source, weight, bias, memory, stride, padding, dilation, relu)
    else:
        window = _window(x, out, weight, stride, padding, dilation, groups)
        if not _uses_winograd(x, out, window, memo) or not winograd.convolve(
            source, weight, bias, memory, padding, dilation, False, relu, memo
        ):
            _direct(source, weight, bias, memory, window, False, relu)
    deliver(memory, out)


def conv_transpose2d(
    y: DeviceArray,
    weight: DeviceArray,
    bias: DeviceArray | None,
    out: DeviceArray,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    relu: bool,
    memo: Memo,
) -> None:
    """See ``spec.py``."""
    if out.size == 0:
        return
    source, weight, bias = contiguous(y), contiguous(weight), None if bias is None else contiguous(bias)
    memory = row_major_like(out)
    if _is_depthwise(weight, groups):
        depthwise.convolve_transposed(source, weight, bias, memory, stride, padding, dilation, relu)
    else:
        window = _window(out, y, weight, stride, padding, dilation, groups)
        flipped = 2 * dilation[0] - padding[0], 2 * dilation[1] - padding[1]
        if not _uses_winograd(y, out, window, memo) or not winograd.convolve(
            source, weight, bias, memory, flipped, dilation, True, relu, memo
        ):
            _direct(source, weight, bias, memory, window, True, relu)
    deliver(memory, out)


def conv2d_weight_gradient(
    x: DeviceArray, grad: DeviceArray, out: DeviceArray, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> None:
    """See ``spec.py``."""
    if out.size == 0:
        return
    if grad.size == 0:
        fill(out, 0)
        return
    x, grad, memory = contiguous(x), contiguous(grad), row_major_like(out)
    if _is_depthwise(out, groups):
        depthwise.weight_gradient(x, grad, memory, stride, padding, dilation)
    else:
        _direct_weight_gradient(x, grad, memory, _window(x, grad, out, stride, padding, dilation, groups))
    deliver(memory, out)


def _direct_weight_gradient(x: DeviceArray, grad: DeviceArray, out: DeviceArray, window: Window) -> None:
    """The weight gradient, of contiguous arrays; see ``conv/weight_gradient.py``."""
    work = plan.weight_gradient(window)
    tile, parts = work.split.tile, work.split.parts
    target = out if parts == 1 else empty((parts, *out.shape), out.dtype)
    launch(WEIGHT_GRADIENT[tile], work.blocks, tile.threads, grad, x, target, work.numbers)
    if parts > 1:
        sum_parts(target, None, out, parts, False)


def set_conv_algorithm(name: str) -> None:
    """See ``spec.py``."""
    global _chosen
    _chosen = name


def _window(
    x: DeviceArray, y: DeviceArray, weight: DeviceArray, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Window:
    kernel = weight.shape[2], weight.shape[3]
    return Window(x.shape, y.shape, kernel, stride, padding, dilation, groups, kind_of(weight))
