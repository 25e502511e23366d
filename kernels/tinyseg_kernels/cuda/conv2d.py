"""Convolution forward, its adjoint, and its gradient by the weight: the choice of the way, and the launches."""

from __future__ import annotations

from typing import Any

from . import plan, runtime
from .array import DeviceArray, contiguous, empty
from .correlate import CORRELATE
from .elementwise import assign, fill
from .plan import Pair, Window
from .sum_parts import sum_parts
from .weight_gradient import WEIGHT_GRADIENT

__all__ = ["conv2d", "conv2d_weight_gradient", "conv_transpose2d", "set_conv_algorithm"]

Memo = dict[Any, Any] | None

_VECTOR_BYTES = 16

_chosen = "auto"


def _row_major(out: DeviceArray) -> DeviceArray:
    """The array itself, or one beside it that a kernel can write to."""
    return out if out.is_contiguous else empty(out.shape, out.dtype)


def _deliver(written: DeviceArray, out: DeviceArray) -> None:
    if written is not out:
        assign(written, out)


def _correlate(
    source: DeviceArray,
    weight: DeviceArray,
    bias: DeviceArray | None,
    out: DeviceArray,
    window: Window,
    adjoint: bool,
    relu: bool,
) -> None:
    """Either direction; see ``correlate.py``."""
    work = plan.correlation(window, adjoint)
    source, weight = contiguous(source), contiguous(weight)
    bias = None if bias is None else contiguous(bias)
    memory = _row_major(out)
    tile, parts = work.split.tile, work.split.parts
    target = memory if parts == 1 else empty((parts, *out.shape), out.dtype)
    vectors = target.address % _VECTOR_BYTES == 0
    with_bias = bias is not None and parts == 1
    arrays = weight, source, bias if with_bias else weight, target, work.numbers
    runtime.launch(CORRELATE[tile], work.blocks, tile.threads, *arrays, with_bias, relu and parts == 1, vectors)
    if parts > 1:
        sum_parts(target, bias, memory, parts, relu)
    _deliver(memory, out)


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
    window = _window(x, out, weight, stride, padding, dilation, groups)
    _correlate(x, weight, bias, out, window, False, relu)


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
    window = _window(out, y, weight, stride, padding, dilation, groups)
    _correlate(y, weight, bias, out, window, True, relu)


def conv2d_weight_gradient(
    x: DeviceArray, grad: DeviceArray, out: DeviceArray, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> None:
    """See ``spec.py``."""
    if out.size == 0:
        return
    if grad.size == 0:
        fill(out, 0)
        return
    work = plan.weight_gradient(_window(x, grad, out, stride, padding, dilation, groups))
    memory = _row_major(out)
    tile, parts = work.split.tile, work.split.parts
    target = memory if parts == 1 else empty((parts, *out.shape), out.dtype)
    arrays = contiguous(grad), contiguous(x), target, work.numbers
    runtime.launch(WEIGHT_GRADIENT[tile], work.blocks, tile.threads, *arrays)
    if parts > 1:
        sum_parts(target, None, memory, parts, False)
    _deliver(memory, out)


def set_conv_algorithm(name: str) -> None:
    """See ``spec.py``."""
    global _chosen
    _chosen = name


def _window(
    x: DeviceArray, y: DeviceArray, weight: DeviceArray, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Window:
    kernel = weight.shape[2], weight.shape[3]
    code = weight.code.removesuffix("*")
    return Window(x.shape, y.shape, kernel, tuple(stride), tuple(padding), tuple(dilation), groups, code)
