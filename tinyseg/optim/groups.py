"""Parameters sorted by how they are trained."""

from __future__ import annotations

from typing import Any

from ..nn import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm, Module
from ..tensor import Tensor

_NORMS = (BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm)


def parameter_groups(
    model: Module, *, lr: float, weight_decay: float = 0.0, bias_lr_factor: float = 1.0
) -> list[dict[str, Any]]:
    """Groups for an optimiser: weights with decay; biases with a rate of their own; what normalises, and all else.

    Weight decay acts on what has more than one dimension (weights of convolutions and linear layers), never on
    biases and on the factors of normalisation. Biases (but those of normalisation) learn ``bias_lr_factor`` times as
    fast: 2 is the recipe of FCN (Long, Shelhamer and Darrell 2015, section 4.3). What does not require a gradient is
    left out, and so is a group in which there is nothing.

    >>> from tinyseg import nn
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    >>> groups = parameter_groups(net, lr=0.1, weight_decay=1e-4, bias_lr_factor=2)
    >>> [(len(group["params"]), group["lr"], group["weight_decay"]) for group in groups]
    [(1, 0.1, 0.0001), (1, 0.2, 0.0), (2, 0.1, 0.0)]
    """
    weights: list[Tensor] = []
    biases: list[Tensor] = []
    rest: list[Tensor] = []
    of_norms = {id(x) for part in model.modules() if isinstance(part, _NORMS) for x in part.parameters()}
    for name, x in model.named_parameters():
        if x.requires_grad:
            is_bias = name.rpartition(".")[2] == "bias" and id(x) not in of_norms
            (weights if x.ndim > 1 else biases if is_bias else rest).append(x)
    groups = [
        {"params": weights, "lr": lr, "weight_decay": weight_decay},
        {"params": biases, "lr": lr * bias_lr_factor, "weight_decay": 0.0},
        {"params": rest, "lr": lr, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
