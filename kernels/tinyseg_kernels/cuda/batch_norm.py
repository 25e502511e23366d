"""Batch normalisation over N, H and W, channel by channel; sums in two stages, what is element-wise in one launch.

x (N,C,H,W) is walked by planes, so that no thread has to divide to find its channel.
"""

from __future__ import annotations

import numpy as np

from .patterns.array import DeviceArray, contiguous, empty, row_major_like
from .patterns.assignment import deliver
from .patterns.blocks import block_sum, parts_for
from .patterns.moments import add_shifted, variance_of
from .patterns.planes import channel_planes
from .runtime.compiler import FLOATS, T, cuda, helper, kernel
from .runtime.launch import REDUCE_THREADS, launch, spread

__all__ = ["batch_norm", "batch_norm_backward", "batch_norm_statistics", "batch_norm_sums"]


@kernel("T* f8* i8 i8 i8 i8", T=FLOATS, threads=REDUCE_THREADS)
def _moments(x, sums, images, channels, pixels, parts):
    """Block (c, part): sums of d = x - x[0,c,0] and of d^2 (see ``patterns/moments.py``)."""
    memory = cuda.shared.array(REDUCE_THREADS, np.float64)
    c, part, t = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x
    shift = np.float64(x[c * pixels])
    total, squares = np.float64(0), np.float64(0)
    n = 0
    while n < images:
        base, first = (n * channels + c) * pixels, part * REDUCE_THREADS + t
        total, squares = add_shifted(x, base, first, pixels, REDUCE_THREADS * parts, shift, total, squares)
        n += 1
    total = block_sum(memory, total)
    squares = block_sum(memory, squares)
    if t == 0:
        sums[(2 * part) * channels + c] = total
        sums[(2 * part + 1) * channels + c] = squares


@kernel("T* f8* T* T* i8 i8 i8 i8", T=FLOATS)
def _mean_and_variance(x, sums, mean, var, channels, pixels, parts, count):
    c = cuda.grid(1)
    while c < channels:
        total, squares = np.float64(0), np.float64(0)
        part = 0
        while part < parts:
            total += sums[(2 * part) * channels + c]
            squares += sums[(2 * part + 1) * channels + c]
            part += 1
        off = total / count
        mean[c] = T(np.float64(x[c * pixels]) + off)
        var[c] = T(variance_of(squares / count, off))
        c += cuda.gridsize(1)


def batch_norm_statistics(x: DeviceArray, mean: DeviceArray, var: DeviceArray) -> None:
    """Mean and biased variance of each channel; see ``spec.py``, as for every kernel here."""
    x = contiguous(x)
    n, c, h, w = x.shape
    if x.size == 0:
        return
    parts = parts_for(c, h * w)
    sums = empty((parts, 2, c), np.float64)
    launch(_moments, (c, parts), REDUCE_THREADS, x, sums, n, c, h * w, parts)
    launch(_mean_and_variance, *spread(c), x, sums, mean, var, c, h * w, parts, n * h * w)


@helper
def _open(value, relu):
    """Whether the gradient passes what followed: always, or where ReLU got a positive number."""
    return relu == 0 or value > 0


@kernel("T* T* T* T* T* T* i8 i8 i8 i8 i8 i8", T=FLOATS)
def _normalise(x, mean, rstd, weight, bias, out, has_weight, has_bias, relu, planes, channels, pixels):
    plane = cuda.blockIdx.y
    while plane < planes:
        c = plane % channels
        m, r = mean[c], rstd[c]
        w = weight[c] if has_weight else T(1)
        b = bias[c] if has_bias else T(0)
        i = cuda.grid(1)
        while i < pixels:
            y = (x[plane * pixels + i] - m) * r * w + b
            out[plane * pixels + i] = y if _open(y, relu) or y != y else T(0)
            i += cuda.gridsize(1)
        plane += cuda.gridDim.y


def batch_norm(
    x: DeviceArray,
    mean: DeviceArray,
    rstd: DeviceArray,
    weight: DeviceArray | None,
    bias: DeviceArray | None,
    out: DeviceArray,
    relu: bool,
) -> None:
    """(x - mean) * rstd * weight + bias, and ReLU, which lets a NaN through."""
    x, target = contiguous(x), row_major_like(out)
    n, c, h, w = x.shape
    if x.size == 0:
        return
    flags = int(weight is not None), int(bias is not None), int(relu)
    factors = contiguous(mean), contiguous(rstd), contiguous(weight or mean), contiguous(bias or mean)
    launch(_normalise, *channel_planes(n, c, h * w), x, *factors, target, *flags, n * c, c, h * w)
    deliver(target, out)


