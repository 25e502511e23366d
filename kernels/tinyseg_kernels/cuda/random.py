"""Random numbers from a counter (Philox4x32-10): the words that the reference and the CPU draw, too."""

from __future__ import annotations

import math

import numpy as np

from .patterns.array import DeviceArray, contiguous, row_major_like
from .patterns.assignment import deliver
from .runtime.compiler import FLOATS, T, cuda, helper, kernel
from .runtime.launch import launch, spread
from .vector.scalar import cosine, logarithm, sine, square_root

__all__ = ["dropout", "normal", "uniform"]

_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


@helper
def _draw(key, block):
    """The four words of a counter, each in 64 bits."""
    x0, x1 = block & _LOW, block >> _WORD
    x2, x3 = np.uint64(0), np.uint64(0)
    key_0, key_1 = key & _LOW, key >> _WORD
    for _ in range(10):
        first, second = x0 * _MULTIPLIER_0, x2 * _MULTIPLIER_1
        x0, x1 = (second >> _WORD) ^ x1 ^ key_0, second & _LOW
        x2, x3 = (first >> _WORD) ^ x3 ^ key_1, first & _LOW
        key_0, key_1 = (key_0 + _WEYL_0) & _LOW, (key_1 + _WEYL_1) & _LOW
    return x0, x1, x2, x3


@kernel("T* i8 i8 u8 u8 u8 T", T=FLOATS)
def _uniform(out, count, blocks, key, counter, drop, unit):
    """out = (word >> drop) * unit: a thread for the four words of a counter."""
    block, step = cuda.grid(1), cuda.gridsize(1)
    while block < blocks:
        words = _draw(key, counter + np.uint64(block))
        at = 4 * block
        for k in range(4):
            if at + k < count:
                out[at + k] = T(words[k] >> drop) * unit
        block += step


@kernel("T* i8 i8 u8 u8", T=FLOATS)
def _normal(out, count, blocks, key, counter):
    """Box and Muller, in float64: a radius and an angle make two independent normal numbers."""
    block, step = cuda.grid(1), cuda.gridsize(1)
    while block < blocks:
        words = _draw(key, counter + np.uint64(block))
        for k in range(2):
            at = 4 * block + 2 * k
            first, second = np.float64(words[2 * k]), np.float64(words[2 * k + 1])
            radius = square_root(np.float64(-2.0) * logarithm((first + np.float64(0.5)) * np.float64(2.0**-32)))
            angle = np.float64(2 * math.pi * 2.0**-32) * second
            if at < count:
                out[at] = T(radius * cosine(angle))
            if at + 1 < count:
                out[at + 1] = T(radius * sine(angle))
        block += step


@kernel("T* T* i8 i8 u8 T u8 u8 i8 i8", T=FLOATS)
def _dropout(x, out, count, blocks, threshold, scale, key, counter, channels, pixels):
    """out = x * scale where the word reaches the threshold, else 0; words follow x (N, channels, pixels) pixel by
    pixel. A thread for the four words of a counter.
    """
    block, step = cuda.grid(1), cuda.gridsize(1)
    image = channels * pixels
    while block < blocks:
        words = _draw(key, counter + np.uint64(block))
        for k in range(4):
            number = 4 * block + k
            if number < count:
                n = number // image
                rest = number - n * image
                pixel = rest // channels
                at = n * image + (rest - pixel * channels) * pixels + pixel
                out[at] = x[at] * scale if words[k] >= threshold else T(0)
        block += step


def uniform(out: DeviceArray, key: int, counter: int) -> None:
    """Numbers in [0, 1): 24 bits of each word for float32, all 32 for float64. See ``spec.py``."""
    bits, blocks, target = (24 if out.dtype == np.float32 else 32), -(-out.size // 4), row_major_like(out)
    numbers = np.uint64(key), np.uint64(counter), np.uint64(32 - bits), out.dtype.type(2.0**-bits)
    launch(_uniform, *spread(blocks), target, out.size, blocks, *numbers)
    deliver(target, out)


def normal(out: DeviceArray, key: int, counter: int) -> None:
    """Standard normal numbers."""
    blocks, target = -(-out.size // 4), row_major_like(out)
    launch(_normal, *spread(blocks), target, out.size, blocks, np.uint64(key), np.uint64(counter))
    deliver(target, out)


def dropout(x: DeviceArray, out: DeviceArray, probability: float, key: int, counter: int) -> None:
    """0 with that probability, else x / (1 - probability)."""
    if x.size == 0:
        return
    channels, pixels = (x.shape[1], x.shape[2] * x.shape[3]) if x.ndim == 4 else (1, x.size)
    threshold = np.uint64(math.ceil(probability * 2.0**32))  # for whole numbers as good as the product itself
    scale = x.dtype.type(1 / (1 - probability) if probability < 1 else 0)
    blocks, target = -(-x.size // 4), row_major_like(out)
    numbers = threshold, scale, np.uint64(key), np.uint64(counter), channels, pixels
    launch(_dropout, *spread(blocks), contiguous(x), target, x.size, blocks, *numbers)
    deliver(target, out)
