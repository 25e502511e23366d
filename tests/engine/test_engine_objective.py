"""Losses by name, weights of borders in training, scores on request."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import call
from scipy import ndimage
from tiny_runs import TINY_MODEL, make_folder, options, without_pictures

import tinyseg
from tinyseg import engine
from tinyseg.data import BorderWeights, Cells
from tinyseg.engine.config import recipes
from tinyseg.engine.parts.objective import LOSSES, Objective, check_loss
from tinyseg.engine.prediction.measures import METRICS, parse_metrics
from tinyseg.errors import InputError
from tinyseg.metrics import CellScores, RandScores
from tinyseg.nn import functional as F
from tinyseg.options.parsing import parse_border_weights, parse_loss_options


def config(folder: Path, **changes: Any) -> engine.Config:
    return engine.prepare(options(make_folder(folder, train=4, val=1), **changes)).config


@pytest.fixture
def logits() -> tinyseg.Tensor:
    return tinyseg.randn(2, 2, 4, 5)


def labels_of(seed: int = 0) -> np.ndarray[Any, Any]:
    labels = np.random.default_rng(seed).integers(0, 2, (2, 4, 5))
    labels[0, 0] = 255
    return labels


@pytest.mark.parametrize(
    ("given", "function"),
    [
        ({"loss": "ce"}, lambda x, y: F.cross_entropy(x, y, ignore_index=255)),
        ({"loss": "dice"}, lambda x, y: F.dice_loss(x, y, ignore_index=255)),
        (
            {"loss": "tversky", "loss_options": {"alpha": 0.2, "classes": "present"}},
            lambda x, y: F.tversky_loss(x, y, alpha=0.2, classes="present", ignore_index=255),
        ),
        (
            {"loss": "focal", "class_weights": (1.0, 3.0)},
            lambda x, y: F.focal_loss(x, y, weight=tinyseg.tensor([1.0, 3.0]), ignore_index=255),
        ),
    ],
)
def test_a_run_has_the_loss_that_it_names(
    logits: tinyseg.Tensor, tmp_path: Path, given: dict[str, Any], function: Any
) -> None:
    objective = Objective(config(tmp_path, **given))
    labels = tinyseg.tensor(labels_of())
    assert objective(logits, labels).item() == function(logits, labels).item()


def test_weights_of_pixels_take_the_place_of_those_of_classes(logits: tinyseg.Tensor, tmp_path: Path) -> None:
    """They have them in them already."""
    objective = Objective(config(tmp_path, class_weights=(1.0, 3.0)))
    labels = labels_of()
    weights = np.random.default_rng(1).uniform(0.5, 3, labels.shape).astype(np.float32)
    found = objective(logits, tinyseg.tensor(labels), tinyseg.tensor(weights)).item()
    expected = F.cross_entropy(logits, tinyseg.tensor(labels), ignore_index=255, pixel_weight=tinyseg.tensor(weights))
    assert found == expected.item()
    assert objective.total(labels, weights) == pytest.approx(weights[labels != 255].sum())
    counts = np.bincount(labels.ravel(), minlength=2)
    assert objective.total(labels) == counts[0] + 3 * counts[1]


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_trains(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    plan = engine.prepare(options(make_folder(tmp_path / "data", train=4, val=1), epochs=1, loss=name))
    result = engine.train(plan, tmp_path / "run", workers=1)
    assert np.isfinite([result.history[0].train_loss, result.history[0].val_loss]).all()
    again = engine.read_folder(tmp_path / "run")
    assert again.training.loss == name
    assert again == plan.config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "l2"}, "unknown --loss 'l2'; there are ce, focal, dice"),
        ({"loss": "dice", "loss_options": {"alpha": 1.0}}, "--loss dice has no option 'alpha'; there are smooth"),
        ({"loss": "boundary", "loss_options": {"alpha": 1.0}}, "--loss boundary has no option 'alpha'; it has none"),
        ({"loss": "dice", "loss_options": {"smooth": -1.0}}, "--loss dice: dice_loss: smooth must be"),
        ({"loss": "focal", "loss_options": {"gamma": "a"}}, "--loss focal: focal_loss: gamma must be"),
        ({"loss": "dice", "reduction": "sum"}, "--reduction sum is for --loss ce and focal, not for dice"),
        ({"border_weights": (10.0, 5.0)}, "tells no objects apart"),
    ],
)
def test_what_cannot_be_is_refused_before_training(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        config(tmp_path, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "best"}, "unknown --loss 'best'; there are ce, focal"),
        ({"loss_options": {"ignore_index": 3}}, "--loss ce has no option 'ignore_index'; there are label_smoothing"),
        ({"loss": "tversky", "loss_options": {"alpha": "much"}}, "--loss tversky: "),
    ],
)
def test_a_loss_that_only_a_file_names_is_refused_too(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """By evaluation and by resuming, which read it from config.toml."""
    whole = config(tmp_path)
    with pytest.raises(InputError, match=message):
        Objective(replace(whole, training=replace(whole.training, **changes)))


def test_a_loss_for_two_classes_says_so() -> None:
    check_loss("focal", {"alpha": 0.25}, 2)
    with pytest.raises(InputError, match=r"--loss focal: .* input has 3 classes"):
        check_loss("focal", {"alpha": 0.25}, 3)


def test_options_as_texts() -> None:
    assert parse_loss_options("alpha=0.3, classes=present,") == {"alpha": 0.3, "classes": "present"}
    assert parse_border_weights("10,5") == (10.0, 5.0)
    for text in ("alpha", "=3", "alpha="):
        with pytest.raises(InputError, match="--loss-options: expected NAME=VALUE"):
            parse_loss_options(text)
    for text in ("10", "a,b", "1,2,3"):
        with pytest.raises(InputError, match="--border-weights: expected W0,SIGMA"):
            parse_border_weights(text)


def test_options_in_files(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('loss = "tversky"\nborder-weights = [8, 4]\n[loss-options]\nalpha = 0.2\n', encoding="utf-8")
    found = {"loss": "tversky", "loss_options": {"alpha": 0.2}, "border_weights": (8.0, 4.0)}
    assert recipes.read_options(file) == found
    file.write_text('loss = "tversky"\nborder-weights = "8,4"\nloss-options = "alpha=0.2"\n', encoding="utf-8")
    assert recipes.read_options(file) == found
    assert recipes.layered(found, {"loss": "dice"}) == {"loss": "dice", "border_weights": (8.0, 4.0)}


# Weights of borders


def test_border_weights_move_with_their_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mirrored as the image is; and they are what the loss is weighted with."""
    from tinyseg.engine.parts.pipeline import training_loader

    monkeypatch.setattr("tinyseg.compilation.cache_folder", lambda name: tmp_path)
    given = {"data": "cells", "size": (64, 64), "batch_size": 4, **TINY_MODEL}
    made = engine.prepare(engine.TrainOptions(**given, border_weights=(10.0, 5.0), class_weights=(0.5, 2.0)))
    batch = next(training_loader(made.config, Cells(count=4, size=(64, 64)), 0).epoch(0))
    assert batch.weights is not None
    assert batch.weights.shape == batch.labels.shape
    # Inside of cells there is the class's weight alone, whichever way round the image is.
    assert np.unique(batch.weights[batch.labels == 1]).tolist() == [2.0]
    assert batch.weights[batch.labels == 0].min() == 0.5
    assert batch.weights.max() > 3
    plain = BorderWeights(Cells(count=4, size=(64, 64)), 10.0, 5.0, (0.5, 2.0))
    sums = sorted(float(plain[index].weights.sum()) for index in range(4))  # type: ignore[union-attr]
    assert sorted(batch.weights.sum((1, 2)).tolist()) == pytest.approx(sums, rel=1e-5)


