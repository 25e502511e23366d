"""One step of an optimiser on one parameter."""

from __future__ import annotations

import numpy as np

from .array import Array


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
    """Gradient descent with momentum, in PyTorch's form: the rate multiplies the velocity."""
    g = grad + weight_decay * param
    if velocity is not None:
        velocity[...] = g if first else momentum * velocity + (1 - dampening) * g
        g = g + momentum * velocity if nesterov else velocity
    param -= lr * g


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
    """Running means of the gradient and of its square; their early values, too small, are divided up."""
    g = grad
    if decoupled:
        param *= 1 - lr * weight_decay
    else:
        g = g + weight_decay * param
    mean[...] = beta1 * mean + (1 - beta1) * g
    square[...] = beta2 * square + (1 - beta2) * g * g
    corrected = np.sqrt(square / (1 - beta2**step)) + eps
    param -= lr * (mean / (1 - beta1**step)) / corrected
