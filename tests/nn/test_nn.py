"""Modules: names, order, state, modes, hooks; layers against PyTorch's with the same weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import Tensor, nn
from tinyseg.nn import functional as F


class Net(nn.Module):
    """Parameters, buffers, parts, and a part that two names share."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(tinyseg.ones(1))
        self.first = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())
        self.again = self.first
        self.register_buffer("offset", tinyseg.zeros(3))
        self.register_buffer("cache", tinyseg.zeros(1), persistent=False)
        self.drop = nn.Dropout(0.5)
        self.note = "plain"

    def forward(self, input: Tensor) -> Tensor:
        return self.drop(self.first(input)) * self.scale + self.offset.reshape(1, 3, 1, 1)


PARAMETERS = ["scale", "first.0.weight", "first.0.bias", "first.1.weight", "first.1.bias"]
BUFFERS = ["offset", "cache", "first.1.running_mean", "first.1.running_var", "first.1.num_batches_tracked"]

# Names and order


def test_parts_are_found_by_dotted_names_each_once() -> None:
    net = Net()
    assert [name for name, _ in net.named_parameters()] == PARAMETERS
    assert [name for name, _ in net.named_buffers()] == BUFFERS
    assert [name for name, _ in net.named_modules()] == ["", "first", "first.0", "first.1", "first.2", "drop"]
    assert [name for name, _ in net.named_children()] == ["first", "again", "drop"]
    assert len(list(net.parameters())) == 5
    assert all(isinstance(p, nn.Parameter) and p.requires_grad and p.is_leaf for p in net.parameters())


def test_empty_containers_are_parts_too() -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList()

    holder = Holder().eval()
    assert [name for name, _ in holder.named_modules()] == ["", "layers"]
    assert not holder.layers.training


def test_attributes() -> None:
    net = Net()
    assert (net.note, net.scale.shape) == ("plain", (1,))
    with pytest.raises(AttributeError, match=r"Net has no attribute 'other'"):
        _ = net.other
    with pytest.raises(TypeError, match=r"Net.scale must be a Parameter or None, got Tensor"):
        net.scale = tinyseg.ones(1)
    with pytest.raises(TypeError, match=r"Net.drop must be a Module or None, got int"):
        net.drop = 3
    with pytest.raises(TypeError, match=r"Net.offset must be a Tensor or None, got list"):
        net.offset = [1.0]
    net.offset = tinyseg.ones(3)
    assert dict(net.named_buffers())["offset"].tolist() == [1, 1, 1]
    del net.drop
    assert [name for name, _ in net.named_children()] == ["first", "again"]


def test_a_parameter_that_is_replaced_keeps_its_place() -> None:
    layer = nn.Conv2d(1, 1, 1)
    layer.weight = nn.Parameter(tinyseg.ones(1, 1, 1, 1))
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    layer.bias = None
    assert list(layer.state_dict()) == ["weight"]


