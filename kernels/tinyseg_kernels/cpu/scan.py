"""Running sums: the sum so far of each column stays in the first-level cache while the rows go by."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .patterns.copying import assign
from .runtime import parallel
from .runtime.compiler import kernel
from .runtime.layout import Array, memory_order, shares_memory
from .runtime.memory import contiguous, empty

__all__ = ["cumsum"]


_WIDTH = 512  # columns whose sums are carried on side by side
_GRAIN = 65536  # elements a thread takes at a time


@kernel
def _cumsum(start: int, stop: int, x: Array, out: Array, total: Array) -> None:
    """x and out (outer, rows, columns), total one sum a column of a strip; an item is a strip of an outer one."""
    rows, columns = x.shape[1:]
    strips = (columns + total.size - 1) // total.size
    for item in range(start, stop):
        n, strip = divmod(item, strips)
        first = strip * total.size
        sums = total[: min(total.size, columns - first)]
        sums[:] = 0
        if columns == 1:
            values, line, so_far = x[n].reshape(-1), out[n].reshape(-1), sums[0]
            for i in range(rows):
                so_far += values[i]
                line[i] = so_far
            continue
        for i in range(rows):
            row, result = x[n, i, first:], out[n, i, first:]
            for j in range(sums.size):
                sums[j] += row[j]
                result[j] = sums[j]


def cumsum(x: Array, out: Array, axis: int) -> None:
    """Sums of all elements so far. See ``spec.py``."""
    if out.size == 0:
        return
    order = memory_order(out)
    place = order.index(axis)
    shape = [out.shape[k] for k in order]
    split = math.prod(shape[:place]), shape[place], math.prod(shape[place + 1 :])
    target = out.transpose(order)
    result = target.reshape(split) if target.flags.c_contiguous else empty(split, out.dtype)
    wide: Any = np.float64 if x.dtype.kind == "f" else out.dtype
    width = min(split[2], _WIDTH)
    parallel.run(
        _cumsum,
        split[0] * -(-split[2] // width),
        _GRAIN // (split[1] * width),
        contiguous(x.transpose(order)).reshape(split),
        result,
        scratch=(width, wide),
    )
    if not shares_memory(result, out):
        assign(result.reshape(target.shape), target)
