"""The command line: what it prints, its exit codes, and a line instead of a traceback for every bad input."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Result, call, done
from processes import environment
from runs import TINY_FLAGS, make_folder, visible, without_pictures, write
from sources import ROOT

import tinyseg
from tinyseg import backend, cli, engine, errors, models
from tinyseg.checkpoint import Checkpoint, save
from tinyseg.options import EPOCHS, LEARNING_RATES, MOMENTA, OPTIMIZERS, OTHER_EPOCHS, SCHEDULES, STAGES


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run, and what the command printed."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    return folder, done("train", "--data", "folder", "--root", root, "--epochs", 2, "--out", folder, *TINY_FLAGS)


@pytest.fixture
def run(trained: tuple[Path, str]) -> Path:
    return trained[0]


# What is printed


def test_training_prints_a_line_for_each_epoch_and_a_table(trained: tuple[Path, str]) -> None:
    folder, text = trained
    lines = text.splitlines()
    assert "unet on folder: 8 training and 4 validation images, 2 classes, 2 epochs of 2 batches of 4" in lines
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert len(epochs) == 2
    assert all("val loss" in line and "mean IU" in line for line in epochs)
    assert any(line.split()[:1] == ["thing"] for line in lines)
    assert f"weights, metrics.csv, curves.png and predictions.png are in {folder}" in lines
    assert "\x1b" not in text
    assert "\r" not in text


def test_one_of_a_kind_is_no_plural(root: Path, tmp_path: Path) -> None:
    flags = ("--data", "folder", "--root", root, "--epochs", 1, *TINY_FLAGS, "--batch-size", 8)
    text = done("train", "--out", tmp_path / "run", *flags)
    assert "8 training and 4 validation images, 2 classes, 1 epoch of 1 batch of 8" in text


def test_tables_are_whole_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = done("datasets").splitlines()
    (row,) = (line for line in lines if line.split()[:1] == ["cell-tracking"])
    assert row.rstrip() == " cell-tracking          films of cells (PhC-C2DH-U373, DIC-C2DH-HeLa ...)"
    assert len({len(line) for line in lines[:-1]}) == 1
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, done("datasets").splitlines()[:-1])) <= 60


@pytest.mark.parametrize(
    ("package", "flags", "extra"),
    [
        ("tensorboard", ("--tensorboard",), "tensorboard"),
        ("tinyseg_kernels.cuda", ("--device", "cuda"), "cuda"),
    ],
)
def test_extras_are_named_as_they_are_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str, flags: tuple[str, ...], extra: str
) -> None:
    """As in the README: tinyseg is installed from its checkout."""
    monkeypatch.setattr(backend, "_loaded", {})
    monkeypatch.setitem(sys.modules, package, None)
    result = call("train", "--data", "shapes", "--out", tmp_path / "run", *flags)
    _is_refusal(result, [f"pip install -e '.[{extra}]' in the checkout of tinyseg"])
    assert "`pip install -e '.[cuda]'`" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_evaluation_as_a_table_and_as_json(run: Path) -> None:
    text = done("evaluate", run)
    assert "folder, val: 4 images" in text
    found = json.loads(done("evaluate", run, "--split", "train", "--json"))
    assert (found["images"], found["classes"], found["split"]) == (8, ["ground", "thing"], "train")
    assert text.splitlines()[2].split() == ["class", "IU", "Dice", "accuracy", "pixels"]
    assert f"mean Dice {json.loads(done('evaluate', run, '--json'))['mean_dice']:.3f}" in text
    assert f"mean IU {json.loads(done('evaluate', run, '--json'))['mean_iu']:.3f}" in text


def test_evaluation_draws_the_confusion_matrix(run: Path, tmp_path: Path) -> None:
    picture = tmp_path / "confusion.svg"
    found = json.loads(done("evaluate", run, "--confusion", picture, "--json"))
    drawn = picture.read_text()
    assert f"<!-- {found['pixel_accuracy']:.1%} of {found['num_pixels']:,} pixels are right -->" in drawn
    assert "<!-- ground -->" in drawn
    _is_refusal(call("evaluate", run, "--confusion", picture), ["confusion.svg", "exists already"])
    _is_refusal(call("evaluate", run, "--confusion", tmp_path / "c.jpg"), [".png or .svg or .pdf"])
    _is_refusal(call("evaluate", run, "--confusion", tmp_path / "no" / "c.png"), ["there is no folder"])


def test_absent_classes_are_said_to_be_absent(run: Path, tmp_path: Path) -> None:
    other = make_folder(tmp_path / "data", train=1, val=1)
    write(other / "val" / "masks" / "0.png", np.full((32, 32), 255))
    result = call("evaluate", run, "--root", other, "--confusion", tmp_path / "none.png")
    text = result.stdout
    assert "none.png is not drawn: no pixel has a label" in result.stderr
    assert "absent, in no label and never predicted, so in no mean: ground, thing" in text
    found = json.loads(done("evaluate", run, "--root", other, "--json"))
    assert (found["mean_iu"], found["loss"], found["absent_classes"]) == (None, None, [0, 1])


def test_prediction_names_its_files(run: Path, root: Path, tmp_path: Path) -> None:
    images = sorted((root / "val" / "images").iterdir())
    text = done("predict", run, *images, "--out", tmp_path / "out")
    *lines, speed = text.splitlines()
    assert len(lines) == 4
    assert re.fullmatch(r"images: 4, [0-9.]+ a second", speed)
    assert "0.png -> 0.png, 0_overlay.png: " in text
    assert len(visible(tmp_path / "out")) == 8


def test_damaged_images_are_listed_at_the_end(run: Path, root: Path, tmp_path: Path) -> None:
    """Some could be labelled: exit code 1; none: 2."""
    good = root / "val" / "images" / "0.png"
    bad = [tmp_path / name for name in ("one.png", "two.png")]
    for path in bad:
        path.write_text("not an image")
    code, text, errors = call("predict", run, bad[0], good, bad[1], "--out", tmp_path / "out")
    assert code == 1
    assert text.splitlines()[0].startswith(f"{good} -> 0.png, 0_overlay.png: ")
    assert text.splitlines()[1].startswith("images: 1, ")
    first, *lines = errors.splitlines()
    assert first == "error: 2 of 3 images could not be labelled:"
    assert [line.split(": ")[0] for line in lines] == [f"  {path}" for path in bad]
    code, text, errors = call("predict", run, *bad, "--out", tmp_path / "none")
    assert (code, text, len(errors.splitlines())) == (2, "", 3)


def test_prediction_by_tiles_and_views(run: Path, root: Path, tmp_path: Path) -> None:
    images, out = root / "val" / "images", tmp_path / "out"
    flags = ("--tile", 24, "--overlap", 8, "--tta", "flip,scale=1,1.5", "--probabilities", "npy", "--no-overlay")
    text = done("predict", run, images, "--out", out, *flags)
    assert "0.png -> 0.png, 0_probabilities.npy: " in text
    assert len(visible(out)) == 8
    for given, wanted in (
        (("--max-pixels", 1000), "--max-pixels"),
        (("--tile", 8, "--overlap", 64), "--overlap 64 leaves nothing of a --tile of 8"),
        (("--tta", "twice"), "--tta: expected flip, vflip"),
        (("--probabilities", "csv"), "unknown --probabilities 'csv'"),
    ):
        code, _, errors = call("predict", run, images / "0.png", "--out", tmp_path / "none", *given)
        assert (code, errors.count("\n")) == (2, 1)
        assert wanted in errors


def test_info_as_a_table_and_as_json() -> None:
    text = done("info", "unet", "--size", "32x48", "--width", 4, "--depth", 1)
    assert "down.0.0" in text
    found = json.loads(done("info", "unet", "--size", "32x48", "--width", 4, "--depth", 1, "--json"))
    assert found["size"] == [32, 48]
    totals = found["totals"]
    assert (totals["convolution_layers"], totals["transposed_convolution_layers"]) == (7, 1)
    assert (totals["maximum_stride"], totals["receptive_field"]) == ([2, 2], [14, 14])
    assert f"parameters: {found['totals']['parameters']:,}" in text
    assert found["layers"][0]["output_shape"] == [4, 32, 48]


def test_models_are_listed_with_a_line_and_their_options() -> None:
    lines = done("models").splitlines()
    found = json.loads(done("models", "--json"))
    assert list(found) == models.names()
    for name, entry in found.items():
        place = lines.index(name)
        assert lines[place + 1].strip() == entry["description"]
        assert len(entry["description"]) > 10
        assert entry["options"] == models.options(name)
        for option, default in entry["options"].items():
            typed = errors.flag(option) if default is False else f"{errors.flag(option)} {default}"
            assert typed in lines[place + 2].strip().split(", ")


def test_info_of_a_run(run: Path) -> None:
    found = json.loads(done("info", run, "--json"))
    config = engine.read_config(run / "config.toml")
    assert (found["model"], found["num_classes"]) == (config.model.name, config.data.num_classes)
    assert found["totals"]["parameters"] == sum(layer["parameters"] for layer in found["layers"])
    result = call("info", run, "--num-classes", 3, "--width", 8)
    assert result.exit_code == 2
    assert "is a run, whose network is settled; leave --num-classes, --width away" in result.stderr


def test_every_option_of_a_model_is_one_of_the_commands() -> None:
    """With one type for all models, and none that the command has already (then typer would take the last)."""
    for option in models.all_options().values():
        assert {type(default) for default in option.defaults.values()} == {option.kind}
        for command in (cli.train.train, cli.info.info):
            assert option.name not in command.__wrapped__.__annotations__  # type: ignore[attr-defined]
            assert f"--{option.name.replace('_', '-')} " in done(command.__name__, "--help")


def test_help_and_version() -> None:
    assert done("--version").strip() == f"tinyseg {tinyseg.__version__}"
    for command in ((), ("train",), ("evaluate",), ("predict",), ("info",)):
        assert "--help" in done(*command, "--help")


def test_help_names_every_model_and_default() -> None:
    text = " ".join(done("train", "--help").split())
    assert all(name in text for name in models.names())
    defaults = engine.TrainOptions()
    for flag in (
        "data", "model", "optimizer", "schedule", "class_weights", "weight_decay", "batch_size", "accumulate",
        "power", "reduction", "gamma", "plateau_patience", "recalibrate", "pictures",
    ):  # fmt: skip
        part = text.split(f"--{flag.replace('_', '-')} ", 1)[1]
        assert part.split("[default: ", 1)[1].split("]", 1)[0] == str(getattr(defaults, flag))
    assert f"[default: {EPOCHS['shapes']} for shapes, {EPOCHS['cells']} for cells, else {OTHER_EPOCHS}]" in text
    rates = LEARNING_RATES
    assert rates["adam"] == rates["adamw"]
    assert (
        f"[default: {rates['adam']:g} for adam and adamw, {rates['sgd']:g} for sgd, {rates['rmsprop']:g} for rmsprop]"
    ) in text
    assert MOMENTA == {"adam": 0.9, "adamw": 0.9, "sgd": 0.9, "rmsprop": 0.0}
    assert "[default: 0.9, and 0 for rmsprop]" in text
    assert all(name in text for name in (*OPTIMIZERS, *SCHEDULES, *STAGES))


def test_help_comes_without_the_heavy_libraries() -> None:
    code = (
        "import sys\nfrom tinyseg.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('numba', 'matplotlib', 'scipy', 'tinyseg.engine') if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert found.stdout.splitlines()[-1] == "[]"


def test_it_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "tinyseg", "--version"]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    assert found.stdout.startswith("tinyseg ")


# Folders


def test_runs_are_numbered(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        done("train", "--data", "folder", "--root", root, "--epochs", 1, *TINY_FLAGS, "--quiet")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["folder-unet-1", "folder-unet-2"]


def test_resuming_a_finished_run_shows_its_table_again(run: Path, root: Path) -> None:
    flags = ("--data", "folder", "--root", root, "--epochs", 2, *TINY_FLAGS)
    assert "going on after epoch 2" in done("train", "--resume", run, *flags)


def test_a_run_goes_on_by_its_own_command_line(root: Path, tmp_path: Path) -> None:
    """With a batch that was made smaller, some of the model's options, and defaults spelt out."""
    folder = tmp_path / "run"
    flags = ("--data", "folder", "--root", root, "--epochs", 1, "--model", "unet", "--width", 4, "--batch-size", 99)
    done("train", "--out", folder, *flags)
    defaults = (
        "--depth",
        4,
        "--data-seed",
        0,
        "--lr",
        0.002,
        "--augment",
        "flip,scale",
        "--optimizer",
        "adam",
        "--seed",
        0,
    )
    defaults += ("--momentum", 0.9, "--weight-decay", 0.0001, "--schedule", "cosine", "--class-weights", "none")
    assert "going on after epoch 1" in done("train", "--resume", folder, *flags, *defaults)
    _is_refusal(call("train", "--resume", folder, "--batch-size", 7), ["--batch-size 8", "--batch-size 7"])
    _is_refusal(call("train", "--resume", folder, "--depth", 3), ["--depth 4", "--depth 3"])
    _is_refusal(call("train", "--resume", folder, "--backbone", "small"), ["no --backbone"])


