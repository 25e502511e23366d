"""``examples/convolutionalize.py``: AlexNet's sizes, and a window that slides against one pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RunExample = Callable[..., dict[str, Any]]


def test_example_convolutionalize(run_example: RunExample, tmp_path: Path) -> None:
    shown = run_example("convolutionalize.py", "--quick")

    # Krizhevsky, Sutskever and Hinton 2012, and Long, Shelhamer and Darrell 2015, section 3.1: 227 pixels to one
    # answer, 500 x 500 to 10 x 10; the strides of figure 2's maps.
    assert shown["sides"] == [227, 55, 27, 13, 6, 1]
    assert shown["table"]["fc8, the scores"][1].shape == (1000, 10, 10)
    assert [layers[0].stride[0] for layers in shown["table"].values()] == [4, 8, 16, 32, 32, 32]
    # Multiply-adds of one window by hand: a unit of conv2, 4 and 5 sees half of the channels.
    convolutions = (
        55**2 * 96 * 11**2 * 3 + 27**2 * 256 * 25 * 48 + 13**2 * 9 * (384 * 256 + 384 * 192 + 256 * 192)
    )  # fmt: skip
    assert shown["one_window"] == convolutions + 4096 * 6 * 6 * 256 + 4096**2 + 4096 * 1000
    assert shown["saving"] > 5

    # The same answer: rounding apart, of scores that are far larger.
    assert shown["difference"] < 1e-5 * shown["largest"]
    assert shown["scores"][0].shape == (1, 6, 48 // 4, 144 // 4)
    first = 28**2 * 16 * 5 * 5 * 3 + 12**2 * 32 * 9 * 16
    assert shown["window_work"] == first + 64 * 6 * 6 * 32 + 6 * 64
    assert shown["work_saving"] > 10

    # It has learnt something: 1/6 would be chance, and all background scores 1/6 of its share.
    assert shown["crop_accuracy"] > 0.35
    assert shown["confusion"].mean_iu > 1.5 * shown["background"] / 6
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "convolutionalize_crops.png",
        "convolutionalize_heat.png",
    ]
    assert shown["heat"][0].sum(0) == pytest.approx(1, abs=1e-5)
