"""Softmax and cross-entropy of each pixel in one pass over the logits; the softmax is never stored.

Classes are few and pixels many. A tile of pixels is therefore turned on its side, (classes, pixels), so that all
arithmetic runs over pixels in vectors.
"""

from __future__ import annotations

import math

import numpy as np

from . import parallel
from .array import Array, channels_last
from .compiler import helper, kernel
from .elementwise import deliver
from .memory import contiguous, copied
from .scalar import exponential

_TILE = 64  # pixels
_GRAIN = 32768  # logits a thread takes at a time
_LABELS = 65536  # labels a thread looks at


@helper
def _exponentials(pixels: Array, tile: Array, peak: Array, total: Array) -> None:
    """tile[c, p] = exp(logit - peak) and total[p], its sum, with peak[p] the largest logit of the pixel."""
    count, classes = pixels.shape
    for p in range(count):
        for c in range(classes):
            tile[c, p] = pixels[p, c]
    for p in range(count):
        peak[p] = tile[0, p]
        total[p] = 0
    for c in range(1, classes):
        for p in range(count):
            peak[p] = tile[c, p] if tile[c, p] > peak[p] else peak[p]
    for c in range(classes):
        for p in range(count):
            tile[c, p] = exponential(tile[c, p] - peak[p])
            total[p] += tile[c, p]


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
) -> None:
    """An item is a tile of the pixels of logits (pixels, classes)."""
    tile = np.empty((logits.shape[1], _TILE), logits.dtype)
    peak, total = np.empty(_TILE, logits.dtype), np.empty(_TILE, logits.dtype)
    for item in range(start, stop):
        first = item * _TILE
        pixels = logits[first : first + _TILE]
        _exponentials(pixels, tile, peak, total)
        for p in range(pixels.shape[0]):
            label = target[first + p]
            if label == ignore_index:
                losses[first + p] = 0
                weights[first + p] = 0
            else:
                weight = class_weight[label]
                losses[first + p] = weight * (math.log(total[p]) + (peak[p] - pixels[p, label]))
                weights[first + p] = weight


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
) -> None:
    """An item is a tile of pixels, as above."""
    classes = logits.shape[1]
    tile = np.empty((classes, _TILE), logits.dtype)
    peak, total = np.empty(_TILE, logits.dtype), np.empty(_TILE, logits.dtype)
    for item in range(start, stop):
        first = item * _TILE
        pixels, result = logits[first : first + _TILE], out[first : first + _TILE]
        _exponentials(pixels, tile, peak, total)
        for p in range(pixels.shape[0]):
            label = target[first + p]
            if label == ignore_index:
                for c in range(classes):
                    result[p, c] = 0
            else:
                scale = grad[first + p] * class_weight[label]
                share = scale / total[p]
                for c in range(classes):
                    result[p, c] = share * tile[c, p]
                result[p, label] -= scale


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


def _prepared(logits: Array, target: Array, class_weight: Array | None) -> tuple[Array, Array, Array]:
    """Logits (pixels, classes), labels (pixels,), and weights, which are 1 where none are given."""
    classes = logits.shape[1]
    weight = np.ones(classes, logits.dtype) if class_weight is None else np.ascontiguousarray(class_weight)
    return channels_last(logits).reshape(-1, classes), contiguous(target).reshape(-1), weight


def cross_entropy(
    logits: Array, target: Array, class_weight: Array | None, losses: Array, weights: Array, ignore_index: int
) -> None:
    """w_t * (log sum exp - logit of the label). See ``spec.py``, as for every kernel here."""
    if target.size == 0:
        return
    results = contiguous(losses), contiguous(weights)
    flat = [result.reshape(-1) for result in results]
    grain = _GRAIN // (_TILE * logits.shape[1])
    arrays = _prepared(logits, target, class_weight)
    parallel.run(_losses, -(-target.size // _TILE), grain, *arrays, *flat, ignore_index)
    for result, out in zip(results, (losses, weights), strict=True):
        if result is not out:
            out[...] = result


def cross_entropy_backward(
    grad: Array, logits: Array, target: Array, class_weight: Array | None, out: Array, ignore_index: int
) -> None:
    """grad * w_t * (softmax - one_hot); the softmax is computed anew, which costs less than to keep it."""
    if out.size == 0:
        return
    memory = channels_last(out)
    grain = _GRAIN // (_TILE * logits.shape[1])
    flat = (copied(grad) if 0 in grad.strides else contiguous(grad)).reshape(-1)
    arrays = _prepared(logits, target, class_weight)
    result = memory.reshape(-1, logits.shape[1])
    parallel.run(_gradients, -(-target.size // _TILE), grain, flat, *arrays, result, ignore_index)
    deliver(memory, out)


def label_bounds(target: Array, bounds: Array, ignore_index: int) -> None:
    """Smallest and largest label and the number of labels that count; (0, -1, 0) if none does."""
    runs = -(-target.size // _LABELS)
    partial = np.empty((runs, 3), np.int64)
    labels = contiguous(target).reshape(-1)
    parallel.run(_bounds, runs, 1, labels, _LABELS, partial, ignore_index)
    count = partial[:, 2].sum()
    bounds[...] = (partial[:, 0].min(), partial[:, 1].max(), count) if count else (0, -1, 0)
