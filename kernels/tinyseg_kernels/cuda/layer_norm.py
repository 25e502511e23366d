"""Layer normalisation: over each row of a matrix."""

from __future__ import annotations

import numpy as np

from .patterns.array import DeviceArray, contiguous, empty, row_major_like
from .patterns.assignment import deliver
from .patterns.blocks import block_sum
from .patterns.moments import block_moments
from .runtime.compiler import FLOATS, T, cuda, kernel
from .runtime.launch import REDUCE_THREADS, launch, spread
from .vector.scalar import square_root

__all__ = ["layer_norm", "layer_norm_backward"]


@kernel("T* T* T* T* T* T* i8 i8 i8 f8", T=FLOATS, threads=REDUCE_THREADS)
def _normalise(x, weight, bias, out, mean, rstd, has_weight, has_bias, length, eps):
    """A block for each row."""
    memory = cuda.shared.array(REDUCE_THREADS, np.float64)
    row, t = cuda.blockIdx.x, cuda.threadIdx.x
    base = row * length
    mean_of, var = block_moments(memory, x, base, length)
    m, r = T(mean_of), T(np.float64(1) / square_root(var + eps))
    if t == 0:
        mean[row] = m
        rstd[row] = r
    i = t
    while i < length:
        w = weight[i] if has_weight else T(1)
        b = bias[i] if has_bias else T(0)
        out[base + i] = (x[base + i] - m) * r * w + b
        i += REDUCE_THREADS


def layer_norm(
    x: DeviceArray,
    weight: DeviceArray | None,
    bias: DeviceArray | None,
    out: DeviceArray,
    mean: DeviceArray,
    rstd: DeviceArray,
    eps: float,
) -> None:
    """Mean and 1 / sqrt(var + eps) of each row, and (x - mean) * rstd * weight + bias; see ``spec.py``."""
    if x.size == 0:
        return
    target = row_major_like(out)
    factors = contiguous(weight or x), contiguous(bias or x)
    flags = int(weight is not None), int(bias is not None)
    rows, length = x.shape
    launch(_normalise, rows, REDUCE_THREADS, contiguous(x), *factors, target, mean, rstd, *flags, length, float(eps))
    deliver(target, out)


@kernel("T* T* T* T* T* T* i8 i8", T=FLOATS, threads=REDUCE_THREADS)
def _through(grad, x, mean, rstd, weight, out, has_weight, length):
    """A block for each row: rstd * (g - mean g - xhat * mean (g * xhat)) with g = weight * grad."""
    memory = cuda.shared.array(REDUCE_THREADS, np.float64)
    row, t = cuda.blockIdx.x, cuda.threadIdx.x
    base = row * length
    m, r = mean[row], rstd[row]
    total, products = np.float64(0), np.float64(0)
    i = t
    while i < length:
        slope = grad[base + i] * weight[i] if has_weight else grad[base + i]
        total += np.float64(slope)
        products += np.float64(slope * ((x[base + i] - m) * r))
        i += REDUCE_THREADS
    by_mean = T(block_sum(memory, total) / length)
    by_xhat = T(block_sum(memory, products) / length)
    i = t
    while i < length:
        slope = grad[base + i] * weight[i] if has_weight else grad[base + i]
        out[base + i] = r * (slope - (by_mean + (x[base + i] - m) * r * by_xhat))
        i += REDUCE_THREADS


@kernel("T* T* T* T* f8* i8 i8 i8", T=FLOATS)
def _column_sums(grad, x, mean, rstd, sums, rows, length, parts):
    """Thread (column, part): sums of grad and grad * xhat over every parts-th row."""
    column, part = cuda.grid(1), cuda.blockIdx.y
    while column < length:
        total, products = np.float64(0), np.float64(0)
        row = part
        while row < rows:
            g = grad[row * length + column]
            total += np.float64(g)
            products += np.float64(g * ((x[row * length + column] - mean[row]) * rstd[row]))
            row += parts
        sums[(2 * part) * length + column] = total
        sums[(2 * part + 1) * length + column] = products
        column += cuda.gridsize(1)


@kernel("f8* T* T* i8 i8", T=FLOATS)
def _collect(sums, grad_weight, grad_bias, length, parts):
    column = cuda.grid(1)
    while column < length:
        total, products = np.float64(0), np.float64(0)
        part = 0
        while part < parts:
            total += sums[(2 * part) * length + column]
            products += sums[(2 * part + 1) * length + column]
            part += 1
        grad_bias[column] = T(total)
        grad_weight[column] = T(products)
        column += cuda.gridsize(1)


def layer_norm_backward(
    grad: DeviceArray,
    x: DeviceArray,
    mean: DeviceArray,
    rstd: DeviceArray,
    weight: DeviceArray | None,
    grad_weight: DeviceArray,
    grad_bias: DeviceArray,
    out: DeviceArray,
) -> None:
    """The gradients by weight and bias, sums over rows, and by x, row by row."""
    rows, length = x.shape
    grad, x, mean, rstd, factor = (contiguous(a) for a in (grad, x, mean, rstd, weight or mean))
    parts = max(1, min(65536 // max(length, 1), rows // 8, 256))
    sums = empty((parts, 2, length), np.float64)
    blocks, threads = spread(length)
    launch(_column_sums, (blocks, parts), threads, grad, x, mean, rstd, sums, rows, length, parts)
    launch(_collect, blocks, threads, sums, grad_weight, grad_bias, length, parts)
    if x.size == 0:
        return
    target = row_major_like(out)
    has_weight = int(weight is not None)
    launch(_through, rows, REDUCE_THREADS, grad, x, mean, rstd, factor, target, has_weight, length)
    deliver(target, out)
