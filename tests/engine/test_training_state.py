"""A last checkpoint whose fields are not what they should be: the run does not go on, and the field is named."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import call
from tiny_runs import make_folder, options, without_pictures

import tinyseg
from tinyseg import engine
from tinyseg.checkpoint import Checkpoint, load, save
from tinyseg.engine import resume
from tinyseg.errors import CheckpointError

State = dict[str, Any]
NAN = float("nan")
RUNS: dict[str, dict[str, Any]] = {
    "adam": {"ema": 0.9},
    "sgd": {"optimizer": "sgd", "schedule": "plateau"},
    "rmsprop": {"optimizer": "rmsprop", "momentum": 0.5},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of two epochs by each optimiser."""
    folder = tmp_path_factory.mktemp("runs")
    root = make_folder(folder / "data", train=4, val=2)
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        for name, given in RUNS.items():
            engine.train(engine.prepare(options(root, **given)), folder / name, workers=0)
    return {name: folder / name for name in RUNS}


def set_to(*path: Any, to: Any) -> Callable[[State], None]:
    """Set what lies at the end of the keys."""

    def change(state: State) -> None:
        for key in path[:-1]:
            state = state[key]
        state[path[-1]] = to

    return change


def without(*path: Any) -> Callable[[State], None]:
    """Leave out what lies at the end of the keys."""

    def change(state: State) -> None:
        for key in path[:-1]:
            state = state[key]
        del state[path[-1]]

    return change


def state_of(folder: Path) -> State:
    return copy.deepcopy(dict(load(folder / "last.safetensors").state))


def changed(folder: Path, to: Path, change: Callable[[State], None]) -> Path:
    """A copy of a run whose last checkpoint was changed."""
    shutil.copytree(folder, to)
    found = load(to / "last.safetensors")
    state = dict(found.state)
    change(state)
    save(to / "last.safetensors", Checkpoint(found.weights, state))
    return to


FIRST = ("optimizer", "state", 0)
GROUP = ("optimizer", "param_groups", 0)
ROW = ("history", 1)
TRAINED = {"epoch": 3, "lr": 0.1, "train_loss": 0.5, "skipped": 0, "seconds": 1.0, "waited": 0.0}

