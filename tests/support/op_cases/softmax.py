"""Softmax and the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal
import scipy.special

import tinyseg
from tinyseg.op_calls.losses import HOLES, LABELS, LOGITS, WEIGHTS
from tinyseg.op_calls.table import A, Api, Array, integers, like, spread

from .table import bad, case, expect, zeros

for _dim in (0, 1, -1):
    case(
        f"log_softmax along {_dim}",
        lambda t, x, d=_dim: t.F.log_softmax(x, d),
        A,
        batch=() if _dim == 0 else (0,),
        expected=lambda x, d=_dim: scipy.special.log_softmax(x, d),
    )
expect("log_softmax of images", lambda x: scipy.special.log_softmax(x, 1), batch=(0,))
case(
    "log_softmax of large numbers",
    lambda t, x: t.F.log_softmax(x, 0),
    [1000.0, 1001.0, -1000.0],
    expected=lambda x: scipy.special.log_softmax(x),
    gradient=False,
)
expect("softmax", lambda x: scipy.special.softmax(x, 1), batch=(0,))
case(
    "softmax of large numbers",
    lambda t, x: t.F.softmax(x, dim=-1),
    [[1000.0, 1000.0], [0.0, -1000.0]],
    expected=[[0.5, 0.5], [1.0, 0.0]],
    gradient=False,
)
for _name in ("softmax", "log_softmax"):
    _answer = getattr(scipy.special, _name)
    case(
        f"{_name} function and method",
        lambda t, x, n=_name: getattr(t, n)(x, 0) + getattr(x, n)(-1),
        A,
        expected=lambda x, f=_answer: f(x, 0) + f(x, -1),
    )
    case(
        f"{_name} of long rows",
        lambda t, x, n=_name: getattr(t.F, n)(x, 1),
        spread(3, 150, low=-9.0, high=9.0),
        expected=lambda x, f=_answer: f(x, 1),
    )
    case(
        f"{_name} of a number",
        lambda t, x, n=_name: getattr(t.F, n)(x, 0),
        np.array(3.0),
        expected=np.array(1.0 if _name == "softmax" else 0.0),
    )
    for _shape, _dim in (((2, 0), 1), ((0, 3), 0), ((0, 3), 1), ((2, 0, 3), 2), ((0,), 0)):
        case(
            f"{_name} of nothing, {_shape} over {_dim}",
            lambda t, x, n=_name, dim=_dim: getattr(t.F, n)(x, dim),
            np.zeros(_shape),
            expected=np.zeros(_shape),
        )
    case(
        f"{_name} of NaN",
        lambda t, x, n=_name: getattr(t.F, n)(x, 0),
        [[np.nan, 0.0], [0.0, 0.0]],
        expected=lambda x, f=_answer: np.stack([[np.nan, np.nan], f(np.zeros(2))], 1),
        gradient=False,
    )
case(
    "softmax of integers in float64",
    lambda t, x: t.F.softmax(x, 0, dtype=t.float64),
    [3, 1, 4],
    expected=lambda x: scipy.special.softmax(x.astype(float)),
    gradient=False,
    dtypes=("float64",),
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


case("cross_entropy", lambda t, x, y: t.F.cross_entropy(x, y), LOGITS, LABELS, expected=_mean_loss)
case(
    "cross_entropy of each",
    lambda t, x, y: t.F.cross_entropy(x, y, reduction="none"),
    LOGITS,
    LABELS,
    expected=lambda x, y: entropies(x, y)[0],
    batch=(0, 1),
)
expect("cross_entropy of each with weights", lambda x, y: entropies(x, y, WEIGHTS)[0], batch=(0, 1))
expect("cross_entropy with an ignored label", lambda x, y: _mean_loss(x, y, None, 255))
case(
    "cross_entropy with weights",
    lambda t, x, y: t.F.cross_entropy(x, y, like(WEIGHTS, x, t), ignore_index=255),
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


# --- Label smoothing, probabilities, weights of pixels


def softened(
    x: Array, target: Array, weight: Array | None = None, smoothing: float = 0.0, ignore: int = -100
) -> tuple[Array, Array]:
    """Each pixel's -sum_c w_c q_c log softmax_c, and what a mean divides by; labels are made probabilities first."""
    classes = x.shape[1]
    weight = np.ones(classes) if weight is None else weight
    counted = np.ones((len(x), *x.shape[2:]), bool)
    weights = np.ones(counted.shape)
    if target.dtype.kind != "f":
        counted = target != ignore
        labels = np.where(counted, target, 0)
        weights, target = weight[labels] * counted, np.moveaxis(np.eye(classes)[labels], -1, 1)
    shares = (1 - smoothing) * target + smoothing / classes
    return counted * -np.einsum("c,nc...,nc...->n...", weight, shares, scipy.special.log_softmax(x, 1)), weights


