"""The confusion matrix and its scores, against values worked out by hand."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyseg.metrics import ConfusionMatrix


def two_classes() -> ConfusionMatrix:
    """4 pixels of class 0 (3 right), 6 of class 1 (4 right), 2 ignored."""
    matrix = ConfusionMatrix(2)
    truth = np.array([[0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 255, 255]])
    guess = np.array([[0, 0, 0, 1, 1, 1], [1, 1, 0, 0, 0, 1]])
    matrix.update(guess, truth)
    return matrix


def test_scores_by_hand() -> None:
    matrix = two_classes()
    assert matrix.matrix.tolist() == [[3, 1], [2, 4]]
    assert matrix.matrix.dtype == np.int64
    assert matrix.num_pixels == 10
    assert matrix.pixel_accuracy == pytest.approx(7 / 10)
    assert matrix.accuracy.tolist() == pytest.approx([3 / 4, 4 / 6])
    assert matrix.mean_accuracy == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert matrix.iu.tolist() == pytest.approx([3 / 6, 4 / 7])
    assert matrix.mean_iu == pytest.approx((3 / 6 + 4 / 7) / 2)
    assert matrix.dice.tolist() == pytest.approx([6 / 9, 8 / 11])
    assert matrix.mean_dice == pytest.approx((6 / 9 + 8 / 11) / 2)
    assert matrix.frequency_weighted_iu == pytest.approx((4 * 3 / 6 + 6 * 4 / 7) / 10)


def test_absent_class_has_no_score_and_counts_in_no_mean() -> None:
    matrix = ConfusionMatrix(3)
    matrix.update([0, 0, 1], [0, 0, 1])
    assert matrix.absent_classes == [2]
    assert matrix.present.tolist() == [True, True, False]
    assert math.isnan(matrix.iu[2])
    assert matrix.mean_iu == matrix.mean_accuracy == matrix.mean_dice == 1
    assert matrix.as_dict()["iu"] == [1, 1, None]


def test_class_that_is_only_predicted_has_iu_zero() -> None:
    matrix = ConfusionMatrix(3)
    matrix.update([0, 2], [0, 0])
    assert matrix.iu[2] == 0
    assert matrix.absent_classes == [1]
    assert matrix.mean_iu == pytest.approx((1 / 2 + 0) / 2)
    assert matrix.mean_accuracy == pytest.approx(1 / 2), "accuracy is a matter of classes in the truth"


def test_nothing_but_ignored_pixels() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update([7, 0], [255, 255])
    scores = matrix.as_dict()
    assert matrix.num_pixels == 0
    assert scores["absent_classes"] == [0, 1]
    assert scores["pixel_accuracy"] is scores["mean_iu"] is scores["frequency_weighted_iu"] is None
    assert math.isnan(matrix.mean_iu)
    json.dumps(scores, allow_nan=False)


def test_another_ignore_index() -> None:
    matrix = ConfusionMatrix(2, ignore_index=-1)
    matrix.update([0, 1], [-1, 1])
    assert matrix.matrix.tolist() == [[0, 0], [0, 1]]


def test_narrow_types_do_not_overflow() -> None:
    matrix = ConfusionMatrix(200)
    matrix.update(np.array([199], np.uint8), np.array([199], np.uint8))
    assert matrix.matrix[199, 199] == 1


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 2, 3, 255])), max_size=40))
@settings(max_examples=50, deadline=None)
def test_parts_merged_are_the_whole(pixels: list[tuple[int, int]]) -> None:
    guess, truth = np.array(pixels, np.int64).reshape(-1, 2).T
    whole, one, other = ConfusionMatrix(4), ConfusionMatrix(4), ConfusionMatrix(4)
    whole.update(guess, truth)
    one.update(guess[::2], truth[::2])
    other.update(guess[1::2], truth[1::2])
    one.merge(other)
    expected = np.zeros((4, 4), int)
    for predicted, true in pixels:
        if true != 255:
            expected[true, predicted] += 1
    assert whole.matrix.tolist() == one.matrix.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("prediction", "target", "error", "message"),
    [
        ([0, 1], [[0, 1]], ValueError, r"prediction has shape \(2,\) but target \(1, 2\)"),
        ([0, 2], [0, 1], ValueError, "prediction has values 0 to 2, expected 0 to 1"),
        ([0, 1], [0, -1], ValueError, "target has values -1 to 0"),
        ([0.0, 1.0], [0, 1], TypeError, "prediction must hold integers, got float64"),
    ],
)
def test_wrong_input_is_refused(prediction: list, target: list, error: type, message: str) -> None:
    matrix = ConfusionMatrix(2)
    with pytest.raises(error, match=message):
        matrix.update(prediction, target)
    assert matrix.num_pixels == 0


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="num_classes must be 1 or more"):
        ConfusionMatrix(0)
    with pytest.raises(ValueError, match="ignore_index 1 is one of 2 classes"):
        ConfusionMatrix(2, ignore_index=1)
    with pytest.raises(ValueError, match="2 classes here but 3"):
        ConfusionMatrix(2).merge(ConfusionMatrix(3))


def test_coarser_classes() -> None:
    matrix = ConfusionMatrix(4)
    truth, guess = np.array([0, 1, 2, 3, 3, 255]), np.array([1, 0, 3, 3, 1, 0])
    matrix.update(guess, truth)
    groups = [0, 0, 1, 1]
    coarse = ConfusionMatrix(2)
    coarse.update(np.array(groups)[guess], np.where(truth == 255, 255, np.array([*groups, *[0] * 252])[truth]))
    assert matrix.grouped(groups).matrix.tolist() == coarse.matrix.tolist()
    assert matrix.grouped(groups).pixel_accuracy == pytest.approx(4 / 5)
    assert matrix.pixel_error == pytest.approx(4 / 5)
    with pytest.raises(ValueError, match=r"a group, 0 or more, for each of 4 classes, got \[0, 1\]"):
        matrix.grouped([0, 1])
