"""Files that PyTorch writes, read without it: the networks say the same as there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import models
from tinyseg.errors import CheckpointError
from tinyseg.interop import load, read

torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
import torch_networks as peers  # noqa: E402  (it imports PyTorch)

torch.set_num_threads(1)
WIDTH = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def image(*size: int) -> Any:
    return np.random.default_rng(3).standard_normal((1, 3, *size)).astype(np.float32)


def said_by_torch(network: Any, x: Any) -> Any:
    with torch.no_grad():
        return network(torch.tensor(x)).numpy()


def said_by_tinyseg(network: Any, x: Any) -> Any:
    with tinyseg.no_grad():
        return network.eval()(tinyseg.tensor(x)).numpy()


def check_same(ours: Any, theirs: Any) -> None:
    """To 1e-4 of the largest score."""
    assert ours.shape == theirs.shape
    assert np.abs(theirs).max() > 0.1
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * max(1.0, np.abs(theirs).max()))


def save(network: Any, path: Path, form: str = "archive") -> Path:
    """The ways in which public weights come."""
    state = network.state_dict()
    if form == "legacy":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    elif form == "float16":
        torch.save(
            {name: value.half() if value.is_floating_point() else value for name, value in state.items()}, path
        )
    elif form == "nested":
        state = {f"module.{name}": value for name, value in state.items()}
        torch.save({"epoch": 7, "best_mean_iu": np.float64(0.5), "model_state_dict": state, "optim": {"lr": 1}}, path)
    elif form == "strided":
        turned = {
            name: value.transpose(0, -1).contiguous().transpose(0, -1) if value.ndim > 1 else value
            for name, value in state.items()
        }
        torch.save(turned, path)
    else:
        torch.save(state, path)
    return path


CLASSIFIERS = {
    "vgg16": (lambda: peers.VGG16(10), {}, (48, 64)),
    "vgg16_bn": (lambda: peers.VGG16(10, batch_norm=True), {}, (48, 64)),
    "alexnet": (lambda: peers.AlexNet(10), {"form": "torchvision"}, (96, 80)),
    "googlenet": (lambda: peers.GoogLeNet(10), {"form": "torchvision"}, (70, 96)),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_torchvision_s_classifiers_say_the_same(path: Path, name: str) -> None:
    make, options, size = CLASSIFIERS[name]
    theirs = peers.randomised(make())
    ours = models.create(name, num_classes=10, width=WIDTH, **options)
    report = load(ours, save(theirs, path))
    assert report.source == f"torchvision's {name}"
    assert ours.preprocessing == (models.INCEPTION if name == "googlenet" else models.IMAGENET)
    left_out = {entry.theirs for entry in report.entries if entry.fate != "loaded"}
    assert all(key.startswith("aux") for key in left_out)
    assert len(report.of("loaded")) == len(ours.state_dict())
    for rows, columns in (size, (97, 131), (130, 99)):
        x = image(rows, columns)
        check_same(said_by_tinyseg(ours, x), said_by_torch(theirs, x))


def test_googlenet_s_auxiliary_heads_have_their_place(path: Path) -> None:
    ours = models.create("googlenet", num_classes=10, width=WIDTH, form="torchvision", auxiliary=True)
    report = load(ours, save(peers.randomised(peers.GoogLeNet(10)), path))
    assert {entry.fate for entry in report.entries} == {"loaded"}


@pytest.mark.parametrize("form", ["archive", "legacy", "float16", "nested", "strided"])
def test_every_form_of_a_file_gives_the_same_network(path: Path, form: str) -> None:
    theirs = peers.randomised(peers.VGG16(10))
    if form == "float16":
        theirs = theirs.half().float()
    ours = models.create("vgg16", num_classes=10, width=WIDTH)
    load(ours, save(theirs, path, form))
    check_same(said_by_tinyseg(ours, image(32, 32)), said_by_torch(theirs, image(32, 32)))


@pytest.mark.parametrize(("name", "scored"), [("fcn32s", 1), ("fcn16s", 2), ("fcn8s", 3)])
def test_wkentaro_s_networks_say_the_same(path: Path, name: str, scored: int) -> None:
    theirs = peers.randomised(peers.FCN(5, scored))
    ours = models.create(name, num_classes=5, backbone="vgg16", width=WIDTH)
    report = load(ours, save(theirs, path, "nested"))
    assert (report.source, ours.preprocessing) == ("wkentaro's FCN", models.CAFFE)
    assert [entry.ours for entry in report.of("reshaped")] == [f"{theirs.last()}.weight"]
    assert len(report.of("loaded")) == len(report.entries) - 1
    for size in ((45, 61), (97, 131), (64, 1), (33, 130)):
        check_same(said_by_tinyseg(ours, image(*size)), said_by_torch(theirs, image(*size)))


def test_a_last_upsampling_that_is_not_of_each_channel_alone_is_refused(path: Path) -> None:
    theirs = peers.randomised(peers.FCN(5, 1))
    with torch.no_grad():
        theirs.upscore.weight[1, 2, 3, 3] = 0.5
    with pytest.raises(CheckpointError, match=r"upscore\.weight \(of another shape: 5x5x64x64, here 5x1x64x64\)"):
        load(models.create("fcn32s", num_classes=5, backbone="vgg16", width=WIDTH), save(theirs, path))


def test_fcn16s_starts_from_fcn32s(path: Path) -> None:
    theirs = peers.randomised(peers.FCN(5, 1))
    ours = models.create("fcn16s", num_classes=5, backbone="vgg16", width=WIDTH)
    report = load(ours, save(theirs, path))
    assert {entry.ours for entry in report.of("missing")} == {
        "score_pool4.weight", "score_pool4.bias", "upscore2.weight", "upscore16.weight",
    }  # fmt: skip
    assert [entry.theirs for entry in report.of("skipped")] == ["upscore.weight"]
    assert not report.needs_random_start


@pytest.mark.parametrize("backbone", ["vgg16", "alexnet", "googlenet"])
def test_a_classifier_s_weights_become_the_trunk_of_an_fcn(path: Path, backbone: str) -> None:
    make, options, _ = CLASSIFIERS[backbone]
    theirs = peers.randomised(make())
    ours = models.create("fcn8s", num_classes=3, backbone=backbone, width=WIDTH, **options)
    report = load(ours, save(theirs, path, "legacy"))
    fresh = {entry.ours for entry in report.of("missing")}
    assert all(name.startswith(("score_", "upscore")) for name in fresh)
    assert not report.needs_random_start
    state = {name: value.numpy() for name, value in theirs.state_dict().items()}
    for entry in report.of("renamed", "reshaped", "loaded"):
        np.testing.assert_array_equal(ours.state_dict()[entry.ours].numpy().ravel(), state[entry.theirs].ravel())
    assert len(report.of("reshaped")) == (0 if backbone == "googlenet" else 2)


def test_vgg16_in_an_fcn_says_what_it_says_in_pytorch(path: Path) -> None:
    """The same weights put into wkentaro's network by hand, as its own recipe does."""
    classifier, theirs = peers.randomised(peers.VGG16(10)), peers.randomised(peers.FCN(5, 1))
    ours = models.create("fcn32s", num_classes=5, backbone="vgg16", width=WIDTH)
    load(ours, save(classifier, path))
    convolutions = [layer for layer in classifier.features if isinstance(layer, torch.nn.Conv2d)]
    names = [name for name, _ in theirs.named_children() if name.startswith("conv")]
    with torch.no_grad():
        for name, layer in zip(names, convolutions, strict=True):
            getattr(theirs, name).load_state_dict(layer.state_dict())
        for name, place in (("fc6", 0), ("fc7", 3)):
            layer, target = classifier.classifier[place], getattr(theirs, name)
            target.weight.copy_(layer.weight.view(target.weight.shape))
            target.bias.copy_(layer.bias)
    for name in ("weight", "bias"):
        values = getattr(theirs.score_fr, name).detach().numpy()
        ours.state_dict()[f"score_fr.{name}"].copy_(tinyseg.tensor(values))
    check_same(said_by_tinyseg(ours, image(40, 52)), said_by_torch(theirs, image(40, 52)))


