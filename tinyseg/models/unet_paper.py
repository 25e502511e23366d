"""U-Net as its paper has it (Ronneberger, Fischer and Brox 2015): convolutions without padding.

Each convolution loses the border where its window would look outside, so every score rests on pixels that are there:
an input of 572x572 gives scores for the 388x388 in its middle. An image is therefore entered with a border of 92
pixels, mirrored, and large ones can be predicted tile by tile without seams (the paper's overlap-tile strategy).

    572 - 570 - 568 -------------------------------- crop, concatenate - 392 - 390 - 388 - 1x1
                 | pool                                    | x2
                284 - 282 - 280 --------- ... - 200 - 198 - 196
                             :                 :
                             32 - 30 - 28 - x2
"""

from __future__ import annotations

import math

from .. import nn
from ..errors import OptionError
from ..nn.functional import centre_crop
from ..ops.shape import cat
from ..tensor import Tensor
from .mirror_padding import mirrored
from .segmentation import SegmentationModel


class PaperUNet(SegmentationModel):
    """``depth`` halvings; the first level has ``width`` channels, each next one twice as many.

    ``logits`` is the network, from 2^depth k + 4 (2^depth - 1) pixels to 2^depth (k - 4) - 4 (2^depth - 1): 16 k + 60
    to 16 k - 124. ``forward`` mirrors the image's border, so that the scores cover the image.
    """

    def __init__(self, num_classes: int, in_channels: int, width: int, depth: int, released: bool) -> None:
        super().__init__("unet_paper", num_classes, in_channels, stride=2**depth)
        widths = [width * 2**level for level in range(depth + 1)]
        risen = widths[:-1]  # channels that come up to each level
        if released:
            risen = [2 * width, *widths[1:-1]]
        levels = [*zip(widths, risen, strict=False)][::-1]
        self.pool = nn.MaxPool2d(2)
        with nn.init.skip():
            self.down = nn.ModuleList(
                _double_conv(a, b, dropout=level >= depth - 1)
                for level, (a, b) in enumerate(zip([in_channels, *widths], widths, strict=False))
            )
            self.up = nn.ModuleList(_up(2 * w, r, released) for w, r in levels)
            self.merge = nn.ModuleList(_double_conv(r + w, w) for w, r in levels)
            self.score = nn.Conv2d(width, num_classes, 1)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                _initialise(layer)

    @property
    def score_layers(self) -> tuple[str, ...]:
        """The last convolution."""
        return ("score",)

    @property
    def margin(self) -> int:
        """Pixels that are lost on each side: 92 for depth 4."""
        return 6 * self.stride - 4

    def fitting(self, size: int) -> int:
        """The least output, of ``size`` rows or more."""
        return self.stride * math.ceil((size - 4) / self.stride) + 4

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes, H, W), by mirrored borders. Raises ``ValueError`` for other
        channels or too small images.
        """
        self.check(input)
        height, width = input.shape[2:]
        rows, columns = self.fitting(height) - height, self.fitting(width) - width
        top, left = rows // 2, columns // 2
        more = self.margin
        borders = more + left, more + columns - left, more + top, more + rows - top
        scores = self.logits(mirrored(input, borders))
        return scores[:, :, top : top + height, left : left + width]

    def logits(self, input: Tensor) -> Tensor:
        """Down, then up again with the middle of the skips; the result is smaller by twice the ``margin``."""
        skips = []
        for level, block in enumerate(self.down):
            input = block(self.pool(input) if level else input)
            skips.append(input)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips[:-1]), strict=True):
            risen = up(input)
            input = merge(cat([risen, centre_crop(skip, risen.shape[2:])], 1))
        return self.score(input)


def _double_conv(inputs: int, outputs: int, dropout: bool = False) -> nn.Sequential:
    """Twice: 3x3 convolution without padding, ReLU; then dropout, at the end of the contracting path."""
    layers: list[nn.Module] = []
    for before in (inputs, outputs):
        layers += [nn.Conv2d(before, outputs, 3), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.Dropout(0.5)] if dropout else []))


def _up(inputs: int, outputs: int, activation: bool) -> nn.Module:
    convolution = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
    return nn.Sequential(convolution, nn.ReLU()) if activation else convolution


def _initialise(convolution: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Weights N(0, 2 / N), where N numbers make one of the output (section 3): of an up-convolution, one from each
    channel. The bias is 0.
    """
    taps = math.prod(convolution.kernel_size) // math.prod(convolution.stride)
    nn.init.normal_(convolution.weight, 0.0, math.sqrt(2 / (convolution.in_channels * taps)))
    nn.init.zeros_(convolution.bias)


def unet_paper(
    num_classes: int, in_channels: int = 3, width: int = 64, depth: int = 4, released: bool = False
) -> PaperUNet:
    """U-Net as in its paper, without padding: 31,030,658 parameters for 1 channel and 2 classes.

    Dropout of 0.5 stands behind the last two levels of the path down. ``released``: the model that was published with
    the paper differs from it; its last up-convolution keeps 128 channels, and a ReLU follows each of them (31,100,354
    parameters).
    """
    if width < 1 or not 1 <= depth <= 8:
        raise OptionError(
            f"unet_paper: {{width}} must be at least 1 and {{depth}} 1 to 8, got {width} and {depth}",
            "width",
            "depth",
        )
    return PaperUNet(num_classes, in_channels, width, depth, released)
