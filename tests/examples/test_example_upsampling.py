"""The example prints the lectures' ways to enlarge [[1, 2], [3, 4]]; two steps are a transposed convolution."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.signal import convolve2d

X = [[1, 2], [3, 4]]
KERNEL = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
PICTURES = {
    "nearest": [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]],
    "nails": [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]],
    "bilinear": [[1, 1.25, 1.75, 2], [1.5, 1.75, 2.25, 2.5], [2.5, 2.75, 3.25, 3.5], [3, 3.25, 3.75, 4]],
    "bilinear_corners": np.add.outer([1, 5 / 3, 7 / 3, 3], [0, 1 / 3, 2 / 3, 1]),
    "pooled": [[5, 6], [7, 8]],
    "unpooled": [[0, 0, 2, 0], [0, 1, 0, 0], [0, 0, 0, 0], [3, 0, 0, 4]],
}
# By stride and padding: 1, 2, 3, 4 each lay down the kernel times themselves; added by hand. Padding cuts the border.
TRANSPOSED = {
    (1, 0): [[1, 4, 7, 6], [7, 23, 33, 24], [19, 53, 63, 42], [21, 52, 59, 36]],
    (1, 1): [[23, 33], [53, 63]],
    (2, 0): [
        [1, 2, 5, 4, 6],
        [4, 5, 14, 10, 12],
        [10, 14, 36, 24, 30],
        [12, 15, 34, 20, 24],
        [21, 24, 55, 32, 36],
    ],
    (2, 1): [[5, 14, 10], [14, 36, 24], [15, 34, 20]],
}


def test_enlarged_pictures_are_the_lectures(
    run_example: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shown = run_example("upsampling.py")
    printed = capsys.readouterr().out

    np.testing.assert_array_equal(shown["x"].numpy(), [[X]])
    np.testing.assert_array_equal(
        shown["before"].numpy(), [[[[1, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]]]]
    )
    for name, wanted in PICTURES.items():
        np.testing.assert_allclose(shown[name].numpy()[0, 0], wanted, rtol=1e-6, err_msg=name)
    assert shown["places"].numpy().ravel().tolist() == [5, 2, 12, 15]  # (1,1), (0,2), (3,0), (3,3)
    for name in ("nearest", "nails", "bilinear", "unpooled"):
        table = "".join(" ".join(["  ", *(f"{value:5g}" for value in row)]) + "\n" for row in PICTURES[name])
        assert table in printed, name

    for (stride, padding), wanted in TRANSPOSED.items():
        spread, bordered, two_steps, at_once = (step.numpy()[0, 0] for step in shown["steps"][stride, padding])
        zeros = np.zeros((1 + stride, 1 + stride))
        zeros[::stride, ::stride] = X
        np.testing.assert_array_equal(spread, zeros)
        np.testing.assert_array_equal(bordered, np.pad(zeros, 2 - padding))
        np.testing.assert_array_equal(two_steps, wanted)
        np.testing.assert_array_equal(at_once, wanted)
        np.testing.assert_array_equal(convolve2d(zeros, KERNEL), TRANSPOSED[stride, 0])  # SciPy's turns the kernel
    assert printed.count("conv_transpose2d gives the same: True") == 4

    assert shown["overlaps"]["kernel 3, stride 2"].tolist() == [[1, 2], [2, 4]]
    assert shown["overlaps"]["kernel 4, stride 2"].tolist() == [[4, 4], [4, 4]]
    assert shown["overlaps"]["bilinear, then kernel 3"].tolist() == [[9, 9], [9, 9]]
    equal, random = zip(*shown["uneven"].values(), strict=True)
    np.testing.assert_allclose(equal, [(4 - 1) / ((1 + 2 + 2 + 4) / 4), 0, 0], atol=1e-6)
    assert random[0] > 0.5
    assert random[1] > 0.3  # an even overlap does not help against weights that differ
    assert random[2] < 1e-5
    outer = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16  # Long, Shelhamer and Darrell's bilinear weights for factor 2
    np.testing.assert_allclose(shown["bilinear_weight"].numpy()[0, 0], outer)
    np.testing.assert_allclose(shown["by_transposed"], shown["by_resizing"], atol=1e-6)

    for name in ("upsampling.png", "two_steps.png", "checkerboard.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 400
