"""Element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinyseg.op_calls.table import COLUMN, IMAGES, POSITIVE, ROW, A, Array, bools, integers, spread
from tinyseg.op_calls.tensors import DIVIDEND, DIVISOR

from .table import case, expect, named, of_two

BINARY: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("add", lambda a, b: a + b),
    ("subtract", lambda a, b: a - b),
    ("multiply", lambda a, b: a * b),
    ("divide", lambda a, b: a / b),
]
for _name, _operate in BINARY:
    _same = of_two(_operate)
    expect(_name, _operate, batch=(0, 1))
    expect(f"{_name} a row", _operate, batch=(0,))
    case(f"{_name} columns to rows", _same, COLUMN, ROW, expected=_operate)
    case(f"{_name} a tensor of one", _same, A, np.array(1.5), expected=_operate, batch=(0,))
    case(f"{_name} channels", _same, IMAGES, spread(3, 1, 1, seed=4), expected=_operate, batch=(0,))
    case(f"{_name} a number", lambda t, a, f=_operate: f(a, 2.5), A, expected=lambda a, f=_operate: f(a, 2.5))
    case(f"a number {_name}", lambda t, a, f=_operate: f(2, a), A, expected=lambda a, f=_operate: f(2, a))

case("an image used twice", lambda t, x: x * x + x, IMAGES, expected=lambda x: x * x + x, batch=(0,))
case("power", lambda t, a, b: a**b, POSITIVE, spread(3, 5, seed=1), expected=lambda a, b: a**b, batch=(0, 1))
expect("power of a row", lambda a, b: a**b)
for _exponent in (2, 3, 0.5, -1.5, 0):
    case(
        f"power {_exponent}",
        lambda t, a, e=_exponent: a**e,
        POSITIVE,
        expected=lambda a, e=_exponent: a**e,
        batch=(0,),
    )
case("square of negatives", lambda t, a: a**2, A, expected=lambda a: a * a, batch=(0,))
case("a number to a power", lambda t, a: 1.7**a, A, expected=lambda a: 1.7**a, batch=(0,))
case("power of integers", lambda t, a: a**3, integers(2, 3), expected=lambda a: a * a * a, gradient=False)

FLOORED: list[tuple[str, Callable[[Any, Any], Any], bool]] = [
    ("floor_divide", lambda a, b: a // b, False),  # PyTorch raises where a gradient is asked for; here none flows
    ("remainder", lambda a, b: a % b, True),
]
_TOP, _BOTTOM = [1.0, -1.0, 0.0, np.nan, np.inf, 5.0, -5.0, 1.0], [0.0, 0.0, 0.0, 1.0, 2.0, np.inf, np.inf, 0.1]
_AT_CORNERS = {
    "floor_divide": [np.inf, -np.inf, np.nan, np.nan, np.nan, 0.0, -1.0, 9.0],
    "remainder": [np.nan, np.nan, np.nan, np.nan, np.nan, 5.0, np.inf, 0.1],
}
expect("remainder", lambda a, b: a % b, batch=(0, 1))
case(
    "floor_divide",
    lambda t, a, b: a // b,
    DIVIDEND,
    DIVISOR,
    expected=np.floor_divide,
    gradient=False,
    batch=(0, 1),
)
for _name, _operate, _gradient in FLOORED:
    _same = of_two(_operate)
    _rows = {"expected": _operate, "gradient": _gradient}
    case(f"{_name} columns by rows", _same, DIVIDEND[0, :, :1], DIVISOR[0, 0], **_rows)
    case(f"{_name} by name", named(_name), DIVIDEND, DIVISOR, **_rows)
    case(
        f"{_name} by a number",
        lambda t, a, f=_operate: f(a, -0.75),
        DIVIDEND,
        expected=lambda a, f=_operate: f(a, -0.75),
        gradient=_gradient,
    )
    case(
        f"{_name} of a number",
        lambda t, a, f=_operate: f(2, a),
        DIVISOR,
        expected=lambda a, f=_operate: f(2, a),
        gradient=_gradient,
        torch="PyTorch has no gradient of a number's remainder" if _gradient else "",
    )
    case(
        f"{_name} of integers",
        _same,
        [7, -7, 7, -7, 0, 6, -5],
        [2, 2, -2, -2, 3, -6, -1],
        expected=_operate,
        gradient=False,
    )
    case(
        f"{_name} of bytes",
        lambda t, a, f=_operate: f(a, 3),
        np.arange(250, 256, dtype=np.uint8),
        expected=lambda a, f=_operate: f(a, 3),
        gradient=False,
    )
    case(
        f"IEEE's corner cases of {_name}",
        _same,
        _TOP,
        _BOTTOM,
        expected=_AT_CORNERS[_name],
        gradient=False,
    )

for _name in ("maximum", "minimum"):
    expect(_name, getattr(np, _name), batch=(0, 1))
    expect(f"{_name} of a row", getattr(np, _name), batch=(0,))
case(
    "maximum of ties",
    lambda t, a, b: t.maximum(a, b),
    [1.0, 2.0, 0.0],
    [1.0, 0.0, 2.0],
    expected=[1.0, 2.0, 2.0],
    gradient=False,
)

COMPARISONS: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("equal", lambda a, b: a == b),
    ("not_equal", lambda a, b: a != b),
    ("less", lambda a, b: a < b),
    ("less_equal", lambda a, b: a <= b),
    ("greater", lambda a, b: a > b),
    ("greater_equal", lambda a, b: a >= b),
]
_TIED = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, np.nan]])
for _name, _operate in COMPARISONS:
    _same = of_two(_operate)
    case(_name, _same, _TIED, [2.0, 1.0, 2.0], expected=_operate, gradient=False)
    case(f"{_name} of integers", _same, integers(2, 5), integers(2, 5, seed=1), expected=_operate, gradient=False)
    case(
        f"{_name} a number",
        lambda t, a, f=_operate: f(a, 1),
        _TIED,
        expected=lambda a, f=_operate: f(a, 1),
        gradient=False,
    )

UNARY: list[tuple[str, Array, Callable[[Array], Any]]] = [
    ("exp", A, np.exp),
    ("log", POSITIVE, np.log),
    ("sqrt", POSITIVE, np.sqrt),
    ("tanh", A, np.tanh),
    ("abs", A, np.abs),
    ("relu", A, lambda x: np.where(x > 0, x, 0)),
]
for _name, _values, _answer in UNARY:
    expect(_name, _answer, batch=(0,))
    case(
        f"{_name} of images",
        lambda t, x, name=_name: getattr(t, name)(abs(x) + 0.1),
        IMAGES,
        expected=lambda x, f=_answer: f(np.abs(x) + 0.1),
        batch=(0,),
    )
    case(f"{_name} method", lambda t, x, name=_name: getattr(x, name)(), _values, expected=_answer)
case("exp far out", lambda t, x: t.exp(x), [-200.0, -80.0, -1e-3, 0.0, 60.0, 88.0], expected=np.exp, gradient=False)
expect("negative", np.negative, batch=(0,))
case("F.relu", lambda t, x: t.F.relu(x), IMAGES, expected=lambda x: np.where(x > 0, x, 0), batch=(0,))
case("F.tanh", lambda t, x: t.F.tanh(x), A, expected=np.tanh, batch=(0,))
case(
    "IEEE's corner cases of log",
    lambda t, x: t.log(x),
    [0.0, -1.0, np.inf, np.nan],
    expected=[-np.inf, np.nan, np.inf, np.nan],
    gradient=False,
)
case("division by zero", lambda t, x: x / 0.0, [1.0, -1.0, 0.0], expected=[np.inf, -np.inf, np.nan], gradient=False)

expect("where", np.where, batch=(0, 1, 2))
expect("where broadcast", np.where, batch=(1,))
case(
    "where a number",
    lambda t, c, a: t.where(c, a, -1.0),
    bools(3, 5),
    POSITIVE,
    expected=lambda c, a: np.where(c, a, -1),
)
case(
    "where, a number first",
    lambda t, c, a: t.where(c, 0.0, a),
    bools(3, 5),
    POSITIVE,
    expected=lambda c, a: np.where(c, 0, a),
)
