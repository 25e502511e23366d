"""``examples/receptive_field.py``: fields of Yu and Koltun's section 2 and table 1, and of FCN's table 1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

RunExample = Callable[..., dict[str, Any]]
STEP = np.ones(3) / 3


@pytest.fixture(name="shown")
def _shown(run_example: RunExample) -> dict[str, Any]:
    return run_example("receptive_field.py")


def weights_of_steps(dilations: tuple[int, ...]) -> np.ndarray:
    """What layers of equal weights make of an impulse in one dimension, by NumPy's convolution."""
    line = np.ones(1)
    for dilation in dilations:
        kernel = np.zeros(2 * dilation + 1)
        kernel[::dilation] = STEP
        line = np.convolve(line, kernel)
    return line


def test_example_receptive_field(shown: dict[str, Any], tmp_path: Path) -> None:
    sizes = {name: [field.size for field in found] for name, found in shown["fields"].items()}
    assert sizes == {"plain": [3, 5, 7], "pooled": [3, 8, 18], "dilated": [3, 7, 15]}
    assert set(map(tuple, shown["parameters"].values())) == {(9, 9, 9)}
    assert [found[-1].stride for found in shown["fields"].values()] == [1, 4, 1]

    # Measured: the same extents, and weights that are those of the same steps in NumPy.
    for name, dilations in (("plain", (1, 1, 1)), ("dilated", (1, 2, 4))):
        line = weights_of_steps(dilations)
        heat = shown["heats"][name]
        rows, columns = np.nonzero(heat)
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (len(line), len(line))
        np.testing.assert_allclose(heat[heat > 0], np.outer(line, line).ravel(), rtol=1e-12)
    assert np.count_nonzero(shown["heats"]["pooled"]) == 18**2

    # Three steps of -2, 0 or 2 reach 7 places of 13.
    assert [np.count_nonzero(heat) for heat in shown["grids"].values()] == [7**2, 13**2, 15**2]

    # Yu and Koltun, table 1.
    table = [3, 5, 9, 17, 33, 65, 67, 67]
    assert shown["computed"] == shown["described"] == shown["measured"] == table
    assert [layer.dilation for layer in shown["convolutions"]] == [(d, d) for d in (1, 1, 2, 4, 8, 16, 1, 1)]
    assert np.count_nonzero(shown["at_first"]) == 1

    # Variances of independent steps add up: 2/3 of the sum of the squared dilations.
    assert list(shown["spreads"].values()) == pytest.approx([np.sqrt(2 / 3 * 33), np.sqrt(2 / 3 * 343)], rel=1e-9)

    # Long, Shelhamer and Darrell, table 1; without two poolings (of one unit of 8 and of 16) 404 becomes 380.
    assert list(shown["network_fields"].values()) == [(355, 355), (404, 404), (380, 380)]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        f"receptive_field_{name}.png" for name in ("context", "effective", "gridding", "growth", "stacks")
    ]