def _chances(*shape: int) -> Array:
    """Probabilities along dimension 1."""
    return scipy.special.softmax(spread(*shape, seed=6), 1)


def _weighted(t: Api, x: Any) -> dict[str, Any]:
    return {"weight": like(WEIGHTS, x, t)}


_REDUCE = {
    "mean": lambda losses, weights: losses.sum() / weights.sum(),
    "sum": lambda losses, weights: losses.sum(),
    "none": lambda losses, weights: losses,
}
for _reduction, _reduce in _REDUCE.items():
    case(
        f"cross_entropy smoothed, {_reduction}",
        lambda t, x, y, r=_reduction: t.F.cross_entropy(
            x, y, **_weighted(t, x), ignore_index=255, reduction=r, label_smoothing=0.2
        ),
        LOGITS,
        HOLES,
        expected=lambda x, y, r=_reduce: r(*softened(x, y, WEIGHTS, 0.2, 255)),
        batch=(0, 1) if _reduction == "none" else (),
    )
    case(
        f"cross_entropy of probabilities, {_reduction}",
        lambda t, x, y, r=_reduction: t.F.cross_entropy(x, y, **_weighted(t, x), reduction=r, label_smoothing=0.2),
        LOGITS,
        _chances(2, 4, 3, 5),
        expected=lambda x, y, r=_reduce: r(*softened(x, y, WEIGHTS, 0.2)),
        batch=(0, 1) if _reduction == "none" else (),
    )
    case(
        f"cross_entropy with weights of pixels, {_reduction}",
        lambda t, x, y, m, r=_reduction: t.F.cross_entropy(
            x, y, **_weighted(t, x), ignore_index=255, reduction=r, pixel_weight=m
        ),
        LOGITS,
        HOLES,
        spread(2, 3, 5, low=0.2, high=3.0, seed=8),
        expected=lambda x, y, m, r=_reduce: r(*(m * each for each in softened(x, y, WEIGHTS, 0.0, 255))),
        torch="PyTorch has no weights of pixels",
    )
    case(
        f"nll_loss, {_reduction}",
        lambda t, x, y, r=_reduction: t.F.nll_loss(x, y, **_weighted(t, x), ignore_index=255, reduction=r),
        scipy.special.log_softmax(LOGITS, 1),
        HOLES,
        expected=lambda x, y, r=_reduce: r(*entropies(x, y, WEIGHTS, 255)),
        batch=(0, 1) if _reduction == "none" else (),
        gradient=_reduction != "none",
    )
case(
    "cross_entropy of probabilities with weights of pixels",
    lambda t, x, y, m: t.F.cross_entropy(x, y, pixel_weight=m),
    LOGITS,
    _chances(2, 4, 3, 5),
    spread(2, 3, 5, low=0.2, high=3.0, seed=8),
    expected=lambda x, y, m: (m * softened(x, y)[0]).sum() / m.sum(),
    torch="PyTorch has no weights of pixels",
)
case(
    "cross_entropy of a vector's probabilities",
    lambda t, x, y: t.F.cross_entropy(x, y),
    spread(4),
    [0.1, 0.2, 0.3, 0.4],
    expected=lambda x, y: -(y * scipy.special.log_softmax(x)).sum(),
)
case(
    "cross_entropy of volumes",
    lambda t, x, y: t.F.cross_entropy(x, y, label_smoothing=1.0),
    spread(2, 3, 2, 2, 3),
    integers(2, 2, 2, 3, high=3),
    expected=lambda x, y: softened(x, y, smoothing=1.0)[0].mean(),
)
case(
    "cross_entropy of logits that are not finite",
    lambda t, x, y: t.F.cross_entropy(x, y, reduction="none"),
    [[0.0, -np.inf], [0.0, -np.inf], [np.nan, 0.0], [0.0, 0.0]],
    [0, 1, 1, 0],
    expected=[0, np.inf, np.nan, np.log(2)],
    gradient=False,
)
expect("cross_entropy smoothed, without weights", lambda x, y: softened(x, y, smoothing=0.1)[0].mean())
expect("cross_entropy of numbers that do not add up to 1", lambda x, y: softened(x, y)[0].mean())
expect("nll_loss with an ignored label", lambda x, y: -(x[0, 0, 0, 0] + x[0, 2, 0, 1] + x[0, 1, 1, 0]) / 3)
case(
    "nll_loss of a vector",
    lambda t, x, y: t.F.nll_loss(x, y),
    spread(4),
    np.array(2),
    expected=lambda x, y: -x[2],
)
case(
    "nll_loss of NaN that is ignored",
    lambda t, x, y: t.F.nll_loss(x, y, ignore_index=1),
    [[np.nan, np.nan], [-3.0, -1.0]],
    [1, 0],
    expected=3.0,
    gradient=False,
)
case(
    "a mean over no pixel",
    lambda t, x, y: (t.F.cross_entropy(x, y, label_smoothing=0.1), t.F.nll_loss(x, y)),
    spread(2, 3),
    [-100, -100],
    expected=lambda x, y: (np.nan, np.nan),
    gradient=False,
)
_INDICES = integers(2, 3, high=4)
case(
    "one_hot",
    lambda t, y: t.F.one_hot(y, 5),
    _INDICES,
    expected=lambda y: np.eye(5, dtype=np.int64)[y],
    gradient=False,
    batch=(0,),
)
case(
    "one_hot of as many as there are",
    lambda t, y: t.F.one_hot(y),
    [2, 0],
    expected=np.array([[0, 0, 1], [1, 0, 0]]),
    gradient=False,
)

