"""Weights from a file into a network: each is accounted for, and nothing changes unless all is well."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from runs import TINY_FLAGS, make_folder, options, without_pictures
from test_cli import call, done

import tinyseg
from tinyseg import engine, models, nn
from tinyseg.checkpoint import Checkpoint, save
from tinyseg.checkpoint import load as load_checkpoint
from tinyseg.errors import CheckpointError, InputError
from tinyseg.interop import load, read, source_of

Arrays = Mapping[str, NDArray[Any]]


def values_of(model: nn.Module) -> dict[str, NDArray[Any]]:
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def write(path: Path, arrays: Arrays) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.npz"


def net(classes: int = 3, width: int = 4) -> models.SegmentationModel:
    return models.create("unet", num_classes=classes, width=width, depth=1)


# What becomes of each weight


def test_every_weight_of_file_and_network_is_in_the_report_once(path: Path) -> None:
    arrays = values_of(net())
    del arrays["score.bias"], arrays["down.0.1.running_mean"]
    arrays |= {"extra.weight": np.ones(2, np.float32)}
    model = net()
    report = load(model, write(path, arrays), strict=False)
    assert sorted(entry.theirs for entry in report.entries if entry.theirs) == sorted(arrays)
    assert sorted(entry.ours for entry in report.entries if entry.ours) == sorted(model.state_dict())
    assert {entry.ours for entry in report.of("missing")} == {"down.0.1.running_mean", "score.bias"}
    assert [entry.theirs for entry in report.of("unexpected")] == ["extra.weight"]
    assert len(report.problems) == 3
    assert f"{len(arrays) - 1} loaded, 2 missing, 1 unexpected" in report.summary()


def test_unexplained_differences_are_refused_and_nothing_changes(path: Path) -> None:
    arrays = values_of(net())
    del arrays["down.0.0.weight"]
    arrays["extra"] = np.ones(2, np.float32)
    model = net()
    before = values_of(model)
    with pytest.raises(
        CheckpointError, match=r"do not fit unet: 1 missing \(down\.0\.0\.weight\), 1 unexpected \(extra"
    ):
        load(model, write(path, arrays))
    assert all(np.array_equal(value, before[name]) for name, value in values_of(model).items())


def test_another_shape_is_refused_or_left_out(path: Path) -> None:
    write(path, values_of(net(width=2)))
    with pytest.raises(
        CheckpointError, match=r"33 that cannot be used \(.*of another shape: 2x3x3x3, here 4x3x3x3"
    ) as caught:
        load(net(), path)
    assert str(caught.value).endswith("and other sizes, as with another width; strict=False takes those that fit")
    report = load(net(), path, strict=False)
    assert all("of another shape" in entry.note for entry in report.of("skipped"))
    assert {entry.ours for entry in report.of("loaded")} == {
        name for name in net().state_dict() if name == "score.bias" or name.endswith("num_batches_tracked")
    }


def test_weights_of_which_none_fits_are_refused_in_any_case(path: Path) -> None:
    with pytest.raises(CheckpointError, match="do not fit unet"):
        load(net(), write(path, {"a": np.ones(3, np.float32)}), strict=False)


def test_scores_of_other_classes_start_anew(path: Path) -> None:
    model = net(classes=5)
    before = values_of(model)["score.weight"]
    report = load(model, write(path, values_of(net(classes=3))))
    assert [str(entry) for entry in report.of("skipped")] == [
        "skipped    score.weight (for other classes: 3x4x1x1, here 5x4x1x1)",
        "skipped    score.bias (for other classes: 3, here 5)",
    ]
    np.testing.assert_array_equal(values_of(model)["score.weight"], before)


def test_another_width_is_not_taken_for_other_classes(path: Path) -> None:
    write(path, values_of(models.create("vgg16", num_classes=5, width=1)))
    wider = models.create("fcn8s", num_classes=5, backbone="vgg16", width=3)
    with pytest.raises(CheckpointError, match=r"conv1_1\.weight \(of another shape: 2x3x3x3, here 4x3x3x3\)"):
        load(wider, path)
    report = load(
        wider,
        write(
            path,
            values_of(models.create("vgg16", num_classes=5, width=1)) | {"features.0.bias": np.ones(4, np.float32)},
        ),
        strict=False,
    )
    assert {entry.ours.split(".")[0] for entry in report.problems if entry.ours} >= {"conv1_1", "fc6", "fc7"}


def test_fcn_s_scores_and_upsampling_for_other_classes_start_anew(path: Path) -> None:
    write(path, values_of(models.create("fcn8s", num_classes=4, backbone="vgg16", width=1)))
    report = load(models.create("fcn8s", num_classes=6, backbone="vgg16", width=1), path)
    assert len(report.of("skipped")) == 9
    assert all(entry.note.startswith("for other classes: 4") for entry in report.of("skipped"))
    assert not report.needs_random_start


def test_a_layer_of_the_same_name_as_an_fcn_s_is_missed_elsewhere(path: Path) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = nn.Linear(2, 2), nn.Linear(2, 2)

    write(path, {name: value for name, value in values_of(Own()).items() if name != "up.weight"})
    with pytest.raises(CheckpointError, match=r"1 missing \(up\.weight\)"):
        load(Own(), path)


def test_batch_counts_that_older_files_have_not_are_excused(path: Path) -> None:
    arrays = {name: value for name, value in values_of(net()).items() if not name.endswith("num_batches_tracked")}
    report = load(net(), write(path, arrays))
    assert {entry.note for entry in report.of("missing")} == {"older files do not have it; it counts from 0"}


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8"])
def test_numbers_of_another_type_are_converted(path: Path, dtype: str) -> None:
    model = nn.Linear(2, 1)
    load(model, write(path, {"weight": np.array([[1, -2]], dtype), "bias": np.array([3], dtype)}))
    assert (model.weight.tolist(), model.bias.tolist(), model.weight.dtype) == ([[1.0, -2.0]], [3.0], np.float32)


def test_large_weights_are_copied_in_pieces(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weight = np.arange(70, dtype=np.float16).reshape(10, 7)
    for piece in (1, 7, 20, 69):
        monkeypatch.setattr("tinyseg.finite.PIECE", piece)
        model = nn.Linear(7, 10)
        load(model, write(path, {"weight": weight, "bias": np.arange(10.0)}))
        assert (model.weight.tolist(), model.bias.tolist()) == (weight.tolist(), list(range(10)))


@pytest.mark.parametrize("values", [np.array([[1, 2j]]), np.array([[1e300, 0.0]])])
def test_numbers_that_do_not_fit_are_refused(path: Path, values: NDArray[Any]) -> None:
    arrays = {"weight": values, "bias": np.zeros(1, np.float32)}
    with pytest.raises(CheckpointError, match=r"weight \((complex128|float64) numbers do not fit float32\)"):
        load(nn.Linear(2, 1), write(path, arrays))


def test_two_weights_for_one_place_are_refused(path: Path) -> None:
    """milesial's name, and the name it would get."""
    arrays = {
        "inc.double_conv.0.weight": np.ones((4, 3, 3, 3), np.float32),
        "outc.conv.weight": np.ones((3, 4, 1, 1)),
    }
    arrays["down.0.0.weight"] = np.zeros((4, 3, 3, 3), np.float32)
    report = load(net(), write(path, arrays), strict=False)
    assert [entry.note for entry in report.of("unexpected")] == ["down.0.0.weight is there already"]


