"""U-Net++: counts, what its nodes see, deep supervision, pruning, PyTorch's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks import assert_same, count, shaken, torch_side

import tinyseg
from tinyseg import models, nn
from tinyseg.engine import describe_model
from tinyseg.nn import functional as F


def create(num_classes: int = 1, in_channels: int = 1, **options: Any) -> Any:
    """U-Net++ with random weights."""
    return models.create("unetpp", num_classes=num_classes, in_channels=in_channels, **options)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [({}, 9_041_601), ({"deep_supervision": True}, 9_041_700), ({"plain": True}, 7_759_521)],
)
def test_parameters_of_the_paper(options: dict[str, bool], wanted: int) -> None:
    with nn.init.skip():
        assert count(create(**options)) == wanted


def test_layers() -> None:
    """15 nodes of two convolutions, 10 of which something comes up to, and a head; the longest path has 9 nodes."""
    info = describe_model(create(width=2), (16, 16))
    assert (info.all_convolutions, info.convolutions, info.transposed_convolutions) == (2 * 15 + 10 + 1, 19, 4)
    assert info.coarsest.field == (140, 140)


def test_a_node_sees_what_stands_before_it() -> None:
    """Channels that each node is made of: what comes up, and all nodes left of it in its row."""
    net = create(width=2, depth=3, num_classes=2)
    inputs = {name: part[0].in_channels for name, part in net.named_children() if name.startswith("x")}
    assert inputs == {
        "x0_0": 1, "x1_0": 2, "x2_0": 4, "x3_0": 8,
        "x2_1": 8 + 8, "x1_1": 4 + 4, "x0_1": 2 + 2, "x1_2": 4 + 2 * 4, "x0_2": 2 + 2 * 2, "x0_3": 2 + 3 * 2,
    }  # fmt: skip


def test_logits_are_the_mean_of_the_heads() -> None:
    net = create(width=2, depth=3, num_classes=2, deep_supervision=True).eval()
    x = tinyseg.rand(1, 1, 16, 24)
    heads = [y.detach().numpy() for y in net.heads(x)]
    assert len(heads) == 3
    np.testing.assert_allclose(net(x).detach().numpy(), np.mean(heads, 0), rtol=1e-5, atol=1e-6)
    assert not np.allclose(heads[0], heads[1], atol=1e-3)


def test_every_head_has_its_part_in_the_loss() -> None:
    net = create(width=2, depth=2, num_classes=2, deep_supervision=True)
    x, labels = tinyseg.rand(1, 1, 10, 9), tinyseg.zeros(1, 10, 9, dtype="int64")
    loss = net.loss(x, labels, F.cross_entropy)
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 2)))
    heads = [y[:, :, 1:11, 1:10] for y in net.heads(tinyseg.tensor(padded))]
    parts = [F.cross_entropy(head, labels).item() for head in heads]
    np.testing.assert_allclose(loss.item(), sum(parts) / 2, rtol=1e-5)
    loss.backward()
    assert net.head1.weight.grad.numpy().any()
    assert net.head2.weight.grad.numpy().any()


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_pruning_gives_what_the_head_does(depth: int) -> None:
    net = shaken(create(width=4, depth=3, num_classes=2, in_channels=2, deep_supervision=True))
    cut = net.prune(depth)
    x = tinyseg.rand(1, 2, 24, 16)
    np.testing.assert_array_equal(cut(x).detach().numpy(), net.heads(x)[depth - 1].detach().numpy())
    assert cut.stride == 2**depth
    assert not cut.training
    assert cut.x0_0[0].weight is net.x0_0[0].weight
    assert {name for name, _ in cut.named_children()} == {"pool", f"head{depth}"} | {
        name for name, _ in net.named_children() if name[0] in "xu" and sum(map(int, name[-3:].split("_"))) <= depth
    }


def test_only_a_head_can_be_cut_at() -> None:
    with pytest.raises(ValueError, match=r"depth must be that of a head \(1, 2\), got 3"):
        create(width=1, depth=2, deep_supervision=True).prune(3)
    with pytest.raises(ValueError, match=r"depth must be that of a head \(2\), got 1"):
        create(width=1, depth=2).prune(1)


@pytest.mark.parametrize("plain", [False, True])
def test_it_is_pytorch_s(plain: bool) -> None:
    net = shaken(create(width=4, depth=3, num_classes=3, in_channels=2, plain=plain))
    torch, weights, ours, x = torch_side(net, 2, 2, 24, 16)
    G = torch.nn.functional

    def both(x: Any, name: str) -> Any:
        for i in (0, 2):
            x = G.relu(G.conv2d(x, weights[f"{name}.{i}.weight"], weights[f"{name}.{i}.bias"], padding=1))
        return x

    def up(x: Any, name: str) -> Any:
        return G.conv_transpose2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride=2)

    x00 = both(x, "x0_0")
    x10 = both(G.max_pool2d(x00, 2), "x1_0")
    x20 = both(G.max_pool2d(x10, 2), "x2_0")
    x30 = both(G.max_pool2d(x20, 2), "x3_0")
    x21 = both(torch.cat([up(x30, "up2_1"), x20], 1), "x2_1")
    if plain:
        x12 = both(torch.cat([up(x21, "up1_2"), x10], 1), "x1_2")
        x03 = both(torch.cat([up(x12, "up0_3"), x00], 1), "x0_3")
    else:
        x01 = both(torch.cat([up(x10, "up0_1"), x00], 1), "x0_1")
        x11 = both(torch.cat([up(x20, "up1_1"), x10], 1), "x1_1")
        x02 = both(torch.cat([up(x11, "up0_2"), x00, x01], 1), "x0_2")
        x12 = both(torch.cat([up(x21, "up1_2"), x10, x11], 1), "x1_2")
        x03 = both(torch.cat([up(x12, "up0_3"), x00, x01, x02], 1), "x0_3")
    assert_same(net(ours), G.conv2d(x03, weights["head3.weight"], weights["head3.bias"]))
