"""Fully convolutional networks over the classifiers of their paper (Long, Shelhamer and Darrell 2015).

The classifier's layers are run over the whole image. A 1x1 convolution scores the classes where one unit stands for
32x32 pixels, and a fixed bilinear upsampling brings the scores to pixels (FCN-32s). FCN-16s and FCN-8s first double
them by a layer that learns, and add the scores of a pooling further up, once and twice.

What the released networks crop by hand (VGG16: 19; 5 and 27; 5, 9 and 31; AlexNet: 18) is computed here from where
units stand over the image, see ``geometry.Grid``: the first convolution pads by 100, fc6 takes 7x7 away, and a map
is cut where the other one, or the image, begins.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from .. import nn
from ..geometry import Grid
from ..nn import functional as F
from ..ops.network.pad import pad
from ..tensor import Tensor
from .fcn_trunks import Trunk
from .fixed_bilinear import FixedBilinear
from .layers import grid_behind, initialise, run
from .network import Conventions
from .segmentation import SegmentationModel

AT_ONCE_SCALES = (0.01, 0.0001)
STRIDE = 32


class TwoScores(NamedTuple):
    """Scores of both heads of a network for SIFT Flow: (N, K, H, W) each."""

    semantic: Tensor
    geometric: Tensor


class FCN(SegmentationModel):
    """FCN-32s, -16s or -8s, by ``scored``: how many layers are scored. The trunk's layers are attributes of the
    network, under the names that public weights have; so are score_fr, upscore2, score_pool4, and so on.

    ``scales``: the skips' maps are multiplied by them before they are scored, which evens out their sizes where all
    is trained at once. With ``geometric_classes`` there is a second head of the same form (names end in ``_geo``);
    see ``both`` and ``joint_loss``. ``crops``: rows that are cut off, one number for each skip, then for the image.
    """

    def __init__(
        self,
        name: str,
        num_classes: int,
        in_channels: int,
        trunk: Trunk,
        scored: int,
        scales: tuple[float, float] = (1.0, 1.0),
        geometric_classes: int = 0,
    ) -> None:
        super().__init__(name, num_classes, in_channels, stride=STRIDE)
        self.scored, self.scales, self.geometric_classes = scored, scales, geometric_classes
        self.classifier_names, self._least = trunk.classifier_names, trunk.least
        for layer_name, layer in trunk.layers.items():
            setattr(self, layer_name, layer)
        initialise(*trunk.layers.values())
        self.skips = trunk.skips[: scored - 1]
        self._segments = _segments(list(trunk.layers), self.skips[::-1])
        self._alignments = self._align(trunk)
        self._add_head("", num_classes, trunk)
        if geometric_classes:
            self._add_head("_geo", geometric_classes, trunk)

    @property
    def score_layers(self) -> tuple[str, ...]:
        """Scores and upsampling, of both heads."""
        return tuple(name for name, _ in self.named_children() if name.startswith(("score_", "upscore")))

    @property
    def conventions(self) -> Conventions:
        """What a skip's map is multiplied by before it is scored."""
        heads = ("", "_geo") if self.geometric_classes else ("",)
        scaled = [*zip(self.skips, self.scales, strict=False)]
        return {f"score_{skip}{head}": {"scale": scale} for head in heads for skip, scale in scaled}

    @property
    def min_size(self) -> tuple[int, int]:
        """One pixel; what is smaller than the trunk needs is padded."""
        return 1, 1

    @property
    def crops(self) -> tuple[int, ...]:
        """As the papers' released networks list them; negative where it is the upsampled scores that are cut."""
        *skips, last = (cut for _, cut in self._alignments)
        return (*(-cut for cut in skips), last)

    def _align(self, trunk: Trunk) -> list[tuple[int, int]]:
        """For each upsampling its kernel, and which of its units stands where the first one of its target does."""
        grids, grid = [], Grid()
        for segment in self._segments:
            grid = grid_behind([trunk.layers[name] for name in segment], grid)
            grids.append(grid)
        scores, found = grids[-1], []
        for skip in reversed(grids[:-1]):
            kernel = _fitting_kernel(scores, 2, skip)
            doubled = scores.through_transposed(kernel, 2)
            cut = doubled.offset(skip)
            found.append((kernel, cut))
            scores = Grid(doubled.start + max(cut, 0) * doubled.stride, doubled.stride)
        factor = int(scores.stride)
        kernel = trunk.kernel if factor == STRIDE else _fitting_kernel(scores, factor, Grid())
        return [*found, (kernel, scores.through_transposed(kernel, factor).offset(Grid()))]

    def _add_head(self, suffix: str, classes: int, trunk: Trunk) -> None:
        """Scores that start at zero: a new skip changes nothing until it has learnt something."""
        for place, channels in zip(("fr", *self.skips), trunk.channels, strict=False):
            with nn.init.skip():
                score = nn.Conv2d(channels, classes, 1)
            setattr(self, f"score_{place}{suffix}", score)
        for name, (kernel, _) in zip(self._doublings(), self._alignments, strict=False):
            with nn.init.skip():
                up = nn.ConvTranspose2d(classes, classes, kernel, stride=2, bias=False)
            nn.init.bilinear_(up.weight)
            setattr(self, f"{name}{suffix}", up)
        factor = STRIDE >> len(self.skips)
        last = FixedBilinear(classes, factor, self._alignments[-1][0], padding=0)
        setattr(self, f"{self._last()}{suffix}", last)

    def _doublings(self) -> list[str]:
        """Names of the layers that double: the first after its factor, the others after what was added before."""
        return ["upscore2", *(f"upscore_{skip}" for skip in self.skips)][: len(self.skips)]

    def _last(self) -> str:
        return "upscore" if self.scored == 1 else f"upscore{STRIDE >> len(self.skips)}"

    def trunk(self) -> list[nn.Module]:
        """The classifier's layers."""
        return [getattr(self, name) for segment in self._segments for name in segment]

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes, H, W), for images of any size."""
        return self._scores(self._maps(input), "", input.shape[2:])

    def both(self, input: Tensor) -> TwoScores:
        """Scores of the semantic and of the geometric head; raises ``ValueError`` where there is only one."""
        if not self.geometric_classes:
            raise ValueError(f"{self.name}: has one head; build it with geometric_classes=3 for two")
        maps, size = self._maps(input), input.shape[2:]
        return TwoScores(self._scores(maps, "", size), self._scores(maps, "_geo", size))

    def _maps(self, input: Tensor) -> list[Tensor]:
        """What is scored, the deepest last."""
        self.check(input)
        missing = [max(self._least - size, 0) for size in input.shape[2:]]
        if any(missing):
            input = pad(input, (0, missing[1], 0, missing[0]))
        maps = []
        for segment in self._segments:
            input = run([getattr(self, name) for name in segment], input)
            maps.append(input)
        return maps

    def _scores(self, maps: list[Tensor], suffix: str, size: tuple[int, ...]) -> Tensor:
        """From the deepest maps up, doubled and added to those of the next, and cut to the image."""
        *others, deepest = maps
        scores = getattr(self, f"score_fr{suffix}")(deepest)
        steps = zip(self._doublings(), self.skips, self._alignments, self.scales, reversed(others), strict=False)
        for doubling, skip, (_, cut), scale, map_ in steps:
            doubled = getattr(self, f"{doubling}{suffix}")(scores)
            added = getattr(self, f"score_{skip}{suffix}")(map_ if scale == 1 else map_ * scale)
            scores = _sum_where_both_are(_from(doubled, max(cut, 0)), _from(added, max(-cut, 0)))
        upsampled = _from(getattr(self, f"{self._last()}{suffix}")(scores), self._alignments[-1][1])
        return upsampled[:, :, : size[0], : size[1]]


def _segments(names: list[str], ends: tuple[str, ...]) -> list[list[str]]:
    """``names`` cut behind each of ``ends``."""
    places = [0, *(names.index(end) + 1 for end in ends), len(names)]
    return [names[start:stop] for start, stop in pairwise(places)]


def _fitting_kernel(scores: Grid, factor: int, target: Grid) -> int:
    """The bilinear kernel behind which units stand where those of ``target`` do: of 2 f, between those that are
    upsampled, or of 2 f - 1, upon them.
    """
    for kernel in (2 * factor, 2 * factor - 1):
        if ((target.start - scores.through_transposed(kernel, factor).start) / target.stride).denominator == 1:
            return kernel
    raise ValueError(f"fcn: units at {scores} cannot be brought to those at {target}")


def _from(maps: Tensor, start: int) -> Tensor:
    return maps[:, :, start:, start:] if start else maps


def _sum_where_both_are(one: Tensor, other: Tensor) -> Tensor:
    height, width = (min(one.shape[axis], other.shape[axis]) for axis in (2, 3))
    return one[:, :, :height, :width] + other[:, :, :height, :width]


def joint_loss(
    scores: TwoScores,
    semantic: Tensor,
    geometric: Tensor,
    ignore_index: int = 255,
    reduction: str = "mean",
) -> Tensor:
    """The sum of the cross-entropies of two labellings of the same pixels (section 5, SIFT Flow).

    ``semantic``, ``geometric``: int64 (N, H, W); ``ignore_index`` is left out of each.

    >>> import tinyseg
    >>> scores = TwoScores(tinyseg.zeros(1, 33, 2, 2), tinyseg.zeros(1, 3, 2, 2))
    >>> labels = tinyseg.zeros(1, 2, 2, dtype="int64")
    >>> round(joint_loss(scores, labels, labels).item(), 4)  # log(33) + log(3)
    4.5951
    """
    first, second = (
        F.cross_entropy(logits, labels, ignore_index=ignore_index, reduction=reduction)
        for logits, labels in ((scores.semantic, semantic), (scores.geometric, geometric))
    )
    return first + second
