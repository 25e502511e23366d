"""Networks: sizes of their parts counted by hand, any image size, and what the skips add up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import Tensor, models, nn
from tinyseg.errors import InputError
from tinyseg.models.fixed_bilinear import FixedBilinear
from tinyseg.nn import functional as F

FCN = ["fcn32s", "fcn16s", "fcn8s"]
SMALL: dict[str, dict[str, Any]] = {name: {} for name in FCN} | {"unet": {"width": 4, "depth": 3}}


def small(name: str, num_classes: int = 3, in_channels: int = 3) -> Any:
    return models.create(name, num_classes=num_classes, in_channels=in_channels, **SMALL[name])


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def block(inputs: int, outputs: int) -> int:
    """Two 3x3 convolutions without bias, each with the two vectors of a batch norm."""
    return 9 * inputs * outputs + 9 * outputs * outputs + 4 * outputs


# Sizes


def test_parameters_of_unet() -> None:
    """As the paper's figure: channels double down to 512, up-convolutions halve them, merges halve them again."""
    down = block(3, 32) + block(32, 64) + block(64, 128) + block(128, 256) + block(256, 512)
    up = sum(2 * w * w * 4 + w for w in (256, 128, 64, 32))
    merge = sum(block(2 * w, w) for w in (256, 128, 64, 32))
    assert count(models.create("unet", num_classes=1)) == down + up + merge + 32 + 1 == 7_763_041


@pytest.mark.parametrize(("name", "wanted"), [("fcn32s", 590_069), ("fcn16s", 591_114), ("fcn8s", 591_839)])
def test_parameters_of_fcn(name: str, wanted: int) -> None:
    """Five stages; a 1x1 scoring with bias each; a 4x4 upsampling of 5 x 5 classes without, for each skip."""
    backbone = block(3, 16) + block(16, 32) + block(32, 64) + block(64, 128) + block(128, 128)
    scores = {"fcn32s": (128,), "fcn16s": (128, 128), "fcn8s": (128, 128, 64)}[name]
    heads = sum(5 * width + 5 for width in scores) + (len(scores) - 1) * 5 * 5 * 16
    assert count(models.create(name, num_classes=5)) == backbone + heads == wanted


def test_strides_and_names() -> None:
    assert set(models.names()) >= set(SMALL)
    assert {small(name).stride for name in FCN} == {32}
    assert [models.create("unet", num_classes=1, width=1, depth=d).stride for d in (1, 2, 5)] == [2, 4, 32]
    assert models.options("unet") == {
        "width": 32,
        "depth": 4,
        "bilinear": False,
        "skip_first": False,
        "stem": False,
        "pad_maps": False,
    }


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [(32, 32), (37, 45), (64, 33)])
def test_any_size_from_the_least_on(name: str, size: tuple[int, int]) -> None:
    net = small(name, num_classes=4, in_channels=2).eval()
    y = net(tinyseg.rand(2, 2, *size))
    assert y.shape == (2, 4, *size)
    assert np.isfinite(y.detach().numpy()).all()


@pytest.mark.parametrize("name", SMALL)
def test_other_sizes_are_padded_and_cropped(name: str) -> None:
    net = small(name).eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, 0.0, 0.2)
    x = tinyseg.rand(1, 3, 50, 35)
    rows, columns = -50 % net.stride, -35 % net.stride
    top, left = rows // 2, columns // 2
    padded = np.zeros((1, 3, 50 + rows, 35 + columns), np.float32)
    padded[:, :, top : top + 50, left : left + 35] = x.numpy()
    wanted = net.logits(tinyseg.tensor(padded))[:, :, top : top + 50, left : left + 35]
    np.testing.assert_array_equal(net(x).detach().numpy(), wanted.detach().numpy())
    assert np.ptp(wanted.detach().numpy()) > 0


