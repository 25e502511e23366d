"""What kernels keep of a weight (its packed form) is used in prediction alone, and never after the weight changed.

The kernels here are the reference's, but they work from a copy of the weight that they keep whenever they may: a memo
that outlived a change would give the numbers of the old weight.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import Tensor, backend, nn, optim
from tinyseg.checkpoint import Checkpoint, load, save
from tinyseg.nn import functional as F

IMAGE = (1, 2, 5, 5)


@pytest.fixture(autouse=True)
def given(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The memos that the kernels were called with, in order."""
    tinyseg.set_default_device("reference")
    module, memos = backend.kernels("reference"), []

    def keeping(kernel: Callable[..., None]) -> Callable[..., None]:
        def call(x: Any, weight: Any, *rest: Any) -> None:
            memo = rest[-1]
            memos.append(memo)
            if memo is not None:
                weight = memo.setdefault("packed", weight.copy())
            kernel(x, weight, *rest)

        return call

    for name in ("conv2d", "conv_transpose2d"):
        monkeypatch.setattr(module, name, keeping(getattr(module, name)))
    return memos


def predicted(layer: nn.Module, image: Tensor) -> Any:
    with tinyseg.no_grad():
        return layer(image).numpy()


def _in_place(layer: Any) -> None:
    layer.weight.detach().mul_(3.0)


def _through_a_view(layer: Any) -> None:
    layer.weight.detach()[1, 0].fill_(9.0)


def _through_a_reshaped_view(layer: Any) -> None:
    layer.weight.detach().reshape(-1)[:3].add_(1.0)


def _by_index(layer: Any) -> None:
    layer.weight.detach()[:, :, 0, 0] = 4.0


def _initialised(layer: Any) -> None:
    nn.init.kaiming_normal_(layer.weight)


def _without_recording(layer: Any) -> None:
    with tinyseg.no_grad():
        layer.weight.sub_(0.5)


def _loaded(layer: Any) -> None:
    state = layer.state_dict()
    layer.load_state_dict({name: value + 1.0 for name, value in state.items()})


def _through_the_state(layer: Any) -> None:
    layer.state_dict()["weight"].zero_()


def _stepped(optimiser: Any) -> Callable[[Any], None]:
    def change(layer: Any) -> None:
        layer(tinyseg.ones(*IMAGE)).sum().backward()
        optimiser(layer.parameters(), lr=0.5).step()

    return change


def _replaced(layer: Any) -> None:
    layer.weight = nn.Parameter(tinyseg.ones(*layer.weight.shape))


CHANGES = [
    _in_place,
    _through_a_view,
    _through_a_reshaped_view,
    _by_index,
    _initialised,
    _without_recording,
    _loaded,
    _through_the_state,
    _replaced,
    *(_stepped(kind) for kind in (optim.SGD, optim.Adam, optim.AdamW)),
]


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize("change", CHANGES)
def test_no_change_of_a_weight_is_missed(kind: Any, change: Callable[[Any], None], given: list[Any]) -> None:
    layer, image = kind(2, 2, 3), tinyseg.randn(*IMAGE)
    before = predicted(layer, image)
    np.testing.assert_array_equal(predicted(layer, image), before)
    assert given[0] is given[1], "an unchanged weight keeps its memo"
    change(layer)
    after = predicted(layer, image)
    assert given[-1] is not given[0]
    assert not np.array_equal(after, before)
    fresh = kind(2, 2, 3)
    fresh.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(after, predicted(fresh, image))


def test_nothing_is_kept_where_a_gradient_is_recorded(given: list[Any]) -> None:
    layer = nn.Conv2d(2, 2, 3)
    image = tinyseg.randn(*IMAGE, requires_grad=True)
    layer(image).sum().backward()
    assert given == [None, None]  # forward, and the gradient by the image
    layer.requires_grad_(False)
    layer(image)
    assert given[-1] is None
    layer(image.detach())
    assert given[-1] is layer.weight.memo is not None


def test_training_lets_go_of_what_is_out_of_date(given: list[Any]) -> None:
    layer, image = nn.Conv2d(2, 2, 3), tinyseg.randn(*IMAGE)
    predicted(layer, image)
    layer(image)
    assert layer.weight.memo is given[0], "still good"
    _in_place(layer)
    layer(image)
    assert layer.weight.memo is None


def test_a_memo_goes_along_with_no_copy(tmp_path: Path, given: list[Any]) -> None:
    layer, image = nn.Conv2d(2, 2, 3), tinyseg.randn(*IMAGE)
    before = predicted(layer, image)
    assert given[0]["packed"].size == layer.weight.numel()
    for twin in (copy.deepcopy(layer.weight), pickle.loads(pickle.dumps(layer.weight))):
        assert not twin.memo
        assert twin.memo is not layer.weight.memo
    assert layer.state_dict()["weight"].memo is None
    twin = copy.deepcopy(layer)
    twin.weight.detach().zero_()
    twin.bias.detach().zero_()
    assert not predicted(twin, image).any()
    np.testing.assert_array_equal(predicted(layer, image), before)
    save(tmp_path / "model.safetensors", Checkpoint(layer.state_dict()))
    assert sorted(load(tmp_path / "model.safetensors").weights) == ["bias", "weight"]


def test_a_weight_that_two_layers_share_is_kept_once(given: list[Any]) -> None:
    one, other = nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3, padding=1)
    other.weight = one.weight
    image = tinyseg.randn(*IMAGE)
    predicted(one, image)
    predicted(other, image)
    assert given[0] is given[1]


def test_functions_keep_it_on_the_tensor_they_are_given(given: list[Any]) -> None:
    weight, image = tinyseg.randn(2, 2, 3, 3), tinyseg.randn(*IMAGE)
    first = F.conv2d(image, weight).numpy()
    weight.mul_(2.0)
    np.testing.assert_allclose(F.conv2d(image, weight).numpy(), 2 * first, rtol=1e-5, atol=1e-6)
    assert given[0] is not given[1]


@pytest.mark.parametrize("name", ["Conv1d", "ConvTranspose1d"])
def test_a_line_s_kernel_keeps_its_own(given: list[Any], name: str) -> None:
    """It is handed on as an image's, a new view each time, but the memo is that of the weight itself."""
    layer, line = getattr(nn, name)(2, 2, 3), tinyseg.rand(1, 2, 5)
    before = predicted(layer, line)
    np.testing.assert_array_equal(predicted(layer, line), before)
    assert given[0] is not None
    assert given[0] is given[1]
    _in_place(layer)
    assert np.abs(predicted(layer, line) - before).max() > 0.01
