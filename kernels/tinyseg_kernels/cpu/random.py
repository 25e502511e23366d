"""Random numbers from a counter (Philox4x32-10): each element's number depends on its place alone.

So blocks of elements may be split over threads in any way, and the CPU draws the very words that the reference and a
GPU draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .patterns.copying import assign, deliver
from .runtime import parallel
from .runtime.compiler import helper, kernel
from .runtime.layout import Array, channels_last
from .runtime.memory import contiguous
from .vector.scalar import logarithm

__all__ = ["dropout", "normal", "uniform"]


_BLOCK = 1024  # words drawn at a time; a multiple of the four that one counter makes
_GRAIN = 16  # blocks a thread takes at a time

_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


@helper
def _draw(words: Array, key: Any, counter: Any) -> None:
    """words (n, 4) of the counters counter, counter + 1, and so on."""
    for k in range(words.shape[0]):
        block = counter + np.uint64(k)
        x0, x1 = block & _LOW, block >> _WORD
        x2, x3 = np.uint64(0), np.uint64(0)
        key_0, key_1 = key & _LOW, key >> _WORD
        for _ in range(10):
            first, second = x0 * _MULTIPLIER_0, x2 * _MULTIPLIER_1
            x0, x1 = (second >> _WORD) ^ x1 ^ key_0, second & _LOW
            x2, x3 = (first >> _WORD) ^ x3 ^ key_1, first & _LOW
            key_0, key_1 = (key_0 + _WEYL_0) & _LOW, (key_1 + _WEYL_1) & _LOW
        words[k, 0], words[k, 1], words[k, 2], words[k, 3] = x0, x1, x2, x3


@kernel
def _uniform(start: int, stop: int, out: Array, key: Any, counter: Any, drop: Any, unit: Any) -> None:
    """out = (word >> drop) * unit, an item being a block of elements."""
    words = np.empty((_BLOCK // 4, 4), np.uint32)
    flat = words.reshape(-1)
    for item in range(start, stop):
        _draw(words, key, counter + np.uint64(item * (_BLOCK // 4)))
        values = out[item * _BLOCK : (item + 1) * _BLOCK]
        for i in range(values.size):
            values[i] = np.float64(flat[i] >> drop) * unit


@helper
def _turn(u: Any) -> Any:
    """cos and sin of 2 pi u: in the quarter circle around the nearest axis by Taylor's series, then turned."""
    quarter = np.rint(4 * u)
    r = (4 * u - quarter) * (math.pi / 2)
    z = r * r
    sine, cosine = -1 / 1307674368000, 1 / 20922789888000  # 1/15!, 1/16!
    sine, cosine = sine * z + 1 / 6227020800, cosine * z - 1 / 87178291200
    sine, cosine = sine * z - 1 / 39916800, cosine * z + 1 / 479001600
    sine, cosine = sine * z + 1 / 362880, cosine * z - 1 / 3628800
    sine, cosine = sine * z - 1 / 5040, cosine * z + 1 / 40320
    sine, cosine = sine * z + 1 / 120, cosine * z - 1 / 720
    sine, cosine = sine * z - 1 / 6, cosine * z + 1 / 24
    sine, cosine = sine * z * r + r, (cosine * z - 1 / 2) * z + 1
    odd = quarter == 1 or quarter == 3
    x, y = (sine, cosine) if odd else (cosine, sine)
    return -x if quarter == 1 or quarter == 2 else x, -y if quarter == 2 or quarter == 3 else y


@kernel
def _normal(start: int, stop: int, out: Array, key: Any, counter: Any) -> None:
    """Box and Muller: a radius and an angle make two independent normal numbers."""
    words = np.empty((_BLOCK // 4, 4), np.uint32)
    pairs = words.reshape(_BLOCK // 2, 2)
    numbers = np.empty((_BLOCK // 2, 2))
    for item in range(start, stop):
        _draw(words, key, counter + np.uint64(item * (_BLOCK // 4)))
        for k in range(pairs.shape[0]):
            radius = math.sqrt(-2 * logarithm((pairs[k, 0] + 0.5) * 2.0**-32))
            x, y = _turn(pairs[k, 1] * 2.0**-32)
            numbers[k, 0], numbers[k, 1] = radius * x, radius * y
        values = out[item * _BLOCK : (item + 1) * _BLOCK]
        flat = numbers.reshape(-1)
        for i in range(values.size):
            values[i] = flat[i]


@kernel
def _dropout(
    start: int, stop: int, x: Array, out: Array, threshold: Any, scale: Any, zero: Any, key: Any, counter: Any
) -> None:
    """out = x * scale where the word reaches the threshold, else 0."""
    words = np.empty((_BLOCK // 4, 4), np.uint32)
    flat = words.reshape(-1)
    for item in range(start, stop):
        _draw(words, key, counter + np.uint64(item * (_BLOCK // 4)))
        values, result = x[item * _BLOCK : (item + 1) * _BLOCK], out[item * _BLOCK : (item + 1) * _BLOCK]
        for i in range(values.size):
            kept = values[i] * scale
            result[i] = kept if flat[i] >= threshold else zero


def _fill(compiled: Callable[..., None], out: Array, *arguments: Any) -> None:
    """Run a kernel over ``out`` in row-major order."""
    values = contiguous(out)
    parallel.run(compiled, -(-out.size // _BLOCK), _GRAIN, values.reshape(-1), *arguments)
    if values is not out:
        assign(values, out)


def uniform(out: Array, key: int, counter: int) -> None:
    """Numbers in [0, 1): 24 bits of each word for float32, all 32 for float64. See ``spec.py``."""
    bits = 24 if out.dtype == np.float32 else 32
    _fill(_uniform, out, np.uint64(key), np.uint64(counter), np.uint64(32 - bits), 2.0**-bits)


def normal(out: Array, key: int, counter: int) -> None:
    """Standard normal numbers, computed in float64."""
    _fill(_normal, out, np.uint64(key), np.uint64(counter))


def dropout(x: Array, out: Array, probability: float, key: int, counter: int) -> None:
    """0 with that probability, else x / (1 - probability); channels-last memory is walked in order."""
    four = x.ndim == 4
    values = channels_last(x) if four else contiguous(x)
    result = channels_last(out) if four else contiguous(out)
    threshold = np.uint64(math.ceil(probability * 2.0**32))  # for whole numbers as good as the product itself
    scale = x.dtype.type(1 / (1 - probability) if probability < 1 else 0)
    numbers = threshold, scale, x.dtype.type(0), np.uint64(key), np.uint64(counter)
    parallel.run(_dropout, -(-x.size // _BLOCK), _GRAIN, values.reshape(-1), result.reshape(-1), *numbers)
    if four:
        deliver(result, out)
    elif result is not out:
        assign(result, out)
