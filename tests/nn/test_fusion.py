"""Layers computed together: Sequential's ReLUs, and batch norm folded into convolutions; against each layer alone."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import Tensor, models, nn
from tinyseg.autograd import Node
from tinyseg.nn.utils import fuse


def ran(y: Tensor) -> list[str]:
    """The operators that were recorded on the way to y, the last first."""
    names, node = [], y.node
    while isinstance(node, Node):
        names.append(node.op.__name__)
        edge = node.edges[0]
        node = edge[0] if isinstance(edge, tuple) else None
    return names


def one_by_one(net: nn.Module, x: Tensor) -> Tensor:
    for layer in net.children():
        x = layer(x)
    return x


def shaken(net: Any) -> Any:
    """With batch norms that have seen something and learnt something."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2.0)
            if layer.weight is not None:
                layer.weight.detach().uniform_(-1.0, 1.5)
                layer.bias.detach().normal_()
    return net


LAYERS = [
    lambda: nn.Conv2d(3, 3, 3, stride=2, padding=1),
    lambda: nn.ConvTranspose2d(3, 3, 2, stride=2),
    lambda: nn.BatchNorm2d(3),
    lambda: nn.BatchNorm2d(3, affine=False).eval(),
]


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sequential_gives_the_same_numbers(device: str, make: Any, dtype: str) -> None:
    net = nn.Sequential(make(), nn.ReLU()).to(dtype)
    assert isinstance(net, nn.Sequential)
    twin = copy.deepcopy(net)
    x = tinyseg.randn(2, 3, 6, 5, dtype=dtype)
    results = []
    for each, call in ((net, nn.Sequential.forward), (twin, one_by_one)):
        given = x.clone().requires_grad_()
        y = call(each, given)
        (y * tinyseg.tensor(np.linspace(-1, 1, y.numel(), dtype=dtype).reshape(y.shape))).sum().backward()
        grads = [given.grad, *(p.grad for p in each.parameters())]
        results.append([y, *grads, *each.buffers()])
    assert ran(results[0][0]) == [type(net[0]).__name__.replace("BatchNorm2d", "BatchNorm")]
    assert ran(results[1][0])[0] == "ReLU"
    for one, other in zip(*results, strict=True):
        bound = 30 * np.finfo(dtype).eps * max(1, np.abs(other.detach().numpy()).max())
        np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=0, atol=bound)


class Louder(nn.ReLU):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * 2


class Shifted(nn.Conv2d):
    def forward(self, input: Tensor, activation: str | None = None) -> Tensor:
        return super().forward(input, activation) + 1


def test_only_neighbours_of_exactly_these_classes_are_taken_together() -> None:
    x = tinyseg.randn(1, 2, 4, 4, requires_grad=True)
    for layers, operators in (
        ([nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.ReLU()], ["BatchNorm", "Conv2d"]),
        ([nn.Conv2d(2, 2, 1), nn.ReLU(), nn.ReLU()], ["ReLU", "Conv2d"]),
        ([nn.Conv2d(2, 2, 1), nn.Identity(), nn.ReLU()], ["Conv2d"]),
        ([nn.ReLU(), nn.Conv2d(2, 2, 1)], ["Conv2d", "ReLU"]),
        ([nn.MaxPool2d(2), nn.ReLU()], ["ReLU", "MaxPool2d"]),
        ([nn.Conv2d(2, 2, 1), Louder()], ["Multiply", "ReLU", "Conv2d"]),
        ([Shifted(2, 2, 1), nn.ReLU()], ["ReLU", "Add", "Conv2d"]),
        ([nn.Sequential(nn.Conv2d(2, 2, 1)), nn.ReLU()], ["ReLU", "Conv2d"]),
    ):
        assert ran(nn.Sequential(*layers)(x)) == operators, layers


