"""FCN-32s, 16s, 8s side by side: the weights handed on, the table's formulas, finer outlines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

RunExample = Callable[..., dict[str, Any]]


def test_finer_strides_are_better(
    run_example: RunExample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run_example("fcn_skips.py", "--quick")
    table = found["table"]
    coarse, middle, fine = (table[name] for name in ("FCN-32s", "FCN-16s", "FCN-8s"))
    assert coarse.num_pixels == middle.num_pixels == fine.num_pixels == len(found["test_set"]) * 64 * 64
    assert coarse.frequency_weighted_iu < fine.frequency_weighted_iu
    assert coarse.mean_iu < min(middle.mean_iu, fine.mean_iu)
    assert found["outlines"]["FCN-8s"].mean_f1 > found["outlines"]["FCN-32s"].mean_f1

    # The paper's formulas, from the pixels.
    n = np.zeros((6, 6))
    for predicted, truth in found["predictions"](found["fine"]):
        np.add.at(n, (truth, predicted), 1)
    t, correct = n.sum(1), n.diagonal()
    iu = correct / (t + n.sum(0) - correct)
    four = correct.sum() / t.sum(), (correct / t).mean(), iu.mean(), (t * iu).sum() / t.sum()
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if line.startswith("FCN-8s"))
    assert row.split()[1:5] == [f"{100 * value:.1f}" for value in four]

    # A skip whose scores are zero changes nothing but the upsampling, which goes in two steps now.
    assert found["before_learning"].pixel_accuracy == pytest.approx(found["at_32s"].pixel_accuracy, abs=0.05)

    for name in ("fcn_skips.png", "fcn_skips_scores.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width >= 600