def test_defaults_that_depend_on_the_data_may_be_spelt_out_too(root: Path, tmp_path: Path) -> None:
    flat, folder = tmp_path / "flat", tmp_path / "run"
    shutil.copytree(root / "train", flat)
    (flat / "classes.txt").write_text((root / "classes.txt").read_text())
    flags = ("--data", "folder", "--root", flat, "--epochs", 1, *TINY_FLAGS)
    done("train", "--out", folder, *flags)
    assert "going on after epoch 1" in done("train", "--resume", folder, *flags, "--val-fraction", 0.2)
    _is_refusal(
        call("train", "--resume", folder, "--val-fraction", 0.3), ["--val-fraction 0.2", "--val-fraction 0.3"]
    )


# Bad input: one or two lines, exit code 2, no traceback


def _binary_weights(folder: Path) -> None:
    (folder / "weights.txt").write_bytes(b"\xff\xfe\x00")


def _no_mask(folder: Path) -> None:
    (folder / "train" / "masks" / "3.png").unlink()


def _other_size(folder: Path) -> None:
    write(folder / "train" / "masks" / "3.png", np.zeros((30, 32)))


def _other_values(folder: Path) -> None:
    write(folder / "train" / "masks" / "3.png", np.full((32, 32), 7))


def _truncated(folder: Path) -> None:
    path = folder / "train" / "images" / "3.png"
    path.write_bytes(path.read_bytes()[:200])


