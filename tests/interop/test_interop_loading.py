"""Weights from a file into a network: each is accounted for, and nothing changes unless all is well."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import call, done
from numpy.typing import NDArray
from tiny_runs import TINY_FLAGS, make_folder, options, without_pictures

import tinyseg
from tinyseg import engine, models, nn
from tinyseg.checkpoint import Checkpoint, load_weights, save, save_weights
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


# Shapes do not show everything


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("classes", [2, 3])
def test_channels_of_images_are_not_taken_for_classes(path: Path, channels: int, classes: int) -> None:
    """With 3 classes the axis that differs has their number, too."""
    write(path, values_of(models.create("unet", num_classes=classes, in_channels=channels, width=4, depth=1)))
    with pytest.raises(CheckpointError) as caught:
        load(net(classes), path)
    assert f"1 that cannot be used (down.0.0.weight (for images of {channels} and not 3 channels" in str(caught.value)
    assert f"the weights are for images of {channels} channel" in str(caught.value)
    assert "another width" not in str(caught.value)


def test_weights_for_colour_images_say_how_grey_ones_can_be_used(path: Path) -> None:
    write(path, values_of(models.create("vgg16", num_classes=10, width=1)))
    grey = models.create("fcn32s", num_classes=3, in_channels=1, backbone="vgg16", width=1)
    with pytest.raises(CheckpointError, match=r"images of 3 channels, and these have 1: save grey images as RGB"):
        load(grey, path)


def test_other_classes_in_a_layer_that_gives_no_scores_are_refused(path: Path) -> None:
    """A layer inside has 3 channels in the file and 5 here, which is also the number of classes."""
    arrays = values_of(models.create("unet", num_classes=5, width=5, depth=1))
    arrays["down.0.1.weight"] = np.ones(3, np.float32)
    with pytest.raises(CheckpointError, match=r"down\.0\.1\.weight \(of another shape: 3, here 5\)"):
        load(models.create("unet", num_classes=5, width=5, depth=1), write(path, arrays))


def own_file(path: Path, model: models.Network) -> Path:
    """As a run saves it."""
    save_weights(path.with_suffix(".safetensors"), model)
    return path.with_suffix(".safetensors")


def logits(model: models.Network, *size: int) -> NDArray[Any]:
    image = np.random.default_rng(0).standard_normal((1, 3, *size)).astype(np.float32)
    with tinyseg.no_grad():
        return model.eval()(tinyseg.tensor(image)).numpy()


def assert_says_the_same(one: models.Network, other: models.Network, *size: int) -> None:
    wanted = logits(other, *size)
    np.testing.assert_allclose(logits(one, *size), wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("bilinear", [False, True])
@pytest.mark.parametrize("skip_first", [False, True])
@pytest.mark.parametrize("pad_maps", [False, True])
def test_a_u_net_with_other_options_says_what_the_file_s_does(
    path: Path, bilinear: bool, skip_first: bool, pad_maps: bool
) -> None:
    """The order of the skips, and what is padded at sizes that are no multiples of 4."""
    options = {"num_classes": 3, "width": 4, "depth": 2, "bilinear": bilinear}
    theirs = models.create("unet", **options, skip_first=skip_first, pad_maps=pad_maps)
    ours = models.create("unet", **options, skip_first=not skip_first, pad_maps=not pad_maps)
    report = load(ours, own_file(path, theirs))
    assert {entry.fate for entry in report.entries} == {"loaded"}
    assert (ours.skip_first, ours.pad_maps) == (not skip_first, pad_maps)
    assert_says_the_same(ours, theirs, 16, 24)
    assert_says_the_same(ours, theirs, 17, 23)


def test_a_pyramid_of_other_rates_is_refused(path: Path) -> None:
    small, large = (models.create("deeplab", num_classes=3, head=head, width=1) for head in ("aspp-s", "aspp-l"))
    file = own_file(path, small)
    with pytest.raises(CheckpointError, match=r"8 that cannot be used \(fc6_1\.bias \(for dilation 2, here 6\)"):
        load(large, file)
    assert len(load(large, file, strict=False).of("skipped")) == 8
    with pytest.raises(CheckpointError, match=r"fc6_1\.dilation is 2 there and 6 here"):
        load_weights(file, large)
    load_weights(file, small)


def test_scores_of_skips_that_are_scaled_are_refused_where_they_are_not(path: Path) -> None:
    plain, scaled = (
        models.create(name, num_classes=3, backbone="vgg16", width=1) for name in ("fcn8s", "fcn8s_at_once")
    )
    with pytest.raises(CheckpointError, match=r"score_pool3\.bias \(for scale 1\.0, here 0\.0001\)"):
        load(scaled, own_file(path, plain))
    with pytest.raises(CheckpointError, match=r"score_pool3\.bias \(for scale 0\.0001, here 1\.0\)"):
        load(plain, own_file(path, scaled))
    coarse = models.create("fcn32s", num_classes=3, backbone="vgg16", width=1)
    load(scaled, own_file(path, coarse))


CONTEXTS = [
    ({"context": "cityscapes"}, {"context": "basic"}),
    ({"context": "basic"}, {"context": "cityscapes"}),
    ({"context": "large"}, {"context": "basic"}),
    ({"context_padding": "each"}, {"context_padding": "first"}),
]


@pytest.mark.parametrize(("there", "here"), CONTEXTS)
def test_of_another_context_module_no_layer_is_taken(path: Path, there: dict[str, Any], here: dict[str, Any]) -> None:
    """It would have other dilations, or pad elsewhere: all of it starts as the identity."""
    theirs, ours = (models.create("dilatednet", num_classes=3, width=1, **given) for given in (there, here))
    for layer in theirs.context.children():
        for value in layer.parameters():
            nn.init.normal_(value)
    before = values_of(ours)
    files = [own_file(path, theirs)]
    if "context_padding" not in there:  # which shapes do not show
        files.append(write(path, values_of(theirs)))
    for file in files:
        load(ours, file)
        after = values_of(ours)
        for name, value in after.items():
            wanted = before if name.startswith("context.") else values_of(theirs)
            np.testing.assert_array_equal(value, wanted[name])


def test_a_network_s_own_file_with_its_own_options_is_loaded_whole(path: Path) -> None:
    for name, given in (("dilatednet", {}), ("fcn8s_at_once", {}), ("deeplab", {"head": "aspp-l"})):
        model = models.create(name, num_classes=3, width=1, **given)
        report = load(models.create(name, num_classes=3, width=1, **given), own_file(path, model))
        assert {entry.fate for entry in report.entries} == {"loaded"}


def test_a_file_whose_preprocessing_cannot_be_used_is_refused(path: Path) -> None:
    file = path.with_suffix(".safetensors")
    for kept, message in (
        ({"mean": [0.5] * 3, "std": [0.0] * 3, "bgr": False}, "standard deviations must be positive"),
        ({"mean": [float("nan")] * 3, "std": [1.0] * 3, "bgr": False}, r"mean\[0\] must be a finite number, got nan"),
        ({"mean": [0.5] * 3, "std": [1.0], "bgr": False}, "3 means but 1 standard deviations"),
        ({"mean": [1e30] * 3, "std": [1.0] * 3, "bgr": False}, "leave nothing of an image"),
        ({"mean": [0.5] * 3, "bgr": False}, "'std' is missing"),
        ({"mean": 5, "std": 5, "bgr": False}, "mean must be a list of numbers, got 5"),
        ({"mean": [0.5] * 3, "std": [1.0, "2", 3], "bgr": False}, r"std\[1\] must be a finite number, got '2'"),
        ({"mean": [0.5] * 3, "std": [1.0, 10**400, 3], "bgr": False}, r"std\[1\] must be a finite number, got a int"),
        ({"mean": [0.5] * 3, "std": [1.0] * 3, "bgr": "no"}, "bgr must be true or false, got 'no'"),
        ({"mean": [0.5] * 3, "std": [1.0] * 3, "bgr": 0}, "bgr must be true or false, got 0"),
        ([], "it must be a table, got a list"),
    ):
        save(file, Checkpoint(net().state_dict(), {"preprocessing": kept}))
        assert_refused_by_both(file, net(), f"its preprocessing cannot be used: .*{message}")


def assert_refused_by_both(file: Path, model: nn.Module, message: str) -> None:
    """By the loader for weights from anywhere, and by the strict one for runs."""
    with pytest.raises(CheckpointError, match=message):
        load(model, file)
    with pytest.raises(CheckpointError, match=message):
        load_weights(file, model)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ({"": {"pad_maps": "false"}}, "pad_maps must be true or false, got 'false'"),
        ({"merge": {"skip_first": "no"}}, r"merge\.skip_first must be true or false, got 'no'"),
        ({"merge": {"skip_first": 1}}, r"merge\.skip_first must be true or false, got 1"),
        ({"fc6_1": {"dilation": 2.0}}, r"fc6_1\.dilation must be a whole number, got 2\.0"),
        ({"score_pool3": {"scale": True}}, r"score_pool3\.scale must be a finite number, got True"),
        ({"score_pool3": {"scale": float("inf")}}, r"score_pool3\.scale must be a finite number, got inf"),
        ({"context": {"kind": None}}, r"context\.kind must be a text, got None"),
        ({"merge": True}, "'merge' must be a table, got True"),
        ([], "it must be a table, got a list"),
        ("skip_first", "it must be a table, got 'skip_first'"),
    ],
)
def test_conventions_of_another_type_are_refused(path: Path, kept: Any, message: str) -> None:
    """A text would be true, whatever it says: the halves of a U-Net's weights would be exchanged."""
    file, model = path.with_suffix(".safetensors"), net()
    before = values_of(model)
    save(file, Checkpoint(net().state_dict(), {"conventions": kept}))
    assert_refused_by_both(file, model, f"its conventions cannot be used: {message}")
    for name, value in values_of(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_conventions_of_another_version_are_left_alone(path: Path) -> None:
    file, model = path.with_suffix(".safetensors"), net()
    save(file, Checkpoint(model.state_dict(), {"conventions": {"": {"new": "yes"}, "elsewhere": {"new": 2}}}))
    assert {entry.fate for entry in load(model, file).entries} == {"loaded"}
    load_weights(file, model)


def test_weights_that_are_saved_with_their_network_keep_what_they_mean(path: Path) -> None:
    options = {"num_classes": 3, "width": 4, "depth": 2}
    theirs = models.create("unet", **options, skip_first=True)
    theirs.preprocessing = models.CAFFE
    file, ours = own_file(path, theirs), models.create("unet", **options)
    report = load(ours, file)
    assert report.note == ""
    assert ours.preprocessing == models.CAFFE
    assert_says_the_same(ours, theirs, 16, 24)
    with pytest.raises(CheckpointError, match=r"merge\.skip_first is True there and False here"):
        load_weights(file, models.create("unet", **options))


def test_a_file_without_conventions_is_told_where_the_network_has_some(path: Path) -> None:
    file, model = path.with_suffix(".safetensors"), net()
    save(file, Checkpoint(model.state_dict()))
    report = load(net(), file)
    assert report.note == "its options are not stored; they must be those of this network"
    assert report.summary().endswith(f"{len(report.entries)} loaded ({report.note})")
    vgg = models.create("vgg16", num_classes=2, width=1)
    save(file, Checkpoint(vgg.state_dict()))
    assert load(vgg, file).note == ""  # no option decides what its weights mean
    layer = nn.Linear(2, 1)
    save_weights(file, layer)
    assert load(nn.Linear(2, 1), file).note == ""


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


def test_a_run_from_milesial_s_weights_pads_maps_and_so_does_what_comes_of_it(
    root: Path, tmp_path: Path, path: Path
) -> None:
    """From the file to the run's configuration, its checkpoints, an export, and the next run; nothing is learnt."""
    source = models.create("unet", num_classes=2, width=4, depth=2, skip_first=True, pad_maps=True)
    names = {"down.0.": "inc.double_conv.", "score.": "outc.conv."}
    names |= {f"down.{level}.": f"down{level}.maxpool_conv.1.double_conv." for level in (1, 2)}
    names |= {f"up.{level}.": f"up{level + 1}.up." for level in (0, 1)}
    names |= {f"merge.{level}.": f"up{level + 1}.conv.double_conv." for level in (0, 1)}
    renamed = {
        next(to + k[len(of) :] for of, to in names.items() if k.startswith(of)): v
        for k, v in values_of(source).items()
    }
    still = ("--weights", write(path, renamed), "--lr", "1e-30", "--optimizer", "sgd", "--freeze", "down,up,merge")
    text = train(root, tmp_path / "run", *still[:-2])
    assert "expects --pad-maps = True, and gets it" in text
    assert engine.read_folder(tmp_path / "run").model.options["pad_maps"] is True
    done("export", tmp_path / "run", "--to", tmp_path / "out.safetensors")
    model, _ = engine.storage.run.load_model(engine.open_run(tmp_path / "run"))
    again = tiny()
    load(again, tmp_path / "out.safetensors")
    assert_says_the_same(again, model, 17, 23)
    train(root, tmp_path / "next", "--weights", tmp_path / "out.safetensors")
    assert engine.read_folder(tmp_path / "next").model.options["pad_maps"] is True


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("[model.options]", "[model.options]\nskip_first = true", "merge.skip_first is False there and True here"),
        ("[model.options]", "[model.options]\npad_maps = true", "pad_maps is False there and True here"),
    ],
)
def test_a_run_whose_options_were_changed_afterwards_is_refused(
    root: Path, tmp_path: Path, before: str, after: str, message: str
) -> None:
    train(root, tmp_path / "run", "--schedule", "constant")
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    for command in (
        ("evaluate", tmp_path / "run"),
        ("predict", tmp_path / "run", root / "val" / "images", "--out", tmp_path / "out"),
        ("export", tmp_path / "run", "--to", tmp_path / "out.safetensors"),
        ("train", "--resume", tmp_path / "run", "--epochs", 2),
    ):
        result = call(*command)
        assert result.exit_code == 2
        assert message in result.stderr


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
