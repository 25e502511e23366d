"""Activations and losses."""

from __future__ import annotations

import numpy as np

from ..nn import functional as F
from ..tensor import tensor
from ..tensor_base import float64
from .table import example, spread

_A, _B, _SLOPES = spread(2, 3, 4), spread(2, 3, 4, seed=1), spread(3, low=0.1, high=0.4)
_PROBABILITIES = spread(3, 4, low=0.1, high=0.9)
_TRUTH = spread(3, 4, low=0.15, high=0.85, seed=1)

example("leaky_relu", lambda x: F.leaky_relu(x, 0.2), _A)
example("elu", lambda x: F.elu(x, 0.7), _A)
example("gelu", F.gelu, _A)
example("gelu", lambda x: F.gelu(x, approximate="tanh"), _A)
example("sigmoid", F.sigmoid, _A)
example("softplus", lambda x: F.softplus(x, 1.5, 20.0), _A)
example("prelu", F.prelu, _A, _SLOPES)
example("prelu", F.prelu, _A, spread(1, low=0.2, high=0.3))
example("nll_loss", F.nll_loss, spread(1, 3, 2, 2), [[[0, 2], [1, -100]]])
example(
    "cross_entropy", lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1), spread(1, 3, 2, 2), [[[0, 2], [1, 1]]]
)
example("cross_entropy", F.cross_entropy, spread(2, 3), spread(2, 3, low=0.1, high=0.6, seed=1))
example(
    "binary_cross_entropy",
    lambda x, y: F.binary_cross_entropy(x, y, tensor(_B[0, :, :].copy() + 3.0, float64)),
    _PROBABILITIES,
    _TRUTH,
)
example(
    "binary_cross_entropy_with_logits",
    lambda x, y: F.binary_cross_entropy_with_logits(x, y, pos_weight=tensor(2.5, float64)),
    _A,
    spread(2, 3, 4, low=0.1, high=0.9, seed=2),
)
example("mse_loss", F.mse_loss, _A, _B)
example("l1_loss", F.l1_loss, _A, _B)
example("smooth_l1_loss", lambda x, y: F.smooth_l1_loss(x, y, beta=0.7), _A, _B)

_PLANES, _MAP = spread(2, 3, 3, 4), np.random.default_rng(0).integers(0, 3, (2, 3, 4))
_PLANE, _MASK = spread(2, 1, 3, 4), np.random.default_rng(1).integers(0, 2, (2, 3, 4))
_MASSES = spread(2, 3, 4, low=0.2, high=1.8)
for _name in (
    "weighted_cross_entropy", "focal_loss", "dice_loss", "jaccard_loss", "tversky_loss", "focal_tversky_loss",
    "dice_ce_loss", "dice_focal_loss", "boundary_loss", "dice_boundary_loss", "lovasz_softmax_loss",
):  # fmt: skip
    _loss = getattr(F, _name)
    example(_name, _loss, _PLANES, _MAP)
    example(
        _name,
        lambda x, y, loss=_loss: loss(x, y, ignore_index=2, pixel_weight=tensor(_MASSES, float64)),
        _PLANE,
        np.where(_MASSES < 0.5, 2, _MASK),
    )