# Scores on request


class Given(tinyseg.models.SegmentationModel):
    """Says what it is told to: the logits are the image's first two channels."""

    def __init__(self) -> None:
        super().__init__("given", num_classes=2, in_channels=3, stride=1)

    def logits(self, input: tinyseg.Tensor) -> tinyseg.Tensor:
        return tinyseg.cat([input[:, :1] * 0.0, input[:, :1] * 1.0], 1)


def test_scores_on_request_are_those_of_the_metrics(tmp_path: Path) -> None:
    from tinyseg.engine.parts.pipeline import evaluation_loader, open_split

    made = config(tmp_path)
    dataset = open_split(made.data, "val")
    found = engine.evaluate_model(Given(), evaluation_loader(made, dataset, 0), made, metrics=tuple(METRICS))
    cells, rand = CellScores(), RandScores()
    for batch in evaluation_loader(made, dataset, 0).epoch(0):
        for image, target in zip(batch.images, batch.labels, strict=True):
            four = ndimage.generate_binary_structure(2, 1)
            parts = [ndimage.label(mask, four)[0] for mask in (image[0] > 0, target == 1)]
            cells.update(*parts)
            rand.update(*parts)
    assert found.measures["cells"] == cells.as_dict()
    assert found.measures["rand"] == rand.as_dict()
    assert len(found.measures["boundary"]["boundary_f1"]) == 2
    assert found.as_dict()["rand"]["rand"] == rand.rand


def test_metrics_by_name() -> None:
    assert parse_metrics("") == ()
    assert parse_metrics("rand, cells,rand") == ("rand", "cells")
    with pytest.raises(InputError, match="unknown --metrics 'iou'; there are boundary, cells, rand, or all"):
        parse_metrics("iou")


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    monkeypatch.setattr("tinyseg.compilation.cache_folder", lambda name: tmp_path / "cache")
    monkeypatch.setattr("tinyseg.data.Cells.counts", {"train": 4, "val": 2, "test": 1})
    flags = ("--model", "unet", "--width", "4", "--depth", "2", "--batch-size", "4", "--epochs", "1", "--quiet")
    code, _, errors = call(
        "train", "--data", "cells", "--size", "64x64", *flags, "--loss", "dice+ce", "--loss-options", "ce_weight=0.5",
        "--border-weights", "10,5", "--out", tmp_path / "run",
    )  # fmt: skip
    assert (code, errors) == (0, "")
    training = engine.read_folder(tmp_path / "run").training
    assert (training.loss, training.loss_options, training.border_weights) == (
        "dice+ce",
        {"ce_weight": 0.5},
        (10.0, 5.0),
    )
    code, text, _ = call("evaluate", tmp_path / "run", "--metrics", "all")
    assert code == 0
    for wanted in ("boundary F1", "Hausdorff 95%", "IoU of cells", "V-Rand"):
        assert wanted in text
    code, text, _ = call("evaluate", tmp_path / "run", "--metrics", "cells", "--json")
    assert json.loads(text)["cells"]["cells"] > 2
    code, _, errors = call("evaluate", tmp_path / "run", "--metrics", "iou")
    assert (code, errors.count("\n")) == (2, 1)
