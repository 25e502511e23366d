"""The focal curves, the boundary distance of two disks, and what losses do to a small class."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinyseg


@pytest.mark.usefixtures("threads")
def test_curves_forms_and_table(run_example: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """One run for all three, as it trains; with one thread, as a second one would mostly wait at so small images."""
    tinyseg.set_num_threads(1)
    ran = run_example("losses.py", "--quick")
    check_focal_curves(ran)
    check_boundary_distance(ran)
    check_small_class(ran)
    pictures = {path.name for path in tmp_path.glob("*.png")}
    drawn = {"focal", "boundary_forms", "boundary_difference", "small_class", "predictions"}
    assert pictures == {f"{name}.png" for name in drawn}


def check_focal_curves(ran: dict[str, Any]) -> None:
    """Lin et al. 2017, section 3.2: with g = 2 the loss at 0.9 is 100 times lower than cross-entropy's."""
    q = ran["probability"]
    for gamma, curve in ran["focal"].items():
        np.testing.assert_allclose(curve, [-((1 - p) ** gamma) * math.log(p) for p in q], rtol=1e-9)
    assert set(ran["focal"]) == {0, 0.5, 1, 2, 5}
    place = int(np.argmin(np.abs(q - 0.9)))
    assert ran["focal"][0][place] / ran["focal"][2][place] == pytest.approx(100)


def check_boundary_distance(ran: dict[str, Any]) -> None:
    """Of a disk of radius 1 grown by d: 2 pi d^2 along the contour, and 2 pi (d^2 + 2 d^3 / 3) over the ring, which
    is 4 pi times the integral of (r - 1) r from 1 to 1 + d. Displaced by d, both are pi d^2 but for terms of d^4, and
    they differ by d^2 / 4 of themselves.
    """
    d = np.array(ran["deltas"])
    grown, displaced = ran["distances"]["grown"], ran["distances"]["displaced"]
    np.testing.assert_allclose(grown["1 contour"], 2 * math.pi * d**2, rtol=1e-10)
    np.testing.assert_allclose(grown["2 region"], 2 * math.pi * (d**2 + 2 * d**3 / 3), rtol=1e-10)
    np.testing.assert_allclose(displaced["2 region"], math.pi * d**2, rtol=0.015)
    apart = displaced["1 contour"] / displaced["2 region"] - 1
    np.testing.assert_allclose(apart, d**2 / 4, rtol=0.1)
    for rows in (grown, displaced):
        np.testing.assert_allclose(rows["3 phi"], rows["2 region"], rtol=1e-3)
        np.testing.assert_allclose(rows["on pixels"], rows["2 region"], rtol=0.08)


def check_small_class(ran: dict[str, Any]) -> None:
    assert 0.005 < ran["share"] < 0.015
    predictions, truth = ran["predictions"], ran["val_labels"] == 1
    for name, row in ran["table"].items():
        found = predictions[name] == 1
        hits = (found & truth).sum()
        assert row["recall"] == hits / truth.sum()
        assert row["Dice"] == pytest.approx(2 * hits / (found.sum() + truth.sum()))
        if found.any():
            assert row["precision"] == hits / found.sum()
    recall = {name.split(",")[0]: row["recall"] for name, row in ran["table"].items()}
    assert recall["weighted"] > recall["cross-entropy"] + 0.1
    assert recall["Tversky"] > recall["cross-entropy"] + 0.2
    assert recall["Dice"] > recall["cross-entropy"] + 0.1