def test_super_init_must_come_first() -> None:
    class Hasty(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.ReLU()

    with pytest.raises(AttributeError, match=r"Hasty: call super\(\).__init__\(\) before setting 'layer'"):
        Hasty()


def test_forward_is_for_subclasses_to_define() -> None:
    with pytest.raises(NotImplementedError, match="Module does not define forward"):
        nn.Module()(1)


# State


def test_state_dict_has_what_is_saved_and_shares_memory() -> None:
    net = Net()
    state = net.state_dict()
    assert list(state) == PARAMETERS + [name for name in BUFFERS if name != "cache"]
    assert not any(value.requires_grad for value in state.values())
    state["scale"].fill_(7.0)
    assert net.scale.item() == 7


def test_load_state_dict_copies() -> None:
    source, target = Net(), Net()
    memory = target.first[0].weight.detach().numpy()
    assert target.load_state_dict(source.state_dict()) == ([], [])
    for one, other in zip(source.state_dict().values(), target.state_dict().values(), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
        assert not np.shares_memory(one.numpy(), other.numpy())
    np.testing.assert_array_equal(memory, source.first[0].weight.detach().numpy())


def test_load_state_dict_names_each_key_that_does_not_fit_and_changes_nothing() -> None:
    net = Net()
    before = {key: value.numpy().copy() for key, value in net.state_dict().items()}
    state = {key: value + 1 for key, value in net.state_dict().items()}
    del state["scale"]
    state["extra"] = tinyseg.ones(1)
    state["first.0.bias"] = tinyseg.ones(4)
    with pytest.raises(ValueError, match=r"does not fit Net") as caught:
        net.load_state_dict(state)
    for message in ("scale is missing", "extra is unexpected", "first.0.bias has shape (4,), expected (3,)"):
        assert message in str(caught.value)
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[key])
    with pytest.raises(ValueError, match=r"first.0.bias has shape"):
        net.load_state_dict(state, strict=False)
    state["first.0.bias"] = tinyseg.ones(3)
    keys = net.load_state_dict(state, strict=False)
    assert (keys.missing_keys, keys.unexpected_keys) == (["scale"], ["extra"])
    assert net.first[0].bias.tolist() == [1, 1, 1]


def test_a_state_of_another_type_is_cast() -> None:
    net = nn.Linear(2, 1)
    net.load_state_dict({"weight": tinyseg.ones(1, 2, dtype="float64"), "bias": tinyseg.ones(1, dtype="float64")})
    assert net.weight.dtype == np.float32
    assert net.weight.tolist() == [[1, 1]]


# Modes, freezing, casting


def test_train_and_eval_reach_all_parts() -> None:
    net = Net()
    assert all(module.training for module in net.modules())
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert net.train().first[1].training


def test_frozen_parameters_get_no_gradient() -> None:
    net = Net()
    net.first.requires_grad_(False)
    net(tinyseg.rand(1, 2, 4, 4)).sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is not None] == ["scale"]
    net.zero_grad()
    assert net.scale.grad is None


def test_casting_a_network() -> None:
    net = Net()
    assert net.double() is net
    kinds = {name: str(value.dtype) for name, value in [*net.named_parameters(), *net.named_buffers()]}
    assert kinds.pop("first.1.num_batches_tracked") == "int64"
    assert set(kinds.values()) == {"float64"}
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in net.parameters())
    assert net(tinyseg.rand(1, 2, 4, 4, dtype="float64")).dtype == np.float64
    net.float().to("reference")
    assert {p.device for p in net.parameters()} == {b.device for b in net.buffers()} == {"reference"}
    assert net(tinyseg.rand(1, 2, 4, 4, device="reference")).device == "reference"


def test_weights_that_two_layers_share_stay_shared_when_cast() -> None:
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    other.weight = one.weight
    pair = nn.Sequential(one, other).double()
    assert pair[0].weight is pair[1].weight
    assert len(list(pair.parameters())) == 3


def test_deep_copies_are_independent() -> None:
    net = Net()
    twin = copy.deepcopy(net)
    twin.scale.detach().fill_(9.0)
    assert net.scale.item() == 1
    assert list(twin.state_dict()) == list(net.state_dict())


# Hooks, printing


def test_forward_hooks() -> None:
    layer, seen = nn.ReLU(), []
    look = layer.register_forward_hook(
        lambda module, inputs, output: seen.append((module, len(inputs), output.item()))
    )
    change = layer.register_forward_hook(lambda module, inputs, output: output + 1)
    assert layer(tinyseg.tensor(2.0)).item() == 3
    change.remove()
    assert layer(tinyseg.tensor(-2.0)).item() == 0
    look.remove()
    look.remove()
    layer(tinyseg.tensor(5.0))
    assert seen == [(layer, 1, 2), (layer, 1, 0)]


def test_repr_shows_the_structure() -> None:
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))
    )
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)\n"
        "  (1): BatchNorm2d(4, eps=1e-05, momentum=0.1)\n"
        "  (2): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): MaxPool2d(kernel_size=2, stride=2, padding=0)\n"
        "  )\n"
        ")"
    )
    assert repr(nn.Parameter(tinyseg.ones(1))) == "Parameter containing:\ntensor([1.], requires_grad=True)"


