"""DeepLab (Chen et al. 2015 and 2018) on VGG16: LargeFOV, and atrous spatial pyramid pooling.

The last two poolings keep their windows but not their stride, so that maps stay at an eighth of the image's size; the
layers behind them are dilated ("atrous") to see as far as before. LargeFOV has an fc6 of 3x3 with rate 12 instead of
7x7. ASPP has four such heads side by side, of different rates, whose scores are added: objects of several sizes.

Poolings are 3 wide and padded, so units stand on pixels 0, 8, 16, ...: images are padded to 8 m + 1 pixels, and
scores are upsampled with aligned corners.
"""

from __future__ import annotations

from .. import nn
from ..geometry import padding_to_multiple
from ..nn import functional as F
from ..ops.network.pad import pad
from ..tensor import Tensor
from . import vgg
from .layers import PAPER_WIDTH, check_choice, check_width, initialise, run, scaled
from .network import Conventions
from .segmentation import SegmentationModel

STRIDE = 8
HIDDEN = 1024
RATES = {"largefov": (12,), "aspp-s": (2, 4, 8, 12), "aspp-l": (6, 12, 18, 24)}
STD = 0.01


class DeepLab(SegmentationModel):
    """VGG16's layers by its names; fc6, fc7 and fc8, for ASPP fc6_1 ... fc8_4."""

    def __init__(self, num_classes: int, in_channels: int, head: str, width: int) -> None:
        super().__init__("deeplab", num_classes, in_channels, stride=STRIDE)
        channels, hidden = scaled(vgg.STAGES[-1][0], width), scaled(HIDDEN, width)
        with nn.init.skip():
            trunk: dict[str, nn.Module] = {}
            for number, stage in enumerate(vgg.stages(in_channels, width, last_dilation=2), start=1):
                trunk |= stage | {f"pool{number}": nn.MaxPool2d(3, 2 if number < 4 else 1, 1)}
            if head == "largefov":
                trunk["pool5a"] = nn.AvgPool2d(3, 1, 1)
            self._trunk = tuple(trunk)
            for name, layer in trunk.items():
                setattr(self, name, layer)
            self._branches = tuple(
                self._add_branch("" if head == "largefov" else f"_{number}", channels, hidden, rate)
                for number, rate in enumerate(RATES[head], start=1)
            )
        own = {"fc6", "fc7"}  # smaller than the classifier's, and not made of them
        self.classifier_names = {name: place for name, place in vgg.classifier_names().items() if name not in own}
        initialise(self)
        for branch in self._branches:
            nn.init.normal_(getattr(self, branch[-1]).weight, 0.0, STD)

    def _add_branch(self, suffix: str, channels: int, hidden: int, rate: int) -> tuple[str, ...]:
        """The layers of one rate; their names in order."""
        layers = {
            "fc6": nn.Conv2d(channels, hidden, 3, padding=rate, dilation=rate),
            "relu6": nn.ReLU(),
            "drop6": nn.Dropout(),
            "fc7": nn.Conv2d(hidden, hidden, 1),
            "relu7": nn.ReLU(),
            "drop7": nn.Dropout(),
            "fc8": nn.Conv2d(hidden, self.num_classes, 1),
        }
        for name, layer in layers.items():
            setattr(self, f"{name}{suffix}", layer)
        return tuple(f"{name}{suffix}" for name in layers)

    @property
    def score_layers(self) -> tuple[str, ...]:
        """fc8 of each rate."""
        return tuple(branch[-1] for branch in self._branches)

    @property
    def conventions(self) -> Conventions:
        """Each head's rate: the pyramids differ in nothing else."""
        return {branch[0]: {"dilation": getattr(self, branch[0]).dilation[0]} for branch in self._branches}

    @property
    def min_size(self) -> tuple[int, int]:
        """One pixel."""
        return 1, 1

    def _layers(self, names: tuple[str, ...]) -> list[nn.Module]:
        return [getattr(self, name) for name in names]

    def scores(self, input: Tensor) -> Tensor:
        """(N, in_channels, 8 m + 1, 8 n + 1) -> (N, num_classes, m + 1, n + 1), before upsampling."""
        maps = run(self._layers(self._trunk), input)
        first, *others = (run(self._layers(branch), maps) for branch in self._branches)
        for scores in others:
            first = first + scores
        return first

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes, H, W), for images of any size."""
        self.check(input)
        height, width = input.shape[2:]
        rows, columns = (padding_to_multiple(size - 1, STRIDE) for size in (height, width))
        if rows or columns:
            input = pad(input, (0, columns, 0, rows))
        size = input.shape[2:]
        scores = F.interpolate(self.scores(input), size=size, mode="bilinear", align_corners=True)
        return scores[:, :, :height, :width]


def deeplab(num_classes: int, in_channels: int = 3, head: str = "largefov", width: int = PAPER_WIDTH) -> DeepLab:
    """DeepLab on VGG16: head 'largefov' (20.5M parameters), or a pyramid of rates, 'aspp-s' or 'aspp-l'."""
    check_choice("deeplab", "head", head, RATES)
    check_width("deeplab", width)
    return DeepLab(num_classes, in_channels, head, width)
