"""Local response normalisation: pixel by pixel, the window over channels as shifted sums in vectors."""

from __future__ import annotations

import numpy as np

from .patterns.copying import deliver
from .runtime import parallel
from .runtime.compiler import helper, kernel
from .runtime.layout import Array, channels_last
from .vector.scalar import exponential, logarithm

__all__ = ["local_response_norm", "local_response_norm_backward"]


_GRAIN = 16384  # elements a thread takes at a time


@helper
def _add_window(source: Array, before: int, after: int, sums: Array) -> None:
    """sums[c] = source[c - before] + .. + source[c + after], as far as there are."""
    channels = source.size
    for c in range(channels):
        sums[c] = 0
    for shift in range(-min(before, channels), min(after, channels) + 1):
        length = channels - abs(shift)
        shifted, target = source[max(shift, 0) :], sums[max(-shift, 0) :]
        for c in range(length):
            target[c] += shifted[c]


@helper
def _powers(sums: Array, alpha: float, k: float, exponent: float, powers: Array) -> None:
    """powers = (k + alpha sums) ** exponent; by functions that are vectorised where no base can be 0 or less."""
    if k > 0 and alpha >= 0:
        for c in range(sums.size):
            powers[c] = exponential(exponent * logarithm(k + alpha * sums[c]))
    else:
        for c in range(sums.size):
            powers[c] = (k + alpha * sums[c]) ** exponent


@kernel
def _forward(
    start: int, stop: int, x: Array, out: Array, before: int, after: int, alpha: float, beta: float, k: float
) -> None:
    """x and out (pixels, channels); an item is a pixel."""
    squares, sums, powers = np.empty(x.shape[1]), np.empty(x.shape[1]), np.empty(x.shape[1])
    for item in range(start, stop):
        pixel, result = x[item], out[item]
        for c in range(pixel.size):
            squares[c] = np.float64(pixel[c]) * np.float64(pixel[c])
        _add_window(squares, before, after, sums)
        _powers(sums, alpha, k, -beta, powers)
        for c in range(pixel.size):
            result[c] = pixel[c] * powers[c]


@kernel
def _backward(
    start: int,
    stop: int,
    grad: Array,
    x: Array,
    out: Array,
    before: int,
    after: int,
    alpha: float,
    beta: float,
    k: float,
) -> None:
    """With v the base: out = grad v^-beta - 2 alpha beta x sum (grad x v^(-beta-1)) over the mirrored window."""
    squares, sums, powers = np.empty(x.shape[1]), np.empty(x.shape[1]), np.empty(x.shape[1])
    for item in range(start, stop):
        g, pixel, result = grad[item], x[item], out[item]
        for c in range(pixel.size):
            squares[c] = np.float64(pixel[c]) * np.float64(pixel[c])
        _add_window(squares, before, after, sums)
        _powers(sums, alpha, k, -beta, powers)
        for c in range(pixel.size):
            squares[c] = g[c] * pixel[c] * powers[c] / (k + alpha * sums[c])
        _add_window(squares, after, before, sums)
        for c in range(pixel.size):
            result[c] = g[c] * powers[c] - 2 * alpha * beta * pixel[c] * sums[c]


def _matrix(x: Array) -> Array:
    """(pixels, channels) of an N,C,H,W array."""
    return channels_last(x).reshape(-1, x.shape[1])


def _window(size: int, alpha: float, beta: float, k: float) -> tuple[int, int, float, float, float]:
    """Channels before and after, and the numbers, the window's size taken into alpha."""
    return size // 2, (size - 1) // 2, alpha / size, beta, k


def local_response_norm(x: Array, out: Array, size: int, alpha: float, beta: float, k: float) -> None:
    """x (k + alpha / size * sum x^2) ^ -beta. See ``spec.py``, as for every kernel here."""
    if x.size == 0:
        return
    memory, pixels = channels_last(out), _matrix(x)
    window = _window(size, alpha, beta, k)
    parallel.run(_forward, pixels.shape[0], _GRAIN // x.shape[1], pixels, memory.reshape(pixels.shape), *window)
    deliver(memory, out)


def local_response_norm_backward(
    grad: Array, x: Array, out: Array, size: int, alpha: float, beta: float, k: float
) -> None:
    """The base is computed again, which costs less than to keep it."""
    if x.size == 0:
        return
    memory, pixels = channels_last(out), _matrix(x)
    arrays = _matrix(grad), pixels, memory.reshape(pixels.shape)
    grain = _GRAIN // x.shape[1]
    parallel.run(_backward, pixels.shape[0], grain, *arrays, *_window(size, alpha, beta, k))
    deliver(memory, out)
