"""Activations beyond those of ``elementwise.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

import tinyseg
from tinyseg.op_calls.table import IMAGES, A, Array, spread

from .table import bad, case, expect, zeros

_OF_ARRAYS: list[tuple[str, Callable[..., Any], Callable[[Array], Any]]] = [
    ("leaky_relu", lambda t, x: t.F.leaky_relu(x), lambda x: np.where(x > 0, x, 0.01 * x)),
    ("elu", lambda t, x: t.F.elu(x), lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    ("gelu", lambda t, x: t.F.gelu(x), lambda x: x * scipy.special.ndtr(x)),
    ("F.sigmoid", lambda t, x: t.F.sigmoid(x), scipy.special.expit),
    ("softplus", lambda t, x: t.F.softplus(x), lambda x: np.logaddexp(0, x)),
]
for _name, _call, _answer in _OF_ARRAYS:
    expect(_name, _answer, batch=(0,))
    case(f"{_name} of images", _call, IMAGES, expected=_answer)


def _gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


_FAR = [-1000.0, -90.0, -20.5, -3.0, -1e-3, 0.0, 1e-3, 3.0, 20.5, 90.0, 1000.0]
_SPECIAL = [np.nan, np.inf, -np.inf, 0.0]
case("sigmoid", lambda t, x: t.sigmoid(x), A, expected=scipy.special.expit)
case("sigmoid method", lambda t, x: x.sigmoid(), A, expected=scipy.special.expit)
case("sigmoid of far numbers", lambda t, x: t.sigmoid(x), _FAR, expected=scipy.special.expit)
case(
    "sigmoid of integers",
    lambda t, x: t.sigmoid(x),
    [-1, 0, 2],
    expected=scipy.special.expit,
    gradient=False,
    dtypes=("float32",),
)
case(
    "sigmoid of what is not finite", lambda t, x: t.sigmoid(x), _SPECIAL, expected=[np.nan, 1, 0, 0.5], gradient=False
)
case("tanh of far numbers", lambda t, x: t.F.tanh(x), _FAR, expected=np.tanh)
expect("leaky_relu with a slope", lambda x: np.maximum(x, 0.3 * x))
case(
    "leaky_relu that falls",
    lambda t, x: t.F.leaky_relu(x, negative_slope=-0.5),
    A,
    expected=lambda x: np.where(x > 0, x, -0.5 * x),
)
case("leaky_relu of slope 0", lambda t, x: t.F.leaky_relu(x, 0.0), A, expected=lambda x: np.maximum(x, 0))
case(
    "leaky_relu of what is not finite",
    lambda t, x: t.F.leaky_relu(x, 0.5),
    _SPECIAL,
    expected=[np.nan, np.inf, -np.inf, 0],
    gradient=False,
)
expect("elu with alpha", lambda x: np.where(x > 0, x, 1.7 * np.expm1(x)))
case(
    "elu of far numbers",
    lambda t, x: t.F.elu(x),
    [x for x in _FAR if x],
    expected=lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
)
case("elu of what is not finite", lambda t, x: t.F.elu(x), _SPECIAL, expected=[np.nan, np.inf, -1, 0], gradient=False)
expect("gelu by tanh", _gelu_tanh, batch=(0,))
case("gelu by tanh of images", lambda t, x: t.F.gelu(x, approximate="tanh"), IMAGES, expected=_gelu_tanh)
case("gelu of far numbers", lambda t, x: t.F.gelu(x), _FAR, expected=lambda x: x * scipy.special.ndtr(x))
case("gelu by tanh of far numbers", lambda t, x: t.F.gelu(x, approximate="tanh"), _FAR, expected=_gelu_tanh)
case(
    "gelu of NaN",
    lambda t, x: t.F.gelu(x),
    [np.nan, np.inf],
    expected=[np.nan, np.inf],
    torch="PyTorch's vectors make NaN of infinity",
    gradient=False,
)
expect("softplus with options", lambda x: np.where(3 * x > 1.5, x, np.logaddexp(0, 3 * x) / 3))
case(
    "softplus of far numbers",
    lambda t, x: t.F.softplus(x),
    _FAR,
    expected=lambda x: np.where(x > 20, x, np.logaddexp(0, x)),
)
case(
    "softplus without a threshold",
    lambda t, x: t.F.softplus(x, threshold=1e9),
    [-1000.0, 0.5, 1000.0],
    expected=lambda x: np.logaddexp(0, x),
    torch="PyTorch's overflows there",
)
case(
    "softplus of what is not finite",
    lambda t, x: t.F.softplus(x),
    _SPECIAL,
    expected=[np.nan, np.inf, 0, np.log(2)],
    gradient=False,
)


def _sloped(x: Array, weight: Array) -> Array:
    return np.where(x > 0, x, weight.reshape(-1, *(1,) * (x.ndim - 2)) * x)


expect("prelu of channels", _sloped, batch=(0,))
expect("prelu of images with one slope", _sloped, batch=(0,))
case("prelu of a matrix", lambda t, x, weight: t.prelu(x, weight), spread(4, 3), [0.3, -0.2, 1.5], expected=_sloped)
case(
    "prelu of a vector",
    lambda t, x, weight: x.prelu(weight),
    spread(5),
    [0.3],
    expected=lambda x, weight: np.maximum(x, 0.3 * x),
)

_F = tinyseg.nn.functional
bad(
    "leaky_relu of integers", lambda: _F.leaky_relu(tinyseg.arange(3)), TypeError, "leaky_relu: input must be float32"
)
bad(
    "leaky_relu by a text",
    lambda: _F.leaky_relu(zeros(2), "0.1"),
    TypeError,
    "negative_slope must be a number, got s",
)
bad("elu of a list", lambda: _F.elu([1.0]), TypeError, "elu: input must be a Tensor, got list")
bad("elu by None", lambda: _F.elu(zeros(2), None), TypeError, "elu: alpha must be a number, got NoneType")
bad("gelu of another kind", lambda: _F.gelu(zeros(2), "erf"), ValueError, "must be 'none' or 'tanh', got 'erf'")
bad("gelu of bools", lambda: _F.gelu(zeros(2) > 0), TypeError, "gelu: input must be float32 or float64, got bool")
bad("softplus by a tensor", lambda: _F.softplus(zeros(2), zeros(1)), TypeError, "beta must be a number, got Tensor")
bad("sigmoid of a number", lambda: _F.sigmoid(1.0), TypeError, "sigmoid: input must be a Tensor, got float")
bad("prelu of two channels", lambda: _F.prelu(zeros(1, 3, 2, 2), zeros(2)), ValueError, "each of the 3 channels")
bad("prelu by a matrix", lambda: _F.prelu(zeros(1, 3), zeros(1, 3)), ValueError, "got shape (1, 3)")
bad("prelu of types", lambda: _F.prelu(zeros(3), zeros(1, dtype="float64")), TypeError, "prelu: types differ")
