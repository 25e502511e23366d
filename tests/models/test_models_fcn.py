"""The paper's fully convolutional networks: any size, other weights, what is frozen or starts at zero, two heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import interop, models, nn
from tinyseg.errors import CheckpointError, OptionError
from tinyseg.geometry import Grid

BACKBONES: list[tuple[str, str]] = [
    ("vgg16", "paper"),
    ("alexnet", "paper"),
    ("alexnet", "torchvision"),
    ("googlenet", "paper"),
    ("googlenet", "torchvision"),
]


def build(name: str, backbone: str = "vgg16", num_classes: int = 3, width: int = 2, **options: Any) -> Any:
    return models.create(name, num_classes=num_classes, backbone=backbone, width=width, **options)


def waken(net: nn.Module) -> None:
    """Scores start at zero; here they say something."""
    for name, parameter in net.named_parameters():
        if name.startswith("score"):
            nn.init.normal_(parameter, 0.0, 0.1)


@pytest.mark.parametrize(("backbone", "form"), BACKBONES)
@pytest.mark.parametrize("name", ["fcn32s", "fcn16s", "fcn8s"])
def test_any_size(name: str, backbone: str, form: str) -> None:
    """Every remainder that 32 leaves, in one of both dimensions, and a single pixel."""
    net = build(name, backbone, num_classes=1, width=1, form=form).eval()
    assert net.min_size == (1, 1)
    with tinyseg.no_grad():
        for size in (1, *range(33, 65, 3)):
            assert net(tinyseg.rand(1, 3, size, 97 - size)).shape == (1, 1, size, 97 - size)


@pytest.mark.parametrize(
    ("backbone", "form", "size"),
    [
        ("vgg16", "paper", 186),
        ("alexnet", "paper", 187),
        ("alexnet", "torchvision", 187),
        ("googlenet", "paper", 221),
        ("googlenet", "torchvision", 205),
    ],
)
@pytest.mark.parametrize("name", ["fcn32s", "fcn16s", "fcn8s"])
def test_scores_of_a_mirror_image_are_mirrored(name: str, backbone: str, form: str, size: int) -> None:
    """With symmetric kernels, at sizes where the first and the last unit stand equally far from the border: so all
    crops are right to the pixel. Only GoogLeNet's kernel of 64 is even where all windows are odd.
    """
    net = build(name, backbone, num_classes=2, width=2, form=form).eval()
    waken(net)
    for parameter in net.parameters():
        if parameter.ndim == 4:
            values = parameter.detach().numpy()
            total = values + values[:, :, ::-1] + values[:, :, :, ::-1] + values[:, :, ::-1, ::-1]
            parameter.detach().copy_(tinyseg.tensor(total / 4))
    image = np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)
    with tinyseg.no_grad():
        scores = net(tinyseg.tensor(image)).numpy()
        mirrored = net(tinyseg.tensor(image[:, :, ::-1, ::-1].copy())).numpy()[:, :, ::-1, ::-1]
    assert np.ptp(scores) > 0
    apart = np.abs(scores - mirrored).max() / np.ptp(scores)
    if (name, backbone, form) == ("fcn32s", "googlenet", "paper"):
        assert 1e-3 < apart < 0.1
    elif (name, backbone) == ("fcn32s", "googlenet"):
        assert apart < 0.1
    else:
        assert apart < 1e-4


def test_grids_of_the_released_networks() -> None:
    """VGG16 by hand: -99 after conv1_1, half a step for each pooling, 3 * 32 for fc6, then up by 64, 32."""
    grid = Grid().through(3, padding=100)
    for step in range(5):
        grid = grid.through(2, 2)
        assert grid.stride == 2 ** (step + 1)
    grid = grid.through(7)
    assert (float(grid.start), grid.stride) == (12.5, 32)
    assert grid.through_transposed(64, 32).offset(Grid()) == 19
    assert grid.through_transposed(64, 32).start == -19
    with pytest.raises(ValueError, match="never fit"):
        grid.offset(Grid())


@pytest.mark.parametrize(("backbone", "form"), BACKBONES)
def test_trunks_live_without_trained_weights(backbone: str, form: str) -> None:
    net = build("fcn32s", backbone, width=4, form=form).eval()
    caught: list[Any] = []
    net.score_fr.register_forward_hook(lambda module, inputs, output: caught.append(inputs[0].numpy()))
    with tinyseg.no_grad():
        scores = net(tinyseg.randn(1, 3, 96, 96)).numpy()
    assert not scores.any()  # zero-initialised
    assert (caught[0] > 0).mean() > 0.1
    assert 0.01 < caught[0].std() < 100


def test_fixed_upsampling_is_a_buffer() -> None:
    for name, last, size in (("fcn32s", "upscore", 64), ("fcn16s", "upscore16", 32), ("fcn8s", "upscore8", 16)):
        net = build(name)
        assert list(dict(net.named_buffers())) == [f"{last}.weight"]
        assert f"{last}.weight" in net.state_dict()
        assert getattr(net, last).weight.shape == (3, 1, size, size)
    assert not build("fcn32s", "alexnet").upscore.weight.requires_grad
    assert build("fcn32s", "alexnet").upscore.weight.shape[2:] == (63, 63)


def test_trained_upsampling_starts_bilinear() -> None:
    profile = np.array([0.25, 0.75, 0.75, 0.25])
    weight = build("fcn8s").upscore_pool4.weight.detach().numpy()
    np.testing.assert_array_equal(weight[1, 1], np.outer(profile, profile))
    assert not weight[0, 1].any()
    odd = build("fcn8s", "alexnet").upscore2.weight.detach().numpy()
    np.testing.assert_array_equal(odd[1, 1], np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]))


# Beginning with other weights


def begin(net: nn.Module, source: nn.Module, folder: Path) -> interop.Report:
    """``net`` with the weights of ``source``, by way of a file."""
    path = folder / f"{source.name}.npz"
    np.savez(path, **{name: value.numpy() for name, value in source.state_dict().items()})
    return interop.load(net, path)


def ours(report: interop.Report, *fates: str) -> set[str]:
    return {entry.ours for entry in report.of(*fates) if entry.ours is not None}


def coarse_scores(net: Any, image: tinyseg.Tensor) -> Any:
    caught: list[Any] = []
    handle = net.score_fr.register_forward_hook(lambda module, inputs, output: caught.append(output.numpy()))
    with tinyseg.no_grad():
        scores = net(image).numpy()
    handle.remove()
    return caught[0], scores


@pytest.mark.parametrize("backbone", ["vgg16", "alexnet", "googlenet"])
def test_a_finer_network_says_at_first_what_its_source_said(backbone: str, tmp_path: Path) -> None:
    """32s to 16s to 8s: coarse scores to the bit, and pixels but for rounding where one bilinear step becomes two."""
    image = tinyseg.rand(1, 3, 96, 64)
    source = build("fcn32s", backbone).eval()
    waken(source)
    before, pixels = coarse_scores(source, image)
    assert np.ptp(before) > 0
    for name in ("fcn16s", "fcn8s"):
        net = build(name, backbone).eval()
        report = begin(net, source, tmp_path)
        fresh = {key.split(".")[0] for key in ours(report, "missing")} - {net._upsamplings[-1].layer}
        assert all(key.startswith(("score_", "upscore")) for key in fresh), fresh
        assert len(fresh) == 2
        assert not report.of("reshaped", "unexpected")
        assert [entry.theirs for entry in report.of("skipped")] == [f"{source._upsamplings[-1].layer}.weight"]
        scores, finer = coarse_scores(net, image)
        np.testing.assert_array_equal(scores, before)
        # A new skip adds nothing: its scores are zero whatever the image is.
        for skip in net.skips:
            assert not getattr(net, f"score_{skip}").weight.detach().numpy().any()
        assert np.abs(finer - pixels).max() < 0.3 * np.ptp(before)
        source, pixels = net, finer


def test_finer_upsampling_changes_nothing_where_scores_are_a_plane() -> None:
    """Where scores rise evenly, one bilinear step of 32 and two, of 2 and 16, draw the same plane: the crops of both
    networks put it at the same pixels.
    """
    coarse, fine = build("fcn32s", num_classes=1), build("fcn16s", num_classes=1)
    plane = tinyseg.tensor((np.arange(9)[:, None] + 2.0 * np.arange(9))[None, None].astype(np.float32))
    with tinyseg.no_grad():
        (crop,), (_, last) = coarse.crops, fine.crops
        once = coarse.upscore(plane).numpy()[0, 0, crop:, crop:]
        twice = fine.upscore16(fine.upscore2(plane)).numpy()[0, 0, last:, last:]
    inside = np.s_[64:192, 64:192]
    np.testing.assert_allclose(twice[inside], once[inside], rtol=1e-5)
    assert np.ptp(once[inside]) > 5


def test_a_network_begins_with_a_classifier(tmp_path: Path) -> None:
    """VGG16 as a classifier of windows: fc6 and fc7 are reshaped, and its last layer has no place."""
    classifier = models.create("vgg16", num_classes=10, width=2)
    net = build("fcn8s")
    report = begin(net, classifier, tmp_path)
    assert ours(report, "reshaped") == {"fc6.weight", "fc7.weight"}
    assert [entry.theirs for entry in report.of("skipped")] == ["classifier.6.weight", "classifier.6.bias"]
    assert len(report.of("loaded", "renamed")) == 2 * 13 + 2
    np.testing.assert_array_equal(
        net.conv3_2.weight.detach().numpy(), classifier.features[12].weight.detach().numpy()
    )
    np.testing.assert_array_equal(
        net.fc6.weight.detach().numpy().reshape(128, -1), classifier.classifier[0].weight.detach().numpy()
    )
    for name, options, reshaped in (("dilatednet", {}, 2), ("deeplab", {}, 0)):
        other = models.create(name, num_classes=2, width=2, **options)
        found = begin(other, classifier, tmp_path)
        assert (len(found.of("reshaped")), len(found.of("loaded", "renamed"))) == (reshaped, 26 + reshaped)


@pytest.mark.parametrize("form", ["paper", "torchvision"])
@pytest.mark.parametrize("name", ["alexnet", "googlenet"])
def test_other_trunks_begin_with_their_classifiers(name: str, form: str, tmp_path: Path) -> None:
    """The dense classifier's maps before its last layer are what the network scores."""
    classifier = models.create(name, num_classes=10, width=4, form=form).eval()
    net = build("fcn32s", name, width=4, form=form).eval()
    report = begin(net, classifier, tmp_path)
    fresh = ours(report, "missing")
    assert fresh == {"score_fr.weight", "score_fr.bias", "upscore.weight"}
    trunk = {key for key, _ in net.named_parameters()} - fresh
    assert trunk <= ours(report, "loaded", "renamed", "reshaped")


