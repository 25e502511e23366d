"""Nothing that was learnt or written is lost: to a kill, a full disk, a second process, an image too large."""

from __future__ import annotations

import csv
import importlib
import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import full_disk
import numpy as np
import pytest
from commands import call
from PIL import Image
from processes import age, environment
from tiny_runs import Log, make_folder, options, visible, without_pictures, write

from tinyseg import engine, models
from tinyseg.checkpoint import load
from tinyseg.engine.prediction import segmenter
from tinyseg.engine.prediction.ledger import LEDGER
from tinyseg.errors import InputError, InUseError, OutOfMemoryError, WriteError
from tinyseg.files import LOCK, locked

HALF = ".tinyseg-0123456789abcdef.partial"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two epochs."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        engine.train(engine.prepare(options(root)), folder, workers=0)
    return folder


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of three images."""
    (tmp_path / "images").mkdir()
    for name in "abc":
        write(tmp_path / "images" / f"{name}.png", np.zeros((16, 16, 3)))
    return tmp_path / "images"


def module(name: str) -> ModuleType:
    """Of the engine, where a function has its name."""
    return importlib.import_module(f"tinyseg.engine.{name}")


def same_bits(one: Path, other: Path) -> None:
    for name in ("best.safetensors", "last.safetensors"):
        left, right = load(one / name), load(other / name)
        assert left.weights.keys() == right.weights.keys()
        for key, value in left.weights.items():
            np.testing.assert_array_equal(value.numpy(), right.weights[key].numpy(), err_msg=key)
    rows = [list(csv.DictReader((path / "metrics.csv").read_text("utf-8").splitlines())) for path in (one, other)]
    for row in (*rows[0], *rows[1]):
        del row["seconds"], row["waited"]
    assert rows[0] == rows[1]


# Validation that does not fit into the memory


@pytest.mark.parametrize(
    "changes", [{}, {"ema": 0.5, "recalibrate": 1, "schedule": "plateau", "plateau_patience": 1}]
)
def test_an_epoch_is_kept_when_its_validation_fails(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """And is validated when the run goes on, to the bits of one that was not stopped."""
    plan = engine.prepare(options(root, **changes))
    engine.train(plan, tmp_path / "whole", workers=0)
    folder = tmp_path / "run"

    def full(*arguments: Any) -> None:
        raise MemoryError

    for go_on in (partial(engine.train, plan), engine.resume):
        with monkeypatch.context() as patch:
            patch.setattr(module("training.train"), "evaluate_model", full)
            with pytest.raises(OutOfMemoryError) as caught:
                go_on(folder, workers=0)
            assert str(caught.value) == (
                f"out of memory in the validation after epoch 1. The weights after epoch 1 are kept in {folder}"
            )
        assert (folder / "last.safetensors").is_file()
        assert engine.read_progress(folder).trained is not None
    log = Log()
    engine.resume(folder, callbacks=log, workers=0)
    assert len(log.losses) == 2, "the steps of the first epoch are not made again"
    same_bits(folder, tmp_path / "whole")


def test_out_of_memory_has_a_true_cause(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinyseg.models.unet import UNet

    def full(self: Any, *arguments: Any) -> None:
        raise MemoryError

    config = engine.prepare(options(root)).config
    model = engine.parts.pipeline.create_model(config)
    loader = engine.parts.pipeline.evaluation_loader(config, engine.parts.pipeline.open_split(config.data, "val"), 0)
    plan = engine.prepare(options(root))
    monkeypatch.setattr(UNet, "forward", full)
    monkeypatch.setattr(UNet, "logits", full, raising=False)
    with pytest.raises(OutOfMemoryError, match=r"when the image 0 and 3 others of 32x32 was labelled"):
        engine.evaluate_model(model, loader, config)
    with pytest.raises(
        OutOfMemoryError, match=r"in the steps of epoch 1; a smaller --batch-size or --crop needs less"
    ):
        engine.train(plan, tmp_path / "run", workers=0)
    assert not (tmp_path / "run").exists(), "nothing was learnt"


def test_validation_labels_large_images_as_prediction_does(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The confusion matrix is that of the masks that ``predict`` writes; small images are as they were."""
    large = make_folder(tmp_path / "large", train=1, val=2, size=(96, 112))
    before = engine.evaluate(whole, root=large)[1]
    monkeypatch.setattr(segmenter, "WHOLE_PIXELS", 64 * 64)
    monkeypatch.setattr(segmenter, "TILE", 80)
    found = engine.evaluate(whole, root=large)[1]
    written = engine.predict(whole, [large / "val" / "images"], tmp_path / "out")
    matrix = np.zeros((2, 2), np.int64)
    for prediction in written:
        truth = np.asarray(Image.open(large / "val" / "masks" / prediction.mask.name))
        np.add.at(matrix, (truth.ravel(), np.asarray(Image.open(prediction.mask)).ravel()), 1)
    assert found.scores.matrix.tolist() == matrix.tolist()
    assert found.loss == pytest.approx(before.loss, rel=0.05)
    assert found.loss != before.loss
    small = engine.evaluate(whole)[1]
    assert (
        small.scores.matrix.tolist()
        == engine.read_progress(whole)
        .best.scores(  # type: ignore[union-attr]
            engine.read_folder(whole)
        )
        .matrix.tolist()
    )