@kernel("T* T* T* T* T* T* f8* i8 i8 i8 i8 i8 i8 i8", T=FLOATS, threads=REDUCE_THREADS)
def _gradient_sums(
    grad, x, mean, rstd, weight, bias, sums, has_weight, has_bias, relu, images, channels, pixels, parts
):
    """Block (c, part): sums of grad and of grad * xhat."""
    memory = cuda.shared.array(REDUCE_THREADS, np.float64)
    c, part, t = cuda.blockIdx.x, cuda.blockIdx.y, cuda.threadIdx.x
    m, r = mean[c], rstd[c]
    w = weight[c] if has_weight else T(1)
    b = bias[c] if has_bias else T(0)
    total, products = np.float64(0), np.float64(0)
    n = 0
    while n < images:
        base = (n * channels + c) * pixels
        i = part * REDUCE_THREADS + t
        while i < pixels:
            xhat = (x[base + i] - m) * r
            if _open(xhat * w + b, relu):
                g = grad[base + i]
                total += np.float64(g)
                products += np.float64(g * xhat)
            i += REDUCE_THREADS * parts
        n += 1
    total = block_sum(memory, total)
    products = block_sum(memory, products)
    if t == 0:
        sums[(2 * part) * channels + c] = total
        sums[(2 * part + 1) * channels + c] = products


@kernel("f8* T* T* i8 i8", T=FLOATS)
def _collect(sums, grad_weight, grad_bias, channels, parts):
    c = cuda.grid(1)
    while c < channels:
        total, products = np.float64(0), np.float64(0)
        part = 0
        while part < parts:
            total += sums[(2 * part) * channels + c]
            products += sums[(2 * part + 1) * channels + c]
            part += 1
        grad_bias[c] = T(total)
        grad_weight[c] = T(products)
        c += cuda.gridsize(1)


def batch_norm_sums(
    grad: DeviceArray,
    x: DeviceArray,
    mean: DeviceArray,
    rstd: DeviceArray,
    weight: DeviceArray | None,
    bias: DeviceArray | None,
    grad_weight: DeviceArray,
    grad_bias: DeviceArray,
    relu: bool,
) -> None:
    """The gradients by weight and bias."""
    grad, x = contiguous(grad), contiguous(x)
    n, c, h, w = x.shape
    parts = parts_for(c, h * w)
    sums = empty((parts, 2, c), np.float64)
    flags = int(weight is not None), int(bias is not None), int(relu)
    factors = contiguous(mean), contiguous(rstd), contiguous(weight or mean), contiguous(bias or mean)
    launch(_gradient_sums, (c, parts), REDUCE_THREADS, grad, x, *factors, sums, *flags, n, c, h * w, parts)
    launch(_collect, *spread(c), sums, grad_weight, grad_bias, c, parts)


@kernel("T* T* T* T* T* T* T* T* T* i8 i8 i8 i8 i8 i8 i8 T", T=FLOATS)
def _backward(
    grad, x, mean, rstd, weight, bias, grad_weight, grad_bias, out,
    has_weight, has_bias, has_sums, relu, planes, channels, pixels, share,
):  # fmt: skip
    """share is 1 / M."""
    plane = cuda.blockIdx.y
    while plane < planes:
        c = plane % channels
        m, r = mean[c], rstd[c]
        w = weight[c] if has_weight else T(1)
        b = bias[c] if has_bias else T(0)
        by_bias = grad_bias[c] * share if has_sums else T(0)
        by_weight = grad_weight[c] * share if has_sums else T(0)
        i = cuda.grid(1)
        while i < pixels:
            xhat = (x[plane * pixels + i] - m) * r
            g = grad[plane * pixels + i] if _open(xhat * w + b, relu) else T(0)
            if has_sums:
                g = g - (by_bias + xhat * by_weight)
            out[plane * pixels + i] = w * r * g
            i += cuda.gridsize(1)
        plane += cuda.gridDim.y


def batch_norm_backward(
    grad: DeviceArray,
    x: DeviceArray,
    mean: DeviceArray,
    rstd: DeviceArray,
    weight: DeviceArray | None,
    bias: DeviceArray | None,
    grad_weight: DeviceArray | None,
    grad_bias: DeviceArray | None,
    out: DeviceArray,
    relu: bool,
) -> None:
    """weight * rstd * (grad - grad_bias / M - xhat * grad_weight / M), without the sums weight * rstd * grad."""
    grad, x = contiguous(grad), contiguous(x)
    target = row_major_like(out)
    n, c, h, w = x.shape
    if x.size == 0:
        return
    has_sums = grad_weight is not None and grad_bias is not None
    flags = int(weight is not None), int(bias is not None), int(has_sums), int(relu)
    factors = contiguous(mean), contiguous(rstd), contiguous(weight or mean), contiguous(bias or mean)
    sums = contiguous(grad_weight or mean), contiguous(grad_bias or mean)
    share = x.dtype.type(1 / (n * h * w))
    launch(_backward, *channel_planes(n, c, h * w), grad, x, *factors, *sums, target, *flags, n * c, c, h * w, share)
    deliver(target, out)
