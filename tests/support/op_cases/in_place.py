"""Changes in place, on a copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinyseg.op_calls.table import ROW, A, B, bools, spread

from .table import case, expect, of_two

ARITHMETIC: list[tuple[str, Callable[..., Any]]] = [
    ("add_", lambda x, y: x + y),
    ("sub_", lambda x, y: x - y),
    ("mul_", lambda x, y: x * y),
    ("div_", lambda x, y: x / y),
]
for _name, _answer in ARITHMETIC:
    expect(_name, _answer, batch=(0, 1))
    expect(f"{_name} of a row", _answer, batch=(0,))
IN_PLACE: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    ("remainder_", lambda x, y: x.remainder_(y), lambda x, y: x % y),
    ("floor_divide_", lambda x, y: x.floor_divide_(y), lambda x, y: x // y),
    ("copy_", lambda x, y: x.copy_(y), lambda x, y: np.broadcast_to(y, x.shape)),
]
for _name, _operate, _answer2 in IN_PLACE:
    _same = of_two(lambda x, y, f=_operate: f(x.clone(), y))
    case(_name, _same, A, B, expected=_answer2, gradient=False, batch=(0, 1))
    case(f"{_name} of a row", _same, A, ROW, expected=_answer2, gradient=False, batch=(0,))
expect("remainder_ of quotients", lambda x, y: x % y, batch=(0, 1))
expect("pow_", lambda x, y: x**y, batch=(0,))
case("pow_ of a number", lambda t, x: x.clone().pow_(3), A, expected=lambda x: x**3, batch=(0,))
BITS: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    ("bitwise_and_", lambda x, y: x.bitwise_and_(y), np.logical_and),
    ("bitwise_or_", lambda x, y: x.bitwise_or_(y), np.logical_or),
    ("bitwise_xor_", lambda x, y: x.bitwise_xor_(y), np.logical_xor),
]
for _name, _operate, _answer2 in BITS:
    _same = of_two(lambda x, y, f=_operate: f(x.clone(), y))
    case(_name, _same, bools(3, 4), bools(4), expected=_answer2, gradient=False, batch=(0,))
case("lerp_", lambda t, x, y: x.clone().lerp_(y, 0.25), A, B, expected=lambda x, y: x + (y - x) / 4, gradient=False)
case(
    "fill_",
    lambda t, x: x.clone().fill_(3.5),
    A,
    expected=lambda x: np.full(x.shape, 3.5),
    gradient=False,
    batch=(0,),
)
case("zero_", lambda t, x: x.clone().zero_(), A, expected=lambda x: 0 * x, gradient=False)


def _assigned(x: Any, value: Any) -> Any:
    x[:, 1:, 2] = value
    return x


case(
    "setitem",
    lambda t, x, y: _assigned(x.clone(), y),
    A,
    spread(2),
    expected=lambda x, y: _assigned(x.copy(), y),
    gradient=False,
)
case(
    "setitem of a number",
    lambda t, x: _assigned(x.clone(), 7.0),
    A,
    expected=lambda x: _assigned(x.copy(), 7),
    gradient=False,
)
