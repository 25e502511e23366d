"""One table of operator cases: what drives the tests of operators, and the benchmarks.

A row gives a function of tensors, its inputs, and what comes out according to somebody else: SciPy, NumPy, or a
sum done by hand. The function is handed the API it is to use, ``t``, first: tinyseg's, or PyTorch's, whose names are
the same; so a row is also a differential test. To add an operator, add rows here; ``test_ops.py`` and
``test_torch.py`` do the rest, and a test there fails as long as a kernel of the contract is in no row.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal
import scipy.special

import tinyseg

Array = np.ndarray[Any, Any]
NO_TORCH = "PyTorch has no such operator"


class Api:
    """A module's functions, and ``F``, its functions of networks."""

    def __init__(self, module: ModuleType, functional: ModuleType) -> None:
        self.module, self.F = module, functional

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


TINYSEG = Api(tinyseg, tinyseg.nn.functional)


@dataclass(frozen=True, eq=False)
class Case:
    """A row of the table.

    ``inputs``: float64 arrays are given in each of ``dtypes`` in turn and, if ``gradient``, require a gradient;
    others stay as they are. ``expected(*inputs)`` gives an array or a tuple. ``tolerance``: of float32, relative to
    the largest element. ``batch``: the inputs whose first dimension counts images and may be 0. ``torch``: why
    PyTorch is not to be compared with, if it is not.
    """

    name: str
    function: Callable[..., Any]
    inputs: tuple[Array, ...]
    expected: Callable[..., Any]
    gradient: bool = True
    tolerance: float = 1e-5
    batch: tuple[int, ...] = ()
    dtypes: tuple[str, ...] = ("float32", "float64")
    torch: str = ""

    def __str__(self) -> str:
        return self.name

    def arrays(self, dtype: str) -> list[Array]:
        """The inputs in a floating type."""
        return [x.astype(dtype) if x.dtype.kind == "f" else x.copy() for x in self.inputs]

    @functools.cache  # noqa: B019 - rows live as long as the program
    def wanted(self, dtype: str) -> list[Array]:
        """What is expected of ``arrays(dtype)``, computed in float64."""
        result = self.expected(*(x.astype(np.float64) if x.dtype.kind == "f" else x for x in self.arrays(dtype)))
        return [np.asarray(y) for y in (result if isinstance(result, tuple) else (result,))]


CASES: list[Case] = []


def case(name: str, function: Callable[..., Any], *inputs: Any, expected: Any, **options: Any) -> None:
    """Add a row; an ``expected`` that is no function is the value itself."""
    answer = expected if callable(expected) else lambda *_: np.asarray(expected)
    CASES.append(Case(name, function, tuple(np.asarray(x) for x in inputs), answer, **options))


def spread(*shape: int, low: float = -2.0, high: float = 2.1, seed: int = 0) -> Array:
    """A shuffled linspace: no two elements are equal or close, so that maxima have no ties."""
    values = np.linspace(low, high, math.prod(shape))
    return np.random.default_rng([seed, *shape]).permutation(values).reshape(shape)


def integers(*shape: int, low: int = 0, high: int = 5, seed: int = 0) -> Array:
    """Integers in low .. high - 1."""
    return np.random.default_rng([seed, *shape]).integers(low, high, shape)


def bools(*shape: int) -> Array:
    """True and False, mixed."""
    return integers(*shape, high=2, seed=5).astype(bool)


def of_two(operate: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A row's function from one of two operands."""
    return lambda t, a, b: operate(a, b)


def named(name: str) -> Callable[..., Any]:
    """A row's function: the API's function of that name."""
    return lambda t, *inputs: getattr(t, name)(*inputs)


def rectified(t: Api, name: str, *inputs: Any, **options: Any) -> Any:
    """``F.name`` and ReLU: one operator of ours, two of PyTorch's."""
    if t is TINYSEG:
        return getattr(t.F, name)(*inputs, **options, activation="relu")
    return t.F.relu(getattr(t.F, name)(*inputs, **options))


# --- Element by element

A, B = spread(2, 3, 4), spread(2, 3, 4, seed=1)
ROW, COLUMN = spread(4, seed=2), spread(3, 1, seed=3)
POSITIVE = spread(3, 5, low=0.2, high=3.0)
IMAGES = spread(2, 3, 4, 5)

BINARY: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("add", lambda a, b: a + b),
    ("subtract", lambda a, b: a - b),
    ("multiply", lambda a, b: a * b),
    ("divide", lambda a, b: a / b),
]
for _name, _operate in BINARY:
    _same = of_two(_operate)
    case(_name, _same, A, B, expected=_operate, batch=(0, 1))
    case(f"{_name} a row", _same, A, ROW, expected=_operate, batch=(0,))
    case(f"{_name} columns to rows", _same, COLUMN, ROW, expected=_operate)
    case(f"{_name} a tensor of one", _same, A, np.array(1.5), expected=_operate, batch=(0,))
    case(f"{_name} channels", _same, IMAGES, spread(3, 1, 1, seed=4), expected=_operate, batch=(0,))
    case(f"{_name} a number", lambda t, a, f=_operate: f(a, 2.5), A, expected=lambda a, f=_operate: f(a, 2.5))
    case(f"a number {_name}", lambda t, a, f=_operate: f(2, a), A, expected=lambda a, f=_operate: f(2, a))