def _lossy(folder: Path) -> None:
    mask = folder / "train" / "masks" / "3.png"
    write(mask.with_suffix(".jpg"), np.zeros((32, 32)))
    mask.unlink()


def _no_validation(folder: Path) -> None:
    (folder / "val").rename(folder / "holdout")


def _untouched(folder: Path) -> None:
    """Nothing wrong with the data."""


@pytest.mark.parametrize(
    ("spoil", "flags", "parts"),
    [
        (_untouched, ("--root", "no-such-folder"), ["no-such-folder", "no such folder"]),
        (_untouched, ("--data", "imagenet"), ["imagenet", "shapes"]),
        (_untouched, ("--model", "lenet"), ["lenet", "fcn8s"]),
        (
            _untouched,
            ("--backbone", "vgg"),
            ["unet: unknown option --backbone; it has --width (default 32), --depth"],
        ),
        (_untouched, ("--model", "fcn8s"), ["fcn8s: unknown option --depth; it has --backbone (default"]),
        (_untouched, ("--depth", "9"), ["unet: --width must be at least 1 and --depth 1 to 8, got 4 and 9"]),
        (_untouched, ("--num-classes", "5"), ["2 classes", "5"]),
        (_untouched, ("--stage", "context"), ["--stage is for --model dilatednet; unet is not trained in stages"]),
        (_untouched, ("--size", "3x40"), ["3x40", "too small", "4x4"]),
        (_untouched, ("--size", "big"), ["HEIGHTxWIDTH", "'big'"]),
        (_untouched, ("--size", "0x40"), ["HEIGHTxWIDTH"]),
        (_untouched, ("--lr", "-1"), ["--lr must be"]),
        (_untouched, ("--epochs", "0"), ["--epochs must be"]),
        (_untouched, ("--batch-size", "0"), ["--batch-size must be"]),
        (_untouched, ("--optimizer", "lbfgs"), ["lbfgs", "adam"]),
        (_untouched, ("--device", "tpu"), ["tpu", "reference"]),
        (_untouched, ("--val-fraction", "0.5"), ["val"]),
        (_untouched, ("--out", "."), ["exists already; choose another --out\n"]),
        (_untouched, ("--warmup", "2"), ["--warmup 2 is longer than the run of 1 epoch"]),
        (_untouched, ("--find-lr", "none/lr.png"), ["--find-lr: none/lr.png: there is no folder none"]),
        (_binary_weights, ("--class-weights", "data/weights.txt"), ["weights.txt: is no list of weights"]),
        (_no_mask, (), ["3.png", "mask"]),
        (_other_size, (), ["3.png", "30x32", "32x32"]),
        (_other_values, (), ["3.png", "7", "255"]),
        (_truncated, (), ["3.png"]),
        (_lossy, (), ["3.jpg", "lossy"]),
        (_no_validation, (), ["val"]),
    ],
)
def test_bad_input_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None], flags: Any, parts: list[str]
) -> None:
    folder = make_folder(tmp_path / "data", train=4, val=1)
    spoil(folder)
    monkeypatch.chdir(tmp_path)
    result = call("train", "--data", "folder", "--root", folder, "--epochs", 1, *TINY_FLAGS, *flags)
    _is_refusal(result, parts)
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def _is_refusal(result: Result, parts: list[str]) -> None:
    """Exit code 2, one or two lines on standard error that hold ``parts``, and no traceback."""
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) <= 2
    assert "Traceback" not in result.output
    for part in parts:
        assert part in result.stderr


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("evaluate", "nothing"), ["nothing", "no such folder"]),
        (("evaluate", "."), ["config.toml", "no such file"]),
        (("evaluate", "RUN", "--split", "test"), ["test"]),
        (("evaluate", "RUN", "--data", "shapes"), ["shapes: has 6 classes, but the run was for 2"]),
        (("evaluate", "RUN/first.safetensors"), ["first.safetensors", "no such checkpoint"]),
        (("predict", "RUN", "nothing.png", "--out", "out"), ["nothing.png", "no such file"]),
        (("predict", "RUN", "text.png", "--out", "out"), ["text.png"]),
        (("predict", "RUN", "small.png", "--out", "."), ["small.png", "overwritten"]),
        (("predict", "RUN", "small.png", "--out", "out"), ["small.png", "2x2", "too small"]),
        (("predict", "RUN", "small.png", "--out", "text.png"), ["text.png", "folder"]),
        (("info", "lenet"), ["lenet", "unet"]),
        (("info", "fcn8s", "--size", "16x16"), ["16x16", "32x32"]),
        (("info", "fcn8s", "--depth", "8"), ["unknown option --depth"]),
        (("info", "vgg16", "--size", "16x16"), ["16x16", "vgg16", "32x32"]),
        (("info", "fcn8s", "--backbone", "vgg"), ["unknown --backbone 'vgg'"]),
        (("train", "--resume", "RUN", "--lr", "0.5"), ["--lr 0.002", "--lr 0.5"]),
        (("train", "--resume", "RUN", "--augment", "none"), ["--augment scale=0.75:1.5,flip", "--augment none"]),
        (("train", "--resume", "RUN", "--size", "64x64"), ["no --size", "--size 64x64"]),
        (("train", "--resume", "RUN", "--width", "8"), ["--width 4", "--width 8"]),
        (("train", "--resume", "RUN", "--epochs", "9"), ["cosine", "constant", "--weights RUN"]),
        (("train", "--out", "RUN"), ["exists already; choose another --out, or go on with it by --resume RUN"]),
        (("train", "--resume", "RUN", "--out", "elsewhere"), ["--out"]),
        (("train", "--resume", "nothing"), ["nothing", "no such folder"]),
    ],
)
def test_bad_input_of_the_other_commands(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, parts: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.png").write_text("not an image")
    write(tmp_path / "small.png", np.zeros((2, 2, 3)))
    result = call(*(argument.replace("RUN", str(run)) for argument in arguments))
    _is_refusal(result, [part.replace("RUN", str(run)) for part in parts])


def _broken_config(folder: Path) -> None:
    (folder / "config.toml").write_text("epochs = [")


def _other_model(folder: Path) -> None:
    weights = models.create("unet", num_classes=3, width=4, depth=1).state_dict()
    save(folder / "best.safetensors", Checkpoint(weights))


def _half_a_checkpoint(folder: Path) -> None:
    path = folder / "best.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("spoil", "parts"),
    [
        (_broken_config, ["config.toml", "not valid TOML"]),
        (_other_model, ["best.safetensors", "missing (down.2.", "of another shape"]),
        (_half_a_checkpoint, ["best.safetensors", "not a complete checkpoint"]),
    ],
)
def test_a_run_that_was_damaged(run: Path, tmp_path: Path, spoil: Callable[[Path], None], parts: list[str]) -> None:
    import shutil

    folder = Path(shutil.copytree(run, tmp_path / "copy"))
    spoil(folder)
    _is_refusal(call("evaluate", folder), parts)