# Containers


def test_sequential() -> None:
    a, b, c = nn.ReLU(), nn.Dropout(0.1), nn.Identity()
    net = nn.Sequential(a, b, c)
    assert (len(net), net[0], net[-1], list(net)) == (3, a, c, [a, b, c])
    assert isinstance(net[1:], nn.Sequential)
    assert list(net[1:]) == [b, c]
    assert [name for name, _ in nn.Sequential({"one": a, "two": b}).named_children()] == ["one", "two"]
    assert nn.Sequential()(5) == 5


def test_module_list() -> None:
    layers = nn.ModuleList([nn.Linear(1, 1)])
    layers.append(nn.Linear(1, 2))
    assert ([layer.out_features for layer in layers], len(layers), layers[-1].out_features) == ([1, 2], 2, 2)
    assert [name for name, _ in layers.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]


# Layers


def test_default_weights_are_uniform_in_one_over_the_root_of_fan_in() -> None:
    for layer, fan in (
        (nn.Conv2d(8, 64, 3, groups=2), 4 * 9),
        (nn.ConvTranspose2d(32, 16, 2), 16 * 4),  # PyTorch's fan in, of a weight (in, out, kh, kw)
        (nn.Linear(50, 60), 50),
    ):
        bound = 1 / math.sqrt(fan)
        for values in (layer.weight.detach().numpy(), layer.bias.detach().numpy()):
            assert np.abs(values).max() <= bound
            assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.35)
        assert np.abs(layer.weight.detach().numpy()).max() > 0.95 * bound


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(3, 8, 3, groups=2), "in_channels=3 must be a positive multiple of groups=2"),
        (lambda: nn.Conv2d(4, 7, 3, groups=2), "out_channels=7 must be a positive multiple"),
        (lambda: nn.Conv2d(0, 8, 3), "Conv2d: in_channels=0"),
        (lambda: nn.Conv2d(3, 8, 0), "kernel_size must be at least 1"),
        (lambda: nn.ConvTranspose2d(3, 8, 3, stride=0), "ConvTranspose2d: stride must be at least 1"),
        (lambda: nn.Dropout2d(1.5), "Dropout2d: p must be a probability, 0 .. 1, got 1.5"),
    ],
)
def test_layers_refuse_sizes_at_once(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_batch_norm_counts_batches_and_uses_what_it_has_seen() -> None:
    layer, x = nn.BatchNorm2d(2), tinyseg.randn(4, 2, 5, 5) * 3 + 1
    for _ in range(200):
        layer(x)
    assert layer.num_batches_tracked.item() == 200
    np.testing.assert_allclose(
        layer.eval()(x).detach().numpy(), layer.train()(x).detach().numpy(), rtol=0.02, atol=0.02
    )
    plain = nn.BatchNorm2d(2, affine=False, track_running_stats=False)
    assert (list(plain.state_dict()), list(plain.parameters())) == ([], [])
    np.testing.assert_array_equal(plain.eval()(x).numpy(), plain.train()(x).numpy())


def test_batch_norm_without_momentum_averages_all_batches() -> None:
    layer, batches = nn.BatchNorm1d(2, momentum=None), [tinyseg.randn(5, 2) + i for i in range(3)]
    for x in batches:
        layer(x)
    for name, wanted in (
        ("running_mean", np.mean([x.numpy().mean(0) for x in batches], 0)),
        ("running_var", np.mean([x.numpy().var(0, ddof=1) for x in batches], 0)),
    ):
        np.testing.assert_allclose(getattr(layer, name).numpy(), wanted, rtol=1e-5)
    before = layer.running_mean.numpy().copy()
    layer.eval()(batches[0])
    np.testing.assert_array_equal(layer.running_mean.numpy(), before)
    assert layer.num_batches_tracked.item() == 3
    assert layer(tinyseg.randn(2, 2, 4)).shape == (2, 2, 4)


def test_batch_norm_layers_know_their_dimensions() -> None:
    with pytest.raises(ValueError, match=r"BatchNorm1d: input must be N,C or N,C,L, got shape \(1, 2, 3, 3\)"):
        nn.BatchNorm1d(2)(tinyseg.zeros(1, 2, 3, 3))
    with pytest.raises(ValueError, match=r"BatchNorm2d: input must be N,C,H,W, got shape \(4, 2\)"):
        nn.BatchNorm2d(2)(tinyseg.zeros(4, 2))
    with pytest.raises(ValueError, match="InstanceNorm2d: input must be"):
        nn.InstanceNorm2d(2)(tinyseg.zeros(4, 2))
    with pytest.raises(ValueError, match="GroupNorm: num_groups must divide num_channels 6, got 4"):
        nn.GroupNorm(4, 6)


def test_instance_norm_with_and_without_running_statistics() -> None:
    x = tinyseg.randn(3, 2, 4, 5) + 2
    plain = nn.InstanceNorm2d(2)
    assert list(plain.state_dict()) == []
    np.testing.assert_array_equal(plain.eval()(x).numpy(), plain.train()(x).numpy())
    np.testing.assert_allclose(plain(x[0]).numpy(), plain(x).numpy()[0], atol=1e-6)
    layer = nn.InstanceNorm2d(2, momentum=1.0, affine=True, track_running_stats=True)
    layer(x)
    mean, var = x.numpy().mean((2, 3)).mean(0), x.numpy().var((2, 3), ddof=1).mean(0)
    wanted = (x.numpy() - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None]
    np.testing.assert_allclose(layer.eval()(x).detach().numpy(), wanted, atol=1e-5)


def test_normalising_layers_have_pytorchs_parameters() -> None:
    x = tinyseg.randn(2, 6, 4, 5)
    layers: dict[str, tuple[nn.Module, list[tuple[int, ...]]]] = {
        "group": (nn.GroupNorm(3, 6), [(6,), (6,)]),
        "group, not affine": (nn.GroupNorm(3, 6, affine=False), []),
        "layer": (nn.LayerNorm([6, 4, 5]), [(6, 4, 5), (6, 4, 5)]),
        "layer without bias": (nn.LayerNorm(5, bias=False), [(5,)]),
        "layer, not affine": (nn.LayerNorm(5, elementwise_affine=False), []),
        "response": (nn.LocalResponseNorm(5), []),
    }
    for name, (layer, shapes) in layers.items():
        assert [p.shape for p in layer.parameters()] == shapes, name
        assert list(layer.state_dict()) == ["weight", "bias"][: len(shapes)], name
        assert layer(x).shape == x.shape, name


def test_activations_stay_channels_last() -> None:
    """What comes next would copy them otherwise."""
    x = nn.Conv2d(3, 6, 1)(tinyseg.randn(2, 3, 4, 4)).detach()
    for layer in (
        nn.GroupNorm(3, 6),
        nn.InstanceNorm2d(6),
        nn.LayerNorm([6, 4, 4]),
        nn.LocalResponseNorm(5),
        nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d(2),
        nn.AdaptiveMaxPool2d(3),
    ):
        assert layer(x).detach().permute(0, 2, 3, 1).numpy().flags.c_contiguous, layer


def test_a_training_step_between_forward_and_backward_of_evaluation_is_no_error() -> None:
    layer, x = nn.BatchNorm2d(2), tinyseg.rand(2, 2, 3, 3, requires_grad=True)
    y = layer.eval()(x).sum()
    layer.train()(x.detach() + 1)
    y.backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), 1 / math.sqrt(1 + 1e-5), rtol=1e-6)