case("an image used twice", lambda t, x: x * x + x, IMAGES, expected=lambda x: x * x + x, batch=(0,))
case("power", lambda t, a, b: a**b, POSITIVE, spread(3, 5, seed=1), expected=lambda a, b: a**b, batch=(0, 1))
case("power of a row", lambda t, a, b: t.pow(a, b), POSITIVE, spread(5, seed=2), expected=lambda a, b: a**b)
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
# Quotients that are not whole: where they are, the floor makes a step and has no slope.
_DIVIDEND, _DIVISOR = spread(2, 3, 4, low=-5.03, high=4.9), spread(2, 3, 4, low=0.31, high=2.17, seed=1)
_DIVISOR[:, 1] *= -1
_TOP, _BOTTOM = [1.0, -1.0, 0.0, np.nan, np.inf, 5.0, -5.0, 1.0], [0.0, 0.0, 0.0, 1.0, 2.0, np.inf, np.inf, 0.1]
_AT_CORNERS = {
    "floor_divide": [np.inf, -np.inf, np.nan, np.nan, np.nan, 0.0, -1.0, 9.0],
    "remainder": [np.nan, np.nan, np.nan, np.nan, np.nan, 5.0, np.inf, 0.1],
}
for _name, _operate, _gradient in FLOORED:
    _same = of_two(_operate)
    _rows = {"expected": _operate, "gradient": _gradient}
    case(_name, _same, _DIVIDEND, _DIVISOR, **_rows, batch=(0, 1))
    case(f"{_name} columns by rows", _same, _DIVIDEND[0, :, :1], _DIVISOR[0, 0], **_rows)
    case(f"{_name} by name", named(_name), _DIVIDEND, _DIVISOR, **_rows)
    case(
        f"{_name} by a number",
        lambda t, a, f=_operate: f(a, -0.75),
        _DIVIDEND,
        expected=lambda a, f=_operate: f(a, -0.75),
        gradient=_gradient,
    )
    case(
        f"{_name} of a number",
        lambda t, a, f=_operate: f(2, a),
        _DIVISOR,
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
    case(_name, named(_name), A, B, expected=getattr(np, _name), batch=(0, 1))
    case(f"{_name} of a row", named(_name), A, ROW, expected=getattr(np, _name), batch=(0,))
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
    case(_name, named(_name), _values, expected=_answer, batch=(0,))
    case(
        f"{_name} of images",
        lambda t, x, name=_name: getattr(t, name)(abs(x) + 0.1),
        IMAGES,
        expected=lambda x, f=_answer: f(np.abs(x) + 0.1),
        batch=(0,),
    )
    case(f"{_name} method", lambda t, x, name=_name: getattr(x, name)(), _values, expected=_answer)
case("exp far out", lambda t, x: t.exp(x), [-200.0, -80.0, -1e-3, 0.0, 60.0, 88.0], expected=np.exp, gradient=False)
case("negative", lambda t, x: -x, A, expected=np.negative, batch=(0,))
case("F.relu", lambda t, x: t.F.relu(x), IMAGES, expected=lambda x: np.where(x > 0, x, 0), batch=(0,))
case("F.tanh", lambda t, x: t.F.tanh(x), A, expected=np.tanh)
case(
    "IEEE's corner cases of log",
    lambda t, x: t.log(x),
    [0.0, -1.0, np.inf, np.nan],
    expected=[-np.inf, np.nan, np.inf, np.nan],
    gradient=False,
)
case("division by zero", lambda t, x: x / 0.0, [1.0, -1.0, 0.0], expected=[np.inf, -np.inf, np.nan], gradient=False)

case("where", lambda t, c, a, b: t.where(c, a, b), bools(2, 3, 4), A, B, expected=np.where, batch=(0, 1, 2))
case("where broadcast", lambda t, c, a, b: t.where(c, a, b), bools(3, 1), A, ROW, expected=np.where, batch=(1,))
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

# --- Reductions

DIMS: list[Any] = [None, 0, 1, -1, (0, 2), (1, 2), (0, 1, 2)]


def _reduced(x: Any, name: str, dim: Any, keepdim: bool) -> Any:
    chosen = {} if dim is None and name.startswith("a") else {"dim": dim}  # PyTorch's amax knows no None
    return getattr(x, name)(**chosen, keepdim=keepdim)


for _name, _dim, _keepdim in itertools.product(("sum", "mean", "amax", "amin"), DIMS, (False, True)):
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
    for _dim in (0, 1, -1):
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

# --- Shapes

case("reshape", lambda t, x: x.reshape(4, -1), A, expected=lambda x: x.reshape(4, 6))
case(
    "view",
    lambda t, x: x.view(6, 4),
    A,
    expected=lambda x: x.reshape(6, 4),
    torch="PyTorch's view asks for contiguity",
)
case("flatten", lambda t, x: t.flatten(x, 1), IMAGES, expected=lambda x: x.reshape(len(x), 60), batch=(0,))
case("permute", lambda t, x: x.permute(2, 0, 1), A, expected=lambda x: x.transpose(2, 0, 1))
case("transpose", lambda t, x: x.transpose(-1, 0), A, expected=lambda x: x.swapaxes(-1, 0))
case("T", lambda t, x: x.T, POSITIVE, expected=lambda x: x.T)
case("squeeze", lambda t, x: t.squeeze(x), spread(1, 3, 1, 2), expected=lambda x: x.reshape(3, 2))
case("squeeze one", lambda t, x: x.squeeze(0), spread(1, 3, 1, 2), expected=lambda x: x.reshape(3, 1, 2))
case("unsqueeze", lambda t, x: x.unsqueeze(-1), A, expected=lambda x: x[..., None], batch=(0,))
case("expand", lambda t, x: x.expand(2, -1, 5), COLUMN, expected=lambda x: np.broadcast_to(x, (2, 3, 5)))
case("expand and reshape", lambda t, x: x.expand(3, 4).reshape(12), spread(4), expected=lambda x: np.tile(x, 3))
case(
    "cat",
    lambda t, a, b: t.cat([a, b, a], 1),
    A,
    spread(2, 1, 4),
    expected=lambda a, b: np.concatenate([a, b, a], 1),
    batch=(0, 1),
)
case(
    "cat of images",
    lambda t, a, b: t.cat((a, b), 1),
    IMAGES,
    spread(2, 2, 4, 5),
    expected=lambda a, b: np.concatenate([a, b], 1),
    batch=(0, 1),
)
case(
    "cat along the last",
    lambda t, a, b: t.cat((a, b), -1),
    A,
    B,
    expected=lambda a, b: np.concatenate([a, b], -1),
    batch=(0, 1),
)
case("stack", lambda t, a, b: t.stack([a, b], 1), A, B, expected=lambda a, b: np.stack([a, b], 1), batch=(0, 1))
case("stack at the end", lambda t, a, b: t.stack([a, b], -1), A, B, expected=lambda a, b: np.stack([a, b], -1))
case(
    "pad",
    lambda t, x: t.F.pad(x, (1, 2, 0, 3), value=0.5),
    A,
    expected=lambda x: np.pad(x, ((0, 0), (0, 3), (1, 2)), constant_values=0.5),
    batch=(0,),
)
case(
    "pad of images",
    lambda t, x: t.F.pad(x, (1, 0, 2, 1)),
    IMAGES,
    expected=lambda x: np.pad(x, ((0, 0), (0, 0), (2, 1), (1, 0))),
    batch=(0,),
)
case(
    "pad that cuts off",
    lambda t, x: t.F.pad(x, (-1, 2, 1, -2)),
    IMAGES,
    expected=lambda x: np.pad(x[:, :, :2, 1:], ((0, 0), (0, 0), (1, 0), (0, 2))),
    batch=(0,),
)
INDICES: list[tuple[str, Any]] = [
    ("int", 1),
    ("negative int", -1),
    ("slice", slice(0, 1)),
    ("steps", (slice(None), slice(None, None, 2))),
    ("ellipsis", (..., slice(1, 3))),
    ("first and last", (1, ..., 3)),
    ("new axis", (slice(None), None, 2)),
    ("empty slice", (slice(None), slice(2, 2))),
    ("list", (slice(None), [2, 0, 0])),
]
for _name, _index in INDICES:
    case(f"index {_name}", lambda t, x, i=_index: x[i], A, expected=lambda x, i=_index: x[i])
case(
    "index backwards",
    lambda t, x: x[:, ::-1],
    A,
    expected=lambda x: x[:, ::-1],
    torch="PyTorch has no negative steps",
)
case("index of images", lambda t, x: x[:, :, 1:-1, 2:], IMAGES, expected=lambda x: x[:, :, 1:-1, 2:], batch=(0,))
case("index by a tensor", lambda t, x, i: x[i], A, integers(4, high=2), expected=lambda x, i: x[i])
case(
    "gather",
    lambda t, x, i: t.gather(x, 1, i),
    A,
    integers(2, 5, 4, high=3),
    expected=lambda x, i: np.take_along_axis(x, i, 1),
    batch=(0, 1),
)
case(
    "gather from images",
    lambda t, x, i: x.gather(1, i),
    IMAGES,
    integers(2, 1, 4, 5, high=3),
    expected=lambda x, i: np.take_along_axis(x, i, 1),
    batch=(0, 1),
)
case(
    "index_select",
    lambda t, x, i: t.index_select(x, 1, i),
    A,
    [2, 0, 2, 2],
    expected=lambda x, i: x[:, i],
    batch=(0,),
)
case(
    "index_select from the end",
    lambda t, x, i: x.index_select(0, i),
    A,
    [-1, 0],
    expected=lambda x, i: x[i],
    torch="PyTorch counts only from the front",
)
case("clone", lambda t, x: x.clone(), IMAGES, expected=lambda x: x, batch=(0,))
case("contiguous", lambda t, x: x.transpose(0, 1).contiguous(), A, expected=lambda x: x.swapaxes(0, 1))
case("to and fro", lambda t, x: x.to(t.float64) * 2.0, A, expected=lambda x: x * 2, dtypes=("float64",))
case("as integers", lambda t, x: x.long(), [-1.7, 0.0, 2.9], expected=[-1, 0, 2], gradient=False)
case("as bools", lambda t, x: x.bool(), [-1.7, 0.0, np.nan], expected=[True, False, True], gradient=False)

# --- Changes in place, on a copy

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

# --- Random numbers: Philox in Python's own integers


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox4x32-10, written down from section 3.3 of Salmon et al. 2011."""
    x0, x1, x2, x3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * x0, 1 << 32)
        high1, low1 = divmod(0xCD9E8D57 * x2, 1 << 32)
        x0, x1, x2, x3 = high1 ^ x1 ^ k0, low1, high0 ^ x3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % (1 << 32), (k1 + 0xBB67AE85) % (1 << 32)
    return x0, x1, x2, x3


def words(count: int, seed: int, counter: int = 0) -> Array:
    """The first words of a generator's stream."""
    blocks = [
        philox((i % 2**32, i >> 32, 0, 0), (seed % 2**32, seed >> 32))
        for i in range(counter, counter - (-count // 4))
    ]
    return np.array(list(itertools.chain.from_iterable(blocks))[:count], np.uint64)


def _uniform(x: Array, seed: int) -> Array:
    return (words(x.size, seed) * 2.0**-32).reshape(x.shape)


def _normal(x: Array, seed: int) -> Array:
    drawn = words(x.size + x.size % 2, seed).astype(float) * 2.0**-32
    radius, angle = np.sqrt(-2 * np.log(drawn[::2] + 2.0**-33)), 2 * np.pi * drawn[1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).ravel()[: x.size].reshape(x.shape)


def _dropped(x: Array, probability: float, seed: int) -> Array:
    """Images are walked through pixel by pixel, each with all its channels."""
    order = np.moveaxis(x, 1, -1) if x.ndim == 4 else x
    kept = np.where(_uniform(order, seed) >= probability, order / (1 - probability), 0)
    return np.moveaxis(kept, -1, 1) if x.ndim == 4 else kept


_OWN = "random numbers are tinyseg's own"
SEED = 2**40 + 77


def _generator() -> tinyseg.Generator:
    return tinyseg.Generator(SEED)


# float32 numbers have 24 of the 32 bits, hence the tolerance.
case(
    "uniform",
    lambda t, x: x.clone().uniform_(generator=_generator()),
    np.zeros((3, 50)),
    expected=lambda x: _uniform(x, SEED),
    gradient=False,
    torch=_OWN,
)
case(
    "uniform between",
    lambda t, x: x.clone().uniform_(-3.0, 1.0, _generator()),
    np.zeros((3, 7)),
    expected=lambda x: 4 * _uniform(x, SEED) - 3,
    gradient=False,
    torch=_OWN,
)
case(
    "normal",
    lambda t, x: x.clone().normal_(generator=_generator()),
    np.zeros((5, 31)),
    expected=lambda x: _normal(x, SEED),
    gradient=False,
    torch=_OWN,
)
case(
    "normal elsewhere",
    lambda t, x: x.clone().normal_(2.0, 0.5, _generator()),
    np.zeros((2, 3, 4, 5)),
    expected=lambda x: _normal(x, SEED) / 2 + 2,
    gradient=False,
    torch=_OWN,
)
case(
    "dropout",
    lambda t, x: t.F.dropout(x, 0.3, True, _generator()),
    spread(5, 7),
    expected=lambda x: _dropped(x, 0.3, SEED),
    torch=_OWN,
    batch=(0,),
)
case(
    "dropout of images",
    lambda t, x: t.F.dropout(x, 0.5, generator=_generator()),
    IMAGES,
    expected=lambda x: _dropped(x, 0.5, SEED),
    torch=_OWN,
    batch=(0,),
)
case("dropout of everything", lambda t, x: t.F.dropout(x, 1.0), A, expected=np.zeros_like(A), batch=(0,))
case("dropout of nothing", lambda t, x: t.F.dropout(x, 0.0) * 1.0, A, expected=A)
case("dropout in evaluation", lambda t, x: t.F.dropout(x, 0.9, training=False) * 1.0, A, expected=A)
case(
    "dropout2d",
    lambda t, x: t.F.dropout2d(x, 0.4, generator=_generator()),
    IMAGES,
    expected=lambda x: x * _dropped(np.ones((len(x), 3, 1, 1)), 0.4, SEED),
    torch=_OWN,
    batch=(0,),
)

# --- Matrix products

case("matmul", lambda t, a, b: a @ b, spread(4, 3), spread(3, 5), expected=np.matmul, tolerance=2e-5)
case("matmul of batches", lambda t, a, b: a @ b, spread(2, 4, 3), spread(2, 3, 5), expected=np.matmul, batch=(0, 1))
case("matmul, broadcast", lambda t, a, b: a @ b, spread(2, 1, 4, 3), spread(5, 3, 2), expected=np.matmul)
case(
    "matmul, one matrix for all", lambda t, a, b: a @ b, spread(2, 4, 3), spread(3, 2), expected=np.matmul, batch=(0,)
)
case("matmul of vectors", lambda t, a, b: t.matmul(a, b), spread(6), spread(6, seed=1), expected=np.matmul)
case("matrix times vector", lambda t, a, b: a.matmul(b), spread(4, 3), spread(3), expected=np.matmul)
case("vector times matrices", lambda t, a, b: a.matmul(b), spread(3), spread(2, 3, 4), expected=np.matmul)
case("matmul, larger", lambda t, a, b: a @ b, spread(37, 65), spread(65, 43), expected=np.matmul, gradient=False)
case(
    "matmul, an inner size of 0", lambda t, a, b: a @ b, np.zeros((2, 0)), np.zeros((0, 3)), expected=np.zeros((2, 3))
)
case(
    "linear",
    lambda t, x, w, b: t.F.linear(x, w, b),
    spread(2, 3, 4),
    spread(5, 4),
    spread(5),
    expected=lambda x, w, b: x @ w.T + b,
    batch=(0,),
)
case(
    "linear without bias",
    lambda t, x, w: t.F.linear(x, w),
    spread(3, 4),
    spread(2, 4),
    expected=lambda x, w: x @ w.T,
    batch=(0,),
)

# --- Convolutions


def _both(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _dilated(kernel: Array, dilation: tuple[int, int]) -> Array:
    """A kernel with zeros between its taps."""
    size = [(k - 1) * d + 1 for k, d in zip(kernel.shape, dilation, strict=True)]
    out = np.zeros(size)
    out[:: dilation[0], :: dilation[1]] = kernel
    return out


def convolved(
    x: Array,
    w: Array,
    bias: Array | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """SciPy's correlation of each channel, summed."""
    (sv, sh), (pv, ph) = _both(stride), _both(padding)
    x = np.pad(x, ((0, 0), (0, 0), (pv, pv), (ph, ph)))
    inputs, outputs = w.shape[1], w.shape[0] // groups
    planes = [
        [
            sum(
                scipy.signal.correlate2d(
                    image[o // outputs * inputs + c], _dilated(w[o, c], _both(dilation)), "valid"
                )
                for c in range(inputs)
            )[::sv, ::sh]
            + (0 if bias is None else bias[o])
            for o in range(len(w))
        ]
        for image in x
    ]
    return np.array(planes)


def transposed(
    x: Array,
    w: Array,
    bias: Array | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Array:
    """The lecture's two steps: put zeros between the pixels, then convolve (SciPy); and cut off the padding."""
    stride, padding, output_padding = _both(stride), _both(padding), _both(output_padding)
    n, channels, *size = x.shape
    stuffed = np.zeros((n, channels, *((s - 1) * f + 1 for s, f in zip(size, stride, strict=True))))
    stuffed[:, :, :: stride[0], :: stride[1]] = x
    outputs, group = w.shape[1], channels // groups
    planes = []
    for image in stuffed:
        for o in range(outputs * groups):
            first = o // outputs * group
            full = sum(
                scipy.signal.convolve2d(image[c], _dilated(w[c, o % outputs], _both(dilation)))
                for c in range(first, first + group)
            )
            full = np.pad(full, [(0, extra) for extra in output_padding])
            cut = full[padding[0] : full.shape[0] - padding[0], padding[1] : full.shape[1] - padding[1]]
            planes.append(cut + (0 if bias is None else bias[o]))
    return np.array(planes).reshape(n, outputs * groups, *planes[0].shape)


_CONVOLUTION = {"tolerance": 2e-4, "batch": (0,)}


def conv(name: str, x: tuple[int, ...], w: tuple[int, ...], bias: bool = True, **window: Any) -> None:
    inputs = [spread(*x), spread(*w, seed=1)] + ([spread(w[0], seed=2)] if bias else [])
    case(
        f"conv2d {name}",
        lambda t, x, w, b=None: t.F.conv2d(x, w, b, **window),
        *inputs,
        expected=lambda x, w, b=None: convolved(x, w, b, **window),
        **_CONVOLUTION,
    )


conv("3x3", (2, 3, 5, 6), (4, 3, 3, 3))
conv("3x3 padded", (2, 3, 5, 4), (4, 3, 3, 3), padding=1)
conv("without bias", (2, 3, 4, 5), (2, 3, 2, 3), bias=False)
conv("1x1", (2, 5, 3, 4), (3, 5, 1, 1))
conv("1x1 strided", (2, 3, 5, 4), (2, 3, 1, 1), stride=2)
conv("of one pixel", (1, 2, 1, 1), (3, 2, 1, 1))
conv("of one padded pixel", (2, 1, 1, 1), (2, 1, 3, 3), padding=1)
conv("strided", (1, 2, 7, 8), (3, 2, 3, 3), stride=2, padding=1)
conv("in uneven strides", (2, 2, 6, 7), (2, 2, 3, 2), stride=(1, 3), padding=(2, 0))
conv("dilated", (1, 2, 8, 7), (2, 2, 3, 3), dilation=2, padding=2)
conv("dilated unevenly", (1, 2, 6, 9), (2, 2, 2, 3), dilation=(3, 2), padding=(0, 1), stride=(1, 2))
conv("in groups", (2, 4, 5, 4), (6, 2, 3, 3), padding=1, groups=2)
conv("depthwise", (2, 3, 5, 6), (3, 1, 3, 3), padding=1, groups=3)
conv("depthwise, strided and dilated", (1, 4, 7, 8), (4, 1, 3, 2), stride=2, dilation=2, padding=1, groups=4)
conv("depthwise, two for each", (2, 2, 4, 5), (4, 1, 3, 3), padding=1, groups=2)
conv("large kernel", (1, 1, 8, 9), (2, 1, 7, 5), padding=(3, 2))
conv("padding wider than the kernel", (1, 2, 3, 3), (2, 2, 2, 2), padding=3)
case(
    "conv2d same",
    lambda t, x, w: t.F.conv2d(x, w, padding="same", dilation=2),
    spread(1, 2, 4, 5),
    spread(2, 2, 3, 5),
    expected=lambda x, w: convolved(x, w, padding=(2, 4), dilation=2),
    **_CONVOLUTION,
)
case(
    "conv2d valid",
    lambda t, x, w: t.F.conv2d(x, w, padding="valid"),
    spread(1, 2, 4, 5),
    spread(2, 2, 3, 2),
    expected=convolved,
    **_CONVOLUTION,
)


def wide_conv(name: str, x: tuple[int, ...], w: tuple[int, ...], **window: Any) -> None:
    """More channels than a vector has lanes; too many elements for finite differences."""
    case(
        f"conv2d {name}",
        lambda t, x, w: t.F.conv2d(x, w, **window),
        spread(*x),
        spread(*w, seed=1),
        expected=lambda x, w: convolved(x, w, **window),
        gradient=False,
        **_CONVOLUTION,
    )


for _name, _x, _w, _window in (
    ("3x3", (2, 3, 5, 6), (4, 3, 3, 3), {"padding": 1}),
    ("strided", (1, 2, 7, 8), (3, 2, 3, 3), {"stride": 2}),
    ("in groups", (2, 4, 5, 4), (6, 2, 3, 3), {"groups": 2}),
    ("depthwise", (1, 3, 5, 6), (3, 1, 3, 3), {"groups": 3, "padding": 1}),
):
    case(
        f"conv2d and relu, {_name}",
        lambda t, x, w, b, window=_window: rectified(t, "conv2d", x, w, b, **window),
        spread(*_x),
        spread(*_w, seed=1),
        spread(_w[0], seed=2),
        expected=lambda x, w, b, window=_window: np.maximum(convolved(x, w, b, **window), 0),
        **_CONVOLUTION,
    )
for _name, _outputs, _size in (("without bias", 3, 6), ("wide", 40, 17)):
    case(
        f"conv2d and relu, {_name}",
        lambda t, x, w: rectified(t, "conv2d", x, w, padding=1),
        spread(1, _outputs, 5, _size),
        spread(_outputs, _outputs, 3, 3, seed=1),
        expected=lambda x, w: np.maximum(convolved(x, w, padding=1), 0),
        **(_CONVOLUTION | {"gradient": _outputs < 10}),
    )
wide_conv("wide", (2, 35, 9, 17), (37, 35, 3, 3), padding=1)
wide_conv("wide and strided", (1, 33, 11, 10), (40, 33, 3, 3), padding=1, stride=2)
wide_conv("wide 1x1", (2, 48, 7, 9), (21, 48, 1, 1))
wide_conv("wide and dilated", (1, 20, 13, 12), (34, 20, 3, 3), padding=2, dilation=2)
wide_conv("wide depthwise", (2, 40, 9, 7), (40, 1, 3, 3), padding=1, groups=40)


def conv_transpose(name: str, x: tuple[int, ...], w: tuple[int, ...], bias: bool = True, **window: Any) -> None:
    outputs = w[1] * window.get("groups", 1)
    inputs = [spread(*x), spread(*w, seed=1)] + ([spread(outputs, seed=2)] if bias else [])
    case(
        f"conv_transpose2d {name}",
        lambda t, x, w, b=None: t.F.conv_transpose2d(x, w, b, **window),
        *inputs,
        expected=lambda x, w, b=None: transposed(x, w, b, **window),
        **_CONVOLUTION,
    )


conv_transpose("3x3", (2, 3, 4, 5), (3, 2, 3, 3))
conv_transpose("padded", (2, 2, 4, 5), (2, 3, 3, 3), padding=1)
conv_transpose("2x2 stride 2", (2, 4, 3, 2), (4, 2, 2, 2), stride=2)
conv_transpose("4x4 stride 2", (1, 2, 3, 4), (2, 2, 4, 4), stride=2, padding=1, bias=False)
conv_transpose("of one pixel", (1, 2, 1, 1), (2, 3, 3, 3))
conv_transpose("with output padding", (1, 2, 3, 4), (2, 2, 3, 3), stride=2, padding=1, output_padding=1)
conv_transpose("with uneven output padding", (1, 2, 3, 3), (2, 1, 2, 3), stride=(3, 2), output_padding=(2, 0))
conv_transpose("with gaps", (1, 2, 3, 2), (2, 2, 2, 1), stride=3)
conv_transpose("dilated", (1, 2, 4, 3), (2, 2, 3, 2), dilation=(2, 3), stride=2, padding=(1, 0))
conv_transpose("in groups", (2, 4, 3, 3), (4, 2, 3, 3), groups=2, stride=2)
conv_transpose("depthwise", (1, 3, 3, 4), (3, 1, 4, 4), groups=3, stride=2, padding=1)
conv_transpose("with output padding beyond stride 1", (1, 1, 3, 3), (1, 1, 2, 2), dilation=2, output_padding=1)
for _name, _x, _w, _window in (
    ("2x2 stride 2", (2, 4, 3, 2), (4, 2, 2, 2), {"stride": 2}),
    ("with gaps", (1, 2, 3, 2), (2, 2, 2, 1), {"stride": 3}),
    ("in groups", (1, 4, 3, 3), (4, 1, 3, 3), {"groups": 2, "padding": 1}),
):
    case(
        f"conv_transpose2d and relu, {_name}",
        lambda t, x, w, b, window=_window: rectified(t, "conv_transpose2d", x, w, b, **window),
        spread(*_x),
        spread(*_w, seed=1),
        spread(_w[1] * _window.get("groups", 1), seed=2),
        expected=lambda x, w, b, window=_window: np.maximum(transposed(x, w, b, **window), 0),
        **_CONVOLUTION,
    )
case(
    "conv_transpose2d wide",
    lambda t, x, w: t.F.conv_transpose2d(x, w, stride=2),
    spread(1, 34, 6, 9),
    spread(34, 19, 2, 2, seed=1),
    expected=lambda x, w: transposed(x, w, stride=2),
    gradient=False,
    **_CONVOLUTION,
)

# --- Pooling


def _windows(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil: bool) -> Iterator[list[int]]:
    """The pixels that each window holds; with ``ceil`` one that sticks out is the last if it starts in the image."""
    first, reach = -padding, (kernel - 1) * dilation + 1
    while first + reach <= size + padding or (ceil and first - stride + reach < size + padding and first < size):
        yield [i for i in range(first, first + kernel * dilation, dilation) if 0 <= i < size]
        first += stride


def pooled(
    x: Array, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil: bool = False
) -> tuple[Array, Array]:
    """Window by window, in plain Python: the maxima and their places, the first of several."""
    sizes = [_both(v) for v in (kernel, kernel if stride is None else stride, padding, dilation)]
    rows, columns = (list(_windows(x.shape[2 + i], *(size[i] for size in sizes), ceil)) for i in (0, 1))
    values, places = (np.zeros((*x.shape[:2], len(rows), len(columns)), dtype) for dtype in (x.dtype, np.int64))
    for n, c, i, j in np.ndindex(values.shape):
        pixels = [(r, s) for r in rows[i] for s in columns[j]]
        best = max(pixels, key=lambda pixel: x[n, c, pixel[0], pixel[1]])
        values[n, c, i, j], places[n, c, i, j] = x[n, c, best[0], best[1]], best[0] * x.shape[3] + best[1]
    return values, places


POOLINGS: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("2x2", (2, 3, 4, 6), {"kernel_size": 2}),
    ("with a rest", (1, 2, 5, 7), {"kernel_size": 2}),
    ("of one pixel", (2, 3, 1, 1), {"kernel_size": 1}),
    ("overlapping", (1, 2, 6, 5), {"kernel_size": 3, "stride": 1}),
    ("padded", (1, 2, 5, 6), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("dilated", (1, 2, 7, 6), {"kernel_size": 2, "stride": 2, "padding": 1, "dilation": 2}),
    ("uneven", (2, 1, 6, 7), {"kernel_size": (2, 3), "stride": (1, 2), "padding": (0, 1), "dilation": (3, 1)}),
    ("wide", (1, 17, 2, 4), {"kernel_size": 2}),
    ("rounded up", (1, 2, 5, 7), {"kernel_size": 2, "ceil_mode": True}),
    ("rounded up, padded", (1, 2, 6, 5), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
]
for _name, _shape, _window in POOLINGS:
    case(
        f"max_pool2d {_name}",
        lambda t, x, w=_window: t.F.max_pool2d(x, **w, return_indices=True),
        spread(*_shape),
        expected=lambda x, w=_window: pooled(x, *_ordered(w)),
        batch=(0,),
    )


def _ordered(window: dict[str, Any]) -> list[Any]:
    return [
        window.get(name, default)
        for name, default in (
            ("kernel_size", 2),
            ("stride", None),
            ("padding", 0),
            ("dilation", 1),
            ("ceil_mode", False),
        )
    ]


def unpooled(x: Array, places: Array, size: tuple[int, int]) -> Array:
    """Element by element, the last one standing."""
    out = np.zeros((*x.shape[:2], size[0] * size[1]))
    for n, c, i, j in np.ndindex(x.shape):
        out[n, c, places[n, c, i, j]] = x[n, c, i, j]
    return out.reshape(*x.shape[:2], *size)


_PLACES = np.array([[[[5, 2], [12, 15]], [[0, 3], [9, 10]]]])
case(
    "max_unpool2d",
    lambda t, x, i: t.F.max_unpool2d(x, i, 2),
    spread(1, 2, 2, 2),
    _PLACES,
    expected=lambda x, i: unpooled(x, i, (4, 4)),
    batch=(0, 1),
)
case(
    "max_unpool2d to a size",
    lambda t, x, i: t.F.max_unpool2d(x, i, 2, output_size=(5, 4)),
    spread(1, 2, 2, 2),
    _PLACES,
    expected=lambda x, i: unpooled(x, i, (5, 4)),
    batch=(0, 1),
)
case(
    "max_unpool2d of repeated places",
    lambda t, x, i: t.F.max_unpool2d(x, i, 3, stride=1),
    spread(1, 1, 3, 3),
    [[[[7, 7, 8], [7, 12, 8], [0, 24, 24]]]],
    expected=lambda x, i: unpooled(x, i, (5, 5)),
    torch="PyTorch's gradient there gives each what stands in its place",
)

# --- Resizing


def nearest(x: Array, size: tuple[int, int], step: tuple[float, float] | None = None) -> Array:
    """Pixel by pixel."""
    step = step or (x.shape[2] / size[0], x.shape[3] / size[1])
    rows, columns = ([min(int(i * step[k]), x.shape[2 + k] - 1) for i in range(size[k])] for k in (0, 1))
    return x[:, :, rows][..., columns]


def bilinear(x: Array, size: tuple[int, int], align_corners: bool, step: tuple[float, float] | None = None) -> Array:
    """SciPy's linear spline, read at the positions that the definition gives."""
    places = []
    for k in (0, 1):
        i = np.arange(size[k])
        if align_corners:
            places.append(np.linspace(0, x.shape[2 + k] - 1, size[k]))
        else:
            scale = x.shape[2 + k] / size[k] if step is None else step[k]
            places.append(np.maximum((i + 0.5) * scale - 0.5, 0))
    grid = np.meshgrid(*places, indexing="ij")
    planes = [scipy.ndimage.map_coordinates(plane, grid, order=1, mode="nearest") for image in x for plane in image]
    return np.array(planes).reshape(*x.shape[:2], *size)


SMALL = spread(2, 3, 3, 4)
for _name, _size in (
    ("up", (6, 8)),
    ("unevenly", (7, 5)),
    ("down", (2, 3)),
    ("to one pixel", (1, 1)),
    ("as it is", (3, 4)),
):
    case(
        f"nearest {_name}",
        lambda t, x, s=_size: t.F.interpolate(x, s),
        SMALL,
        expected=lambda x, s=_size: nearest(x, s),
        batch=(0,),
    )
    for _corners in (False, True):
        case(
            f"bilinear {_name}{', corners aligned' if _corners else ''}",
            lambda t, x, s=_size, c=_corners: t.F.interpolate(x, s, mode="bilinear", align_corners=c),
            SMALL,
            expected=lambda x, s=_size, c=_corners: bilinear(x, s, c),
            batch=(0,),
        )
case(
    "nearest of one pixel",
    lambda t, x: t.F.interpolate(x, scale_factor=3),
    spread(1, 2, 1, 1),
    expected=lambda x: np.tile(x, (1, 1, 3, 3)),
)
case(
    "nearest by a factor",
    lambda t, x: t.F.interpolate(x, scale_factor=(2.5, 1.3)),
    SMALL,
    expected=lambda x: nearest(x, (7, 5), (1 / 2.5, 1 / 1.3)),
    batch=(0,),
)
case(
    "bilinear by a factor",
    lambda t, x: t.F.interpolate(x, scale_factor=(2.5, 1.3), mode="bilinear"),
    SMALL,
    expected=lambda x: bilinear(x, (7, 5), False, (1 / 2.5, 1 / 1.3)),
    batch=(0,),
)
case(
    "bilinear by a recomputed factor",
    lambda t, x: t.F.interpolate(x, scale_factor=1.7, mode="bilinear", recompute_scale_factor=True),
    SMALL,
    expected=lambda x: bilinear(x, (5, 6), False),
    batch=(0,),
)
case(
    "bilinear, wide",
    lambda t, x: t.F.interpolate(x, (7, 9), mode="bilinear"),
    spread(1, 21, 4, 5),
    expected=lambda x: bilinear(x, (7, 9), False),
    gradient=False,
    batch=(0,),
)

# --- Normalisation


def normalised(x: Array, w: Any = 1.0, b: Any = 0.0, mean: Any = None, var: Any = None, eps: float = 1e-5) -> Array:
    """The definition."""
    w, b = (np.reshape(v, (-1, 1, 1)) for v in (w, b))
    mean = x.mean((0, 2, 3)) if mean is None else mean
    var = x.var((0, 2, 3)) if var is None else var
    return (x - mean[:, None, None]) / np.sqrt(var[:, None, None] + eps) * w + b


_MEAN, _VAR, _SCALE, _SHIFT = (
    spread(3, seed=6),
    spread(3, low=0.5, high=2, seed=7),
    spread(3, seed=8),
    spread(3, seed=9),
)
case(
    "batch_norm training",
    lambda t, x, w, b: t.F.batch_norm(x, None, None, w, b, training=True),
    IMAGES,
    _SCALE,
    _SHIFT,
    expected=normalised,
)
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
    _MEAN,
    _VAR,
    _SCALE,
    _SHIFT,
    expected=lambda x, m, v, w, b: normalised(x, w, b, m, v),
    batch=(0,),
    gradient=False,
)
case(
    "batch_norm evaluation, by input",
    lambda t, x, w, b: t.F.batch_norm(x, w.detach() * 0 + 0.5, b.detach() * 0 + 4.0, w, b),
    IMAGES,
    _SCALE,
    _SHIFT,
    expected=lambda x, w, b: normalised(x, w, b, np.full(3, 0.5), np.full(3, 4.0)),
    batch=(0,),
)
case(
    "batch_norm evaluation, not affine",
    lambda t, x: t.F.batch_norm(x, x.detach()[0, :, 0, 0] * 0, x.detach()[0, :, 0, 0] * 0 + 1),
    IMAGES,
    expected=lambda x: x / np.sqrt(1 + 1e-5),
)
case(
    "batch_norm and relu, training",
    lambda t, x, w, b: rectified(t, "batch_norm", x, None, None, w, b, training=True),
    IMAGES,
    _SCALE,
    _SHIFT,
    expected=lambda x, w, b: np.maximum(normalised(x, w, b), 0),
)
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
    _SCALE,
    _SHIFT,
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
    _MEAN,
    _VAR,
    gradient=False,
    expected=lambda x, m, v: (0.75 * m + 0.25 * x.mean((0, 2, 3)), 0.75 * v + 0.25 * x.var((0, 2, 3), ddof=1)),
)

# --- Softmax and the loss

for _dim in (0, 1, -1):
    case(
        f"log_softmax along {_dim}",
        lambda t, x, d=_dim: t.F.log_softmax(x, d),
        A,
        batch=() if _dim == 0 else (0,),
        expected=lambda x, d=_dim: scipy.special.log_softmax(x, d),
    )
case(
    "log_softmax of images",
    lambda t, x: t.F.log_softmax(x, 1),
    IMAGES,
    expected=lambda x: scipy.special.log_softmax(x, 1),
    batch=(0,),
)
case(
    "log_softmax of large numbers",
    lambda t, x: t.F.log_softmax(x, 0),
    [1000.0, 1001.0, -1000.0],
    expected=lambda x: scipy.special.log_softmax(x),
    gradient=False,
)
case("softmax", lambda t, x: t.F.softmax(x, 1), IMAGES, expected=lambda x: scipy.special.softmax(x, 1), batch=(0,))
case(
    "softmax of large numbers",
    lambda t, x: t.F.softmax(x, dim=-1),
    [[1000.0, 1000.0], [0.0, -1000.0]],
    expected=[[0.5, 0.5], [1.0, 0.0]],
    gradient=False,
)


def entropies(x: Array, target: Array, weight: Array | None = None, ignore: int = -100) -> tuple[Array, Array]:
    """Each pixel's loss and weight, from SciPy's logarithm of the softmax."""
    losses, weights = np.zeros(target.shape), np.zeros(target.shape)
    logs = scipy.special.log_softmax(x, 1)
    for place in np.ndindex(target.shape):
        label = target[place]
        if label != ignore:
            weights[place] = 1 if weight is None else weight[label]
            losses[place] = -weights[place] * logs[(place[0], label, *place[1:])]
    return losses, weights


def _mean_loss(*arguments: Any) -> Any:
    losses, weights = entropies(*arguments)
    return losses.sum() / weights.sum()


LOGITS, LABELS = spread(2, 4, 3, 5), integers(2, 3, 5, high=4)
HOLES = np.where(integers(2, 3, 5, high=3, seed=4) == 0, 255, LABELS)
WEIGHTS = np.array([0.5, 2.0, 1.0, 0.25])
case("cross_entropy", lambda t, x, y: t.F.cross_entropy(x, y), LOGITS, LABELS, expected=_mean_loss)
case(
    "cross_entropy of each",
    lambda t, x, y: t.F.cross_entropy(x, y, reduction="none"),
    LOGITS,
    LABELS,
    expected=lambda x, y: entropies(x, y)[0],
    batch=(0, 1),
)
case(
    "cross_entropy with an ignored label",
    lambda t, x, y: t.F.cross_entropy(x, y, ignore_index=255),
    LOGITS,
    HOLES,
    expected=lambda x, y: _mean_loss(x, y, None, 255),
)
case(
    "cross_entropy with weights",
    lambda t, x, y: t.F.cross_entropy(x, y, t.tensor(WEIGHTS.tolist(), dtype=x.dtype), ignore_index=255),
    LOGITS,
    HOLES,
    expected=lambda x, y: _mean_loss(x, y, WEIGHTS, 255),
)
case(
    "cross_entropy summed",
    lambda t, x, y: t.F.cross_entropy(x, y, ignore_index=255, reduction="sum"),
    LOGITS,
    HOLES,
    expected=lambda x, y: entropies(x, y, None, 255)[0].sum(),
)
case(
    "cross_entropy of vectors",
    lambda t, x, y: t.F.cross_entropy(x, y),
    spread(5, 3),
    integers(5, high=3),
    expected=_mean_loss,
)
case(
    "cross_entropy of one vector",
    lambda t, x, y: t.F.cross_entropy(x, y),
    spread(4),
    np.array(2),
    expected=lambda x, y: -scipy.special.log_softmax(x)[2],
)
case(
    "cross_entropy of sequences",
    lambda t, x, y: t.F.cross_entropy(x, y, reduction="none"),
    spread(2, 3, 4),
    integers(2, 4, high=3),
    expected=lambda x, y: entropies(x, y)[0],
    batch=(0, 1),
)
case(
    "cross_entropy of small integers",
    lambda t, x, y: t.F.cross_entropy(x, y),
    LOGITS,
    LABELS.astype(np.uint8),
    expected=_mean_loss,
    torch="PyTorch wants labels in int64",
)
case(
    "cross_entropy of one pixel",
    lambda t, x, y: t.F.cross_entropy(x, y),
    spread(1, 3, 1, 1),
    [[[1]]],
    expected=_mean_loss,
)

# --- Optimisers: three steps with gradients g, 2 g, 3 g


def _stepped(name: str, **options: Any) -> Callable[..., Any]:
    def function(t: Api, parameter: Any, gradient: Any) -> Any:
        x = parameter.detach().clone().requires_grad_()
        optimizer = getattr(t.optim, name)([x], **options)
        for k in (1, 2, 3):
            x.grad = gradient * k
            optimizer.step()
        return x.detach()

    return function


def descended(
    p: Array,
    gradient: Array,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> Array:
    """Gradient descent, step by step."""
    velocity = None
    for k in (1, 2, 3):
        g = gradient * k + weight_decay * p
        velocity = g if velocity is None else momentum * velocity + (1 - dampening) * g
        p = p - lr * (g + momentum * velocity if nesterov else velocity)
    return p


def adapted(
    p: Array,
    gradient: Array,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> Array:
    """Adam, step by step."""
    mean = square = 0.0 * p
    for k in (1, 2, 3):
        g = gradient * k + (0 if decoupled else weight_decay) * p
        p = p - (lr * weight_decay if decoupled else 0) * p
        mean = betas[0] * mean + (1 - betas[0]) * g
        square = betas[1] * square + (1 - betas[1]) * g**2
        p = p - lr * mean / (1 - betas[0] ** k) / (np.sqrt(square / (1 - betas[1] ** k)) + eps)
    return p


OPTIMISERS: list[tuple[str, str, Callable[..., Array], dict[str, Any]]] = [
    ("plain", "SGD", descended, {"lr": 0.1}),
    ("with momentum", "SGD", descended, {"lr": 0.1, "momentum": 0.9}),
    ("with decay", "SGD", descended, {"lr": 0.1, "momentum": 0.5, "dampening": 0.2, "weight_decay": 0.3}),
    ("by Nesterov", "SGD", descended, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    ("plain", "Adam", adapted, {}),
    ("with options", "Adam", adapted, {"lr": 0.1, "betas": (0.7, 0.8), "eps": 1e-3, "weight_decay": 0.2}),
    ("plain", "AdamW", lambda p, g: adapted(p, g, weight_decay=0.01, decoupled=True), {}),
    ("with options", "AdamW", lambda p, g, **o: adapted(p, g, **o, decoupled=True), {"lr": 0.1, "weight_decay": 0.2}),
]
for _name, _kind, _rule, _options in OPTIMISERS:
    case(
        f"{_kind} {_name}",
        _stepped(_kind, **_options),
        A,
        B,
        gradient=False,
        expected=lambda p, g, f=_rule, o=_options: f(p, g, **o),
    )


def _with_threads(t: Api, x: Any) -> Any:
    x.backend.set_num_threads(x.backend.get_num_threads())
    return x + 1.0


case("threads", _with_threads, A, expected=lambda x: x + 1, gradient=False, torch=NO_TORCH)

# --- Calls that must be refused


@dataclass(frozen=True)
class BadCall:
    """A call, the type of the error, and a piece of its message: what came, or what to do about it."""

    name: str
    call: Callable[[], Any]
    error: type[Exception]
    message: str

    def __str__(self) -> str:
        return self.name


BAD_CALLS: list[BadCall] = []


def bad(name: str, call: Callable[[], Any], error: type[Exception], message: str) -> None:
    """Add a call that must be refused."""
    BAD_CALLS.append(BadCall(name, call, error, message))


def zeros(*shape: int, dtype: str = "float32") -> Any:
    """Tensors of the default device, made when the call is."""
    return tinyseg.zeros(shape, dtype=dtype)


_F = tinyseg.nn.functional
_IMAGE, _DOUBLE = (1, 3, 4, 5), "float64"

bad("add of shapes", lambda: zeros(2, 3) + zeros(4), ValueError, "add: shapes (2, 3) and (4,) cannot be broadcast")
bad("add of types", lambda: zeros(2) + zeros(2, dtype=_DOUBLE), TypeError, "add: types differ: float32 and float64")
bad("add of an array", lambda: zeros(2) + np.zeros(2), TypeError, "expected a Tensor or a number, got ndarray")
bad("add to an array", lambda: np.zeros(2) + zeros(2), TypeError, "ndarray")
bad("multiply by a text", lambda: zeros(2) * "2", TypeError, "multiply: expected a Tensor or a number, got str")
bad("compare with None", lambda: zeros(2) < None, TypeError, "less: expected a Tensor or a number, got NoneType")
bad("compare types", lambda: zeros(2) == zeros(2, dtype=_DOUBLE), TypeError, "equal: types differ")
bad(
    "negative power of integers", lambda: tinyseg.arange(3) ** -1, ValueError, "integer tensor cannot take a negative"
)
bad("negative powers of integers", lambda: 2 ** tinyseg.arange(-1, 3), ValueError, "cannot take a negative power")
bad(
    "floor_divide of integers by 0",
    lambda: tinyseg.arange(3) // 0,
    ValueError,
    "floor_divide: an integer tensor cannot",
)
bad(
    "remainder of integers by zeros", lambda: 7 % tinyseg.arange(3), ValueError, "remainder: an integer tensor cannot"
)
bad("remainder of types", lambda: zeros(2) % zeros(2, dtype=_DOUBLE), TypeError, "remainder: types differ")
bad("where by numbers", lambda: tinyseg.where(zeros(2), 1.0, 0.0), TypeError, "condition must be bool, got float32")
bad("where of shapes", lambda: tinyseg.where(zeros(2) > 0, zeros(3), 0.0), ValueError, "cannot be broadcast")
bad("exp of a number", lambda: tinyseg.exp(1.0), TypeError, "exp: input must be a Tensor, got float")

bad("sum over no such dim", lambda: zeros(2, 3).sum(2), IndexError, "dim 2 is out of range for a tensor of 2 dim")
bad("sum over a dim twice", lambda: zeros(2, 3).sum((1, -1)), ValueError, "names a dimension twice")
bad("mean of integers", lambda: tinyseg.arange(3).mean(), TypeError, "mean: input must be float32 or float64")
bad("max of nothing", lambda: zeros(0).max(), ValueError, "max: no element to choose from in shape (0,)")
bad("amin along nothing", lambda: zeros(2, 0).amin(1), ValueError, "min: no element to choose from")
bad("argmax along nothing", lambda: zeros(2, 0).argmax(1), ValueError, "argmax: no element to choose from")
bad("argmin of no such dim", lambda: zeros(2).argmin(-2), IndexError, "argmin: dim -2 is out of range")
bad(
    "item of two",
    lambda: zeros(2).item(),
    ValueError,
    "only a tensor of one element has one, this one has shape (2,)",
)

bad(
    "reshape that does not fit", lambda: zeros(2, 3).reshape(4, 2), ValueError, "6 elements, which do not fill (4, 2)"
)
bad("reshape with two unknown", lambda: zeros(2, 3).reshape(-1, -1), ValueError, "do not fill (-1, -1)")
bad("reshape to a float", lambda: zeros(4).reshape(2.0, 2), TypeError, "reshape: sizes must be ints")
bad("permute with a dim missing", lambda: zeros(2, 3).permute(0, 0), ValueError, "must name each of the 2 dimensions")
bad("transpose of no such dim", lambda: zeros(2, 3).transpose(0, 2), IndexError, "transpose: dim 2 is out of range")
bad("flatten backwards", lambda: zeros(2, 3).flatten(1, 0), ValueError, "start_dim 1 comes after end_dim 0")
bad("unsqueeze too far", lambda: zeros(2).unsqueeze(3), IndexError, "unsqueeze: dim 3 is out of range")
bad("expand of a size", lambda: zeros(2, 3).expand(4, 3), ValueError, "shape (2, 3) cannot be repeated to (4, 3)")
bad("expand to fewer dims", lambda: zeros(2, 3).expand(3), ValueError, "cannot be repeated")
bad("cat of nothing", lambda: tinyseg.cat([]), ValueError, "cat: expected at least one tensor")
bad(
    "cat of shapes", lambda: tinyseg.cat([zeros(2, 3), zeros(2, 4)]), ValueError, "must agree in all dimensions but 0"
)
bad("cat of types", lambda: tinyseg.cat([zeros(2), zeros(2, dtype=_DOUBLE)]), TypeError, "tensors[1] is float64")
bad("cat of numbers", lambda: tinyseg.cat([zeros(1), 1.0]), TypeError, "cat: tensors[1] must be a Tensor, got float")
bad(
    "stack of shapes",
    lambda: tinyseg.stack([zeros(2), zeros(3)]),
    ValueError,
    "stack: shapes [(2,), (3,)] must be equal",
)
bad("pad by an odd number", lambda: _F.pad(zeros(2, 3), (1, 2, 3)), ValueError, "two numbers for each")
bad("pad that cuts off all", lambda: _F.pad(zeros(2, 3), (-2, -2)), ValueError, "cuts off more than there is")
bad("index out of range", lambda: zeros(2, 3)[0, 3], IndexError, "3 is out of range for dimension 1 of size 3")
bad("index with too many", lambda: zeros(2)[0, 0], IndexError, "2 indices for a tensor of 1 dimensions")
bad("index by a mask", lambda: zeros(2)[zeros(2) > 0], TypeError, "tinyseg.where() chooses by a mask")
bad("index by True", lambda: zeros(2)[True], TypeError, "got bool")
bad("index by a float", lambda: zeros(2)[0.5], TypeError, "expected ints, slices")
bad("index by two vectors", lambda: zeros(2, 2)[[0], [1]], TypeError, "use gather() for more")
bad("index by a list out of range", lambda: zeros(2)[[0, 2]], IndexError, "index 2 is out of range for size 2")
bad("gather out of range", lambda: zeros(2).gather(0, tinyseg.tensor([-3])), IndexError, "index -3 is out of range")
bad("gather by floats", lambda: zeros(2).gather(0, zeros(2)), TypeError, "gather: index must be an integer tensor")
bad(
    "gather by other shapes",
    lambda: zeros(2, 3).gather(0, tinyseg.zeros(1, 2, dtype="int64")),
    ValueError,
    "index of shape (1, 2) must equal input's shape (2, 3) but for dim 0",
)
bad(
    "index_select by a matrix",
    lambda: zeros(2).index_select(0, tinyseg.zeros(1, 1, dtype="int64")),
    ValueError,
    "index must have one dimension",
)
bad("to no such type", lambda: zeros(2).to("float16"), TypeError, "to: dtype 'float16' is not supported; there are")
bad("to a type nobody knows", lambda: zeros(2).to("floaty"), TypeError, "to: dtype 'floaty' is not supported")
bad("zeros of no such type", lambda: tinyseg.zeros(2, dtype="floaty"), TypeError, "'floaty' is not supported")
bad(
    "to no such device",
    lambda: zeros(2).to(device="gpu"),
    ValueError,
    "expected one of 'cpu', 'reference', got 'gpu'",
)

bad(
    "add_ of a larger one", lambda: zeros(3).add_(zeros(2, 3)), ValueError, "shape (2, 3) cannot be broadcast to (3,)"
)
bad("add_ of another type", lambda: zeros(3).add_(zeros(3, dtype=_DOUBLE)), TypeError, "add_: types differ")
bad("add_ of floats to integers", lambda: tinyseg.arange(3).add_(zeros(3)), TypeError, "add_: types differ")
bad("add_ of a float to integers", lambda: tinyseg.arange(3).add_(0.5), TypeError, "int64 cannot take 0.5 in place")
bad("div_ of integers", lambda: tinyseg.arange(3).div_(2), TypeError, "div_: input must be float32 or float64")
bad("setitem by a list", lambda: zeros(3).__setitem__([0, 1], 1.0), TypeError, "only ints, slices, None and ...")
bad("uniform_ of integers", lambda: tinyseg.arange(3).uniform_(), TypeError, "uniform_: input must be float32")

bad("matmul of sizes", lambda: zeros(2, 3) @ zeros(4, 5), ValueError, "rows of 3 elements but other of shape (4, 5)")
bad("matmul of numbers", lambda: zeros() @ zeros(2), ValueError, "must have at least one dimension")
bad("matmul of batches", lambda: zeros(2, 3, 4) @ zeros(3, 4, 5), ValueError, "matmul: shapes (2,) and (3,)")
bad("matmul of types", lambda: zeros(2, 3) @ zeros(3, dtype=_DOUBLE), TypeError, "input is float32, other is float64")
bad("matmul of integers", lambda: tinyseg.arange(3) @ tinyseg.arange(3), TypeError, "must be float32 or float64")
bad("linear of features", lambda: _F.linear(zeros(2, 3), zeros(4, 2)), ValueError, "must have 2 features")
bad(
    "linear with a bias too long",
    lambda: _F.linear(zeros(2, 3), zeros(4, 3), zeros(3)),
    ValueError,
    "shape (4,), got (3,)",
)

_W = (2, 3, 3, 3)
bad(
    "conv2d of channels",
    lambda: _F.conv2d(zeros(1, 4, 5, 5), zeros(*_W)),
    ValueError,
    "conv2d: input has 4 channels but weight of shape (2, 3, 3, 3) expects 3 (groups=1)",
)
bad(
    "conv2d with an unknown activation",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), activation="gelu"),
    ValueError,
    "conv2d: activation must be 'relu' or None, got 'gelu'",
)
bad(
    "conv_transpose2d with an unknown activation",
    lambda: _F.conv_transpose2d(zeros(*_IMAGE), zeros(3, 2, 3, 3), activation="ReLU"),
    ValueError,
    "conv_transpose2d: activation must be 'relu' or None, got 'ReLU'",
)
bad("conv2d of no batch", lambda: _F.conv2d(zeros(3, 4, 5), zeros(*_W)), ValueError, "unsqueeze(0) adds N")
bad("conv2d of a vector weight", lambda: _F.conv2d(zeros(*_IMAGE), zeros(3)), ValueError, "must have 4 dimensions")
bad("conv2d of integers", lambda: _F.conv2d(zeros(*_IMAGE).long(), zeros(*_W)), TypeError, ".float() converts it")
bad(
    "conv2d of types",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W, dtype=_DOUBLE)),
    TypeError,
    "conv2d: types differ: input is float32, weight is float64",
)
bad(
    "conv2d of an array",
    lambda: _F.conv2d(np.zeros(_IMAGE), zeros(*_W)),
    TypeError,
    "input must be a Tensor, got ndarray",
)
bad(
    "conv2d with a list as bias",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), [0.0, 0.0]),
    TypeError,
    "conv2d: bias must be a Tensor, got list",
)
bad(
    "conv2d with a bias too long",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), zeros(3)),
    ValueError,
    "bias must have shape (2,), one for each output channel, got (3,)",
)
bad(
    "conv2d of a small image",
    lambda: _F.conv2d(zeros(1, 3, 2, 9), zeros(*_W)),
    ValueError,
    "its height must be at least 3",
)
bad(
    "conv2d, dilated, of a small image",
    lambda: _F.conv2d(zeros(1, 3, 9, 4), zeros(*_W), dilation=2),
    ValueError,
    "its width must be at least 5",
)
bad("conv2d of no pixel", lambda: _F.conv2d(zeros(1, 3, 0, 4), zeros(*_W), padding=2), ValueError, "has no pixel")
bad(
    "conv2d with stride 0",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), stride=0),
    ValueError,
    "stride must be at least 1",
)
bad(
    "conv2d with three strides",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), stride=(1, 1, 1)),
    TypeError,
    "a pair of ints",
)
bad(
    "conv2d with padding below 0", lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), padding=-1), ValueError, "at least 0"
)
bad(
    "conv2d with no such padding",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), padding="full"),
    ValueError,
    "got 'full'",
)
bad(
    "conv2d same with stride",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), padding="same", stride=2),
    ValueError,
    "stride 1",
)
bad(
    "conv2d same of even size",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(2, 3, 2, 2), padding="same"),
    ValueError,
    "cannot be shared equally by both sides",
)
bad(
    "conv2d with groups of 0",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), groups=0),
    ValueError,
    "groups must be a positive",
)
bad(
    "conv2d of odd groups",
    lambda: _F.conv2d(zeros(1, 9, 4, 4), zeros(*_W), groups=3),
    ValueError,
    "groups=3 does not divide",
)
bad(
    "conv_transpose2d of channels",
    lambda: _F.conv_transpose2d(zeros(*_IMAGE), zeros(*_W)),
    ValueError,
    "conv_transpose2d: input has 3 channels but weight of shape (2, 3, 3, 3) expects 2",
)
bad(
    "conv_transpose2d, all cut off",
    lambda: _F.conv_transpose2d(zeros(1, 2, 1, 1), zeros(*_W), padding=2),
    ValueError,
    "gives an output of -1x-1 pixels",
)
bad(
    "conv_transpose2d with output padding",
    lambda: _F.conv_transpose2d(zeros(1, 2, 3, 3), zeros(*_W), stride=2, output_padding=2),
    ValueError,
    "output_padding (2, 2) must be smaller than stride (2, 2)",
)
bad(
    "conv_transpose2d in groups",
    lambda: _F.conv_transpose2d(zeros(1, 2, 3, 3), zeros(*_W), groups=3),
    ValueError,
    "which groups=3 does not divide",
)
bad(
    "conv_transpose2d with a bias too short",
    lambda: _F.conv_transpose2d(zeros(1, 2, 3, 3), zeros(*_W), zeros(1)),
    ValueError,
    "bias must have shape (3,)",
)

