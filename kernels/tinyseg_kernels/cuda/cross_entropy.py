"""Softmax and cross-entropy in one step, a thread for each pixel; the softmax is never stored.

A label that is no class makes its loss NaN and reads nothing.
"""

from __future__ import annotations

import math

import numpy as np

from .patterns.array import DeviceArray, contiguous, empty, row_major_like
from .patterns.assignment import deliver
from .runtime.compiler import FLOATS, SIMULATED, T, cuda, helper, kernel
from .runtime.launch import REDUCE_THREADS, launch, spread
from .softmax import log_sum
from .vector.scalar import exponential, logarithm

__all__ = [
    "cross_entropy",
    "cross_entropy_backward",
    "label_bounds",
    "soft_cross_entropy",
    "soft_cross_entropy_backward",
]


@helper
def _share(target, weight, has_weight, c, smoothing, classes, one):
    """w_c q_c for a label."""
    q = smoothing / classes + (one - smoothing if c == target else one - one)
    return q * weight[c] if has_weight else q


@kernel("T* i8* T* T* T* i8 i8 i8 i8 i8 T", T=FLOATS)
def _losses(logits, target, weight, losses, weights, has_weight, count, classes, pixels, ignore, smoothing):
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        label = target[i]
        n = i // pixels
        at = n * classes * pixels + (i - n * pixels)
        loss, pixel_weight = T(0), T(0)
        if label != ignore and (label < 0 or label >= classes):
            loss, pixel_weight = T(math.nan), T(math.nan)
        elif label != ignore:
            largest, total = log_sum(logits, at, classes, pixels, T(0))
            log_total = logarithm(total)
            pixel_weight = weight[label] if has_weight else T(1)
            if smoothing == T(0):
                # A weight of 0 leaves the term out.
                each = log_total - (logits[at + label * pixels] - largest)
                loss = pixel_weight * each if pixel_weight != T(0) else T(0)
            else:
                c = 0
                while c < classes:
                    share = _share(label, weight, has_weight, c, smoothing, T(classes), T(1))
                    if share != T(0):
                        loss += share * (log_total - (logits[at + c * pixels] - largest))
                    c += 1
        losses[i] = loss
        weights[i] = pixel_weight
        i += step


@kernel("T* T* i8* T* T* i8 i8 i8 i8 i8 T", T=FLOATS)
def _backward(grad, logits, target, weight, out, has_weight, count, classes, pixels, ignore, smoothing):
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        label = target[i]
        n = i // pixels
        at = n * classes * pixels + (i - n * pixels)
        if label == ignore:
            c = 0
            while c < classes:
                out[at + c * pixels] = T(0)
                c += 1
        else:
            largest, total = log_sum(logits, at, classes, pixels, T(0))
            shares = T(0)
            c = 0
            while c < classes:
                shares += _share(label, weight, has_weight, c, smoothing, T(classes), T(1))
                c += 1
            g = grad[i]
            c = 0
            while c < classes:
                share = _share(label, weight, has_weight, c, smoothing, T(classes), T(1))
                chance = exponential(logits[at + c * pixels] - largest) / total
                out[at + c * pixels] = g * (chance * shares - share)
                c += 1
        i += step


@kernel("T* T* T* T* i8 i8 i8 i8 T", T=FLOATS)
def _soft_losses(logits, target, weight, losses, has_weight, count, classes, pixels, smoothing):
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        n = i // pixels
        at = n * classes * pixels + (i - n * pixels)
        largest, total = log_sum(logits, at, classes, pixels, T(0))
        log_total = logarithm(total)
        loss = T(0)
        c = 0
        while c < classes:
            q = (T(1) - smoothing) * target[at + c * pixels] + smoothing / T(classes)
            share = q * weight[c] if has_weight else q
            loss += share * (log_total - (logits[at + c * pixels] - largest))
            c += 1
        losses[i] = loss
        i += step


@kernel("T* T* T* T* T* i8 i8 i8 i8 T", T=FLOATS)
def _soft_backward(grad, logits, target, weight, out, has_weight, count, classes, pixels, smoothing):
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        n = i // pixels
        at = n * classes * pixels + (i - n * pixels)
        largest, total = log_sum(logits, at, classes, pixels, T(0))
        shares = T(0)
        c = 0
        while c < classes:
            q = (T(1) - smoothing) * target[at + c * pixels] + smoothing / T(classes)
            shares += q * weight[c] if has_weight else q
            c += 1
        c = 0
        while c < classes:
            q = (T(1) - smoothing) * target[at + c * pixels] + smoothing / T(classes)
            share = q * weight[c] if has_weight else q
            chance = exponential(logits[at + c * pixels] - largest) / total
            out[at + c * pixels] = grad[i] * (chance * shares - share)
            c += 1
        i += step


def _sizes(logits: DeviceArray) -> tuple[int, int, int]:
    """Pixels of all images, classes, pixels of one."""
    n, c, h, w = logits.shape
    return n * h * w, c, h * w


