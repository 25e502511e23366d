"""The example prints the lectures' matrices, letter by letter, and the operators agree with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lecture_tables import STRIDE_1, STRIDE_1_TRANSPOSED, STRIDE_2, STRIDE_2_TRANSPOSED
from PIL import Image

PADDING_0_TRANSPOSED = """
x 0
y 0
z x
0 y
0 z
"""


def test_the_matrices_and_products_are_the_lectures(
    run_example: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shown = run_example("conv1d_as_matrix.py")
    printed = capsys.readouterr().out
    for name, table in (("X", STRIDE_1), ("X2", STRIDE_2), ("upsampling", PADDING_0_TRANSPOSED)):
        assert str(shown[name]) == table.strip()
        assert table in printed
    for name, table in (("X", STRIDE_1_TRANSPOSED), ("X2", STRIDE_2_TRANSPOSED)):
        assert str(shown[name].T) == table.strip()
        assert table in printed

    products = {
        "output": "ay+bz, ax+by+cz, bx+cy+dz, cx+dy",
        # Where lectures print bx+cy+dz, their matrix says bz+cy+dx.
        "transposed_output": "ax, ay+bx, az+by+cx, bz+cy+dx, cz+dy, dz",
        "output2": "ay+bz, bx+cy+dz",
        "transposed_output2": "ax, ay, az+bx, by, bz, 0",
        "upsampled": "ax, ay, az+bx, by, bz",
    }
    for name, product in products.items():
        assert ", ".join(shown[name]) == product
        assert f"output: {product}\n" in printed

    # The third letter of each row, and what comes out with an x there.
    assert shown["places_of_z"](shown["X"]) == [(1, 3), (2, 4), (3, 5), (4, 6)]
    assert shown["places_of_z"](shown["X2"]) == [(1, 3), (2, 5)]
    assert shown["misprinted_output"] == ["ay+bx", "ax+by+cx", "bx+cy+dx", "cx+dy"]

    # x, y, z = 1, 2, 3 and a, b, c, d = 1, 10, 100, 1000 in the sums above.
    numbers = {
        "convolved": [32, 321, 3210, 2100],
        "transposed": [1, 12, 123, 1230, 2300, 3000],
        "convolved2": [32, 3210],
        "transposed2": [1, 2, 13, 20, 30, 0],
        "transposed2_short": [1, 2, 13, 20, 30],
        "ordinary": [1, 12, 123, 1230, 2300, 3000],
        "gradient": [1, 12, 123, 1230, 2300, 3000],
    }
    for name, values in numbers.items():
        np.testing.assert_array_equal(shown[name], values, err_msg=name)
        assert f" {' '.join(map(str, values))}\n" in printed
    matrix = [[1, 2, 3, 0, 0, 0], [0, 1, 2, 3, 0, 0], [0, 0, 1, 2, 3, 0], [0, 0, 0, 1, 2, 3]]
    for name in ("X_numbers", "X_tried", "X_defined"):
        np.testing.assert_array_equal(shown[name], matrix, err_msg=name)
    for name in ("T_numbers", "T_tried", "T_defined"):
        np.testing.assert_array_equal(shown[name], np.transpose(matrix), err_msg=name)

    with Image.open(tmp_path / "conv1d_as_matrix.png") as picture:
        assert min(picture.size) > 500
