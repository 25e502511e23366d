"""Small calls of every operator that has a gradient, by the operator's name: what ``tinyseg gradcheck`` checks.

Names are those of ``nn.functional`` and of tensors' operators. Inputs are small, without ties and away from kinks, so
that the gradient can be compared with differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .nn import functional as F
from .ops import elementwise, shape
from .random import Generator
from .tensor import Tensor, float64, tensor

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


def _example(name: str, function: Callable[..., Any], *arrays: Any) -> None:
    EXAMPLES.setdefault(name, []).append(Example(function, tuple(np.asarray(x) for x in arrays)))


# Functions of networks

_IMAGES = spread(2, 3, 4, 5)
_KERNELS, _BIAS = spread(2, 3, 3, 3, seed=1), spread(2, seed=2)
_SCALE, _SHIFT = spread(3, seed=3), spread(3, seed=4)

_example("conv2d", lambda x, w, b: F.conv2d(x, w, b, padding=1), _IMAGES, _KERNELS, _BIAS)
_example("conv2d", lambda x, w: F.conv2d(x, w, None, (2, 1), (1, 2), 2, 2), spread(1, 4, 5, 4), spread(2, 2, 3, 2))
_example("conv2d", lambda x, w, b: F.conv2d(x, w, b, activation="relu"), _IMAGES, _KERNELS, _BIAS)
_example("conv_transpose2d", F.conv_transpose2d, spread(1, 2, 3, 4), spread(2, 3, 3, 3), _SHIFT)
_example(
    "conv_transpose2d",
    lambda x, w: F.conv_transpose2d(x, w, None, 2, 1, 1, 2, activation="relu"),
    spread(1, 4, 3, 2),
    spread(4, 1, 3, 2),
)
_example("linear", F.linear, spread(2, 3, 4), spread(5, 4), spread(5))
_example("max_pool2d", lambda x: F.max_pool2d(x, 2), _IMAGES)
_example("max_pool2d", lambda x: F.max_pool2d(x, 3, 1, 1), _IMAGES)
_example(
    "max_unpool2d",
    lambda x, places: F.max_unpool2d(x, places, 2),
    spread(1, 2, 2, 2),
    [[[[5, 2], [12, 15]], [[0, 3], [9, 10]]]],
)
_example("interpolate", lambda x: F.interpolate(x, (7, 3)), _IMAGES)
_example("interpolate", lambda x: F.interpolate(x, (7, 3), mode="bilinear"), _IMAGES)
_example("interpolate", lambda x: F.interpolate(x, (7, 3), mode="bilinear", align_corners=True), _IMAGES)
_example("pad", lambda x: F.pad(x, (1, 2, 0, -1), value=0.5), _IMAGES)
_example("batch_norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), _IMAGES, _SCALE, _SHIFT)
_example(
    "batch_norm",
    lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True, activation="relu"),
    _IMAGES,
    _SCALE,
    _SHIFT,
)
_example(
    "batch_norm",
    lambda x, w, b: F.batch_norm(x, tensor(_SHIFT), tensor(_SCALE + 3.0), w, b),
    _IMAGES,
    _SCALE,
    _SHIFT,
)
_example("dropout", lambda x: F.dropout(x, 0.3, generator=Generator(1)), _IMAGES)
_example("dropout2d", lambda x: F.dropout2d(x, 0.3, generator=Generator(1)), _IMAGES)
_example("softmax", lambda x: F.softmax(x, 1), _IMAGES)
_example("log_softmax", lambda x: F.log_softmax(x, 1), _IMAGES)
_example("cross_entropy", F.cross_entropy, spread(1, 3, 2, 2), [[[0, 2], [1, -100]]])
_example(
    "cross_entropy",
    lambda x, y: F.cross_entropy(x, y, tensor([0.5, 2.0, 1.0], float64), reduction="none"),
    spread(1, 3, 2, 2),
    [[[0, 2], [1, 1]]],
)

# Operators of tensors

_A, _B, _ROW = spread(2, 3, 4), spread(2, 3, 4, seed=1), spread(4, seed=2)
_POSITIVE = spread(3, 4, low=0.2, high=3.0)

for _other in (_B, _ROW):
    _example("add", lambda a, b: a + b, _A, _other)
    _example("subtract", lambda a, b: a - b, _A, _other)
    _example("multiply", lambda a, b: a * b, _A, _other)
    _example("divide", lambda a, b: a / b, _A, _other)
    _example("maximum", elementwise.maximum, _A, _other)
    _example("minimum", elementwise.minimum, _A, _other)
    _example("where", lambda a, b: elementwise.where(a > 0.5, a, b), _A, _other)
_example("remainder", lambda a, b: a % b, spread(3, 4, low=3.1, high=4.9), spread(4, low=1.3, high=1.45))
_example("pow", lambda a, b: a**b, _POSITIVE, _ROW)
_example("negative", lambda a: -a, _A)
_example("abs", elementwise.abs, _A)
_example("relu", F.relu, _A)
_example("exp", elementwise.exp, _A)
_example("log", elementwise.log, _POSITIVE)
_example("sqrt", elementwise.sqrt, _POSITIVE)
_example("tanh", F.tanh, _A)
_example("matmul", lambda a, b: a @ b, spread(2, 4, 3), spread(3, 2))
for _dim in (None, 1):
    _example("sum", lambda a, d=_dim: a.sum(d), _A)
    _example("mean", lambda a, d=_dim: a.mean(d), _A)
    _example("amax", lambda a, d=_dim: a.amax(d), _A)
    _example("amin", lambda a, d=_dim: a.amin(d), _A)
_example("max", lambda a: a.max(1), _A)
_example("min", lambda a: a.min(1), _A)
_example("reshape", lambda a: a.reshape(4, -1), _A)
_example("flatten", lambda a: a.flatten(1), _A)
_example("permute", lambda a: a.permute(2, 0, 1), _A)
_example("transpose", lambda a: a.transpose(0, 2), _A)
_example("squeeze", lambda a: a.squeeze(0), spread(1, 3))
_example("unsqueeze", lambda a: a.unsqueeze(1), _A)
_example("expand", lambda a: a.expand(2, -1, 3), spread(2, 1))
_example("getitem", lambda a: a[1:, [2, 0, 0]], _A)
_example("gather", lambda a, i: a.gather(1, i), spread(2, 3), [[2, 0, 0, 1], [1, 1, 1, 0]])
_example("index_select", lambda a, i: a.index_select(1, i), _A, [2, 0, 0])
_example("cat", lambda a, b: shape.cat([a, b], 1), _A, spread(2, 1, 4))
_example("stack", lambda a, b: shape.stack([a, b], 1), _A, _B)
_example("clone", lambda a: a.clone(), _A)
_example("contiguous", lambda a: a.T.contiguous(), _A)
_example("to", lambda a: a.to(float64) * 2.0, _A)

WITHOUT_GRADIENT = {
    "a truth value": (
        "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
        "logical_and", "logical_or", "logical_not", "all", "any",
    ),
    "an index": ("argmax", "argmin"),
    "constant between its jumps": ("floor_divide",),
    "a change in place, which is not recorded": (
        "add_", "sub_", "mul_", "div_", "lerp_", "copy_", "fill_", "setitem_", "uniform_", "normal_",
    ),
    "a new tensor": (
        "arange", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like",
        "rand", "rand_like", "randn", "randn_like",
    ),
    "the backward pass itself": ("backward",),
}  # fmt: skip
"""Public functions that have no gradient, by what they give."""
