"""Losses of single elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special

import tinyseg
from tinyseg.op_calls.losses import CHANCES, ELEMENT_WEIGHTS, POSITIVE_WEIGHTS, TRUTH
from tinyseg.op_calls.table import IMAGES, A, Array, B, like, spread

from .table import bad, case, expect, zeros

_F = tinyseg.nn.functional


def _smooth(beta: float) -> Any:
    def answer(x: Array, target: Array) -> Array:
        d = np.abs(x - target)
        return np.where(d < beta, d * d / (2 * beta or 1), d - beta / 2)

    return answer


# No difference is a place where a slope jumps.
_DISTANCES = {
    "mse_loss": lambda x, target: (x - target) ** 2,
    "l1_loss": lambda x, target: np.abs(x - target),
    "smooth_l1_loss": _smooth(1.0),
}
for _name, _each in _DISTANCES.items():
    expect(_name, lambda x, y, e=_each: e(x, y).mean())
    case(
        f"{_name} of each",
        lambda t, x, y, f=_name: getattr(t.F, f)(x, y, reduction="none"),
        IMAGES,
        spread(2, 3, 4, 5, seed=1),
        expected=_each,
        batch=(0, 1),
    )
    case(
        f"{_name} summed",
        lambda t, x, y, f=_name: getattr(t.F, f)(x, y, reduction="sum"),
        A,
        B,
        expected=lambda x, y, e=_each: e(x, y).sum(),
    )
    case(
        f"{_name} at its corner",
        lambda t, x, y, f=_name: getattr(t.F, f)(x, y, reduction="none"),
        [1.0, np.nan, np.inf, 3.0],
        [1.0, 0.0, 1.0, np.nan],
        expected=[0, np.nan, np.inf, np.nan],
        gradient=False,
    )
for _name in ("mse_loss", "l1_loss"):
    for _reduction in ("mean", "sum", "none"):
        _each = {
            "mean": lambda losses: losses.sum() / ELEMENT_WEIGHTS.sum(),
            "sum": np.sum,
            "none": lambda losses: losses,
        }[_reduction]
        case(
            f"{_name} with weights, {_reduction}",
            lambda t, x, y, f=_name, r=_reduction: getattr(t.F, f)(
                x, y, reduction=r, weight=like(ELEMENT_WEIGHTS, x, t)
            ),
            A,
            B,
            expected=lambda x, y, f=_name, e=_each: e(ELEMENT_WEIGHTS * _DISTANCES[f](x, y)),
        )
expect("smooth_l1_loss with beta 0.37", lambda x, y: _smooth(0.37)(x, y).mean())
case(
    "smooth_l1_loss with beta 0.0",
    lambda t, x, y: t.F.smooth_l1_loss(x, y, beta=0.0),
    A,
    B,
    expected=lambda x, y: _smooth(0.0)(x, y).mean(),
)

# --- Two classes


def _binary(x: Array, target: Array) -> Array:
    return -scipy.special.xlogy(target, x) - scipy.special.xlog1py(1 - target, -x)


def _with_logits(x: Array, target: Array, pos_weight: Any = 1.0) -> Array:
    return target * pos_weight * np.logaddexp(0, -x) + (1 - target) * np.logaddexp(0, x)


case(
    "binary_cross_entropy",
    lambda t, x, y: t.F.binary_cross_entropy(x, y),
    CHANCES,
    TRUTH,
    expected=lambda x, y: _binary(x, y).mean(),
)
expect("binary_cross_entropy of each with weights", lambda x, y: ELEMENT_WEIGHTS[0] * _binary(x, y), batch=(0, 1))
case(
    "binary_cross_entropy summed",
    lambda t, x, y: t.F.binary_cross_entropy(x, y, reduction="sum"),
    CHANCES,
    TRUTH,
    expected=lambda x, y: _binary(x, y).sum(),
)
case(
    "binary_cross_entropy of 0 and 1",
    lambda t, x, y: t.F.binary_cross_entropy(x, y, reduction="none"),
    [0.0, 0.0, 1.0, 1.0, 1e-30],
    [0.0, 1.0, 0.0, 1.0, 1.0],
    expected=[0, 100, 100, 0, 30 * np.log(10)],
    gradient=False,
)
case(
    "binary_cross_entropy_with_logits",
    lambda t, x, y: t.F.binary_cross_entropy_with_logits(x, y),
    A,
    TRUTH,
    expected=lambda x, y: _with_logits(x, y).mean(),
)
case(
    "binary_cross_entropy_with_logits of each",
    lambda t, x, y: t.F.binary_cross_entropy_with_logits(x, y, reduction="none"),
    IMAGES,
    spread(2, 3, 4, 5, low=0.0, high=1.0, seed=1),
    expected=_with_logits,
    batch=(0, 1),
)
expect(
    "binary_cross_entropy_with_logits with weights",
    lambda x, y: (ELEMENT_WEIGHTS[0, 0, 0] * _with_logits(x, y, POSITIVE_WEIGHTS)).mean(),
)
case(
    "binary_cross_entropy_with_logits of large numbers",
    lambda t, x, y: t.F.binary_cross_entropy_with_logits(x, y, reduction="none"),
    [1000.0, -1000.0, 1000.0, -1000.0, 0.0],
    [1.0, 0.0, 0.0, 1.0, 0.25],
    expected=_with_logits,
)
case(
    "binary_cross_entropy_with_logits keeps small losses",
    lambda t, x, y: t.F.binary_cross_entropy_with_logits(x, y, reduction="none") * 1e15,
    [40.0, -40.0],
    [1.0, 0.0],
    expected=np.full(2, 1e15 * np.exp(-40.0)),
    gradient=False,
    torch="PyTorch's loss of the second is 0",
)

# --- Calls that must be refused

for _name, _call in (
    ("cross_entropy", lambda w: _F.cross_entropy(zeros(2, 3), tinyseg.arange(2), w)),
    ("nll_loss", lambda w: _F.nll_loss(zeros(2, 3), tinyseg.arange(2), w)),
):
    bad(
        f"{_name} with a weight to learn",
        lambda call=_call: call(tinyseg.ones(3, requires_grad=True)),
        ValueError,
        "weight has no gradient here",
    )
bad(
    "binary_cross_entropy_with_logits with a pos_weight to learn",
    lambda: _F.binary_cross_entropy_with_logits(
        zeros(2, 3), zeros(2, 3), pos_weight=tinyseg.ones(3, requires_grad=True)
    ),
    ValueError,
    "pos_weight has no gradient here",
)
bad("mse_loss of shapes", lambda: _F.mse_loss(zeros(2), zeros(2, 1)), ValueError, "input's shape (2,), got (2, 1)")
bad(
    "mse_loss of types", lambda: _F.mse_loss(zeros(2), zeros(2, dtype="float64")), TypeError, "mse_loss: types differ"
)
bad("mse_loss of labels", lambda: _F.mse_loss(zeros(2), tinyseg.arange(2)), TypeError, "target must be float32")
bad("mse_loss by a row", lambda: _F.mse_loss(zeros(2, 3), zeros(2, 3), weight=zeros(3)), ValueError, "got (3,)")
bad("l1_loss reduced otherwise", lambda: _F.l1_loss(zeros(2), zeros(2), "max"), ValueError, "or 'none', got 'max'")
bad(
    "l1_loss of a number", lambda: _F.l1_loss(zeros(2), 0.0), TypeError, "l1_loss: target must be a Tensor, got float"
)
bad(
    "smooth_l1_loss with beta below 0",
    lambda: _F.smooth_l1_loss(zeros(2), zeros(2), beta=-1.0),
    ValueError,
    "beta must be a number of at least 0, got -1.0",
)
bad(
    "binary_cross_entropy of logits",
    lambda: _F.binary_cross_entropy(zeros(2) + 1.5, zeros(2)),
    ValueError,
    "got 1.5 .. 1.5; binary_cross_entropy_with_logits takes logits",
)
bad(
    "binary_cross_entropy of NaN",
    lambda: _F.binary_cross_entropy(zeros(2) / 0.0, zeros(2)),
    ValueError,
    "must hold probabilities, 0 .. 1, got nan",
)
bad(
    "binary_cross_entropy by many weights",
    lambda: _F.binary_cross_entropy(zeros(1, 3), zeros(1, 3), zeros(2, 3)),
    ValueError,
    "weight of shape (2, 3) cannot be broadcast to input's shape (1, 3)",
)
bad(
    "binary_cross_entropy_with_logits by channels",
    lambda: _F.binary_cross_entropy_with_logits(zeros(1, 3, 4, 4), zeros(1, 3, 4, 4), pos_weight=zeros(3)),
    ValueError,
    "pos_weight of shape (3,) cannot be broadcast to input's shape (1, 3, 4, 4)",
)
