"""Losses of label maps, with weights of pixels; test_segmentation_losses.py has what is special about each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

import tinyseg
from tinyseg.op_calls.losses import HALVES, PART_MASSES
from tinyseg.op_calls.table import Array, spread

from .table import NO_TORCH, bad, case, expect, zeros


def _parts(x: Array, labels: Array) -> tuple[Array, Array]:
    """Probabilities, and the truth as 0 and 1: of each class, or, of a single channel, of class 1."""
    if x.shape[1] == 1:
        return scipy.special.expit(x), (labels == 1)[:, None].astype(float)
    return scipy.special.softmax(x, 1), np.moveaxis(np.eye(x.shape[1])[labels], -1, 1)


def _of_true(x: Array, labels: Array) -> Array:
    """The true class's probability."""
    q, p = _parts(x, labels)
    return (q * p + (x.shape[1] == 1) * (1 - q) * (1 - p)).sum(1)


def _per_pixel(each: Array, mass: Array) -> float:
    """The weighted mean; that of nothing is 0."""
    return float((each * mass).sum() / mass.sum()) if mass.size else 0.0


def _cross_entropy(x: Array, labels: Array, mass: Array) -> float:
    return _per_pixel(-np.log(_of_true(x, labels)), mass)


def _focal(x: Array, labels: Array, mass: Array) -> float:
    q = _of_true(x, labels)
    return _per_pixel(-((1 - q) ** 2) * np.log(q), mass)


def _overlap(a: float, b: float, s: float, power: float = 1.0) -> Callable[..., float]:
    def answer(x: Array, labels: Array, mass: Array) -> float:
        q, p = _parts(x, labels)
        tp, fp, fn = ((mass[:, None] * each).sum((0, 2, 3)) for each in (p * q, (1 - p) * q, p * (1 - q)))
        return float(((1 - (tp + s) / (tp + a * fp + b * fn + s)) ** power).mean())

    return answer


def _boundary(x: Array, labels: Array, mass: Array) -> float:
    """Of a left half of class 0 and a right half of class 1; a pixel alone has no edge."""
    if x.shape[3] == 1:
        return 0.0
    q, p = _parts(x, labels)
    from_edge = np.arange(x.shape[3]) + 0.5 - x.shape[3] / 2
    each = [from_edge, -from_edge, 0 * from_edge] if x.shape[1] == 3 else [-from_edge]
    return _per_pixel((np.stack(each)[:, None] * (q - p)).sum(1), mass) / x.shape[1]


def _lovasz(x: Array, labels: Array, mass: Array | float = 1.0) -> float:
    """Algorithm 1 of the paper, class by class."""
    mass = np.broadcast_to(mass, labels.shape).ravel()
    q, p = (np.moveaxis(each, 1, -1).reshape(-1, x.shape[1]) for each in _parts(x, labels))
    found = []
    for c in np.unique(labels) if x.shape[1] > 1 else [0]:
        errors = np.abs(p - q)[:, c]
        order = np.argsort(-errors)
        true, other = mass[order] * p[order, c], mass[order] * (1 - p[order, c])
        jaccard = 1 - (true.sum() - np.cumsum(true)) / (true.sum() + np.cumsum(other))
        found.append((errors[order] * np.diff(jaccard, prepend=0)).sum())
    return float(np.mean(found)) if found else 0.0


def _sum(*parts: Callable[..., float]) -> Callable[..., float]:
    return lambda *inputs: sum(part(*inputs) for part in parts)


def _of_one_channel(expected: Callable[..., float]) -> Callable[..., float]:
    """With weights of pixels; label 2 counts nothing."""
    return lambda x, labels: expected(x, labels, PART_MASSES * (labels != 2))


_EXPECTED: dict[str, Callable[..., float]] = {
    "weighted_cross_entropy": _cross_entropy,
    "focal_loss": _focal,
    "dice_loss": _overlap(0.5, 0.5, 0.5),
    "jaccard_loss": _overlap(1, 1, 1),
    "tversky_loss": _overlap(0.3, 0.7, 1),
    "focal_tversky_loss": _overlap(0.3, 0.7, 1, 0.75),
    "dice_ce_loss": _sum(_overlap(0.5, 0.5, 0.5), _cross_entropy),
    "dice_focal_loss": _sum(_overlap(0.5, 0.5, 0.5), _focal),
    "boundary_loss": _boundary,
    "dice_boundary_loss": _sum(_overlap(0.5, 0.5, 0.5), lambda *inputs: 0.01 * _boundary(*inputs)),
    "lovasz_softmax_loss": _lovasz,
}


def _call(name: str) -> Callable[..., Any]:
    return lambda t, x, y, m=None: getattr(t.F, name)(x, y, pixel_weight=m)


for _name, _expected in _EXPECTED.items():
    _given = 2 if _name == "lovasz_softmax_loss" else 3  # which has no gradient by the weights of pixels
    expect(_name, _expected, batch=(0, 1, 2)[:_given], torch=NO_TORCH)
    expect(f"{_name} of one channel", _of_one_channel(_expected), torch=NO_TORCH)
    case(
        f"{_name} of one pixel",
        _call(_name),
        *(spread(1, 3, 1, 1), [[[1]]], [[[0.7]]])[:_given],
        expected=_expected,
        gradient=_name != "boundary_loss",  # a pixel alone has no edge
        torch=NO_TORCH,
    )