bad(
    "max_pool2d of a small image",
    lambda: _F.max_pool2d(zeros(1, 1, 1, 4), 2),
    ValueError,
    "its height must be at least 2",
)
bad("max_pool2d of no pixel", lambda: _F.max_pool2d(zeros(1, 1, 0, 4), 2, padding=1), ValueError, "has no pixel")
bad(
    "max_pool2d padded too much",
    lambda: _F.max_pool2d(zeros(1, 1, 4, 4), 2, padding=2),
    ValueError,
    "at most half of",
)
bad(
    "max_pool2d of a window without pixel",
    lambda: _F.max_pool2d(zeros(1, 1, 1, 1), 2, padding=1, dilation=2),
    ValueError,
    "windows that hold no pixel",
)
bad("max_pool2d of a vector", lambda: _F.max_pool2d(zeros(4), 2), ValueError, "input must be N,C,H,W, got shape (4,)")
bad(
    "max_pool2d of integers",
    lambda: _F.max_pool2d(zeros(1, 1, 4, 4).long(), 2),
    TypeError,
    "must be float32 or float64",
)
bad(
    "max_pool2d with a kernel of 0",
    lambda: _F.max_pool2d(zeros(1, 1, 4, 4), 0),
    ValueError,
    "kernel_size must be at least 1",
)
bad(
    "max_pool2d with a float",
    lambda: _F.max_pool2d(zeros(1, 1, 4, 4), 2.0),
    TypeError,
    "an int or a pair of ints, got 2.0",
)
_X, _I = (1, 1, 2, 2), (1, 1, 2, 2)
bad("max_unpool2d of floats", lambda: _F.max_unpool2d(zeros(*_X), zeros(*_I), 2), TypeError, "indices must be int64")
bad(
    "max_unpool2d of shapes",
    lambda: _F.max_unpool2d(zeros(*_X), zeros(1, 1, 2, 1, dtype="int64"), 2),
    ValueError,
    "must have input's shape (1, 1, 2, 2)",
)
bad(
    "max_unpool2d out of range",
    lambda: _F.max_unpool2d(zeros(*_X), tinyseg.full(_I, 16), 2),
    IndexError,
    "index 16 is out of range for planes of 4x4 pixels",
)
bad(
    "max_unpool2d below 0",
    lambda: _F.max_unpool2d(zeros(*_X), tinyseg.full(_I, -1), 2),
    IndexError,
    "index -1 is out of",
)
bad(
    "max_unpool2d to a far size",
    lambda: _F.max_unpool2d(zeros(*_X), tinyseg.full(_I, 0), 2, output_size=(6, 4)),
    ValueError,
    "output_size (6, 4) must be within stride (2, 2) of (4, 4)",
)

