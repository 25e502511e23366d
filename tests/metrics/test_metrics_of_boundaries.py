"""Boundary F1 and the 95% Hausdorff distance, against a search over all pairs of pixels."""

import json
import math
from typing import Any

import numpy as np
import pytest

from tinyseg.metrics import BoundaryScores

Array = np.ndarray[Any, Any]


def edge(labels: Array, c: int) -> list[tuple[int, int]]:
    """The pixels of class c with one of four neighbours in another class."""
    found = []
    for i, j in np.argwhere(labels == c).tolist():
        beside = ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1))
        inside = [(k, l) for k, l in beside if 0 <= k < labels.shape[0] and 0 <= l < labels.shape[1]]
        if any(labels[place] not in (c, 255) for place in inside):
            found.append((i, j))
    return found


def distances(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> list[float]:
    return [min((math.dist(a, b) for b in other), default=math.inf) for a in one]


def images(seed: int, count: int = 3, classes: int = 3) -> list[tuple[Array, Array]]:
    """Blocks of classes, guessed with some noise; some pixels are ignored."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        truth = np.kron(rng.integers(0, classes, (3, 4)), np.ones((4, 3), int))
        guess = np.where(rng.random(truth.shape) < 0.1, rng.integers(0, classes, truth.shape), np.roll(truth, 1, 1))
        pairs.append((guess, np.where(rng.random(truth.shape) < 0.05, 255, truth)))
    return pairs


@pytest.mark.parametrize("tolerance", [0, 1, 1.5, None])
def test_against_all_pairs_of_pixels(tolerance: float | None) -> None:
    pairs = images(0)
    scores = BoundaryScores(3, tolerance=tolerance)
    for guess, truth in pairs:
        scores.update(guess, truth)
    limit = 0.0075 * math.hypot(12, 12) if tolerance is None else tolerance
    for c in range(3):
        found, true = [], []
        for guess, truth in pairs:
            seen = np.where(truth == 255, 255, guess)
            found += distances(edge(seen, c), edge(truth, c))
            true += distances(edge(truth, c), edge(seen, c))
        precision, recall = (np.mean(np.array(each) <= limit) for each in (found, true))
        assert scores.precision[c] == pytest.approx(precision)
        assert scores.recall[c] == pytest.approx(recall)
        assert scores.f1[c] == pytest.approx(2 * precision * recall / (precision + recall))
        rank = [np.percentile(each, 95, method="inverted_cdf") for each in (found, true)]
        assert scores.hausdorff95[c] == pytest.approx(max(rank))
    assert scores.mean_f1 == pytest.approx(scores.f1.mean())
    assert scores.mean_hausdorff95 == pytest.approx(scores.hausdorff95.mean())


def test_perfect() -> None:
    _, truth = images(1)[0]
    scores = BoundaryScores(3)
    scores.update(truth, truth)
    assert scores.f1.tolist() == [1, 1, 1]
    assert scores.hausdorff95.tolist() == [0, 0, 0]


def test_absent_and_one_sided_classes_are_told() -> None:
    truth = np.array([[0, 0, 1, 1]] * 2)
    scores = BoundaryScores(4)
    scores.update(np.array([[0, 0, 2, 2]] * 2), truth)
    found = json.loads(json.dumps(scores.as_dict()))
    assert found["boundary_f1"] == [1, 0, 0, None]
    assert found["hausdorff95"] == [0, None, None, None]
    assert (found["infinite_hausdorff95"], found["no_boundary"]) == ([1, 2], [3])
    assert found["mean_boundary_f1"] == pytest.approx(1 / 3)
    assert found["mean_hausdorff95"] is None
    assert math.isinf(scores.mean_hausdorff95)


def test_one_twentieth_may_be_anywhere() -> None:
    """19 of 20 pixels of a boundary are right, one image is all wrong: 95% do not exceed 0."""
    truth = np.zeros((19, 4), int)
    truth[:, 2:] = 1
    scores = BoundaryScores(2)
    scores.update(truth, truth)
    lonely = np.array([[0, 1]])
    scores.update(np.zeros_like(lonely), lonely)
    assert scores.hausdorff95.tolist() == [0, 0]
    scores.update(np.zeros_like(lonely), lonely)
    assert np.isinf(scores.hausdorff95).all()


def test_what_is_ignored_is_no_boundary() -> None:
    scores = BoundaryScores(2, tolerance=0)
    scores.update(np.array([[0, 1, 0]]), np.array([[0, 255, 0]]))
    assert scores.as_dict()["no_boundary"] == [0, 1]


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="num_classes must be 1 or more"):
        BoundaryScores(0)
    with pytest.raises(ValueError, match="tolerance must be 0 or more pixels, got -1"):
        BoundaryScores(1, tolerance=-1)
    with pytest.raises(ValueError, match="ignore_index 1 is one of 2 classes"):
        BoundaryScores(2, ignore_index=1)


@pytest.mark.parametrize(
    ("prediction", "target", "error", "message"),
    [
        ([[0, 1]], [[0], [1]], ValueError, r"prediction has shape \(1, 2\) but target \(2, 1\)"),
        ([0, 1], [0, 1], ValueError, r"two maps \(H, W\), got \(2,\)"),
        ([[0, 2]], [[0, 1]], ValueError, "prediction has values 0 to 2, expected 0 to 1"),
        ([[0, 1]], [[0, -1]], ValueError, "target has values -1 to 0"),
        ([[0.0, 1.0]], [[0, 1]], TypeError, "prediction must hold integers, got float64"),
    ],
)
def test_wrong_input_is_refused(prediction: list, target: list, error: type, message: str) -> None:
    scores = BoundaryScores(2)
    with pytest.raises(error, match=message):
        scores.update(prediction, target)
    assert scores.as_dict()["no_boundary"] == [0, 1]


def test_an_ignore_index_below_zero_and_narrow_predictions() -> None:
    scores = BoundaryScores(2, ignore_index=-100, tolerance=0)
    scores.update(np.array([[0, 1, 7]], np.uint8), np.array([[0, 1, -100]]))
    assert scores.f1.tolist() == [1, 1]