def test_dropout_drops_in_training_only() -> None:
    x = tinyseg.ones(2, 8, 4, 4)
    for layer in (nn.Dropout(0.5), nn.Dropout2d(0.5)):
        assert set(np.unique(layer(x).numpy())) == {0, 2}
        assert layer.eval()(x) is x


def test_pooling_and_unpooling_layers() -> None:
    x = tinyseg.rand(1, 2, 4, 6)
    values, places = nn.MaxPool2d(2, return_indices=True)(x)
    y = nn.MaxUnpool2d(2)(values, places)
    assert y.shape == x.shape
    np.testing.assert_array_equal(nn.MaxPool2d(2)(y).numpy(), values.numpy())
    assert nn.MaxUnpool2d(2)(values, places, output_size=(5, 6)).shape == (1, 2, 5, 6)


def test_pooling_layers_are_their_functions() -> None:
    x = tinyseg.rand(2, 3, 6, 8)
    line, places = nn.MaxPool1d(2, return_indices=True)(x[0])
    assert nn.MaxUnpool1d(2)(line, places).shape == (3, 6, 8)
    pairs = [
        (nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), F.avg_pool2d(x, 3, 2, 1, True, False)),
        (nn.AdaptiveAvgPool2d((2, None)), F.adaptive_avg_pool2d(x, (2, 8))),
        (nn.AdaptiveMaxPool2d(2), F.adaptive_max_pool2d(x, (2, 2))),
    ]
    for layer, wanted in pairs:
        np.testing.assert_array_equal(layer(x).numpy(), wanted.numpy())


