"""The family of fully convolutional networks by name: which layers are scored, over which classifier.

Section 5 of the paper trains one of them on two labellings of SIFT Flow at once: see ``joint_loss``.
"""

from __future__ import annotations

from typing import Protocol

from .. import nn
from ..errors import OptionError
from ..nn import functional as F
from ..tensor import Tensor
from .fcn_decoder import ExtraHead, FCNDecoder
from .fcn_paper import FCN
from .fcn_small import SMALL_WIDTHS, SmallBackbone, SmallFCN
from .fcn_trunks import TRUNKS
from .layers import PAPER_WIDTH, check_choice, check_width, scaled
from .segmentation import Outputs

BACKBONES = ("small", *TRUNKS)
FORMS = ("paper", "torchvision")
SKIPS_AS_THEY_ARE, AT_ONCE = (1.0, 1.0), (0.01, 0.0001)
"""What the maps of both skips are multiplied by before they are scored."""


def _fcn(
    name: str,
    num_classes: int,
    in_channels: int,
    backbone: str,
    form: str,
    width: int,
    geometric_classes: int,
    scored: int,
    scales: tuple[float, float] = SKIPS_AS_THEY_ARE,
) -> FCNDecoder:
    check_choice(name, "backbone", backbone, BACKBONES)
    check_choice(name, "form", form, FORMS)
    check_width(name, width)
    if geometric_classes < 0:
        raise OptionError(f"{name}: {{geometric_classes}} must not be negative", "geometric_classes")
    if form != "paper" and backbone not in ("alexnet", "googlenet"):
        raise OptionError(f"{name}: {{backbone}} {backbone!r} has no other {{form}} than 'paper'", "backbone", "form")
    if backbone == "small":
        if geometric_classes or scales != SKIPS_AS_THEY_ARE:
            what = "{geometric_classes}" if geometric_classes else "scaled skips"
            raise OptionError(
                f"{name}: {{backbone}} 'small' has no {what}; take 'vgg16'", "backbone", "geometric_classes"
            )
        widths = [scaled(channels, width) for channels in SMALL_WIDTHS]
        return SmallFCN(name, num_classes, in_channels, SmallBackbone(in_channels, widths), scored)
    with nn.init.skip():
        trunk = TRUNKS[backbone](in_channels, width, form)
    extra = {"geometric": ExtraHead(geometric_classes, "_geo")} if geometric_classes else {}
    return FCN(name, num_classes, in_channels, trunk, scored, scales, extra)


class Constructor(Protocol):
    """Builds a network of the family."""

    def __call__(
        self,
        num_classes: int,
        in_channels: int = 3,
        backbone: str = ...,
        form: str = "paper",
        width: int = PAPER_WIDTH,
        geometric_classes: int = 0,
    ) -> FCNDecoder:
        """For so many classes and channels of an image; raises ``OptionError`` for options that make no network."""


def _constructor(
    name: str,
    summary: str,
    scored: int,
    scales: tuple[float, float] = SKIPS_AS_THEY_ARE,
    usual_backbone: str = "small",
) -> Constructor:
    """The function that builds a network of which so many maps are scored, with its name and its docstring."""

    def build(
        num_classes: int,
        in_channels: int = 3,
        backbone: str = usual_backbone,
        form: str = "paper",
        width: int = PAPER_WIDTH,
        geometric_classes: int = 0,
    ) -> FCNDecoder:
        return _fcn(name, num_classes, in_channels, backbone, form, width, geometric_classes, scored, scales)

    build.__name__ = build.__qualname__ = name
    build.__doc__ = summary
    return build


fcn32s = _constructor("fcn32s", "FCN-32s: no skip, scores brought from 1/32 of the size to pixels in one step.", 1)
fcn16s = _constructor("fcn16s", "FCN-16s: one skip, from stage 4.", 2)
fcn8s = _constructor("fcn8s", "FCN-8s: two skips, from stages 4 and 3.", 3)
fcn8s_at_once = _constructor(
    "fcn8s_at_once",
    "FCN-8s at once: both skips from the start, their maps scaled by 0.01 and 0.0001.",
    3,
    AT_ONCE,
    usual_backbone="vgg16",
)


def fcn32s_fixed(
    num_classes: int,
    in_channels: int = 3,
    backbone: str = "small",
    form: str = "paper",
    width: int = PAPER_WIDTH,
) -> FCNDecoder:
    """FCN-32s-fixed: only the scores are trained, over a classifier that stays as it is; the paper's baseline."""
    model = _fcn("fcn32s_fixed", num_classes, in_channels, backbone, form, width, 0, scored=1)
    model.freeze(*model.trunk())
    return model


def joint_loss(
    scores: Outputs,
    semantic: Tensor,
    geometric: Tensor,
    ignore_index: int = 255,
    reduction: str = "mean",
) -> Tensor:
    """The sum of the cross-entropies of two labellings of the same pixels (section 5, SIFT Flow).

    ``semantic``, ``geometric``: int64 (N, H, W); ``ignore_index`` is left out of each.

    >>> import tinyseg
    >>> scores = Outputs(tinyseg.zeros(1, 33, 2, 2), {"geometric": tinyseg.zeros(1, 3, 2, 2)})
    >>> labels = tinyseg.zeros(1, 2, 2, dtype="int64")
    >>> round(joint_loss(scores, labels, labels).item(), 4)  # log(33) + log(3)
    4.5951
    """
    first, second = (
        F.cross_entropy(logits, labels, ignore_index=ignore_index, reduction=reduction)
        for logits, labels in ((scores.logits, semantic), (scores.extra["geometric"], geometric))
    )
    return first + second
