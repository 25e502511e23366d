"""Fully convolutional networks over the classifiers of their paper (Long, Shelhamer and Darrell 2015).

The classifier's layers are run over the whole image, and scored: behind the last one, where one unit stands for 32x32
pixels, and for FCN-16s and FCN-8s behind a pooling further up, once and twice (``fcn_decoder.py``).

What the released networks crop by hand (VGG16: 19; 5 and 27; 5, 9 and 31; AlexNet: 18) is computed here from where
units stand over the image, see ``geometry.Grid``: the first convolution pads by 100, fc6 takes 7x7 away, and a map
is cut where the other one, or the image, begins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise

from .. import nn
from ..errors import InputError
from ..geometry import Grid
from ..ops.network.pad import pad
from ..tensor import Tensor
from .fcn_decoder import STRIDE, ExtraHead, FCNDecoder, ScoredMap, Upsampling
from .fcn_trunks import Trunk
from .layers import grid_behind, initialise, run
from .network import Conventions
from .segmentation import Outputs


class FCN(FCNDecoder):
    """FCN-32s, -16s or -8s, by ``scored``: how many layers are scored. The trunk's layers are attributes of the
    network, under the names that public weights have; so are score_fr, upscore2, score_pool4, and so on.

    ``scales``: the skips' maps are multiplied by them before they are scored, which evens out their sizes where all
    is trained at once. With ``extra`` there are more heads of the same form, by the names of their targets; see
    ``outputs`` and ``loss_of``. ``crops``: rows that are cut off, one number for each skip, then for the image.
    """

    def __init__(
        self,
        name: str,
        num_classes: int,
        in_channels: int,
        trunk: Trunk,
        scored: int,
        scales: tuple[float, float] = (1.0, 1.0),
        extra: Mapping[str, ExtraHead] | None = None,
    ) -> None:
        super().__init__(name, num_classes, in_channels)
        self.classifier_names, self._least = trunk.classifier_names, trunk.least
        for layer_name, layer in trunk.layers.items():
            setattr(self, layer_name, layer)
        initialise(*trunk.layers.values())
        self.skips = trunk.skips[: scored - 1]
        self._segments = _segments(list(trunk.layers), self.skips[::-1])
        places = [f"score_{place}" for place in ("fr", *self.skips)]
        maps = zip(places, trunk.channels, (1.0, *scales), strict=False)
        self._add_heads([ScoredMap(*one) for one in maps], self._align(trunk), extra)

    @property
    def conventions(self) -> Conventions:
        """What a skip's map is multiplied by before it is scored."""
        heads, skips = ("", *(head.suffix for head in self.extra.values())), self._scored[1:]
        return {f"{skip.layer}{head}": {"scale": skip.scale} for head in heads for skip in skips}

    @property
    def min_size(self) -> tuple[int, int]:
        """One pixel; what is smaller than the trunk needs is padded."""
        return 1, 1

    @property
    def crops(self) -> tuple[int, ...]:
        """As the papers' released networks list them; negative where it is the upsampled scores that are cut."""
        *skips, last = (upsampling.cut for upsampling in self._upsamplings)
        return (*(-cut for cut in skips), last)

    def _align(self, trunk: Trunk) -> list[Upsampling]:
        """For each upsampling its kernel, and which of its units stands where the first one of its target does. The
        first layer that doubles is named after its factor, the others after what was added before.
        """
        names = ["upscore2", *(f"upscore_{skip}" for skip in self.skips)]
        grids, grid = [], Grid()
        for segment in self._segments:
            grid = grid_behind([trunk.layers[name] for name in segment], grid)
            grids.append(grid)
        scores, found = grids[-1], []
        for name, skip in zip(names, reversed(grids[:-1]), strict=False):
            kernel = _fitting_kernel(scores, 2, skip)
            doubled = scores.through_transposed(kernel, 2)
            cut = doubled.offset(skip)
            found.append(Upsampling(name, kernel, cut=cut))
            scores = Grid(doubled.start + max(cut, 0) * doubled.stride, doubled.stride)
        factor = int(scores.stride)
        kernel = trunk.kernel if factor == STRIDE else _fitting_kernel(scores, factor, Grid())
        last = f"upscore{factor}" if found else "upscore"
        return [*found, Upsampling(last, kernel, cut=scores.through_transposed(kernel, factor).offset(Grid()))]

    def trunk(self) -> list[nn.Module]:
        """The classifier's layers."""
        return [getattr(self, name) for segment in self._segments for name in segment]

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes, H, W), for images of any size."""
        return self._cropped(self._maps(input), "", input)

    def outputs(self, input: Tensor, extra: Collection[str] = ()) -> Outputs:
        """What ``forward`` makes of images, and the scores of these ``extra`` targets, off the same maps. Raises
        ``InputError`` for a target that there is no head for.
        """
        if not extra:
            return super().outputs(input)
        self.check_extra(extra)
        maps = self._maps(input)
        scores = {target: self._cropped(maps, self.extra[target].suffix, input) for target in extra}
        return Outputs(self._cropped(maps, "", input), scores)

    def check_extra(self, extra: Collection[str]) -> None:
        """``InputError``, which says how to have one, unless there is a head for each of these extra targets."""
        if missing := [target for target in extra if target not in self.extra]:
            option = f"{missing[0]}_classes"
            raise InputError(f"{self.name}: has one head; build it with {option}, the number of them, for two")

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

    def _cropped(self, maps: list[Tensor], suffix: str, input: Tensor) -> Tensor:
        """The scores of a head, cut to the image."""
        return self._scores(maps, suffix)[:, :, : input.shape[2], : input.shape[3]]


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
