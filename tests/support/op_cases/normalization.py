"""Normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinyseg
from tinyseg.op_calls.networks import MEAN, SCALE, SHIFT, VAR
from tinyseg.op_calls.table import IMAGES, Api, Array, rectified, spread

from .table import bad, case, expect, zeros

_F = tinyseg.nn.functional


def normalised(x: Array, w: Any = 1.0, b: Any = 0.0, mean: Any = None, var: Any = None, eps: float = 1e-5) -> Array:
    """The definition."""
    w, b = (np.reshape(v, (-1, 1, 1)) for v in (w, b))
    mean = x.mean((0, 2, 3)) if mean is None else mean
    var = x.var((0, 2, 3)) if var is None else var
    return (x - mean[:, None, None]) / np.sqrt(var[:, None, None] + eps) * w + b


expect("batch_norm training", normalised)
case(
    "batch_norm training, not affine",
    lambda t, x: t.F.batch_norm(x, None, None, training=True, eps=1e-3),
    IMAGES,
    expected=lambda x: normalised(x, eps=1e-3),
)
case(
    "batch_norm of many pixels",
    lambda t, x: t.F.batch_norm(x, None, None, training=True),
    spread(3, 5, 30, 31, low=7, high=9),
    expected=normalised,
    gradient=False,
)
case(
    "batch_norm evaluation",
    lambda t, x, m, v, w, b: t.F.batch_norm(x, m.detach(), v.detach(), w, b),
    IMAGES,
    MEAN,
    VAR,
    SCALE,
    SHIFT,
    expected=lambda x, m, v, w, b: normalised(x, w, b, m, v),
    batch=(0,),
    gradient=False,
)
case(
    "batch_norm evaluation, by input",
    lambda t, x, w, b: t.F.batch_norm(x, w.detach() * 0 + 0.5, b.detach() * 0 + 4.0, w, b),
    IMAGES,
    SCALE,
    SHIFT,
    expected=lambda x, w, b: normalised(x, w, b, np.full(3, 0.5), np.full(3, 4.0)),
    batch=(0,),
)
expect("batch_norm evaluation, with gradients", lambda x, w, b: normalised(x, w, b, MEAN, VAR), batch=(0,))
case(
    "batch_norm evaluation, not affine",
    lambda t, x: t.F.batch_norm(x, x.detach()[0, :, 0, 0] * 0, x.detach()[0, :, 0, 0] * 0 + 1),
    IMAGES,
    expected=lambda x: x / np.sqrt(1 + 1e-5),
)
expect("batch_norm and relu, training", lambda x, w, b: np.maximum(normalised(x, w, b), 0))
case(
    "batch_norm and relu, training, of images in one channel, not affine",
    lambda t, x: rectified(t, "batch_norm", x, None, None, training=True, eps=1e-3),
    spread(3, 1, 4, 3),
    expected=lambda x: np.maximum(normalised(x, eps=1e-3), 0),
)
case(
    "batch_norm and relu of many pixels",
    lambda t, x: rectified(t, "batch_norm", x, None, None, training=True),
    spread(3, 5, 30, 31, low=7, high=9),
    expected=lambda x: np.maximum(normalised(x), 0),
    gradient=False,
)
case(
    "batch_norm and relu, evaluation",
    lambda t, x, w, b: rectified(
        t, "batch_norm", x, w.detach() * 0 + 0.5, b.detach() * 0 + 4.0, w, b, training=False
    ),
    IMAGES,
    SCALE,
    SHIFT,
    expected=lambda x, w, b: np.maximum(normalised(x, w, b, np.full(3, 0.5), np.full(3, 4.0)), 0),
    batch=(0,),
)


def _running(t: Api, x: Any, mean: Any, var: Any) -> Any:
    mean, var = mean.clone(), var.clone()
    t.F.batch_norm(x, mean, var, training=True, momentum=0.25)
    return mean, var


case(
    "batch_norm's running statistics",
    _running,
    IMAGES,
    MEAN,
    VAR,
    gradient=False,
    expected=lambda x, m, v: (0.75 * m + 0.25 * x.mean((0, 2, 3)), 0.75 * v + 0.25 * x.var((0, 2, 3), ddof=1)),
)


for _shape in ((5, 3), (2, 3, 4), (2, 3, 2, 2, 3)):
    case(
        f"batch_norm of {len(_shape)} dimensions",
        lambda t, x, w, b: t.F.batch_norm(x, None, None, w, b, training=True),
        spread(*_shape),
        SCALE,
        SHIFT,
        expected=lambda x, w, b: normalised(x.reshape(*x.shape[:2], -1, 1), w, b).reshape(x.shape),
    )


def grouped(x: Array, groups: int, w: Any = None, b: Any = None, eps: float = 1e-5) -> Array:
    """The definition, group by group."""
    out = np.zeros_like(x)
    for n, channels in np.ndindex(x.shape[0], groups):
        own = np.s_[n, channels * x.shape[1] // groups : (channels + 1) * x.shape[1] // groups]
        out[own] = (x[own] - x[own].mean()) / np.sqrt(x[own].var() + eps)
    one_each = (-1, *(1,) * (x.ndim - 2))
    return out * (1 if w is None else w.reshape(one_each)) + (0 if b is None else b.reshape(one_each))


_SIX = spread(6, seed=12), spread(6, seed=13)
_GROUPED: dict[str, Any] = {"batch": (0,), "tolerance": 3e-5}  # two elements are divided by small deviations
expect("group_norm of (2, 6, 3, 4) in 2", lambda x, w, b: grouped(x, 2, w, b), **_GROUPED)
for _shape, _groups in (((3, 6, 5), 1), ((2, 6), 3), ((1, 70, 3, 2), 10)):
    _weights = _SIX if _shape[1] == 6 else ()
    case(
        f"group_norm of {_shape} in {_groups}",
        lambda t, x, *factors, g=_groups: t.F.group_norm(x, g, *factors),
        spread(*_shape, low=3, high=9),
        *_weights,
        expected=lambda x, *factors, g=_groups: grouped(x, g, *factors),
        **_GROUPED,
    )
case(
    "group_norm of many pixels",
    lambda t, x: t.F.group_norm(x, 3, eps=1e-3),
    spread(2, 6, 70, 71, low=7, high=9),
    expected=lambda x: grouped(x, 3, eps=1e-3),
    gradient=False,
)
expect("instance_norm", lambda x, w, b: grouped(x, 3, w, b), batch=(0,))
case(
    "instance_norm of lines, not affine",
    lambda t, x: t.F.instance_norm(x, eps=1e-2),
    spread(2, 3, 6),
    expected=lambda x: grouped(x, 3, eps=1e-2),
    batch=(0,),
)
for _shape in ((0, 2, 3, 4), (2, 0, 3, 4), (2, 2, 0, 4), (2, 2, 0)):
    case(
        f"instance_norm of nothing, {_shape}",
        lambda t, x, w, b: t.F.instance_norm(x, weight=w, bias=b),
        np.zeros(_shape),
        np.ones(_shape[1]),
        np.ones(_shape[1]),
        expected=lambda x, w, b: x,
        torch="PyTorch raises, or gives NaN for a sum over nothing",
    )
for _shape in ((0, 2, 3, 4), (2, 2, 0, 4), (2, 2, 0)):
    case(
        f"group_norm of nothing, {_shape}",
        lambda t, x, w, b: t.F.group_norm(x, 2, w, b),
        np.zeros(_shape),
        np.ones(_shape[1]),
        np.ones(_shape[1]),
        expected=lambda x, w, b: x,
        torch="PyTorch raises, or gives NaN for a sum over nothing",
    )
case(
    "instance_norm by running statistics",
    lambda t, x, w, b: t.F.instance_norm(x, w.detach() * 0 + 0.5, b.detach() * 0 + 4.0, w, b, use_input_stats=False),
    IMAGES,
    SCALE,
    SHIFT,
    expected=lambda x, w, b: normalised(x, w, b, np.full(3, 0.5), np.full(3, 4.0)),
)


def _running_of_instances(t: Api, x: Any, mean: Any, var: Any) -> Any:
    mean, var = mean.clone(), var.clone()
    t.F.instance_norm(x, mean, var, momentum=0.25)
    return mean, var


case(
    "instance_norm's running statistics",
    _running_of_instances,
    IMAGES,
    MEAN,
    VAR,
    gradient=False,
    expected=lambda x, m, v: (
        0.75 * m + 0.25 * x.mean((2, 3)).mean(0),
        0.75 * v + 0.25 * x.var((2, 3), ddof=1).mean(0),
    ),
)


def layered(x: Array, dims: int, w: Any = 1.0, b: Any = 0.0, eps: float = 1e-5) -> Array:
    """The definition."""
    axes = tuple(range(-dims, 0))
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps) * w + b


expect("layer_norm of (4, 7) over 1", lambda x, w, b: layered(x, 1, w, b), batch=(0,))
for _shape, _dims in (((2, 3, 4, 5), 3), ((2, 3, 4, 5), 2), ((3,), 1), ((90, 500), 1)):
    _own = _shape[-_dims:]
    case(
        f"layer_norm of {_shape} over {_dims}",
        lambda t, x, w, b, s=_own: t.F.layer_norm(x, s, w, b),
        spread(*_shape, low=-1, high=5),
        spread(*_own, seed=1),
        spread(*_own, seed=2),
        expected=lambda x, w, b, d=_dims: layered(x, d, w, b),
        gradient=len(_shape) != 2 or _shape[0] < 90,
        batch=(0,) if len(_shape) > _dims else (),
    )
case(
    "layer_norm, not affine",
    lambda t, x: t.F.layer_norm(x, (4, 5), eps=1e-2),
    IMAGES,
    expected=lambda x: layered(x, 2, eps=1e-2),
    batch=(0,),
)


def responding(x: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    """The definition, channel by channel."""
    out = np.zeros_like(x)
    for c in range(x.shape[1]):
        window = x[:, max(c - size // 2, 0) : c + (size - 1) // 2 + 1]
        out[:, c] = x[:, c] / (k + alpha / size * (window**2).sum(1)) ** beta
    return out


RESPONSES: list[tuple[str, tuple[int, ...], dict[str, float]]] = [
    ("AlexNet's", (2, 7, 3, 2), {"size": 5, "alpha": 5e-4, "k": 2.0}),
    ("GoogLeNet's", (2, 7, 3, 2), {"size": 5}),
    ("of lines, wider than there are channels", (2, 3, 4), {"size": 9, "alpha": 2.0}),
    ("of squares alone", (1, 4, 2, 2), {"size": 3, "alpha": 0.5, "beta": 0.5, "k": 0.0}),
    ("of five dimensions", (1, 3, 2, 1, 2), {"size": 2, "alpha": 1.0}),
]
expect(
    "local_response_norm strong, of an even size",
    lambda x: responding(x, size=4, alpha=1.5, beta=1.2, k=0.5),
    batch=(0,),
)
for _name, _shape, _numbers in RESPONSES:
    case(
        f"local_response_norm {_name}",
        lambda t, x, n=_numbers: t.F.local_response_norm(x, **n),
        spread(*_shape, low=-3, high=3.2),
        expected=lambda x, n=_numbers: responding(x, **n),
        batch=(0,),
    )

bad(
    "batch_norm with half of the statistics",
    lambda: _F.batch_norm(zeros(2, 3), zeros(3), None, training=True),
    ValueError,
    "give both running_mean and running_var, or neither",
)
_G = (2, 6, 3, 3)
bad("group_norm that does not divide", lambda: _F.group_norm(zeros(*_G), 4), ValueError, "divides the 6 channels")
bad("group_norm in 0 groups", lambda: _F.group_norm(zeros(*_G), 0), ValueError, "num_groups must be a positive int")
bad("group_norm of a vector", lambda: _F.group_norm(zeros(6), 2), ValueError, "must be N,C or of more dimensions")
bad("group_norm of single values", lambda: _F.group_norm(zeros(1, 4), 4), ValueError, "needs more than one value")
bad(
    "group_norm of weights", lambda: _F.group_norm(zeros(*_G), 2, zeros(2)), ValueError, "weight must have shape (6,)"
)
bad(
    "group_norm of types",
    lambda: _F.group_norm(zeros(*_G), 2, zeros(6, dtype="float64")),
    TypeError,
    "weight is float64",
)
bad("instance_norm of a matrix", lambda: _F.instance_norm(zeros(2, 6)), ValueError, "must be N,C,L or of more dim")
bad("instance_norm of a pixel", lambda: _F.instance_norm(zeros(2, 6, 1, 1)), ValueError, "needs more than one pixel")
bad(
    "instance_norm without statistics",
    lambda: _F.instance_norm(zeros(*_G), use_input_stats=False),
    ValueError,
    "needs running_mean and running_var",
)
bad(
    "instance_norm with half of the statistics",
    lambda: _F.instance_norm(zeros(*_G), None, zeros(6)),
    ValueError,
    "give both running_mean and running_var, or neither",
)
bad("instance_norm of integers", lambda: _F.instance_norm(zeros(*_G).long()), TypeError, "float32 or float64")
bad("layer_norm of another shape", lambda: _F.layer_norm(zeros(2, 6), 5), ValueError, "ends in, which is (2, 6)")
bad("layer_norm over nothing", lambda: _F.layer_norm(zeros(2, 6), ()), ValueError, "normalized_shape () must be")
bad("layer_norm by a float", lambda: _F.layer_norm(zeros(2, 6), 6.0), TypeError, "sizes must be ints")
bad("layer_norm of weights", lambda: _F.layer_norm(zeros(2, 6), 6, zeros(2)), ValueError, "weight must have norm")
bad("layer_norm of biases", lambda: _F.layer_norm(zeros(2, 6), 6, None, zeros(2)), ValueError, "bias must have norm")
bad("local_response_norm of a matrix", lambda: _F.local_response_norm(zeros(2, 6), 3), ValueError, "must be N,C,L or")
bad("local_response_norm of size 0", lambda: _F.local_response_norm(zeros(*_G), 0), ValueError, "at least 1, got 0")
bad("local_response_norm of a pair", lambda: _F.local_response_norm(zeros(*_G), (3, 3)), ValueError, "got (3, 3)")
bad("local_response_norm of integers", lambda: _F.local_response_norm(zeros(*_G).long(), 3), TypeError, "float32 or")
bad(
    "local_response_norm of a list", lambda: _F.local_response_norm([1.0], 3), TypeError, "must be a Tensor, got list"
)
