"""Training, evaluation, prediction and the description of models, without the command line."""

import csv
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_runs import Log, make_folder, options, visible, without_pictures, write

import tinyseg
from tinyseg import engine, nn
from tinyseg.checkpoint import load
from tinyseg.data import Cells, Classes, Sample, Shapes
from tinyseg.engine.parts.objective import Objective
from tinyseg.engine.parts.optimization import Schedule
from tinyseg.engine.parts.pipeline import evaluation_loader, open_split, to_channels, training_loader
from tinyseg.engine.training.train import Trainer
from tinyseg.errors import CheckpointError, DataError, InputError
from tinyseg.nn import functional as F


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> engine.TrainingResult:
    """A finished tiny run, which no test changes."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    return engine.train(engine.prepare(options(root, class_weights="median")), folder, workers=1)


def copied(run: engine.TrainingResult, to: Path) -> Path:
    import shutil

    return Path(shutil.copytree(run.folder, to / "copy"))


# Configuration


def test_a_configuration_comes_back_from_its_file(run: engine.TrainingResult) -> None:
    assert engine.read_config(run.folder / "config.toml") == run.config
    assert Path(str(run.config.data.root)).is_absolute()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 2", "", "the key training.epochs is missing"),
        ("epochs = 2", "epochs = 0", "training.epochs must be at least 1"),
        (
            "epochs = 2",
            'epochs = "two"',
            'training.epochs = "two" is not what belongs there: expected a whole number',
        ),
        ("epochs = 2", "epochs = true", "training.epochs = true is not what belongs there"),
        ("epochs = 2", "epochs = 2\nspeed = 1", "unknown key training.speed"),
        ("num_classes = 2", "num_classes = 3", "class_names has 2 entries, expected 3"),
        ("[training]", "[training", "not valid TOML"),
        ('void_color = "#', 'void_color = "', "expected a colour"),
        ("lr = 0.002", "lr = nan", "training.lr = nan is not"),
        ("lr = 0.002", "lr = 0.0", "training.lr must be positive, got 0.0"),
        ("lr = 0.002", "lr = -0.1", "training.lr must be positive, got -0.1"),
        ("momentum = 0.9", "momentum = 1.0", "training.momentum must be at least 0 and less than 1, got 1.0"),
        ("epochs = 2", "epochs = 2\nema = 5.0", "training.ema must be at least 0 and less than 1, got 5.0"),
        ("weight_decay = 0.0", "weight_decay = -0.0", "training.weight_decay must not be negative"),
        ("bias_lr = 1.0", "bias_lr = -1.0", "training.bias_lr must be positive, got -1.0"),
        ("warmup = 0.0", "warmup = -1.0", "training.warmup must not be negative, got -1.0"),
        ("pictures = 0", "pictures = -1", "training.pictures must be at least 0, got -1"),
        ("gamma = 0.1", "gamma = 2.0", "training.gamma must be more than 0 and at most 1, got 2.0"),
        ("[training.rate_of]", "[training.rate_of]\ndown = -1.0", "training.rate_of down: the rate must be"),
        ("seed = 0", "seed = -1", "data.seed must be 0 to 2**63 - 1, got -1"),
        ('"cosine"\nseed = 0', '"cosine"\nseed = -1', "training.seed must be 0 to 2**63 - 1, got -1"),
        ("ignore_index = 255", "ignore_index = 0", "data.ignore_index must be 255, as in all labels, got 0"),
        ("num_classes = 2", "num_classes = 0", "data.num_classes must be 1 to 255, got 0"),
        (
            "num_classes = 2",
            "num_classes = 2\nsize = [0, 0]",
            "data.size must be two numbers of 1 or more, got 0 and",
        ),
        ("crop = [\n    32", "crop = [\n    -8", "data.crop must be two numbers of 1 or more, got -8 and 32"),
    ],
)
def test_a_broken_configuration_is_refused(
    run: engine.TrainingResult, tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = (run.folder / "config.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "config.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.toml") as error:
        engine.read_config(path)
    assert message in str(error.value)


# Preparation


def test_windows_fit_the_smallest_image_and_are_multiples_of_32(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data", train=3, val=1, size=(70, 100))
    write(root / "train" / "images" / "0.png", np.zeros((64, 131, 3)))
    write(root / "train" / "masks" / "0.png", np.zeros((64, 131)))
    data = engine.prepare(options(root)).config.data
    assert (data.size, data.crop, data.augment) == (None, (64, 96), ("scale=0.75:1.5", "flip"))


@pytest.mark.parametrize(
    ("changes", "size", "crop", "augment"),
    [
        ({"size": (32, 48)}, (32, 48), (32, 48), ("scale=0.75:1.5", "flip")),
        ({"size": (32, 48), "augment": "none"}, (32, 48), None, ()),
        ({"size": (32, 48), "augment": "rare,flip"}, (32, 48), (32, 48), ("rare=0.5", "flip")),
        ({"augment": "none"}, None, (32, 32), ()),
        ({"augment": "colour,elastic=4"}, None, (32, 32), ("elastic=4", "colour=0.3")),
        ({"data": "shapes", "root": None}, None, None, ("flip",)),
        ({"data": "shapes", "root": None, "size": (64, 64)}, (64, 64), None, ("flip",)),
        ({"data": "cells", "root": None, "augment": "scale"}, None, (128, 128), ("scale=0.75:1.5",)),
    ],
)
def test_what_is_done_to_images(
    root: Path, changes: dict[str, Any], size: Any, crop: Any, augment: tuple[str, ...]
) -> None:
    data = engine.prepare(options(root, **changes)).config.data
    assert (data.size, data.crop, data.augment) == (size, crop, augment)


def test_what_is_asked_for_and_changes_nothing_is_noted(root: Path) -> None:
    for changes, note in (
        ({"milestones": (1,)}, "--milestones is for --schedule multistep, and not used by cosine"),
        ({"step_epochs": 1, "schedule": "poly"}, "--step-epochs is for --schedule step, and not used by poly"),
        ({"milestones": (1, 2, 9), "schedule": "multistep"}, "--milestones 2,9: not reached in 2 epochs"),
    ):
        assert note in engine.prepare(options(root, **changes)).notes
    used = engine.prepare(options(root, milestones=(1,), schedule="multistep")).notes
    assert not [note for note in used if "--milestones" in note]


def test_windows_that_are_larger_than_images_are_noted(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data", train=3, val=1, size=(40, 40))
    for kind in ("images", "masks"):
        write(root / "train" / kind / "0.png", np.eye(24))

    def notes(**changes: Any) -> list[str]:
        return [note for note in engine.prepare(options(root, **changes)).notes if "--crop" in note]

    ending = "images are mirrored outwards to fill it, and nothing is learnt from what is added"
    assert notes(size=(32, 32), crop=(32, 48)) == [
        f"the --crop of 32x48 is larger than the --size of 32x32: {ending}"
    ]
    assert notes(crop=(32, 32)) == [
        f"the --crop of 32x32 is larger than 1 of the 3 training images (one has 24x24): {ending}"
    ]
    assert notes(crop=(24, 24)) == notes(size=(32, 32), crop=(32, 32)) == notes() == []


def test_a_size_is_what_images_are_drawn_at(root: Path) -> None:
    """Cells have 8 to 16 pixels at any size: these would be smaller if larger images were resized."""
    config = engine.prepare(options(root, data="cells", root=None, size=(48, 64))).config
    np.testing.assert_array_equal(open_split(config.data, "val")[3].image, Cells("val", size=(48, 64))[3].image)
    (batch, *_) = evaluation_loader(config, open_split(config.data, "val"), 0).epoch(0)
    assert batch.images.shape[1:] == (1, 48, 64)
    areas = np.unique(Cells("val", size=(48, 64)).instances(3), return_counts=True)[1][1:]
    assert np.pi * 8**2 / 2 < areas.max() < np.pi * 20**2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": (3, 64)}, "a size of 3x64 is too small for unet, which needs 4x4"),
        ({"model": "fcn8s", "model_options": {}, "size": (31, 64)}, "too small for fcn8s"),
        ({"model": "segmenter"}, "segmenter"),
        ({"model_options": {"breadth": 3}}, "breadth"),
        ({"optimizer": "lbfgs"}, "unknown --optimizer 'lbfgs'; there are adam, adamw, sgd"),
        ({"schedule": "linear"}, "unknown --schedule 'linear'"),
        ({"class_weights": "mean"}, "unknown --class-weights 'mean'"),
        ({"lr": 0.0}, "--lr must be positive"),
        ({"lr": math.nan}, "--lr must be positive"),
        ({"momentum": 1.0}, "momentum"),
        ({"weight_decay": -1.0}, "--weight-decay must"),
        ({"epochs": 0}, "--epochs must be at least 1"),
        ({"batch_size": 0}, "--batch-size must be at least 1"),
        ({"seed": -1}, "--seed must be"),
        ({"model_options": {"width": "a"}}, "unet: width must be of type int, as its default 32 is; got 'a'"),
        ({"size": (4, 4), "batch_size": 1}, "single pixel"),
        ({"root": "/no/such/folder"}, "no such folder"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(root: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        engine.prepare(options(root, **changes))
    assert message in str(error.value)


def test_absent_classes_get_no_weight_and_large_batches_shrink(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data", train=2, val=1)
    (root / "classes.txt").write_text("ground\nthing\nghost\n")
    plan = engine.prepare(options(root, class_weights="median", batch_size=100))
    assert plan.config.training.class_weights is not None
    assert plan.config.training.class_weights[2] == 0
    assert plan.config.training.batch_size == 2
    assert any("ghost" in note for note in plan.notes)
    assert any("batch size is 2" in note for note in plan.notes)


def test_weights_of_classes_by_hand(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data", train=2, val=1)
    for number, things in enumerate((0, 256)):  # class 1 covers a quarter of the only image it is in
        mask = np.zeros(1024)
        mask[:things] = 1
        write(root / "train" / "masks" / f"{number}.png", mask.reshape(32, 32))
    weights = engine.prepare(options(root, class_weights="median")).config.training.class_weights
    # frequencies 1792/2048 = 0.875 and 256/1024 = 0.25; their median is 0.5625
    np.testing.assert_allclose(weights, [0.5625 / 0.875, 0.5625 / 0.25])
    logarithmic = engine.prepare(options(root, class_weights="log")).config.training.class_weights
    # shares 1792/2048 and 256/2048 of all labelled pixels: 1 / ln(1.895) and 1 / ln(1.145)
    assert logarithmic == pytest.approx((1.56441, 7.38527), abs=1e-5)


# Training


def test_a_run_leaves_all_its_files(run: engine.TrainingResult) -> None:
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "best.safetensors", "config.toml", "curves.png", "last.safetensors", "metrics.csv", "metrics.jsonl",
        "predictions.png",
    ]  # fmt: skip
    with (run.folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert list(rows[0])[-4:] == ["iu_ground", "iu_thing", "waited", "seconds"]
    assert float(rows[-1]["val_loss"]) == run.history[-1].val_loss
    # Dice is 2 |A and B| / (|A| + |B|), from the matrix of the best epoch; its mean has a column.
    matrix = np.array(run.best.matrix)
    dice = 2 * matrix.diagonal() / (matrix.sum(0) + matrix.sum(1))
    assert float(rows[run.best.epoch - 1]["mean_dice"]) == pytest.approx(dice.mean(), rel=1e-12)


def test_training_lowers_the_loss(root: Path, tmp_path: Path) -> None:
    log = Log()
    engine.train(engine.prepare(options(root, epochs=6, augment="none", lr=0.02)), tmp_path / "run", log, workers=1)
    losses = [row.train_loss for row in log.rows]
    assert losses[-1] is not None
    assert losses[0] is not None
    assert losses[-1] < losses[0]
    assert log.is_finished
    assert len(log.losses) == 12


def test_the_same_seed_gives_the_same_weights(root: Path, tmp_path: Path, run: engine.TrainingResult) -> None:
    again = engine.train(engine.prepare(options(root, class_weights="median")), tmp_path / "run", workers=3)
    best = (again.folder / "best.safetensors").read_bytes()
    assert best == (run.folder / "best.safetensors").read_bytes()
    other = engine.train(engine.prepare(options(root, class_weights="median", seed=1)), tmp_path / "other", workers=1)
    assert best != (other.folder / "best.safetensors").read_bytes()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
def test_optimisers_and_schedules(root: Path, tmp_path: Path, optimizer: str, schedule: str) -> None:
    plan = engine.prepare(options(root, epochs=1, optimizer=optimizer, schedule=schedule))
    result = engine.train(plan, tmp_path / "run", workers=0)
    assert result.history[0].lr == plan.config.training.lr


def test_schedules_run_over_all_steps(run: engine.TrainingResult) -> None:
    parameter = tinyseg.ones(1, requires_grad=True)
    training = replace(run.config.training, epochs=3, schedule="step", lr=1.0)
    schedule = Schedule(training, tinyseg.optim.SGD([parameter], lr=1.0), steps=2)
    rates = []
    for _ in range(6):
        rates.append(schedule.rate)
        schedule.step()
    np.testing.assert_allclose(rates, [1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_folder_that_exists_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"exists already; choose another --out$"):
        engine.train(engine.prepare(options(root)), tmp_path)
    assert visible(tmp_path) == ["notes.txt"]


def test_a_batch_of_ignored_pixels_is_skipped_and_counted(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data", train=4, val=2)
    write(root / "train" / "masks" / "1.png", np.full((32, 32), 255))
    log = Log()
    plan = engine.prepare(options(root, epochs=1, batch_size=1, augment="none"))
    result = engine.train(plan, tmp_path / "run", log, workers=1)
    assert log.losses.count(None) == 1
    assert result.history[0].skipped_batches == 1
    assert result.history[0].train_loss is not None
    assert any("skipped 1 batch, as all pixels are ignored" in text for text in log.warnings)


def test_a_split_of_nothing_but_ignored_pixels_ends_without_nan(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data", train=2, val=1)
    plan = engine.prepare(options(root, epochs=1, batch_size=1))
    for mask in root.glob("*/masks/*.png"):
        write(mask, np.full((32, 32), 255))
    result = engine.train(plan, tmp_path / "run", workers=1)
    row = result.history[0]
    assert (row.train_loss, row.val_loss, row.mean_iu, row.iu) == (None, None, None, (None, None))
    assert ",,,,,," in (tmp_path / "run" / "metrics.csv").read_text()
    with pytest.raises(DataError, match="every pixel of the training masks is ignored"):
        engine.prepare(options(root))


def test_binary_masks_of_0_and_255_are_refused(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data", train=2, val=1)
    for mask in root.glob("*/masks/*.png"):
        pixels = np.zeros((32, 32))
        pixels[:, 16:] = 255
        write(mask, pixels)
    with pytest.raises(DataError, match=r"hold only 0 and 255, and 255 is ignored.* If 255 means a class"):
        engine.prepare(options(root))


def test_masks_of_one_class_are_noted(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data", train=2, val=1)
    for mask in root.glob("train/masks/*.png"):
        write(mask, np.zeros((32, 32)))
    notes = engine.prepare(options(root)).notes
    assert any("every pixel of the training masks is 'ground'" in note for note in notes)
    assert "in no training mask: thing" in notes


def test_a_class_that_takes_all_is_told(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data", train=2, val=2)
    for mask in root.glob("train/masks/*.png"):
        write(mask, np.zeros((32, 32)))
    log = Log()
    engine.train(engine.prepare(options(root, epochs=8, lr=0.05, batch_size=2)), tmp_path / "run", log, workers=1)
    assert any("predicted as 'ground'" in text for text in log.warnings)


@pytest.mark.parametrize("split", ["train", "val"])
def test_every_mask_is_read_before_any_work(tmp_path: Path, split: str) -> None:
    root = make_folder(tmp_path / "data", train=4, val=2)
    write(root / split / "masks" / "1.png", np.full((32, 32), 9))
    with pytest.raises(DataError, match=rf"{split}.masks.1\.png: values 9 are no class.*255"):
        engine.prepare(options(root))


def test_unusable_data_in_the_first_epoch_leaves_no_folder(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data", train=4, val=2)
    plan = engine.prepare(options(root))
    write(root / "train" / "masks" / "1.png", np.full((32, 32), 9))
    with pytest.raises(DataError, match=r"1\.png: values 9 are no class.*255"):
        engine.train(plan, tmp_path / "run", workers=1)
    assert not (tmp_path / "run").exists()


# Divergence


class Poison(Log):
    """Makes a weight NaN once the first epoch is done."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def started(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def epoch_done(self, row: engine.EpochRow, is_best: bool) -> None:
        values = dict(self.trainer.model.named_parameters())[self.name]
        with tinyseg.no_grad():
            values.fill_(math.nan)


