"""U-Net as its paper has it, and as milesial's port: counts, sizes, mirrored borders, PyTorch's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks import assert_same, count, shaken, torch_side

import tinyseg
from tinyseg import models, nn
from tinyseg.engine import describe_model
from tinyseg.models.mirror_padding import mirrored


def create(name: str, num_classes: int = 2, in_channels: int = 1, **options: Any) -> Any:
    """A network whose weights are not looked at."""
    with nn.init.skip():
        return models.create(name, num_classes=num_classes, in_channels=in_channels, **options)


# Figures


@pytest.mark.parametrize(
    ("options", "in_channels", "wanted"),
    [
        ({"released": False}, 1, 31_030_658),
        ({"released": True}, 1, 31_100_354),
        ({"width": 64, "skip_first": True}, 3, 31_037_698),
        ({"width": 64, "skip_first": True, "bilinear": True}, 3, 17_263_042),
    ],
)
def test_parameters(options: dict[str, Any], in_channels: int, wanted: int) -> None:
    """Of the paper's definition, of the released model, and of milesial's port as it prints them."""
    name = "unet" if "width" in options else "unet_paper"
    assert count(create(name, in_channels=in_channels, **options)) == wanted


def test_layers_of_the_paper() -> None:
    info = describe_model(create("unet_paper", width=2), (64, 64))
    # "In total the network has 23 convolutional layers": 18 of 3x3, the last of 1x1, and 4 up-convolutions
    assert (info.convolutions, info.transposed_convolutions, info.all_convolutions) == (19, 4, 23)
    # Two 3x3 at strides 1, 2, 4, 8, 16, and a 2x2 pool after each but the last: 1 + 4 * 31 + 15
    assert (info.coarsest.stride, info.coarsest.field) == ((16, 16), (140, 140))


@pytest.mark.parametrize(("size", "wanted"), [(572, 388), (188, 4), (204, 20), (220, 36)])
def test_sizes_of_the_paper(size: int, wanted: int) -> None:
    """16 k + 60 pixels give 16 k - 124 scores."""
    net = create("unet_paper", width=1).eval()
    assert net.margin == 92
    with tinyseg.no_grad():
        assert net.logits(tinyseg.zeros(1, 1, size, 188)).shape == (1, 2, wanted, 4)


def test_weights_start_as_in_the_paper() -> None:
    """N(0, 2 / N): N is 9 times the channels for a 3x3, the channels for an up-convolution; biases are 0."""
    net = models.create("unet_paper", num_classes=2, in_channels=1, width=32, depth=2)
    for layer, fan in ((net.down[2][2], 9 * 128), (net.up[0], 128), (net.merge[0][0], 9 * 128)):
        weight = layer.weight.detach().numpy()
        np.testing.assert_allclose(weight.var() * fan, 2, rtol=0.05)
        assert abs(weight.mean()) < 3 * weight.std() / weight.size**0.5
        assert not layer.bias.detach().numpy().any()


def test_dropout_ends_the_path_down() -> None:
    net = create("unet_paper", width=1)
    assert [[type(part).__name__ for part in block].count("Dropout") for block in net.down] == [0, 0, 0, 1, 1]
    assert not any(isinstance(part, nn.Dropout) for part in net.merge.modules())
    assert [part.p for part in net.modules() if isinstance(part, nn.Dropout)] == [0.5, 0.5]


# Borders


def test_the_border_is_mirrored() -> None:
    """So a picture that is its own mirror image has scores that are, where they would be without the border."""
    net = shaken(models.create("unet_paper", num_classes=2, in_channels=1, width=2, depth=2))
    image = np.random.default_rng(0).random((1, 1, 20, 33)).astype(np.float32)
    rows, columns = (np.pad(np.arange(n), 100, mode="reflect") for n in (20, 33))
    around = image[:, :, rows[:, None], columns]  # 100 pixels more on each side
    # Outputs are multiples of 4 plus 4 for two halvings: 20 fits, 33 becomes 36, with 1 pixel before and 2 behind
    cut = around[:, :, 100 - net.margin : 120 + net.margin, 99 - net.margin : 135 + net.margin]
    wanted = net.logits(tinyseg.tensor(cut)).detach().numpy()[:, :, :, 1:34]
    np.testing.assert_allclose(net(tinyseg.tensor(image)).detach().numpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("borders", [(0, 0, 0, 0), (3, 1, 0, 2), (17, 4, 5, 30), (2, 40, 41, 1)])
def test_mirrored_again_and_again(borders: tuple[int, int, int, int]) -> None:
    image = np.random.default_rng(0).random((2, 1, 4, 6)).astype(np.float32)
    left, right, top, bottom = borders
    wanted = np.pad(image, ((0, 0), (0, 0), (top, bottom), (left, right)), mode="reflect")
    np.testing.assert_array_equal(mirrored(tinyseg.tensor(image), borders).numpy(), wanted)


def test_tiles_have_no_seams() -> None:
    """The paper's overlap-tile strategy: a tile entered with the pixels around it scores as the whole image does."""
    net = shaken(models.create("unet_paper", num_classes=2, in_channels=1, width=2, depth=2))
    around = tinyseg.rand(1, 1, 2 * net.margin + 52, 2 * net.margin + 36)
    whole = net.logits(around).detach().numpy()
    assert whole.shape == (1, 2, 52, 36)
    tile = around[:, :, 16 : 16 + 2 * net.margin + 20, 8 : 8 + 2 * net.margin + 12]
    found = net.logits(tile).detach().numpy()
    np.testing.assert_allclose(found, whole[:, :, 16:36, 8:20], rtol=1e-5, atol=1e-6)


