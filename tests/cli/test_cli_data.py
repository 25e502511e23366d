"""Options of training that are about its images."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import layouts
import numpy as np
import pytest
import tiny_runs as data
from tiny_runs import TINY_FLAGS, without_pictures
from typer.testing import CliRunner, Result

from tinyseg import engine
from tinyseg.cli import app
from tinyseg.console import NOTABLE_WAIT, TrainingDisplay
from tinyseg.data import Folder


def train(*arguments: Any) -> Result:
    flags = ("--data", "cells", "--size", "32x32", "--epochs", 1, "--quiet", *TINY_FLAGS)
    return CliRunner().invoke(app, ["train", *(str(argument) for argument in (*flags, *arguments))])


def test_cells_are_learnt_with_augmentation_and_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    runs = [tmp_path / name for name in ("plain", "cached")]
    for run, more in zip(runs, ((), ("--cache-images", "1MB")), strict=True):
        done = train("--augment", "elastic=2,rotate90,flip,noise", "--out", run, *more)
        assert done.exit_code == 0, done.output
    config = engine.read_folder(runs[0])
    assert config.data.augment == ("elastic=2", "flip", "rotate90", "noise=0.05")
    assert (config.data.num_classes, config.data.in_channels) == (2, 1)
    weights = [(run / "best.safetensors").read_bytes() for run in runs]
    assert weights[0] == weights[1], "a cache changes nothing"
    refused = CliRunner().invoke(app, ["train", "--resume", str(runs[0]), "--augment", "noise"])
    assert refused.exit_code == 2
    assert "--augment elastic=2,flip,rotate90,noise=0.05" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--augment", "blurr"), "no augmentation 'blurr'; there are elastic"),
        (("--cache-images", "plenty"), "--cache-images: expected an amount of memory such as 2GB"),
        (("--mapping", "nowhere.toml"), "nowhere.toml: cannot be read"),
    ],
)
def test_impossible_options_are_refused(arguments: tuple[str, str], message: str, tmp_path: Path) -> None:
    refused = train(*arguments, "--out", tmp_path / "run")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert message in refused.stderr
    assert not (tmp_path / "run").exists()


def test_waiting_is_said_where_it_is_long() -> None:
    from io import StringIO

    from rich.console import Console

    def shown(waited: float) -> str:
        row = engine.EpochRow(1, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, (0.5,), 0, 10.0, waited)
        stream = StringIO()
        TrainingDisplay(Console(file=stream, width=200), quiet=True).epoch_done(row, is_best=False)
        return stream.getvalue()

    assert "10.0 s (2.0 s of it waiting for images)" in shown(2.0)
    assert "waiting" not in shown(10 * NOTABLE_WAIT - 0.01)


def no_text(folder: Path) -> None:
    """Call the file 0.png as an old archive would: in Latin-1, which is not UTF-8."""
    try:
        os.rename(folder / "0.png", os.fsencode(folder) + b"/caf\xe9.png")
    except OSError:
        pytest.skip("the file system takes names in UTF-8 only")


@pytest.mark.skipif(os.name == "nt", reason="names of files are UTF-16 on Windows")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    """It was a traceback: such a name can be neither hashed, nor printed, nor written as it is."""
    root = tmp_path / "data"
    for number in range(4):
        layouts.save(root / "images" / f"{number}.png", layouts.photo(number, size=(32, 32)))
        layouts.save(root / "masks" / f"{number}.png", layouts.stripes(0, 1, size=(32, 32)))
    no_text(root / "images")
    no_text(root / "masks")
    run, out = tmp_path / "run", tmp_path / "out"
    data = ("--data", "folder", "--root", root, "--num-classes", 2)
    network = ("--model", "unet", "--width", 4, "--depth", 2, "--epochs", 1, "--batch-size", 2, "--pictures", 3)
    for arguments in (
        ("check", "folder", root, "--num-classes", 2),
        ("check", "folder", root, "--num-classes", 2, "--json"),
        ("train", *data, *network, "--out", run),
        ("train", "--resume", run, "--epochs", 1),
        ("evaluate", run, "--json"),
        ("predict", run, root / "images", "--out", out),
    ):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == 0, f"{arguments[0]}: {done.output}{done.exception!r}"
    assert b"caf\xe9.png" in os.listdir(os.fsencode(out))
    assert r"caf\udce9" in done.stdout
    digest = hashlib.sha256(b"0:caf\xe9").digest()
    folder = Folder(root, "val", num_classes=2, val_fraction=int.from_bytes(digest[:8], "big") / 2**64 + 1e-9)
    assert r"caf\udce9" in [folder.sample_name(index) for index in range(len(folder))], "by the bytes of its name"


@pytest.mark.skipif(os.name == "nt", reason="names of files are UTF-16 on Windows")
def test_a_folder_whose_name_is_no_text_cannot_be_a_runs(tmp_path: Path) -> None:
    """config.toml would hold it, and can hold text alone."""
    root = layouts.folder(tmp_path / "data")
    try:
        os.rename(root, os.fsencode(tmp_path) + b"/caf\xe9")
    except OSError:
        pytest.skip("the file system takes names in UTF-8 only")
    other = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    done = CliRunner().invoke(app, ["train", "--data", "folder", "--root", other, "--out", str(tmp_path / "run")])
    assert done.exit_code == 2
    assert r"caf\udce9: the name is not UTF-8, and cannot be written to a run; rename it" in done.stderr
    done = CliRunner().invoke(app, ["check", "folder", other])
    assert done.exit_code == 1
    assert "PROBLEM: tinyseg train refuses the data: --root" in done.stdout


def test_a_mapping_to_no_class_is_refused(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for folder in ("masks", "images"):
            (tmp_path / split / folder).mkdir(parents=True)
        data.write(tmp_path / split / "masks" / "a.png", np.array([[0, 255]], np.uint8).repeat(8, 1).repeat(16, 0))
        data.write(tmp_path / split / "images" / "a.png", np.zeros((16, 16, 3), np.uint8))
    (tmp_path / "wrong.toml").write_text("[mapping]\n0 = 0\n255 = 9\n", encoding="utf-8")
    arguments = ["--data", "folder", "--root", str(tmp_path), "--num-classes", "2"]
    done = CliRunner().invoke(app, ["train", *arguments, "--mapping", str(tmp_path / "wrong.toml")])
    assert done.exit_code == 2
    assert "--mapping: 255 = 9 is no class: there are 0 .. 1, and 255 for what is ignored" in done.stderr
