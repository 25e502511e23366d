"""The classifiers that fully convolutional networks are made of, without their last layer.

Each is given as its layers by name, in order, with what a network above needs to know: which poolings it may take
scores from, and how many channels are there.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import nn
from ..nn import Module
from . import vgg
from .alexnet import CHANNELS, WINDOW, convolutions
from .alexnet import classifier_names as alexnet_names
from .googlenet import layers as googlenet_layers
from .layers import scaled

PADDING = 100
"""Of the first convolution: with it the smallest image still gives one score behind the 7x7 of fc6."""


@dataclass(frozen=True)
class Trunk:
    """Layers by name. ``skips``: those behind which the maps of strides 16 and 8 are scored; ``channels`` of the last
    maps and of those two. ``kernel``: of the upsampling by 32. ``classifier_names``: what a layer is called in
    the classifier where that is another name. ``least``: side of the smallest image whose last maps have a unit.
    """

    layers: dict[str, Module]
    skips: tuple[str, str]
    channels: tuple[int, int, int]
    kernel: int
    classifier_names: dict[str, str]
    least: int = 1


def _convolutional_head(channels: int, hidden: int, window: int) -> dict[str, Module]:
    """fc6 and fc7 as convolutions."""
    return {
        "fc6": nn.Conv2d(channels, hidden, window),
        "relu6": nn.ReLU(),
        "drop6": nn.Dropout(),
        "fc7": nn.Conv2d(hidden, hidden, 1),
        "relu7": nn.ReLU(),
        "drop7": nn.Dropout(),
    }


def vgg16_trunk(in_channels: int, width: int, form: str) -> Trunk:
    """VGG16, which has one form: its poolings halve, so units stand between those of the layer before."""
    layers: dict[str, Module] = {}
    for number, stage in enumerate(vgg.stages(in_channels, width, first_padding=PADDING), start=1):
        layers |= stage | {f"pool{number}": nn.MaxPool2d(2, ceil_mode=True)}
    channels, hidden = [scaled(number, width) for number, _ in vgg.STAGES], scaled(vgg.HIDDEN, width)
    layers |= _convolutional_head(channels[-1], hidden, 7)
    return Trunk(layers, ("pool4", "pool3"), (hidden, channels[3], channels[2]), 64, vgg.classifier_names())


def alexnet_trunk(in_channels: int, width: int, form: str) -> Trunk:
    """AlexNet: its poolings are 3 wide, so each unit stands on one of the layer before."""
    layers = convolutions(in_channels, width, form, PADDING, ceil_mode=True)
    channels, hidden = [scaled(number, width) for number in CHANNELS[form]], scaled(vgg.HIDDEN, width)
    layers |= _convolutional_head(channels[-1], hidden, WINDOW)
    names = alexnet_names(form)
    return Trunk(layers, ("pool2", "pool1"), (hidden, channels[1], channels[0]), 63, names)


def googlenet_trunk(in_channels: int, width: int, form: str) -> Trunk:
    """GoogLeNet without its average pooling; no layer needs more padding than it has.

    The kernel of 64 that the published count of parameters has puts scores half a pixel beside their places.
    """
    layers = googlenet_layers(in_channels, width, form)
    channels = [layers[name].out_channels for name in ("inception5b", "inception3b")] + [scaled(192, width)]
    return Trunk(layers, ("maxpool3", "maxpool2"), (channels[0], channels[1], channels[2]), 64, {}, least=33)


TRUNKS = {"vgg16": vgg16_trunk, "alexnet": alexnet_trunk, "googlenet": googlenet_trunk}
