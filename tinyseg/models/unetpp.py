"""U-Net++ (Zhou, Siddiquee, Tajbakhsh and Liang 2018): a U-Net whose skips are networks themselves.

X00 - X01 - X02 - X03 - X04      X[i,j] = H([up(X[i+1,j-1]), X[i,0], ..., X[i,j-1]])
  \\   /  \\   /  \\   /  \\   /
  X10 - X11 - X12 - X13          H is two 3x3 convolutions with ReLU. Each X[0,j] ends a U-Net of depth j;
    \\   /  \\   /  \\   /          they share the nodes X[i,0] on the left, and with deep supervision each
    X20 - X21 - X22              has a head that is trained, so that one may stop at any of them.
      ...
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import add

from .. import nn
from ..errors import OptionError
from ..ops.shape import cat
from ..tensor import Tensor
from .layers import draw
from .segmentation import Criterion, SegmentationModel


class UNetPlusPlus(SegmentationModel):
    """Nodes ``x{i}_{j}`` for i + j <= ``depth``, upsampling ``up{i}_{j}`` into them, and heads ``head{j}`` on X[0,j]:
    all with deep supervision, otherwise the last. ``plain`` leaves the nodes inside out: a U-Net.
    """

    def __init__(
        self, num_classes: int, in_channels: int, width: int, depth: int, deep_supervision: bool, plain: bool
    ) -> None:
        super().__init__("unetpp", num_classes, in_channels, stride=2**depth)
        self.width, self.depth, self.deep_supervision, self.plain = width, depth, deep_supervision, plain
        self.pool = nn.MaxPool2d(2)
        with nn.init.skip():
            self._build()
        draw(self, nn.init.kaiming_normal_)

    def _build(self) -> None:
        width, depth, plain = self.width, self.depth, self.plain
        widths = [width * 2**level for level in range(depth + 1)]
        for level, (before, channels) in enumerate(zip([self.in_channels, *widths], widths, strict=False)):
            setattr(self, f"x{level}_0", _double_conv(before, channels))
        for level, place in self._inside():
            channels = widths[level]
            setattr(self, f"up{level}_{place}", nn.ConvTranspose2d(2 * channels, channels, 2, stride=2))
            met = 2 if plain else place + 1
            setattr(self, f"x{level}_{place}", _double_conv(met * channels, channels))
        for place in self.supervised:
            setattr(self, f"head{place}", nn.Conv2d(width, self.num_classes, 1))

    def _inside(self) -> list[tuple[int, int]]:
        """The nodes that something comes up to, in an order in which they can be computed."""
        return [
            (level, place)
            for place in range(1, self.depth + 1)
            for level in range(self.depth - place, -1, -1)
            if not self.plain or level + place == self.depth
        ]

    @property
    def supervised(self) -> range:
        """The j of those X[0,j] that have a head."""
        return range(1 if self.deep_supervision else self.depth, self.depth + 1)

    @property
    def score_layers(self) -> tuple[str, ...]:
        """The heads."""
        return tuple(f"head{place}" for place in self.supervised)

    def heads(self, input: Tensor) -> list[Tensor]:
        """The logits of each head, for sizes that are multiples of ``stride``."""
        nodes: dict[tuple[int, int], Tensor] = {}
        for level in range(self.depth + 1):
            input = getattr(self, f"x{level}_0")(self.pool(input) if level else input)
            nodes[level, 0] = input
        for level, place in self._inside():
            risen = getattr(self, f"up{level}_{place}")(nodes[level + 1, place - 1])
            beside = [nodes[level, 0]] if self.plain else [nodes[level, j] for j in range(place)]
            nodes[level, place] = getattr(self, f"x{level}_{place}")(cat([risen, *beside], 1))
        return [getattr(self, f"head{place}")(nodes[0, place]) for place in self.supervised]

    def logits(self, input: Tensor) -> Tensor:
        """The mean of all heads' logits."""
        found = self.heads(input)
        return found[0] if len(found) == 1 else reduce(add, found) / len(found)

    def loss(
        self, images: Tensor, labels: Tensor, criterion: Criterion, extra: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """The mean over all heads of each one's own loss."""
        self.check(images)
        self.check_extra(extra or {})
        parts = [criterion(logits, labels) for logits in self.fitted(images, self.heads)]
        return parts[0] if len(parts) == 1 else reduce(add, parts) / len(parts)

    def prune(self, depth: int) -> UNetPlusPlus:
        """The network cut at head ``depth`` (L1, L2, ... in the paper): a smaller one that gives what that head does,
        with the same memory for its weights. Raises ``ValueError`` for a depth without a head.

        >>> net = unetpp(num_classes=2, width=4, deep_supervision=True)
        >>> [sum(p.numel() for p in net.prune(depth).parameters()) for depth in (1, 2, 3, 4)]
        [1722, 8190, 34786, 141878]
        """
        if depth not in self.supervised:
            heads = ", ".join(map(str, self.supervised))
            raise ValueError(f"UNetPlusPlus.prune: depth must be that of a head ({heads}), got {depth}")
        with nn.init.skip():
            cut = UNetPlusPlus(self.num_classes, self.in_channels, self.width, depth, False, self.plain)
        for name in cut._modules:
            setattr(cut, name, self._modules[name])
        cut.preprocessing = self.preprocessing
        cut.train(self.training)
        return cut


def _double_conv(inputs: int, outputs: int) -> nn.Sequential:
    """Twice: 3x3 convolution, ReLU."""
    layers: list[nn.Module] = []
    for before in (inputs, outputs):
        layers += [nn.Conv2d(before, outputs, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)


def unetpp(
    num_classes: int,
    in_channels: int = 3,
    width: int = 32,
    depth: int = 4,
    deep_supervision: bool = False,
    plain: bool = False,
) -> UNetPlusPlus:
    """U-Net++: a U-Net whose skips are networks themselves; 9,041,601 parameters for 1 channel and 1 class.

    ``deep_supervision``: a head on each X[0,j] (9,041,700 parameters); training takes the mean of their losses, and
    the logits are the mean of theirs. The network can then be cut at a head (``prune``). ``plain``: without the nodes
    inside, the U-Net that the paper compares with (7,759,521). The paper's loss is 0.5 BCE - Dice.
    """
    if width < 1 or not 1 <= depth <= 8:
        raise OptionError(
            f"unetpp: {{width}} must be at least 1 and {{depth}} 1 to 8, got {width} and {depth}", "width", "depth"
        )
    if plain and deep_supervision:
        raise OptionError(
            "unetpp: {plain} has one head only, so there is no {deep_supervision}", "plain", "deep_supervision"
        )
    return UNetPlusPlus(num_classes, in_channels, width, depth, deep_supervision, plain)