def test_loss_module() -> None:
    logits, target = tinyseg.randn(1, 3, 2, 2), tinyseg.tensor([[[0, 1], [2, 255]]])
    weight = tinyseg.tensor([1.0, 2.0, 3.0])
    loss = nn.CrossEntropyLoss(weight, ignore_index=255, reduction="sum")
    assert [name for name, _ in loss.named_buffers()] == ["weight"]
    assert loss(logits, target).item() == F.cross_entropy(logits, target, weight, 255, "sum").item()


# Against PyTorch

PAIRS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("Conv2d", (3, 4, 3), {"padding": 1, "stride": 2}, (2, 3, 7, 6)),
    ("Conv2d", (4, 6, (1, 3)), {"groups": 2, "bias": False, "dilation": 2}, (1, 4, 5, 8)),
    ("Conv2d", (2, 2, 3), {"padding": "same"}, (1, 2, 5, 4)),
    ("Conv2d", (2, 3, (3, 2)), {"padding": (2, 1), "padding_mode": "reflect", "stride": 2}, (2, 2, 5, 4)),
    ("Conv2d", (2, 3, (2, 3)), {"padding": "same", "padding_mode": "circular", "dilation": (3, 1)}, (2, 4, 5)),
    ("Conv2d", (2, 3, 3), {"padding": "valid", "padding_mode": "replicate"}, (1, 2, 4, 5)),
    ("Conv1d", (4, 6, 3), {"padding": 1, "stride": 2, "groups": 2}, (2, 4, 7)),
    ("Conv1d", (2, 3, 4), {"padding": 3, "padding_mode": "replicate", "bias": False}, (2, 6)),
    ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}, (2, 4, 5)),
    ("ConvTranspose1d", (2, 3, 2), {"dilation": 3}, (2, 4)),
    ("Unfold", (2,), {"padding": 1, "stride": (2, 1), "dilation": 2}, (2, 3, 5, 4)),
    ("Fold", ((5, 4), (2, 3)), {"padding": 1, "stride": 2}, (2, 12, 6)),
    ("ConvTranspose2d", (4, 3, 2), {"stride": 2}, (2, 4, 3, 5)),
    ("ConvTranspose2d", (4, 2, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}, (1, 4, 4, 3)),
    ("BatchNorm2d", (5,), {}, (3, 5, 4, 2)),
    ("BatchNorm2d", (5,), {"momentum": 0.3, "eps": 1e-2, "affine": False}, (3, 5, 4, 2)),
    ("Linear", (6, 4), {}, (3, 2, 6)),
    ("ReLU", (), {"inplace": True}, (2, 3)),
    ("LeakyReLU", (0.2,), {}, (2, 3)),
    ("PReLU", (), {}, (2, 3, 4)),
    ("PReLU", (3,), {"init": 0.1}, (2, 3, 4, 2)),
    ("ELU", (1.5,), {}, (2, 3)),
    ("GELU", (), {}, (2, 3)),
    ("GELU", ("tanh",), {}, (2, 3)),
    ("Sigmoid", (), {}, (2, 3)),
    ("Tanh", (), {}, (2, 3)),
    ("Softplus", (2.0, 1.0), {}, (2, 3)),
    ("Softmax", (1,), {}, (2, 3, 4, 2)),
    ("LogSoftmax", (), {"dim": 1}, (2, 3)),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1}, (1, 2, 6, 7)),
    ("Upsample", (), {"scale_factor": 2, "mode": "bilinear", "align_corners": False}, (1, 2, 3, 4)),
    ("Upsample", ((5, 7),), {}, (1, 2, 3, 4)),
    ("Upsample", (None, (1.7, 2.6)), {"mode": "bilinear", "recompute_scale_factor": True}, (1, 2, 3, 4)),
    ("UpsamplingNearest2d", (), {"scale_factor": 1.7}, (1, 2, 3, 4)),
    ("UpsamplingBilinear2d", ((5, 7),), {}, (1, 2, 3, 4)),
    ("PixelShuffle", (2,), {}, (2, 8, 2, 3)),
    ("PixelUnshuffle", (2,), {}, (2, 3, 4, 2)),
    ("Dropout", (0.0,), {}, (2, 3)),
    ("Identity", (), {}, (2, 3)),
]


