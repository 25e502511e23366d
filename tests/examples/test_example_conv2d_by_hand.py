"""The example prints the lectures' table of the X, cut to two digits, and the sums over three channels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lecture_tables import CROSS, SLIDE
from PIL import Image
from scipy.signal import correlate2d

# Found with SciPy from the lecture's pixels and kernels, as the test does again below.
OUTPUT = [
    [-25, 466, 466, 475, 653],
    [295, 787, 798, 812, 671],
    [291, 776, 784, 800, 659],
    [293, 771, 773, 782, 645],
    [159, 328, 324, 319, 335],
]
PIXELS = """
156 155 156 158 158 / 153 154 157 159 159 / 149 151 155 158 159 / 146 146 149 153 158 / 145 143 143 148 158
167 166 167 169 169 / 164 165 168 170 170 / 160 162 166 169 170 / 156 156 159 163 168 / 155 153 153 158 168
163 162 163 165 165 / 160 161 164 166 166 / 156 158 162 165 166 / 155 155 158 162 167 / 154 152 152 157 167
"""
KERNELS = [
    [[-1, -1, 1], [0, 1, -1], [0, 1, 1]],
    [[1, 0, 0], [1, -1, -1], [1, 0, -1]],
    [[0, 1, 1], [0, 1, 0], [1, -1, 1]],
]


def test_the_table_and_the_sums_are_the_lectures(
    run_example: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shown = run_example("conv2d_by_hand.py")
    printed = capsys.readouterr().out

    assert sorted(map(tuple, np.argwhere(shown["image"] == 1).tolist())) == CROSS
    assert (shown["image"] == -1).sum() == 81 - len(CROSS)
    assert shown["table"].split() == SLIDE.split()
    assert SLIDE in printed
    assert shown["cut"](shown["first"]) == "0.77"

    assert shown["corner_sums"] == [308, -498, 164]
    assert shown["corner"] == -25
    assert "308 - 498 + 164 + 1 = -25\n" in printed
    np.testing.assert_array_equal(
        shown["padded"][:, :3, :3],
        [
            [[0, 0, 0], [0, 156, 155], [0, 153, 154]],
            [[0, 0, 0], [0, 167, 166], [0, 164, 165]],
            [[0, 0, 0], [0, 163, 162], [0, 160, 161]],
        ],
    )
    np.testing.assert_array_equal(shown["output"], OUTPUT)
    assert str(np.array(OUTPUT)) in printed
    channels = [np.array([row.split() for row in line.split("/")], int) for line in PIXELS.strip().splitlines()]
    again = sum(correlate2d(channel, kernel, "same") for channel, kernel in zip(channels, KERNELS, strict=True)) + 1
    np.testing.assert_array_equal(shown["output"], again)

    for name in ("conv2d_by_hand.png", "three_channels.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 350
