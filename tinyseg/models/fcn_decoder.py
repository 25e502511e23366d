"""The decoder of fully convolutional networks (Long, Shelhamer and Darrell 2015): from maps of features to pixels.

A 1x1 convolution scores the classes where one unit stands for 32x32 pixels, and a fixed bilinear upsampling brings
the scores to pixels (FCN-32s). FCN-16s and FCN-8s first double them by a layer that learns, and add the scores of a
map further up, once and twice, which knows less about what is there and more about where.

    image - 1 - 2 - 3 ------ 4 ------ 5            stages, each halving the image
                    |score   |score   |score
                    |        + --x2---/
                    + --x2---/
                    x8 -> pixels

The trunk says what the maps are and where their units stand: ``fcn_paper.py``, ``fcn_small.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import NamedTuple

from .. import nn
from ..nn import functional as F
from ..tensor import Tensor
from .fixed_bilinear import FixedBilinear
from .segmentation import Criterion, Outputs, SegmentationModel

STRIDE = 32


class ScoredMap(NamedTuple):
    """A map that is scored: by which layer, how many channels it has, and what it is multiplied by before."""

    layer: str
    channels: int
    scale: float = 1.0


class Upsampling(NamedTuple):
    """A layer that enlarges scores, its kernel, and the ``padding`` that it takes off on each side. ``cut``: which of
    its units stands where the first unit of its target does; negative where it is the target that is cut.
    """

    layer: str
    kernel: int
    padding: int = 0
    cut: int = 0


class ExtraHead(NamedTuple):
    """A head of the same form for an extra target: its classes, and what the names of its layers end in."""

    classes: int
    suffix: str


class FCNDecoder(SegmentationModel):
    """Scores of maps, the deepest first, doubled and added up. Subclasses set their trunk's layers as attributes,
    then call ``_add_heads``, and have ``_scores`` made of their maps.
    """

    def __init__(self, name: str, num_classes: int, in_channels: int) -> None:
        super().__init__(name, num_classes, in_channels, stride=STRIDE)

    def _add_heads(
        self,
        scored: Sequence[ScoredMap],
        upsamplings: Sequence[Upsampling],
        extra: Mapping[str, ExtraHead] | None = None,
        draws: bool = False,
    ) -> None:
        """``scored``: the maps, the deepest first; ``upsamplings``: a doubling for each but the first, then the one
        to pixels. ``draws``: random numbers are drawn for the layers, though they start with constants.
        """
        self._scored, self._upsamplings, self.extra = tuple(scored), tuple(upsamplings), dict(extra or {})
        for head in (ExtraHead(self.num_classes, ""), *self.extra.values()):
            with nullcontext() if draws else nn.init.skip():
                self._add_head(*head)

    def _add_head(self, classes: int, suffix: str) -> None:
        """Scores that start at zero: a new skip changes nothing until it has learnt something."""
        for place in self._scored:
            score = nn.Conv2d(place.channels, classes, 1)
            nn.init.zeros_(score.weight)
            nn.init.zeros_(score.bias)
            setattr(self, f"{place.layer}{suffix}", score)
        *doublings, last = self._upsamplings
        for doubling in doublings:
            up = nn.ConvTranspose2d(classes, classes, doubling.kernel, stride=2, padding=doubling.padding, bias=False)
            nn.init.bilinear_(up.weight)
            setattr(self, f"{doubling.layer}{suffix}", up)
        factor = STRIDE >> len(doublings)
        setattr(self, f"{last.layer}{suffix}", FixedBilinear(classes, factor, last.kernel, last.padding))

    @property
    def score_layers(self) -> tuple[str, ...]:
        """Scores and upsampling, of all heads."""
        heads = ("", *(head.suffix for head in self.extra.values()))
        layers = [place.layer for place in self._scored] + [upsampling.layer for upsampling in self._upsamplings]
        return tuple(f"{layer}{head}" for head in heads for layer in layers)

    @property
    def constant_starts(self) -> Mapping[str, str]:
        """The weights of ``score_layers``."""
        return {
            r"score_\w+\.(weight|bias)": "starts at zero",
            r"score\d\.(weight|bias)": "starts at zero",
            r"(upscore\w*|up\d?)\.weight": "starts as bilinear upsampling",
        }

    @property
    def extra_classes(self) -> dict[str, int]:
        """Classes of each extra head, by the name of its target."""
        return {target: head.classes for target, head in self.extra.items()}

    def trunk(self) -> list[nn.Module]:
        """The layers that a classifier would have."""
        raise NotImplementedError(f"{type(self).__name__} does not define trunk")

    def loss_of(self, outputs: Outputs, labels: Tensor, criterion: Criterion, extra: Mapping[str, Tensor]) -> Tensor:
        """``criterion`` of the logits, plus the mean cross-entropy of the scores of each extra target, whatever the
        criterion is (section 5, SIFT Flow).
        """
        loss = criterion(outputs.logits, labels)
        for target, truth in extra.items():
            loss = loss + F.cross_entropy(outputs.extra[target], truth, ignore_index=255)
        return loss

    def _scores(self, maps: Sequence[Tensor], suffix: str = "") -> Tensor:
        """From the deepest map, which is the last, up: doubled and added to the scores of the next."""
        (place, deepest), *others = zip(self._scored, reversed(maps), strict=True)
        *doublings, last = self._upsamplings
        scores = getattr(self, f"{place.layer}{suffix}")(deepest)
        for doubling, (place, map_) in zip(doublings, others, strict=True):
            doubled = getattr(self, f"{doubling.layer}{suffix}")(scores)
            added = getattr(self, f"{place.layer}{suffix}")(map_ if place.scale == 1 else map_ * place.scale)
            scores = _sum_where_both_are(_from(doubled, max(doubling.cut, 0)), _from(added, max(-doubling.cut, 0)))
        return _from(getattr(self, f"{last.layer}{suffix}")(scores), last.cut)


def _from(maps: Tensor, start: int) -> Tensor:
    return maps[:, :, start:, start:] if start else maps


def _sum_where_both_are(one: Tensor, other: Tensor) -> Tensor:
    if one.shape == other.shape:
        return one + other
    height, width = (min(one.shape[axis], other.shape[axis]) for axis in (2, 3))
    return one[:, :, :height, :width] + other[:, :, :height, :width]