def test_a_folder_that_cannot_be_written_is_told(run: Path, root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    flags = ("--data", "folder", "--root", root, "--epochs", 1, *TINY_FLAGS)
    _is_refusal(call("train", "--out", tmp_path / "file" / "run", *flags), ["file"])


def test_threads_that_the_system_does_not_start_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def start(*given: Any, **more: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(engine, "prepare", start)
    _is_refusal(call("train", "--out", tmp_path / "run"), ["no more threads", "--threads or --workers"])


def test_debug_shows_the_traceback() -> None:
    result = call("info", "lenet", "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


def test_usage_errors_have_the_same_exit_code() -> None:
    for arguments in (("train", "--epochs", "many"), ("train", "--speed", "1"), ("predict",), ("draw",)):
        result = call(*arguments)
        assert result.exit_code == 2
        assert "Error: " in result.stderr


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_divergence_has_its_own_exit_code(root: Path, tmp_path: Path) -> None:
    flags = ("--data", "folder", "--root", root, "--epochs", 4, "--optimizer", "sgd", "--lr", "1e30", *TINY_FLAGS)
    result = call("train", "--out", tmp_path / "run", *flags)
    assert result.exit_code == 1
    assert "First not finite" in result.stderr
    assert "Traceback" not in result.output


def test_an_interrupt_says_how_to_go_on(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinyseg.console import TrainingDisplay

    def interrupt(self: TrainingDisplay, row: Any, is_best: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingDisplay, "epoch_done", interrupt)
    folder = tmp_path / "a run"
    result = call("train", "--data", "folder", "--root", root, "--epochs", 2, "--out", folder, *TINY_FLAGS)
    assert result.exit_code == 130
    assert "epochs saved so far: 1 of 2" in result.stdout
    assert f'go on with: tinyseg train --resume "{folder}"' in result.stdout
    monkeypatch.undo()
    assert "going on after epoch 1" in done("train", "--resume", folder)


# --- Streams and names as they are found outside


def _command(*arguments: Any, **changes: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a process of its own; xdist sets COLUMNS, which is taken away."""
    inherited = {name: value for name, value in environment().items() if name not in ("COLUMNS", "LINES")}
    return subprocess.run(
        [sys.executable, "-m", "tinyseg", *map(str, arguments)],
        env={**inherited, **changes},
        capture_output=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_any_encoding_of_the_terminal_will_do(encoding: str, tmp_path: Path) -> None:
    name = "wald\N{LATIN SMALL LETTER U WITH DIAERESIS}\N{CJK UNIFIED IDEOGRAPH-6797}"
    (tmp_path / f"{name}.toml").write_text("epochs = 'x'", encoding="utf-8")
    for arguments in (("datasets",), ("models",), ("presets",)):
        result = _command(*arguments, PYTHONIOENCODING=encoding)
        assert (result.returncode, result.stderr) == (0, b"")
        assert result.stdout.decode(encoding)
    result = _command("train", "--config", tmp_path / f"{name}.toml", PYTHONIOENCODING=encoding)
    assert (result.returncode, result.stderr.count(b"\n")) == (2, 1)
    assert result.stderr.startswith(b"error: ")


def test_names_that_are_no_text_are_shown_as_escapes() -> None:
    """By an error, which goes to standard error, and by what goes to standard output."""
    result = call("info", "a\x1b[31mb\udcffc\u202ed")
    assert result.exit_code == 2
    # As bytes: no report of a failure could carry such a text to another process.
    assert rb"a\x1b[31mb\udcffc\u202ed" in result.stderr.encode("utf-8", "surrogatepass")
    out = io.StringIO()
    from rich.console import Console

    from tinyseg import console

    console.line(Console(file=out), "a\x1b[31mb\udcffc\u202ed, \N{LATIN SMALL LETTER U WITH DIAERESIS}")
    assert out.getvalue().encode("utf-8", "surrogatepass") == b"a\\x1b[31mb\\udcffc\\u202ed, \xc3\xbc\n"


@pytest.mark.parametrize("size", ["0", "1", "-5", "abc", "", "99999999999", "\N{SUPERSCRIPT TWO}"])
def test_sizes_of_a_screen_that_are_none_count_as_unset(size: str) -> None:
    expected = _command("datasets")
    result = _command("datasets", COLUMNS=size, LINES=size)
    assert (result.returncode, result.stdout, result.stderr) == (0, expected.stdout, b"")


def _with_stdout(target: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tinyseg", *arguments]
    return subprocess.run(
        command, env=environment(), stdout=target, stderr=subprocess.PIPE, text=True, check=False, timeout=120
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
@pytest.mark.parametrize(
    "arguments", [("datasets",), ("models", "--help"), ("info", "unet", "--json", "--size", "32x32")]
)
def test_output_that_cannot_be_written(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        result = _with_stdout(full, *arguments)
    assert (result.returncode, result.stderr) == (2, "error: No space left on device\n")


@pytest.mark.skipif(os.name == "nt", reason="a reader that is gone is another error there")
@pytest.mark.parametrize("arguments", [("datasets",), ("models",), ("info", "unet", "--json", "--size", "32x32")])
def test_a_reader_that_has_enough_ends_the_command_quietly(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = _with_stdout(writing, *arguments)
    finally:
        os.close(writing)
    assert (result.returncode, result.stderr) == (1, "")


@pytest.mark.skipif(os.name == "nt", reason="streams are closed otherwise there")
def test_closed_streams() -> None:
    command = f'exec "{sys.executable}" -m tinyseg datasets >&- 2>&-'
    assert subprocess.run(["sh", "-c", command], env=environment(), check=False, timeout=120).returncode == 0


def test_an_end_of_file_inside_is_not_taken_for_the_user_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Typer prints "Aborted!" for it, which hid a damaged file."""

    def ends(*_: Any) -> None:
        raise EOFError("Ran out of input")

    monkeypatch.setattr(backend, "set_default_device", ends)
    with pytest.raises(RuntimeError, match="a file ended too early") as error:
        cli.app(["info", "unet"])
    assert isinstance(error.value.__cause__, EOFError)


@pytest.mark.parametrize("threads", ["1000000", str(2**63), str(10**30)])
def test_too_many_threads_are_refused(threads: str, tmp_path: Path) -> None:
    _is_refusal(call("evaluate", tmp_path, "--threads", threads), ["count must be from 1 to", f"got {threads}"])
    (tmp_path / "run.toml").write_text(f"threads = {min(int(threads), 2**62)}\nworkers = 1")
    _is_refusal(call("train", "--config", tmp_path / "run.toml"), ["count must be from 1 to"])
    (tmp_path / "run.toml").write_text("threads = 0")
    _is_refusal(call("train", "--config", tmp_path / "run.toml"), ["count must be from 1 to", "got 0"])
