"""Random numbers from a counter: number i of a stream is a function of (key, counter, i), whoever computes it.

Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011): ten rounds of
two 32x32-bit products turn a counter of four words into four random words. No state has to be handed from element
to element, so threads and devices may share the work in any way and produce the same numbers.
"""

from __future__ import annotations

import numpy as np

from .array import Array

__all__ = ["dropout", "normal", "uniform"]

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85
_LOW, _WORD = np.uint64(0xFFFFFFFF), np.uint64(32)


def _words(count: int, key: int, counter: int) -> Array:
    """The first ``count`` words of the stream, uint64 holding 32 bits each."""
    block = np.arange(-(-count // 4), dtype=np.uint64) + np.uint64(counter)
    x = [block & _LOW, block >> _WORD, np.zeros_like(block), np.zeros_like(block)]
    key_low, key_high = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        first, second = x[0] * _MULTIPLIERS[0], x[2] * _MULTIPLIERS[1]
        x = [
            (second >> _WORD) ^ x[1] ^ np.uint64(key_low),
            second & _LOW,
            (first >> _WORD) ^ x[3] ^ np.uint64(key_high),
            first & _LOW,
        ]
        key_low, key_high = (key_low + _WEYL[0]) & 0xFFFFFFFF, (key_high + _WEYL[1]) & 0xFFFFFFFF
    return np.stack(x, axis=1).reshape(-1)[:count]


def uniform(out: Array, key: int, counter: int) -> None:
    """As many leading bits of each word as fit the type's fraction (float32: 24; float64: all 32)."""
    words = _words(out.size, key, counter)
    if out.dtype == np.float32:
        values = (words >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
    else:
        values = words.astype(np.float64) * 2.0**-32
    out[...] = values.reshape(out.shape)


def normal(out: Array, key: int, counter: int) -> None:
    """Box and Muller: a radius and an angle make two independent normal numbers."""
    words = _words(out.size + out.size % 2, key, counter).astype(np.float64)
    radius = np.sqrt(-2 * np.log((words[0::2] + 0.5) * 2.0**-32))
    angle = 2 * np.pi * words[1::2] * 2.0**-32
    pairs = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)
    out[...] = pairs.reshape(-1)[: out.size].reshape(out.shape)


def dropout(x: Array, out: Array, probability: float, key: int, counter: int) -> None:
    """Drops where the word is below the probability's share of all words; what stays is scaled up."""
    keeps = _words(x.size, key, counter).astype(np.float64) >= probability * 2.0**32
    if x.ndim == 4:
        n, c, h, w = x.shape
        keeps = keeps.reshape(n, h, w, c).transpose(0, 3, 1, 2)
    else:
        keeps = keeps.reshape(x.shape)
    scale = x.dtype.type(1 / (1 - probability)) if probability < 1 else x.dtype.type(0)
    out[...] = np.where(keeps, x * scale, 0)
