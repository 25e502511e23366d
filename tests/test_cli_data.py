"""Options of training that are about its images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tests import runs as data
from tests.runs import TINY_FLAGS, without_pictures
from tinyseg import engine
from tinyseg.cli import app
from tinyseg.console import NOTABLE_WAIT, TrainingDisplay


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
