"""One step of an optimiser on one parameter, in one launch."""

from __future__ import annotations

import math
from typing import Any

from .array import DeviceArray, contiguous
from .compiler import FLOATS, Kernel, cuda, kernel
from .elementwise import assign
from .runtime import launch, spread
from .scalar import square_root


@kernel("T* T* T T i8", T=FLOATS)
def _sgd(grad, param, rate, decay, count):
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        p = param[i]
        param[i] = p - rate * (grad[i] + decay * p)
        i += step


@kernel("T* T* T* T T T T i8 i8 i8", T=FLOATS)
def _sgd_momentum(grad, param, velocity, rate, momentum, share, decay, nesterov, first, count):
    """share is 1 - dampening."""
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        p = param[i]
        g = grad[i] + decay * p
        v = g if first else momentum * velocity[i] + share * g
        velocity[i] = v
        param[i] = p - rate * (g + momentum * v if nesterov else v)
        i += step


@kernel("T* T* T* T* T T T T T T T T T i8", T=FLOATS)
def _adam(grad, param, mean, square, rate, beta1, other1, beta2, other2, correction, eps, decay, shrink, count):
    """other is 1 - beta; rate and correction carry the bias corrections of mean and root."""
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        p = param[i]
        slope = grad[i] + decay * p
        m = beta1 * mean[i] + other1 * slope
        s = beta2 * square[i] + other2 * slope * slope
        mean[i] = m
        square[i] = s
        param[i] = p * shrink - rate * m / (square_root(s) * correction + eps)
        i += step


def _step(compiled: Kernel, grad: DeviceArray, written: tuple[DeviceArray, ...], *numbers: Any) -> None:
    """Run a kernel over flat memory, on copies of what is not in row-major order."""
    count = grad.size
    if count == 0:
        return
    flat = [contiguous(array) for array in written]
    launch(compiled, *spread(count), contiguous(grad), *flat, *numbers, count)
    for array, values in zip(written, flat, strict=True):
        if values is not array:
            assign(values, array)


def sgd_step(
    grad: DeviceArray,
    param: DeviceArray,
    velocity: DeviceArray | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None:
    """Gradient descent, with momentum if there is a velocity. See ``spec.py``, as for every kernel here."""
    number = param.dtype.type
    if velocity is None:
        _step(_sgd, grad, (param,), number(lr), number(weight_decay))
    else:
        numbers = [number(value) for value in (lr, momentum, 1 - dampening, weight_decay)]
        _step(_sgd_momentum, grad, (param, velocity), *numbers, int(nesterov), int(first))


def adam_step(
    grad: DeviceArray,
    param: DeviceArray,
    mean: DeviceArray,
    square: DeviceArray,
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
    _step(_adam, grad, (param, mean, square), *(param.dtype.type(value) for value in values))
