"""Parameters sorted by how they are trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..nn import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm, Module
from ..tensor import Tensor

_NORMS = (BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm)
_WEIGHT, _BIAS, _OTHER = range(3)


def parameter_groups(
    model: Module,
    *,
    lr: float,
    weight_decay: float = 0.0,
    bias_lr_factor: float = 1.0,
    lr_factors: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """Groups for an optimiser: weights with decay; biases with a rate of their own; what normalises, and all else.

    Weight decay acts on what has more than one dimension (weights of convolutions and linear layers), never on
    biases and on the factors of normalisation. Biases (but those of normalisation) learn ``bias_lr_factor`` times as
    fast: 2 is the recipe of FCN (Long, Shelhamer and Darrell 2015, section 4.3). What does not require a gradient is
    left out, and so is a group in which there is nothing.

    ``lr_factors``: what the rate of a parameter is multiplied with, too, by its name or by what that begins with up
    to a dot; of several the longest counts. These have groups of their own, after the others. DeepLab's classifier
    learns 10 times as fast (Chen et al. 2018, section 4.1.1). Raises ``ValueError`` for a name with which no
    parameter's begins.

    >>> from tinyseg import nn
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    >>> groups = parameter_groups(net, lr=0.1, weight_decay=1e-4, bias_lr_factor=2)
    >>> [(len(group["params"]), group["lr"], group["weight_decay"]) for group in groups]
    [(1, 0.1, 0.0001), (1, 0.2, 0.0), (2, 0.1, 0.0)]
    >>> [(len(group["params"]), group["lr"]) for group in parameter_groups(net, lr=0.1, lr_factors={"0": 10})]
    [(2, 0.1), (1, 1.0), (1, 1.0)]
    """
    factors = {"": 1.0, **(lr_factors or {})}
    for prefix in factors:
        if not any(begins(name, prefix) for name, _ in model.named_parameters()):
            raise ValueError(f"parameter_groups: lr_factors has {prefix!r}, with which no parameter's name begins")
    found: dict[tuple[float, int], list[Tensor]] = {}
    of_norms = {id(x) for part in model.modules() if isinstance(part, _NORMS) for x in part.parameters()}
    for name, x in model.named_parameters():
        if x.requires_grad:
            is_bias = name.rpartition(".")[2] == "bias" and id(x) not in of_norms
            kind = _WEIGHT if x.ndim > 1 else _BIAS if is_bias else _OTHER
            factor = factors[max((prefix for prefix in factors if begins(name, prefix)), key=len)]
            found.setdefault((factor, kind), []).append(x)
    return [
        {
            "params": found[factor, kind],
            "lr": lr * factor * (bias_lr_factor if kind == _BIAS else 1.0),
            "weight_decay": weight_decay if kind == _WEIGHT else 0.0,
        }
        for factor, kind in sorted(found, key=lambda group: (group[0] != 1, group))
    ]


def begins(name: str, prefix: str) -> bool:
    """Whether the name of a parameter, or of a part, is ``prefix``, or begins with it and a dot; all begin with "".

    >>> begins("down.0.weight", "down"), begins("down.0.weight", "do")
    (True, False)
    """
    return not prefix or name == prefix or name.startswith(f"{prefix}.")
