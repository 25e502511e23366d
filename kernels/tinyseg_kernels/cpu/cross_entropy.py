"""Softmax and cross-entropy of each pixel in one pass over the logits; the softmax is never stored.

The target is a label a pixel, or (soft) a share for each of its classes.

Classes are few and pixels many. A tile of pixels is therefore turned on its side, (classes, pixels), so that all
arithmetic runs over pixels in vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .patterns.copying import deliver
from .runtime import parallel
from .runtime.compiler import helper, kernel
from .runtime.layout import Array, channels_last
from .runtime.memory import contiguous, copied, empty
from .softmax import GRAIN, TILE, exponentials

__all__ = [
    "cross_entropy",
    "cross_entropy_backward",
    "label_bounds",
    "soft_cross_entropy",
    "soft_cross_entropy_backward",
]


_LABELS = 65536  # labels a thread looks at


@helper
def _weighted(pixel: Array, class_weight: Array, log_total: Any, peak: Any) -> Any:
    """sum_c w_c (log sum exp - logit c)."""
    result = class_weight[0] * (log_total + (peak - pixel[0]))
    for c in range(1, pixel.size):
        result += class_weight[c] * (log_total + (peak - pixel[c]))
    return result


@kernel
def _losses(
    start: int,
    stop: int,
    logits: Array,
    target: Array,
    class_weight: Array,
    losses: Array,
    weights: Array,
    ignore_index: int,
    kept: Any,
    spread: Any,
) -> None:
    """An item is a tile of the pixels of logits (pixels, classes).

    A label keeps the share ``kept`` of its weight, and ``spread`` of its own goes to each class.
    """
    tile = np.empty((logits.shape[1], TILE), logits.dtype)
    peak, total = np.empty(TILE, logits.dtype), np.empty(TILE, logits.dtype)
    for item in range(start, stop):
        first = item * TILE
        pixels = logits[first : first + TILE]
        exponentials(pixels, tile, peak, total)
        for p in range(pixels.shape[0]):
            label = target[first + p]
            if label == ignore_index:
                losses[first + p] = 0
                weights[first + p] = 0
            else:
                weight = class_weight[label]
                losses[first + p] = kept * weight * (math.log(total[p]) + (peak[p] - pixels[p, label]))
                weights[first + p] = weight
        if spread > 0:
            for p in range(pixels.shape[0]):
                if target[first + p] != ignore_index:
                    rest = _weighted(pixels[p], class_weight, math.log(total[p]), peak[p])
                    losses[first + p] += spread * rest


@kernel
def _gradients(
    start: int,
    stop: int,
    grad: Array,
    logits: Array,
    target: Array,
    class_weight: Array,
    out: Array,
    ignore_index: int,
    kept: Any,
    spread: Any,
    spread_sum: Any,
) -> None:
    """An item is a tile of pixels, as above; ``spread_sum`` is spread times the sum of the classes' weights."""
    classes = logits.shape[1]
    tile = np.empty((classes, TILE), logits.dtype)
    peak, total = np.empty(TILE, logits.dtype), np.empty(TILE, logits.dtype)
    for item in range(start, stop):
        first = item * TILE
        pixels, result = logits[first : first + TILE], out[first : first + TILE]
        exponentials(pixels, tile, peak, total)
        for p in range(pixels.shape[0]):
            label = target[first + p]
            if label == ignore_index:
                for c in range(classes):
                    result[p, c] = 0
            else:
                scale = kept * grad[first + p] * class_weight[label]
                share = (scale + grad[first + p] * spread_sum) / total[p]
                for c in range(classes):
                    result[p, c] = share * tile[c, p]
                result[p, label] -= scale
        if spread > 0:
            for p in range(pixels.shape[0]):
                if target[first + p] != ignore_index:
                    scale = grad[first + p] * spread
                    for c in range(classes):
                        result[p, c] -= scale * class_weight[c]


@kernel
def _bounds(start: int, stop: int, target: Array, length: int, bounds: Array, ignore_index: int) -> None:
    """bounds[item] = smallest, largest and number of the labels in a run of ``length``."""
    for item in range(start, stop):
        labels = target[item * length : (item + 1) * length]
        smallest, largest, count = np.iinfo(np.int64).max, np.iinfo(np.int64).min, 0
        for i in range(labels.size):
            if labels[i] != ignore_index:
                smallest = min(smallest, labels[i])
                largest = max(largest, labels[i])
                count += 1
        bounds[item, 0], bounds[item, 1], bounds[item, 2] = smallest, largest, count


@kernel
def _soft_losses(
    start: int, stop: int, logits: Array, target: Array, class_weight: Array, losses: Array, kept: Any, spread: Any
) -> None:
    """An item is a tile of pixels; target (pixels, classes) gives each class its share."""
    tile = np.empty((logits.shape[1], TILE), logits.dtype)
    peak, total = np.empty(TILE, logits.dtype), np.empty(TILE, logits.dtype)
    for item in range(start, stop):
        first = item * TILE
        pixels, shares = logits[first : first + TILE], target[first : first + TILE]
        exponentials(pixels, tile, peak, total)
        for p in range(pixels.shape[0]):
            log_total, loss = math.log(total[p]), 0.0
            for c in range(pixels.shape[1]):
                weight = class_weight[c] * (kept * shares[p, c] + spread)
                loss += weight * (log_total + (peak[p] - pixels[p, c]))
            losses[first + p] = loss


