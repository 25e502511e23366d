"""Max pooling that remembers where the maxima stood, and max-unpooling: pixel by pixel, channels in vectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import parallel
from .array import Array, Pair, channels_last
from .compiler import kernel
from .elementwise import deliver

_CHANNELS = 16  # what a thread unpools of one image: 64 bytes of float32, so that no two share a cache line
_GRAIN = 32768  # elements a thread takes at a time


@kernel
def _pool(
    start: int,
    stop: int,
    x: Array,
    out: Array,
    indices: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> None:
    """The taps of a window in scan order, each over all channels; an item is a row of ``out``."""
    height, width = x.shape[1:3]
    for item in range(start, stop):
        n, i = divmod(item, out.shape[1])
        for j in range(out.shape[2]):
            best, where = out[n, i, j], indices[n, i, j]
            first = True
            for r in range(kernel_size[0]):
                row = i * stride[0] - padding[0] + r * dilation[0]
                if row < 0 or row >= height:
                    continue
                for s in range(kernel_size[1]):
                    column = j * stride[1] - padding[1] + s * dilation[1]
                    if column < 0 or column >= width:
                        continue
                    pixel = x[n, row, column]
                    place = row * width + column
                    if first:
                        for c in range(best.size):
                            best[c] = pixel[c]
                            where[c] = place
                        first = False
                        continue
                    for c in range(best.size):
                        wins = pixel[c] > best[c] or (pixel[c] != pixel[c] and best[c] == best[c])
                        best[c] = pixel[c] if wins else best[c]
                        where[c] = place if wins else where[c]
            if first:  # dilated taps all in the padding
                for c in range(best.size):
                    best[c] = -np.inf
                    where[c] = -1


@kernel
def _pool_backward(
    start: int,
    stop: int,
    grad: Array,
    indices: Array,
    out: Array,
    height: int,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> None:
    """An item is ``height`` rows of ``out``: 0, and then the gradients of all windows that reach into them."""
    bands = (out.shape[1] + height - 1) // height
    width = out.shape[2]
    for item in range(start, stop):
        n, band = divmod(item, bands)
        top = band * height
        bottom = min(top + height, out.shape[1])
        rows = out[n, top:bottom]
        for row in range(rows.shape[0]):
            for column in range(width):
                for c in range(rows.shape[2]):
                    rows[row, column, c] = 0
        plane = out[n].reshape(-1, out.shape[3])
        # Window i has the rows i stride - padding + r dilation.
        first = -(-(top + padding[0] - (kernel_size[0] - 1) * dilation[0]) // stride[0])
        last = (bottom - 1 + padding[0]) // stride[0]
        for i in range(max(first, 0), min(last + 1, grad.shape[1])):
            for j in range(grad.shape[2]):
                values, places = grad[n, i, j], indices[n, i, j]
                for c in range(values.size):
                    if top * width <= places[c] < bottom * width:
                        plane[places[c], c] += values[c]


@kernel
def _scatter(start: int, stop: int, source: Array, indices: Array, size: int, out: Array) -> None:
    """out = 0, then out[n, index, c] = source[n, k, c], a later value replacing an earlier one; an item is ``size``
    channels of an image.
    """
    parts = (out.shape[2] + size - 1) // size
    for item in range(start, stop):
        n, part = divmod(item, parts)
        target = out[n, :, part * size : (part + 1) * size]
        values = source[n, :, part * size : (part + 1) * size]
        places = indices[n, :, part * size : (part + 1) * size]
        for k in range(target.shape[0]):
            for c in range(target.shape[1]):
                target[k, c] = 0
        for k in range(values.shape[0]):
            for c in range(values.shape[1]):
                target[places[k, c], c] = values[k, c]


@kernel
def _gather_last(start: int, stop: int, source: Array, indices: Array, size: int, out: Array) -> None:
    """out[n, k, c] = source[n, index, c] where no later k has that index: so it goes backwards, marking places."""
    parts = (out.shape[2] + size - 1) // size
    for item in range(start, stop):
        n, part = divmod(item, parts)
        values = source[n, :, part * size : (part + 1) * size]
        target = out[n, :, part * size : (part + 1) * size]
        places = indices[n, :, part * size : (part + 1) * size]
        taken = np.zeros(values.shape, np.bool_)
        for k in range(target.shape[0] - 1, -1, -1):
            for c in range(target.shape[1]):
                place = places[k, c]
                target[k, c] = 0 if taken[place, c] else values[place, c]
                taken[place, c] = True


def max_pool2d(
    x: Array, out: Array, indices: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """Largest element of each window and where it stood. See ``spec.py``, as for every kernel here."""
    if out.size == 0:
        return
    best, where = channels_last(out), channels_last(indices)
    rows = out.shape[0] * out.shape[2]
    grain = _GRAIN // (out.shape[3] * out.shape[1])
    pairs = kernel_size, stride, padding, dilation
    parallel.run(_pool, rows, grain, channels_last(x), best, where, *pairs)
    deliver(best, out)
    deliver(where, indices)


def _planes(array: Array) -> Array:
    """(N, pixels, C) of an N,C,H,W array."""
    n, c, h, w = array.shape
    return channels_last(array).reshape(n, h * w, c)


def _by_channels(compiled: Callable[..., None], source: Array, indices: Array, out: Array) -> None:
    """Run a kernel whose items are a few channels of an image."""
    if out.size == 0:
        return
    memory = channels_last(out)
    n, c, h, w = out.shape
    parts = -(-c // _CHANNELS)
    grain = _GRAIN // (h * w * min(c, _CHANNELS))
    target = memory.reshape(n, h * w, c)
    parallel.run(compiled, n * parts, grain, _planes(source), _planes(indices), _CHANNELS, target)
    deliver(memory, out)


def max_pool2d_backward(
    grad: Array, indices: Array, out: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """Each gradient is added where its maximum stood, band of rows by band of rows, in scan order in each."""
    if out.size == 0:
        return
    memory = channels_last(out)
    images, height, width, channels = memory.shape
    # Bands of whole strides, so that few windows, or none, reach into two of them.
    rows = max(1, _GRAIN // (width * channels * stride[0])) * stride[0]
    bands = images * -(-height // rows)
    pairs = kernel_size, stride, padding, dilation
    parallel.run(_pool_backward, bands, 1, channels_last(grad), channels_last(indices), memory, rows, *pairs)
    deliver(memory, out)


def max_unpool2d(x: Array, indices: Array, out: Array) -> None:
    """Each value goes to where its index says; the last in scan order stands."""
    _by_channels(_scatter, x, indices, out)


def max_unpool2d_backward(grad: Array, indices: Array, out: Array) -> None:
    """The gradient of a place goes to the element that stood there in the end."""
    _by_channels(_gather_last, grad, indices, out)
