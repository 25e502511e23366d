"""Fully convolutional networks (Long, Shelhamer and Darrell 2015) for small machines.

A classifier's layers are run over the whole image: five stages of convolutions, each followed by a 2x2 pooling,
so that one unit of the last stage stands for 32x32 pixels. Images are padded to a multiple of that, so the maps of
``fcn_decoder.py`` fit onto each other without a cut: FCN-16s and FCN-8s add the scores of stage 4 (and stage 3).

The same over the classifiers that the paper took, with their paddings and crops: ``fcn_paper.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..tensor import Tensor
from .fcn_decoder import STRIDE, FCNDecoder, ScoredMap, Upsampling

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


class SmallFCN(FCNDecoder):
    """FCN-32s, -16s or -8s over a backbone: ``scored`` stages, the deepest first, are scored and added up."""

    def __init__(self, name: str, num_classes: int, in_channels: int, backbone: SmallBackbone, scored: int) -> None:
        super().__init__(name, num_classes, in_channels)
        self.backbone = backbone
        self.scored = scored
        stages = range(5, 5 - scored, -1)
        factor = STRIDE >> (scored - 1)
        self._add_heads(
            [ScoredMap(f"score{stage}", backbone.widths[stage - 1]) for stage in stages],
            [
                *(Upsampling(f"up{stage}", kernel=4, padding=1) for stage in stages[:-1]),
                Upsampling("up", kernel=2 * factor, padding=factor // 2),
            ],
            draws=True,  # as always: the same seed is to give the same numbers to what is built next
        )

    def trunk(self) -> list[nn.Module]:
        """The layers that a classifier would have."""
        return [self.backbone]

    def logits(self, input: Tensor) -> Tensor:
        """Scores from the deepest stage up, doubled in size and added to those of the next."""
        return self._scores(self.backbone(input)[-self.scored :])
