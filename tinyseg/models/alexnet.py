"""AlexNet (Krizhevsky, Sutskever and Hinton 2012) in the two forms that weights exist for.

The paper's, as Caffe's CaffeNet has it: convolutions 2, 4 and 5 in two groups (once two GPUs), response
normalisation after the first two poolings; 227 pixels become 55, 27, 13, and 1. And torchvision's ("one weird
trick", Krizhevsky 2014), without either.
"""

from __future__ import annotations

from .. import nn
from ..nn import Module
from .classifier import Classifier
from .layers import PAPER_WIDTH, check_choice, check_width, initialise, scaled
from .vgg import HIDDEN

CHANNELS = {"paper": (96, 256, 384, 384, 256), "torchvision": (64, 192, 384, 256, 256)}
WINDOW = 6
POOLED = (1, 2, 5)
FORMS = tuple(CHANNELS)


def layer_names(form: str) -> list[str]:
    """The layers before the fully connected ones, in order."""
    names = []
    for place in range(1, 6):
        names += [f"conv{place}", f"relu{place}"]
        if place in POOLED:
            names.append(f"pool{place}")
        if place in POOLED[:2] and form == "paper":
            names.append(f"norm{place}")
    return names


def convolutions(in_channels: int, width: int, form: str, first_padding: int, ceil_mode: bool) -> dict[str, Module]:
    """The layers before the fully connected ones by Caffe's names: conv1, relu1, pool1, norm1, conv2, ..."""
    kernels, paddings = (11, 5, 3, 3, 3), (first_padding, 2, 1, 1, 1)
    channels = (in_channels, *(scaled(number, width) for number in CHANNELS[form]))
    paper = form == "paper"
    layers: dict[str, Module] = {}
    for name in layer_names(form):
        kind, place = name[:4], int(name[4]) - 1
        if kind == "conv":
            groups = 2 if paper and place in (1, 3, 4) else 1
            window = (kernels[place], 1 if place else 4, paddings[place])
            layers[name] = nn.Conv2d(channels[place], channels[place + 1], *window, groups=groups)
        elif kind == "pool":
            layers[name] = nn.MaxPool2d(3, 2, ceil_mode=ceil_mode)
        else:
            layers[name] = nn.ReLU() if kind == "relu" else nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75)
    return layers


def classifier_names(form: str) -> dict[str, str]:
    """For each layer of a network that is made of AlexNet its name in the classifier of that form.

    >>> classifier_names("torchvision")["conv3"], classifier_names("paper")["conv3"]
    ('features.6', 'features.8')
    """
    places = {name: place for place, name in enumerate(layer_names(form))}
    names = {name: f"features.{place}" for name, place in places.items() if name.startswith("conv")}
    return names | {"fc6": "classifier.1", "fc7": "classifier.4"}


class AlexNet(Classifier):
    """``features`` and ``classifier``; the numbers of torchvision's form are torchvision's."""

    def __init__(self, num_classes: int, in_channels: int, form: str, width: int) -> None:
        check_choice("alexnet", "form", form, FORMS)
        check_width("alexnet", width)
        size, padding = (227, 0) if form == "paper" else (224, 2)
        super().__init__("alexnet", num_classes, in_channels, training_size=size, window=WINDOW)
        hidden = scaled(HIDDEN, width)
        with nn.init.skip():
            self.features = nn.Sequential(*convolutions(in_channels, width, form, padding, form == "paper").values())
            self.classifier = nn.Sequential(
                nn.Dropout(),
                nn.Linear(scaled(CHANNELS[form][-1], width) * WINDOW**2, hidden),
                nn.ReLU(),
                nn.Dropout(),
                nn.Linear(hidden, hidden),
                nn.ReLU(),
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
        return 67, 67

    def body(self) -> nn.Sequential:
        """The convolutions."""
        return self.features

    def head(self) -> nn.Sequential:
        """The fully connected layers."""
        return self.classifier


def alexnet(num_classes: int, in_channels: int = 3, form: str = "paper", width: int = PAPER_WIDTH) -> AlexNet:
    """AlexNet, a classifier: 5 convolutions and 3 fully connected layers; as CaffeNet, or in torchvision's form."""
    return AlexNet(num_classes, in_channels, form, width)
