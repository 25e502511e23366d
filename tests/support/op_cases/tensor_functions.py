"""Functions of single elements, rounding, bounds, truth and masks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import tinyseg
from tinyseg.op_calls.table import IMAGES, POSITIVE, A, Array, B, bools, integers, spread

from .table import bad, case, expect, named, zeros

# Nowhere near a whole number, where floor and its like jump, nor near the half of one.
_BETWEEN = np.array([[-2.7, -1.2, -0.3], [0.2, 1.4, 3.8]])
_CORNERS = [math.nan, math.inf, -math.inf, -1.0, -0.0, 0.0, 0.5, 1.5, 2.5, -0.5]

FUNCTIONS: list[tuple[str, Callable[..., Any]]] = [
    ("sin", np.sin),
    ("cos", np.cos),
    ("log1p", np.log1p),
    ("expm1", np.expm1),
    ("reciprocal", np.reciprocal),
    ("rsqrt", lambda x: 1 / np.sqrt(x)),
    ("sign", np.sign),
    ("floor", np.floor),
    ("ceil", np.ceil),
    ("round", np.round),
]
for _name, _answer in FUNCTIONS:
    if _name in ("sign", "floor", "ceil", "round"):
        case(_name, named(_name), _BETWEEN, expected=_answer, batch=(0,))
    else:
        expect(_name, _answer, batch=(0,))

    def _method(t: Any, x: Any, name: str = _name) -> Any:
        return getattr(x, name)()

    def _quietly(x: Array, answer: Callable[..., Any] = _answer) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(answer(x))

    case(
        f"corner cases of {_name}",
        _method,
        _CORNERS,
        expected=_quietly,
        gradient=False,
        torch="PyTorch's sign of NaN is 0" if _name == "sign" else "",
    )
case(
    "small log1p and expm1",
    lambda t, x: t.log1p(x) * 1e9 + t.expm1(-x) * 2e9,
    [1e-9, -2e-9, 3e-12],
    expected=lambda x: np.log1p(x) * 1e9 + np.expm1(-x) * 2e9,
)
for _decimals in (1, -1):
    case(
        f"round to {_decimals} decimals",
        lambda t, x, d=_decimals: t.round(x, decimals=d),
        [-17.26, 0.33, 24.81],
        expected=lambda x, d=_decimals: np.round(x, d),
    )
for _name in ("sign", "floor", "ceil", "round"):
    case(f"{_name} of integers", named(_name), [-3, 0, 7], expected=getattr(np, _name), gradient=False)

for _name in ("clamp", "clip"):
    expect(_name, lambda x: np.clip(x, -0.71, 0.93), batch=(0,))
case("clamp from below", lambda t, x: x.clamp(min=0.13), IMAGES, expected=lambda x: np.maximum(x, 0.13), batch=(0,))
case("clip from above", lambda t, x: x.clip(max=1), A, expected=lambda x: np.minimum(x, 1))
# No bound equals an element: there is no slope there.
_LOW, _HIGH, _OTHERS = spread(4, low=-1.53, high=0.11), spread(3, 1, low=0.23, high=1.77), spread(2, 3, 4, high=2.03)
case("clamp between tensors", lambda t, x, a, b: t.clamp(x, a, b), A, _LOW, _HIGH, expected=np.clip, batch=(0,))
case("clip below a tensor", lambda t, x, a: t.clip(x, max=a), _LOW, A, expected=np.minimum, batch=(1,))
case(
    "clamp of a tensor and a number",
    lambda t, x, a: t.clamp(x, -0.52, a),
    A,
    _OTHERS + 0.017,
    expected=lambda x, a: np.minimum(np.maximum(x, -0.52), a),
    torch="PyTorch takes two numbers or two tensors",
)
case("clamp, bounds crossed", lambda t, x: t.clamp(x, 1.0, -1.0), A, expected=lambda x: np.full(x.shape, -1.0))
case(
    "clamp of NaN and infinity",
    lambda t, x: t.clamp(x, -1.0, 1.0),
    _CORNERS,
    expected=lambda x: np.clip(x, -1, 1),
    gradient=False,
)
case("clamp of integers", lambda t, x: t.clamp(x, 1, 3), integers(7), expected=lambda x: x.clip(1, 3), gradient=False)
for _name in ("maximum", "minimum"):
    case(
        f"{_name} method",
        lambda t, a, b, name=_name: getattr(a, name)(b),
        A,
        B,
        expected=getattr(np, _name),
    )

for _name in ("isnan", "isinf", "isfinite"):
    case(_name, named(_name), _CORNERS, expected=getattr(np, _name), gradient=False, batch=(0,))
    case(
        f"{_name} of integers",
        lambda t, x, name=_name: getattr(x, name)(),
        [0, -5],
        expected=getattr(np, _name),
        gradient=False,
    )
for _name in ("logical_and", "logical_or", "logical_xor"):
    case(_name, named(_name), bools(3, 4), integers(4, high=2), expected=getattr(np, _name), gradient=False)
    case(
        f"{_name} method",
        lambda t, a, b, name=_name: getattr(a, name)(b),
        _CORNERS,
        [1.0, 0.0] * 5,
        expected=getattr(np, _name),
        gradient=False,
    )
case("logical_not", named("logical_not"), _CORNERS, expected=np.logical_not, gradient=False)
case(
    "and, or, xor, not",
    lambda t, a, b: (a & b) | ~(a ^ b),
    bools(3, 4),
    [True, False] * 2,
    expected=lambda a, b: (a & b) | ~(a ^ b),
    gradient=False,
)
_SHORT = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater}
for _name, _answer in (*_SHORT.items(), ("ge", np.greater_equal)):
    case(
        _name,
        lambda t, a, b, name=_name: t.logical_xor(getattr(t, name)(a, b), getattr(b, name)(1)),
        integers(2, 5),
        integers(2, 5, seed=1),
        expected=lambda a, b, f=_answer: f(a, b) ^ f(b, 1),
        gradient=False,
    )

expect("masked_fill", lambda x, m: np.where(m, -1.5, x), batch=(0,))
case(
    "masked_fill by a tensor",
    lambda t, x, m, v: x.masked_fill(m, v),
    IMAGES,
    bools(2, 1, 4, 5),
    np.array(0.25),
    expected=lambda x, m, v: np.where(m, v, x),
    batch=(0, 1),
)
case(
    "masked_fill_",
    lambda t, x, m: x.clone().masked_fill_(m, 7),
    IMAGES,
    bools(4, 5),
    expected=lambda x, m: np.where(m, 7, x),
    gradient=False,
    batch=(0,),
)
expect("masked_select", lambda x, m: x[:, m[:, 0]].ravel())
for _name in ("tril", "triu"):
    expect(_name, getattr(np, _name), batch=(0,))
    for _diagonal in (-1, 2):
        case(
            f"{_name} from {_diagonal}",
            lambda t, x, name=_name, d=_diagonal: getattr(x, name)(d),
            POSITIVE,
            expected=lambda x, name=_name, d=_diagonal: getattr(np, name)(x, d),
        )
case("where method", lambda t, a, c, b: a.where(c, b), A, bools(4), B, expected=lambda a, c, b: np.where(c, a, b))

_DOUBLE = "float64"
bad("sin of a number", lambda: tinyseg.sin(0.5), TypeError, "sin: input must be a Tensor, got float")
bad("log1p of a list", lambda: tinyseg.log1p([0.5]), TypeError, "log1p: input must be a Tensor, got list")
bad("floor of bools", lambda: zeros(2, dtype="bool").floor(), TypeError, "floor: input must be a number, got bool")
bad("round to half a decimal", lambda: zeros(2).round(decimals=0.5), TypeError, "decimals must be an int, got 0.5")
bad("round of integers", lambda: zeros(2, dtype="int64").round(decimals=1), TypeError, "round: input must be float32")
bad("clamp without bounds", lambda: zeros(2).clamp(), ValueError, "at least one of min and max must be given")
bad("clamp of types", lambda: zeros(2).clamp(zeros(2, dtype=_DOUBLE)), TypeError, "clamp: types differ")
bad("clamp of shapes", lambda: zeros(2).clamp(max=zeros(3)), ValueError, "shapes (2,) and (3,) cannot be broadcast")
bad("clamp by a text", lambda: zeros(2).clamp("0"), TypeError, "clamp: expected a Tensor or a number, got str")
bad("clamp of a list", lambda: tinyseg.clamp([1.0], 0), TypeError, "clamp: input must be a Tensor, got list")
bad("and of floats", lambda: zeros(2) & zeros(2), TypeError, "bitwise_and: expected bool tensors, got float32")
bad("xor of an integer", lambda: zeros(2, dtype="bool") ^ 1, TypeError, "bitwise_xor: expected bool tensors, got int")
bad("not of integers", lambda: ~zeros(2, dtype="int64"), TypeError, "logical_not() takes numbers")
bad("logical_and of shapes", lambda: zeros(2).logical_and(zeros(3)), ValueError, "cannot be broadcast together")
bad("logical_or of a number", lambda: zeros(2).logical_or(1.0), TypeError, "must be a Tensor, got float")
bad("isnan of a number", lambda: tinyseg.isnan(math.nan), TypeError, "isnan: input must be a Tensor, got float")
bad(
    "masked_fill by numbers", lambda: zeros(2).masked_fill(zeros(2), 1.0), TypeError, "mask must be bool, got float32"
)
bad(
    "masked_fill of a vector",
    lambda: zeros(2).masked_fill(zeros(2) > 0, zeros(1)),
    ValueError,
    "value must be a number or a tensor without dimensions, got shape (1,)",
)
bad(
    "masked_fill of floats into integers",
    lambda: tinyseg.arange(2).masked_fill(tinyseg.arange(2) > 0, 0.5),
    TypeError,
    "masked_fill: a tensor of int64 cannot hold 0.5",
)
bad(
    "masked_fill_ by a larger mask",
    lambda: zeros(2).masked_fill_(zeros(3, 2) > 0, 1.0),
    ValueError,
    "mask of shape (3, 2) cannot be broadcast to (2,)",
)
bad("masked_fill of shapes", lambda: zeros(2).masked_fill(zeros(3) > 0, 1.0), ValueError, "cannot be broadcast")
bad(
    "masked_select by integers",
    lambda: zeros(2).masked_select(tinyseg.arange(2)),
    TypeError,
    "must be bool, got int64",
)
bad("masked_select of shapes", lambda: zeros(2).masked_select(zeros(3) > 0), ValueError, "masked_select: shapes")
bad("tril of a vector", lambda: zeros(2).tril(), ValueError, "tril: input must have at least 2 dimensions")
