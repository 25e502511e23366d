"""DeconvNet (Noh, Hong and Han 2015): VGG16, fully connected layers and all, and its mirror image.

As in SegNet each unpooling puts numbers back where its pool found them. Between the two halves stand the classifier's
layers fc6 (7x7) and fc7, and a transposed convolution that mirrors fc6, so that the middle of a 224x224 image is a
single unit that has seen all of it.

    224 - 112 - 56 - 28 - 14 - 7 - fc6 1 - fc7 1 - 7 - 14 - 28 - 56 - 112 - 224
"""

from __future__ import annotations

from itertools import pairwise

from .. import nn
from ..tensor import Tensor
from .layers import check_width, draw
from .segmentation import SegmentationModel
from .vgg import DEPTHS

WINDOW = 7
"""Side of the maps that the fully connected layers see."""


class DeconvNet(SegmentationModel):
    """Stages ``encoder``, ``middle`` (fc6, fc7 and back), stages ``decoder`` in the order of work, ``score``.

    ``width``: channels of the first stage; the next ones have 2, 4, 8 and 8 times as many, fc6 and fc7 64 times.
    Images smaller than 224x224 are padded to it; of larger ones the middle is a map.
    """

    def __init__(self, num_classes: int, in_channels: int, width: int) -> None:
        super().__init__("deconvnet", num_classes, in_channels, stride=32)
        widths = [width, 2 * width, 4 * width, 8 * width, 8 * width]
        deep, wide = widths[-1], 64 * width
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2)
        with nn.init.skip():
            self.encoder = nn.ModuleList(
                nn.Sequential(*_stage(nn.Conv2d, [before, *[w] * depth]))
                for before, w, depth in zip([in_channels, *widths], widths, DEPTHS, strict=False)
            )
            self.middle = nn.Sequential(
                *_block(nn.Conv2d(deep, wide, WINDOW)),
                *_block(nn.Conv2d(wide, wide, 1)),
                *_block(nn.ConvTranspose2d(wide, deep, WINDOW)),
            )
            self.decoder = nn.ModuleList(
                nn.Sequential(*_stage(nn.ConvTranspose2d, [*[w] * depth, after]))
                for after, w, depth in reversed([*zip([width, *widths], widths, DEPTHS, strict=False)])
            )
            self.score = nn.Conv2d(width, num_classes, 1)
        draw(self, lambda weight: nn.init.normal_(weight, 0.0, 0.01))  # section 4.2

    @property
    def score_layers(self) -> tuple[str, ...]:
        """The last convolution."""
        return ("score",)

    @property
    def single_unit(self) -> int:
        """fc6 makes one of 224x224."""
        return WINDOW * self.stride

    def fitting(self, size: int) -> int:
        """A multiple of 32, and 224 at least."""
        return max(super().fitting(size), WINDOW * self.stride)

    def logits(self, input: Tensor) -> Tensor:
        """Down to the middle with places noted, then back up through them."""
        seen = []
        for stage in self.encoder:
            input, indices = self.pool(stage(input))
            seen.append(indices)
        input = self.middle(input)
        for stage, indices in zip(self.decoder, reversed(seen), strict=True):
            input = stage(self.unpool(input, indices))
        return self.score(input)


def _stage(kind: type[nn.Conv2d] | type[nn.ConvTranspose2d], channels: list[int]) -> list[nn.Module]:
    """3x3 layers from each number of channels to the next."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += _block(kind(before, after, 3, padding=1))
    return layers


def _block(layer: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    """The layer, batch norm, ReLU."""
    return [layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU()]


def deconvnet(num_classes: int, in_channels: int = 3, width: int = 64) -> DeconvNet:
    """DeconvNet: VGG16 with its fully connected layers, and their mirror image; 251.8 million parameters."""
    check_width("deconvnet", width)
    return DeconvNet(num_classes, in_channels, width)
