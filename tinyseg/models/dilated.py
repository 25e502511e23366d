"""DilatedNet (Yu and Koltun 2016): a front end that keeps the map large, and a module that gathers context.

The front end is VGG16 without its last two poolings; in their place the layers behind them are dilated by 2 and 4,
so that they see what they saw before, at an eighth of the image's size instead of a thirty-second. The context module
is a stack of 3x3 convolutions over the front end's scores, whose dilations double: fields of 3, 5, 9, 17, 33, 65, 67
units, with the parameters of seven small layers and no loss of resolution. It starts as the identity.

Nothing pads inside the front end. The image is mirrored outwards by 186 pixels instead, which 8 x 8 fields of fc6 and
all layers before it take away again: a score stands for the middle of 8x8 pixels.
"""

from __future__ import annotations

from .. import nn
from ..errors import OptionError
from ..geometry import padding_to_multiple
from ..nn import Module
from ..nn import functional as F
from ..tensor import Tensor
from . import vgg
from .layers import PAPER_WIDTH, check_choice, check_width, initialise, run, scaled
from .mirror_padding import mirrored
from .network import Conventions, SeparatePart
from .segmentation import SegmentationModel, Stage

MARGIN = 186
STRIDE = 8
DILATIONS = (1, 1, 2, 4, 8, 16, 1)
CITYSCAPES_DILATIONS = (1, 1, 2, 4, 8, 16, 32, 64, 1)
LARGE = (2, 2, 4, 8, 16, 32, 32)
CONTEXTS = ("none", "basic", "large", "cityscapes")
PADDINGS = ("each", "first")
STD = 0.01