# Which target: a label for each pixel, a number for each logit, or for each probability.
LOSSES: list[tuple[str, dict[str, Any], str]] = [
    ("CrossEntropyLoss", {}, "labels"),
    ("CrossEntropyLoss", {"weight": [0.5, 2.0, 1.0], "ignore_index": 1, "label_smoothing": 0.1}, "labels"),
    ("CrossEntropyLoss", {"reduction": "sum", "label_smoothing": 0.3}, "logits"),
    ("NLLLoss", {"weight": [0.5, 2.0, 1.0], "reduction": "sum"}, "labels"),
    ("BCELoss", {}, "probabilities"),
    ("BCELoss", {"weight": [0.5, 2.0], "reduction": "sum"}, "probabilities"),
    ("BCEWithLogitsLoss", {"pos_weight": [2.0, 0.5]}, "logits"),
    ("MSELoss", {"reduction": "none"}, "logits"),
    ("L1Loss", {"reduction": "sum"}, "logits"),
    ("SmoothL1Loss", {"beta": 0.3}, "logits"),
]


@pytest.mark.parametrize(("name", "options", "target"), LOSSES)
def test_loss_is_pytorch_s(name: str, options: dict[str, Any], target: str) -> None:
    """The same arguments, buffers and results."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    random = np.random.default_rng(0)
    given, wanted = (random.random((2, 3, 4, 2), np.float32) for _ in range(2))
    if target == "labels":
        wanted = random.integers(0, 3, (2, 4, 2))
    elif target == "logits":
        given = 6 * given - 3
    results, states = [], []
    for library in (tinyseg, torch):
        made = {key: library.tensor(value) if isinstance(value, list) else value for key, value in options.items()}
        loss = getattr(library.nn, name)(**made)
        results.append(np.asarray(loss(library.tensor(given), library.tensor(wanted))))
        states.append({key: np.asarray(value).tolist() for key, value in loss.state_dict().items()})
    np.testing.assert_allclose(*results, rtol=1e-5)
    assert states[0] == states[1]


def test_loss_module_takes_weights_of_pixels() -> None:
    logits, target = tinyseg.randn(1, 3, 2, 2), tinyseg.tensor([[[0, 1], [2, 2]]])
    loss = nn.CrossEntropyLoss()
    once = loss(logits, target, tinyseg.tensor([[[1.0, 0.0], [0.0, 0.0]]])).item()
    assert once == pytest.approx(loss(logits[:, :, :1, :1], target[:, :1, :1]).item(), rel=1e-6)
    assert loss(logits, target, tinyseg.full((1, 2, 2), 7.0)).item() == pytest.approx(loss(logits, target).item())


@pytest.mark.parametrize(("name", "arguments", "options", "shape"), PAIRS)
def test_layer_is_pytorch_s(name: str, arguments: Any, options: Any, shape: tuple[int, ...]) -> None:
    """The same arguments, the same names of parameters and buffers, and with the same values the same results."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    ours, theirs = getattr(nn, name)(*arguments, **options), getattr(torch.nn, name)(*arguments, **options)
    assert [key for key, _ in ours.named_parameters()] == [key for key, _ in theirs.named_parameters()]
    assert set(ours.state_dict()) == set(theirs.state_dict())
    ours.load_state_dict({key: tinyseg.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    given = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x, y = tinyseg.tensor(given, requires_grad=True), torch.tensor(given, requires_grad=True)
    for _ in range(2):
        found, wanted = ours(x), theirs(y.clone() if name == "ReLU" else y)
        np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=1e-5, atol=1e-5)
        (found * found).sum().backward()
        (wanted * wanted).sum().backward()
    gradients = [
        (x.grad, y.grad),
        *zip([p.grad for p in ours.parameters()], [p.grad for p in theirs.parameters()], strict=True),
    ]
    for one, other in gradients:
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-4)
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-5, atol=1e-6)
    found, wanted = ours.eval()(x), theirs.eval()(y.clone())
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [pair[:3] for pair in PAIRS if pair[0].startswith(("Conv", "Upsampl", "Pixel", "Fold", "Unfold"))],
)
def test_layer_prints_as_pytorch_s(name: str, arguments: Any, options: Any) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    ours, theirs = (repr(getattr(library, name)(*arguments, **options)) for library in (nn, torch.nn))
    assert ours == theirs


