"""One step of an optimiser on one parameter: everything in a single pass over memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import parallel
from .array import Array
from .compiler import kernel
from .memory import contiguous
from .operands import merged

_GRAIN = 65536  # elements a thread takes at a time; a multiple of any vector's length


@kernel
def _sgd(start: int, stop: int, grad: Array, param: Array, lr: Any, weight_decay: Any) -> None:
    """Without momentum."""
    g, p = grad[start:stop], param[start:stop]
    for i in range(p.size):
        p[i] -= lr * (g[i] + weight_decay * p[i])


@kernel
def _sgd_momentum(
    start: int,
    stop: int,
    grad: Array,
    param: Array,
    velocity: Array,
    lr: Any,
    momentum: Any,
    gain: Any,
    weight_decay: Any,
    nesterov: bool,
    first: bool,
) -> None:
    """gain is 1 - dampening."""
    g, p, v = grad[start:stop], param[start:stop], velocity[start:stop]
    for i in range(p.size):
        slope = g[i] + weight_decay * p[i]
        speed = slope if first else momentum * v[i] + gain * slope
        v[i] = speed
        p[i] -= lr * (slope + momentum * speed if nesterov else speed)


@kernel
def _adam(
    start: int,
    stop: int,
    grad: Array,
    param: Array,
    mean: Array,
    square: Array,
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
    g, p = grad[start:stop], param[start:stop]
    m, s = mean[start:stop], square[start:stop]
    for i in range(p.size):
        slope = g[i] + decay * p[i]
        m[i] = beta1 * m[i] + other1 * slope
        s[i] = beta2 * s[i] + other2 * slope * slope
        p[i] = p[i] * shrink - rate * m[i] / (math.sqrt(s[i]) * correction + eps)


def _step(compiled: Callable[..., None], param: Array, grad: Array, states: tuple[Array, ...], *numbers: Any) -> None:
    """Run a kernel over flat memory: in place if all arrays have one order without gaps, else on copies."""
    if param.size == 0:
        return
    arrays = merged([param, grad, *states])
    flat = [contiguous(array).reshape(-1) for array in arrays]
    parallel.run(compiled, param.size, _GRAIN, flat[1], flat[0], *flat[2:], *numbers)
    for array, values in zip(arrays, flat, strict=True):
        if array is not arrays[1] and not np.may_share_memory(array, values):
            array[...] = values.reshape(array.shape)


def sgd_step(
    grad: Array,
    param: Array,
    velocity: Array | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None:
    """Gradient descent, with momentum if there is a velocity. See ``spec.py``."""
    number = param.dtype.type
    if velocity is None:
        _step(_sgd, param, grad, (), number(lr), number(weight_decay))
    else:
        numbers = [number(value) for value in (lr, momentum, 1 - dampening, weight_decay)]
        _step(_sgd_momentum, param, grad, (velocity,), *numbers, bool(nesterov), bool(first))


def adam_step(
    grad: Array,
    param: Array,
    mean: Array,
    square: Array,
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
    _step(_adam, param, grad, (mean, square), *(param.dtype.type(value) for value in values))
