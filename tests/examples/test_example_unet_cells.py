"""The border weights by looking at every pixel of every cell, and what training with them is good for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import tinyseg

RunExample = Callable[..., dict[str, Any]]
Array = np.ndarray[Any, Any]


def weights_by_brute_force(mask: Array, instances: Array) -> Array:
    """Formula (2) of the paper with w_c = 1: distances of all background pixels to all pixels of each cell."""
    outside = np.argwhere(mask == 0)
    cells = [np.argwhere((mask == 1) & (instances == number)) for number in np.unique(instances[mask == 1])]
    two_nearest = np.sort([cdist(outside, cell).min(1) for cell in cells], axis=0)[:2]
    weights = np.ones(mask.shape)
    weights[mask == 0] += 10 * np.exp(-(two_nearest.sum(0) ** 2) / (2 * 5**2))
    return weights


def iou_by_brute_force(triples: list[tuple[Array, Array, Array]]) -> float:
    """The mean over true cells of the IoU with the part that covers more than half of them, 0 without one."""
    scores = []
    for _, instances, found in triples:
        for number in set(instances.ravel().tolist()) - {0}:
            true = instances == number
            matches = [
                (true & (found == part)).sum() / (true | (found == part)).sum()
                for part in set(found.ravel().tolist()) - {0}
                if (true & (found == part)).sum() > true.sum() / 2
            ]
            scores.append(sum(matches))
    return float(np.mean(scores))


@pytest.mark.usefixtures("threads")
def test_the_map_and_the_two_networks(
    run_example: RunExample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tinyseg.set_num_threads(1)  # a second one would mostly wait at so small images
    monkeypatch.setattr("tinyseg.compilation.cache_folder", lambda name: tmp_path / "cache")
    ran = run_example("unet_cells.py", "--quick")
    np.testing.assert_allclose(ran["weights"], weights_by_brute_force(ran["mask"], ran["instances"]), atol=2e-5)
    assert ran["by_hand"] == pytest.approx(ran["weights"].max(), rel=1e-6)

    without, with_map = ran["plain_rows"][-1], ran["weighted_rows"][-1]
    assert without.iou < 0.4
    assert with_map.iou > 0.5
    assert without.merged > 0.6 * ran["total"]
    assert with_map.merged < 0.3 * ran["total"]
    assert with_map.iou == pytest.approx(iou_by_brute_force(ran["predictions"](ran["weighted"])))

    found, cells = np.array([[1, 1, 1, 1, 0, 2, 2]]), np.array([[1, 1, 2, 2, 3, 3, 4]])
    assert ran["merged_cells"](found, cells) == {1: [1, 2]}, "half of cell 3 is not more than half"

    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {"border_weights.png", "cells.png", "cells_iou.png", "cells_merged.png"}
