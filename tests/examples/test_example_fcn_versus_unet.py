"""FCN against U-Net: what is frozen stays as the classifier left it; parameters by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_runs import without_pictures

from tinyseg.checkpoint import load


def test_three_networks_on_one_trunk_or_none(
    run_example: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_pictures(monkeypatch)
    found = run_example("fcn_versus_unet.py", "--quick")
    assert found["trunk_accuracy"] > 0.5, "one of five forms is guessed by chance in a fifth of the crops"
    frozen, tuned, unet = found["comparison"].contenders
    # Two 1x1 convolutions from 64 channels to 6 classes, and a transposed one of 4x4 from 6 to 6.
    assert frozen.trainable_parameters == 2 * (64 * 6 + 6) + 6 * 6 * 4 * 4
    assert frozen.parameters == tuned.parameters == tuned.trainable_parameters
    assert unet.trainable_parameters == unet.parameters
    trunk = {name: value.numpy() for name, value in load(tmp_path / "trunk.safetensors").weights.items()}
    for one, stays in ((frozen, True), (tuned, False)):
        after = load(one.folder / "best.safetensors").weights
        same = [np.array_equal(value, after[name].numpy()) for name, value in trunk.items()]
        assert all(same) if stays else not any(same)
    for one in (frozen, tuned, unet):
        assert one.history[-1].train_loss < one.history[0].train_loss
    # Two epochs are enough for the head start of a trunk to show.
    assert max(frozen.history[-1].val_loss, tuned.history[-1].val_loss) < unet.history[-1].val_loss - 0.2
    pages = [path.name for path in (tmp_path / "compare").iterdir()]
    assert {"report.html", "report.json", "unet"} <= set(pages)
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {"val_loss.png", "pixel_accuracy.png", "mean_iu.png", "mean_iu_by_time.png", "predictions.png"}