bad(
    "interpolate without size", lambda: _F.interpolate(zeros(*_IMAGE)), ValueError, "give either size or scale_factor"
)
bad(
    "interpolate with both",
    lambda: _F.interpolate(zeros(*_IMAGE), 2, 2.0),
    ValueError,
    "give either size or scale_factor",
)
bad(
    "interpolate to nothing",
    lambda: _F.interpolate(zeros(*_IMAGE), scale_factor=0.1),
    ValueError,
    "must not be empty",
)
bad(
    "interpolate by less than 0",
    lambda: _F.interpolate(zeros(*_IMAGE), scale_factor=-1),
    ValueError,
    "positive numbers, got -1",
)
bad("interpolate in no such mode", lambda: _F.interpolate(zeros(*_IMAGE), 2, mode="cubic"), ValueError, "got 'cubic'")
bad(
    "interpolate nearest aligned",
    lambda: _F.interpolate(zeros(*_IMAGE), 2, align_corners=True),
    ValueError,
    "only for mode",
)
bad("interpolate of a matrix", lambda: _F.interpolate(zeros(4, 5), 2), ValueError, "must have 4 dimensions")

bad(
    "batch_norm of a matrix",
    lambda: _F.batch_norm(zeros(4, 5), None, None, training=True),
    ValueError,
    "must be N,C,H,W",
)
bad(
    "batch_norm with an unknown activation",
    lambda: _F.batch_norm(zeros(*_IMAGE), None, None, training=True, activation=_F.relu),
    ValueError,
    "batch_norm: activation must be 'relu' or None, got <function relu",
)
bad(
    "batch_norm of one value",
    lambda: _F.batch_norm(zeros(1, 3, 1, 1), None, None, training=True),
    ValueError,
    "more than one value for each channel",
)
bad(
    "batch_norm without statistics",
    lambda: _F.batch_norm(zeros(*_IMAGE), None, None),
    ValueError,
    "needs running_mean",
)
bad(
    "batch_norm of other channels",
    lambda: _F.batch_norm(zeros(*_IMAGE), zeros(4), zeros(3)),
    ValueError,
    "running_mean must have shape (3,), one for each channel of input, got (4,)",
)
bad(
    "batch_norm of types",
    lambda: _F.batch_norm(zeros(*_IMAGE), zeros(3), zeros(3), zeros(3, dtype=_DOUBLE)),
    TypeError,
    "weight is float64",
)

