"""Numbers that are none: found where weights, normalisations and scores are read and written, never used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import call, done
from tiny_runs import TINY_FLAGS, make_folder, options, without_pictures

import tinyseg
from tinyseg import checkpoint as checkpoints
from tinyseg import engine, models, nn
from tinyseg.checkpoint import Checkpoint, load, save
from tinyseg.data import Normalise
from tinyseg.errors import CheckpointError, InputError
from tinyseg.finite import fault, is_representable, pieces
from tinyseg.interop import load as load_weights

NAN, INF = float("nan"), float("inf")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)


# Weights


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("place", [0, 11, 59])
def test_one_number_among_many_is_found(
    monkeypatch: pytest.MonkeyPatch, value: float, dtype: str, place: int
) -> None:
    array = np.arange(60, dtype=dtype).reshape(5, 12)
    for piece in (1, 12, 30, 60, 1000):
        monkeypatch.setattr("tinyseg.finite.PIECE", piece)
        assert fault("x", array) is None
        broken = array.copy()
        broken.flat[place] = value
        assert fault("x", broken) == "1 of its 60 numbers is not finite"
        assert fault("x", broken.T) == "1 of its 60 numbers is not finite"


@pytest.mark.parametrize("shape", [(), (1,), (7, 3), (2, 0), (0, 2), (0,)])
def test_pieces_are_all_of_it(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    assert fault("x", array.astype(np.float32)) is None
    for piece in (1, 4, 100):
        monkeypatch.setattr("tinyseg.finite.PIECE", piece)
        if shape:
            found = [number for part in pieces(array) for number in array[part].ravel().tolist()]
            assert found == array.ravel().tolist()


def test_a_negative_variance_is_none() -> None:
    assert fault("bn.running_var", np.array([0.0, 1.0])) is None
    assert fault("bn.running_var", np.array([0.5, -0.5])) == "its variances are negative, down to -0.5"
    assert fault("bn.running_mean", np.array([0.5, -0.5])) is None


def broken(value: float) -> tinyseg.Tensor:
    return tinyseg.tensor([1.0, value, 2.0])


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize("where", ["weights", "state"])
def test_a_checkpoint_with_such_a_number_is_neither_written_nor_read(
    tmp_path: Path, value: float, where: str
) -> None:
    path = tmp_path / "last.safetensors"
    good = Checkpoint({"x": tinyseg.ones(3)}, {"optimizer": {"mean": tinyseg.ones(3)}})
    bad = {
        "weights": Checkpoint({"x": broken(value)}, good.state),
        "state": Checkpoint(good.weights, {"optimizer": {"mean": broken(value)}}),
    }[where]
    name = {"weights": "x", "state": "state/optimizer/mean"}[where]
    with pytest.raises(CheckpointError, match=rf"is not written: .*{name} \(1 of its 3 numbers is not finite\)$"):
        save(path, bad, only_finite=True)
    assert not list(tmp_path.iterdir())
    save(path, good)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=rf"{name} \(1 of its 3 .*; the last good one is kept"):
        save(path, bad, only_finite=True)
    assert path.read_bytes() == before
    save(path, bad)
    with pytest.raises(CheckpointError, match=rf"cannot be used: .*{name} \(1 of its 3 numbers is not finite"):
        load(path)


@pytest.mark.parametrize(
    ("number", "there", "here", "fits"),
    [
        (1e300, "float64", "float32", False),
        (3.4e38, "float64", "float32", True),
        (70000, "float32", "float16", False),
        (1e-300, "float64", "float32", True),  # rounded to zero, as any number is rounded
        (2**40, "int64", "float32", True),
        (2**40, "int64", "int32", False),
        (2**31 - 1, "int64", "int32", True),
        (2**63, "uint64", "int64", False),
        (1.0, "float32", "int64", False),
    ],
)
def test_numbers_that_another_type_cannot_hold(number: float, there: str, here: str, fits: bool) -> None:
    assert is_representable(np.array([0, number], there), here) is fits
    assert is_representable(np.array(number, there), here) is fits


def test_a_weight_beyond_the_model_s_type_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    """1e300 is finite in the file's float64, and would be infinity in the model's float32."""
    path, model = tmp_path / "w.safetensors", nn.Linear(2, 1)
    before = model.weight.tolist()
    weights = {"weight": tinyseg.tensor(np.array([[1e300, 0.0]])), "bias": tinyseg.zeros(1)}
    save(path, Checkpoint(weights))
    with pytest.raises(CheckpointError, match=r"1 of another type \(weight's float64 numbers do not fit float32\)"):
        checkpoints.load_weights(path, model)
    assert model.weight.tolist() == before
    save(path, Checkpoint({**weights, "weight": tinyseg.tensor(np.array([[0.5, 2.0]]))}))
    checkpoints.load_weights(path, model)
    assert model.weight.tolist() == [[0.5, 2.0]]


def test_an_optimiser_s_state_beyond_the_parameter_s_type_is_refused() -> None:
    weight = tinyseg.zeros(2, requires_grad=True)
    optimizer = tinyseg.optim.SGD([weight], lr=0.1, momentum=0.9)
    state = {**optimizer.state_dict(), "state": {0: {"velocity": tinyseg.tensor(np.array([0.0, 1e300]))}}}
    with pytest.raises(ValueError, match=r"parameter 0: velocity's float64 numbers do not fit float32"):
        optimizer.load_state_dict(state)
    assert optimizer.state == {}


@pytest.mark.parametrize("strict", [True, False])
def test_a_file_with_such_a_weight_is_refused_in_any_case_and_nothing_changes(tmp_path: Path, strict: bool) -> None:
    model = nn.Linear(2, 1)
    before = model.weight.tolist()
    for weight in ([[1.0, NAN]], [[INF, 0.0]]):
        np.savez(tmp_path / "w.npz", weight=np.array(weight, np.float32), bias=np.zeros(1, np.float32))
        with pytest.raises(CheckpointError, match=r"1 damaged tensor: weight \(1 of its 2 numbers is not finite\)"):
            load_weights(model, tmp_path / "w.npz", strict=strict)
    assert model.weight.tolist() == before


def test_of_a_file_what_is_not_taken_may_be_anything(tmp_path: Path) -> None:
    """A fully connected layer that the network has no place for, say."""
    arrays = {
        key: value.numpy() for key, value in models.create("vgg16", num_classes=4, width=1).state_dict().items()
    }
    arrays["classifier.6.bias"] = np.full(4, NAN, np.float32)
    np.savez(tmp_path / "w.npz", **arrays)
    load_weights(models.create("fcn32s", num_classes=3, backbone="vgg16", width=1), tmp_path / "w.npz")


# Normalisations


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (NAN, 1.0, "must be finite"),
        (0.5, INF, "must be finite"),
        (0.5, 0.0, "must be positive"),
        (0.5, -1.0, "must be positive"),
        (1e300, 1.0, "leave nothing of an image"),
        (-1e300, 1.0, "leave nothing of an image"),
        (1e7, 1.0, "leave nothing of an image"),
        (0.5, 1e-40, "leave nothing of an image"),
        (0.5, 1e300, "leave nothing of an image"),
    ],
)
def test_a_normalisation_that_leaves_nothing_of_an_image_is_refused(mean: float, std: float, message: str) -> None:
    with pytest.raises(ValueError, match=f"Normalise: .*{message}"):
        Normalise([0.5, mean], [1.0, std])
    with pytest.raises(ValueError, match=f"preprocessing: .*{message}"):
        models.Preprocessing((mean,), (std,))


@pytest.mark.parametrize("mean", [0.0, 1.0, -3.0, 123.675, 1000.0])
@pytest.mark.parametrize("std", [1e-30, 1 / 255, 1.0, 58.4, 1e30])
def test_what_is_allowed_tells_all_levels_apart(mean: float, std: float) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 256, 1)
    found = Normalise([mean], [std]).image(levels)
    assert np.isfinite(found).all()
    assert len(np.unique(found)) == 256


# In runs


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"), train=4, val=2)


def trained(root: Path, folder: Path) -> Path:
    done("train", "--data", "folder", "--root", root, "--epochs", 1, "--out", folder, *TINY_FLAGS)
    return folder


def changed(folder: Path, change: Callable[[tinyseg.Tensor], Any]) -> None:
    """The run's best weights and its last ones, changed behind its back."""
    for name in ("best.safetensors", "last.safetensors"):
        found = load(folder / name)
        change(found.weights["score.weight"])
        save(folder / name, found)


