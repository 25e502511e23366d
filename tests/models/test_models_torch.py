"""The networks of the papers against the same networks in PyTorch: names, shapes and results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import models

torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
theirs = pytest.importorskip("torch_models")


def ours(name: str, **options: Any) -> Any:
    net = models.create(name, num_classes=5, width=theirs.WIDTH, **options)
    theirs.shake(net)
    return net


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("size", [(224, 224), (96, 161)])
def test_vgg16(batch_norm: bool, size: tuple[int, int]) -> None:
    theirs.agree(ours("vgg16_bn" if batch_norm else "vgg16"), theirs.VGG16(5, batch_norm), 1, 3, *size)


@pytest.mark.parametrize("size", [224, 163])
def test_alexnet_of_torchvision(size: int) -> None:
    theirs.agree(ours("alexnet", form="torchvision"), theirs.TorchvisionAlexNet(5), 2, 3, size, size)


def test_alexnet_of_caffe() -> None:
    theirs.agree(ours("alexnet"), theirs.CaffeNet(5), 2, 3, 227, 227)


@pytest.mark.parametrize("size", [224, 107])
def test_googlenet_of_torchvision(size: int) -> None:
    theirs.agree(ours("googlenet", form="torchvision"), theirs.TorchvisionGoogLeNet(5), 1, 3, size, size)


def test_auxiliary_heads_of_torchvision_s_googlenet() -> None:
    """In evaluation but for the network itself, so that neither dropout nor the batch's statistics differ."""
    net = ours("googlenet", form="torchvision", auxiliary=True).eval()
    other = theirs.TorchvisionGoogLeNet(5, with_heads=True).eval()
    other.load_state_dict(theirs.state_of(net))
    images = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    with torch.no_grad(), tinyseg.no_grad():
        wanted = other(torch.tensor(images)).numpy()
        object.__setattr__(net, "training", True)
        found = net(tinyseg.tensor(images))
    assert found._fields == ("logits", "aux_logits2", "aux_logits1")
    for mine, other_scores in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine.numpy(), other_scores, rtol=0, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("stride", [32, 16, 8])
@pytest.mark.parametrize("size", [(64, 64), (47, 90)])
def test_fcn_of_vgg16(stride: int, size: tuple[int, int]) -> None:
    theirs.agree(ours(f"fcn{stride}s", backbone="vgg16"), theirs.FCN(5, stride), 1, 3, *size)


def test_fcn_at_once() -> None:
    theirs.agree(ours("fcn8s_at_once"), theirs.FCN(5, 8, (0.01, 0.0001)), 1, 3, 40, 64)


def test_front_end_of_dilatednet() -> None:
    theirs.agree(ours("dilatednet").front_end, theirs.FrontEnd(5), 1, 3, 372 + 24, 372 + 16)


@pytest.mark.parametrize(
    ("head", "rates"), [("largefov", (12,)), ("aspp-s", (2, 4, 8, 12)), ("aspp-l", (6, 12, 18, 24))]
)
def test_deeplab(head: str, rates: tuple[int, ...]) -> None:
    theirs.agree(ours("deeplab", head=head), theirs.DeepLab(5, rates), 1, 3, 65, 89)