# PyTorch's numbers with the same weights


@pytest.mark.parametrize("released", [False, True])
def test_the_paper_s_is_pytorch_s(released: bool) -> None:
    net = shaken(models.create("unet_paper", num_classes=3, in_channels=2, width=4, depth=2, released=released))
    torch, weights, ours, x = torch_side(net, 2, 2, 60, 44)
    G = torch.nn.functional

    def both(x: Any, name: str) -> Any:
        for i in (0, 2):
            x = G.relu(G.conv2d(x, weights[f"{name}.{i}.weight"], weights[f"{name}.{i}.bias"]))
        return x

    first = both(x, "down.0")
    second = both(G.max_pool2d(first, 2), "down.1")
    y = both(G.max_pool2d(second, 2), "down.2")
    for i, skip in enumerate((second, first)):
        up = f"up.{i}.0" if released else f"up.{i}"
        y = G.conv_transpose2d(y, weights[f"{up}.weight"], weights[f"{up}.bias"], stride=2)
        y = G.relu(y) if released else y
        top, left = ((skip.shape[d] - y.shape[d]) // 2 for d in (2, 3))
        y = both(torch.cat([y, skip[:, :, top : top + y.shape[2], left : left + y.shape[3]]], 1), f"merge.{i}")
    wanted = G.conv2d(y, weights["score.weight"], weights["score.bias"])
    assert wanted.shape[2:] == (20, 4)
    assert_same(net.logits(ours), wanted)


@pytest.mark.parametrize("bilinear", [False, True])
def test_the_padded_form_is_milesial_s(bilinear: bool) -> None:
    net = shaken(
        models.create("unet", num_classes=3, in_channels=2, width=4, depth=2, skip_first=True, bilinear=bilinear)
    )
    torch, weights, ours, x = torch_side(net, 2, 2, 20, 24)
    G = torch.nn.functional

    def both(x: Any, name: str) -> Any:
        for i in (0, 3):
            norm = [f"{name}.{i + 1}.{part}" for part in ("running_mean", "running_var", "weight", "bias")]
            x = G.conv2d(x, weights[f"{name}.{i}.weight"], padding=1)
            x = G.relu(G.batch_norm(x, *(weights[part] for part in norm)))
        return x

    first = both(x, "down.0")
    second = both(G.max_pool2d(first, 2), "down.1")
    y = both(G.max_pool2d(second, 2), "down.2")
    for i, skip in enumerate((second, first)):
        if bilinear:
            y = G.interpolate(y, scale_factor=2, mode="bilinear", align_corners=True)
        else:
            y = G.conv_transpose2d(y, weights[f"up.{i}.weight"], weights[f"up.{i}.bias"], stride=2)
        y = both(torch.cat([skip, y], 1), f"merge.{i}")
    assert_same(net(ours), G.conv2d(y, weights["score.weight"], weights["score.bias"]))