def test_vgg16_without_batch_norm_becomes_segnet_s_convolutions(path: Path) -> None:
    theirs = peers.randomised(peers.VGG16(10))
    ours = models.create("segnet", num_classes=3, width=WIDTH)
    report = load(ours, save(theirs, path))
    assert len(report.of("renamed")) == 26
    last = theirs.features[28].weight.detach().numpy()
    np.testing.assert_array_equal(ours.encoder[4][6].weight.detach().numpy(), last)


def test_vgg16_bn_becomes_segnet_s_encoder(path: Path) -> None:
    theirs = peers.randomised(peers.VGG16(10, batch_norm=True))
    ours = models.create("segnet", num_classes=3, width=WIDTH)
    report = load(ours, save(theirs, path))
    assert {entry.ours.split(".")[0] for entry in report.of("missing")} == {"decoder"}
    assert report.needs_random_start
    maps = tinyseg.tensor(image(64, 96))
    ours.eval()
    with tinyseg.no_grad():
        for stage in ours.encoder:
            maps, _ = ours.pool(stage(maps))
    check_same(maps.numpy(), said_by_torch(theirs.features, image(64, 96)))


def test_vgg16_becomes_dilatednet_s_front_end(path: Path) -> None:
    theirs = peers.randomised(peers.VGG16(10))
    ours = models.create("dilatednet", num_classes=3, width=WIDTH)
    report = load(ours, save(theirs, path))
    assert {entry.ours.rsplit(".", 1)[0] for entry in report.of("missing")} == {
        "front_end.final", *(f"context.conv{number}" for number in range(1, 8)), "context.final",
    }  # fmt: skip
    x = maps = torch.tensor(image(380, 388))
    with torch.no_grad():
        for place, layer in enumerate(theirs.features):
            if isinstance(layer, torch.nn.Conv2d):
                maps = torch.relu(torch.conv2d(maps, layer.weight, layer.bias, dilation=2 if place > 23 else 1))
            elif isinstance(layer, torch.nn.MaxPool2d) and place < 23:
                maps = layer(maps)
        for place, size, dilation in ((0, 7, 4), (3, 1, 1)):
            layer = theirs.classifier[place]
            weight = layer.weight.view(layer.out_features, -1, size, size)
            maps = torch.relu(torch.conv2d(maps, weight, layer.bias, dilation=dilation))
    ours.front_end.final = tinyseg.nn.Identity()
    check_same(said_by_tinyseg(ours.front_end, x.numpy()), maps.numpy())