def test_a_loss_that_is_nan_stops_the_run_and_names_the_culprit(root: Path, tmp_path: Path) -> None:
    with pytest.raises(engine.DivergenceError) as error:
        engine.train(engine.prepare(options(root)), tmp_path / "run", Poison("down.1.0.weight"), workers=1)
    text = str(error.value)
    assert "epoch 2, batch 1 (" in text
    assert "loss is nan" in text
    assert "the parameter down.1.0.weight" in text
    assert "after epoch 1 are kept" in text
    state = load(tmp_path / "run" / "last.safetensors")
    assert state.state["epoch"] == 1
    assert all(np.isfinite(value.numpy()).all() for value in state.weights.values())


def test_the_first_layer_that_overflows_is_named(root: Path) -> None:
    from tinyseg.engine.parts.diagnose import first_non_finite

    model = tinyseg.models.create("unet", num_classes=2, width=4, depth=2)
    images = tinyseg.ones(1, 3, 32, 32)
    assert "the loss itself" in first_non_finite(model, images)
    with tinyseg.no_grad():
        model.score.weight.fill_(3e38)
        model.merge[1][4].bias.fill_(3e38)
    assert "the output of the layer score (Conv2d)" in first_non_finite(model, images)
    assert "the batch of images" in first_non_finite(model, images * math.inf)