def test_a_file_of_ours_says_itself_what_it_expects(tmp_path: Path) -> None:
    """Its names may be anybody's: an FCN's are those of wkentaro's, whose weights expect other images."""
    path = tmp_path / "own.safetensors"
    model = models.create("fcn32s", num_classes=3, backbone="vgg16", width=1)
    expected = {"mean": [0.25, 0.5, 0.75], "std": [1.0, 2.0, 3.0], "bgr": False}
    save(path, Checkpoint(model.state_dict(), {"preprocessing": expected}))
    report = load(model, path)
    assert (report.source, model.preprocessing) == (
        "tinyseg", models.Preprocessing((0.25, 0.5, 0.75), (1.0, 2.0, 3.0)),
    )  # fmt: skip
    save(path, Checkpoint(model.state_dict()))
    assert load(model, path).preprocessing is None
    np.savez(tmp_path / "theirs.npz", **values_of(model))
    assert load(model, tmp_path / "theirs.npz").preprocessing == models.CAFFE


def test_a_classifier_of_ours_becomes_a_trunk_and_keeps_what_it_expects(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    classifier = models.create("vgg16_bn", num_classes=3, width=2)
    expected = {"mean": [0.25, 0.5, 0.75], "std": [1.0, 2.0, 3.0], "bgr": True}
    save(path, Checkpoint(classifier.state_dict(), {"preprocessing": expected}))
    model = models.create("segnet", num_classes=3, width=2)
    assert len(load(model, path).of("renamed")) == 13 * 7
    assert model.preprocessing == models.Preprocessing((0.25, 0.5, 0.75), (1.0, 2.0, 3.0), True)


def test_the_hint_says_which_networks_weights_are_for(path: Path) -> None:
    write(path, values_of(models.create("vgg16_bn", num_classes=4, width=1)))
    with pytest.raises(
        CheckpointError, match=r"torchvision's vgg16_bn do not fit fcn8s: .*; they fit vgg16_bn and segnet"
    ):
        load(models.create("fcn8s", num_classes=4, backbone="vgg16", width=1), path)


# In runs and on the command line


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"), train=4, val=1)


def tiny() -> models.SegmentationModel:
    """The network of ``TINY_FLAGS`` on ``root``."""
    return models.create("unet", num_classes=2, width=4, depth=2)


def train(root: Path, folder: Path, *flags: Any) -> str:
    flags = ("--data", "folder", "--root", root, "--epochs", 1, "--out", folder, *TINY_FLAGS, *flags)
    return done("train", *flags)


def test_a_run_begins_with_the_weights_of_another_one(root: Path, tmp_path: Path) -> None:
    train(root, tmp_path / "first")
    train(root, tmp_path / "from-folder", "--weights", tmp_path / "first")
    exported = tmp_path / "first.safetensors"
    assert (
        done("export", tmp_path / "first", "--to", exported)
        == f"{len(tiny().state_dict())} weights are in {exported}\n"
    )
    text = train(root, tmp_path / "second", "--weights", exported, "--lr", "1e-30", "--optimizer", "sgd")
    count = len(tiny().state_dict())
    assert f"first.safetensors: safetensors, from tinyseg: {count} loaded" in text
    listed = (tmp_path / "second" / "weights.txt").read_text(encoding="utf-8").splitlines()
    assert len(listed) == count + 1
    before = load_checkpoint(tmp_path / "first" / "best.safetensors").weights
    after = load_checkpoint(tmp_path / "second" / "best.safetensors").weights
    for name, value in before.items():
        if "running" not in name and "num_batches" not in name:
            np.testing.assert_array_equal(after[name].numpy(), value.numpy())
    first, second = (engine.read_folder(tmp_path / name) for name in ("first", "second"))
    assert (second.data.mean, second.data.std) == (first.data.mean, first.data.std)
    assert second.training.weights == str(exported)


@pytest.mark.parametrize(("coarse", "fine"), [("fcn32s", "fcn16s"), ("fcn16s", "fcn8s")])
@pytest.mark.parametrize("backbone", ["small", "vgg16"])
def test_a_finer_network_begins_with_a_coarser_run(
    root: Path, tmp_path: Path, coarse: str, fine: str, backbone: str
) -> None:
    """The paper trains FCN-16s from FCN-32s, and FCN-8s from FCN-16s: what is new starts with constants."""
    model_options = {"backbone": backbone, "width": 1}
    built = models.create(coarse, num_classes=2, **model_options)
    save(tmp_path / "coarse.safetensors", Checkpoint(built.state_dict()))
    asked = options(root, model=fine, model_options=model_options, weights=str(tmp_path / "coarse.safetensors"))
    start = engine.prepare(asked).start
    assert start is not None
    assert not start.report.needs_random_start
    assert {entry.ours or entry.theirs for entry in start.report.of("skipped")} <= {
        "up.weight",
        "upscore.weight",
        "upscore16.weight",
    }
    fresh = {entry.ours.split(".")[0] for entry in start.report.of("missing") if entry.ours}
    assert fresh
    assert all(name.startswith(("score4", "score3", "up", "score_pool")) for name in fresh)


def test_the_configuration_gets_what_the_weights_expect(root: Path, path: Path) -> None:
    fcn = models.create("fcn32s", num_classes=2, backbone="vgg16", width=1)
    write(path, values_of(fcn))
    asked = options(root, model="fcn32s", model_options={"backbone": "vgg16", "width": 1}, weights=str(path))
    data = engine.prepare(asked).config.data
    assert (data.mean, data.std, data.bgr) == (models.CAFFE.mean, models.CAFFE.std, True)
    unknown = options(root, weights=str(write(path, values_of(tiny()))))
    plan = engine.prepare(unknown)
    assert plan.config.data.mean == engine.prepare(options(root)).config.data.mean
    assert any("what" in note and "expects of images is not known" in note for note in plan.notes)


def test_milesial_s_weights_for_grey_images_expect_them_as_they_are(root: Path, path: Path) -> None:
    names = {"inc.double_conv.0.weight": np.ones((4, 1, 3, 3), np.float32), "outc.conv.weight": np.ones((2, 4, 1, 1))}
    grey = models.create("unet", num_classes=2, in_channels=1, width=4, depth=2)
    assert load(grey, write(path, names), strict=False).preprocessing == models.Preprocessing((0.0,), (1.0,))
    colour = models.create("unet", num_classes=2, width=4, depth=2)
    names["inc.double_conv.0.weight"] = np.ones((4, 3, 3, 3), np.float32)
    load(colour, write(path, names), strict=False)
    assert colour.preprocessing == models.Preprocessing((0.0,) * 3, (1.0,) * 3)


def test_images_of_other_channels_are_not_normalised_as_the_weights_say(path: Path) -> None:
    write(path, values_of(models.create("fcn32s", num_classes=2, backbone="vgg16", width=1)))
    grey = models.create("fcn32s", num_classes=2, in_channels=1, backbone="vgg16", width=1)
    assert load(grey, path, strict=False).preprocessing is None


def test_weights_that_a_file_has_not_are_drawn_as_without_it(root: Path, path: Path) -> None:
    arrays = {name: value for name, value in values_of(tiny()).items() if not name.startswith("merge")}
    plan = engine.prepare(options(root, weights=str(write(path, arrays)), partial_weights=True, seed=5))
    assert plan.start is not None
    tinyseg.manual_seed(5)
    drawn = values_of(tiny())
    tinyseg.manual_seed(5)
    for name, value in values_of(plan.start.model(tiny)).items():
        np.testing.assert_array_equal(value, arrays.get(name, drawn[name]))


def test_where_all_is_in_the_file_nothing_is_drawn(root: Path, path: Path) -> None:
    plan = engine.prepare(options(root, weights=str(write(path, values_of(tiny())))))
    assert plan.start is not None
    before = tinyseg.random.default_generator.get_state()
    plan.start.model(tiny)
    assert tinyseg.random.default_generator.get_state() == before


def test_weights_that_do_not_fit_end_the_command_before_it_begins(root: Path, tmp_path: Path, path: Path) -> None:
    write(path, values_of(net()))
    flags = ("train", "--data", "folder", "--root", root, "--out", tmp_path / "run", *TINY_FLAGS)
    result = call(*flags, "--weights", path)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "do not fit unet" in result.stderr
    assert "missing (down.2.0.weight" in result.stderr
    assert result.stderr.endswith("; --partial-weights takes those that fit\n")
    assert "strict" not in result.stderr
    assert not (tmp_path / "run").exists()
    assert call(*flags, "--weights", tmp_path / "none.pth").exit_code == 2
    train(root, tmp_path / "run", "--weights", path, "--partial-weights")


def test_a_run_goes_on_without_its_first_weights_and_not_with_others(root: Path, tmp_path: Path, path: Path) -> None:
    write(path, values_of(tiny()))
    train(root, tmp_path / "run", "--weights", path, "--schedule", "constant")
    result = call("train", "--resume", tmp_path / "run", "--weights", tmp_path / "other.pth")
    assert result.exit_code == 2
    assert "cannot go on with --weights" in result.stderr
    path.unlink()
    done("train", "--resume", tmp_path / "run", "--epochs", 2)


def test_weights_lists_what_is_in_a_file(path: Path) -> None:
    write(path, values_of(models.create("vgg16", num_classes=4, width=1)))
    text = done("weights", path)
    assert "features.28.weight" in text
    assert "NumPy archive, from torchvision's vgg16" in text
    found = json.loads(done("weights", path, "--json"))
    assert found["weights"]["classifier.6.bias"] == {"shape": [4], "type": "float32"}
    assert found["source"] == "torchvision's vgg16"
    numbers = sum(int(np.prod(entry["shape"])) for entry in found["weights"].values())
    assert f"{len(found['weights'])} weights, {numbers:,} numbers" in text


def test_export_keeps_weights_and_what_they_expect_and_nothing_else(root: Path, tmp_path: Path) -> None:
    train(root, tmp_path / "run")
    to = tmp_path / "out.safetensors"
    done("export", tmp_path / "run" / "last.safetensors", "--to", to)
    found = read(to)
    assert not found.others
    assert set(found.arrays) == set(tiny().state_dict())
    data = engine.read_folder(tmp_path / "run").data
    assert source_of(found).preprocessing == models.Preprocessing(data.mean, data.std)
    for other in (to, tmp_path / "out.pth"):
        assert call("export", tmp_path / "run", "--to", other).exit_code == 2
    with pytest.raises(InputError, match=r"weights are exported as \.safetensors"):
        engine.export(tmp_path / "run", tmp_path / "out.pth")
