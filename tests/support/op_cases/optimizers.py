"""Optimisers: three steps with gradients g, 2 g, 3 g."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinyseg.op_calls.table import A, Api, Array, B

from .table import NO_TORCH, case


def _stepped(name: str, **options: Any) -> Callable[..., Any]:
    def function(t: Api, parameter: Any, gradient: Any) -> Any:
        x = parameter.detach().clone().requires_grad_()
        optimizer = getattr(t.optim, name)([x], **options)
        for k in (1, 2, 3):
            x.grad = gradient * k
            optimizer.step()
        return x.detach()

    return function


def descended(
    p: Array,
    gradient: Array,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> Array:
    """Gradient descent, step by step."""
    velocity = None
    for k in (1, 2, 3):
        g = gradient * k + weight_decay * p
        velocity = g if velocity is None else momentum * velocity + (1 - dampening) * g
        p = p - lr * (g + momentum * velocity if nesterov else velocity)
    return p


def adapted(
    p: Array,
    gradient: Array,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> Array:
    """Adam, step by step."""
    mean = square = 0.0 * p
    for k in (1, 2, 3):
        g = gradient * k + (0 if decoupled else weight_decay) * p
        p = p - (lr * weight_decay if decoupled else 0) * p
        mean = betas[0] * mean + (1 - betas[0]) * g
        square = betas[1] * square + (1 - betas[1]) * g**2
        p = p - lr * mean / (1 - betas[0] ** k) / (np.sqrt(square / (1 - betas[1] ** k)) + eps)
    return p


def divided(
    p: Array,
    gradient: Array,
    lr: float = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
) -> Array:
    """RMSprop, step by step."""
    square = mean = velocity = 0.0 * p
    for k in (1, 2, 3):
        g = gradient * k + weight_decay * p
        square = alpha * square + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        velocity = momentum * velocity + g / (np.sqrt(square - centered * mean**2) + eps)
        p = p - lr * velocity
    return p


OPTIMISERS: list[tuple[str, str, Callable[..., Array], dict[str, Any]]] = [
    ("plain", "SGD", descended, {"lr": 0.1}),
    ("with momentum", "SGD", descended, {"lr": 0.1, "momentum": 0.9}),
    ("with decay", "SGD", descended, {"lr": 0.1, "momentum": 0.5, "dampening": 0.2, "weight_decay": 0.3}),
    ("by Nesterov", "SGD", descended, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    ("plain", "Adam", adapted, {}),
    ("with options", "Adam", adapted, {"lr": 0.1, "betas": (0.7, 0.8), "eps": 1e-3, "weight_decay": 0.2}),
    ("plain", "AdamW", lambda p, g: adapted(p, g, weight_decay=0.01, decoupled=True), {}),
    ("with options", "AdamW", lambda p, g, **o: adapted(p, g, **o, decoupled=True), {"lr": 0.1, "weight_decay": 0.2}),
    ("plain", "RMSprop", divided, {}),
    ("with momentum", "RMSprop", divided, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "eps": 1e-3}),
    ("centred", "RMSprop", divided, {"alpha": 0.9, "centered": True, "eps": 1e-2}),
    ("centred with momentum", "RMSprop", divided, {"lr": 0.1, "momentum": 0.5, "centered": True, "eps": 1e-2}),
]
for _name, _kind, _rule, _options in OPTIMISERS:
    case(
        f"{_kind} {_name}",
        _stepped(_kind, **_options),
        A,
        B,
        gradient=False,
        expected=lambda p, g, f=_rule, o=_options: f(p, g, **o),
    )


def _with_threads(t: Api, x: Any) -> Any:
    x.backend.set_num_threads(x.backend.get_num_threads())
    return x + 1.0


case("threads", _with_threads, A, expected=lambda x: x + 1, gradient=False, torch=NO_TORCH)
