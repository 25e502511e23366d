"""One step of an optimiser on all parameters it is given, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .array import Array

__all__ = ["adam_step", "rmsprop_step", "sgd_step"]


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
    """Gradient descent with momentum, in PyTorch's form: the rate multiplies the velocity."""
    for k, (grad, param) in enumerate(zip(grads, params, strict=True)):
        g = grad + weight_decay * param
        if velocities is not None:
            velocity = velocities[k]
            velocity[...] = g if first else momentum * velocity + (1 - dampening) * g
            g = g + momentum * velocity if nesterov else velocity
        param -= lr * g


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
    """Running means of the gradient and of its square; their early values, too small, are divided up."""
    for g, param, mean, square in zip(grads, params, means, squares, strict=True):
        if decoupled:
            param *= 1 - lr * weight_decay
        else:
            g = g + weight_decay * param
        mean[...] = beta1 * mean + (1 - beta1) * g
        square[...] = beta2 * square + (1 - beta2) * g * g
        corrected = np.sqrt(square / (1 - beta2**step)) + eps
        param -= lr * (mean / (1 - beta1**step)) / corrected


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
    """Steps divided by the root of the running mean of squares; with ``means`` by the running standard deviation."""
    for k, (grad, param, square) in enumerate(zip(grads, params, squares, strict=True)):
        g = grad + weight_decay * param
        square[...] = alpha * square + (1 - alpha) * g * g
        spread = square
        if means is not None:
            means[k][...] = alpha * means[k] + (1 - alpha) * g
            spread = square - means[k] ** 2
        change = g / (np.sqrt(spread) + eps)
        if velocities is not None:
            velocities[k][...] = change = momentum * velocities[k] + change
        param -= lr * change