def test_very_deep_networks_get_larger_tiles(root: Path) -> None:
    """Of a tile of 512 pixels strides of 256 would leave nothing: a run was refused when it came to its pictures."""
    config = engine.prepare(options(root)).config
    deep = models.create("unet", num_classes=2, in_channels=3, width=1, depth=8)
    assert deep.stride == 256
    assert segmenter.Segmenter(deep, config).grid.tile == 1024
    shallow = models.create("unet", num_classes=2, in_channels=3, width=1, depth=4)
    assert segmenter.Segmenter(shallow, config).grid.tile == 512
    with pytest.raises(InputError, match="--overlap 700 leaves nothing of a --tile of 512"):
        segmenter.Segmenter(shallow, config, overlap=700)


@pytest.mark.parametrize(
    ("loss", "weights"), [("ce", (1.0, 3.0)), ("focal", None), ("dice", None), ("dice+ce", None)]
)
def test_the_loss_of_tiles_is_that_of_their_probabilities(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: str, weights: Any
) -> None:
    """By PyTorch's definition, of the probabilities that ``predict --probabilities`` gives."""
    from tinyseg.engine.parts.objective import LOSSES
    from tinyseg.engine.parts.pipeline import create_model, evaluation_loader, open_split
    from tinyseg.tensor import tensor

    large = make_folder(tmp_path / "large", train=1, val=1, size=(96, 112))
    changes = {"class_weights": weights} if weights else {}
    config = engine.prepare(options(large, loss=loss, batch_size=1, **changes)).config
    model = create_model(config)
    monkeypatch.setattr(segmenter, "WHOLE_PIXELS", 64 * 64)
    monkeypatch.setattr(segmenter, "TILE", 80)
    dataset = open_split(config.data, "val")
    found = engine.evaluate_model(model, evaluation_loader(config, dataset, 0), config)
    model.eval()
    sample = dataset[0]
    chances = np.concatenate(list(segmenter.Segmenter(model, config).probabilities(sample.image)))
    if loss == "ce":
        of_pixels = -np.log(np.take_along_axis(chances, sample.mask[:, :, None].astype(np.int64), 2)[:, :, 0])
        weight = np.array(weights)[sample.mask]
        expected = float((of_pixels * weight).sum() / weight.sum())
    else:
        logits = tensor(np.log(chances).transpose(2, 0, 1)[None])
        expected = LOSSES[loss](ignore_index=255)(logits, tensor(sample.mask[None].astype(np.int64))).item()
    assert found.loss == pytest.approx(expected, rel=1e-5)


