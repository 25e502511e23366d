"""What a call is, and what calls are made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

import tinyseg

from ..tensor import Tensor, tensor
from ..tensor_base import float64

Array = np.ndarray[Any, Any]


class Api:
    """A module's functions, and ``F``, its functions of networks."""

    def __init__(self, module: ModuleType, functional: ModuleType) -> None:
        self.module, self.F = module, functional

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


TINYSEG = Api(tinyseg, tinyseg.nn.functional)


@dataclass(frozen=True)
class Call:
    """A call of an operator: a function of an API (``TINYSEG``, or PyTorch's) and tensors, and the tensors' values.

    Floating values are float64 and get a gradient. Their result depends on each of them.
    """

    name: str
    function: Callable[..., Any]
    arrays: tuple[Array, ...]

    def __str__(self) -> str:
        return self.name

    def inputs(self) -> list[Tensor]:
        """The values as tensors of the default device, in float64."""
        return [tensor(x, requires_grad=x.dtype == float64) for x in self.arrays]

    def __call__(self, *inputs: Any) -> Any:
        """What tinyseg's function makes of such tensors."""
        return self.function(TINYSEG, *inputs)


CALLS: dict[str, list[Call]] = {}


def call(operator: str, function: Callable[..., Any], *arrays: Any, name: str = "") -> None:
    """Add a call of an operator. ``name``, the operator's if none is given, says which of its calls it is."""
    made = Call(name or operator, function, tuple(np.asarray(x) for x in arrays))
    CALLS.setdefault(operator, []).append(made)


def spread(*shape: int, low: float = -2.0, high: float = 2.1, seed: int = 0) -> Array:
    """A shuffled linspace: no two elements are equal or close, so that maxima have no ties."""
    values = np.linspace(low, high, math.prod(shape))
    return np.random.default_rng([seed, *shape]).permutation(values).reshape(shape)


def integers(*shape: int, low: int = 0, high: int = 5, seed: int = 0) -> Array:
    """Integers in low .. high - 1."""
    return np.random.default_rng([seed, *shape]).integers(low, high, shape)


def bools(*shape: int) -> Array:
    """True and False, mixed."""
    return integers(*shape, high=2, seed=5).astype(bool)


def like(values: Array, x: Any, t: Api) -> Any:
    """Constants as a tensor of the type of ``x``."""
    return t.tensor(values.tolist(), dtype=x.dtype)


def rectified(t: Api, name: str, *inputs: Any, **options: Any) -> Any:
    """``F.name`` and ReLU: one operator of ours, two of PyTorch's."""
    if t is TINYSEG:
        return getattr(t.F, name)(*inputs, **options, activation="relu")
    return t.F.relu(getattr(t.F, name)(*inputs, **options))


# What many calls are given.
A, B = spread(2, 3, 4), spread(2, 3, 4, seed=1)
ROW, COLUMN = spread(4, seed=2), spread(3, 1, seed=3)
POSITIVE = spread(3, 5, low=0.2, high=3.0)
IMAGES = spread(2, 3, 4, 5)