def commands(root: Path, folder: Path, out: Path) -> list[tuple[Any, ...]]:
    image = root / "val" / "images" / "0.png"
    return [
        ("predict", folder, image, "--out", out / "masks", "--probabilities", "npy"),
        ("evaluate", folder),
        ("export", folder, "--to", out / "w.safetensors"),
    ]


def set_nan(weight: tinyseg.Tensor) -> None:
    weight[0, 0].fill_(NAN)


def test_no_command_uses_a_weight_that_is_no_number(root: Path, tmp_path: Path) -> None:
    folder = trained(root, tmp_path / "run")
    changed(folder, set_nan)
    more = [
        ("train", "--resume", folder),
        ("train", "--data", "folder", "--root", root, "--weights", folder, *TINY_FLAGS),
    ]
    for command in [*commands(root, folder, tmp_path), *more]:
        result = call(*command)
        assert (result.exit_code, result.stdout.strip()) == (2, "")
        assert "score.weight (1 of its 8 numbers is not finite)" in result.stderr
    assert not (tmp_path / "masks").exists() or not list((tmp_path / "masks").iterdir())
    assert not (tmp_path / "w.safetensors").exists()


def test_scores_that_overflow_are_told_by_their_image(root: Path, tmp_path: Path) -> None:
    """Each weight is finite; their sums are not."""
    folder = trained(root, tmp_path / "run")
    changed(folder, lambda weight: weight.fill_(3e38))
    out = tmp_path / "masks"
    result = call("predict", folder, root / "val" / "images", "--out", out, "--probabilities", "npy")
    assert result.exit_code == 2
    assert "0.png: " in result.stderr
    assert "scores that the network gives are not finite" in result.stderr
    assert not list(out.iterdir())
    result = call("evaluate", folder)
    assert result.exit_code == 2
    assert "scores of the images 0, 1 are not finite" in result.stderr


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("mean", "[1e300, 1e300, 1e300]", "leave nothing of an image"),
        ("std", "[0.0, 0.1, 0.1]", "must be positive"),
        ("std", "[nan, 0.1, 0.1]", "std = nan"),
    ],
)
def test_no_command_normalises_by_what_is_no_number(
    root: Path, tmp_path: Path, key: str, values: str, message: str
) -> None:
    folder = trained(root, tmp_path / "run")
    config = folder / "config.toml"
    before, _, rest = config.read_text(encoding="utf-8").partition(f"\n{key} = [")
    config.write_text(f"{before}\n{key} = {values}{rest.partition(']')[2]}", encoding="utf-8")
    for command in commands(root, folder, tmp_path)[:2]:
        result = call(*command)
        assert result.exit_code == 2
        assert message in result.stderr
        assert "config.toml" in result.stderr


