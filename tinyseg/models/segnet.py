"""SegNet (Badrinarayanan, Kendall and Cipolla 2015): a decoder that knows where each maximum stood.

The encoder is the 13 convolutions of VGG16. Its pools remember which pixel won, and the decoder, the encoder's mirror
image, puts each number back at that place among zeros (max-unpooling) before it convolves. Nothing but these indices
is handed across, where U-Net hands over whole maps.
"""

from __future__ import annotations

from .. import nn
from ..tensor import Tensor
from .layers import check_width, draw
from .segmentation import SegmentationModel
from .vgg import DEPTHS


class SegNet(SegmentationModel):
    """Stages ``encoder`` and ``decoder``, the decoder's in the order of work. ``width``: channels of the first stage;
    each next one has twice as many, up to 8 times.

    Any size goes, without padding: pools round up (360 rows become 23 in four of them) and each unpooling is told the
    size that its pool has seen.
    """

    def __init__(self, num_classes: int, in_channels: int, width: int) -> None:
        super().__init__("segnet", num_classes, in_channels, stride=32)
        widths = [width, 2 * width, 4 * width, 8 * width, 8 * width]
        below = [in_channels, *widths]
        self.pool = nn.MaxPool2d(2, ceil_mode=True, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2)
        with nn.init.skip():
            self.encoder = nn.ModuleList(
                nn.Sequential(*_layers(before, w, w, depth))
                for before, w, depth in zip(below, widths, DEPTHS, strict=False)
            )
            self.decoder = nn.ModuleList(
                nn.Sequential(*_layers(w, w, after, depth))
                for after, w, depth in reversed([*zip(below[1:-1], widths[1:], DEPTHS[1:], strict=True)])
            )
            score = nn.Conv2d(width, num_classes, 3, padding=1)
            self.decoder.append(nn.Sequential(*_layers(width, width, width, DEPTHS[0] - 1), score))
        draw(self, nn.init.kaiming_normal_)

    @property
    def score_layers(self) -> tuple[str, ...]:
        """The decoder's last convolution."""
        return (f"decoder.{len(DEPTHS) - 1}.{len(self.decoder[-1]) - 1}",)

    def classifier_layers(self, batch_norm: bool) -> dict[str, str]:
        """The stages of the encoder are convolution, batch norm and ReLU in turn, as in VGG16's ``features``; a
        pooling is in ``features`` alone.

        >>> layers = segnet(num_classes=2, width=2).classifier_layers
        >>> layers(batch_norm=True)["encoder.1.0"], layers(batch_norm=False)["encoder.1.0"]
        ('features.7', 'features.5')
        """
        names, place = {}, 0
        for stage, depth in enumerate(DEPTHS):
            for number in range(depth):
                names[f"encoder.{stage}.{3 * number}"] = f"features.{place}"
                if batch_norm:
                    names[f"encoder.{stage}.{3 * number + 1}"] = f"features.{place + 1}"
                place += 3 if batch_norm else 2
            place += 1
        return names

    @property
    def single_unit(self) -> int:
        """The last pool is followed by no layer of its size."""
        return self.stride // 2

    def fitting(self, size: int) -> int:
        """Any size."""
        return size

    def logits(self, input: Tensor) -> Tensor:
        """Down with places and sizes noted, then back up through them."""
        seen = []
        for stage in self.encoder:
            input = stage(input)
            size = input.shape[2:]
            input, indices = self.pool(input)
            seen.append((indices, size))
        for stage, (indices, size) in zip(self.decoder, reversed(seen), strict=True):
            input = stage(self.unpool(input, indices, output_size=size))
        return input


def _layers(inputs: int, between: int, outputs: int, depth: int) -> list[nn.Module]:
    """``depth`` times: 3x3 convolution, batch norm, ReLU; the last one gives ``outputs`` channels."""
    layers: list[nn.Module] = []
    for number in range(1, depth + 1):
        after = outputs if number == depth else between
        layers += [nn.Conv2d(inputs, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        inputs = after
    return layers


def segnet(num_classes: int, in_channels: int = 3, width: int = 64) -> SegNet:
    """SegNet: VGG16's convolutions and their mirror image, unpooling by indices; 29.45 million parameters.

    The paper trains with SGD at a rate of 1e-3 and a momentum of 0.9, and weights classes by their median frequency.
    """
    check_width("segnet", width)
    return SegNet(num_classes, in_channels, width)