CASES: list[tuple[str, Callable[[State], None], str]] = [
    *(("adam", without(name), f"'{name}' is missing") for name in (
        "epoch", "images", "names", "best", "history", "optimizer", "schedule", "average", "random"
    )),
    ("adam", set_to("epoch", to=-1), "epoch must be a whole number of at least 0, got -1"),
    ("adam", set_to("epoch", to=1), "it was written after epoch 1"),
    ("adam", set_to("epoch", to=True), "epoch must be a whole number"),
    ("adam", set_to("epoch", to=2.0), "epoch must be a whole number"),
    ("adam", set_to("images", to=[4]), "images must have 2 entries, got 1"),
    ("adam", set_to("images", to=4), "images must be a list, got 4"),
    ("adam", set_to("names", to=[1, 2]), r"names\[0\] must be a text, got 1"),
    ("adam", set_to("history", to={}), "history must be a list, got a dict"),
    ("adam", set_to("history", 0, to=5), r"history\[0\] must be a table, got 5"),
    ("adam", set_to(*ROW, "epoch", to=7), r"history\[1\]\.epoch must be 2, got 7"),
    ("adam", set_to(*ROW, "lr", to=None), r"history\[1\]\.lr must be a finite number"),
    ("adam", set_to(*ROW, "lr", to=NAN), r"history\[1\]\.lr must be a finite number of 0 to inf, got nan"),
    ("adam", set_to(*ROW, "mean_iu", to="high"), r"history\[1\]\.mean_iu must be .* 0 to 1, got 'high'"),
    ("adam", set_to(*ROW, "mean_iu", to=1.5), r"history\[1\]\.mean_iu must be .* 0 to 1, got 1\.5"),
    ("adam", set_to(*ROW, "train_loss", to=float("inf")), r"train_loss must be a finite number, got inf"),
    ("adam", set_to(*ROW, "iu", to=[0.5]), r"history\[1\]\.iu has 1 entries for 2 classes"),
    ("adam", set_to(*ROW, "iu", to=[0.5, "a"]), r"history\[1\]\.iu\[1\] must be"),
    ("adam", set_to(*ROW, "more", to=1), r"history\[1\] has the unknown field 'more'"),
    ("adam", without(*ROW, "val_loss"), "'val_loss' is missing"),
    ("adam", set_to(*ROW, to={5: 1, "x": 1}), r"history\[1\] has the unknown field 5"),
    ("adam", set_to("best", to={5: 1, "x": 1}), "best has the unknown field 5"),
    ("adam", set_to("best", to=[]), "best must be a table"),
    ("adam", set_to("best", "epoch", to=9), r"best\.epoch must be a whole number of 1 to 2, got 9"),
    ("adam", set_to("best", "mean_iu", to=NAN), r"best\.mean_iu must be .*, got nan"),
    ("adam", set_to("best", "matrix", to=[[1]]), r"best\.matrix is for 1 classes, the run has 2"),
    ("adam", set_to("best", "matrix", 0, to=[1, -1]), r"best\.matrix\[0\]\[1\] must be a whole number"),
    ("adam", set_to("best", "matrix", 0, to=[1]), r"best\.matrix\[0\] has 1 entries, expected 2"),
    ("adam", set_to("random", to=[1, -1]), r"random\[1\] must be a whole number of 0 to"),
    ("adam", set_to("random", to=[2**64, 0]), r"random\[0\] must be"),
    ("adam", set_to("random", to=[1, 2, 3]), "random must have 2 entries, got 3"),
    ("adam", set_to("optimizer", to=None), "optimizer must be a table, got None"),
    ("adam", set_to("optimizer", "state", to={}), r"optimizer\.state is empty after 2 epochs"),
    ("adam", without(*FIRST), r"optimizer\.state is of \d+ parameters, there are \d+"),
    ("adam", without(*FIRST, "square"), r"parameter 0 has the entries \['mean', 'step'\], expected"),
    ("adam", set_to(*FIRST, "more", to=1), r"parameter 0 has the entries .*'more'"),
    ("adam", set_to(*FIRST, "step", to=0), "step must be a whole number of at least 1, got 0"),
    ("adam", set_to(*FIRST, "step", to=1.5), "step must be a whole number"),
    ("adam", set_to(*FIRST, "mean", to=tinyseg.ones(3)), r"mean is a state of shape \(3,\) for a parameter of shape"),
    ("adam", set_to(*FIRST, "mean", to=0.5), "mean is a state of type float for a parameter"),
    ("adam", set_to("optimizer", "state", 500, to={}), "an entry for parameter 500"),
    ("adam", set_to("optimizer", "state", "0", to={}), "an entry for parameter '0'"),
    ("adam", set_to(*GROUP, "weight_decay", to=NAN), "the state's weight_decay cannot be nan"),
    ("adam", set_to(*GROUP, "lr", to=NAN), "the state's lr cannot be nan"),
    ("adam", set_to(*GROUP, "lr", to=-0.1), "lr must not be negative, got -0.1"),
    ("adam", set_to(*GROUP, "betas", to=[0.9]), "the state's betas cannot be"),
    ("adam", set_to(*GROUP, "betas", to=[0.9, 1.5]), r"betas must be in \[0, 1\)"),
    ("adam", set_to(*GROUP, "eps", to="small"), "the state's eps cannot be 'small'"),
    ("adam", without(*GROUP, "betas"), "the state's options are others: betas"),
    ("adam", set_to("optimizer", "param_groups", to=[]), r"the state is for groups of \[\] parameters"),
    ("adam", set_to("schedule", "last_epoch", to=-3), "last_epoch must be a whole number of at least 0, got -3"),
    ("adam", set_to("schedule", "base_lrs", to=[NAN] * 3), "rates must be finite and at least 0, got nan"),
    ("adam", set_to("average", "n_averaged", to=-1), r"average\.n_averaged must be a whole number"),
    ("adam", set_to("average", "weights", to={}), "score.weight is missing|is missing"),
    ("sgd", without(*FIRST, "velocity"), r"parameter 0 has the entries \[\], expected \['velocity'\]"),
    ("sgd", set_to(*GROUP, "nesterov", to=1), "the state's nesterov cannot be 1"),
    ("sgd", set_to(*GROUP, "momentum", to=-1), "momentum must not be negative"),
    ("sgd", set_to("schedule", "plateau", "best", to="x"), "the state's best must be a number, got 'x'"),
    ("sgd", set_to("schedule", "plateau", "num_bad_epochs", to=None), "num_bad_epochs must be a whole number"),
    ("sgd", set_to("schedule", "plateau", "lrs", to=[0.1]), r"the state is for 1 groups of parameters"),
    ("adam", set_to("trained", to=[]), "trained must be a table"),
    ("adam", set_to("trained", to={**TRAINED, "epoch": 2}), "trained.epoch must be 3, got 2"),
    ("adam", set_to("trained", to={**TRAINED, "lr": -1.0}), "trained.lr must be a finite number"),
    ("adam", set_to("trained", to={**TRAINED, "x": 1}), "trained has the unknown field 'x'"),
    ("adam", set_to("trained", to={**TRAINED, 5: 1, "x": 1}), "trained has the unknown field 5"),
    ("adam", set_to("optimizer", "state", to=[1]), "state's state must be a table, got a list"),
    ("rmsprop", set_to(*FIRST, "square", to=None), "square is a state of type NoneType"),
    ("rmsprop", set_to(*GROUP, "alpha", to=2.0), r"alpha must be in \[0, 1\]"),
]  # fmt: skip


@pytest.mark.parametrize(("run", "change", "message"), CASES, ids=[message for *_, message in CASES])
def test_a_field_that_cannot_be_is_named(
    runs: dict[str, Path], tmp_path: Path, run: str, change: Callable[[State], None], message: str
) -> None:
    folder = changed(runs[run], tmp_path / "run", change)
    with pytest.raises(CheckpointError, match=rf"last\.safetensors: the run cannot go on from it: .*({message})"):
        resume(folder, workers=0)


@pytest.mark.parametrize("run", RUNS)
def test_what_was_saved_is_accepted(runs: dict[str, Path], tmp_path: Path, run: str) -> None:
    """Through a copy that was read and written, the run is over and goes on with nothing."""
    folder = changed(runs[run], tmp_path / "run", lambda state: None)
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        assert len(resume(folder, workers=0).history) == 2


def test_a_negative_second_moment_is_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    shape = state_of(runs["adam"])["optimizer"]["state"][0]["square"].shape
    folder = changed(runs["adam"], tmp_path / "run", set_to(*FIRST, "square", to=tinyseg.full(shape, -1.0)))
    with pytest.raises(CheckpointError, match="square, a mean of squares, is negative"):
        resume(folder, workers=0)


def test_the_command_line_says_it_in_a_line(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = changed(runs["adam"], tmp_path / "run", set_to("epoch", to=-1))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = call("train", "--resume", folder)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "epoch must be a whole number of at least 0, got -1" in result.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