def cross_entropy(
    logits: DeviceArray,
    target: DeviceArray,
    class_weight: DeviceArray | None,
    losses: DeviceArray,
    weights: DeviceArray,
    ignore_index: int,
    smoothing: float,
) -> None:
    """Each pixel's loss and weight; see ``spec.py``, as for every kernel here."""
    count, classes, pixels = _sizes(logits)
    number = logits.dtype.type(smoothing)
    inputs = contiguous(logits), contiguous(target), contiguous(class_weight or logits)
    numbers = int(class_weight is not None), count, classes, pixels, int(ignore_index), number
    launch(_losses, *spread(count), *inputs, losses, weights, *numbers)


def cross_entropy_backward(
    grad: DeviceArray,
    logits: DeviceArray,
    target: DeviceArray,
    class_weight: DeviceArray | None,
    out: DeviceArray,
    ignore_index: int,
    smoothing: float,
) -> None:
    """grad * (softmax * sum w q - w q), 0 where ignored."""
    count, classes, pixels = _sizes(logits)
    number = logits.dtype.type(smoothing)
    result = row_major_like(out)
    inputs = contiguous(grad), contiguous(logits), contiguous(target), contiguous(class_weight or logits)
    numbers = int(class_weight is not None), count, classes, pixels, int(ignore_index), number
    launch(_backward, *spread(count), *inputs, result, *numbers)
    deliver(result, out)


def soft_cross_entropy(
    logits: DeviceArray,
    target: DeviceArray,
    class_weight: DeviceArray | None,
    losses: DeviceArray,
    smoothing: float,
) -> None:
    """Minus the log-probabilities, weighted with the target's."""
    count, classes, pixels = _sizes(logits)
    inputs = contiguous(logits), contiguous(target), contiguous(class_weight or logits)
    numbers = int(class_weight is not None), count, classes, pixels, logits.dtype.type(smoothing)
    launch(_soft_losses, *spread(count), *inputs, losses, *numbers)


def soft_cross_entropy_backward(
    grad: DeviceArray,
    logits: DeviceArray,
    target: DeviceArray,
    class_weight: DeviceArray | None,
    out: DeviceArray,
    smoothing: float,
) -> None:
    """grad * (softmax * sum w q - w q)."""
    count, classes, pixels = _sizes(logits)
    result = row_major_like(out)
    inputs = contiguous(grad), contiguous(logits), contiguous(target), contiguous(class_weight or logits)
    numbers = int(class_weight is not None), count, classes, pixels, logits.dtype.type(smoothing)
    launch(_soft_backward, *spread(count), *inputs, result, *numbers)
    deliver(result, out)


_BOUNDS_BLOCKS = 2 if SIMULATED else 256


@kernel("i8* i8* i8 i8 i8", threads=REDUCE_THREADS)
def _bounds(labels, found, length, ignore, merge):
    """Smallest and largest label, and their number, of each block: found (blocks, 3). With ``merge`` labels are such
    triples themselves, and ``length`` of them.
    """
    low, high = cuda.shared.array(REDUCE_THREADS, np.int64), cuda.shared.array(REDUCE_THREADS, np.int64)
    counts = cuda.shared.array(REDUCE_THREADS, np.int64)
    t = cuda.threadIdx.x
    lowest, highest, count = np.int64(2**62), np.int64(-(2**62)), np.int64(0)
    i = cuda.grid(1)
    while i < length:
        if merge:
            lowest, highest = min(lowest, labels[3 * i]), max(highest, labels[3 * i + 1])
            count += labels[3 * i + 2]
        elif labels[i] != ignore:
            lowest, highest = min(lowest, labels[i]), max(highest, labels[i])
            count += 1
        i += cuda.gridsize(1)
    low[t] = lowest
    high[t] = highest
    counts[t] = count
    cuda.syncthreads()
    half = REDUCE_THREADS // 2
    while half > 0:
        if t < half:
            low[t] = min(low[t], low[t + half])
            high[t] = max(high[t], high[t + half])
            counts[t] = counts[t] + counts[t + half]
        cuda.syncthreads()
        half //= 2
    if t == 0:
        empty_result = merge and counts[0] == 0
        found[3 * cuda.blockIdx.x] = 0 if empty_result else low[0]
        found[3 * cuda.blockIdx.x + 1] = -1 if empty_result else high[0]
        found[3 * cuda.blockIdx.x + 2] = counts[0]


def label_bounds(target: DeviceArray, bounds: DeviceArray, ignore_index: int) -> None:
    """Smallest, largest and number of the labels that count."""
    target = contiguous(target)
    blocks = max(1, min(-(-target.size // REDUCE_THREADS), _BOUNDS_BLOCKS))
    found = empty((blocks, 3), np.int64)
    launch(_bounds, blocks, REDUCE_THREADS, target, found, target.size, int(ignore_index), 0)
    launch(_bounds, 1, REDUCE_THREADS, found, bounds, blocks, 0, 1)
