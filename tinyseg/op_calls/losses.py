"""Losses."""

from __future__ import annotations

import numpy as np

from .table import IMAGES, A, B, call, integers, like, spread

# --- Of classes

LOGITS, LABELS = spread(2, 4, 3, 5), integers(2, 3, 5, high=4)
HOLES = np.where(integers(2, 3, 5, high=3, seed=4) == 0, 255, LABELS)
WEIGHTS = np.array([0.5, 2.0, 1.0, 0.25])

call(
    "nll_loss",
    lambda t, x, y: t.F.nll_loss(x, y),
    spread(1, 3, 2, 2),
    [[[0, 2], [1, -100]]],
    name="nll_loss with an ignored label",
)
call(
    "cross_entropy",
    lambda t, x, y: t.F.cross_entropy(x, y, label_smoothing=0.1),
    spread(1, 3, 2, 2),
    [[[0, 2], [1, 1]]],
    name="cross_entropy smoothed, without weights",
)
call(
    "cross_entropy",
    lambda t, x, y: t.F.cross_entropy(x, y),
    spread(2, 3),
    spread(2, 3, low=0.1, high=0.6, seed=1),
    name="cross_entropy of numbers that do not add up to 1",
)
call(
    "cross_entropy",
    lambda t, x, y: t.F.cross_entropy(x, y, ignore_index=255),
    LOGITS,
    HOLES,
    name="cross_entropy with an ignored label",
)
call(
    "cross_entropy",
    lambda t, x, y: t.F.cross_entropy(x, y, like(WEIGHTS, x, t), reduction="none"),
    LOGITS,
    LABELS,
    name="cross_entropy of each with weights",
)

# --- Of single elements

CHANCES, TRUTH = spread(2, 3, 4, low=0.02, high=0.98), spread(2, 3, 4, low=0.0, high=1.0, seed=1)
ELEMENT_WEIGHTS = spread(2, 3, 4, low=0.1, high=2.0, seed=7)
POSITIVE_WEIGHTS = np.array([0.5, 3.0, 2.0]).reshape(3, 1, 1)

call(
    "binary_cross_entropy",
    lambda t, x, y: t.F.binary_cross_entropy(x, y, like(ELEMENT_WEIGHTS[0], x, t), reduction="none"),
    CHANCES,
    TRUTH,
    name="binary_cross_entropy of each with weights",
)
call(
    "binary_cross_entropy_with_logits",
    lambda t, x, y: t.F.binary_cross_entropy_with_logits(
        x, y, like(ELEMENT_WEIGHTS[0, 0, 0], x, t), pos_weight=like(POSITIVE_WEIGHTS, x, t)
    ),
    IMAGES,
    spread(2, 3, 4, 5, low=0.0, high=1.0, seed=1),
    name="binary_cross_entropy_with_logits with weights",
)
call("mse_loss", lambda t, x, y: t.F.mse_loss(x, y), A, B)
call("l1_loss", lambda t, x, y: t.F.l1_loss(x, y), A, B)
call("smooth_l1_loss", lambda t, x, y: t.F.smooth_l1_loss(x, y), A, B)
call(
    "smooth_l1_loss", lambda t, x, y: t.F.smooth_l1_loss(x, y, beta=0.37), A, B, name="smooth_l1_loss with beta 0.37"
)

# --- Of label maps

SCORES, MAP = spread(2, 3, 4, 5), integers(2, 4, 5, high=3)
# Left half class 0, right half class 1: distances that need no transform.
HALVES = np.broadcast_to(np.arange(6) // 3, (2, 4, 6))
# The same, and pixels of the left half that do not count.
PARTS = np.where(spread(2, 4, 6, seed=3) * (HALVES == 0) > 1.0, 2, HALVES)
PART_MASSES = spread(2, 4, 6, low=0.2, high=1.8)

for _name in (
    "weighted_cross_entropy", "focal_loss", "dice_loss", "jaccard_loss", "tversky_loss", "focal_tversky_loss",
    "dice_ce_loss", "dice_focal_loss", "boundary_loss", "dice_boundary_loss", "lovasz_softmax_loss",
):  # fmt: skip
    _inputs = [SCORES, MAP, spread(2, 4, 5, low=0.2, high=1.8)]
    if "boundary" in _name:
        _inputs = [spread(2, 3, 4, 6), HALVES, PART_MASSES]
    if _name == "lovasz_softmax_loss":  # which has no gradient by the weights of pixels
        _inputs.pop()
    call(_name, lambda t, x, y, m=None, loss=_name: getattr(t.F, loss)(x, y, pixel_weight=m), *_inputs)
    call(
        _name,
        lambda t, x, y, loss=_name: getattr(t.F, loss)(x, y, ignore_index=2, pixel_weight=like(PART_MASSES, x, t)),
        spread(2, 1, 4, 6),
        PARTS,
        name=f"{_name} of one channel",
    )