@pytest.mark.parametrize("name", SMALL)
def test_images_that_do_not_fit(name: str) -> None:
    net = small(name)
    least = net.stride
    assert net.min_size == (least, least)
    with pytest.raises(
        ValueError, match=f"{name}: an image of {least}x{least - 1} is too small; at least {least}x{least}"
    ):
        net(tinyseg.zeros(1, 3, least, least - 1))
    with pytest.raises(ValueError, match=rf"{name}: input must be \(N, 3, H, W\), got shape \(1, 4, 64, 64\)"):
        net(tinyseg.zeros(1, 4, 64, 64))
    with pytest.raises(ValueError, match="input must be"):
        net(tinyseg.zeros(3, 64, 64))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: models.create("lenet", num_classes=2),
            "unknown model 'lenet'; there are fcn32s, fcn32s_fixed, fcn16s, fcn8s, fcn8s_at_once, alexnet, ",
        ),
        (lambda: models.options("lenet"), "unknown model 'lenet'"),
        (
            lambda: models.create("unet", num_classes=2, widht=8),
            r"unet: unknown option widht; it has width \(default 32\), depth \(default 4\), bilinear",
        ),
        (
            lambda: models.create("fcn8s", num_classes=2, backbone="vgg"),
            "fcn8s: unknown backbone 'vgg'; there are 'small', 'vgg16', 'alexnet', 'googlenet'",
        ),
        (lambda: models.create("unet"), "unet: num_classes, the number of classes, has to be given"),
        (lambda: models.create("unet", classes=2), "unet: num_classes, the number of classes, has to be given"),
        (lambda: models.create("unet", num_classes=0), "num_classes must be a whole number of at least 1, got 0"),
        (
            lambda: models.create("unet", num_classes=1, in_channels=0),
            "in_channels must be a whole number of at least 1, got 0",
        ),
        (
            lambda: models.create("unet", num_classes=2.0),
            r"num_classes must be a whole number of at least 1, got 2\.0",
        ),  # type: ignore[arg-type]
        (
            lambda: models.create("unet", num_classes=True),
            "num_classes must be a whole number of at least 1, got True",
        ),
        (
            lambda: models.create("unet", num_classes=2, width=2**63 - 1),
            f"unet: width must be at most 1048576, got {2**63 - 1}",
        ),
        (lambda: models.create("unet", num_classes=10**30), "num_classes must be at most 1048576"),
        (
            lambda: models.create("unet", num_classes=1, depth=9),
            "width must be at least 1 and depth 1 to 8, got 32 and 9",
        ),
    ],
)
def test_what_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


# Gradients


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_learns(name: str) -> None:
    net = small(name)
    for parameter in net.parameters():
        if not parameter.detach().numpy().any():  # scores start at 0, which would hide what lies below
            nn.init.normal_(parameter, 0.0, 0.1)
    net(tinyseg.rand(2, 3, 64, 64)).tanh().sum().backward()
    for path, parameter in net.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.numpy().any(), path