@kernel
def _soft_gradients(
    start: int,
    stop: int,
    grad: Array,
    logits: Array,
    target: Array,
    class_weight: Array,
    out: Array,
    kept: Any,
    spread: Any,
) -> None:
    """An item is a tile of pixels, as above."""
    classes = logits.shape[1]
    tile = np.empty((classes, TILE), logits.dtype)
    peak, total = np.empty(TILE, logits.dtype), np.empty(TILE, logits.dtype)
    for item in range(start, stop):
        first = item * TILE
        pixels, shares = logits[first : first + TILE], target[first : first + TILE]
        result = out[first : first + TILE]
        exponentials(pixels, tile, peak, total)
        for p in range(pixels.shape[0]):
            scale, weights = grad[first + p], 0.0
            for c in range(classes):
                weight = class_weight[c] * (kept * shares[p, c] + spread)
                result[p, c] = scale * weight
                weights += weight
            share = logits.dtype.type(scale * weights) / total[p]
            for c in range(classes):
                result[p, c] = share * tile[c, p] - result[p, c]


def _pixels(array: Array) -> Array:
    """N,C,H,W as (pixels, classes)."""
    return channels_last(array).reshape(-1, array.shape[1])


def _weights(class_weight: Array | None, logits: Array) -> Array:
    """They are 1 where none are given."""
    return np.ones(logits.shape[1], logits.dtype) if class_weight is None else np.ascontiguousarray(class_weight)


def _shares(logits: Array, smoothing: float) -> tuple[Any, Any]:
    """What the label keeps of its weight, and what each class gets of its own."""
    return logits.dtype.type(1 - smoothing), logits.dtype.type(smoothing / logits.shape[1])


def _run(compiled: Callable[..., None], logits: Array, *arguments: Any) -> None:
    """Over tiles of pixels."""
    pixels, classes = logits.size // logits.shape[1], logits.shape[1]
    parallel.run(compiled, -(-pixels // TILE), GRAIN // (TILE * classes), *arguments)


def cross_entropy(
    logits: Array,
    target: Array,
    class_weight: Array | None,
    losses: Array,
    weights: Array,
    ignore_index: int,
    smoothing: float,
) -> None:
    """w_t * (log sum exp - logit of the label). See ``spec.py``, as for every kernel here."""
    if target.size == 0:
        return
    results = contiguous(losses), contiguous(weights)
    given = _pixels(logits), contiguous(target).reshape(-1), _weights(class_weight, logits)
    _run(_losses, logits, *given, *(r.reshape(-1) for r in results), ignore_index, *_shares(logits, smoothing))
    for result, out in zip(results, (losses, weights), strict=True):
        if result is not out:
            out[...] = result


def cross_entropy_backward(
    grad: Array,
    logits: Array,
    target: Array,
    class_weight: Array | None,
    out: Array,
    ignore_index: int,
    smoothing: float,
) -> None:
    """grad * w_t * (softmax - one_hot); the softmax is computed anew, which costs less than to keep it."""
    if out.size == 0:
        return
    memory, weight = channels_last(out), _weights(class_weight, logits)
    kept, spread = _shares(logits, smoothing)
    spread_sum = logits.dtype.type(spread * weight.sum() if smoothing else 0)
    given = _flat(grad), _pixels(logits), contiguous(target).reshape(-1), weight
    _run(_gradients, logits, *given, memory.reshape(-1, logits.shape[1]), ignore_index, kept, spread, spread_sum)
    deliver(memory, out)


def _flat(grad: Array) -> Array:
    """In row-major order, also what a sum's gradient repeats."""
    return (copied(grad) if 0 in grad.strides else contiguous(grad)).reshape(-1)


def soft_cross_entropy(
    logits: Array, target: Array, class_weight: Array | None, losses: Array, smoothing: float
) -> None:
    """sum_c w_c q_c (log sum exp - logit c)."""
    if target.size == 0:
        return
    result = contiguous(losses)
    given = _pixels(logits), _pixels(target), _weights(class_weight, logits)
    _run(_soft_losses, logits, *given, result.reshape(-1), *_shares(logits, smoothing))
    if result is not losses:
        losses[...] = result


def soft_cross_entropy_backward(
    grad: Array, logits: Array, target: Array, class_weight: Array | None, out: Array, smoothing: float
) -> None:
    """grad * (softmax * sum_c w_c q_c - w_c q_c)."""
    if out.size == 0:
        return
    memory = channels_last(out)
    given = _flat(grad), _pixels(logits), _pixels(target), _weights(class_weight, logits)
    _run(_soft_gradients, logits, *given, memory.reshape(-1, logits.shape[1]), *_shares(logits, smoothing))
    deliver(memory, out)


def label_bounds(target: Array, bounds: Array, ignore_index: int) -> None:
    """Smallest and largest label and the number of labels that count; (0, -1, 0) if none does."""
    runs = -(-target.size // _LABELS)
    partial = empty((runs, 3), np.int64)
    labels = contiguous(target).reshape(-1)
    parallel.run(_bounds, runs, 1, labels, _LABELS, partial, ignore_index)
    count = partial[:, 2].sum()
    bounds[...] = (partial[:, 0].min(), partial[:, 1].max(), count) if count else (0, -1, 0)
