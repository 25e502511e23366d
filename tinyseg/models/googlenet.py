"""GoogLeNet (Szegedy et al. 2015) in the two forms that weights exist for.

Nine inceptions: each looks at its input through windows of 1x1, 3x3 and 5x5 and a pooling, side by side, with 1x1
convolutions before the larger ones that make them cheap. The paper's form, as Caffe has it, has biases and response
normalisation; torchvision's has batch norm without biases, 3x3 where the paper has 5x5, and a last pooling of 2x2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .. import nn
from ..nn import Module
from ..nn import functional as F
from ..ops.shape import cat
from ..tensor import Tensor
from .classifier import Classifier
from .layers import PAPER_WIDTH, check_choice, check_width, initialise, scaled

FORMS = ("paper", "torchvision")

# Channels: 1x1; 3x3, reduced and whole; 5x5, reduced and whole; behind the pooling.
INCEPTIONS = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}
AUXILIARY = {"aux1": "inception4a", "aux2": "inception4d"}


class Outputs(NamedTuple):
    """Scores in training, where the heads half-way down help the gradient; as torchvision orders them."""

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


def _convolution(before: int, after: int, kernel: int, form: str, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """A convolution, its batch norm in torchvision's form, ReLU."""
    if form == "paper":
        return nn.Sequential({"conv": nn.Conv2d(before, after, kernel, stride, padding), "relu": nn.ReLU()})
    convolution = nn.Conv2d(before, after, kernel, stride, padding, bias=False)
    return nn.Sequential({"conv": convolution, "bn": nn.BatchNorm2d(after, eps=1e-3), "relu": nn.ReLU()})


class Inception(Module):
    """Four branches side by side, concatenated; ``out_channels`` in all."""

    def __init__(self, before: int, channels: tuple[int, ...], form: str) -> None:
        super().__init__()
        one, small, three, tiny, five, pooled = channels
        large = 5 if form == "paper" else 3
        self.out_channels = one + three + five + pooled
        self.branch1 = _convolution(before, one, 1, form)
        self.branch2 = nn.Sequential(
            _convolution(before, small, 1, form), _convolution(small, three, 3, form, padding=1)
        )
        self.branch3 = nn.Sequential(
            _convolution(before, tiny, 1, form), _convolution(tiny, five, large, form, padding=large // 2)
        )
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), _convolution(before, pooled, 1, form))

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H, W)."""
        return cat([branch(input) for branch in (self.branch1, self.branch2, self.branch3, self.branch4)], 1)


class _Auxiliary(Module):
    """A head half-way down: maps brought to 4x4, a 1x1 convolution, two fully connected layers.

    The paper brings 14x14 to 4x4 by means over 5x5, 3 apart; torchvision, as we do for other sizes, adaptively.
    """

    def __init__(self, before: int, num_classes: int, width: int, form: str) -> None:
        super().__init__()
        channels, hidden = scaled(128, width), scaled(1024, width)
        self.form = form
        self.conv = _convolution(before, channels, 1, form)
        self.fc1 = nn.Linear(channels * 16, hidden)
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(hidden, num_classes)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, num_classes)."""
        as_paper = self.form == "paper" and input.shape[2:] == (14, 14)
        pooled = F.avg_pool2d(input, 5, 3) if as_paper else F.adaptive_avg_pool2d(input, 4)
        return self.fc2(self.dropout(F.relu(self.fc1(self.conv(pooled).flatten(1)))))


def layers(in_channels: int, width: int, form: str) -> dict[str, Module]:
    """All layers before the average pooling, by torchvision's names."""
    w64, w192 = scaled(64, width), scaled(192, width)
    parts: dict[str, Module] = {"conv1": _convolution(in_channels, w64, 7, form, stride=2, padding=3)}
    parts["maxpool1"] = nn.MaxPool2d(3, 2, ceil_mode=True)
    if form == "paper":
        parts["norm1"] = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75)
    parts["conv2"] = _convolution(w64, w64, 1, form)
    parts["conv3"] = _convolution(w64, w192, 3, form, padding=1)
    if form == "paper":
        parts["norm2"] = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75)
    parts["maxpool2"] = nn.MaxPool2d(3, 2, ceil_mode=True)
    before = w192
    for name, channels in INCEPTIONS.items():
        block = Inception(before, tuple(scaled(number, width) for number in channels), form)
        parts[name], before = block, block.out_channels
        if name == "inception3b":
            parts["maxpool3"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        elif name == "inception4e":
            parts["maxpool4"] = nn.MaxPool2d(3 if form == "paper" else 2, 2, ceil_mode=True)
    return parts


class GoogLeNet(Classifier):
    """torchvision's names: conv1 ... inception5b, fc; aux1 and aux2 where ``auxiliary`` heads are asked for."""

    def __init__(self, num_classes: int, in_channels: int, form: str, auxiliary: bool, width: int) -> None:
        check_choice("googlenet", "form", form, FORMS)
        check_width("googlenet", width)
        super().__init__("googlenet", num_classes, in_channels, training_size=224, window=1)
        self.auxiliary = auxiliary
        with nn.init.skip():
            parts = layers(in_channels, width, form)
            self._order = tuple(parts)
            for name, part in parts.items():
                setattr(self, name, part)
            for name, place in AUXILIARY.items() if auxiliary else ():
                setattr(self, name, _Auxiliary(parts[place].out_channels, num_classes, width, form))
            self.dropout = nn.Dropout(0.4 if form == "paper" else 0.2)
            self.fc = nn.Linear(parts["inception5b"].out_channels, num_classes)
        initialise(self)

    @property
    def score_layers(self) -> tuple[str, ...]:
        """The last fully connected layers, of auxiliary heads too."""
        return ("fc", *(f"{name}.fc2" for name in AUXILIARY if self.auxiliary))

    @property
    def min_size(self) -> tuple[int, int]:
        """The image at which the last pooling has a whole window."""
        return 33, 33

    def body(self) -> nn.Sequential:
        """The layers before the average pooling."""
        return nn.Sequential({name: getattr(self, name) for name in self._order})

    def head(self) -> nn.Sequential:
        """Behind the average: dropout and the fully connected layer."""
        return nn.Sequential(self.dropout, self.fc)

    def window_layers(self) -> Iterator[Module]:
        """The average over 7x7 units, which are all there are at the training size."""
        yield nn.AvgPool2d(7, 1)

    def forward(self, input: Tensor) -> Any:
        """(N, in_channels, H, W) -> (N, num_classes); in training with auxiliary heads ``Outputs``."""
        if not (self.auxiliary and self.training):
            return super().forward(input)
        self.check(input)
        scores: dict[str, Tensor] = {}
        places = {place: name for name, place in AUXILIARY.items()}
        for part in self._order:
            input = getattr(self, part)(input)
            if part in places:
                scores[places[part]] = getattr(self, places[part])(input)
        return Outputs(self.classify(input), scores["aux2"], scores["aux1"])


def googlenet(
    num_classes: int,
    in_channels: int = 3,
    form: str = "paper",
    auxiliary: bool = False,
    width: int = PAPER_WIDTH,
) -> GoogLeNet:
    """GoogLeNet, a classifier: 22 layers deep, nine inceptions; in the paper's form or torchvision's."""
    return GoogLeNet(num_classes, in_channels, form, auxiliary, width)
