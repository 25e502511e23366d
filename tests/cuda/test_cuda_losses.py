"""Losses on a GPU, whose launches are still queued when Python goes on: right values, errors, and one wait a step.

The simulator runs a launch no sooner than it is waited for, so whatever is read too early is wrong here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import backend
from tinyseg.nn import functional as F

pytestmark = pytest.mark.usefixtures("cuda")
LOSSES = (
    "cross_entropy",
    "weighted_cross_entropy",
    "focal_loss",
    "dice_loss",
    "jaccard_loss",
    "tversky_loss",
    "focal_tversky_loss",
    "dice_ce_loss",
    "dice_focal_loss",
    "lovasz_softmax_loss",
    "boundary_loss",
    "dice_boundary_loss",
)
ON_THE_HOST = ("lovasz_softmax_loss", "boundary_loss", "dice_boundary_loss")  # they sort, or measure distances, there
IGNORED = 255
LABELS = {
    "all count": [[[0, 1, 1], [0, 2, 1]]],
    "some are ignored": [[[IGNORED, 1, 1], [IGNORED, IGNORED, 1]]],
    "all are ignored": [[[IGNORED] * 3] * 2],
}


def value_and_gradient(name: str, device: str, labels: Any, weighted: bool = False) -> tuple[float, np.ndarray]:
    logits = np.random.default_rng(0).standard_normal((1, 3, 2, 3)).astype(np.float32)
    x = tinyseg.tensor(logits, device=device, requires_grad=True)
    options: dict[str, Any] = {"ignore_index": IGNORED}
    if weighted:
        options["pixel_weight"] = tinyseg.tensor(
            np.linspace(0.5, 2, 6, dtype=np.float32).reshape(1, 2, 3), device=device
        )
    loss = getattr(F, name)(x, tinyseg.tensor(np.array(labels), device=device), **options)
    loss.backward()
    assert x.grad is not None
    return loss.item(), x.grad.numpy()


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_the_references(name: str, labels: str) -> None:
    """One after the other, so that one could read what was found out for another."""
    for weighted in (False, True):
        ours, slope = value_and_gradient(name, "cuda", LABELS[labels], weighted)
        wanted, expected = value_and_gradient(name, "reference", LABELS[labels], weighted)
        assert ours == pytest.approx(wanted, rel=1e-5, abs=1e-6, nan_ok=True)
        np.testing.assert_allclose(slope, expected, 1e-4, 1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_label_that_is_no_class_is_told(name: str) -> None:
    """After a good batch and before another."""
    good, wrong = LABELS["all count"], [[[0, 1, 7], [0, 2, 1]]]
    before, _ = value_and_gradient(name, "cuda", good)
    messages = {}
    for device in ("cuda", "reference"):
        with pytest.raises(IndexError, match=r"target holds 7, but there are classes 0 \.\. 2") as caught:
            value_and_gradient(name, device, wrong)
        messages[device] = str(caught.value)
    assert messages["cuda"] == messages["reference"]
    assert value_and_gradient(name, "cuda", good)[0] == before


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each wait of the host for the device."""
    gpu, noted = backend.kernels("cuda").gpu(), []

    def noting(name: str) -> Callable[..., Any]:
        real = getattr(gpu, name)

        def call(*arguments: Any) -> Any:
            noted.append(name)
            return real(*arguments)

        return call

    for name in ("synchronize", "reach", "download"):
        monkeypatch.setattr(gpu, name, noting(name))
    return noted


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ON_THE_HOST])
def test_a_step_waits_only_for_its_loss(name: str, waits: list[str]) -> None:
    """Up to there Python runs ahead: forward, backward, and a look at the labels."""
    x = tinyseg.randn(1, 3, 2, 3, requires_grad=True)
    labels = tinyseg.tensor(np.array(LABELS["some are ignored"]))
    loss = getattr(F, name)(x, labels, ignore_index=IGNORED)
    loss.backward()
    assert waits == []
    loss.item()
    assert waits.count("download") == 1


def test_an_empty_tensor_waits_for_nothing_and_checks_what_is_due() -> None:
    """The check itself waits for the kernel that it is about."""
    x = tinyseg.zeros(1, 3, 1, 2)
    F.cross_entropy(x, tinyseg.tensor([[[1, 7]]]))
    with pytest.raises(IndexError, match="target holds 7"):
        tinyseg.zeros(0).numpy()
    F.cross_entropy(x, tinyseg.tensor([[[1, 2]]]))
    assert tinyseg.zeros(0).tolist() == []


def test_all_checks_that_are_due_are_told_at_once() -> None:
    """None is left for a later, unrelated call."""
    x = tinyseg.zeros(1, 3, 1, 2)
    for label in (7, 8, 7):
        F.cross_entropy(x, tinyseg.tensor([[[1, label]]]))
    with pytest.raises(IndexError, match="target holds 7") as caught:
        x.tolist()
    assert [note.split(",")[0] for note in caught.value.__notes__] == ["also: cross_entropy: target holds 8"]
    assert x.sum().item() == 0


def test_a_copy_is_of_the_values_as_they_were() -> None:
    """``tensor`` and ``send`` return before the copy is made; the array may change then."""
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    x, arrived = tinyseg.tensor(values), backend.kernels("cuda").send(values.T)
    values[:] = -1
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert backend.kernels("cuda").to_numpy(arrived()).tolist() == [[0, 3], [1, 4], [2, 5]]


def test_values_in_place_come_after_what_reads_them() -> None:
    """Also as arguments of launches that are queued: those have the memory, and run in order."""
    x = tinyseg.tensor([1.0, 2.0])
    y = x * 2.0
    x.fill_(5)
    z = x * 2.0
    del x
    assert (y.tolist(), z.tolist()) == ([2, 4], [10, 10])
