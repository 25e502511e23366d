"""Softmax and the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal
import scipy.special

from .table import (
    IMAGES,
    A,
    Array,
    case,
    integers,
    spread,
)

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
