"""FC-DenseNet (Jegou, Drozdzal, Vazquez, Romero and Bengio 2016): the Tiramisu.

A dense block's layers each add ``growth`` channels to a stack that all later ones read. Going down, a block's whole
stack is pooled. Going up, only the features that are new in the block below are brought up, for the whole stack would
grow without end; the skip has the stack of its level.

    48 - block, pool (5 times) - block - up, skip, block (5 times) - 1x1
"""

from __future__ import annotations

from .. import nn
from ..errors import OptionError
from ..ops.shape import cat
from ..tensor import Tensor
from .layers import draw
from .segmentation import SegmentationModel


class DenseBlock(nn.Module):
    """Layers of batch norm, ReLU, 3x3 convolution and dropout, each of which reads the input and all before it.

    The stack's channels from ``inputs`` on are those that the block itself has added.
    """

    def __init__(self, inputs: int, layers: int, growth: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.layers = nn.ModuleList(_layer(inputs + number * growth, growth, 3) for number in range(layers))

    def forward(self, input: Tensor) -> Tensor:
        """(N, inputs, H, W) -> the whole stack, (N, inputs + layers growth, H, W)."""
        for layer in self.layers:
            input = cat([input, layer(input)], 1)
        return input


class FCDenseNet(SegmentationModel):
    """``blocks``: layers of each block, as many down as up and one in the middle (five and five in the paper).
    ``width``: channels of the first convolution.

    Any size goes, without padding: pools round down, and a transposed convolution gives a row more than twice as
    many, of which the skip's number is kept.
    """

    def __init__(
        self, name: str, num_classes: int, in_channels: int, width: int, growth: int, blocks: tuple[int, ...]
    ) -> None:
        super().__init__(name, num_classes, in_channels, stride=2 ** (len(blocks) // 2))
        self.pool = nn.MaxPool2d(2)
        with nn.init.skip():
            self._build(width, growth, blocks)
        draw(self, nn.init.kaiming_uniform_)  # section 4.1

    def _build(self, width: int, growth: int, blocks: tuple[int, ...]) -> None:
        levels = len(blocks) // 2
        self.first = nn.Conv2d(self.in_channels, width, 3, padding=1)
        self.down, self.thin, self.up, self.merge = (nn.ModuleList() for _ in range(4))
        channels, skips = width, []
        for layers in blocks[:levels]:
            self.down.append(DenseBlock(channels, layers, growth))
            channels += layers * growth
            skips.append(channels)
            self.thin.append(_layer(channels, channels, 1))
        self.middle = DenseBlock(channels, blocks[levels], growth)
        new = blocks[levels] * growth
        for layers, skip in zip(blocks[levels + 1 :], reversed(skips), strict=True):
            self.up.append(nn.ConvTranspose2d(new, new, 3, stride=2))
            channels = new + skip
            self.merge.append(DenseBlock(channels, layers, growth))
            channels, new = channels + layers * growth, layers * growth
        self.score = nn.Conv2d(channels, self.num_classes, 1)

    @property
    def score_layers(self) -> tuple[str, ...]:
        """The last convolution."""
        return ("score",)

    @property
    def single_unit(self) -> int:
        """Pools round down."""
        return 2 * self.stride - 1

    def fitting(self, size: int) -> int:
        """Any size."""
        return size

    def logits(self, input: Tensor) -> Tensor:
        """Down with stacks, up with what is new; the last block's whole stack is scored."""
        input, skips = self.first(input), []
        for block, thin in zip(self.down, self.thin, strict=True):
            skips.append(block(input))
            input = self.pool(thin(skips[-1]))
        new = self.middle(input)[:, self.middle.inputs :]
        for up, merge, skip in zip(self.up, self.merge, reversed(skips), strict=True):
            height, width = skip.shape[2:]
            stack = merge(cat([up(new)[:, :, :height, :width], skip], 1))
            new = stack[:, merge.inputs :]
        return self.score(stack)


def _layer(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Batch norm, ReLU, a convolution that keeps the size, dropout of 0.2."""
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    return nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(), convolution, nn.Dropout(0.2))


def _fcdensenet(
    name: str, num_classes: int, in_channels: int, width: int, growth: int, blocks: tuple[int, ...]
) -> FCDenseNet:
    if width < 1 or growth < 1:
        raise OptionError(
            f"{name}: {{width}} and {{growth}} must be at least 1, got {width} and {growth}", "width", "growth"
        )
    return FCDenseNet(name, num_classes, in_channels, width, growth, blocks)


def fcdensenet56(num_classes: int, in_channels: int = 3, width: int = 48, growth: int = 12) -> FCDenseNet:
    """FC-DenseNet56: 4 layers in each block; 1.377 million parameters."""
    return _fcdensenet("fcdensenet56", num_classes, in_channels, width, growth, (4,) * 11)


def fcdensenet67(num_classes: int, in_channels: int = 3, width: int = 48, growth: int = 16) -> FCDenseNet:
    """FC-DenseNet67: 5 layers in each block; 3.463 million parameters."""
    return _fcdensenet("fcdensenet67", num_classes, in_channels, width, growth, (5,) * 11)


def fcdensenet103(num_classes: int, in_channels: int = 3, width: int = 48, growth: int = 16) -> FCDenseNet:
    """FC-DenseNet103: from 4 to 15 layers in a block; 9.322 million parameters.

    The paper trains with RMSprop at a rate of 1e-3, times 0.995 an epoch, weight decay 1e-4, batches of 3 crops of
    224x224.
    """
    blocks = (4, 5, 7, 10, 12, 15, 12, 10, 7, 5, 4)
    return _fcdensenet("fcdensenet103", num_classes, in_channels, width, growth, blocks)