def test_weights_of_another_network_do_not_fit(tmp_path: Path) -> None:
    unet = models.create("unet", num_classes=3, width=2, depth=1)
    with pytest.raises(CheckpointError, match="do not fit fcn16s"):
        begin(build("fcn16s"), unet, tmp_path)


# FCN-32s-fixed


@pytest.mark.parametrize("backbone", ["small", "vgg16", "googlenet"])
def test_a_fixed_trunk_stays_as_it_is(backbone: str) -> None:
    options = {"form": "torchvision"} if backbone == "googlenet" else {}
    net = build("fcn32s_fixed", backbone, width=4, **options)
    trained = {name for name, p in net.named_parameters() if p.requires_grad}
    score = "score5" if backbone == "small" else "score_fr"
    assert trained == {f"{score}.weight", f"{score}.bias"}
    before = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    optimizer = tinyseg.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    net.train()
    loss = nn.functional.cross_entropy(net(tinyseg.rand(2, 3, 64, 64)), tinyseg.ones(2, 64, 64, dtype="int64"))
    loss.backward()
    optimizer.step()
    changed = {name for name, value in net.state_dict().items() if not np.array_equal(value.numpy(), before[name])}
    assert changed == trained


# Two heads


def test_two_heads_of_sift_flow() -> None:
    """33 semantic and 3 geometric classes; the loss reaches both heads, and the trunk from each."""
    net = build("fcn16s", num_classes=33, geometric_classes=3)
    waken(net)
    image = tinyseg.rand(1, 3, 40, 50)
    scores = net.outputs(image, ("geometric",))
    assert (scores.logits.shape, scores.extra["geometric"].shape) == ((1, 33, 40, 50), (1, 3, 40, 50))
    semantic, geometric = (tinyseg.zeros(1, 40, 50, dtype="int64") + k for k in (32, 2))
    loss = models.joint_loss(scores, semantic, geometric)
    parts = [
        nn.functional.cross_entropy(one, labels).item()
        for one, labels in ((scores.logits, semantic), (scores.extra["geometric"], geometric))
    ]
    assert loss.item() == pytest.approx(sum(parts))
    loss.backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
    net.eval()
    with tinyseg.no_grad():
        np.testing.assert_array_equal(net(image).numpy(), net.outputs(image, ("geometric",)).logits.numpy())


