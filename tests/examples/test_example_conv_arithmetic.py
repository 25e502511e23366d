"""The example's windows are those of the paper and of hand calculation, its numbers SciPy's; its GIFs move."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.signal import convolve2d, correlate2d

# Dumoulin and Visin 2016, figures 1.1 and 1.2.
INPUT = [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]]
KERNEL = [[0, 1, 2], [2, 2, 0], [0, 1, 2]]
NO_PADDING = [[12, 12, 17], [10, 17, 19], [9, 6, 14]]
STRIDED = [[6, 17, 3], [8, 17, 13], [6, 4, 4]]
THREE = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]

# What some outputs are made of, by hand: output -> {input pixel: number of the weight, 1 to 9 row by row}.
MEETINGS: dict[str, dict[tuple[int, int], dict[tuple[int, int], int]]] = {
    "no_padding": {(0, 1): {(i, j + 1): 1 + 3 * i + j for i in range(3) for j in range(3)}},
    "padding": {(0, 0): {(0, 0): 5, (0, 1): 6, (1, 0): 8, (1, 1): 9}},
    "strided": {(0, 1): {(0, 1): 4, (0, 2): 5, (0, 3): 6, (1, 1): 7, (1, 2): 8, (1, 3): 9}},
    "dilated": {(1, 0): {(2 * i + 1, 2 * j): 1 + 3 * i + j for i in range(3) for j in range(3)}},
    "transposed": {(0, 0): {(0, 0): 1}, (1, 1): {(0, 0): 5, (0, 1): 4, (1, 0): 2, (1, 1): 1}},
    "transposed_strided": {
        (0, 0): {(0, 0): 5},
        (0, 1): {(0, 0): 6, (0, 1): 4},
        (1, 0): {(0, 0): 8, (1, 0): 2},
        (1, 1): {(0, 0): 9, (0, 1): 7, (1, 0): 3, (1, 1): 1},
    },
}
SIZES = {"no_padding": 3, "padding": 5, "strided": 3, "dilated": 3, "transposed": 5, "transposed_strided": 5}


def test_windows_numbers_and_animations(
    run_example: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shown = run_example("conv_arithmetic.py")
    printed = capsys.readouterr().out
    meetings = shown["meetings"]
    assert sorted(meetings) == sorted(MEETINGS)

    apart = np.zeros((5, 5))
    apart[::2, ::2] = THREE
    dilated_kernel = np.zeros((5, 5))
    dilated_kernel[::2, ::2] = KERNEL
    outputs = {
        "no_padding": NO_PADDING,
        "padding": correlate2d(INPUT, KERNEL, "same"),
        "strided": STRIDED,
        "dilated": correlate2d(shown["SIX"]["dilated"].image, dilated_kernel, "valid"),
        "transposed": convolve2d(THREE, KERNEL),
        "transposed_strided": convolve2d(apart, KERNEL)[1:-1, 1:-1],
    }
    for name, wanted in outputs.items():
        np.testing.assert_array_equal(meetings[name].output, wanted, err_msg=name)
        assert str(np.array(wanted, int)) in printed

    for name, by_output in MEETINGS.items():
        meeting, size = meetings[name], SIZES[name]
        assert meeting.output.shape == (size, size)
        for (i, j), pixels in by_output.items():
            found = meeting.by_operator[i * size + j]
            by_pixel = {(row, column): found[row, column] for row, column in np.argwhere(found).tolist()}
            assert by_pixel == pixels, (name, i, j)
        # What is drawn agrees with the operator where pixels are, and has all nine weights of the window.
        pixels_drawn = meeting.weights[:, meeting.is_pixel].reshape(meeting.by_operator.shape)
        np.testing.assert_array_equal(pixels_drawn, meeting.by_operator)
        assert all(sorted(window[window > 0]) == list(range(1, 10)) for window in meeting.weights)
        np.testing.assert_array_equal(meeting.ground[~meeting.is_pixel], 0)
    assert shown["sum_of_products"](meetings["no_padding"], 0) == (
        "3·0 + 3·1 + 2·2 + 0·2 + 0·2 + 1·0 + 3·0 + 1·1 + 2·2 = 12"
    )

    for name, size in SIZES.items():
        path = tmp_path / f"{name}.gif"
        assert path.stat().st_size < 300_000
        with Image.open(path) as animation:
            assert animation.n_frames == size * size
            assert animation.info["loop"] == 0
    for name in ("conv_arithmetic.png", "transposed_strided_steps.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 700
            assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