# Resuming, in one process; test_resume.py kills


def test_a_run_that_was_stopped_goes_on(root: Path, tmp_path: Path, run: engine.TrainingResult) -> None:
    class Stop(Log):
        def epoch_done(self, row: engine.EpochRow, is_best: bool) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.train(engine.prepare(options(root, class_weights="median")), tmp_path / "run", Stop(), workers=1)
    tinyseg.manual_seed(99)
    resumed = engine.resume(tmp_path / "run", workers=2)
    assert [replace(row, seconds=0, waited=0) for row in resumed.history] == [
        replace(row, seconds=0, waited=0) for row in run.history
    ]
    best = (tmp_path / "run" / "best.safetensors").read_bytes()
    assert best == (run.folder / "best.safetensors").read_bytes()


def test_only_a_constant_rate_can_be_lengthened(root: Path, tmp_path: Path, run: engine.TrainingResult) -> None:
    with pytest.raises(InputError, match="cosine schedule"):
        engine.resume(run.folder, epochs=3)
    plan = engine.prepare(options(root, epochs=1, schedule="constant"))
    engine.train(plan, tmp_path / "run", workers=1)
    with pytest.raises(InputError, match="can only be more"):
        engine.resume(tmp_path / "run", epochs=0)
    longer = engine.resume(tmp_path / "run", epochs=2, workers=1)
    at_once = engine.prepare(options(root, epochs=2, schedule="constant"))
    unbroken = engine.train(at_once, tmp_path / "unbroken", workers=1)
    assert longer.history[1].train_loss == unbroken.history[1].train_loss
    assert engine.read_config(tmp_path / "run" / "config.toml").training.epochs == 2