def test_each_head_leaves_out_what_is_void_in_it() -> None:
    scores = models.Outputs(tinyseg.randn(1, 33, 1, 2), {"geometric": tinyseg.randn(1, 3, 1, 2)})
    both = models.joint_loss(scores, tinyseg.tensor([[[5, 255]]]), tinyseg.tensor([[[255, 1]]])).item()
    log_softmax = nn.functional.log_softmax
    first, second = log_softmax(scores.logits, 1), log_softmax(scores.extra["geometric"], 1)
    wanted = -first[0, 5, 0, 0].item() - second[0, 1, 0, 1].item()
    assert both == pytest.approx(wanted, rel=1e-5)


def test_one_head_has_no_other() -> None:
    with pytest.raises(ValueError, match="fcn16s: has one head"):
        build("fcn16s").outputs(tinyseg.zeros(1, 3, 32, 32), ("geometric",))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "fcn8s",
            {"backbone": "resnet"},
            "unknown backbone 'resnet'; there are 'small', 'vgg16', 'alexnet', 'googlenet'",
        ),
        ("fcn8s", {"backbone": "alexnet", "form": "keras"}, "unknown form 'keras'"),
        ("fcn8s", {"backbone": "vgg16", "form": "torchvision"}, "backbone 'vgg16' has no other form than 'paper'"),
        ("fcn8s", {"geometric_classes": 3}, "backbone 'small' has no geometric_classes; take 'vgg16'"),
        ("fcn8s", {"geometric_classes": -1}, "geometric_classes must not be negative"),
        ("fcn8s_at_once", {"backbone": "small"}, "backbone 'small' has no scaled skips"),
        ("fcn8s", {"width": 0}, "width must be at least 1, got 0"),
    ],
)
def test_what_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        models.create(name, num_classes=2, **options)


@pytest.mark.parametrize(("backbone", "form"), BACKBONES)
def test_every_parameter_learns(backbone: str, form: str) -> None:
    width = 8 if backbone == "googlenet" else 2  # of two channels of a branch both may be shut
    net = build("fcn8s", backbone, width=width, form=form).eval()  # without dropout, which would hide some
    waken(net)
    net(tinyseg.randn(1, 3, 128, 96)).tanh().sum().backward()
    for path, parameter in net.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.numpy().any(), path
