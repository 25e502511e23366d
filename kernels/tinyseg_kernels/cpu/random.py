"""Random numbers from a counter (Philox4x32-10): each element's number depends on its place alone.

So threads deal blocks of elements as they like, and the CPU draws the very words that the reference and a GPU draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import parallel
from .array import Array, channels_last
from .compiler import helper, kernel
from .elementwise import assign, deliver

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


@kernel
def _normal(start: int, stop: int, out: Array, key: Any, counter: Any) -> None:
    """Box and Muller: a radius and an angle make two independent normal numbers."""
    words = np.empty((_BLOCK // 4, 4), np.uint32)
    flat = words.reshape(-1)
    for item in range(start, stop):
        _draw(words, key, counter + np.uint64(item * (_BLOCK // 4)))
        values = out[item * _BLOCK : (item + 1) * _BLOCK]
        for i in range(0, values.size, 2):
            radius = math.sqrt(-2 * math.log((flat[i] + 0.5) * 2.0**-32))
            angle = 2 * math.pi * (flat[i + 1] * 2.0**-32)
            values[i] = radius * math.cos(angle)
            if i + 1 < values.size:
                values[i + 1] = radius * math.sin(angle)


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
    values = np.ascontiguousarray(out)
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
    values = channels_last(x) if four else np.ascontiguousarray(x)
    result = channels_last(out) if four else np.ascontiguousarray(out)
    threshold = np.uint64(math.ceil(probability * 2.0**32))  # for whole numbers as good as the product itself
    scale = x.dtype.type(1 / (1 - probability) if probability < 1 else 0)
    numbers = threshold, scale, x.dtype.type(0), np.uint64(key), np.uint64(counter)
    parallel.run(_dropout, -(-x.size // _BLOCK), _GRAIN, values.reshape(-1), result.reshape(-1), *numbers)
    if four:
        deliver(result, out)
    elif result is not out:
        assign(result, out)