_T = (1, 4, 5)
bad(
    "log_softmax of no such dim",
    lambda: _F.log_softmax(zeros(2, 3), 2),
    IndexError,
    "log_softmax: dim 2 is out of range",
)
bad("log_softmax of nothing", lambda: _F.log_softmax(zeros(2, 0), 1), ValueError, "has no element along dim 1")
bad(
    "softmax of integers",
    lambda: _F.softmax(tinyseg.arange(3), 0),
    TypeError,
    "must be float32 or float64, got int64",
)
bad(
    "cross_entropy of shapes",
    lambda: _F.cross_entropy(zeros(*_IMAGE), zeros(1, 5, 4).long()),
    ValueError,
    "input of shape (1, 3, 4, 5) (N,C,H,W) needs target of shape (1, 4, 5) (N,H,W), got (1, 5, 4)",
)
bad(
    "cross_entropy of floats",
    lambda: _F.cross_entropy(zeros(*_IMAGE), zeros(*_T)),
    TypeError,
    "must hold class indices",
)
bad(
    "cross_entropy of no such class",
    lambda: _F.cross_entropy(zeros(*_IMAGE), tinyseg.full(_T, 3)),
    IndexError,
    "target holds 3, but there are classes 0 .. 2 (ignore_index=-100)",
)
bad(
    "cross_entropy of a class below 0",
    lambda: _F.cross_entropy(zeros(*_IMAGE), tinyseg.full(_T, -1)),
    IndexError,
    "holds -1",
)
bad(
    "cross_entropy with two weights",
    lambda: _F.cross_entropy(zeros(*_IMAGE), tinyseg.full(_T, 0), zeros(2)),
    ValueError,
    "weight must have shape (3,), got (2,)",
)
bad(
    "cross_entropy reduced otherwise",
    lambda: _F.cross_entropy(zeros(*_IMAGE), tinyseg.full(_T, 0), reduction="max"),
    ValueError,
    "reduction must be 'mean', 'sum' or 'none', got 'max'",
)

