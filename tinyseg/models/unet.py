"""U-Net (Ronneberger, Fischer and Brox 2015), with padded convolutions and batch norm.

A path down, which doubles the channels as it halves the image, and a path up, which mirrors it; on each level what
the path down saw is concatenated to what comes up, so that the last layers have both context and detail.
"""

from __future__ import annotations

from .. import nn
from ..errors import OptionError
from ..ops.shape import cat
from ..tensor import Tensor
from .segmentation import SegmentationModel


def double_conv(inputs: int, outputs: int) -> nn.Sequential:
    """Twice: 3x3 convolution, batch norm, ReLU. Weights start as N(0, 2 / fan in), as the paper's."""
    layers: list[nn.Module] = []
    for before in (inputs, outputs):
        convolution = nn.Conv2d(before, outputs, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight)
        layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(SegmentationModel):
    """``depth`` halvings; the first level has ``width`` channels, each next one twice as many."""

    def __init__(self, num_classes: int, in_channels: int, width: int, depth: int) -> None:
        super().__init__("unet", num_classes, in_channels, stride=2**depth)
        widths = [width * 2**level for level in range(depth + 1)]
        self.pool = nn.MaxPool2d(2)
        self.down = nn.ModuleList(double_conv(a, b) for a, b in zip([in_channels, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1]))
        self.merge = nn.ModuleList(double_conv(2 * w, w) for w in reversed(widths[:-1]))
        self.score = nn.Conv2d(width, num_classes, 1)

    def logits(self, input: Tensor) -> Tensor:
        """Down, then up again with the skips."""
        skips = []
        for level, block in enumerate(self.down):
            input = block(self.pool(input) if level else input)
            skips.append(input)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips[:-1]), strict=True):
            input = merge(cat([up(input), skip], 1))
        return self.score(input)


def unet(num_classes: int, in_channels: int = 3, width: int = 32, depth: int = 4) -> UNet:
    """U-Net; ``width`` 32 and ``depth`` 4 make 7.8 million parameters, the paper's width is 64."""
    if width < 1 or not 1 <= depth <= 8:
        raise OptionError(
            f"unet: {{width}} must be at least 1 and {{depth}} 1 to 8, got {width} and {depth}", "width", "depth"
        )
    return UNet(num_classes, in_channels, width, depth)