@pytest.mark.parametrize(("name", "size"), [("ConvTranspose1d", (5,)), ("ConvTranspose2d", (5, 4))])
def test_transposed_convolution_makes_the_size_that_is_asked_for(name: str, size: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    ours, theirs = (getattr(library, name)(2, 3, 3, stride=3, padding=1) for library in (nn, torch.nn))
    ours.load_state_dict({key: tinyseg.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(1, 2, *[2] * len(size))).astype(np.float32)
    for wanted in (size, (1, 3, *size)):
        found = ours(tinyseg.tensor(x), wanted).detach().numpy()
        np.testing.assert_allclose(found, theirs(torch.tensor(x), wanted).detach().numpy(), rtol=1e-5, atol=1e-5)
    for wrong, message in (((7, 7)[: len(size)], "must be within"), ((5, 5, 5, 5, 5), "numbers for input of shape")):
        with pytest.raises(ValueError, match=f"output_size .*{message}"):
            ours(tinyseg.tensor(x), wrong)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_transposed_convolution_with_bilinear_weights_is_bilinear_upsampling_inside(factor: int) -> None:
    """As the docstring of ``init.bilinear_`` says; at the border the one mixes in zeros, the other repeats pixels."""
    kernel = 2 * factor - factor % 2
    layer = nn.ConvTranspose2d(2, 2, kernel, factor, (kernel - factor) // 2, groups=2, bias=False)
    nn.init.bilinear_(layer.weight)
    x = tinyseg.rand(1, 2, 4, 5)
    found, wanted = layer(x), F.interpolate(x, scale_factor=factor, mode="bilinear")
    assert found.shape == wanted.shape
    inside = (..., *[slice(factor, -factor)] * 2)
    np.testing.assert_allclose(found.detach().numpy()[inside], wanted.numpy()[inside], atol=1e-6)


@pytest.mark.parametrize("stride", [2, (1, 3)])
def test_transposed_convolution_is_a_bed_of_nails_and_a_convolution(stride: Any) -> None:
    """With the mirrored kernel, whose size less one is the padding; what nails add at the end meets only zeros."""
    x, weight = tinyseg.randn(2, 1, 3, 4, dtype="float64"), tinyseg.randn(1, 1, 3, 2, dtype="float64")
    nails = nn.BedOfNails(stride)(x)
    found = F.conv2d(nails, weight[:, :, ::-1, ::-1], padding=(2, 1))
    wanted = F.conv_transpose2d(x, weight, stride=stride)
    height, width = wanted.shape[2:]
    np.testing.assert_allclose(found.numpy()[:, :, :height, :width], wanted.numpy(), atol=1e-12)
    assert not found[:, :, height:].numpy().any()
    assert repr(nn.BedOfNails(2)) == "BedOfNails(scale_factor=2)"


BAD_LAYERS: dict[str, tuple[Any, type[Exception], str]] = {
    "padding": (lambda: nn.Conv2d(1, 1, 3, padding="full"), ValueError, "Conv2d: padding must be .*got 'full'"),
    "same": (
        lambda: nn.Conv1d(1, 1, 3, stride=2, padding="same"),
        ValueError,
        "Conv1d: padding='same' needs",
    ),
    "mode": (lambda: nn.Conv1d(1, 1, 3, padding_mode="mirror"), ValueError, "'circular', got 'mirror'"),
    "transposed mode": (lambda: nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"), ValueError, "must be 'zeros'"),
    "transposed same": (lambda: nn.ConvTranspose1d(1, 1, 3, padding="same"), TypeError, "padding must be an int"),
    "kernel": (lambda: nn.Conv1d(1, 1, (3, 3)), TypeError, "Conv1d: kernel_size must be an int or a sequence of 1"),
    "border": (
        lambda: nn.Conv2d(1, 1, 3, padding=2, padding_mode="reflect")(tinyseg.zeros(1, 1, 2, 9)),
        ValueError,
        "at most 1 wide",
    ),
    "groups": (
        lambda: nn.ConvTranspose1d(3, 2, 3, groups=2),
        ValueError,
        "in_channels=3 must be a positive",
    ),
}


@pytest.mark.parametrize("name", BAD_LAYERS)
def test_bad_layer_is_refused(name: str) -> None:
    call, error, message = BAD_LAYERS[name]
    with pytest.raises(error, match=message):
        call()


def test_a_small_network_trains_as_pytorch_s_does() -> None:
    """Ten steps from the same weights on the same batch."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")

    def build(library: Any) -> Any:
        layers = library.nn
        return layers.Sequential(
            layers.Conv2d(2, 6, 3, padding=1, bias=False), layers.BatchNorm2d(6), layers.ReLU(), layers.MaxPool2d(2),
            layers.Conv2d(6, 6, 3, padding=2, dilation=2), layers.ReLU(), layers.ConvTranspose2d(6, 3, 2, stride=2),
        )  # fmt: skip

    ours, theirs = build(tinyseg), build(torch)
    ours.load_state_dict({key: tinyseg.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    draw = np.random.default_rng(1)
    x, target = draw.normal(size=(3, 2, 8, 8)).astype(np.float32), draw.integers(0, 3, (3, 8, 8))
    losses: list[list[float]] = []
    for library, net in ((tinyseg, ours), (torch, theirs)):
        optimizer = library.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
        found = []
        for _ in range(10):
            optimizer.zero_grad()
            loss = library.nn.functional.cross_entropy(net(library.tensor(x)), library.tensor(target), ignore_index=2)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        losses.append(found)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert losses[0][-1] < 0.8 * losses[0][0]


def test_windows_of_layers_may_be_sequences_of_one() -> None:
    """As in PyTorch; the kernel's own size is not, for it gives the weight's shape."""
    layer = nn.Conv2d(1, 1, 3, stride=(2,), padding=[1], dilation=(1,))
    assert (layer.stride, layer.padding, layer.dilation) == ((2, 2), (1, 1), (1, 1))
    assert nn.ConvTranspose2d(1, 1, 3, 2, output_padding=(1,)).output_padding == (1, 1)
    assert nn.MaxPool2d((2,), ())(tinyseg.ones(1, 4, 4)).shape == (1, 2, 2)
    with pytest.raises(TypeError, match="Conv2d: kernel_size must be an int or a pair of ints"):
        nn.Conv2d(1, 1, (3,))