def test_a_validation_that_overflows_does_not_become_the_best(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training loss is finite: it is the running statistics, which validation goes by, that are damaged."""

    def damaged(learner: Any, *arguments: Any) -> None:
        # Finite, and yet what is divided by them is not.
        for name, value in learner.scored.state_dict().items():
            if name.endswith("running_mean"):
                value.fill_(-3e38)

    monkeypatch.setattr("tinyseg.engine.training.learner.Learner.recalibrate", damaged)
    with pytest.raises(InputError, match=r"scores of the image.* not finite"):
        engine.train(engine.prepare(options(root)), tmp_path / "run")
    assert not (tmp_path / "run" / "best.safetensors").exists()


def test_running_statistics_that_overflow_are_not_saved(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are measured after the last step, and need not show in a validation."""
    real = engine.training.learner.Learner.recalibrate
    epochs: list[int] = []

    def damaged(learner: Any, loader: Any, epoch: int) -> None:
        real(learner, loader, epoch)
        epochs.append(epoch)
        if epoch == 2:
            learner.model.state_dict()["down.0.1.running_var"].fill_(-1e-6)

    monkeypatch.setattr(engine.training.learner.Learner, "recalibrate", damaged)
    with pytest.raises(CheckpointError, match=r"is not written: .*running_var \(its variances are negative"):
        engine.train(engine.prepare(options(root)), tmp_path / "run")
    assert epochs == [1, 2]
    assert load(tmp_path / "run" / "last.safetensors").state["epoch"] == 1
    load(tmp_path / "run" / "best.safetensors")


def test_an_optimiser_s_state_that_overflows_ends_training(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weight would never change again: Adam divides by the root of infinity."""
    real = engine.training.learner.Learner._step

    def step(learner: Any) -> None:
        real(learner)
        learner.optimizer.state[0]["square"].fill_(INF)

    monkeypatch.setattr(engine.training.learner.Learner, "_step", step)
    with pytest.raises(engine.DivergenceError, match=r"square of parameter 0 .* numbers are not finite"):
        engine.train(engine.prepare(options(root)), tmp_path / "run")