case(
    "signed_distance",
    lambda t, y: t.F.signed_distance(y, 3),
    HALVES,
    expected=lambda y: np.broadcast_to(
        np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], [2.5, 1.5, 0.5, -0.5, -1.5, -2.5], [0] * 6])[None, :, None],
        (len(y), 3, 4, 6),
    ),
    gradient=False,
    dtypes=("float32",),
    batch=(0,),
    torch=NO_TORCH,
)
case(
    "signed_distance of one pixel",
    lambda t, y: t.F.signed_distance(y, 1),
    [[[1]]],
    expected=[[[[0.0]]]],
    gradient=False,
    dtypes=("float32",),
    torch=NO_TORCH,
)


# --- Bad calls

_F = tinyseg.nn.functional


def _x() -> Any:
    return zeros(2, 3, 4, 5)


def _y(value: int = 0) -> Any:
    return tinyseg.full((2, 4, 5), value, dtype=tinyseg.int64)


for _name in _EXPECTED:
    _loss = getattr(_F, _name)
    bad(f"{_name} of rows", lambda f=_loss: f(zeros(2, 3), _y()), ValueError, "input must have 4 dimensions")
    bad(f"{_name} of a list", lambda f=_loss: f([1.0], _y()), TypeError, "input must be a Tensor")
    bad(f"{_name} without a class", lambda f=_loss: f(zeros(2, 0, 4, 5), _y()), ValueError, "has no classes")
    bad(f"{_name} of floats", lambda f=_loss: f(_x(), zeros(2, 4, 5)), TypeError, "target must hold class indices")
    bad(
        f"{_name} of other sizes",
        lambda f=_loss: f(_x(), _y().reshape(2, 5, 4)),
        ValueError,
        "needs target of shape (2, 4, 5)",
    )
    bad(f"{_name} of no class", lambda f=_loss: f(_x(), _y(3)), IndexError, "target holds 3")
    bad(
        f"{_name} of one channel and three classes",
        lambda f=_loss: f(zeros(2, 1, 4, 5), _y(2)),
        IndexError,
        "there are classes 0 .. 1",
    )
    bad(
        f"{_name} of a fraction to ignore",
        lambda f=_loss: f(_x(), _y(), ignore_index=0.5),
        TypeError,
        "ignore_index must be an int",
    )
    bad(
        f"{_name} of two types",
        lambda f=_loss: f(_x(), _y(), pixel_weight=zeros(2, 4, 5, dtype="float64")),
        TypeError,
        "pixel_weight is float64",
    )
    bad(
        f"{_name} with too few weights of pixels",
        lambda f=_loss: f(_x(), _y(), pixel_weight=zeros(4, 5)),
        ValueError,
        "pixel_weight must have shape (2, 4, 5), one for each pixel, got (4, 5)",
    )
    bad(
        f"{_name} with too few weights of classes",
        lambda f=_loss: f(_x(), _y(), weight=zeros(2)),
        ValueError,
        "weight must have shape (3,), one for each class, got (2,)",
    )
    bad(
        f"{_name} with weights that are learnt",
        lambda f=_loss: f(_x(), _y(), weight=tinyseg.zeros(3, requires_grad=True)),
        ValueError,
        "weight has no gradient here",
    )

_OPTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("weighted_cross_entropy", {"reduction": "max"}, "reduction must be"),
    ("focal_loss", {"gamma": -1.0}, "focal_loss: gamma must be a number of at least 0, got -1.0"),
    ("focal_loss", {"alpha": 0.5}, "but input has 3 classes; give weight"),
    ("focal_loss", {"reduction": "max"}, "reduction must be"),
    ("tversky_loss", {"alpha": -0.1}, "tversky_loss: alpha must be a number of at least 0"),
    ("tversky_loss", {"alpha": 0.0, "beta": 0.0}, "must not both be 0"),
    ("dice_loss", {"smooth": float("nan")}, "smooth must be a number of at least 0"),
    ("dice_loss", {"classes": "some"}, "classes must be 'all' or 'present', got 'some'"),
    ("dice_loss", {"reduction": "max"}, "reduction must be"),
    ("focal_tversky_loss", {"gamma": 0.0}, "gamma must be a positive number"),
    ("dice_ce_loss", {"ce_weight": -1.0}, "ce_weight must be a number of at least 0"),
    ("dice_focal_loss", {"focal_weight": "a"}, "focal_weight must be a number"),
    ("dice_boundary_loss", {"boundary_weight": -1}, "boundary_weight must be a number of at least 0"),
    ("boundary_loss", {"reduction": "max"}, "reduction must be"),
    ("lovasz_softmax_loss", {"classes": "none"}, "classes must be 'all' or 'present'"),
]
for _name, _options, _message in _OPTIONS:
    bad(
        f"{_name} with {_options}",
        lambda name=_name, given=_options: getattr(_F, name)(_x(), _y(), **given),
        ValueError,
        _message,
    )
bad(
    "focal_loss with an alpha above 1",
    lambda: _F.focal_loss(zeros(2, 1, 4, 5), _y(), alpha=2.0),
    ValueError,
    "alpha must be a number in 0 .. 1, got 2.0",
)
bad(
    "boundary_loss with distances of another shape",
    lambda: _F.boundary_loss(_x(), _y(), zeros(2, 4, 5)),
    ValueError,
    "distance must have input's shape (2, 3, 4, 5)",
)
bad(
    "lovasz_softmax_loss with weights of pixels that are learnt",
    lambda: _F.lovasz_softmax_loss(_x(), _y(), pixel_weight=tinyseg.ones(2, 4, 5, requires_grad=True)),
    ValueError,
    "pixel_weight has no gradient here",
)
bad("signed_distance of floats", lambda: _F.signed_distance(zeros(1, 2, 2), 2), TypeError, "must hold class indices")
bad("signed_distance of no class", lambda: _F.signed_distance(_y(), 0), ValueError, "num_classes must be positive")
