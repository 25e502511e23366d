"""Normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import (
    IMAGES,
    Api,
    Array,
    case,
    rectified,
    spread,
)


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
