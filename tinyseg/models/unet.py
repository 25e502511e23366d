"""U-Net (Ronneberger, Fischer and Brox 2015), with padded convolutions and batch norm.

A path down, which doubles the channels as it halves the image, and a path up, which mirrors it; on each level what
the path down saw is concatenated to what comes up, so that the last layers have both context and detail. The paper's
own form, without padding, is in ``unet_paper.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..errors import OptionError
from ..nn import functional as F
from ..ops.network.pad import pad
from ..ops.shape import cat
from ..tensor import Tensor
from .network import Change, Conventions
from .segmentation import SegmentationModel


def double_conv(inputs: int, outputs: int, between: int | None = None) -> nn.Sequential:
    """Twice: 3x3 convolution, batch norm, ReLU. Weights start as N(0, 2 / fan in), as the paper's.

    ``between``: channels after the first one; those of the output if left out.
    """
    layers: list[nn.Module] = []
    middle = between or outputs
    for before, after in ((inputs, middle), (middle, outputs)):
        with nn.init.skip():
            convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight)
        layers += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(SegmentationModel):
    """``depth`` halvings; the first level has ``width`` channels, each next one twice as many. A ``stem`` halves the
    image before them.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        width: int,
        depth: int,
        bilinear: bool,
        skip_first: bool,
        stem: bool = False,
        pad_maps: bool = False,
    ) -> None:
        super().__init__("unet", num_classes, in_channels, stride=2 ** (depth + stem))
        self.skip_first, self.pad_maps = skip_first, pad_maps
        self.stem = _halving(in_channels, width) if stem else None
        in_channels = width if stem else in_channels
        widths = [width * 2**level for level in range(depth + 1)]
        self.pool = nn.MaxPool2d(2)
        if bilinear:  # it keeps the channels, so each level hands half as many to the next one up
            entered = [in_channels, *widths]
            left = [*widths[:-1], widths[-1] // 2]
            self.down = nn.ModuleList(double_conv(a, b) for a, b in zip(entered, left, strict=False))
            self.up = nn.ModuleList(_upsampling() for _ in widths[:-1])
            self.merge = nn.ModuleList(
                double_conv(2 * w, w // 2 if level else w, w) for level, w in reversed([*enumerate(widths[:-1])])
            )
        else:
            self.down = nn.ModuleList(double_conv(a, b) for a, b in zip([in_channels, *widths], widths, strict=False))
            self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1]))
            self.merge = nn.ModuleList(double_conv(2 * w, w) for w in reversed(widths[:-1]))
        self.score = nn.Conv2d(width, num_classes, 1)

    @property
    def score_layers(self) -> tuple[str, ...]:
        """The last convolution."""
        return ("score",)

    @property
    def conventions(self) -> Conventions:
        """The order of what is concatenated, and what is padded."""
        return {"": {"pad_maps": self.pad_maps}, "merge": {"skip_first": self.skip_first}}

    def adopt(self, conventions: Conventions) -> None:
        """Pad what the weights expect to be padded; the order of the skips is a matter of the weights."""
        self.pad_maps = conventions.get("", {}).get("pad_maps", self.pad_maps)

    @property
    def adopted(self) -> dict[str, Any]:
        """What is padded."""
        return {"pad_maps": self.pad_maps}

    @property
    def adaptable(self) -> tuple[str, ...]:
        """Both: the order by exchanging halves of weights, what is padded by padding it."""
        return ("skip_first", "pad_maps")

    def changes(self, conventions: Conventions) -> dict[str, Change]:
        """Where the weights have the skips in the other order."""
        there = conventions.get("merge", {}).get("skip_first", self.skip_first)
        return {} if there == self.skip_first else {r"merge\.\d+\.0\.weight": _halves_exchanged}

    @property
    def single_unit(self) -> int:
        """Where images are not padded, pools round down."""
        return 2 * self.stride - 1 if self.pad_maps else super().single_unit

    def fitting(self, size: int) -> int:
        """With ``pad_maps`` any size, but for a stem, whose halving is undone by doubling."""
        if not self.pad_maps:
            return super().fitting(size)
        return size if self.stem is None else size + size % 2

    def logits(self, input: Tensor) -> Tensor:
        """Down, then up again with the skips."""
        if self.stem is not None:
            input = self.stem(input)
        skips = []
        for level, block in enumerate(self.down):
            input = block(self.pool(input) if level else input)
            skips.append(input)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips[:-1]), strict=True):
            risen = up(input)
            if self.pad_maps and risen.shape[2:] != skip.shape[2:]:
                risen = _padded(risen, skip.shape[2:])
            input = merge(cat([skip, risen] if self.skip_first else [risen, skip], 1))
        scores = self.score(input)
        return scores if self.stem is None else F.interpolate(scores, scale_factor=2.0, mode="bilinear")


def _padded(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """``maps`` with a border of zeros that brings them to ``size``; where it is odd, the end gets one more."""
    rows, columns = (size[axis] - maps.shape[2 + axis] for axis in (0, 1))
    top, left = rows // 2, columns // 2
    return pad(maps, (left, columns - left, top, rows - top))


def _halves_exchanged(weight: NDArray[Any]) -> NDArray[Any]:
    """A convolution's weight for concatenated maps in the other order."""
    half = weight.shape[1] // 2
    return np.concatenate([weight[:, half:], weight[:, :half]], axis=1)


def _halving(inputs: int, outputs: int) -> nn.Sequential:
    """3x3 convolution of stride 2, batch norm, ReLU."""
    with nn.init.skip():
        convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _upsampling() -> nn.Upsample:
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)


def unet(
    num_classes: int,
    in_channels: int = 3,
    width: int = 32,
    depth: int = 4,
    bilinear: bool = False,
    skip_first: bool = False,
    stem: bool = False,
    pad_maps: bool = False,
) -> UNet:
    """U-Net with padding and batch norm: 7.8 million parameters, 31 million at the paper's width of 64.

    ``bilinear``: upsampling by interpolation (corners aligned) instead of transposed convolutions; each level then
    hands half as many channels up. ``skip_first``: what the path down saw comes before what comes up; in the paper,
    and here without it, it comes behind. ``stem``: a strided convolution halves the image first, and the scores are
    enlarged at the end; each level has a quarter of the work, and sees twice as far (as in ENet: Paszke, Chaurasia,
    Kim and Culurciello 2016, whose first block does it so).

    ``pad_maps``: of sizes that are no multiples of the stride. Pools then round down, and a map that comes up is
    padded to the size of its skip; without it, the image is padded before it enters. At multiples both are the same.

    The widely used port to PyTorch by milesial is ``width=64, skip_first=True, pad_maps=True``: 31,037,698 parameters
    for 3 channels and 2 classes, or 17,263,042 with ``bilinear=True``.
    """
    if width < 1 or not 1 <= depth <= 8:
        raise OptionError(
            f"unet: {{width}} must be at least 1 and {{depth}} 1 to 8, got {width} and {depth}", "width", "depth"
        )
    if bilinear and width % 2:
        raise OptionError(f"unet: {{width}} must be even with {{bilinear}}, got {width}", "width", "bilinear")
    return UNet(num_classes, in_channels, width, depth, bilinear, skip_first, stem, pad_maps)
