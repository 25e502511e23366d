"""FC-DenseNet: the paper's counts and channels, odd sizes, PyTorch's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks import assert_same, count, shaken, torch_side

import tinyseg
from tinyseg import Tensor, models, nn
from tinyseg.engine import describe_model
from tinyseg.models.fcdensenet import FCDenseNet


@pytest.mark.parametrize(
    ("layers", "trainable", "with_statistics"), [(56, 1.377, 1.398), (67, 3.463, 3.503), (103, 9.322, 9.425)]
)
def test_parameters(layers: int, trainable: float, with_statistics: float) -> None:
    """In millions, for the 11 classes of CamVid; the paper prints 1.5, 3.5 and 9.4."""
    with nn.init.skip():
        net = models.create(f"fcdensenet{layers}", num_classes=11)
    assert round(count(net) / 1e6, 3) == trainable
    statistics = sum(b.numel() for b in net.buffers() if b.is_floating_point)
    assert round((count(net) + statistics) / 1e6, 3) == with_statistics


@pytest.mark.parametrize("layers", [56, 67, 103])
def test_the_name_is_the_number_of_layers(layers: int) -> None:
    """The 5 transposed convolutions among them."""
    info = describe_model(models.create(f"fcdensenet{layers}", num_classes=2, width=1, growth=1), (32, 32))
    assert (info.convolutions + info.transposed_convolutions, info.transposed_convolutions) == (layers, 5)
    assert info.all_convolutions == layers
    assert info.coarsest.stride == (32, 32)


def test_channels_of_the_paper_s_table() -> None:
    """m in table 2, for FC-DenseNet103; where it prints 578, 15 and 12 layers of 16 and a skip make 576."""
    with nn.init.skip():
        net = models.create("fcdensenet103", num_classes=11)
    stacks: list[int] = []
    for block in (*net.down, net.middle, *net.merge):
        stacks.append(block.inputs + 16 * len(block.layers))
    assert stacks == [112, 192, 304, 464, 656, 896, 1088, 816, 576, 384, 256]
    # Only what is new in the block below comes up: 15, 12, 10, 7, 5 layers of 16 channels
    assert [up.weight.shape[0] for up in net.up] == [240, 192, 160, 112, 80]


def test_a_block_adds_to_its_stack() -> None:
    net = shaken(FCDenseNet("tiny", 2, 1, width=3, growth=2, blocks=(2, 3, 2)))
    stacks: dict[str, tuple[Tensor, Tensor]] = {}

    def watch(name: str, block: nn.Module) -> None:
        block.register_forward_hook(lambda _, inputs, output: stacks.update({name: (inputs[0], output)}))

    for name, block in (("down", net.down[0]), ("middle", net.middle), ("merge", net.merge[0])):
        watch(name, block)
    net(tinyseg.rand(1, 1, 7, 9))
    for name, (entered, left) in stacks.items():
        np.testing.assert_array_equal(left.detach().numpy()[:, : entered.shape[1]], entered.detach().numpy(), name)
    assert {name: (x.shape[1:], y.shape[1]) for name, (x, y) in stacks.items()} == {
        "down": ((3, 7, 9), 7),
        "middle": ((7, 3, 4), 13),
        "merge": ((6 + 7, 7, 9), 17),
    }


def test_it_is_pytorch_s() -> None:
    """On odd sizes: pools round down, and of the rows that a transposed convolution makes the first are kept."""
    net = shaken(FCDenseNet("tiny", 3, 2, width=5, growth=3, blocks=(2, 1, 2, 1, 2)))
    torch, weights, ours, x = torch_side(net, 2, 2, 27, 22)
    G = torch.nn.functional

    def layer(x: Any, name: str, padding: int) -> Any:
        norm = [weights[f"{name}.0.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return G.conv2d(
            G.relu(G.batch_norm(x, *norm)), weights[f"{name}.2.weight"], weights[f"{name}.2.bias"], padding=padding
        )

    def block(x: Any, name: str, depth: int) -> list[Any]:
        parts = [x]
        for i in range(depth):
            parts.append(layer(torch.cat(parts, 1), f"{name}.layers.{i}", 1))
        return parts

    x = G.conv2d(x, weights["first.weight"], weights["first.bias"], padding=1)
    skips = []
    for level, depth in enumerate((2, 1)):
        skips.append(torch.cat(block(x, f"down.{level}", depth), 1))
        x = G.max_pool2d(layer(skips[-1], f"thin.{level}", 0), 2)
    parts = block(x, "middle", 2)
    for level, depth in enumerate((1, 2)):
        skip = skips.pop()
        up = [weights[f"up.{level}.{part}"] for part in ("weight", "bias")]
        risen = G.conv_transpose2d(torch.cat(parts[1:], 1), *up, stride=2)
        parts = block(torch.cat([risen[:, :, : skip.shape[2], : skip.shape[3]], skip], 1), f"merge.{level}", depth)
    wanted = G.conv2d(torch.cat(parts, 1), weights["score.weight"], weights["score.bias"])
    assert_same(net(ours), wanted)
