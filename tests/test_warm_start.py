"""Beginning with the weights of another run."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import Log, make_folder, options, without_pictures

from tinyseg import engine
from tinyseg.checkpoint import load
from tinyseg.errors import InputError


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"))


class Started(Log):
    """Keeps the report and the weights that training begins with."""

    def warm_started(self, report: Any) -> None:
        self.report = report

    def started(self, trainer: Any) -> None:
        self.weights = {name: value.numpy().copy() for name, value in trainer.model.state_dict().items()}


def train(root: Path, folder: Path, **changes: Any) -> Started:
    log = Started()
    engine.train(engine.prepare(options(root, epochs=1, **changes)), folder, log, workers=0)
    return log


def test_fcn16s_begins_as_fcn32s_ended(root: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"model_options": {"backbone": "small"}}
    train(root, tmp_path / "coarse", model="fcn32s", **given)
    log = train(root, tmp_path / "fine", model="fcn16s", init_from=str(tmp_path / "coarse"), **given)
    kept = load(tmp_path / "coarse" / "best.safetensors").weights
    new = {"score4.weight", "score4.bias", "up5.weight"}
    assert set(log.report.fresh) == new
    for name in log.report.copied:
        np.testing.assert_array_equal(log.weights[name], kept[name].numpy())
    with (tmp_path / "fine" / "warm_start.csv").open(newline="") as file:
        rows = {row["key"]: row["outcome"] for row in csv.DictReader(file)}
    assert rows["score5.weight"] == "copied"
    assert rows["score4.bias"] == "fresh"
    before, after = (engine.read_folder(tmp_path / name).data for name in ("coarse", "fine"))
    assert (before.mean, before.std) == (after.mean, after.std)


def test_other_classes_get_new_scores(root: Path, tmp_path: Path) -> None:
    train(root, tmp_path / "two")
    for part in ("train", "val"):  # without the file that names two classes
        shutil.copytree(root / part, tmp_path / "data" / part)
    log = train(tmp_path / "data", tmp_path / "three", num_classes=3, init_from=str(tmp_path / "two"))
    assert log.report.other_shape == ("score.weight", "score.bias")
    assert "down.0.0.weight" in log.report.copied


def test_what_cannot_be_begun_with_is_refused(root: Path, tmp_path: Path) -> None:
    train(root, tmp_path / "unet")
    with pytest.raises(InputError, match="no weights that fcn8s has a place for"):
        train(root, tmp_path / "run", model="fcn8s", model_options={}, init_from=str(tmp_path / "unet"))
    assert not (tmp_path / "run").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"config.toml: no such file"):
        train(root, tmp_path / "run", init_from=str(tmp_path / "empty"))


def test_two_stages(root: Path, tmp_path: Path) -> None:
    """The front end learns without the context module, and stays as it is when that learns."""
    given: dict[str, Any] = {"model": "dilatednet", "model_options": {"width": 1, "context": "basic"}, "lr": 1e-3}
    train(root, tmp_path / "front", stage="front-end", **given)
    front = load(tmp_path / "front" / "last.safetensors").weights
    log = train(root, tmp_path / "all", stage="context", init_from=str(tmp_path / "front"), **given)
    context = [name for name in log.weights if name.startswith("context.")]
    for name in context:  # untouched so far: the identity
        np.testing.assert_array_equal(front[name].numpy(), log.weights[name])
    done = load(tmp_path / "all" / "last.safetensors").weights
    for name, value in done.items():
        same = bool((value.numpy() == front[name].numpy()).all())
        assert same or name in context
    assert any((done[name].numpy() != front[name].numpy()).any() for name in context)
    model, _ = engine.load_model(engine.open_run(tmp_path / "front"))
    assert model.stage == "front-end"
