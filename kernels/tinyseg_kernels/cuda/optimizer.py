"""One step of an optimiser on each parameter, in one launch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .patterns.array import DeviceArray, contiguous
from .patterns.assignment import assign
from .runtime.compiler import FLOATS, Kernel, cuda, kernel
from .runtime.launch import launch, spread
from .vector.scalar import square_root

__all__ = ["adam_step", "rmsprop_step", "sgd_step"]


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


@kernel("T* T* T* T* T* T T T T T T i8 i8 i8", T=FLOATS)
def _rmsprop(
    grad, param, square, velocity, mean, rate, alpha, other, eps, decay, momentum, has_velocity, has_mean, count
):  # fmt: skip
    """other is 1 - alpha. A velocity or mean that is not there is not touched, wherever it points."""
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        p = param[i]
        g = grad[i] + decay * p
        s = alpha * square[i] + other * g * g
        square[i] = s
        if has_mean:
            m = alpha * mean[i] + other * g
            mean[i] = m
            s -= m * m
        change = g / (square_root(s) + eps)
        if has_velocity:
            change += momentum * velocity[i]
            velocity[i] = change
        param[i] = p - rate * change
        i += step


def _step(compiled: Kernel, grad: DeviceArray, written: Sequence[DeviceArray], *numbers: Any) -> None:
    """Run a kernel over flat memory, on copies of what is not in row-major order."""
    count = grad.size
    if count == 0:
        return
    flat = [contiguous(array) for array in written]
    launch(compiled, *spread(count), contiguous(grad), *flat, *numbers, count)
    for array, values in zip(written, flat, strict=True):
        if values is not array:
            assign(values, array)


Arrays = Sequence[DeviceArray]


def sgd_step(
    grads: Arrays,
    params: Arrays,
    velocities: Arrays | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None:
    """Gradient descent, with momentum if there are velocities. See ``spec.py``, as for every kernel here."""
    number = params[0].dtype.type
    if velocities is None:
        for grad, param in zip(grads, params, strict=True):
            _step(_sgd, grad, (param,), number(lr), number(weight_decay))
        return
    numbers = [number(value) for value in (lr, momentum, 1 - dampening, weight_decay)]
    for grad, *written in zip(grads, params, velocities, strict=True):
        _step(_sgd_momentum, grad, written, *numbers, int(nesterov), int(first))


def adam_step(
    grads: Arrays,
    params: Arrays,
    means: Arrays,
    squares: Arrays,
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
    numbers = [params[0].dtype.type(value) for value in values]
    for grad, *written in zip(grads, params, means, squares, strict=True):
        _step(_adam, grad, written, *numbers)


def rmsprop_step(
    grads: Arrays,
    params: Arrays,
    squares: Arrays,
    velocities: Arrays | None,
    means: Arrays | None,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None:
    """Tieleman and Hinton's, in PyTorch's form."""
    numbers = [params[0].dtype.type(value) for value in (lr, alpha, 1 - alpha, eps, weight_decay, momentum)]
    flags = int(velocities is not None), int(means is not None)
    for k, (grad, param, square) in enumerate(zip(grads, params, squares, strict=True)):
        velocity = grad if velocities is None else velocities[k]
        mean = grad if means is None else means[k]
        _step(_rmsprop, grad, (param, square, velocity, mean), *numbers, *flags)
