"""What an example is, and what examples are made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..tensor import Tensor, tensor
from ..tensor_base import float64

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Example:
    """A call: a function of tensors and their values. Floating ones are to require a gradient."""

    function: Callable[..., Any]
    arrays: tuple[Array, ...]

    def inputs(self) -> list[Tensor]:
        """The values as tensors of the default device, in float64."""
        return [tensor(x, requires_grad=x.dtype == float64) for x in self.arrays]


def spread(*shape: int, low: float = -2.0, high: float = 2.1, seed: int = 0) -> Array:
    """A shuffled linspace: no two elements are equal or close, so that maxima have no ties."""
    values = np.linspace(low, high, math.prod(shape))
    return np.random.default_rng([seed, *shape]).permutation(values).reshape(shape)


EXAMPLES: dict[str, list[Example]] = {}


def example(name: str, function: Callable[..., Any], *arrays: Any) -> None:
    """Add a call of the operator ``name``; floating arrays are float64 and get a gradient."""
    EXAMPLES.setdefault(name, []).append(Example(function, tuple(np.asarray(x) for x in arrays)))
