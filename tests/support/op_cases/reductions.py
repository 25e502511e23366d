"""Reductions."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from tinyseg.op_calls.table import IMAGES, A, bools, integers

from .table import case, expect, named

DIMS: list[Any] = [None, 0, 1, -1, (0, 2), (1, 2), (0, 1, 2)]


def _reduced(x: Any, name: str, dim: Any, keepdim: bool) -> Any:
    chosen = {} if dim is None and name.startswith("a") else {"dim": dim}  # PyTorch's amax knows no None
    return getattr(x, name)(**chosen, keepdim=keepdim)


for _name, _dim, _keepdim in itertools.product(("sum", "mean", "amax", "amin"), DIMS, (False, True)):
    if _dim in (None, 1) and not _keepdim:
        expect(
            f"{_name} over {_dim}",
            lambda x, name=_name, d=_dim: getattr(np, name)(x, axis=d),
            batch=(0,) if _dim == 1 else (),
        )
        continue
    case(
        f"{_name} over {_dim}{' kept' if _keepdim else ''}",
        lambda t, x, name=_name, d=_dim, k=_keepdim: _reduced(x, name, d, k),
        A,
        expected=lambda x, name=_name, d=_dim, k=_keepdim: getattr(np, name)(x, axis=d, keepdims=k),
        batch=(0,) if _dim in (-1, 1, (1, 2)) else (),
    )
case("sum over images", lambda t, x: x.sum((0, 2, 3)), IMAGES, expected=lambda x: x.sum((0, 2, 3)))
case("sum over channels", lambda t, x: x.sum(1), IMAGES, expected=lambda x: x.sum(1), batch=(0,))
case(
    "sum of many",
    lambda t, x: x.sum(),
    np.full((7, 3001), 0.1),
    expected=lambda x: math.fsum(x.ravel().tolist()),
    gradient=False,
)
case("sum of integers", lambda t, x: x.sum(0), integers(5, 3), expected=lambda x: x.sum(0), gradient=False)
case("sum of bools", lambda t, x: x.sum(), bools(5, 3), expected=lambda x: int(np.count_nonzero(x)), gradient=False)
for _name in ("max", "min"):
    expect(
        f"{_name} along 1",
        lambda x, name=_name: (getattr(np, name)(x, 1), getattr(np, f"arg{name}")(x, 1)),
        batch=(0,),
    )
    for _dim in (0, -1):
        case(
            f"{_name} along {_dim}",
            lambda t, x, name=_name, d=_dim: tuple(getattr(x, name)(d)),
            A,
            expected=lambda x, name=_name, d=_dim: (getattr(np, name)(x, d), getattr(np, f"arg{name}")(x, d)),
            batch=() if _dim == 0 else (0,),
        )
    case(f"{_name} of all", named(_name), IMAGES, expected=getattr(np, _name))
    case(
        f"{_name} along channels",
        lambda t, x, name=_name: getattr(x, name)(1, True)[0],
        IMAGES,
        expected=lambda x, name=_name: getattr(np, name)(x, 1, keepdims=True),
        batch=(0,),
    )
    for _kind, _values in (
        ("", A),
        (" of images", IMAGES),
        (" of integers", integers(3, 7)),
        (" of bools", bools(2, 3)),
    ):
        for _dim in (None, 0, 1, -1):
            case(
                f"arg{_name}{_kind} along {_dim}",
                lambda t, x, name=_name, d=_dim: getattr(t, f"arg{name}")(x, d),
                _values,
                expected=lambda x, name=_name, d=_dim: getattr(np, f"arg{name}")(x, d),
                gradient=False,
                batch=(0,) if _dim in (1, -1) else (),
                torch="PyTorch has none of bools" if "bools" in _kind else "",
            )
case("all", lambda t, x: t.all(x), bools(2, 3), expected=np.all, gradient=False)
case("any", lambda t, x: t.any(x), bools(2, 3), expected=np.any, gradient=False)
case("all of numbers", lambda t, x: x.all(), [1.0, 2.0], expected=True, gradient=False)
case("any of zeros", lambda t, x: x.any(), [0.0, 0.0], expected=False, gradient=False)
