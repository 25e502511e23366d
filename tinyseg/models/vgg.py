"""VGG16 (Simonyan and Zisserman 2015): five stages of 3x3 convolutions, each halved by a pooling, and three fully
connected layers. Most networks for segmentation of 2015 and 2016 are made of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from .. import nn
from ..nn import Module
from .classifier import Classifier
from .layers import PAPER_WIDTH, check_width, initialise, scaled

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels, and number of convolutions, of each stage."""

DEPTHS = tuple(count for _, count in STAGES)
"""Convolutions in each stage of VGG16."""

HIDDEN = 4096


def stages(
    in_channels: int,
    width: int,
    *,
    padding: int = 1,
    first_padding: int | None = None,
    last_dilation: int = 1,
    batch_norm: bool = False,
) -> Iterator[dict[str, Module]]:
    """The layers of each stage by name (conv1_1, relu1_1, ...), without the poolings, which differ.

    ``first_padding`` is that of conv1_1, ``last_dilation`` that of the last stage, which is then padded to match.
    """
    before = in_channels
    for stage, (channels, count) in enumerate(STAGES, start=1):
        layers: dict[str, Module] = {}
        dilation = last_dilation if stage == len(STAGES) else 1
        for number in range(1, count + 1):
            first = (stage, number) == (1, 1) and first_padding is not None
            border = first_padding if first else padding * dilation
            place, after = f"{stage}_{number}", scaled(channels, width)
            layers[f"conv{place}"] = nn.Conv2d(before, after, 3, padding=border, dilation=dilation)
            if batch_norm:
                layers[f"norm{place}"] = nn.BatchNorm2d(after)
            layers[f"relu{place}"] = nn.ReLU()
            before = after
        yield layers


def classifier_names() -> dict[str, str]:
    """For each layer of a network that is made of VGG16 its name in the classifier (and in torchvision's weights).

    >>> classifier_names()["conv2_1"], classifier_names()["fc6"]
    ('features.5', 'classifier.0')
    """
    names, place = {}, 0
    for stage, (_, count) in enumerate(STAGES, start=1):
        for number in range(1, count + 1):
            names[f"conv{stage}_{number}"] = f"features.{place}"
            place += 2
        place += 1
    return names | {"fc6": "classifier.0", "fc7": "classifier.3"}


class VGG16(Classifier):
    """``features`` and ``classifier`` with torchvision's numbers; 224 pixels give maps of 7x7."""

    def __init__(self, name: str, num_classes: int, in_channels: int, width: int, batch_norm: bool) -> None:
        super().__init__(name, num_classes, in_channels, training_size=224, window=7)
        check_width(name, width)
        hidden = scaled(HIDDEN, width)
        layers: list[Module] = []
        with nn.init.skip():
            for stage in stages(in_channels, width, batch_norm=batch_norm):
                layers += [*stage.values(), nn.MaxPool2d(2)]
            self.features = nn.Sequential(*layers)
            self.classifier = nn.Sequential(
                nn.Linear(scaled(STAGES[-1][0], width) * self.window**2, hidden),
                nn.ReLU(),
                nn.Dropout(),
                nn.Linear(hidden, hidden),
                nn.ReLU(),
                nn.Dropout(),
                nn.Linear(hidden, num_classes),
            )
        initialise(self)

    @property
    def score_layers(self) -> tuple[str, ...]:
        """The last fully connected layer."""
        return ("classifier.6",)

    @property
    def min_size(self) -> tuple[int, int]:
        """The image at which the last maps have one unit."""
        return 32, 32

    def body(self) -> nn.Sequential:
        """The convolutions."""
        return self.features

    def head(self) -> nn.Sequential:
        """The fully connected layers."""
        return self.classifier


def vgg16(num_classes: int, in_channels: int = 3, width: int = PAPER_WIDTH) -> VGG16:
    """VGG16, a classifier: 13 convolutions and 3 fully connected layers, 138,357,544 parameters for 1000 classes."""
    return VGG16("vgg16", num_classes, in_channels, width, batch_norm=False)


def vgg16_bn(num_classes: int, in_channels: int = 3, width: int = PAPER_WIDTH) -> VGG16:
    """VGG16 with a batch norm after each convolution, as torchvision's vgg16_bn."""
    return VGG16("vgg16_bn", num_classes, in_channels, width, batch_norm=True)