class FrontEnd(Module):
    """VGG16's layers by its names, fc6, fc7, and ``final``, which scores. Nothing is padded."""

    def __init__(self, num_classes: int, in_channels: int, width: int) -> None:
        super().__init__()
        hidden = scaled(vgg.HIDDEN, width)
        with nn.init.skip():
            for number, stage in enumerate(vgg.stages(in_channels, width, padding=0, last_dilation=2), start=1):
                layers = stage | ({f"pool{number}": nn.MaxPool2d(2)} if number < 4 else {})
                for name, layer in layers.items():
                    setattr(self, name, layer)
            self.fc6 = nn.Conv2d(scaled(vgg.STAGES[-1][0], width), hidden, 7, dilation=4)
            self.relu6, self.drop6 = nn.ReLU(), nn.Dropout()
            self.fc7 = nn.Conv2d(hidden, hidden, 1)
            self.relu7, self.drop7 = nn.ReLU(), nn.Dropout()
            self.final = nn.Conv2d(hidden, num_classes, 1)
        initialise(self)
        # Not zero as in FCN: behind the context module's ReLUs nothing would ever learn.
        nn.init.normal_(self.final.weight, 0.0, STD)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H + 372, W + 372) -> (N, num_classes, H / 8, W / 8)."""
        return run(self.children(), input)


class ContextModule(Module):
    """Convolutions of 3x3 whose dilations double, and one of 1x1 (the paper's table 1).

    ``kind``: 'basic' has ``channels`` everywhere, 'large' 2, 2, 4, 8, 16, 32, 32 times as many, 'cityscapes' is basic
    with dilations of 32 and 64, too. ``padding``: 'each' layer pads what it takes away, or the 'first' one all of it,
    as the released networks do (33 units, 129 for Cityscapes). The weights begin as the identity (section 3), those
    that the wide form leaves open as N(0, ``sigma``^2): for inputs of at least 0 and ``sigma`` = 0 the module
    returns its input.

    >>> import tinyseg
    >>> x = tinyseg.rand(1, 2, 9, 9)
    >>> bool(((ContextModule(2, "large", sigma=0.0)(x) - x).abs() < 1e-5).all())
    True
    """

    def __init__(self, channels: int, kind: str = "basic", padding: str = "each", sigma: float = STD) -> None:
        super().__init__()
        check_choice("context", "context", kind, CONTEXTS[1:])
        check_choice("context", "padding", padding, PADDINGS)
        self.kind, self.padding = kind, padding
        dilations = CITYSCAPES_DILATIONS if kind == "cityscapes" else DILATIONS
        factors = LARGE if kind == "large" else (1,) * len(dilations)
        widths = [channels, *(factor * channels for factor in factors)]
        with nn.init.skip():
            for number, dilation in enumerate(dilations, start=1):
                border = dilation if padding == "each" else sum(dilations) if number == 1 else 0
                layer = nn.Conv2d(widths[number - 1], widths[number], 3, padding=border, dilation=dilation)
                setattr(self, f"conv{number}", layer)
                setattr(self, f"relu{number}", nn.ReLU())
            self.final = nn.Conv2d(widths[-1], channels, 1)
        for part in self.children():
            if isinstance(part, nn.Conv2d):
                nn.init.identity_(part.weight, sigma if kind == "large" else 0.0, classes=channels)
                nn.init.zeros_(part.bias)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        return run(self.children(), input)


class DilatedNet(SegmentationModel):
    """``front_end``, then ``context`` (an ``Identity`` for 'none'); see ``train_stage`` for training in two steps."""

    stages = (Stage("front-end"), Stage("context", frozen="front_end", made_by="front-end"))

    def __init__(
        self, num_classes: int, in_channels: int, context: str, padding: str, width: int, sigma: float
    ) -> None:
        super().__init__("dilatednet", num_classes, in_channels, stride=STRIDE)
        self.front_end = FrontEnd(num_classes, in_channels, width)
        self.context = nn.Identity() if context == "none" else ContextModule(num_classes, context, padding, sigma)
        self.classifier_names = {f"front_end.{name}": place for name, place in vgg.classifier_names().items()}
        self.stage: str | None = None

    @property
    def score_layers(self) -> tuple[str, ...]:
        """The front end's last; the context module, which is of the classes' size too, is a part of its own."""
        return ("front_end.final",)

    @property
    def separate_parts(self) -> dict[str, SeparatePart]:
        """The context module, which learns after the front end, and need not be the one that the front end's run was
        built with.
        """
        return {"context": SeparatePart("context module", "starts as the identity")}

    @property
    def conventions(self) -> Conventions:
        """Which context module it is, and where that pads."""
        if not isinstance(self.context, ContextModule):
            return {}
        return {"context": {"kind": self.context.kind, "padding": self.context.padding}}

    @property
    def min_size(self) -> tuple[int, int]:
        """Two pixels: a single one has nothing to mirror."""
        return 2, 2

    def train_stage(self, stage: str | None) -> None:
        """'front-end': the context module is left out, and only the front end learns. 'context': the front end is
        frozen, and the module learns on its scores. None, as at first: all of it learns.
        """
        if stage is not None:
            check_choice(self.name, "stage", stage, [one.name for one in self.stages])
        if stage == "context" and isinstance(self.context, nn.Identity):
            raise ValueError("dilatednet: has no context module to train; build it with context='basic' or 'large'")
        self.requires_grad_(True)
        self.stage = stage
        self.freeze(*([self.front_end] if stage == "context" else []))
        if stage == "front-end":
            self.context.requires_grad_(False)

    def scores(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes, ceil(H / 8), ceil(W / 8)), before upsampling."""
        self.check(input)
        rows, columns = (padding_to_multiple(size, STRIDE) for size in input.shape[2:])
        scores = self.front_end(mirrored(input, (MARGIN, MARGIN + columns, MARGIN, MARGIN + rows)))
        return scores if self.stage == "front-end" else self.context(scores)

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes, H, W): scores 8 times as large, bilinear."""
        upsampled = F.interpolate(self.scores(input), scale_factor=STRIDE, mode="bilinear")
        return upsampled[:, :, : input.shape[2], : input.shape[3]]


def dilatednet(
    num_classes: int,
    in_channels: int = 3,
    context: str = "basic",
    context_padding: str = "each",
    width: int = PAPER_WIDTH,
    sigma: float = STD,
) -> DilatedNet:
    """DilatedNet: VGG16 dilated to stride 8, and a context module that starts as the identity; in two stages."""
    check_choice("dilatednet", "context", context, CONTEXTS)
    check_choice("dilatednet", "context_padding", context_padding, PADDINGS)
    check_width("dilatednet", width)
    if not 0 <= sigma < 1:
        raise OptionError(f"dilatednet: {{sigma}} must be at least 0 and less than 1, got {sigma}", "sigma")
    return DilatedNet(num_classes, in_channels, context, context_padding, width, sigma)
