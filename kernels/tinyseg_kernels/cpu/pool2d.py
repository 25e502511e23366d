"""Max pooling that remembers where the maxima stood, and max-unpooling: pixel by pixel, channels in vectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .patterns import windows
from .patterns.copying import deliver
from .runtime import parallel
from .runtime.compiler import kernel
from .runtime.layout import Array, Pair, channels_last
from .runtime.memory import empty
from .vector.simd import clear

__all__ = [
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_unpool2d",
    "max_unpool2d_backward",
]


_GRAIN = 32768  # elements a thread takes at a time
_VISITS = 4  # how often unpooling reads its elements at most


@kernel
def _pool(
    start: int, stop: int, x: Array, out: Array, indices: Array, rows: Array, columns: Array, dilation: Pair
) -> None:
    """The taps of a window in scan order, each over all channels; an item is a row of ``out``.

    ``rows`` and ``columns`` have for each window the first pixel in the image and how many there are.
    """
    for item in range(start, stop):
        n, i = divmod(item, out.shape[1])
        top, height = rows[i, 0], rows[i, 1]
        for j in range(out.shape[2]):
            best, where = out[n, i, j], indices[n, i, j]
            left, width = columns[j, 0], columns[j, 1]
            for r in range(height):
                row = top + r * dilation[0]
                for s in range(width):
                    column = left + s * dilation[1]
                    pixel = x[n, row, column]
                    place = row * x.shape[2] + column
                    if r == 0 and s == 0:
                        for c in range(best.size):
                            best[c] = pixel[c]
                            where[c] = place
                        continue
                    for c in range(best.size):
                        wins = pixel[c] > best[c] or (pixel[c] != pixel[c] and best[c] == best[c])
                        best[c] = pixel[c] if wins else best[c]
                        where[c] = place if wins else where[c]


@kernel
def _pool_backward(
    start: int, stop: int, grad: Array, indices: Array, out: Array, height: int, meeting: Array
) -> None:
    """An item is ``height`` rows of ``out``: 0, and then the gradients of the rows of windows that meet them."""
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
        for i in range(meeting[band, 0], meeting[band, 1]):
            for j in range(grad.shape[2]):
                values, places = grad[n, i, j], indices[n, i, j]
                for c in range(values.size):
                    if top * width <= places[c] < bottom * width:
                        plane[places[c], c] += values[c]


@kernel
def _reach(start: int, stop: int, indices: Array, bounds: Array) -> None:
    """The smallest and the largest index of a row of elements, which is an item."""
    for item in range(start, stop):
        places = indices[item]
        low = high = places[0]
        for k in range(places.size):
            low, high = min(low, places[k]), max(high, places[k])
        bounds[item, 0], bounds[item, 1] = low, high


@kernel
def _scatter(start: int, stop: int, source: Array, indices: Array, bounds: Array, out: Array, height: int) -> None:
    """out = 0, then out[n, index, c] = source[n, i, j, c], a later value replacing an earlier one.

    An item is ``height`` rows of ``out``; it looks at the rows of elements whose ``bounds`` say that they reach it.
    """
    bands = (out.shape[1] + height - 1) // height
    for item in range(start, stop):
        n, band = divmod(item, bands)
        rows = out[n, band * height : (band + 1) * height]
        target = rows.reshape(-1, out.shape[3])
        low = band * height * out.shape[2]
        high = low + target.shape[0]
        flat = rows.reshape(-1)
        for k in range(flat.size):
            flat[k] = 0
        for i in range(source.shape[1]):
            if bounds[n, i, 1] < low or bounds[n, i, 0] >= high:
                continue
            for j in range(source.shape[2]):
                values, places = source[n, i, j], indices[n, i, j]
                for c in range(values.size):
                    if low <= places[c] < high:
                        target[places[c] - low, c] = values[c]


@kernel
def _gather_last(
    start: int, stop: int, source: Array, indices: Array, bounds: Array, out: Array, height: int
) -> None:
    """out[n, i, j, c] = source[n, index, c] where no later element has that index: so it goes backwards, marking
    places. An item is the elements that stand in ``height`` rows of ``source``.
    """
    bands = (source.shape[1] + height - 1) // height
    taken = np.empty((height * source.shape[2], source.shape[3]), np.uint8)
    for item in range(start, stop):
        n, band = divmod(item, bands)
        values = source[n, band * height : (band + 1) * height].reshape(-1, source.shape[3])
        low = band * height * source.shape[2]
        high = low + values.shape[0]
        clear(taken.reshape(-1), 0, taken.size)
        for i in range(out.shape[1] - 1, -1, -1):
            if bounds[n, i, 1] < low or bounds[n, i, 0] >= high:
                continue
            for j in range(out.shape[2] - 1, -1, -1):
                target, places = out[n, i, j], indices[n, i, j]
                for c in range(target.size):
                    if low <= places[c] < high:
                        place = places[c] - low
                        target[c] = 0 if taken[place, c] else values[place, c]
                        taken[place, c] = 1


def _windows(out: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> list[Array]:
    """The windows of rows and those of columns."""
    sizes = zip(out.shape[2:], kernel_size, stride, padding, dilation, strict=True)
    return [windows.sliding(*size) for size in sizes]


def _largest(x: Array, out: Array, indices: Array, outer: list[Array], dilation: Pair) -> None:
    taps = []
    for size, step, given in zip(x.shape[2:], dilation, outer, strict=True):
        first, stop = windows.inside(given, size, step).T
        taps.append(np.stack((first, -((first - stop) // step)), axis=1))
    best, where = channels_last(out), channels_last(indices)
    lines = best.shape[0] * best.shape[1]
    grain = _GRAIN * lines // max(x.size, out.size)
    parallel.run(_pool, lines, grain, channels_last(x), best, where, *taps, dilation)
    deliver(best, out)
    deliver(where, indices)


def _add_up(grad: Array, indices: Array, out: Array, rows: Array, stride: int) -> None:
    """The gradient, in bands of whole strides, so that few windows, or none, reach into two of them."""
    memory = channels_last(out)
    images, height, width, channels = memory.shape
    band = max(1, _GRAIN // (width * channels * stride)) * stride
    tops = np.arange(0, height, band)
    meeting = windows.meeting(rows, tops, np.minimum(tops + band, height))
    arrays = channels_last(grad), channels_last(indices), memory
    parallel.run(_pool_backward, images * len(tops), 1, *arrays, band, meeting)
    deliver(memory, out)


def max_pool2d(
    x: Array, out: Array, indices: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """Largest element of each window and where it stood. See ``spec.py``, as for every kernel here."""
    if out.size == 0:
        return
    _largest(x, out, indices, _windows(out, kernel_size, stride, padding, dilation), dilation)


def max_pool2d_backward(
    grad: Array, indices: Array, out: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """Each gradient is added where its maximum stood, band of rows by band of rows, in scan order in each."""
    if out.size == 0:
        return
    rows, _ = _windows(grad, kernel_size, stride, padding, dilation)
    _add_up(grad, indices, out, rows, stride[0])


def adaptive_max_pool2d(x: Array, out: Array, indices: Array) -> None:
    """The same of windows that share the image out."""
    if out.size == 0:
        return
    _largest(x, out, indices, [windows.adaptive(x.shape[d], out.shape[d]) for d in (2, 3)], (1, 1))


def adaptive_max_pool2d_backward(grad: Array, indices: Array, out: Array) -> None:
    """Neighbouring windows may share a row or a column, so gradients are added here too."""
    if out.size == 0:
        return
    _add_up(grad, indices, out, windows.adaptive(out.shape[2], grad.shape[2]), 1)


def _by_bands(compiled: Callable[..., None], source: Array, indices: Array, out: Array, planes: Array) -> None:
    """Run a kernel whose items are bands of the large ``planes``, which is ``source`` or ``out``.

    Pooling leaves indices in scan order, more or less: a row of elements reaches few bands. Where they are scattered,
    bands become so high that no element is looked at too often.
    """
    if planes.size == 0 or indices.size == 0:
        out[...] = 0
        return
    memory, where = channels_last(out), channels_last(indices)
    images, rows, columns, channels = where.shape
    height, width = planes.shape[2:]
    bounds = empty((images * rows, 2), np.int64)
    parallel.run(_reach, images * rows, _GRAIN // (columns * channels), where.reshape(images * rows, -1), bounds)
    band = max(1, _GRAIN // (width * channels))
    low, high = bounds.T // width
    while band < height and (high // band - low // band + 1).sum() > _VISITS * low.size:
        band *= 2
    band = min(band, height)
    items = images * -(-height // band)
    bounds = bounds.reshape(images, rows, 2)
    parallel.run(compiled, items, 1, channels_last(source), where, bounds, memory, band)
    deliver(memory, out)


def max_unpool2d(x: Array, indices: Array, out: Array) -> None:
    """Each value goes to where its index says; the last in scan order stands."""
    _by_bands(_scatter, x, indices, out, out)


def max_unpool2d_backward(grad: Array, indices: Array, out: Array) -> None:
    """The gradient of a place goes to the element that stood there in the end."""
    _by_bands(_gather_last, grad, indices, out, grad)