def test_hooks_see_what_they_would_see_alone() -> None:
    x = tinyseg.randn(1, 2, 4, 4)
    for watched in (0, 1):
        net, seen = nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU()), []
        handle = net[watched].register_forward_hook(lambda module, inputs, output, seen=seen: seen.append(output))
        net(x)
        alone = net[0](x)
        np.testing.assert_array_equal(
            seen[0].detach().numpy(), (net[1](alone) if watched else alone).detach().numpy()
        )
        handle.remove()
        assert ran(net(x)) == ["Conv2d"]
    net[1].forward = lambda input: input - 1
    assert ran(net(x)) == ["Subtract", "Conv2d"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv2d(4, 6, 3, padding=1, bias=False),
        lambda: nn.Conv2d(4, 6, 3, stride=2, groups=2),
        lambda: nn.ConvTranspose2d(4, 6, 2, stride=2),
        lambda: nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False),
    ],
)
@pytest.mark.parametrize("affine", [True, False])
def test_fuse_folds_batch_norm(device: str, make: Any, affine: bool, dtype: str) -> None:
    net = shaken(nn.Sequential(make(), nn.BatchNorm2d(6, affine=affine), nn.ReLU(), nn.Conv2d(6, 2, 1))).to(dtype)
    net.eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fused, x = fuse(net), tinyseg.randn(2, 4, 5, 7, dtype=dtype)
    wanted, found = one_by_one(net, x).detach().numpy(), fused(x)
    bound = 20 * np.finfo(dtype).eps * np.abs(wanted).max()
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=0, atol=bound)
    assert found.dtype == dtype
    assert ran(found) == ["Conv2d", type(net[0]).__name__]
    assert [name for name, _ in fused.named_parameters()] == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert all(p.requires_grad and p.is_leaf for p in fused.parameters())
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name].numpy())


def test_the_numbers_of_a_fold_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0.0)).eval()
    for tensor, value in (
        (net[0].weight, 3.0),
        (net[0].bias, 5.0),
        (net[1].running_mean, 1.0),
        (net[1].running_var, 4.0),
        (net[1].weight, 6.0),
        (net[1].bias, 7.0),
    ):
        tensor.detach().fill_(value)
    fused = fuse(net)
    assert fused[0].weight.item() == 9  # 3 * 6 / 2
    assert fused[0].bias.item() == 19  # (5 - 1) * 6 / 2 + 7


def test_fuse_leaves_alone_what_it_may_not_touch() -> None:
    shared, x = nn.Conv2d(2, 2, 1), tinyseg.randn(2, 2, 3, 3)
    watched = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
    watched[0].register_forward_hook(lambda module, inputs, output: None)
    for net in (
        nn.Sequential(shared, nn.BatchNorm2d(2), shared),
        nn.Sequential(Shifted(2, 2, 1), nn.BatchNorm2d(2)),
        nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(), nn.BatchNorm2d(2)),
        nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)),
        nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)),
        watched,
    ):
        net.eval()
        for layer in net.modules():
            if isinstance(layer, nn.BatchNorm2d) and layer.running_mean is not None:
                layer.running_mean.normal_()
        fused = fuse(net)
        assert repr(fused) == repr(net)
        np.testing.assert_array_equal(fused(x).detach().numpy(), net(x).detach().numpy())


def test_fuse_unties_a_weight_that_is_shared() -> None:
    first, second = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)
    second.weight = first.weight
    net = shaken(nn.Sequential(first, nn.BatchNorm2d(2), nn.BatchNorm2d(2), second)).eval()
    x = tinyseg.randn(1, 2, 3, 3)
    np.testing.assert_allclose(fuse(net)(x).detach().numpy(), one_by_one(net, x).detach().numpy(), atol=1e-5)
    assert ran(fuse(net)(x)) == ["Conv2d", "Conv2d"]


def test_fuse_asks_for_evaluation() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    with pytest.raises(ValueError, match=r"fuse: the model is set to training.*call model.eval\(\) first"):
        fuse(net)
    net.eval()
    net[1].train()
    with pytest.raises(ValueError, match="fuse: its part 1 is set to training"):
        fuse(net)


@pytest.mark.parametrize("name", ["unet", "fcn8s"])
def test_fused_models_predict_the_same(name: str) -> None:
    small = {"width": 4, "depth": 2} if name == "unet" else {}
    model = shaken(models.create(name, num_classes=3, **small)).eval()
    for parameter in model.parameters():  # FCN's scores start at zero
        parameter.detach().add_(0.01)
    x = tinyseg.randn(1, 3, 40, 36)
    wanted, fused = model(x).detach().numpy(), fuse(model)
    np.testing.assert_allclose(fused(x).detach().numpy(), wanted, atol=1e-4 * np.abs(wanted).max())
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in fused.modules())
    assert type(fused) is type(model)
