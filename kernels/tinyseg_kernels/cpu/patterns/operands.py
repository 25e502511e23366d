"""Bringing the operands of an element-wise kernel to a form that one contiguous loop can run over.

Every operand is brought to one of two forms, both plain memory in the order of ``out``:

- a *full* operand has as many elements as ``out``: block i of it meets block i of ``out``;
- a *repeated* one (a number, a bias per channel, anything broadcast along leading dimensions) is written out for
  one block, and every block of ``out`` meets that same block, which stays in the cache.

So a single loop serves them all, also where a pixel has three channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..runtime import parallel
from ..runtime.layout import Array, memory_order, shares_memory
from ..runtime.memory import contiguous

_BLOCK = 4096  # elements: a few blocks fit the first-level cache
GRAIN = 65536  # elements a thread takes at a time


def merged(arrays: Sequence[Array]) -> list[Array]:
    """Views of arrays of one shape with their axes in the first one's memory order, and merged where all allow it."""
    order = memory_order(arrays[0])
    arrays = [array.transpose(order) for array in arrays]
    shape: list[int] = []
    strides: list[tuple[int, ...]] = []
    for axis, size in enumerate(arrays[0].shape):
        if size == 1:
            continue
        here = tuple(array.strides[axis] for array in arrays)
        if shape and all(outer == size * inner for outer, inner in zip(strides[-1], here, strict=True)):
            shape[-1] *= size
            strides[-1] = here
        else:
            shape.append(size)
            strides.append(here)
    return [array.reshape(shape) for array in arrays]


def _period(array: Array, out: Array) -> int:
    """How many elements of an operand stand in memory before it repeats itself; 0 if it is of neither form."""
    if array.strides == out.strides and array.shape == out.shape:
        return out.size
    period, stride = 1, array.itemsize
    repeats = False
    for axis in range(out.ndim - 1, -1, -1):
        size = array.shape[axis]
        if out.shape[axis] == 1:
            continue
        if size == 1 or array.strides[axis] == 0:
            repeats = True
        elif repeats or array.strides[axis] != stride:
            return 0
        else:
            period *= size
            stride *= size
    return period


def _written_out(array: Array, period: int, block: int) -> Array:
    """One block of a repeated operand."""
    once = array[tuple(slice(1) if stride == 0 else slice(None) for stride in array.strides)].reshape(-1)
    return np.full(block, once[0]) if period == 1 else np.tile(once, block // period)


def _launch(compiled: Callable[..., None], out: Array, *operands: Array) -> bool:
    """Run a kernel over contiguous ``out`` if all operands are full or repeated; tells whether they are."""
    size, block = out.size, _BLOCK
    periods = [_period(operand, out) for operand in operands]
    shortest = min(periods)
    if shortest == 0:
        return False
    if shortest < size:
        longest = max([period for period in periods if period < size])  # the others divide it
        block = longest * max(1, _BLOCK // longest)
    arguments: list[Any] = []
    for array, period in zip(operands, periods, strict=True):
        if period == size:
            arguments += (array.reshape(-1), block)
        else:
            arguments += (_written_out(array, period, block), 0)
    parallel.run(compiled, -(-size // block), GRAIN // block, block, *arguments, out.reshape(-1))
    return True


def apply(compiled: Callable[..., None], out: Array, *operands: Array) -> None:
    """Run a kernel over ``out`` and operands of as many dimensions, of size 1 where they are to be broadcast."""
    if out.size == 0:
        return
    arrays = (out, *operands)
    contiguous = out.flags.c_contiguous
    if out.ndim == 4 and not contiguous:
        arrays = tuple([array.transpose(0, 2, 3, 1) for array in arrays])  # channels-last, most likely
        contiguous = arrays[0].flags.c_contiguous
    if not (contiguous and _launch(compiled, *arrays)):
        _apply_strided(compiled, *merged([broadcast(array, out.shape) for array in (out, *operands)]))


def _apply_strided(compiled: Callable[..., None], out: Array, *operands: Array) -> None:
    """The same for any strides: slice by slice where slices are large, else through copies in out's order."""
    if out.flags.c_contiguous and _launch(compiled, out, *operands):
        return
    if out.ndim > 1 and out[0].size >= _BLOCK:
        for parts in zip(out, *operands, strict=True):
            _apply_strided(compiled, *parts)
        return
    result = contiguous(out)
    _launch(compiled, result, *(contiguous(operand) for operand in operands))
    if not shares_memory(result, out):
        out[...] = result


def _number(value: Any, partner: Any, out: Array) -> Any:
    """A number in the type in which NumPy would compute with it beside ``partner``."""
    if isinstance(value, np.generic):
        return np.asarray(value)
    kind = partner.dtype if isinstance(partner, np.ndarray) else out.dtype
    if kind.kind == "f":
        with np.errstate(over="ignore"):  # too large a number is infinity, as IEEE says
            return np.asarray(value, kind)
    try:
        return np.asarray(value, np.result_type(kind, value))
    except OverflowError:  # a comparison with an integer that the partner's type cannot hold
        return np.asarray(value, np.int64)


def broadcast(array: Array, shape: tuple[int, ...]) -> Array:
    """NumPy's broadcast_to without its read-only mark, which Numba takes for another type to compile for."""
    if array.shape == shape:
        return array
    strides = [0 if size == 1 else stride for size, stride in zip(array.shape, array.strides, strict=True)]
    return np.lib.stride_tricks.as_strided(array, shape, strides)


def operands(out: Array, *values: Any) -> list[Array]:
    """Arrays of ``out``'s number of dimensions; of two values, either may be a number."""
    arrays = []
    for value, partner in zip(values, reversed(values), strict=True):
        array = value if isinstance(value, np.ndarray) else _number(value, partner, out)
        if array.ndim != out.ndim:
            array = array.reshape((1,) * (out.ndim - array.ndim) + array.shape)
        arrays.append(array)
    return arrays
