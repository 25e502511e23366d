"""One step of an optimiser on all parameters it is given: one launch, and a single pass over their memory.

A network has dozens of parameters, most of them small, and a launch for each would take longer than their arithmetic.
So the arrays are laid end to end in thought: a table holds where each of them lies in memory, and a thread that gets
the elements ``start`` to ``stop`` of them all looks up to which arrays these belong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from .patterns.operands import merged
from .runtime import parallel
from .runtime.compiler import helper, kernel
from .runtime.layout import Array
from .runtime.memory import contiguous

__all__ = ["adam_step", "rmsprop_step", "sgd_step"]


_GRAIN = 65536  # elements a thread takes at a time
# Arrays begin at multiples of this in the line, so that pieces do: whether an element is computed in a vector or by
# itself, which may change its last bit, then depends on its place in its array alone.
_UNIT = 256


@intrinsic
def _memory(typingctx, place, number):
    """A pointer to numbers of the type of ``number``, at an address."""

    def codegen(context, builder, sig, args):
        return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

    return types.CPointer(number)(place, number), codegen


@helper
def _part(table: Any, row: int, k: int, low: int, high: int, number: Any) -> Any:
    """Elements low to high of array k of a row of the table."""
    return carray(_memory(table[k, row], number), (high,))[low:high]


@helper
def _bounds(start: int, stop: int, begins: Array, sizes: Array, k: int) -> tuple[int, int]:
    """Which elements of array k lie between start and stop; none if the second is not larger."""
    return max(start - begins[k], 0), min(stop - begins[k], sizes[k])


@kernel
def _sgd(start: int, stop: int, begins: Array, sizes: Array, table: Array, lr: Any, weight_decay: Any) -> None:
    """Without momentum."""
    for k in range(sizes.size):
        low, high = _bounds(start, stop, begins, sizes, k)
        if low < high:
            g = _part(table, 0, k, low, high, lr)
            p = _part(table, 1, k, low, high, lr)
            for i in range(p.size):
                p[i] -= lr * (g[i] + weight_decay * p[i])


@kernel
def _sgd_momentum(
    start: int,
    stop: int,
    begins: Array,
    sizes: Array,
    table: Array,
    lr: Any,
    momentum: Any,
    gain: Any,
    weight_decay: Any,
    nesterov: bool,
    first: bool,
) -> None:
    """gain is 1 - dampening."""
    for k in range(sizes.size):
        low, high = _bounds(start, stop, begins, sizes, k)
        if low < high:
            g = _part(table, 0, k, low, high, lr)
            p = _part(table, 1, k, low, high, lr)
            v = _part(table, 2, k, low, high, lr)
            for i in range(p.size):
                slope = g[i] + weight_decay * p[i]
                speed = slope if first else momentum * v[i] + gain * slope
                v[i] = speed
                p[i] -= lr * (slope + momentum * speed if nesterov else speed)


@kernel
def _adam(
    start: int,
    stop: int,
    begins: Array,
    sizes: Array,
    table: Array,
    rate: Any,
    beta1: Any,
    other1: Any,
    beta2: Any,
    other2: Any,
    correction: Any,
    eps: Any,
    decay: Any,
    shrink: Any,
) -> None:
    """other is 1 - beta, rate and correction carry the bias corrections of mean and root; shrink, decay: weights."""
    for k in range(sizes.size):
        low, high = _bounds(start, stop, begins, sizes, k)
        if low < high:
            g = _part(table, 0, k, low, high, rate)
            p = _part(table, 1, k, low, high, rate)
            m = _part(table, 2, k, low, high, rate)
            s = _part(table, 3, k, low, high, rate)
            for i in range(p.size):
                slope = g[i] + decay * p[i]
                m[i] = beta1 * m[i] + other1 * slope
                s[i] = beta2 * s[i] + other2 * slope * slope
                p[i] = p[i] * shrink - rate * m[i] / (math.sqrt(s[i]) * correction + eps)


@kernel
def _rmsprop(
    start: int,
    stop: int,
    begins: Array,
    sizes: Array,
    table: Array,
    lr: Any,
    alpha: Any,
    other: Any,
    eps: Any,
    weight_decay: Any,
    momentum: Any,
    moving: bool,
    centered: bool,
) -> None:
    """other is 1 - alpha. Where there are no velocities or means, their rows of the table are not looked at."""
    for k in range(sizes.size):
        low, high = _bounds(start, stop, begins, sizes, k)
        if low < high:
            g = _part(table, 0, k, low, high, lr)
            p = _part(table, 1, k, low, high, lr)
            s = _part(table, 2, k, low, high, lr)
            v = _part(table, 3, k, low, high, lr)
            m = _part(table, 4, k, low, high, lr)
            for i in range(p.size):
                slope = g[i] + weight_decay * p[i]
                square = alpha * s[i] + other * slope * slope
                s[i] = square
                if centered:
                    mean = alpha * m[i] + other * slope
                    m[i] = mean
                    square -= mean * mean
                change = slope / (math.sqrt(square) + eps)
                if moving:
                    change = momentum * v[i] + change
                    v[i] = change
                p[i] -= lr * change


def _step(compiled: Callable[..., None], lists: Sequence[Sequence[Array]], *numbers: Any) -> None:
    """Run a kernel over gradients, parameters and states, a list of arrays each: in place where those that belong
    together lie in one order without gaps, else on copies.
    """
    copies: list[tuple[Array, Array]] = []
    groups = [
        group if all(a.flags.c_contiguous for a in group) else _flat(group, copies)
        for group in zip(*lists, strict=True)
    ]
    sizes = np.array([group[0].size for group in groups], np.int64)
    room = -(-sizes // _UNIT) * _UNIT
    ends = np.cumsum(room)
    table = np.array([[array.__array_interface__["data"][0] for array in group] for group in groups], np.int64)
    parallel.run(compiled, int(ends[-1]), _GRAIN, ends - room, sizes, table, *numbers)
    for array, values in copies:
        array[...] = values


def _flat(group: Sequence[Array], copies: list[tuple[Array, Array]]) -> Sequence[Array]:
    """The arrays of one parameter without gaps and in its memory order. What is a copy of an array that is written
    joins ``copies``, with that array.
    """
    arrays = merged([group[1], group[0], *group[2:]])
    flat = [contiguous(array) for array in arrays]
    copies += [
        (array, values)
        for number, (array, values) in enumerate(zip(arrays, flat, strict=True))
        if number != 1 and values is not array
    ]
    return flat[1], flat[0], *flat[2:]


def _numbers(param: Array, *values: float) -> list[Any]:
    """In the type of the parameters."""
    return [param.dtype.type(value) for value in values]


def sgd_step(
    grads: Sequence[Array],
    params: Sequence[Array],
    velocities: Sequence[Array] | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None:
    """Gradient descent, with momentum if there are velocities. See ``spec.py``."""
    if velocities is None:
        _step(_sgd, (grads, params), *_numbers(params[0], lr, weight_decay))
    else:
        numbers = _numbers(params[0], lr, momentum, 1 - dampening, weight_decay)
        _step(_sgd_momentum, (grads, params, velocities), *numbers, bool(nesterov), bool(first))


def adam_step(
    grads: Sequence[Array],
    params: Sequence[Array],
    means: Sequence[Array],
    squares: Sequence[Array],
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
) -> None:
    """Kingma and Ba's algorithm 1, or with decoupled weight decay Loshchilov and Hutter's algorithm 2."""
    rate, correction = lr / (1 - beta1**step), 1 / math.sqrt(1 - beta2**step)
    decay = 0.0 if decoupled else weight_decay
    shrink = 1 - lr * weight_decay if decoupled else 1.0
    values = rate, beta1, 1 - beta1, beta2, 1 - beta2, correction, eps, decay, shrink
    _step(_adam, (grads, params, means, squares), *_numbers(params[0], *values))


def rmsprop_step(
    grads: Sequence[Array],
    params: Sequence[Array],
    squares: Sequence[Array],
    velocities: Sequence[Array] | None,
    means: Sequence[Array] | None,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None:
    """Steps divided by the root of the running mean of squares, or of the variance. See ``spec.py``."""
    lists = (grads, params, squares, velocities or squares, means or squares)
    numbers = _numbers(params[0], lr, alpha, 1 - alpha, eps, weight_decay, momentum)
    _step(_rmsprop, lists, *numbers, velocities is not None, means is not None)