@pytest.mark.parametrize("head", ["largefov", "aspp-s"])
def test_vgg16_becomes_deeplab_s_trunk(path: Path, head: str) -> None:
    theirs = peers.randomised(peers.VGG16(10))
    ours = models.create("deeplab", num_classes=3, width=WIDTH, head=head)
    report = load(ours, save(theirs, path))
    assert len(report.of("renamed")) == 26
    assert all(entry.ours.startswith("fc") for entry in report.of("missing"))
    assert {entry.theirs.split(".")[0] for entry in report.of("skipped")} == {"classifier"}
    last = theirs.features[28].weight.detach().numpy()
    np.testing.assert_array_equal(ours.conv5_3.weight.detach().numpy(), last)


@pytest.mark.parametrize("skip_first", [True, False])
@pytest.mark.parametrize("bilinear", [True, False])
def test_milesial_s_u_net_says_the_same(path: Path, bilinear: bool, skip_first: bool) -> None:
    theirs = peers.randomised(peers.UNet(3, 2, bilinear))
    torch.save({**theirs.state_dict(), "mask_values": [0, 255]}, path)
    ours = models.create("unet", num_classes=2, width=WIDTH, bilinear=bilinear, skip_first=skip_first)
    report = load(ours, path)
    assert report.source == "milesial's U-Net"
    assert {entry.fate for entry in report.entries} == {"renamed"}
    assert report.weights.others == {"mask_values": "a list of 2"}
    assert "beside them: mask_values is a list of 2" in str(report)
    for size in ((32, 48), (97, 131), (16, 31), (47, 33), (130, 98)):
        check_same(said_by_tinyseg(ours, image(*size)), said_by_torch(theirs, image(*size)))


def test_every_type_of_numbers_is_read_as_pytorch_reads_it(path: Path) -> None:
    kinds = (
        "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 uint16 uint32 uint64 bool complex64 complex128"
    )
    tensors = {kind: torch.arange(-3, 5).to(getattr(torch, kind)).reshape(2, 4) for kind in kinds.split()}
    for legacy in (False, True):
        # The older form has no storages of unsigned integers but bytes.
        kept = {
            kind: value for kind, value in tensors.items() if not legacy or kind not in ("uint16", "uint32", "uint64")
        }
        torch.save(kept, path, _use_new_zipfile_serialization=not legacy)
        for kind, array in read(path).arrays.items():
            theirs = tensors[kind].float() if kind == "bfloat16" else tensors[kind]
            np.testing.assert_array_equal(array, theirs.numpy(), strict=True)


def test_views_and_shared_memory_are_read_as_pytorch_reads_them(path: Path) -> None:
    base = torch.arange(60.0).reshape(3, 4, 5)
    views = {
        "base": base, "permuted": base.permute(2, 0, 1), "part": base[1:, ::2, 1:4], "row": base[2, 3],
        "scalar": base[0, 0, 1], "empty": base[:0], "tied": base, "parameter": torch.nn.Parameter(base[:, :1]),
        "channels_last": torch.arange(48.0).reshape(2, 2, 3, 4).contiguous(memory_format=torch.channels_last),
    }  # fmt: skip
    for legacy in (False, True):
        torch.save(views, path, _use_new_zipfile_serialization=not legacy)
        arrays = read(path).arrays
        for name, view in views.items():
            np.testing.assert_array_equal(arrays[name], view.detach().numpy(), strict=True)
        assert np.shares_memory(arrays["base"], arrays["tied"])


def test_an_optimiser_s_state_beside_the_weights_is_no_obstacle(path: Path) -> None:
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    state = {"model": network.state_dict(), "optimizer": optimizer.state_dict(), "size": torch.Size([1, 2])}
    torch.save({**state, "device": torch.device("cpu"), "dtype": torch.float32, "score": np.float32(0.5)}, path)
    weights = read(path)
    assert list(weights.arrays) == ["weight", "bias"]
    assert weights.others["score"] == "0.5"


def test_torchscript_and_whole_models_are_refused(path: Path) -> None:
    network = torch.nn.Linear(3, 2)
    with pytest.warns(DeprecationWarning, match=r"torch\.jit"):
        torch.jit.save(torch.jit.script(network), path)
    with pytest.raises(CheckpointError, match="TorchScript"):
        read(path)
    for legacy in (False, True):
        torch.save(network, path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(
            CheckpointError, match=r"asks for 'torch\.nn\.modules\.linear\.Linear'|whole pickled model"
        ):
            read(path)
