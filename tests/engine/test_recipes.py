"""Options from files and presets: what is read, what is refused, what goes before what."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import make_folder, options

from tinyseg import engine
from tinyseg.engine.config import recipes
from tinyseg.errors import InputError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"))


def written(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_options(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        data = "folder"
        model = "unet"
        width = 8
        size = "32x48"
        crop = [16, 16]
        batch-size = 4
        lr = 1
        schedule = "multistep"
        milestones = [30, 60]
        freeze = "down"
        rate-of = {head = 10, "down.0" = 0.5}
        class-weights = [1, 2.5]
        augment = "none"
        workers = 1
        """,
    )
    assert recipes.read_options(path, {"workers": int}) == {
        "data": "folder", "model": "unet", "model_options": {"width": 8}, "size": (32, 48), "crop": (16, 16),
        "batch_size": 4, "lr": 1.0, "schedule": "multistep", "milestones": (30, 60), "freeze": ("down",),
        "rate_of": {"head": 10.0, "down.0": 0.5}, "class_weights": (1.0, 2.5), "augment": "none", "workers": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "unknown key epoch; did you mean epochs? there are accumulate, as_stored,"),
        ("workers = 3", "unknown key workers"),
        ('epochs = "3"', 'epochs = "3" is not what belongs there: expected a whole number'),
        ("epochs = 3.5", "epochs = 3.5 is not what belongs there"),
        ("epochs = true", "epochs = true is not what belongs there"),
        ("size = [3]", "size = [3] is not what belongs there: expected a list of 2 whole numbers, height and width"),
        ("size = 64", 'height and width: size = [180, 240], or "180x240"'),
        ("crop = [64, 0]", "--crop: expected HEIGHTxWIDTH, such as 180x240, got '64x0'"),
        ("lr = inf", "lr = inf is not what belongs there: expected a number"),
        ('freeze = ["a", 3]', "freeze = 3 is not what belongs there: expected a text"),
        ('size = "3by4"', "--size: expected HEIGHTxWIDTH"),
        ('milestones = "3,x"', "--milestones: expected epochs, such as 30,60, got '3,x'"),
        ('rate-of = "head=fast"', "--rate-of: expected PREFIX=TIMES, such as fc8=10, got 'head=fast'"),
        ('rate-of = "head=2,head=3"', "--rate-of: head comes twice"),
        ("rate-of = {down.0 = 2}", 'rate_of.down = {"0": 2} is not what belongs there: expected a number'),
        ('width = "a"', 'width = "a" is not what belongs there: expected a whole number'),
        ("epochs = ", "not valid TOML"),
        ("[training]\nepochs = 3", "is missing"),
    ],
)
def test_files_that_cannot_be_used_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as error:
        recipes.read_options(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert str(error.value).count(str(path)) == 1


def test_a_mark_of_the_encoding_is_passed_over(tmp_path: Path) -> None:
    assert recipes.read_options(written(tmp_path, "\ufeffepochs = 3")) == {"epochs": 3}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.toml: no such file"):
        recipes.read_options(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"class_weights": "inverse", "size": (32, 32), "momentum": 0.5, "ema": 0.9, "patience": 3, "warmup": 0.5},
        {"schedule": "multistep", "milestones": (3, 1), "freeze": ("down",), "crop": (16, 16), "clip_norm": 1.0},
        {"rate_of": {"score": 10.0, "down.0": 0.5}, "optimizer": "sgd"},
        {"full_images": True, "augment": "none", "batch_size": 1, "accumulate": 4, "reduction": "sum"},
        {"data": "shapes", "root": None, "optimizer": "rmsprop", "val_fraction": None},
    ],
)
def test_a_run_s_own_configuration_makes_the_same_run(root: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    config = engine.prepare(options(root, **changes)).config
    engine.write_config(tmp_path / "config.toml", config)
    again = engine.TrainOptions(**recipes.read_options(tmp_path / "config.toml"))
    assert engine.prepare(again).config == config


def test_layers() -> None:
    preset = {"model": "unet", "model_options": {"width": 8, "depth": 3}, "lr": 1.0, "epochs": 1}
    assert recipes.layered(preset, {"lr": 2.0}, {"model_options": {"depth": 2}}) == {
        "model": "unet", "model_options": {"width": 8, "depth": 2}, "lr": 2.0, "epochs": 1,
    }  # fmt: skip
    assert recipes.layered(preset, {"model": "fcn8s"}) == {"model": "fcn8s", "lr": 1.0, "epochs": 1}
    faster = {**preset, "rate_of": {"head": 10.0}}
    assert recipes.layered(faster, {"model": "fcn8s"}) == {"model": "fcn8s", "lr": 1.0, "epochs": 1}


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"tail": 2.0}, "--rate-of: no parameter's name begins with 'tail'; there are down"),
        ({"score": 0.0}, "--rate-of score: the rate must be multiplied with a positive number, got 0.0"),
    ],
)
def test_rates_of_parts_that_cannot_be_are_refused(root: Path, rates: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        engine.prepare(options(root, rate_of=rates))


# Presets


NARROW = {"fcn": {"width": 1}, "dilatednet": {"width": 1}, "deeplab": {"width": 1}, "fcdensenet": {"width": 4}}


@pytest.mark.parametrize("name", recipes.preset_names())
def test_every_preset_can_be_prepared(root: Path, tmp_path: Path, name: str) -> None:
    preset = recipes.preset(name)
    assert preset.description
    assert preset.source
    narrow = next(
        (given for start, given in NARROW.items() if preset.options["model"].startswith(start)), {"width": 2}
    )
    given = recipes.layered(
        preset.options, {"data": "folder", "root": str(root), "model_options": narrow, "epochs": 1}
    )
    given |= {"val_fraction": None, "border_weights": None}  # the folder is divided, and has no cells
    if given.get("stage") == "context":
        plan = engine.prepare(engine.TrainOptions(**{**given, "stage": "front-end"}))
        engine.train(plan, tmp_path / "front", workers=0)
        given["weights"] = str(tmp_path / "front")
    training = engine.prepare(engine.TrainOptions(**given)).config.training
    for option in ("lr", "momentum", "weight_decay", "schedule", "optimizer"):
        if option in preset.options:
            assert getattr(training, option) == preset.options[option]


@pytest.mark.parametrize(("name", "rate"), [("fcn32s", 1e-10), ("fcn16s", 1e-12), ("fcn8s", 1e-14)])
def test_heavy_learning_is_the_paper_s(name: str, rate: float) -> None:
    """Batch 1, the loss summed, momentum 0.99, decay 5e-4 but for biases, which learn twice as fast."""
    found = engine.preset(f"{name}-heavy").options
    assert (found["model"], found["lr"], found["batch_size"]) == (name, rate, 1)
    assert (found["reduction"], found["momentum"], found["weight_decay"], found["bias_lr"]) == ("sum", 0.99, 5e-4, 2)


def test_unknown_presets_are_refused() -> None:
    with pytest.raises(InputError, match="unknown --preset 'fcn'; there are camvid-unet, deeplab"):
        engine.preset("fcn")


# Weights of classes


def test_class_weights_from_a_file(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.txt"
    path.write_text("# of the two classes\n\nground 0.5\nthing 2\n", encoding="utf-8")
    config = engine.prepare(options(root, class_weights=str(path))).config
    assert config.training.class_weights == (0.5, 2.0)
    path.write_text("1\n3.5\n", encoding="utf-8")
    assert engine.prepare(options(root, class_weights=str(path))).config.training.class_weights == (1.0, 3.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n", "has 1 weight for 2 classes"),
        ("1\n-2\n", "'-2' does not end with a weight"),
        ("1\nnan\n", "'nan' does not end with a weight"),
        ("thing 1\nground 2\n", "'thing' stands where the class 'ground' is expected"),
        ("0\n0\n", "every weight is 0"),
    ],
)
def test_files_of_weights_that_do_not_fit(root: Path, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "weights.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        engine.prepare(options(root, class_weights=str(path)))
    assert message in str(error.value)