def test_a_finished_run_can_be_resumed_for_its_pictures(run: engine.TrainingResult, tmp_path: Path) -> None:
    folder = copied(run, tmp_path)
    (folder / "predictions.png").unlink()
    (folder / "metrics.csv").unlink()
    log = Log()
    engine.resume(folder, callbacks=log)
    assert log.losses == []
    assert (folder / "predictions.png").is_file()
    assert (folder / "metrics.csv").read_bytes() == (run.folder / "metrics.csv").read_bytes()


def test_what_cannot_be_resumed_says_why(run: engine.TrainingResult, tmp_path: Path) -> None:
    folder = copied(run, tmp_path)
    (folder / "last.safetensors").write_bytes((folder / "best.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="cannot go on from it: 'history' is missing"):
        engine.resume(folder)
    (folder / "last.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        engine.resume(folder)
    with pytest.raises(InputError, match="no such folder"):
        engine.resume(tmp_path / "nothing")


def test_other_images_than_before_are_noticed(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data", train=3, val=1)
    folder = engine.train(engine.prepare(options(root, epochs=1, batch_size=2)), tmp_path / "run", workers=1).folder
    for kind in ("images", "masks"):
        (root / "train" / kind / "1.png").unlink()
    with pytest.raises(CheckpointError, match="3 training and 1 validation images, now there are 2 and 1"):
        engine.resume(folder)
    for kind in ("images", "masks"):  # as many as before, but one has another name
        (root / "train" / kind / "2.png").rename(root / "train" / kind / "1.png")
        write(root / "train" / kind / "9.png", np.zeros((32, 32, 3) if kind == "images" else (32, 32)))
    with pytest.raises(CheckpointError, match="the training images have other names"):
        engine.resume(folder)
    (root / "classes.txt").write_text("ground\nobject\n")
    with pytest.raises(DataError, match="1 is 'object', was 'thing'"):
        engine.resume(folder)


# Evaluation


class Oracle(tinyseg.models.SegmentationModel):
    """Recognises the class in the red channel, at half the size of the image."""

    def __init__(self) -> None:
        super().__init__("oracle", num_classes=2, in_channels=3, stride=1)

    def forward(self, input: tinyseg.Tensor) -> tinyseg.Tensor:
        """Logits from the brightness."""
        small = F.interpolate(input[:, :1], scale_factor=0.5, mode="bilinear", align_corners=False)
        return tinyseg.cat([-small, small], 1) * 10.0


class Halves:
    """Images of several sizes, bright on the right, where class 1 is; the top row is ignored."""

    name = "halves"
    classes = Classes.numbered(2)
    in_channels = 3
    sizes = ((8, 16), (8, 16), (12, 24))

    def __len__(self) -> int:
        return len(self.sizes)

    def mask(self, index: int) -> Any:
        return self[index].mask

    def __getitem__(self, index: int) -> Sample:
        height, width = self.sizes[index]
        mask = np.zeros((height, width), np.uint8)
        mask[:, width // 2 :] = 1
        image = np.repeat(mask[:, :, None] * np.uint8(255), 3, axis=2)
        mask[0] = 255
        return Sample(image, mask, str(index))


def test_scores_are_taken_at_the_labels_size_over_the_whole_set(run: engine.TrainingResult) -> None:
    data = replace(run.config.data, mean=(0.5,) * 3, std=(1.0,) * 3, size=(8, 32))
    training = replace(run.config.training, batch_size=2, class_weights=(1.0, 3.0))
    config = replace(run.config, data=data, training=training)
    told: list[tuple[int, int]] = []
    loader = evaluation_loader(config, Halves(), workers=0)
    result = engine.evaluate_model(Oracle(), loader, config, lambda done, total: told.append((done, total)))
    assert result.scores.num_pixels == 2 * 7 * 16 + 11 * 24
    assert (result.scores.pixel_accuracy, result.scores.mean_iu) == (1.0, 1.0)
    assert told == [(2, 3), (3, 3)]
    assert result.loss is not None
    assert 0 < result.loss < 0.2


def test_the_loss_is_the_mean_over_pixels_not_over_batches(run: engine.TrainingResult, root: Path) -> None:
    model, _ = engine.load_model(engine.open_run(run.folder))
    dataset = open_split(run.config.data, "val")
    losses = []
    for batch_size in (1, 3):
        config = replace(run.config, training=replace(run.config.training, batch_size=batch_size))
        losses.append(engine.evaluate_model(model, evaluation_loader(config, dataset, 0), config).loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_evaluation_leaves_the_mode_and_the_weights_alone(run: engine.TrainingResult, root: Path) -> None:
    model, _ = engine.load_model(engine.open_run(run.folder))
    model.train()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    dataset = open_split(run.config.data, "val")
    engine.evaluate_model(model, evaluation_loader(run.config, dataset, 0), run.config)
    assert model.training
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def test_a_run_is_evaluated_as_it_was_while_training(run: engine.TrainingResult) -> None:
    _, best = engine.evaluate(run.folder)
    assert best.scores.matrix.tolist() == run.best.matrix
    _, last = engine.evaluate(run.folder / "last.safetensors", split="val")
    assert last.mean_iu == run.history[-1].mean_iu
    assert last.as_dict()["images"] == 4


def test_other_data_is_evaluated_if_its_classes_fit(run: engine.TrainingResult, tmp_path: Path) -> None:
    other = make_folder(tmp_path / "other", train=1, val=3, size=(40, 56))
    config, result = engine.evaluate(run.folder, root=other)
    assert (result.images, config.data.root) == (3, str(other))
    with pytest.raises(InputError, match="6 classes"):
        engine.evaluate(run.folder, data="shapes")
    (other / "classes.txt").write_text("a\nb\nc\n")
    with pytest.raises(InputError, match="3 classes"):
        engine.evaluate(run.folder, root=other)


def test_data_with_splits_of_its_own_needs_no_share(tmp_path: Path) -> None:
    flat = make_folder(tmp_path / "flat", train=8, val=1) / "train"
    (flat / "classes.txt").write_text("ground\nthing\n")
    plan = engine.prepare(options(flat, epochs=1, batch_size=2, val_fraction=0.4))
    folder = engine.train(plan, tmp_path / "run", workers=1).folder
    config, result = engine.evaluate(folder, root=make_folder(tmp_path / "other", train=1, val=3))
    assert (result.images, config.data.val_fraction) == (3, None)
    again, _ = engine.evaluate(folder, root=flat)
    assert again.data.val_fraction == 0.4


def test_whole_images_are_evaluated_in_batches_of_as_many_pixels(run: engine.TrainingResult, tmp_path: Path) -> None:
    root = make_folder(tmp_path / "large", train=1, val=2, size=(64, 64))
    config = replace(run.config, data=replace(run.config.data, root=str(root)))
    for batch_size, images in ((8, 2), (4, 1), (1, 1)):  # windows are 32x32
        changed = replace(config, training=replace(config.training, batch_size=batch_size))
        assert evaluation_loader(changed, open_split(config.data, "val"), 0).batch_size == images
    resized = replace(config, data=replace(config.data, size=(32, 32)))
    assert evaluation_loader(resized, open_split(resized.data, "val"), 0).batch_size == 4


def test_grey_images_can_be_given_to_a_colour_model(run: engine.TrainingResult, tmp_path: Path) -> None:
    other = make_folder(tmp_path / "other", train=1, val=2)
    for path in other.glob("*/images/*.png"):
        with Image.open(path) as image:
            grey = image.convert("L")
        grey.save(path)
    assert engine.evaluate(run.folder, root=other)[1].images == 2


def test_channels_are_converted_by_luma() -> None:
    colour = np.array([[[255, 0, 0], [10, 10, 10]]], np.uint8)
    assert to_channels(colour, 1).tolist() == [[[76], [10]]]
    assert to_channels(to_channels(colour, 1), 3).tolist() == [[[76] * 3, [10] * 3]]
    assert to_channels(colour, 3) is colour
    assert to_channels((colour / 255).astype(np.float32), 1).dtype == np.float32


def test_an_image_too_small_for_the_model_is_named(run: engine.TrainingResult, tmp_path: Path) -> None:
    other = make_folder(tmp_path / "other", train=1, val=1)
    write(other / "val" / "images" / "0.png", np.zeros((3, 9, 3)))
    write(other / "val" / "masks" / "0.png", np.zeros((3, 9)))
    with pytest.raises(InputError, match="the image 0 of 3x9 is too small for unet"):
        engine.evaluate(run.folder, root=other)


def test_a_pixel_counts_as_its_class_weighs(run: engine.TrainingResult) -> None:
    weights = Objective(replace(run.config, training=replace(run.config.training, class_weights=(0.5, 2.0))))
    assert weights.total(np.array([[0, 1, 1, 255]])) == 4.5
    assert weights.total(np.array([[255]])) == 0


def test_the_training_loader_makes_windows_of_one_size(run: engine.TrainingResult) -> None:
    loader = training_loader(run.config, open_split(run.config.data, "train"), 0)
    assert {batch.images.shape for batch in loader.epoch(0)} == {(4, 3, 32, 32)}


# Prediction


def test_files_are_labelled_at_their_own_size(run: engine.TrainingResult, root: Path, tmp_path: Path) -> None:
    image = root / "val" / "images" / "0.png"
    odd = tmp_path / "odd.jpg"
    write(odd, Shapes("val", count=1, size=(37, 51))[0].image)
    told: list[engine.Prediction] = []
    found = engine.predict(run.folder, [image, odd], tmp_path / "out", told.append)
    assert found == told
    assert [prediction.size for prediction in found] == [(32, 32), (37, 51)]
    with Image.open(found[1].mask) as mask, Image.open(found[1].overlay) as picture:
        assert (mask.mode, mask.size, picture.size) == ("P", (51, 37), (51, 37))
        assert set(np.unique(np.asarray(mask))) <= {0, 1}
        assert (mask.getpalette() or [])[3:6] == [250, 120, 30]
    assert sum(found[0].shares) == pytest.approx(1)


def test_an_image_in_the_size_of_training_gives_what_evaluation_counts(
    run: engine.TrainingResult, root: Path
) -> None:
    model, _ = engine.load_model(engine.open_run(run.folder))
    dataset = open_split(run.config.data, "val")
    scores = tinyseg.metrics.ConfusionMatrix(2)
    for number in range(len(dataset)):
        scores.update(engine.segment(model, run.config, dataset[number].image), dataset[number].mask)
    assert scores.matrix.tolist() == run.best.matrix


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "I;16", "CMYK"])
def test_images_of_any_kind_are_labelled(run: engine.TrainingResult, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "image.tif"
    source = Image.fromarray(np.arange(24 * 20, dtype=np.uint8).reshape(24, 20))
    (source.convert("I").convert("I;16") if mode == "I;16" else source.convert(mode)).save(path)
    (found,) = engine.predict(run.folder, [path], tmp_path / "out")
    assert found.size == (24, 20)


def test_predictions_that_would_destroy_something_are_refused(run: engine.TrainingResult, tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "b.png", "b_overlay.png"):
        write(tmp_path / name, np.zeros((8, 8, 3)))
    for names, out, message in (
        (["a.png"], tmp_path, "would be overwritten"),
        (["a.png", "a.jpg"], tmp_path / "out", "would both be written"),
        (["b.png", "b_overlay.png"], tmp_path / "out", "would both be written"),
        (["a.png", "c.png"], tmp_path / "out", r"c\.png: no such file"),
        (["."], tmp_path / "out", "would both be written"),
        ([], tmp_path / "out", "no images"),
        (["b.png"], tmp_path / "a.png", "cannot be made a folder"),
    ):
        with pytest.raises(InputError, match=message):
            engine.predict(run.folder, [tmp_path / name for name in names], out)
        assert not (tmp_path / "out").exists()


def test_images_that_are_named_twice_or_alike_are_told_apart(run: engine.TrainingResult, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "a.png", np.zeros((8, 8, 3)))
    one, two = (tmp_path / name / "a.png" for name in ("one", "two"))
    detour = tmp_path / "two" / ".." / "one" / "a.png"
    for images, message in (
        ([one, one], f"{one}: is named twice; name it once"),
        ([one, detour], f"{detour}: is named twice, also as {one}; name it once"),
        ([tmp_path / "one", one], f"{one}: is named twice; name it once"),
        ([one, two], f"{one} and {two} have one name, and would both be written to"),
    ):
        with pytest.raises(InputError) as caught:
            engine.predict(run.folder, images, tmp_path / "out")
        assert str(caught.value).startswith(message)


def test_an_image_that_cannot_be_used_is_named(run: engine.TrainingResult, tmp_path: Path) -> None:
    write(tmp_path / "small.png", np.zeros((3, 3, 3)))
    with pytest.raises(DataError, match=r"small\.png: an image of 3x3 is too small"):
        engine.predict(run.folder, [tmp_path / "small.png"], tmp_path / "out")
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(DataError, match=r"text\.png"):
        engine.predict(run.folder, [tmp_path / "text.png"], tmp_path / "out")


def test_prediction_goes_on_after_a_damaged_image(run: engine.TrainingResult, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.png", "c.png"):
        write(folder / name, np.zeros((8, 8, 3)))
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:40])
    write(folder / "d.png", np.zeros((3, 3, 3)))
    (folder / "e.png").mkdir()
    told: list[engine.Prediction] = []
    with pytest.raises(engine.PredictionError, match="2 of 4 images could not be labelled:") as caught:
        engine.predict(run.folder, [folder], tmp_path / "out", told.append)
    assert [prediction.image.name for prediction in caught.value.done] == ["a.png", "c.png"]
    assert told == caught.value.done
    reasons = str(caught.value).splitlines()[1:]
    for reason, start in zip(reasons, ("b.png: ", "d.png: an image of 3x3 is too small"), strict=True):
        assert reason.startswith(f"  {folder / start}")
    assert visible(tmp_path / "out") == ["a.png", "a_overlay.png", "c.png", "c_overlay.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_in_a_folder_that_leads_nowhere_is_not_passed_over(run: engine.TrainingResult, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(engine.PredictionError, match=r"a\.png: no such file"):
        engine.predict(run.folder, [folder], tmp_path / "out")


def test_predictions_follow_the_size_of_training(root: Path, tmp_path: Path) -> None:
    plan = engine.prepare(options(root, epochs=1, size=(16, 24)))
    folder = engine.train(plan, tmp_path / "run", workers=1).folder
    sizes: list[tuple[int, ...]] = []
    model, _ = engine.load_model(engine.open_run(folder))
    model.register_forward_hook(lambda module, inputs, outputs: sizes.append(inputs[0].shape))
    assert engine.segment(model, plan.config, np.zeros((50, 60, 3), np.uint8)).shape == (50, 60)
    assert sizes == [(1, 3, 16, 24)]


# Runs on disk


def test_a_folder_that_is_no_run_is_refused(run: engine.TrainingResult, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        engine.open_run(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"is .* the folder of a run"):
        engine.open_run(tmp_path)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        engine.open_run(run.folder / "first.safetensors")
    folder = copied(run, tmp_path)
    (folder / "best.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"best\.safetensors is missing; give .*last\.safetensors itself"):
        engine.open_run(folder)
    assert engine.open_run(folder / "last.safetensors").checkpoint.name == "last.safetensors"
    (folder / "last.safetensors").unlink()
    with pytest.raises(CheckpointError, match="neither best"):
        engine.open_run(folder)


# Descriptions of models: figures by hand


def test_receptive_fields_of_the_fcn_by_hand() -> None:
    info = engine.describe("fcn32s", size=(64, 96), num_classes=5)
    layers = {layer.name: layer for layer in info.layers}
    pools = [layer for layer in info.layers if layer.kind == "MaxPool2d"]
    # A stage of two 3x3 convolutions and a pooling at stride s adds 2 * 2s + s: 1 + 5 + 10 + 20 + 40 + 80
    assert [pool.field for pool in pools] == [(6, 6), (16, 16), (36, 36), (76, 76), (156, 156)]
    assert [pool.stride for pool in pools] == [(2, 2), (4, 4), (8, 8), (16, 16), (32, 32)]
    assert layers["score5"].shape == (5, 2, 3)
    assert layers["score5"].parameters == 128 * 5 + 5
    assert layers["backbone.stage1.0"].multiply_adds == 64 * 96 * 16 * 3 * 9
    assert (info.coarsest.name, info.coarsest.field, info.coarsest.stride) == ("score5", (156, 156), (32, 32))
    # One pixel of the output meets two scores, 32 pixels apart
    assert (info.output_field, info.output_stride) == ((188, 188), (1, 1))
    assert (info.convolutions, info.transposed_convolutions, info.all_convolutions) == (11, 1, 12)


def test_skips_are_followed_by_the_graph() -> None:
    info = engine.describe("fcn8s", size=(64, 64), num_classes=5)
    kinds = [layer.kind for layer in info.layers]
    assert kinds.count("add") == 2
    sums = [layer for layer in info.layers if layer.kind == "add"]
    # Two units of 156 pixels, 32 apart, hold the 76 from the side. Of two neighbouring sums each may have met
    # another pair of them: then there are three.
    assert [layer.field for layer in sums] == [(188, 188), (156 + 64, 156 + 64)]
    assert [layer.stride for layer in sums] == [(16, 16), (8, 8)]
    # Scores of the sides lie beside the longest path
    assert (info.convolutions, info.transposed_convolutions, info.all_convolutions) == (11, 3, 16)
    # The fixed kernel of 16x16 for each class, and two vectors for each batch norm
    assert info.buffers == 5 * 16 * 16 + 2 * 2 * (16 + 32 + 64 + 128 + 128)
    assert info.parameters == sum(layer.parameters for layer in info.layers)


def test_the_unet_of_the_paper() -> None:
    info = engine.describe("unet", size=(48, 32), num_classes=2, in_channels=1, width=64, depth=4)
    # Ronneberger et al.: "In total the network has 23 convolutional layers"
    assert (info.convolutions, info.transposed_convolutions, info.all_convolutions) == (19, 4, 23)
    deepest = next(layer for layer in info.layers if layer.name == "down.4.4")
    # stages at strides 1, 2, 4, 8, 16: 4s each, and s for each pooling before
    assert (deepest.field, deepest.stride) == ((140, 140), (16, 16))
    assert [layer.shape for layer in info.layers if layer.kind == "cat"] == [
        (1024, 6, 4), (512, 12, 8), (256, 24, 16), (128, 48, 32),
    ]  # fmt: skip


def test_padding_and_cropping_are_seen_and_change_nothing() -> None:
    info = engine.describe("unet", size=(33, 35), width=4, depth=1, num_classes=3)
    assert info.layers[0].kind == "pad"
    assert info.layers[-1].kind == "slice"
    assert info.layers[-1].shape == (3, 33, 35)
    even = engine.describe("unet", size=(32, 34), width=4, depth=1, num_classes=3)
    assert info.output_field == even.output_field


class Probe(tinyseg.models.SegmentationModel):
    """Layers that the models do not have: strides, dilation, both kinds of resizing, unpooling, a global mean."""

    def __init__(self) -> None:
        super().__init__("probe", num_classes=2, in_channels=1, stride=1)
        self.strided = nn.Conv2d(1, 2, (3, 5), stride=(1, 2), padding=(1, 2))
        self.dilated = nn.Conv2d(2, 2, 3, dilation=4, padding=4)
        self.bilinear = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.nearest = nn.Upsample(scale_factor=2)
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2)

    def forward(self, input: tinyseg.Tensor) -> tinyseg.Tensor:
        """A mixture."""
        x = self.nearest(self.bilinear(self.dilated(self.strided(input))))
        pooled, indices = self.pool(x)
        x = self.unpool(pooled, indices)
        return x + x.mean((2, 3), keepdim=True)


def test_every_kind_of_window_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tinyseg.models, "create", lambda name, **options: Probe())
    info = engine.describe("probe", size=(8, 16), num_classes=2, in_channels=1)
    layers = {layer.name: layer for layer in info.layers}
    assert (layers["strided"].field, layers["strided"].stride) == ((3, 5), (1, 2))
    assert (layers["dilated"].field, layers["dilated"].stride) == ((11, 21), (1, 2))
    assert (layers["bilinear"].field, layers["bilinear"].stride) == ((12, 23), (0.5, 1))
    assert (layers["nearest"].field, layers["nearest"].stride) == ((12, 23), (0.25, 0.5))
    assert (layers["pool"].field, layers["pool"].stride) == ((12, 23), (0.5, 1))  # two copies of one unit
    assert layers["unpool"].stride == (0.25, 0.5)
    assert info.output_stride == (0.25, 0.5)
    assert info.output_field == (12, 23)  # wider than the image, which is all that the mean sees


class Rearranging(tinyseg.models.SegmentationModel):
    """Layers that rearrange pixels, and a border that is taken from the inside."""

    def __init__(self) -> None:
        super().__init__("rearranging", num_classes=2, in_channels=1, stride=1)
        self.mirrored = nn.Conv2d(1, 2, (3, 5), padding=(1, 2), padding_mode="reflect")
        self.together = nn.PixelUnshuffle(2)
        self.apart = nn.PixelShuffle(2)
        self.nails = nn.BedOfNails((1, 3))

    def forward(self, input: tinyseg.Tensor) -> tinyseg.Tensor:
        """One after the other."""
        return self.nails(self.apart(self.together(self.mirrored(input))))


def test_fields_of_rearranged_pixels_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tinyseg.models, "create", lambda name, **options: Rearranging())
    info = engine.describe("rearranging", size=(8, 16), num_classes=2, in_channels=1)
    layers = {layer.name: layer for layer in info.layers}
    assert (layers["mirrored"].field, layers["mirrored"].stride) == ((3, 5), (1, 1))
    assert (layers["together"].field, layers["together"].stride) == ((4, 6), (2, 2))
    # Which channel of a unit a pixel comes from is not followed: it may depend on all that the unit does.
    assert (layers["apart"].field, layers["apart"].stride) == ((4, 6), (1, 1))
    assert (layers["nails"].field[0], layers["nails"].stride) == (4, (1, 1 / 3))


def test_a_size_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="a size of 16x64 is too small for fcn8s, which needs 32x32"):
        engine.describe("fcn8s", size=(16, 64))


@pytest.mark.parametrize(
    ("name", "options"),
    [("fcn32s", {}), ("unet", {"width": 2, "depth": 1}), ("unet", {"width": 3, "depth": 3})],
)
def test_the_receptive_field_is_what_moves_a_unit(name: str, options: dict[str, Any]) -> None:
    model = tinyseg.models.create(name, num_classes=2, in_channels=1, **options)
    info = engine.describe_model(model, (64, 64))
    assert engine.measure_field(model, info) == info.coarsest.field


def test_a_field_that_is_too_large_is_noticed() -> None:
    """The measure is no copy of the arithmetic: what the arithmetic says of another network is not what it finds."""
    model = tinyseg.models.create("unet", num_classes=2, in_channels=1, width=2, depth=1)
    other = engine.describe("unet", size=(32, 32), num_classes=2, in_channels=1, width=2, depth=2)
    wrong = replace(other, coarsest=replace(other.coarsest, name="down.1.4"))
    assert engine.measure_field(model, wrong) == (14, 14) != other.coarsest.field


def test_a_run_is_described_with_its_own_numbers(run: engine.TrainingResult) -> None:
    info, data = engine.describe_run(run.folder), run.config.data
    assert (info.model, info.num_classes, info.in_channels) == (run.config.model.name, data.num_classes, 3)
    assert info.size == (data.size or data.crop)
    assert engine.describe_run(run.folder / "best.safetensors", (64, 96)).size == (64, 96)
