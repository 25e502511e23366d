"""Changes in place, on a copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .table import (
    ROW,
    A,
    B,
    case,
    of_two,
    spread,
)

IN_PLACE: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    ("add_", lambda x, y: x.add_(y), lambda x, y: x + y),
    ("sub_", lambda x, y: x.sub_(y), lambda x, y: x - y),
    ("mul_", lambda x, y: x.mul_(y), lambda x, y: x * y),
    ("div_", lambda x, y: x.div_(y), lambda x, y: x / y),
    ("copy_", lambda x, y: x.copy_(y), lambda x, y: np.broadcast_to(y, x.shape)),
]
for _name, _operate, _answer2 in IN_PLACE:
    _same = of_two(lambda x, y, f=_operate: f(x.clone(), y))
    case(_name, _same, A, B, expected=_answer2, gradient=False, batch=(0, 1))
    case(f"{_name} of a row", _same, A, ROW, expected=_answer2, gradient=False, batch=(0,))
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
