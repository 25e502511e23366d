"""Classifiers, and what they say of each place of a larger image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import models, nn
from tinyseg.errors import OptionError
from tinyseg.models.classifier import Classifier, as_convolution

ALL: list[tuple[str, dict[str, Any]]] = [
    ("alexnet", {}),
    ("alexnet", {"form": "torchvision"}),
    ("vgg16", {}),
    ("vgg16_bn", {}),
    ("googlenet", {}),
    ("googlenet", {"form": "torchvision", "auxiliary": True}),
]


def build(name: str, **options: Any) -> Any:
    return models.create(name, num_classes=7, width=4, **options)


@pytest.mark.parametrize(("name", "options"), ALL)
def test_dense_scores_are_the_classifier_s_at_the_training_size(name: str, options: dict[str, Any]) -> None:
    net = build(name, **options).eval()
    dense = models.convolutionalize(net)
    image = tinyseg.rand(2, 3, net.training_size, net.training_size)
    with tinyseg.no_grad():
        wanted, found = net(image).numpy(), dense(image).numpy()
    assert found.shape == (2, 7, 1, 1)
    np.testing.assert_allclose(found[:, :, 0, 0], wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


class Unpadded(Classifier):
    """A classifier for 20x20 whose borders do not matter: nothing pads. Stride 4."""

    def __init__(self) -> None:
        super().__init__("unpadded", 4, 2, training_size=20, window=3)
        self.features = nn.Sequential(
            nn.Conv2d(2, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 5, 4), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.classifier = nn.Sequential(nn.Linear(45, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 4))

    @property
    def min_size(self) -> tuple[int, int]:
        return 20, 20

    def body(self) -> nn.Sequential:
        return self.features

    def head(self) -> nn.Sequential:
        return self.classifier


def test_the_dense_map_is_what_the_classifier_says_of_each_window() -> None:
    """The window slid by hand, four pixels at a time."""
    net = Unpadded().eval()
    image = tinyseg.rand(1, 2, 20 + 4 * 3, 20 + 4 * 5)
    with tinyseg.no_grad():
        heat = models.convolutionalize(net)(image).numpy()
        assert heat.shape == (1, 4, 4, 6)
        for i in range(4):
            for j in range(6):
                window = image[:, :, 4 * i : 4 * i + 20, 4 * j : 4 * j + 20]
                np.testing.assert_allclose(heat[:, :, i, j], net(window).numpy(), rtol=1e-4, atol=1e-5)
    assert np.ptp(heat) > 0


def test_the_dense_form_shares_the_weights() -> None:
    net = build("vgg16")
    dense = models.convolutionalize(net)
    assert sum(p.numel() for p in dense.parameters()) == sum(p.numel() for p in net.parameters())
    with tinyseg.no_grad():
        net.classifier[0].weight.fill_(3.0)
    assert (dense.head[0].weight.detach().numpy() == 3.0).all()
    assert dense.head[0].weight.shape == (256, 32, 7, 7)


def test_a_fully_connected_layer_as_a_convolution() -> None:
    layer = nn.Linear(2 * 9, 3)
    convolution = as_convolution(layer, 3)
    assert repr(convolution) == "Conv2d(2, 3, kernel_size=(3, 3), stride=(1, 1))"
    maps = tinyseg.rand(1, 2, 3, 3)
    np.testing.assert_allclose(
        convolution(maps).detach().numpy()[:, :, 0, 0], layer(maps.flatten(1)).detach().numpy(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(("name", "options"), ALL)
def test_activations_live_without_trained_weights(name: str, options: dict[str, Any]) -> None:
    """Scores differ from image to image and from class to class, and neither vanish nor explode."""
    net = build(name, **options).eval()
    with tinyseg.no_grad():
        scores = net(tinyseg.randn(3, 3, net.training_size, net.training_size)).numpy()
    assert 0.01 < scores.std() < 100
    assert (np.ptp(scores, axis=0) > 1e-4).all()


@pytest.mark.parametrize(("name", "options"), ALL)
def test_images_of_other_sizes_and_images_that_are_too_small(name: str, options: dict[str, Any]) -> None:
    net = build(name, **options).eval()
    least = net.min_size[0]
    with tinyseg.no_grad():
        assert net(tinyseg.rand(1, 3, least, least)).shape == (1, 7)
        assert net(tinyseg.rand(1, 3, least + 50, least + 3)).shape == (1, 7)
    with pytest.raises(ValueError, match=f"{name}: an image of {least - 1}x{least} is too small"):
        net(tinyseg.zeros(1, 3, least - 1, least))
    with pytest.raises(ValueError, match=r"input must be \(N, 3, H, W\)"):
        net(tinyseg.zeros(1, 1, 224, 224))
    with pytest.raises(ValueError, match="is too small"):
        models.convolutionalize(net)(tinyseg.zeros(1, 3, 100, 224))


def test_auxiliary_heads_give_gradients_in_training_only() -> None:
    net = build("googlenet", auxiliary=True)
    outputs = net(tinyseg.randn(2, 3, 224, 224))
    assert [scores.shape for scores in outputs] == [(2, 7)] * 3
    (outputs.aux_logits1.sum() + outputs.aux_logits2.sum()).backward()
    assert net.conv1.conv.weight.grad is not None
    assert net.inception5a.branch1.conv.weight.grad is None
    with tinyseg.no_grad():
        assert net.eval()(tinyseg.randn(2, 3, 224, 224)).shape == (2, 7)
    assert not hasattr(build("googlenet"), "aux1")


def test_auxiliary_heads_of_the_paper_pool_by_5x5() -> None:
    """Section 5: an average over 5x5, 3 apart, which gives 4x4 of 14x14; torchvision's windows are 4 wide there."""
    seen: list[Any] = []
    for form in ("paper", "torchvision"):
        head = build("googlenet", auxiliary=True, form=form).aux1
        head.conv[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].numpy()[0, 0]))
        maps = tinyseg.zeros(1, head.conv[0].in_channels, 14, 14)
        maps[:, :, 0, 0] = 1.0
        maps[:, :, 13, 13] = 1.0
        head.eval()(maps)
    np.testing.assert_allclose(seen[0], np.diag([1 / 25, 0, 0, 1 / 25]), rtol=1e-6)
    np.testing.assert_allclose(seen[1], np.diag([1 / 16, 0, 0, 1 / 16]), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("alexnet", {"form": "caffe"}, "alexnet: unknown form 'caffe'; there are 'paper', 'torchvision'"),
        ("googlenet", {"form": "v3"}, "googlenet: unknown form 'v3'"),
        ("vgg16", {"width": 0}, "vgg16: width must be at least 1, got 0"),
        ("vgg16", {"width": 1.5}, "vgg16: width must be of type int"),
        ("googlenet", {"auxiliary": 1}, "googlenet: auxiliary must be of type bool"),
    ],
)
def test_what_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        models.create(name, num_classes=2, **options)


def test_a_classifier_learns() -> None:
    """The left or the right half of an image is bright: a few steps tell which."""
    net = models.create("alexnet", num_classes=2, in_channels=1, form="torchvision", width=4)
    images = tinyseg.zeros(4, 1, 80, 80)
    images[:2, :, :, :40] = 1.0
    images[2:, :, :, 40:] = 1.0
    labels = tinyseg.tensor([0, 0, 1, 1])
    optimizer = tinyseg.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-3:]) < 0.5 * losses[0]
