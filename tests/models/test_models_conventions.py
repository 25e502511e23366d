"""What networks say of their own weights: which layers are of the classes' size, and what shapes do not show."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import models
from tinyseg.nn.init import skip

CHOICES: dict[str, tuple[Any, ...]] = {
    "backbone": ("small", "vgg16", "alexnet", "googlenet"),
    "form": ("paper", "torchvision"),
    "head": ("largefov", "aspp-s", "aspp-l"),
    "context": ("none", "basic", "large", "cityscapes"),
    "context_padding": ("each", "first"),
    "geometric_classes": (0, 3),
}
"""Values of options that are no numbers of channels or levels; of those that are true or false, both."""

SIZES = {"width", "depth", "growth", "sigma"}
"""Options that show in shapes, or in nothing but the first values."""

SMALL = {"width": 2, "depth": 2, "growth": 2}
Variant = tuple[str, tuple[tuple[str, Any], ...]]


def variants() -> list[Variant]:
    """Every network with every choice of its options, at a small width."""
    found: list[Variant] = []
    for name in models.names():
        known = models.options(name)
        choices = {
            option: CHOICES.get(option, (False, True) if isinstance(default, bool) else (default,))
            for option, default in known.items()
            if option not in SIZES
        }
        small = {option: value for option, value in SMALL.items() if option in known}
        for values in product(*choices.values()):
            given = small | dict(zip(choices, values, strict=True))
            if buildable(name, given):
                found.append((name, tuple(given.items())))
    return found


def build(variant: Variant, classes: int = 2, channels: int = 3) -> models.Network:
    name, given = variant
    with skip():
        return models.create(name, num_classes=classes, in_channels=channels, **dict(given)).eval()


def buildable(name: str, given: dict[str, Any]) -> bool:
    try:
        build((name, tuple(given.items())))
    except models.OptionError:
        return False
    return True


def shapes(net: models.Network) -> dict[str, tuple[int, ...]]:
    return {key: value.shape for key, value in net.state_dict().items()}


ALL = variants()


def test_all_networks_and_choices_are_looked_at() -> None:
    assert {name for name, _ in ALL} == set(models.names())
    assert len(ALL) > 60


@pytest.mark.parametrize("name", models.names())
def test_other_classes_and_other_channels_are_of_the_layers_that_are_named(name: str) -> None:
    """The context module of DilatedNet, whose layers are all of the classes' size, is a part of its own."""
    for variant in (variant for variant in ALL if variant[0] == name):
        one, many, grey = build(variant), build(variant, classes=5), build(variant, channels=1)
        own, of_many, of_grey = shapes(one), shapes(many), shapes(grey)
        differing = {key.rpartition(".")[0] for key, shape in own.items() if of_many[key] != shape}
        assert {layer for layer in differing if not layer.startswith("context.")} == {
            layer for layer in one.score_layers if not layer.endswith("_geo")
        }
        assert {key for key, shape in own.items() if of_grey[key] != shape} == {f"{one.input_layer}.weight"}


def drawn(shape: tuple[int, ...]) -> tinyseg.Tensor:
    """Weights that keep the size of activations; biases, means and variances from 0.5 to 1."""
    generator = np.random.default_rng(sum(shape))
    if len(shape) < 2:
        return tinyseg.tensor(generator.uniform(0.5, 1.0, shape).astype(np.float32))
    return tinyseg.tensor(generator.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32))


def said(net: models.Network, image: tinyseg.Tensor, weights: dict[str, Any]) -> Any:
    net.load_state_dict(weights)
    with tinyseg.no_grad():
        return net(image).numpy()


def test_networks_that_say_other_things_by_the_same_weights_have_other_conventions() -> None:
    """And those with the same conventions say the same, at a size that no stride divides."""
    alike: dict[Any, list[Variant]] = {}
    for variant in ALL:
        alike.setdefault(frozenset(shapes(build(variant)).items()), []).append(variant)
    image = tinyseg.tensor(np.random.default_rng(0).random((1, 3, 75, 91), np.float32))
    compared = 0
    for group in (group for group in alike.values() if len(group) > 1):
        nets = [build(variant) for variant in group]
        weights = {
            key: value if "tracked" in key else drawn(value.shape) for key, value in nets[0].state_dict().items()
        }
        answers = [said(net, image, weights) for net in nets]
        for first, second in combinations(range(len(group)), 2):
            scale = np.abs(answers[first]).max()
            assert 0.01 < scale < 1e6
            same = np.allclose(answers[first], answers[second], rtol=0, atol=1e-5 * scale)
            assert same == (nets[first].conventions == nets[second].conventions), (group[first], group[second])
            compared += 1
    assert compared >= 8