_F = tinyseg.nn.functional
_T = (1, 4, 5)
bad(
    "softmax without a dimension", lambda: _F.softmax(zeros(2), None), TypeError, "softmax: dim must be an int, got N"
)
bad(
    "softmax as integers",
    lambda: _F.softmax(zeros(2), 0, "int64"),
    TypeError,
    "must be float32 or float64, got int64",
)
bad(
    "cross_entropy smoothed too much",
    lambda: _F.cross_entropy(zeros(2, 3), tinyseg.arange(2), label_smoothing=1.5),
    ValueError,
    "label_smoothing must be a number in 0 .. 1, got 1.5",
)
bad(
    "cross_entropy of some pixels' weights",
    lambda: _F.cross_entropy(zeros(1, 3, 4, 5), tinyseg.full(_T, 0), pixel_weight=zeros(4, 5)),
    ValueError,
    "pixel_weight must have shape (1, 4, 5), one for each pixel, got (4, 5)",
)
bad(
    "cross_entropy of probabilities that are ignored",
    lambda: _F.cross_entropy(zeros(2, 3), zeros(2, 3), ignore_index=0),
    ValueError,
    "give pixels a pixel_weight of 0 instead",
)
bad(
    "cross_entropy of probabilities' types",
    lambda: _F.cross_entropy(zeros(2, 3), zeros(2, 3, dtype="float64")),
    TypeError,
    "cross_entropy: types differ: input is float32, target is float64",
)
bad("cross_entropy of no class", lambda: _F.cross_entropy(zeros(2, 0), tinyseg.arange(2)), ValueError, "no classes")
bad("cross_entropy of a number", lambda: _F.cross_entropy(zeros(), tinyseg.full((), 0)), ValueError, "got shape ()")
bad("nll_loss of no such class", lambda: _F.nll_loss(zeros(2, 3), tinyseg.arange(2, 4)), IndexError, "target holds 3")
bad(
    "nll_loss of shapes",
    lambda: _F.nll_loss(zeros(2, 3), tinyseg.arange(3)),
    ValueError,
    "needs target of shape (2,)",
)
bad("nll_loss of floats", lambda: _F.nll_loss(zeros(2, 3), zeros(2)), TypeError, "nll_loss: target must hold class")
bad(
    "nll_loss of types",
    lambda: _F.nll_loss(zeros(2, 3), tinyseg.arange(2), zeros(3, dtype="float64")),
    TypeError,
    "nll_loss: types differ",
)
bad(
    "nll_loss ignoring text",
    lambda: _F.nll_loss(zeros(2, 3), tinyseg.arange(2), None, "mean"),
    TypeError,
    "ignore_index must be an int, got 'mean'",
)
bad("one_hot of floats", lambda: _F.one_hot(zeros(2)), TypeError, "tensor of class indices (int64), got float32")
bad("one_hot of what is below 0", lambda: _F.one_hot(tinyseg.arange(-1, 2)), IndexError, "input holds -1")
bad(
    "one_hot of too many",
    lambda: _F.one_hot(tinyseg.arange(3), 2),
    IndexError,
    "holds 2, but there are classes 0 .. 1",
)
bad("one_hot of no class", lambda: _F.one_hot(tinyseg.arange(3), 0), ValueError, "num_classes must be positive")
bad("one_hot of nothing", lambda: _F.one_hot(tinyseg.arange(0)), ValueError, "to find num_classes from; give it")
