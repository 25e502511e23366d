"""Averages of weights against PyTorch's, batch norm measured anew, and groups of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import nn, optim
from tinyseg.optim.swa_utils import AveragedModel, update_bn


def _network(library: Any) -> Any:
    layers = library.nn
    return layers.Sequential(layers.Conv2d(2, 3, 3), layers.BatchNorm2d(3), layers.Conv2d(3, 1, 1))


@pytest.mark.parametrize("use_buffers", [False, True])
def test_averages_are_pytorch_s(use_buffers: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    from torch.optim.swa_utils import AveragedModel as Theirs
    from torch.optim.swa_utils import get_ema_multi_avg_fn

    ours, theirs = _network(tinyseg).double(), _network(torch).double()
    average = AveragedModel(ours, 0.8, use_buffers=use_buffers)
    wanted = Theirs(theirs, multi_avg_fn=get_ema_multi_avg_fn(0.8), use_buffers=use_buffers)
    rng = np.random.default_rng(0)
    for _ in range(4):
        state = {name: rng.normal(size=value.shape) for name, value in ours.state_dict().items()}
        for key in state:
            if key.endswith("num_batches_tracked"):
                state[key] = np.asarray(7)
        ours.load_state_dict({key: tinyseg.tensor(value) for key, value in state.items()})
        theirs.load_state_dict({key: torch.tensor(value) for key, value in state.items()})
        average.update_parameters(ours)
        wanted.update_parameters(theirs)
    found, expected = average.module.state_dict(), wanted.module.state_dict()
    names = {name for name, _ in ours.named_parameters()}
    for key in found:
        if key in names or (use_buffers and not key.endswith("tracked")):
            np.testing.assert_allclose(found[key].numpy(), expected[key].numpy(), rtol=1e-13)
        elif not use_buffers and key.endswith("running_mean"):
            np.testing.assert_array_equal(found[key].numpy(), np.zeros(3))


def test_warm_up_of_the_decay_by_hand() -> None:
    """1; then (1 + 1) / (10 + 1) of it and the rest of 12; then 3 / 12 of that and the rest of 0."""
    model = nn.Linear(1, 1, bias=False).double()
    average = AveragedModel(model, 0.999, warmup=True)
    found = []
    for value in (1.0, 12.0, 0.0):
        model.weight.detach().fill_(value)
        average.update_parameters(model)
        found.append(average.module.weight.item())
    assert found == pytest.approx([1, 2 / 11 + 12 * 9 / 11, (2 / 11 + 12 * 9 / 11) / 4], rel=1e-14)


def test_batch_norm_is_measured_anew() -> None:
    net = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(0.5)).double()
    net[0].running_mean.fill_(100.0)
    net.eval()
    net[1].train()
    batches = [np.random.default_rng(seed).normal(size=(4, 2, 5, 5)) for seed in range(3)]
    update_bn([tinyseg.tensor(batch) for batch in batches], net)
    means = np.mean([batch.mean((0, 2, 3)) for batch in batches], axis=0)
    variances = np.mean([batch.var((0, 2, 3), ddof=1) for batch in batches], axis=0)
    np.testing.assert_allclose(net[0].running_mean.numpy(), means, rtol=1e-12)
    np.testing.assert_allclose(net[0].running_var.numpy(), variances, rtol=1e-12)
    assert (net[0].training, net[1].training, net[0].momentum) == (False, True, 0.1)
    plain = nn.Sequential(nn.Conv2d(1, 1, 1))
    update_bn(iter(()), plain)


def test_groups_leave_out_what_is_frozen() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2), nn.PReLU())
    net[2].requires_grad_(False)
    groups = optim.parameter_groups(net, lr=0.5, weight_decay=0.1, bias_lr_factor=2.0)
    names = {id(value): name for name, value in net.named_parameters()}
    found = [([names[id(x)] for x in group["params"]], group["lr"], group["weight_decay"]) for group in groups]
    assert found == [
        (["0.weight"], 0.5, 0.1),
        (["0.bias"], 1.0, 0.0),
        (["1.weight", "1.bias", "3.weight"], 0.5, 0.0),
    ]


def test_groups_of_parts_that_learn_faster() -> None:
    """The longest name counts, factors multiply with the biases', and what has no factor comes first."""
    net = nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), nn.Linear(2, 2), nn.Linear(2, 2))
    groups = optim.parameter_groups(
        net, lr=0.5, weight_decay=0.1, bias_lr_factor=2.0, lr_factors={"0": 0.5, "0.0": 4.0, "2": 10}
    )
    names = {id(value): name for name, value in net.named_parameters()}
    found = [([names[id(x)] for x in group["params"]], group["lr"], group["weight_decay"]) for group in groups]
    assert found == [
        (["1.weight"], 0.5, 0.1),
        (["1.bias"], 1.0, 0.0),
        (["0.1.weight", "0.1.bias"], 0.25, 0.0),
        (["0.0.weight"], 2.0, 0.1),
        (["0.0.bias"], 4.0, 0.0),
        (["2.weight"], 5.0, 0.1),
        (["2.bias"], 10.0, 0.0),
    ]
    with pytest.raises(ValueError, match="lr_factors has '3', with which no parameter's name begins"):
        optim.parameter_groups(net, lr=0.5, lr_factors={"3": 2.0})


def test_decays_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"decay must be in \[0, 1\], got 1.5"):
        AveragedModel(nn.Linear(1, 1), 1.5)
