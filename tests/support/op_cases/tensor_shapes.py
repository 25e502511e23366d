"""Elements in another order, repeated, taken apart, and added into places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinyseg
from tinyseg.op_calls.table import COLUMN, IMAGES, A, integers, spread

from .table import bad, case, expect, zeros

SHAPES: list[tuple[str, Callable[..., Any], Any, Callable[..., Any]]] = [
    ("flip of images", lambda t, x: x.flip(3), IMAGES, lambda x: x[..., ::-1]),
    ("flip of no dim", lambda t, x: x.flip(()), A, lambda x: x),
    ("roll", lambda t, x: t.roll(x, 5), A, lambda x: np.roll(x, 5)),
    ("roll of images", lambda t, x: x.roll(2, -1), IMAGES, lambda x: np.roll(x, 2, -1)),
    ("roll along one twice", lambda t, x: x.roll((1, 1), (2, 2)), A, lambda x: np.roll(x, 2, 2)),
    ("movedim of two", lambda t, x: x.movedim((1, 3), (0, 1)), IMAGES, lambda x: np.moveaxis(x, (1, 3), (0, 1))),
    ("repeat, a dim in front", lambda t, x: x.repeat((2, 2, 1)), COLUMN, lambda x: np.tile(x, (2, 2, 1))),
    ("repeat no times", lambda t, x: x.repeat(0, 2), COLUMN, lambda x: np.tile(x, (0, 2))),
    ("repeat_interleave", lambda t, x: t.repeat_interleave(x, 2), A, lambda x: np.repeat(x, 2)),
    ("squeeze several", lambda t, x: x.squeeze((0, 1, 2)), spread(1, 3, 1, 2), lambda x: x.reshape(3, 2)),
    ("squeeze of no dim", lambda t, x: t.squeeze(x, ()), spread(1, 3), lambda x: x),
    ("flatten the middle", lambda t, x: x.flatten(1, 2), IMAGES, lambda x: x.reshape(2, 12, 5)),
    ("split", lambda t, x: t.split(x, 3, -1), A, lambda x: (x[..., :3], x[..., 3:])),
    ("split of images", lambda t, x: x.split(2, 1), IMAGES, lambda x: (x[:, :2], x[:, 2:])),
    ("one piece of a split", lambda t, x: x.split(1, 1)[1] * 2.0, A, lambda x: x[:, 1:2] * 2),
]
_FREE = ("flip of images", "roll of images", "flatten the middle", "split of images")
for _name, _function, _values, _answer in SHAPES:
    case(_name, _function, _values, expected=_answer, batch=(0,) if _name in _FREE else ())
expect("flip", lambda x: x[::-1, :, ::-1])
expect("roll along two", lambda x: np.roll(x, (1, -6), (0, 2)))
expect("movedim", lambda x: np.moveaxis(x, 0, -1))
expect("repeat", lambda x: np.tile(x, (2, 1, 3)))
expect("repeat_interleave of a dim", lambda x: np.repeat(x, 3, 1), batch=(0,))
expect("broadcast_to", lambda x: np.broadcast_to(x, (2, 3, 4)))
expect("unflatten", lambda x: x.reshape(2, 3, 2, 2))
expect("split into sections", lambda x: (x[..., :1], x[..., :0], x[..., 1:]))
expect("chunk", lambda x: (x[..., :2], x[..., 2:]))
expect("unbind", lambda x: (x[:, 0], x[:, 1], x[:, 2]))
expect("expand_as, multiplied", lambda x, y: x * y)
case(
    "expand_as",
    lambda t, x, y: x.expand_as(y),
    COLUMN,
    A,
    expected=lambda x, y: np.broadcast_to(x, y.shape),
    gradient=False,
)
case(
    "repeat_interleave by a vector",
    lambda t, x, n: t.repeat_interleave(x, n, 1),
    A,
    [2, 0, 3],
    expected=lambda x, n: np.repeat(x, n, 1),
    batch=(0,),
)
case(
    "gather of fewer rows",
    lambda t, x, i: t.gather(x, 2, i),
    A,
    integers(1, 2, 6, high=4),
    expected=lambda x, i: np.take_along_axis(x[:1, :2], i, 2),
)


def _added(x: Any, i: Any, source: Any, axis: int) -> Any:
    x = x.copy()
    for place in np.ndindex(i.shape):
        target = list(place)
        target[axis] = i[place]
        x[tuple(target)] += source[place]
    return x


expect("scatter_add", lambda x, i, s: _added(x, i, s, 1), batch=(0, 1, 2))
case(
    "scatter_add of a part",
    lambda t, x, i, s: x.scatter_add(0, i, s),
    IMAGES,
    integers(3, 2, 4, 1, high=2),
    spread(4, 3, 4, 2),
    expected=lambda x, i, s: _added(x, i, s, 0),
    torch="PyTorch has a gradient only where src has index's shape",
)
case(
    "linspace",
    lambda t, x: x * t.linspace(-1, 2, 4, dtype=x.dtype),
    [1.0, 2.0, 3.0, 4.0],
    expected=lambda x: x * np.linspace(-1, 2, 4),
    gradient=False,
)
case(
    "eye",
    lambda t, x: x @ t.eye(3, 4, dtype=x.dtype),
    spread(2, 3),
    expected=lambda x: x @ np.eye(3, 4),
    gradient=False,
)

_PAIR = (2, 3)
bad("flip of no such dim", lambda: zeros(*_PAIR).flip(2), IndexError, "flip: dim 2 is out of range")
bad("flip of a dim twice", lambda: zeros(*_PAIR).flip(0, -2), ValueError, "flip: dim (0, -2) names a dimension twice")
bad("flip by a float", lambda: zeros(*_PAIR).flip(0.5), TypeError, "flip: sizes must be ints")
bad("roll by two without dims", lambda: zeros(4).roll((1, 1)), ValueError, "roll: 2 shifts without dims")
bad("roll of shifts and dims", lambda: zeros(4).roll((1, 2), (0,)), ValueError, "roll: 2 shifts for 1 dims")
bad("roll by a float", lambda: zeros(4).roll(0.5, 0), TypeError, "roll: shifts must be an int or several, got 0.5")
bad("roll along no such dim", lambda: zeros(4).roll(1, 1), IndexError, "roll: dim 1 is out of range")
bad(
    "movedim of two to one", lambda: zeros(*_PAIR).movedim((0, 1), 0), ValueError, "must name as many dims, each once"
)
bad("movedim of one twice", lambda: zeros(*_PAIR).movedim((0, -2), (0, 1)), ValueError, "must name as many dims")
bad("movedim to no such dim", lambda: zeros(*_PAIR).movedim(0, 2), IndexError, "movedim: dim 2 is out of range")
bad(
    "repeat of too few",
    lambda: zeros(*_PAIR).repeat(2),
    ValueError,
    "for each of the 2 dimensions (or more), got (2,)",
)
bad("repeat less than nothing", lambda: zeros(2).repeat(-1), ValueError, "repeat: expected a number >= 0")
bad("repeat half a time", lambda: zeros(2).repeat(0.5), TypeError, "repeat: sizes must be ints")
bad(
    "repeat_interleave by floats", lambda: zeros(2).repeat_interleave(zeros(2)), TypeError, "repeats must be integers"
)
bad(
    "repeat_interleave by too many",
    lambda: zeros(2).repeat_interleave(tinyseg.tensor([1, 2, 3])),
    ValueError,
    "repeats must be one number >= 0 or 2 of them, got [1, 2, 3]",
)
bad(
    "repeat_interleave below 0",
    lambda: zeros(2).repeat_interleave(-1),
    ValueError,
    "one number >= 0 or 2 of them, got -1",
)
bad(
    "broadcast_to another size",
    lambda: zeros(2).broadcast_to((3, 3)),
    ValueError,
    "shape (2,) cannot be repeated to (3, 3)",
)
bad(
    "expand_as a tuple", lambda: zeros(2).expand_as((3, 2)), TypeError, "expand_as: other must be a Tensor, got tuple"
)
bad(
    "squeeze of a dim twice", lambda: zeros(1, 1).squeeze((0, 0)), ValueError, "squeeze: dim (0, 0) names a dimension"
)
bad("unflatten to another size", lambda: zeros(3).unflatten(0, (2, 2)), ValueError, "do not multiply up to 3")
bad("unflatten to nothing", lambda: zeros(3).unflatten(0, ()), TypeError, "sizes must be one or several ints, got ()")
bad("split of nothing", lambda: zeros(3).split(0), ValueError, "split_size must be positive, got 0")
bad("split into wrong sections", lambda: zeros(3).split([1, 1]), ValueError, "sections (1, 1) must add up to 3")
bad("split of a number", lambda: zeros().split(1), ValueError, "split: input must have at least one dimension")
bad("split along no such dim", lambda: zeros(3).split(1, 1), IndexError, "split: dim 1 is out of range")
bad("split by a float", lambda: zeros(3).split([1.5, 1.5]), TypeError, "split: sizes must be ints")
bad("chunk into none", lambda: zeros(3).chunk(0), ValueError, "chunks must be an int of at least 1, got 0")
bad("unbind along no such dim", lambda: zeros(3).unbind(1), IndexError, "unbind: dim 1 is out of range")
bad(
    "scatter_add of larger indices",
    lambda: zeros(2, 3).scatter_add(0, tinyseg.zeros(2, 4, dtype="int64"), zeros(2, 4)),
    ValueError,
    "index of shape (2, 4) must fit into input's shape (2, 3), but for dim 0",
)
bad(
    "scatter_add of too few",
    lambda: zeros(3).scatter_add(0, tinyseg.arange(3), zeros(2)),
    ValueError,
    "index of shape (3,) must fit into src's shape (2,)",
)
bad(
    "scatter_add out of range",
    lambda: zeros(3).scatter_add(0, tinyseg.tensor([3]), zeros(1)),
    IndexError,
    "scatter_add: index 3 is out of range for size 3",
)
bad(
    "scatter_add of types",
    lambda: zeros(3).scatter_add(0, tinyseg.tensor([0]), zeros(1, dtype="float64")),
    TypeError,
    "scatter_add: types differ",
)
bad(
    "scatter_add by floats",
    lambda: zeros(3).scatter_add(0, zeros(1), zeros(1)),
    TypeError,
    "must be an integer tensor",
)
bad("linspace of half a step", lambda: tinyseg.linspace(0, 1, 2.5), ValueError, "steps must be an int of at least 0")
bad("eye of a negative size", lambda: tinyseg.eye(-1), ValueError, "eye: sizes must not be negative, got (-1, -1)")
