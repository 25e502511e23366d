"""The papers' networks in the engine, as ``tinyseg train``, ``evaluate`` and ``predict`` use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_runs import make_folder, options, without_pictures

from tinyseg import engine
from tinyseg.checkpoint import load


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"), train=4, val=2, size=(45, 39))


@pytest.mark.parametrize(
    ("model", "own"),
    [
        ("fcn8s", {"backbone": "vgg16"}),
        ("fcn16s", {"backbone": "alexnet", "form": "torchvision"}),
        ("fcn32s_fixed", {"backbone": "googlenet", "form": "torchvision"}),
        ("dilatednet", {"context": "large", "context_padding": "first"}),
        ("deeplab", {"head": "aspp-s"}),
    ],
)
def test_a_network_is_trained_evaluated_and_used(
    model: str, own: dict[str, Any], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks of any size see images as they are; those of a run that is over are what is evaluated."""
    without_pictures(monkeypatch)
    plan = engine.prepare(options(root, model=model, model_options={**own, "width": 2}, epochs=1))
    result = engine.train(plan, tmp_path / "run", workers=1)
    _, found = engine.evaluate(result.folder, workers=1)
    assert found.loss == pytest.approx(result.history[0].val_loss, rel=1e-3)
    (prediction,) = engine.predict(result.folder, [root / "val" / "images" / "0.png"], tmp_path / "out")
    assert np.asarray(Image.open(prediction.mask)).shape == (45, 39)
    weights = load(result.folder / "best.safetensors").weights
    assert all(np.isfinite(value.numpy()).all() for value in weights.values())
