"""Group normalisation: over the pixels and the channels of a group, image by image."""

from __future__ import annotations

import numpy as np

from .patterns.array import DeviceArray, contiguous, empty, row_major_like
from .patterns.assignment import deliver
from .patterns.blocks import block_sum
from .patterns.moments import block_moments
from .patterns.planes import channel_planes
from .runtime.compiler import FLOATS, T, cuda, kernel
from .runtime.launch import REDUCE_THREADS, launch, spread

__all__ = ["group_norm", "group_norm_backward", "group_norm_statistics"]


@kernel("T* T* T* i8", T=FLOATS, threads=REDUCE_THREADS)
def _moments(x, mean, var, length):
    """A block for each group, whose elements lie side by side: mean, and then the mean squared deviation."""
    memory = cuda.shared.array(REDUCE_THREADS, np.float64)
    group, t = cuda.blockIdx.x, cuda.threadIdx.x
    mean_of, var_of = block_moments(memory, x, group * length, length)
    if t == 0:
        mean[group] = T(mean_of)
        var[group] = T(var_of)


def group_norm_statistics(x: DeviceArray, mean: DeviceArray, var: DeviceArray) -> None:
    """Mean and biased variance of each group; see ``spec.py``, as for every kernel here."""
    if x.size:
        launch(_moments, mean.size, REDUCE_THREADS, contiguous(x), mean, var, x.size // mean.size)


@kernel("T* T* T* T* T* T* i8 i8 i8 i8 i8 i8", T=FLOATS)
def _normalise(x, mean, rstd, weight, bias, out, has_weight, has_bias, planes, channels, pixels, members):
    """members: channels of a group."""
    plane = cuda.blockIdx.y
    while plane < planes:
        c = plane % channels
        m, r = mean[plane // members], rstd[plane // members]
        w = weight[c] if has_weight else T(1)
        b = bias[c] if has_bias else T(0)
        i = cuda.grid(1)
        while i < pixels:
            out[plane * pixels + i] = (x[plane * pixels + i] - m) * r * w + b
            i += cuda.gridsize(1)
        plane += cuda.gridDim.y


def group_norm(
    x: DeviceArray,
    mean: DeviceArray,
    rstd: DeviceArray,
    weight: DeviceArray | None,
    bias: DeviceArray | None,
    out: DeviceArray,
) -> None:
    """(x - mean) * rstd * weight + bias."""
    if x.size == 0:
        return
    n, c, h, w = x.shape
    target = row_major_like(out)
    factors = contiguous(mean), contiguous(rstd), contiguous(weight or mean), contiguous(bias or mean)
    flags = int(weight is not None), int(bias is not None)
    sizes = n * c, c, h * w, c // mean.shape[1]
    launch(_normalise, *channel_planes(n, c, h * w), contiguous(x), *factors, target, *flags, *sizes)
    deliver(target, out)


@kernel("T* T* T* T* f8* i8 i8 i8", T=FLOATS, threads=REDUCE_THREADS)
def _plane_sums(grad, x, mean, rstd, sums, count, pixels, members):
    """A block for each image's channel: sums of grad and of grad * xhat."""
    memory = cuda.shared.array(REDUCE_THREADS, np.float64)
    plane, t = cuda.blockIdx.x, cuda.threadIdx.x
    m, r = mean[plane // members], rstd[plane // members]
    total, products = np.float64(0), np.float64(0)
    i = t
    while i < pixels:
        g = grad[plane * pixels + i]
        total += np.float64(g)
        products += np.float64(g * ((x[plane * pixels + i] - m) * r))
        i += REDUCE_THREADS
    total = block_sum(memory, total)
    products = block_sum(memory, products)
    if t == 0:
        sums[plane] = total
        sums[count + plane] = products


@kernel("f8* T* T* i8 i8", T=FLOATS)
def _over_images(sums, grad_weight, grad_bias, images, channels):
    c = cuda.grid(1)
    while c < channels:
        total, products = np.float64(0), np.float64(0)
        n = 0
        while n < images:
            total += sums[n * channels + c]
            products += sums[(images + n) * channels + c]
            n += 1
        grad_bias[c] = T(total)
        grad_weight[c] = T(products)
        c += cuda.gridsize(1)


@kernel("f8* T* T* i8 i8 i8 i8 i8 i8", T=FLOATS)
def _over_groups(sums, weight, means, has_weight, groups, count, channels, members, length):
    """means (2, groups): of weight * grad and of weight * grad * xhat."""
    group = cuda.grid(1)
    while group < groups:
        total, products = np.float64(0), np.float64(0)
        plane = group * members
        while plane < (group + 1) * members:
            w = np.float64(weight[plane % channels]) if has_weight else np.float64(1)
            total += w * sums[plane]
            products += w * sums[count + plane]
            plane += 1
        means[group] = T(total / length)
        means[groups + group] = T(products / length)
        group += cuda.gridsize(1)


@kernel("T* T* T* T* T* T* T* i8 i8 i8 i8 i8", T=FLOATS)
def _through(grad, x, mean, rstd, weight, means, out, has_weight, planes, channels, pixels, members):
    groups = planes // members
    plane = cuda.blockIdx.y
    while plane < planes:
        group = plane // members
        m, r = mean[group], rstd[group]
        w = weight[plane % channels] if has_weight else T(1)
        i = cuda.grid(1)
        while i < pixels:
            xhat = (x[plane * pixels + i] - m) * r
            slope = grad[plane * pixels + i] * w
            out[plane * pixels + i] = r * (slope - (means[group] + xhat * means[groups + group]))
            i += cuda.gridsize(1)
        plane += cuda.gridDim.y


def group_norm_backward(
    grad: DeviceArray,
    x: DeviceArray,
    mean: DeviceArray,
    rstd: DeviceArray,
    weight: DeviceArray | None,
    grad_weight: DeviceArray,
    grad_bias: DeviceArray,
    out: DeviceArray,
) -> None:
    """The gradients by weight, bias and x, from the sums over each image's channels."""
    n, c, h, w = x.shape
    groups = mean.size
    members, pixels = c // mean.shape[1], h * w
    grad, x, mean, rstd, factor = (contiguous(a) for a in (grad, x, mean, rstd, weight or mean))
    sums, means = empty((2, n * c), np.float64), empty((2, groups), x.dtype)
    target = row_major_like(out)
    has_weight = int(weight is not None)
    launch(_plane_sums, n * c, REDUCE_THREADS, grad, x, mean, rstd, sums, n * c, pixels, members)
    launch(_over_images, *spread(c), sums, grad_weight, grad_bias, n, c)
    if x.size == 0:
        return
    sizes = groups, n * c, c, members, members * pixels
    launch(_over_groups, *spread(groups), sums, factor, means, has_weight, *sizes)
    launch(
        _through, *channel_planes(n, c, pixels), grad, x, mean, rstd, factor, means, target, has_weight,
        *(n * c, c, pixels, members),
    )  # fmt: skip
    deliver(target, out)
