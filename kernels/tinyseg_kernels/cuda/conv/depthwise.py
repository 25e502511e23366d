"""Depthwise convolution: each channel has filters of its own, so there is no matrix to multiply, only windows.

Each input channel makes ``multiplier`` output channels, one or more. A thread works out one pixel; the gradient by
the weight is a block's for each weight, whose threads add up in a fixed order.
"""

from __future__ import annotations

from ..patterns.array import DeviceArray
from ..patterns.planes import over_planes, own_pixel
from ..runtime.compiler import FLOATS, SIMULATED, T, cuda, kernel
from ..runtime.launch import launch

Pair = tuple[int, int]

_THREADS = 4 if SIMULATED else 256


@kernel("T* T* T* T* i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8", T=FLOATS)
def _forward(
    x, weight, bias, out, planes, channels, multiplier, h, w, rows, columns,
    kh, kw, sh, sw, ph, pw, dh, dw, has_bias, relu,
):  # fmt: skip
    pixel = own_pixel()
    if pixel < rows * columns:
        i = pixel // columns
        top, left = i * sh - ph, (pixel - i * columns) * sw - pw
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            channel = plane % channels
            source = plane // multiplier * h * w  # channels are a multiple of the multiplier
            total = T(0)
            for r in range(kh):
                row = top + r * dh
                if 0 <= row < h:
                    for s in range(kw):
                        column = left + s * dw
                        if 0 <= column < w:
                            total += weight[(channel * kh + r) * kw + s] * x[source + row * w + column]
            if has_bias:
                total += bias[channel]
            out[plane * rows * columns + pixel] = T(0) if relu and total <= 0 else total


@kernel("T* T* T* T* i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8", T=FLOATS)
def _adjoint(
    y, weight, bias, out, planes, channels, multiplier, h, w, rows, columns,
    kh, kw, sh, sw, ph, pw, dh, dw, has_bias, relu,
):  # fmt: skip
    """Gathers: pixel h met row i of y by tap r if i * stride - padding + r * dilation is h."""
    pixel = own_pixel()
    if pixel < h * w:
        below = pixel // w + ph
        right = pixel % w + pw
        for plane in range(cuda.blockIdx.y, planes, cuda.gridDim.y):
            channel = plane % channels
            total = T(0)
            for m in range(multiplier):
                source = (plane * multiplier + m) * rows * columns
                taps = (channel * multiplier + m) * kh * kw
                for r in range(kh):
                    i = (below - r * dh) // sh
                    if 0 <= i < rows and i * sh == below - r * dh:
                        for s in range(kw):
                            j = (right - s * dw) // sw
                            if 0 <= j < columns and j * sw == right - s * dw:
                                total += weight[taps + r * kw + s] * y[source + i * columns + j]
            if has_bias:
                total += bias[channel]
            out[plane * h * w + pixel] = T(0) if relu and total <= 0 else total


@kernel("T* T* T* i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8 i8", T=FLOATS)
def _gradient(x, grad, out, images, channels, multiplier, h, w, rows, columns, kh, kw, sh, sw, ph, pw, dh, dw):
    """A block for each weight: tap ``blockIdx.x`` of output channel ``blockIdx.y``."""
    partial = cuda.shared.array(_THREADS, T)
    tap, thread = cuda.blockIdx.x, cuda.threadIdx.x
    down, across = tap // kw * dh - ph, tap % kw * dw - pw
    for channel in range(cuda.blockIdx.y, channels, cuda.gridDim.y):
        total = T(0)
        for n in range(images):
            source = (n * (channels // multiplier) + channel // multiplier) * h
            for pixel in range(thread, rows * columns, _THREADS):
                i = pixel // columns
                row, column = i * sh + down, (pixel - i * columns) * sw + across
                if 0 <= row < h and 0 <= column < w:
                    total += grad[(n * channels + channel) * rows * columns + pixel] * x[(source + row) * w + column]
        partial[thread] = total
        cuda.syncthreads()
        half = _THREADS // 2
        while half > 0:
            if thread < half:
                partial[thread] += partial[thread + half]
            half //= 2
            cuda.syncthreads()
        if thread == 0:
            out[channel * kh * kw + tap] = partial[0]
        cuda.syncthreads()


def _numbers(
    x: DeviceArray, y: DeviceArray, weight: DeviceArray, stride: Pair, padding: Pair, dilation: Pair
) -> tuple[int, ...]:
    """The multiplier, the sizes of x, y and the kernel, and the window's numbers."""
    return (
        y.shape[1] // x.shape[1],
        *x.shape[2:],
        *y.shape[2:],
        *weight.shape[2:],
        *stride,
        *padding,
        *dilation,
    )


def convolve(
    x: DeviceArray,
    weight: DeviceArray,
    bias: DeviceArray | None,
    out: DeviceArray,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    relu: bool,
) -> None:
    """Arrays are contiguous, and groups as many as channels of x, here and below."""
    numbers = _numbers(x, out, weight, stride, padding, dilation)
    arrays = x, weight, weight if bias is None else bias, out
    planes = out.shape[0] * out.shape[1]
    over_planes(_forward, out.shape, *arrays, planes, out.shape[1], *numbers, bias is not None, relu)


def convolve_transposed(
    y: DeviceArray,
    weight: DeviceArray,
    bias: DeviceArray | None,
    out: DeviceArray,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    relu: bool,
) -> None:
    """Its adjoint."""
    numbers = _numbers(out, y, weight, stride, padding, dilation)
    arrays = y, weight, weight if bias is None else bias, out
    planes = out.shape[0] * out.shape[1]
    over_planes(_adjoint, out.shape, *arrays, planes, out.shape[1], *numbers, bias is not None, relu)


def weight_gradient(
    x: DeviceArray, grad: DeviceArray, out: DeviceArray, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """Its gradient by the weight."""
    numbers = _numbers(x, grad, out, stride, padding, dilation)
    taps, channels = out.shape[2] * out.shape[3], out.shape[0]
    blocks = taps, min(channels, 65535)
    launch(_gradient, blocks, _THREADS, x, grad, out, x.shape[0], channels, *numbers)