bad(
    "dropout of no probability",
    lambda: _F.dropout(zeros(2), 1.5),
    ValueError,
    "p must be a probability, 0 .. 1, got 1.5",
)
bad("dropout of NaN", lambda: _F.dropout(zeros(2), math.nan), ValueError, "must be a probability")
bad("dropout of integers", lambda: _F.dropout(tinyseg.arange(3)), TypeError, "dropout: input must be float32")
bad("dropout2d of a matrix", lambda: _F.dropout2d(zeros(2, 3)), ValueError, "dropout2d: input must have 4 dimensions")

bad("zeros of a negative size", lambda: zeros(-1), ValueError, "zeros: sizes must not be negative, got (-1,)")
bad(
    "rand of integers",
    lambda: tinyseg.rand(2, dtype="int64"),
    TypeError,
    "uniform_: input must be float32 or float64",
)
bad("arange with step 0", lambda: tinyseg.arange(0, 3, 0), ValueError, "arange: step must not be 0")
bad(
    "tensor of unequal lists",
    lambda: tinyseg.tensor([[1, 2], [3]]),
    ValueError,
    "the nested lists are of unequal lengths",
)
bad("tensor of texts", lambda: tinyseg.tensor(["a"]), TypeError, "is not supported; there are float32")
bad(
    "a gradient of integers",
    lambda: tinyseg.tensor([1], requires_grad=True),
    TypeError,
    "only floating types have gradients",
)
