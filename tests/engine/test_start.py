"""Beginning with the weights of another run, or with a part of a file's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_runs import Log, make_folder, options, without_pictures

import tinyseg
from tinyseg import engine, models, nn, viz
from tinyseg.checkpoint import load
from tinyseg.engine.training.learner import Learner
from tinyseg.errors import InputError


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"))


def values(model: nn.Module) -> dict[str, Any]:
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


class Started(Log):
    """Keeps the report and the weights that training begins with."""

    def loaded(self, report: Any) -> None:
        self.report = report

    def started(self, trainer: Any) -> None:
        self.weights = values(trainer.model)


def train(root: Path, folder: Path, **changes: Any) -> Started:
    log = Started()
    engine.train(engine.prepare(options(root, epochs=1, **changes)), folder, log, workers=0)
    return log


def test_fcn16s_begins_as_fcn32s_ended(root: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"model_options": {"backbone": "small"}}
    train(root, tmp_path / "coarse", model="fcn32s", **given)
    log = train(root, tmp_path / "fine", model="fcn16s", weights=str(tmp_path / "coarse"), **given)
    kept = load(tmp_path / "coarse" / "best.safetensors").weights
    new = {"score4.weight", "score4.bias", "up5.weight", "up.weight"}
    assert {entry.ours for entry in log.report.of("missing", "skipped")} == new
    assert not log.report.needs_random_start
    for entry in log.report.of("loaded"):
        np.testing.assert_array_equal(log.weights[entry.ours], kept[entry.theirs].numpy())
    for name in ("score4.weight", "score4.bias"):
        assert not log.weights[name].any()
    listed = (tmp_path / "fine" / "weights.txt").read_text(encoding="utf-8").splitlines()
    assert "loaded     score5.weight" in listed
    assert "missing    score4.bias (starts at zero)" in listed
    before, after = (engine.read_folder(tmp_path / name).data for name in ("coarse", "fine"))
    assert (before.mean, before.std) == (after.mean, after.std)


def test_other_classes_get_new_scores(root: Path, tmp_path: Path) -> None:
    train(root, tmp_path / "two")
    for part in ("train", "val"):  # without the file that names two classes
        shutil.copytree(root / part, tmp_path / "data" / part)
    log = train(tmp_path / "data", tmp_path / "three", num_classes=3, weights=str(tmp_path / "two"))
    left = {entry.named() for entry in log.report.of("skipped")}
    assert left == {
        "score.weight (for other classes: 2x4x1x1, here 3x4x1x1)",
        "score.bias (for other classes: 2, here 3)",
    }
    assert "down.0.0.weight" in {entry.ours for entry in log.report.of("loaded")}


def test_what_cannot_be_begun_with_is_refused(root: Path, tmp_path: Path) -> None:
    train(root, tmp_path / "unet")
    with pytest.raises(InputError, match=r"do not fit fcn8s: .* missing"):
        train(root, tmp_path / "run", model="fcn8s", model_options={}, weights=str(tmp_path / "unet"))
    assert not (tmp_path / "run").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"config.toml: no such file"):
        train(root, tmp_path / "run", weights=str(tmp_path / "empty"))


def test_two_stages(root: Path, tmp_path: Path) -> None:
    """The front end learns without the context module, and stays as it is when that learns."""
    given: dict[str, Any] = {"model": "dilatednet", "model_options": {"width": 1, "context": "basic"}, "lr": 1e-3}
    train(root, tmp_path / "front", stage="front-end", **given)
    front = load(tmp_path / "front" / "last.safetensors").weights
    log = train(root, tmp_path / "all", stage="context", weights=str(tmp_path / "front"), **given)
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


def test_the_stages_may_have_different_context_modules(root: Path, tmp_path: Path) -> None:
    """As the presets have them: a front end for both. The wide module begins as it does without weights."""
    given: dict[str, Any] = {"model": "dilatednet", "lr": 1e-3, "seed": 3}
    train(root, tmp_path / "front", stage="front-end", model_options={"width": 1, "context": "basic"}, **given)
    wide = {"width": 1, "context": "large"}
    log = train(root, tmp_path / "all", stage="context", weights=str(tmp_path / "front"), model_options=wide, **given)
    assert not log.report.problems
    tinyseg.manual_seed(3)
    drawn = models.create("dilatednet", num_classes=2, **wide).state_dict()
    front = load(tmp_path / "front" / "best.safetensors").weights
    for name, value in log.weights.items():
        source = drawn if name.startswith("context.") else front
        np.testing.assert_array_equal(value, source[name].numpy())
    none = engine.prepare(
        options(root, **given, weights=str(tmp_path / "all"), model_options={"width": 1, "context": "none"})
    )
    assert none.start is not None
    assert {entry.note for entry in none.start.report.of("skipped")} == {"of another context module"}


def test_a_front_end_that_is_not_complete_is_refused(root: Path, tmp_path: Path) -> None:
    """It is frozen, and would stay random: as from a classifier, which has no scores of pixels."""
    classifier = models.create("vgg16", num_classes=4, width=1)
    np.savez(tmp_path / "vgg16.npz", **values(classifier))
    given: dict[str, Any] = {
        "model": "dilatednet",
        "model_options": {"width": 1},
        "weights": str(tmp_path / "vgg16.npz"),
    }
    assert engine.prepare(options(root, stage="front-end", **given)).start is not None
    with pytest.raises(InputError, match=r"--stage context needs the front end of a run .*: --weights RUN"):
        engine.prepare(options(root, stage="context", **{**given, "weights": None}))
    with pytest.raises(InputError, match=r"is no front end for these classes: 2 missing .*front_end\.final\.weight"):
        engine.prepare(options(root, stage="context", **given))


def test_a_run_with_weights_is_made_again_from_its_configuration(root: Path, tmp_path: Path) -> None:
    train(root, tmp_path / "first")
    arrays = {name: value.numpy() for name, value in load(tmp_path / "first" / "best.safetensors").weights.items()}
    del arrays["merge.0.0.weight"]
    np.savez(tmp_path / "part.npz", **arrays)
    train(root, tmp_path / "second", weights=str(tmp_path / "part.npz"), partial_weights=True)
    config = engine.read_folder(tmp_path / "second")
    assert (config.training.weights, config.training.partial_weights) == (str(tmp_path / "part.npz"), True)
    log = Started()
    engine.train(engine.prepare(engine.options_of(config)), tmp_path / "third", log, workers=0)
    first, second = (load(tmp_path / name / "last.safetensors").weights for name in ("second", "third"))
    for name, value in first.items():
        np.testing.assert_array_equal(value.numpy(), second[name].numpy())


def test_the_rate_is_sought_from_where_the_run_begins(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(root, tmp_path / "first")
    plan = engine.prepare(options(root, weights=str(tmp_path / "first")))
    assert plan.start is not None
    begun: list[Any] = []
    learn = Learner.learn

    def watched(self: Learner, *batch: Any, **last: Any) -> float | None:
        begun.append(values(self.model))
        return learn(self, *batch, **last)

    monkeypatch.setattr(Learner, "learn", watched)
    monkeypatch.setattr(viz, "save_rates", lambda path, *rest: path.write_bytes(b""))
    engine.find_lr(plan, tmp_path / "lr.png", steps=2, workers=0)
    for name, value in load(tmp_path / "first" / "best.safetensors").weights.items():
        np.testing.assert_array_equal(begun[0][name], value.numpy())


def test_training_state_beside_the_weights_is_told_in_one_line(root: Path, tmp_path: Path) -> None:
    train(root, tmp_path / "first", ema=0.9, optimizer="sgd")
    log = train(root, tmp_path / "second", weights=str(tmp_path / "first" / "last.safetensors"))
    (told,) = log.report.weights.beside()
    assert told.startswith("beside them: state/average/weights/down.0.0.weight and ")
    assert told.endswith(" more are training state")
