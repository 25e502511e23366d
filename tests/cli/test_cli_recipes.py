"""``tinyseg train`` with files, presets and other runs, and what it says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import call, done
from tiny_runs import TINY_FLAGS, make_folder, without_pictures

from tinyseg import engine


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"))


def test_presets_are_listed_and_printed(tmp_path: Path) -> None:
    lines = done("presets").splitlines()
    assert [line.split()[0] for line in lines] == engine.preset_names()
    assert all("(" in line for line in lines)
    text = done("presets", "fcdensenet56")
    assert "gamma = 0.995" in text
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    assert engine.read_options(tmp_path / "own.toml") == engine.preset("fcdensenet56").options
    assert call("presets", "fcn").exit_code == 2


def test_flags_go_before_a_file_and_a_file_before_a_preset(root: Path, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        f"data = 'folder'\nroot = '{root.as_posix()}'\n"
        "lr = 1e-4\nmomentum = 0.5\nwidth = 2\nworkers = 1\nepochs = 1\n",
        encoding="utf-8",
    )
    flags = ("--preset", "unet-paper", "--config", tmp_path / "own.toml", "--lr", 1e-3, "--depth", 1, "--quiet")
    done("train", *flags, "--out", tmp_path / "run")
    config = engine.read_folder(tmp_path / "run")
    assert (config.training.lr, config.training.momentum, config.training.optimizer) == (1e-3, 0.5, "sgd")
    assert config.model.options == {"width": 2, "depth": 1}
    assert "going on after epoch 1" in done("train", "--resume", tmp_path / "run", *flags)
    refused = call("train", "--resume", tmp_path / "run", "--accumulate", 3)
    assert refused.exit_code == 2
    assert "the run has --accumulate 1 and cannot go on with --accumulate 3" in refused.stderr


def test_a_run_goes_on_by_its_own_recipe(root: Path, tmp_path: Path) -> None:
    """Also one whose class weights were counted, and lists of names and epochs."""
    flags = ("--data", "folder", "--root", root, "--epochs", 2, *TINY_FLAGS, "--class-weights", "inverse", "--quiet")
    flags += ("--freeze", "down.0", "--freeze", "down.1", "--schedule", "multistep", "--milestones", "2,1")
    done("train", *flags, "--out", tmp_path / "run")
    assert "going on after epoch 2" in done("train", "--resume", tmp_path / "run", *flags)
    for other in (("--class-weights", "median"), ("--milestones", "1"), ("--freeze", "down.0")):
        assert call("train", "--resume", tmp_path / "run", *other).exit_code == 2


def test_parts_at_other_rates_go_on_with_them(root: Path, tmp_path: Path) -> None:
    """The option may be repeated; a run keeps it, and goes on with nothing else."""
    rates = ["--rate-of", "score=10", "--rate-of", "down.0=0.5"]
    flags = ["--data", "folder", "--root", root, *TINY_FLAGS, "--schedule", "constant"]
    done("train", *flags, *rates, "--epochs", 1, "--out", tmp_path / "run")
    assert engine.read_folder(tmp_path / "run").training.rate_of == {"score": 10.0, "down.0": 0.5}
    assert "going on after epoch 1" in done("train", "--resume", tmp_path / "run", *rates, "--epochs", 2)
    refused = call("train", "--resume", tmp_path / "run", "--rate-of", "score=5")
    assert refused.exit_code == 2
    assert "a --rate-of of other values" in " ".join(refused.output.split())


def test_what_another_run_gave_is_said(root: Path, tmp_path: Path) -> None:
    flags = ("--data", "folder", "--root", root, "--epochs", 1, "--batch-size", 4, "--quiet")
    done("train", *flags, "--model", "fcn32s", "--out", tmp_path / "coarse")
    text = done("train", *flags, "--model", "fcn16s", "--weights", tmp_path / "coarse", "--out", tmp_path / "fine")
    assert "best.safetensors: safetensors, from tinyseg: " in text
    assert "score4.bias (starts at zero)" in text
    assert "up5.weight (starts as bilinear upsampling)" in text


def test_a_rate_is_found(root: Path, tmp_path: Path) -> None:
    flags = ("--data", "folder", "--root", root, *TINY_FLAGS)
    text = done("train", *flags, "--find-lr", tmp_path / "lr.png")
    assert "rates from 1.0e-06 to " in text
    assert "try --lr" in text or "is there something to learn" in text
    assert (tmp_path / "lr.png").stat().st_size > 1000
    assert not (tmp_path / "runs").exists()
    assert call("train", *flags, "--find-lr", tmp_path / "lr.txt").exit_code == 2
    assert call("train", *flags, "--find-lr", tmp_path / "lr.png", "--resume", tmp_path).exit_code == 2


def test_pictures_of_each_epoch(root: Path, tmp_path: Path) -> None:
    flags = ("--data", "folder", "--root", root, "--epochs", 2, *TINY_FLAGS, "--quiet", "--pictures", 2)
    done("train", *flags, "--out", tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run" / "pictures").iterdir()) == [
        "epoch-001.png",
        "epoch-002.png",
    ]
