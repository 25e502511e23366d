"""SIFT Flow's two heads in training: a second mask beside the first, a second loss, a second score."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import call
from layouts import sift_flow
from tiny_runs import Log, make_folder, without_pictures

import tinyseg
from tinyseg import engine, models
from tinyseg.checkpoint import load
from tinyseg.data import AUGMENTATIONS, Batch, Compose, Sample, WithGeometric, augmentations, open_dataset
from tinyseg.engine.parts.objective import Objective
from tinyseg.engine.parts.pipeline import create_model, training_loader
from tinyseg.engine.training.learner import Learner
from tinyseg.errors import InputError

MODEL = {"backbone": "alexnet", "width": 1, "geometric_classes": 3}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sift_flow(tmp_path_factory.mktemp("sift"))


def options(root: Path, **changes: Any) -> engine.TrainOptions:
    given: dict[str, Any] = {"model": "fcn32s", "model_options": MODEL, "epochs": 1, "batch_size": 3}
    return engine.TrainOptions(data="sift-flow", root=str(root), schedule="constant", **{**given, **changes})


def test_samples_have_both_masks(root: Path) -> None:
    dataset = open_dataset("sift-flow", "train", root=root, geometric=3)
    sample = dataset[0]
    assert sample.mask[:3, 0].tolist() == [255, 0, 32]
    assert sample.extra["geometric"][:3, 0].tolist() == [255, 0, 2]
    other = open_dataset("sift-flow-geometric", "val", root=root)
    with pytest.raises(InputError, match="have other images, or in another order"):
        WithGeometric(dataset, other)


def test_both_masks_are_moved_alike() -> None:
    """By every augmentation: where they are equal before, they are equal afterwards."""
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 5, (40, 48), np.uint8)
    image = rng.integers(0, 256, (40, 48, 3), np.uint8)
    steps = Compose(augmentations(tuple(AUGMENTATIONS), (32, 32)))
    changed = steps(Sample(image, mask, "a", extra={"geometric": mask.copy()}), np.random.default_rng(1))
    assert (changed.mask != mask[4:36, 8:40]).any()
    np.testing.assert_array_equal(changed.extra["geometric"], changed.mask)
    swap = Compose([lambda image, mask: (image[:, ::-1].copy(), mask[:, ::-1].copy())])
    with pytest.raises(ValueError, match="a second mask that would stay behind"):
        swap(Sample(image, mask, "a", extra={"geometric": mask}), rng)


def test_the_loss_is_that_of_both_heads(root: Path) -> None:
    """Where no pixel has a geometric class, the semantic one is left."""
    config = engine.prepare(options(root)).config
    objective, model = Objective(config), create_model(config)
    labels = np.array([[[0, 32, 255]]])
    scores = models.Outputs(tinyseg.randn(1, 33, 1, 3), {"geometric": tinyseg.randn(1, 3, 1, 3)})
    for geometric in ([[[2, 0, 1]]], [[[255, 1, 255]]]):
        extra = {"geometric": np.array(geometric)}
        batch = Batch(np.zeros((1, 3, 1, 3), np.float32), labels, ["a"], extra=extra)
        truth = tinyseg.tensor(labels), tinyseg.tensor(extra["geometric"])
        found = model.loss_of(scores, truth[0], objective, objective.counted(batch, {"geometric": truth[1]})).item()
        assert found == pytest.approx(models.joint_loss(scores, *truth).item(), rel=1e-6)
    batch = batch._replace(extra={"geometric": np.full((1, 1, 3), 255)})
    void = {"geometric": tinyseg.tensor(batch.extra["geometric"])}
    found = model.loss_of(scores, truth[0], objective, objective.counted(batch, void)).item()
    assert found == objective(scores.logits, truth[0]).item()


def test_both_heads_are_trained_and_scored(root: Path, tmp_path: Path) -> None:
    """At a rate of nearly nothing all scores stay zero: the losses are the logarithms of the numbers of classes, and
    everything is class 0, which half of the pixels are.
    """
    log = Log()
    still = engine.train(engine.prepare(options(root, lr=1e-30, batch_size=6)), tmp_path / "still", log, workers=0)
    assert log.losses == [pytest.approx(math.log(33) + math.log(3), rel=1e-6)]
    assert still.history[0].val_loss == pytest.approx(math.log(33) + math.log(3), rel=1e-6)
    assert still.history[0].extra_accuracies == {"geometric": 0.5}
    engine.train(engine.prepare(options(root)), tmp_path / "run", workers=0)
    weights = load(tmp_path / "run" / "last.safetensors").weights
    for name in ("score_fr.weight", "score_fr_geo.weight"):
        assert np.abs(weights[name].numpy()).max() > 0
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").read_text(encoding="utf-8").splitlines()))
    result = call("evaluate", tmp_path / "run", "--json")
    assert float(rows[0]["geometric_accuracy"]) == json.loads(result.stdout)["geometric_accuracy"]
    table = call("evaluate", tmp_path / "run", "--split", "test").stdout
    assert "geometric accuracy 0." in table


def test_a_run_with_two_heads_goes_on_to_the_same_bits(root: Path, tmp_path: Path) -> None:
    whole = engine.train(engine.prepare(options(root, epochs=2)), tmp_path / "whole", workers=0)
    engine.train(engine.prepare(options(root)), tmp_path / "parts", workers=0)
    parts = engine.resume(tmp_path / "parts", epochs=2, workers=1)
    for one, other in zip(whole.history, parts.history, strict=True):
        assert (one.train_loss, one.extra_accuracies) == (other.train_loss, other.extra_accuracies)
    one, other = (load(tmp_path / name / "last.safetensors").weights for name in ("whole", "parts"))
    for name, value in one.items():
        np.testing.assert_array_equal(value.numpy(), other[name].numpy())


def test_a_second_head_that_is_not_finite_is_named(root: Path) -> None:
    plan = engine.prepare(options(root))
    found = Learner(plan.config, create_model(plan.config), batches=1)
    found.model.score_fr_geo.register_forward_hook(lambda module, inputs, outputs: outputs + math.inf)
    (batch, *_) = training_loader(plan.config, plan.train_set, workers=0).epoch(0)
    with pytest.raises(engine.DivergenceError, match=r"First not finite: the output of the layer score_fr_geo"):
        found.learn(batch, last=True)


def test_geometric_classes_that_there_are_not_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must be 3 \(sky, horizontal, vertical\), got 4"):
        engine.prepare(options(root, model_options={**MODEL, "geometric_classes": 4}))
    folder = make_folder(tmp_path / "data")
    with pytest.raises(InputError, match="the data set 'folder' has no geometric classes; sift-flow has"):
        engine.prepare(engine.TrainOptions(data="folder", root=str(folder), model="fcn32s", model_options=MODEL))