def test_a_step_and_a_validation_are_estimated(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinyseg.engine.inspection import memory

    config = engine.prepare(options(root)).config
    found = memory.estimate(config, engine.parts.pipeline.create_model(config), (32, 32))
    whole = memory.validation_bytes(found, config, (2000, 2000), 1)
    tiled = memory.validation_bytes(found, config, (3000, 3000), 1)
    assert tiled < whole, "the network sees tiles"
    assert whole == pytest.approx(memory.validation_bytes(found, config, (1000, 1000), 4), rel=1e-6)
    room = found.of(4) + 1
    monkeypatch.setattr(memory, "machine_memory", lambda: (100 * room, room))
    model = engine.parts.pipeline.create_model(config)
    (note,) = memory.check_memory(config, model, (32, 32), (2000, 2000), 1)
    assert note.startswith("validation images of 2000x2000 need about ")
    assert "the epoch's steps are kept" in note
    assert memory.check_memory(config, model, (32, 32), (32, 32), 1) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what of the limit is taken")
def test_a_limit_of_the_shell_counts() -> None:
    code = (
        "import resource\nfrom tinyseg.engine.inspection.memory import machine_memory\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))\nprint(*machine_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    total, free = map(int, done.stdout.split())
    assert total <= 2**32
    assert free < 2**32


# Killed before the first checkpoint


def beginning(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        text = "# Written by tinyseg train: wha" if name == "config.toml" else "# half a file"
        (folder / name).write_text(text, encoding="utf-8")
        age(folder / name, seconds=3700)
    return folder


BEGINNINGS = [(), (HALF,), (".config.partial.toml",), ("config.toml", HALF, LOCK), ("config.toml", "weights.txt")]


@pytest.mark.parametrize("names", BEGINNINGS)
def test_a_run_is_begun_anew_where_one_was_killed(root: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = beginning(tmp_path / "run", *names)
    engine.check_new(folder)
    engine.train(engine.prepare(options(root, epochs=1)), folder, workers=0)
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
    assert not (folder / "weights.txt").exists()
    assert len(engine.resume(folder, workers=0).history) == 1


def test_what_is_left_of_a_killed_run_is_said(tmp_path: Path) -> None:
    folder = beginning(tmp_path / "run", "config.toml", HALF)
    result = call("train", "--resume", folder)
    again = f"begin it again: tinyseg train --config {folder / 'config.toml'} --out {folder}"
    # Also where its configuration is cut.
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.endswith(f"{again}\n")
    (folder / "config.toml").unlink()
    with pytest.raises(InputError, match=f"begin it again: tinyseg train --out {re.escape(str(folder))}$"):
        engine.resume(folder)


def test_a_folder_with_something_else_in_it_is_left_alone(root: Path, tmp_path: Path) -> None:
    folder = beginning(tmp_path / "run", "config.toml", "notes.txt")
    with pytest.raises(InputError, match="exists already"):
        engine.train(engine.prepare(options(root)), folder)
    assert visible(folder) == ["config.toml", "notes.txt"]


@pytest.mark.parametrize("name", ["config.toml", "weights.txt"])
def test_a_file_of_the_user_s_with_a_run_s_name_is_left_alone(root: Path, tmp_path: Path, name: str) -> None:
    """Options that were written by hand, say, and handed over by --config; whatever becomes of the run."""
    folder = tmp_path / "run"
    folder.mkdir()
    text = f'[data]\nname = "folder"\nroot = "{root.as_posix()}"\n[training]\nepochs = 1\n'
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="exists already; choose another --out"):
        engine.train(engine.prepare(options(root, epochs=1)), folder, workers=0)
    with pytest.raises(InputError, match="exists already; choose another --out"):
        engine.check_new(folder)
    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).read_text(encoding="utf-8") == text


def test_the_options_file_of_a_run_is_not_replaced_by_the_run(run: Path, root: Path, tmp_path: Path) -> None:
    """A copy of a run's config.toml, edited by hand, still says that tinyseg wrote it."""
    folder = tmp_path / "again"
    folder.mkdir()
    shutil.copy(run / "config.toml", folder)
    before = (folder / "config.toml").read_bytes()
    result = call("train", "--config", folder / "config.toml", "--out", folder)
    assert (result.exit_code, "is in the folder of --out" in result.stderr) == (2, True)
    assert (folder / "config.toml").read_bytes() == before


def test_files_of_others_stay_when_nothing_was_learnt(root: Path, tmp_path: Path) -> None:
    class Fail(Log):
        def started(self, trainer: Any) -> None:
            (trainer.folder / "notes.txt").write_text("made meanwhile")
            raise InputError("first batch")

    with pytest.raises(InputError, match="first batch"):
        engine.train(engine.prepare(options(root)), tmp_path / "run", Fail(), workers=0)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_resuming_removes_half_written_files(run: Path) -> None:
    (run / HALF).write_text("half")
    age(run / HALF, seconds=3700)
    engine.resume(run, workers=0)
    assert not (run / HALF).exists()


@pytest.mark.parametrize("names", BEGINNINGS)
def test_a_comparison_goes_on_after_any_kill(root: Path, whole: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    beginning(tmp_path / "out" / "new", *names)
    (tmp_path / "out" / HALF).write_text("half a report")
    age(tmp_path / "out" / HALF, seconds=3700)
    found = engine.compare({"done": whole, "new": options(root, epochs=1)}, tmp_path / "out", workers=0)
    assert [one.name for one in found.contenders] == ["done", "new"]
    assert not (tmp_path / "out" / HALF).exists()


def test_pictures_that_are_missing_are_made(root: Path, whole: Path, tmp_path: Path) -> None:
    plan = options(root, epochs=1, pictures=1)
    engine.compare({"done": whole, "new": plan}, tmp_path / "out", workers=0)
    folder = tmp_path / "out" / "new"
    pictures = [folder / name for name in ("predictions.png", "curves.png", "metrics.csv", "pictures/epoch-001.png")]
    before = (folder / "last.safetensors").read_bytes()
    for picture in pictures:
        picture.unlink()
        engine.compare({"done": whole, "new": plan}, tmp_path / "out", workers=0)
        assert picture.is_file()
    assert (folder / "last.safetensors").read_bytes() == before
    pictures[-1].unlink()
    engine.resume(folder, workers=0)
    assert pictures[-1].is_file()


# Two at once


def test_a_second_process_in_a_run_is_refused(root: Path, whole: Path, run: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with locked(run):
        result = call("train", "--resume", run)
    assert result.exit_code == 2
    assert result.stderr == f"error: {run}: in use by another tinyseg; wait until that is done, or stop it\n"
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    new = tmp_path / "new"
    new.mkdir()
    with locked(new), pytest.raises(InUseError):
        engine.train(engine.prepare(options(root)), new)
    out = tmp_path / "out"
    out.mkdir()
    with locked(out):
        with pytest.raises(InUseError):
            engine.compare({"a": whole, "b": options(root)}, out)
        with pytest.raises(InUseError):
            engine.predict(whole, [root / "val" / "images" / "0.png"], out)
    assert visible(out) == []


def test_a_run_is_locked_while_it_is_trained(root: Path, tmp_path: Path) -> None:
    class Second(Log):
        def epoch_done(self, row: Any, is_best: bool) -> None:
            with pytest.raises(InUseError):
                engine.resume(tmp_path / "run")
            super().epoch_done(row, is_best)

    log = Second()
    engine.train(engine.prepare(options(root)), tmp_path / "run", log, workers=0)
    assert len(log.rows) == 2
    assert not (tmp_path / "run" / LOCK).exists()


# What predictions replace


def test_predictions_replace_predictions_and_nothing_else(whole: Path, images: Path, tmp_path: Path) -> None:
    """Ground truth that has the names, a mask corrected by hand, a file of another program: all stay."""
    out = tmp_path / "masks"
    out.mkdir()
    write(out / "b.png", np.ones((16, 16)))
    truth = (out / "b.png").read_bytes()
    result = call("predict", whole, images, "--out", out)
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {out / 'b.png'}: is there already, and is not as tinyseg predict wrote it; choose another --out\n"
    )
    assert ((out / "b.png").read_bytes(), [path.name for path in out.iterdir()]) == (truth, ["b.png"])
    (out / "b.png").unlink()
    for kind in (None, "npy", "png"):  # again, and with more files
        for _ in range(2):
            engine.predict(whole, [images], out, options=engine.PredictOptions(probabilities=kind))
    assert len(visible(out)) == 3 * 5
    for name in ("a.png", "c_probabilities.npy"):
        before = (out / name).read_bytes()
        corrected = before[:-1] + bytes([before[-1] ^ 1])
        (out / name).write_bytes(corrected)
        with pytest.raises(InputError, match=rf"{name}: is there already, and is not as tinyseg predict wrote it"):
            engine.predict(whole, [images], out, options=engine.PredictOptions(probabilities="npy"))
        assert (out / name).read_bytes() == corrected
        (out / name).write_bytes(before)
    (out / "a.png").unlink()
    (out / "a.png").mkdir()
    with pytest.raises(InputError, match=r"a\.png: is there already"):
        engine.predict(whole, [images], out)


def test_a_list_of_predictions_that_is_damaged_makes_them_strangers(
    whole: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    engine.predict(whole, [images], out)
    lines = (out / LEDGER).read_text(encoding="utf-8").splitlines()
    assert sorted(json.loads(line)[0] for line in lines) == visible(out)
    cut = [line if "a.png" not in line else line[:20] for line in lines]
    (out / LEDGER).write_text("\n".join([*cut, "[]", "{", "[1, 2, 3]", '["a.png", "x", 3]']), encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.png: is there already"):
        engine.predict(whole, [images], out)
    engine.predict(whole, [images / "b.png"], out)


@pytest.mark.parametrize(
    "line",
    [
        '["a.png", Infinity, "x"]',
        '["a.png", 3.5, "x"]',
        "[" * 100_000,
        '["a.p',
        '{"a": 1, "b": 2, "c": 3}',
        "\0" * 50,
    ],
    ids=["infinite", "no count", "deep", "cut", "table", "no text"],
)
def test_a_list_of_predictions_with_a_damaged_line_goes_on(
    whole: Path, images: Path, tmp_path: Path, line: str
) -> None:
    """Also where no line is readable: the next one must not be glued to a line that is cut."""
    out = tmp_path / "out"
    out.mkdir()
    (out / LEDGER).write_text(line, encoding="utf-8")
    for _ in range(2):  # the second time its own files are known
        engine.predict(whole, [images / "a.png"], out)
        lines = (out / LEDGER).read_text(encoding="utf-8").splitlines()
        assert {json.loads(line)[0] for line in lines} == set(visible(out))


def test_a_list_of_predictions_that_cannot_be_read_is_said(whole: Path, images: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / LEDGER).mkdir(parents=True)
    message = rf"{re.escape(LEDGER)}: cannot be read as the list of predictions \(it is a folder\)$"
    with pytest.raises(InputError, match=message):
        engine.predict(whole, [images], tmp_path / "out")


def test_a_prediction_that_is_killed_knows_what_it_wrote(whole: Path, images: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom tinyseg import engine\n"
        "def stop(source, target, real=os.replace):\n"
        "    real(source, target)\n"
        "    os._exit(9) if str(target).endswith('b_overlay.png') else None\n"
        "os.replace = stop\nengine.predict(sys.argv[1], [sys.argv[2]], sys.argv[3])"
    )
    out = tmp_path / "out"
    command = [sys.executable, "-c", code, *map(str, (whole, images, out))]
    assert subprocess.run(command, check=False, env=environment()).returncode == 9
    assert visible(out) == ["a.png", "a_overlay.png", "b_overlay.png"]
    (out / HALF).write_text("half")
    age(out / HALF, seconds=3700)
    engine.predict(whole, [images], out)
    assert len(visible(out)) == 6
    assert not (out / HALF).exists()


@pytest.mark.parametrize("name", ["report.html", "report.json"])
def test_a_comparison_replaces_reports_alone(root: Path, whole: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("<title>mine</title>", encoding="utf-8")
    with pytest.raises(InputError, match=f"{name}: is there already, and no report of tinyseg compare"):
        engine.compare({"a": whole, "b": options(root)}, tmp_path / "out")
    assert visible(tmp_path / "out") == [name]


def test_pictures_that_exist_are_not_replaced(root: Path, whole: Path, tmp_path: Path) -> None:
    for name in ("a.png", "a.toml", "a.safetensors"):
        (tmp_path / name).write_text("mine")
    picture = tmp_path / "a.png"
    data = ("--data", "folder", "--root", root)
    for arguments in (
        ("check", "folder", root, "--chart", picture),
        ("check", "folder", root, "--fix-mapping", tmp_path / "a.toml"),
        ("evaluate", whole, "--confusion", picture),
        ("train", *data, "--find-lr", picture),
        ("export", whole, "--to", tmp_path / "a.safetensors"),
    ):
        result = call(*arguments)
        assert result.exit_code == 2
        assert "exists already" in result.stderr
    assert {path.read_text() for path in tmp_path.iterdir()} == {"mine"}


# Prediction goes on


def predicted(run: Path, images: list[Path], out: Path) -> engine.PredictionError:
    with pytest.raises(engine.PredictionError) as caught:
        engine.predict(run, images, out)
    return caught.value


def test_prediction_goes_on_after_a_file_that_cannot_be_written(whole: Path, images: Path, tmp_path: Path) -> None:
    """``NAME_overlay.png`` of a name of 246 letters is too long for any file system."""
    write(images / f"{'b' * 246}.png", np.zeros((16, 16, 3)))
    result = call("predict", whole, images, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "images: 3, " in result.stdout
    first, second = [line for line in result.stderr.splitlines() if "compiling kernels" not in line]
    assert first == "error: 1 of 4 images could not be labelled:"
    assert second.endswith("_overlay.png: cannot be written (File name too long)")
    assert visible(tmp_path / "out") == sorted(f"{name}{end}.png" for name in "abc" for end in ("", "_overlay"))
    engine.predict(
        whole, [images], tmp_path / "masks", options=engine.PredictOptions(overlay=False)
    )  # the mask's name fits


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_prediction_goes_on_after_a_link_to_itself(whole: Path, images: Path, tmp_path: Path) -> None:
    (images / "b.png").unlink()
    (images / "b.png").symlink_to(images / "b.png")
    error = predicted(whole, [images], tmp_path / "out")
    assert [one.image.name for one in error.done] == ["a.png", "c.png"]
    assert str(error.failures[0]).startswith(f"{images / 'b.png'}: ")
    with pytest.raises(InputError, match=r"b\.png: no such file"):
        engine.predict(whole, [images / "b.png"], tmp_path / "out")


def test_prediction_stops_when_the_disk_is_full(
    whole: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    write(images / "b.png", rng.integers(0, 255, (64, 64, 3)))  # whose overlay takes more
    full_disk.fill(monkeypatch, 2000)
    error = predicted(whole, [images], tmp_path / "out")
    assert ([one.image.name for one in error.done], error.untried) == (["a.png"], 1)
    assert str(error).splitlines() == [
        "2 of 3 images could not be labelled:",
        f"  {tmp_path / 'out' / 'b_overlay.png'}: cannot be written (No space left on device)",
        "  the disk is full: 1 image left",
    ]
    assert visible(tmp_path / "out") == ["a.png", "a_overlay.png"]


def test_prediction_goes_on_after_an_image_too_large_for_the_memory(
    whole: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module("prediction.predict").read_image

    def read(path: Path, *given: Any, **named: Any) -> Any:
        if path.name == "b.png":
            raise MemoryError
        return real(path, *given, **named)

    monkeypatch.setattr(module("prediction.predict"), "read_image", read)
    error = predicted(whole, [images], tmp_path / "out")
    assert len(error.done) == 2
    assert str(error.failures[0]) == f"{images / 'b.png'}: out of memory; a smaller --tile needs less"


@pytest.mark.parametrize("kind", ["npy", "png"])
def test_a_full_disk_leaves_no_probabilities(
    whole: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    full_disk.fill(monkeypatch, 60)
    with pytest.raises(engine.PredictionError, match="No space left on device"):
        engine.predict(whole, [images], tmp_path / "out", options=engine.PredictOptions(probabilities=kind))
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name != LEDGER] == []


def test_a_folder_is_read_as_training_reads_it(whole: Path, images: Path, tmp_path: Path) -> None:
    """Hidden files are passed by, all endings of images are taken, folders are told of."""
    (images / "._a.png").write_bytes(b"not an image")
    shutil.copy(images / "a.png", images / "d.PNG")
    for name in ("e.jfif", "f.jpe"):
        Image.open(images / "a.png").save(images / name, format="JPEG")
    (images / "notes.pdf").write_bytes(b"%PDF")
    (images / "sub").mkdir()
    (images / ".cache").mkdir()
    result = call("predict", whole, images, "--out", tmp_path / "out", "--no-overlay")
    assert result.exit_code == 0, result.output
    assert visible(tmp_path / "out") == [f"{name}.png" for name in "abcdef"]
    assert f"note: {images}: folders in it are not looked into: sub\n" in result.stdout
    (tmp_path / "up" / "sub").mkdir(parents=True)
    with pytest.raises(InputError, match="no images in this folder; folders in it are not looked into: sub"):
        engine.predict(whole, [tmp_path / "up"], tmp_path / "out")


# The other commands on a full disk


def test_commands_on_a_full_disk_name_the_file_and_leave_none(
    root: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = make_folder(tmp_path / "data", train=2, val=1)
    for mask in masks.glob("*/masks/*.png"):
        write(mask, np.arange(32 * 32).reshape(32, 32) % 2 * 255)
    (tmp_path / "out").mkdir()
    with monkeypatch.context() as patch:
        full_disk.fill(patch, 50)
        for name, arguments in (
            ("c.png", ("check", "folder", root, "--chart")),
            ("m.toml", ("check", "folder", masks, "--fix-mapping")),
            ("e.png", ("evaluate", whole, "--confusion")),
            ("w.safetensors", ("export", whole, "--to")),
        ):
            path = tmp_path / "out" / name
            for _ in range(2):
                result = call(*arguments, path)
                assert result.exit_code == 2
                assert result.stderr == f"error: {path}: cannot be written (No space left on device)\n"
        assert list((tmp_path / "out").iterdir()) == []


def test_a_run_on_a_disk_that_fills_up_keeps_its_last_checkpoint(
    root: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fill(Log):
        def epoch_done(self, row: Any, is_best: bool) -> None:
            super().epoch_done(row, is_best)
            full_disk.fill(monkeypatch, 1000)

    folder = tmp_path / "run"
    with pytest.raises(
        WriteError, match=r"last\.safetensors: .*No space left on device\); the last good one is kept"
    ):
        engine.train(engine.prepare(options(root)), folder, Fill(), workers=0)
    monkeypatch.undo()
    without_pictures(monkeypatch)
    engine.resume(folder, workers=0)
    same_bits(folder, whole)


# Validation that cannot tell


@pytest.fixture
def void(tmp_path: Path) -> Path:
    folder = make_folder(tmp_path / "void", val=2)
    for mask in (folder / "val" / "masks").iterdir():
        write(mask, np.full((32, 32), 255))
    return folder


def test_without_a_score_the_last_epoch_is_the_best(void: Path, tmp_path: Path) -> None:
    plan = engine.prepare(options(void, epochs=4, schedule="plateau", plateau_patience=1, patience=1, lr=0.01))
    assert any("every pixel of the validation masks is ignored" in note for note in plan.notes)
    found = engine.train(plan, tmp_path / "run", workers=0)
    assert [row.lr for row in found.history] == [0.01] * 4, "a plateau needs scores"
    assert (found.best.epoch, len(found.history)) == (4, 4)
    best, last = (load(tmp_path / "run" / name) for name in ("best.safetensors", "last.safetensors"))
    for name, value in best.weights.items():
        np.testing.assert_array_equal(value.numpy(), last.weights[name].numpy())


def test_validation_masks_of_one_class_are_told(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "data", val=2)
    for mask in (folder / "val" / "masks").iterdir():
        write(mask, np.zeros((32, 32)))
    notes = engine.prepare(options(folder)).notes
    assert "in no validation mask: thing" in notes
    assert any(
        "every pixel of the validation masks is 'ground': the best epoch is the first" in note for note in notes
    )


def test_the_check_finds_what_validation_cannot_tell(void: Path, tmp_path: Path) -> None:
    report = engine.check("folder", void)
    assert [problem.text for problem in report.problems] == ["every pixel of the validation masks is ignored"]
    for mask in (void / "val" / "masks").iterdir():
        write(mask, np.zeros((32, 32)))
    report = engine.check("folder", void)
    assert report.problems == ()
    assert "in no validation mask: thing" in [note.text for note in report.notes]
    other = make_folder(tmp_path / "other")
    for mask in (other / "train" / "masks").iterdir():
        write(mask, np.full((32, 32), 255))
    texts = [problem.text for problem in engine.check("folder", other).problems]
    assert texts == ["every pixel of the training masks is ignored"]


# More epochs


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "plateau", "plateau_patience": 1},
        {"schedule": "exponential", "gamma": 0.5, "warmup": 0.5},
        {"schedule": "multistep", "milestones": (1, 3)},
        {"schedule": "step", "step_epochs": 1, "accumulate": 2},
        {"schedule": "constant", "warmup": 1.5},
    ],
)
def test_a_run_whose_rate_does_not_depend_on_it_goes_on_for_longer(
    root: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """To the bits of one that was begun with as many epochs."""
    engine.train(engine.prepare(options(root, epochs=2, **changes)), tmp_path / "run", workers=0)
    engine.resume(tmp_path / "run", epochs=4, workers=0)
    engine.train(engine.prepare(options(root, epochs=4, **changes)), tmp_path / "whole", workers=0)
    same_bits(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize(
    "changes",
    [{"schedule": name} for name in ("cosine", "poly", "onecycle", "step")]
    + [{"schedule": "constant", "warmup": 1.0}],
)
def test_a_run_whose_rate_depends_on_it_does_not(root: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    engine.train(engine.prepare(options(root, epochs=1, **changes)), tmp_path / "run", workers=0)
    with pytest.raises(InputError) as caught:
        engine.resume(tmp_path / "run", epochs=2)
    assert str(caught.value).endswith(f"begin another run with the weights of this one: --weights {tmp_path / 'run'}")
    assert engine.read_folder(tmp_path / "run").training.epochs == 1


def test_a_changed_configuration_that_no_schedule_takes_is_told_with_its_file(run: Path) -> None:
    text = (run / "config.toml").read_text(encoding="utf-8")
    for old, new in (('"cosine"', '"plateau"'), ("gamma = 0.1", "gamma = 1.0"), ("epochs = 2", "epochs = 3")):
        assert old in text
        text = text.replace(old, new)
    (run / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.toml: ReduceLROnPlateau: factor"):
        engine.resume(run, workers=0)


def test_a_run_without_its_best_checkpoint_is_not_used_in_silence(whole: Path, images: Path, tmp_path: Path) -> None:
    """The last epoch's weights may be others: they are used when they are named."""
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "best.safetensors").unlink()
    result = call("predict", run, images, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "best.safetensors is missing; give" in result.stderr
    assert call("predict", run / "last.safetensors", images, "--out", tmp_path / "out").exit_code == 0
