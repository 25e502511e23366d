"""The IoU of cells and the Rand score, against loops over all cells and all pairs of pixels."""

import itertools
from typing import Any

import numpy as np
import pytest

from tinyseg.metrics import CellScores, RandScores

Array = np.ndarray[Any, Any]


def maps(seed: int, height: int = 6, width: int = 7) -> tuple[Array, Array]:
    """Two partitions that have much in common, with numbers that have nothing."""
    rng = np.random.default_rng(seed)
    truth = np.kron(rng.integers(0, 5, (3, 4)), np.ones((2, 2), int))[:height, :width] * 7
    guess = np.where(rng.random(truth.shape) < 0.2, rng.integers(0, 5, truth.shape), truth + 3 * (truth > 0))
    return guess, truth


def test_cells_are_matched_by_more_than_half() -> None:
    scores, each, matched, predicted = CellScores(), [], 0, 0
    for seed in range(5):
        guess, truth = maps(seed)
        scores.update(guess, truth)
        predicted += len(set(np.unique(guess)) - {0})
        for r in set(np.unique(truth).tolist()) - {0}:
            score = 0.0
            for s in set(np.unique(guess).tolist()) - {0}:
                both = ((truth == r) & (guess == s)).sum()
                if both > (truth == r).sum() / 2:
                    score = both / ((truth == r) | (guess == s)).sum()
                    matched += 1
            each.append(score)
    assert scores.iou == pytest.approx(np.mean(each))
    assert scores.as_dict() == {
        "cell_iou": pytest.approx(np.mean(each)),
        "cells": len(each),
        "matched_cells": matched,
        "predicted_cells": predicted,
    }


def test_rand_by_pairs_of_pixels() -> None:
    """p_ij^2 counts the pairs, also of a pixel with itself, that are together in both."""
    scores, joint, predicted, true = RandScores(), 0, 0, 0
    for seed in range(3):
        guess, truth = maps(seed)
        scores.update(guess, truth)
        inside = [place for place in np.ndindex(truth.shape) if truth[place]]
        for a, b in itertools.product(inside, repeat=2):
            in_truth = truth[a] == truth[b]
            in_guess = (guess[a] == guess[b] and guess[a] != 0) or a == b
            joint += in_truth and in_guess
            predicted += in_guess
            true += in_truth
    assert scores.split == pytest.approx(joint / true)
    assert scores.merge == pytest.approx(joint / predicted)
    assert scores.rand == pytest.approx(2 * joint / (predicted + true))


def test_perfect() -> None:
    _, truth = maps(0)
    cells, rand = CellScores(), RandScores()
    for scores in (cells, rand):
        scores.update(truth * 3, truth)
    assert cells.iou == rand.rand == 1


def test_everything_in_one_segment() -> None:
    truth = np.array([[1, 1, 2, 3]])
    rand, cells = RandScores(), CellScores()
    for scores in (cells, rand):
        scores.update(np.ones_like(truth), truth)
    assert (rand.split, rand.merge) == (1, pytest.approx(6 / 16))
    assert cells.iou == pytest.approx((2 / 4 + 1 / 4 + 1 / 4) / 3)


def test_no_cells() -> None:
    empty = np.zeros((2, 2), int)
    cells, rand = CellScores(), RandScores()
    for scores in (cells, rand):
        scores.update(empty + 1, empty)
    assert cells.as_dict() == {"cell_iou": None, "cells": 0, "matched_cells": 0, "predicted_cells": 1}
    assert rand.as_dict() == {"rand": None, "rand_split": None, "rand_merge": None}
    for scores in (cells, rand):
        scores.update(empty, empty + 1)
    assert cells.iou == 0
    assert (rand.split, rand.merge) == (4 / 16, 1), "four segments of a pixel"


@pytest.mark.parametrize("kind", [CellScores, RandScores])
def test_bad_arguments(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"prediction must be a map \(H, W\) of whole numbers, got float64"):
        kind().update(np.zeros((2, 2)), np.zeros((2, 2), int))
    with pytest.raises(ValueError, match=r"target must be a map \(H, W\) of whole numbers, got int64 \(4,\)"):
        kind().update(np.zeros((2, 2), int), np.zeros(4, int))
    with pytest.raises(ValueError, match=r"prediction has shape \(2, 2\) but target \(2, 3\)"):
        kind().update(np.zeros((2, 2), int), np.zeros((2, 3), int))
