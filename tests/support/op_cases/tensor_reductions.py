"""Products, spread, lengths, running sums, any and all; and Einstein's sums."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tinyseg
from tinyseg.op_calls.table import IMAGES, A, bools, integers, spread

from .table import bad, case, expect, zeros

_WITH_ZEROS = np.array([[1.5, 0.0, -2.0], [0.0, 0.0, 3.0], [2.0, 0.5, -1.0]])
for _dim in (None, 0, -1):
    for _keepdim in (False, True) if _dim is not None else (False,):
        case(
            f"prod over {_dim}{' kept' if _keepdim else ''}",
            lambda t, x, d=_dim, k=_keepdim: x.prod() if d is None else t.prod(x, d, k),
            A,
            expected=lambda x, d=_dim, k=_keepdim: np.prod(x, axis=d, keepdims=k),
            batch=(0,) if _dim == -1 else (),
        )
    case(
        f"prod of zeros over {_dim}",
        lambda t, x, d=_dim: t.prod(x) if d is None else x.prod(dim=d),
        _WITH_ZEROS,
        expected=lambda x, d=_dim: np.prod(x, axis=d),
    )
expect("prod of channels", lambda x: x.prod(1), batch=(0,))
case("prod of integers", lambda t, x: x.prod(0), integers(5, 3), expected=lambda x: x.prod(0), gradient=False)
case("prod of NaN", lambda t, x: x.prod(), [0.0, math.nan], expected=math.nan, gradient=False)
case(
    "prod of many",
    lambda t, x: x.prod(0),
    np.linspace(0.9, 1.1, 900).reshape(300, 3),
    expected=lambda x: np.exp(np.log(x).sum(0)),
    gradient=False,
)

for _name in ("var", "std"):
    expect(
        f"{_name} over 1",
        lambda x, name=_name: getattr(np, name)(x, axis=1, keepdims=True, ddof=1),
        batch=(0,),
    )
    for _dim in (None, (0, 2)):
        case(
            f"{_name} over {_dim}",
            lambda t, x, name=_name, d=_dim: getattr(t, name)(x, d, keepdim=False),
            A,
            expected=lambda x, name=_name, d=_dim: getattr(np, name)(x, axis=d, ddof=1),
        )
    case(
        f"{_name}, unbiased or not",
        lambda t, x, name=_name: getattr(x, name)(0, False) + getattr(x, name)(0, unbiased=True),
        A,
        expected=lambda x, name=_name: getattr(np, name)(x, 0) + getattr(np, name)(x, 0, ddof=1),
    )
    case(
        f"{_name} of images, corrected",
        lambda t, x, name=_name: getattr(x, name)((2, 3), correction=3),
        IMAGES,
        expected=lambda x, name=_name: getattr(np, name)(x, axis=(2, 3), ddof=3),
        batch=(0,),
    )
case("var far from 0", lambda t, x: x.var(), spread(50) + 1000, expected=lambda x: x.var(ddof=1), tolerance=1e-3)
case("norm", lambda t, x: t.norm(x), A, expected=lambda x: np.linalg.norm(x.ravel()))
expect("norm over dims", lambda x: np.sqrt((x * x).sum((0, 2), keepdims=True)))
case("norm, sum of sizes", lambda t, x: x.norm(p=1, dim=1), A, expected=lambda x: np.abs(x).sum(1), batch=(0,))
case("norm, largest size", lambda t, x: x.norm(math.inf, -1), A, expected=lambda x: np.abs(x).max(-1), batch=(0,))

expect("cumsum along 1", lambda x: np.cumsum(x, 1), batch=(0,))
for _dim in (0, -1):
    case(
        f"cumsum along {_dim}",
        lambda t, x, d=_dim: t.cumsum(x, d),
        A,
        expected=lambda x, d=_dim: np.cumsum(x, d),
        batch=() if _dim == 0 else (0,),
    )
case("cumsum of images", lambda t, x: x.cumsum(1), IMAGES, expected=lambda x: x.cumsum(1), batch=(0,))
case("cumsum of a vector", lambda t, x: x.cumsum(0), spread(9), expected=np.cumsum)
case("cumsum of bools", lambda t, x: x.cumsum(1), bools(3, 4), expected=lambda x: x.cumsum(1), gradient=False)
case(
    "cumsum, many rows and columns",
    lambda t, x: x.cumsum(0),
    np.linspace(-1, 1, 70 * 1300).reshape(70, 1300),
    expected=lambda x: x.cumsum(0),
    gradient=False,
)
case(
    "sum in another type",
    lambda t, x: x.sum(0, dtype=t.float64),
    integers(3, 4),
    expected=lambda x: x.sum(0) * 1.0,
    gradient=False,
    dtypes=("float64",),
)
case(
    "mean in another type",
    lambda t, x: t.mean(x, 0, dtype=t.float64),
    bools(3, 4),
    expected=lambda x: x.mean(0),
    gradient=False,
    dtypes=("float64",),
)
for _name in ("all", "any"):
    for _dim, _keepdim in ((0, False), ((0, -1), True)):
        case(
            f"{_name} over {_dim}",
            lambda t, x, name=_name, d=_dim, k=_keepdim: getattr(x, name)(d, k),
            integers(3, 4, 2, high=2),
            expected=lambda x, name=_name, d=_dim, k=_keepdim: getattr(np, name)(x, axis=d, keepdims=k),
            gradient=False,
        )  # fmt: skip

EINSUMS: list[tuple[str, tuple[tuple[int, ...], ...]]] = [
    ("ij,jk->ik", ((2, 3), (3, 4))),
    ("b h i, b j h", ((2, 3, 4), (2, 5, 3))),
    ("...ij,...kj->...ik", ((2, 3, 4), (1, 2, 4))),
    ("...", ((2, 3),)),
    ("i,i", ((5,), (5,))),
    ("i,j->ji", ((2,), (3,))),
    ("bij,bij->b", ((2, 3, 4), (2, 3, 4))),
    ("iij,jk->ik", ((3, 3, 2), (2, 4))),
    ("ii", ((4, 4),)),
    ("ba", ((2, 3),)),
    ("ij,kj,lk->il", ((2, 3), (4, 3), (3, 4))),
    ("ij,jk->", ((2, 1), (3, 2))),
    ("i,->i", ((3,), ())),
]
expect("einsum nchw,oc->nohw", lambda *x: np.einsum("nchw,oc->nohw", *x))
for _equation, _shapes in EINSUMS:
    case(
        f"einsum {_equation}",
        lambda t, *x, e=_equation: t.einsum(e, *x),
        *(spread(*shape, seed=i) for i, shape in enumerate(_shapes)),
        expected=lambda *x, e=_equation: np.einsum(e, *x),
    )
case(
    "einsum of integers",
    lambda t, a, b: t.einsum("ij,jk", a, b),
    integers(2, 3),
    integers(3, 2),
    expected=np.matmul,
    gradient=False,
)
expect("tensordot", np.tensordot)
case(
    "tensordot of no dim",
    lambda t, a, b: t.tensordot(a, b, 0),
    spread(2, 3),
    spread(4),
    expected=lambda a, b: np.tensordot(a, b, 0),
)
case(
    "tensordot over lists",
    lambda t, a, b: t.tensordot(a, b, dims=([0, 2], [-1, 0])),
    A,
    spread(4, 5, 2),
    expected=lambda a, b: np.tensordot(a, b, ([0, 2], [-1, 0])),
)
expect("bmm", np.matmul, batch=(0, 1))

_PAIR = (2, 3)
bad(
    "prod over two dims",
    lambda: zeros(*_PAIR).prod((0, 1)),
    TypeError,
    "prod: dim must be an int or None, got (0, 1)",
)
bad("prod over no such dim", lambda: zeros(*_PAIR).prod(2), IndexError, "prod: dim 2 is out of range")
bad("prod of a list", lambda: tinyseg.prod([1.0]), TypeError, "prod: input must be a Tensor, got list")
bad("prod in no such type", lambda: zeros(2).prod(dtype="float16"), TypeError, "'float16' is not supported")
bad("cumsum along no such dim", lambda: zeros(2).cumsum(1), IndexError, "cumsum: dim 1 is out of range for a tensor")
bad("amax of nothing", lambda: zeros(0).amax(), ValueError, "amax: no element to choose from in shape (0,)")
bad("amin over no such dim", lambda: zeros(2).amin((0, 1)), IndexError, "amin: dim 1 is out of range")
bad("all over a dim twice", lambda: zeros(2).all((0, -1)), ValueError, "all: dim (0, -1) names a dimension twice")
bad("any over no such dim", lambda: zeros(2).any(1), IndexError, "any: dim 1 is out of range")
bad("mean as integers", lambda: zeros(2).mean(dtype="int64"), TypeError, "mean: input must be float32 or float64")
bad("var of integers", lambda: tinyseg.arange(3).var(), TypeError, "var: input must be float32 or float64, got int64")
bad("std twice corrected", lambda: zeros(3).std(0, True, correction=1), TypeError, "unbiased or correction, not both")
bad(
    "std corrected by a text", lambda: zeros(3).std(correction="1"), TypeError, "correction must be a number, got '1'"
)
bad("var over no such dim", lambda: zeros(3).var(1), IndexError, "var: dim 1 is out of range")
bad("var over a dim twice", lambda: zeros(3).var((0, 0)), ValueError, "var: dim (0, 0) names a dimension twice")
bad("norm of integers", lambda: tinyseg.arange(3).norm(), TypeError, "norm: input must be float32 or float64")
bad("norm of another power", lambda: zeros(3).norm(3), ValueError, "norm: p must be 1, 2, 'fro' or inf, got 3")


def _einsum(equation: Any, *shapes: tuple[int, ...]) -> Any:
    return lambda: tinyseg.einsum(equation, *(zeros(*shape) for shape in shapes))


bad(
    "einsum of no equation", _einsum(None, (2,)), TypeError, "equation must be a string such as 'ij,jk->ik', got None"
)
bad("einsum of too few", _einsum("i,i", (2,)), ValueError, "'i,i' has subscripts of 2 operands, got 1")
bad("einsum of a digit", _einsum("i1->i", _PAIR), ValueError, "'1' in the subscripts of operand 0")
bad("einsum of two dots", _einsum("i..->i", _PAIR), ValueError, "'.' in the subscripts of operand 0")
bad("einsum of two arrows", _einsum("i->i->i", (2,)), ValueError, "in the subscripts of the output")
bad("einsum of dims", _einsum("i", _PAIR), ValueError, "operand 0 has 2 dimensions, but its subscripts 'i' name 1")
bad("einsum of fewer dims", _einsum("ij...k", _PAIR), ValueError, "but its subscripts 'ij...k' name 3")
bad("einsum of sizes", _einsum("ij,jk", _PAIR, _PAIR), ValueError, "'j' has size 3 in one operand and 2 in another")
bad("einsum of no diagonal", _einsum("ii", _PAIR), ValueError, "'i' comes twice in one operand, with sizes 2 and 3")
bad("einsum to a new letter", _einsum("i->j", (2,)), ValueError, "'j' of the output comes in no operand")
bad("einsum to a letter twice", _einsum("i->ii", (2,)), ValueError, "'i' comes twice in the output")
bad(
    "einsum of types",
    lambda: tinyseg.einsum("i,i", zeros(2), zeros(2, dtype="float64")),
    TypeError,
    "einsum: types differ: operand 0 is float32, operand 1 is float64",
)
bad(
    "einsum of a number",
    lambda: tinyseg.einsum("i,", zeros(2), 1.0),
    TypeError,
    "operand 1 must be a Tensor, got float",
)
bad(
    "tensordot of sizes",
    lambda: tinyseg.tensordot(zeros(2, 3), zeros(4, 2), 1),
    ValueError,
    "tensordot: a dimension has size",
)
bad(
    "tensordot of too many",
    lambda: tinyseg.tensordot(zeros(2), zeros(2), 2),
    ValueError,
    "dims 2 must be from 0 to 1",
)
bad(
    "tensordot of one list",
    lambda: tinyseg.tensordot(zeros(2), zeros(2), [0]),
    ValueError,
    "two lists of as many dims",
)
bad(
    "tensordot of no such dim",
    lambda: tinyseg.tensordot(zeros(2), zeros(2), ([1], [0])),
    IndexError,
    "tensordot: dim 1 is out of range",
)
bad("bmm of matrices", lambda: tinyseg.bmm(zeros(2, 3), zeros(3, 2)), ValueError, "bmm: input must have 3 dimensions")
bad("bmm of batches", lambda: zeros(2, 3, 4).bmm(zeros(3, 4, 5)), ValueError, "batches of 2 and 3 matrices")