@pytest.mark.parametrize("name", SMALL)
def test_a_few_steps_lower_the_loss(name: str) -> None:
    net = small(name, num_classes=2, in_channels=1)
    image = tinyseg.zeros(2, 1, 64, 64)
    image[:, :, :, :32] = 1.0
    optimizer = tinyseg.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(image), image[:, 0].long())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_the_same_seed_gives_the_same_network() -> None:
    nets = []
    for _ in range(2):
        tinyseg.manual_seed(1)
        nets.append(small("unet").state_dict())
    for one, other in zip(*(net.values() for net in nets), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


# FCN


def test_scores_start_at_zero() -> None:
    """So a new skip changes nothing until it has learnt something."""
    y = small("fcn8s").eval()(tinyseg.rand(1, 3, 32, 32))
    assert not y.detach().numpy().any()


@pytest.mark.parametrize(("name", "stages"), [("fcn32s", [5]), ("fcn16s", [5, 4]), ("fcn8s", [5, 4, 3])])
def test_skips_are_added_as_in_the_paper(name: str, stages: list[int]) -> None:
    """Each stage's scores, brought to pixels by themselves, add up to the network's: all of this is linear."""
    net = small(name).eval()
    x = tinyseg.rand(1, 3, 64, 96)
    pooled = net.backbone(x)
    assert [p.shape[2:] for p in pooled] == [(64 // 2**i, 96 // 2**i) for i in range(1, 6)]
    total = np.zeros((1, 3, 64, 96))
    for stage in stages:
        score = getattr(net, f"score{stage}")
        nn.init.normal_(score.weight, 0.0, 0.1)
        part = F.conv2d(pooled[stage - 1], score.weight, score.bias)
        for below in range(stage, stages[-1], -1):
            part = F.conv_transpose2d(part, getattr(net, f"up{below}").weight, stride=2, padding=1)
        total += net.up(part).detach().numpy()
    np.testing.assert_allclose(net(x).detach().numpy(), total, rtol=1e-4, atol=1e-4)
    assert np.abs(total).max() > 0.1
    assert not any(hasattr(net, f"score{stage}") for stage in range(3, 6) if stage not in stages)


def test_learnt_upsampling_starts_bilinear_and_class_by_class() -> None:
    weight = small("fcn8s").up5.weight.detach().numpy()
    profile = np.array([0.25, 0.75, 0.75, 0.25])
    for i in range(3):
        for j in range(3):
            np.testing.assert_array_equal(weight[i, j], np.outer(profile, profile) * (i == j))


def test_last_upsampling_is_a_buffer() -> None:
    """It is saved with the network and not trained."""
    net = small("fcn16s")
    assert "up.weight" in net.state_dict()
    assert "up.weight" not in dict(net.named_parameters())
    assert not net.up.weight.requires_grad
    assert net.up.weight.shape == (3, 1, 32, 32)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_bilinear_weights_upsample_as_interpolation_does(device: str, factor: int) -> None:
    """Inside; at the border the one sees zeros, the other repeats the last row."""
    x = tinyseg.rand(2, 3, 5, 7, dtype="float64")
    found = FixedBilinear(3, factor).double()(x).numpy()
    wanted = F.interpolate(x, scale_factor=factor, mode="bilinear").numpy()
    assert found.shape == wanted.shape
    inside = np.s_[:, :, factor:-factor, factor:-factor]
    np.testing.assert_allclose(found[inside], wanted[inside], rtol=1e-12)
    assert not np.allclose(found[:, :, 0], wanted[:, :, 0])


# U-Net


def test_unet_concatenates_each_level() -> None:
    """What each part receives, looked at from outside."""
    net = models.create("unet", num_classes=2, width=4, depth=3).eval()
    shapes: list[tuple[int, ...]] = []

    def look(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        shapes.append((*inputs[0].shape[1:], *output.shape[1:]))

    for part in (*net.down, *net.up, *net.merge):
        part.register_forward_hook(look)
    net(tinyseg.rand(1, 3, 32, 16))
    assert shapes == [
        (3, 32, 16, 4, 32, 16),
        (4, 16, 8, 8, 16, 8),
        (8, 8, 4, 16, 8, 4),
        (16, 4, 2, 32, 4, 2),
        (32, 4, 2, 16, 8, 4),
        (32, 8, 4, 16, 8, 4),
        (16, 8, 4, 8, 16, 8),
        (16, 16, 8, 8, 16, 8),
        (8, 16, 8, 4, 32, 16),
        (8, 32, 16, 4, 32, 16),
    ]


@pytest.mark.parametrize("stem", [False, True])
def test_unet_is_pytorch_s_with_the_same_weights(stem: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    net = models.create("unet", num_classes=3, width=4, depth=2, stem=stem).eval()
    for name, value in net.state_dict().items():
        if "running" in name:
            nn.init.uniform_(value, 0.5, 1.5)
    weights = {name: torch.tensor(value.numpy().copy()) for name, value in net.state_dict().items()}
    G = torch.nn.functional

    def layer(x: Any, name: str, i: int, stride: int = 1) -> Any:
        x = G.conv2d(x, weights[f"{name}.{i}.weight"], padding=1, stride=stride)
        norm = [weights[f"{name}.{i + 1}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return G.relu(G.batch_norm(x, *norm))

    def double(x: Any, name: str) -> Any:
        return layer(layer(x, name, 0), name, 3)

    given = np.random.default_rng(0).normal(size=(1, 3, 16, 24)).astype(np.float32)
    image = torch.tensor(given)
    first = double(layer(image, "stem", 0, stride=2) if stem else image, "down.0")
    second = double(G.max_pool2d(first, 2), "down.1")
    y = double(G.max_pool2d(second, 2), "down.2")
    for i, skip in enumerate((second, first)):
        y = G.conv_transpose2d(y, weights[f"up.{i}.weight"], weights[f"up.{i}.bias"], stride=2)
        y = double(torch.cat([y, skip], 1), f"merge.{i}")
    wanted = G.conv2d(y, weights["score.weight"], weights["score.bias"])
    if stem:
        wanted = G.interpolate(wanted, scale_factor=2, mode="bilinear")
    np.testing.assert_allclose(net(tinyseg.tensor(given)).detach().numpy(), wanted.numpy(), rtol=1e-4, atol=1e-5)
