"""A run that is killed and resumed ends with the same bits as one that was not."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import environment
from safetensors import safe_open
from tiny_runs import TINY_FLAGS, make_folder, options, without_pictures

from tinyseg import checkpoint, engine
from tinyseg.engine import Callbacks, resume

EPOCHS = 4
TIMEOUT = 240


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"), train=12, val=3)


@pytest.fixture(scope="module")
def unbroken(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    process = start(root, folder)
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, output
    return folder


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(root: Path, folder: Path) -> "subprocess.Popen[str]":
    """The command in a process of its own."""
    flags = ["--data", "folder", "--root", str(root), "--out", str(folder), "--epochs", str(EPOCHS), *TINY_FLAGS]
    # On Windows Ctrl-C can only be sent to a group of processes. Elsewhere a job in the background ignores it, and so
    # would its children.
    group: dict[str, Any] = {"creationflags": 512} if os.name == "nt" else {"preexec_fn": _heed_interrupts}
    command = [sys.executable, "-m", "tinyseg", "train", *flags]
    return subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **group
    )


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    """Until the file is there."""
    end = time.monotonic() + TIMEOUT
    while not path.exists():
        assert process.poll() is None, "the run ended too early"
        assert time.monotonic() < end, "the run takes too long"
        time.sleep(0.002)


def tensors(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)


def state(path: Path) -> Any:
    """The part that is no tensor, without the seconds of any kind."""
    with safe_open(path, framework="numpy") as file:
        found = json.loads(file.metadata()[checkpoint.METADATA_KEY])
    for row in found["history"]:
        del row["seconds"], row["waited"]
    return found


def metrics(path: Path) -> list[dict[str, str]]:
    """The rows, without the seconds of any kind."""
    with path.open(newline="") as file:
        return [
            {key: value for key, value in row.items() if key not in ("seconds", "waited")}
            for row in csv.DictReader(file)
        ]


def assert_same(one: Path, other: Path) -> None:
    """Weights, state and metrics of two runs, bit by bit."""
    assert (one / "best.safetensors").read_bytes() == (other / "best.safetensors").read_bytes()
    left, right = tensors(one / "last.safetensors"), tensors(other / "last.safetensors")
    assert left.keys() == right.keys()
    for name, value in left.items():
        np.testing.assert_array_equal(value, right[name], err_msg=name)
    assert state(one / "last.safetensors") == state(other / "last.safetensors")
    rows = metrics(one / "metrics.csv")
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, EPOCHS + 1)]
    assert rows == metrics(other / "metrics.csv")


def test_kill_in_the_middle_and_resume(root: Path, unbroken: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(root, folder)
    wait_for(folder / "metrics.csv", process)
    process.kill()  # SIGKILL, or TerminateProcess: nothing in the process can react
    process.communicate(timeout=TIMEOUT)
    assert process.returncode != 0
    assert not (folder / "predictions.png").exists()
    resume(folder, workers=2)
    assert_same(folder, unbroken)
    for name in ("predictions.png", "curves.png"):
        assert (folder / name).read_bytes() == (unbroken / name).read_bytes()


@pytest.mark.parametrize(
    ("file", "time"),
    [
        ("best.safetensors", 1),
        ("last.safetensors", 2),
        ("last.safetensors", 3),
        ("metrics.csv", 2),
        ("curves.png", 2),
    ],
)
def test_kill_before_any_file_and_resume(
    root: Path, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, time: int
) -> None:
    """Stops, as a kill would, before a file is written for the first, second, ... time."""
    folder, written = tmp_path / "run", []

    def replace(source: Path, target: Path) -> None:
        written.append(target.name)
        if target.name == file and written.count(file) == time:
            raise KeyboardInterrupt
        real(source, target)

    real = os.replace
    config = engine.read_config(unbroken / "config.toml")
    sets = [engine.parts.pipeline.open_split(config.data, split) for split in ("train", "val")]
    without_pictures(monkeypatch)
    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        engine.train(engine.Plan(config, sets[0], sets[1], ()), folder, workers=1)
    monkeypatch.setattr(os, "replace", real)
    engine.resume(folder, workers=1)
    assert_same(folder, unbroken)


def test_ctrl_c_keeps_what_there_is(
    root: Path, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    process = start(root, folder)
    wait_for(folder / "metrics.csv", process)
    process.send_signal(signal.CTRL_BREAK_EVENT if sys.platform == "win32" else signal.SIGINT)
    output, _ = process.communicate(timeout=TIMEOUT)
    if sys.platform != "win32":  # there it is Ctrl-Break, which Python does not turn into KeyboardInterrupt
        assert process.returncode == 130, output
        assert f"go on with: tinyseg train --resume {folder}" in output
        assert "Traceback" not in output
    assert not list(folder.glob(".*"))
    without_pictures(monkeypatch)
    resume(folder, workers=1)
    assert_same(folder, unbroken)


WAYS: dict[str, dict[str, Any]] = {
    "accumulated and averaged": {"accumulate": 2, "ema": 0.9, "batch_size": 2, "recalibrate": 2},
    "one cycle, clipped": {"schedule": "onecycle", "warmup": 0.5, "clip_norm": 0.5, "optimizer": "sgd"},
    "a plateau": {"schedule": "plateau", "plateau_patience": 1, "gamma": 0.5, "optimizer": "rmsprop"},
    "rmsprop with momentum": {"optimizer": "rmsprop", "momentum": 0.5, "schedule": "poly", "power": 2.0},
    "steps, by Nesterov": {"schedule": "multistep", "milestones": (1, 3), "optimizer": "sgd", "nesterov": True},
    "summed": {"reduction": "sum", "lr": 1e-5, "bias_lr": 2.0, "clip_value": 0.1},
    "parts at other rates": {"rate_of": {"down": 0.5, "score": 10.0}, "schedule": "poly", "optimizer": "sgd"},
    "frozen, with patience": {"freeze": ("down",), "patience": 9, "schedule": "exponential", "optimizer": "adamw"},
}


class Stop(Callbacks):
    """Stops, as Ctrl-C would, in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def batch_done(self, report: Any) -> None:
        if (report.epoch, report.batch) == (self.epoch, 2):
            raise KeyboardInterrupt


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_training_resumes_to_the_bit(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """From any epoch, and whatever the number of threads that load."""
    without_pictures(monkeypatch)
    plan = engine.prepare(options(root, **{"epochs": EPOCHS, **WAYS[way]}))
    whole, folder = tmp_path / "whole", tmp_path / "run"
    engine.train(plan, whole, workers=0)
    with pytest.raises(KeyboardInterrupt):
        engine.train(plan, folder, Stop(2), workers=2)
    with pytest.raises(KeyboardInterrupt):
        resume(folder, callbacks=Stop(4), workers=1)
    resume(folder, workers=3)
    assert_same(folder, whole)
