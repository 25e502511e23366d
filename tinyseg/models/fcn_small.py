"""Fully convolutional networks (Long, Shelhamer and Darrell 2015) for small machines.

A classifier's layers are run over the whole image: five stages of convolutions, each followed by a 2x2 pooling,
so that one unit of the last stage stands for 32x32 pixels. A 1x1 convolution scores the classes there, and
transposed convolutions bring the scores back to pixels. FCN-32s does that in one step. FCN-16s and FCN-8s first
add the scores of stage 4 (and stage 3), which know less about what is there and more about where.

    image - 1 - 2 - 3 ------ 4 ------ 5            stages, each halving the image
                    |score   |score   |score
                    |        + --x2---/
                    + --x2---/
                    x8 -> pixels

The same over the classifiers that the paper took, with their paddings and crops: ``fcn_paper.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..tensor import Tensor
from .fixed_bilinear import FixedBilinear
from .segmentation import SegmentationModel

SMALL_WIDTHS = (16, 32, 64, 128, 128)


class SmallBackbone(nn.Module):
    """Five VGG-like stages of two 3x3 convolutions with batch norm and ReLU, for small machines."""

    def __init__(self, in_channels: int, widths: Sequence[int] = SMALL_WIDTHS) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.pool = nn.MaxPool2d(2)
        for number, (before, width) in enumerate(zip((in_channels, *widths), widths, strict=False), start=1):
            setattr(self, f"stage{number}", nn.Sequential(*_block(before, width), *_block(width, width)))

    def forward(self, input: Tensor) -> list[Tensor]:
        """The pooled output of each stage, at 1/2, 1/4, 1/8, 1/16 and 1/32 of the image's size."""
        pooled = []
        for number in range(1, 6):
            input = self.pool(getattr(self, f"stage{number}")(input))
            pooled.append(input)
        return pooled


def _block(inputs: int, outputs: int) -> list[nn.Module]:
    """Convolution, batch norm (which has the bias), ReLU."""
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


class SmallFCN(SegmentationModel):
    """FCN-32s, -16s or -8s over a backbone: ``scored`` stages, the deepest first, are scored and added up."""

    def __init__(self, name: str, num_classes: int, in_channels: int, backbone: SmallBackbone, scored: int) -> None:
        super().__init__(name, num_classes, in_channels, stride=32)
        self.backbone = backbone
        self.scored = scored
        for stage in range(5, 5 - scored, -1):
            score = nn.Conv2d(backbone.widths[stage - 1], num_classes, 1)
            # The paper starts scores at zero: a new skip changes nothing until it has learnt something.
            nn.init.zeros_(score.weight)
            nn.init.zeros_(score.bias)
            setattr(self, f"score{stage}", score)
        for stage in range(5, 6 - scored, -1):
            up = nn.ConvTranspose2d(num_classes, num_classes, 4, stride=2, padding=1, bias=False)
            nn.init.bilinear_(up.weight)
            setattr(self, f"up{stage}", up)
        self.up = FixedBilinear(num_classes, 2 ** (6 - scored))

    @property
    def score_layers(self) -> tuple[str, ...]:
        """Scores and upsampling."""
        return tuple(name for name, _ in self.named_children() if name.startswith(("score", "up")))

    def trunk(self) -> list[nn.Module]:
        """The layers that a classifier would have."""
        return [self.backbone]

    def logits(self, input: Tensor) -> Tensor:
        """Scores from the deepest stage up, doubled in size and added to those of the next."""
        pooled = self.backbone(input)
        scores = self.score5(pooled[4])
        for stage in range(4, 5 - self.scored, -1):
            scores = getattr(self, f"up{stage + 1}")(scores) + getattr(self, f"score{stage}")(pooled[stage - 1])
        return self.up(scores)
