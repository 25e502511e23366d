"""The family of fully convolutional networks by name: which layers are scored, over which classifier."""

from __future__ import annotations

from .. import nn
from ..errors import OptionError
from .fcn_paper import AT_ONCE_SCALES, FCN
from .fcn_small import SMALL_WIDTHS, SmallBackbone, SmallFCN
from .fcn_trunks import TRUNKS
from .layers import PAPER_WIDTH, check_choice, check_width, scaled
from .segmentation import SegmentationModel

BACKBONES = ("small", *TRUNKS)
FORMS = ("paper", "torchvision")


def _fcn(
    name: str,
    num_classes: int,
    in_channels: int,
    backbone: str,
    form: str,
    width: int,
    geometric_classes: int,
    scored: int,
    scales: tuple[float, float] = (1.0, 1.0),
) -> FCN | SmallFCN:
    check_choice(name, "backbone", backbone, BACKBONES)
    check_choice(name, "form", form, FORMS)
    check_width(name, width)
    if geometric_classes < 0:
        raise OptionError(f"{name}: {{geometric_classes}} must not be negative", "geometric_classes")
    if form != "paper" and backbone not in ("alexnet", "googlenet"):
        raise OptionError(f"{name}: {{backbone}} {backbone!r} has no other {{form}} than 'paper'", "backbone", "form")
    if backbone == "small":
        if geometric_classes or scales != (1.0, 1.0):
            what = "{geometric_classes}" if geometric_classes else "scaled skips"
            raise OptionError(
                f"{name}: {{backbone}} 'small' has no {what}; take 'vgg16'", "backbone", "geometric_classes"
            )
        widths = [scaled(channels, width) for channels in SMALL_WIDTHS]
        return SmallFCN(name, num_classes, in_channels, SmallBackbone(in_channels, widths), scored)
    with nn.init.skip():
        trunk = TRUNKS[backbone](in_channels, width, form)
    return FCN(name, num_classes, in_channels, trunk, scored, scales, geometric_classes)


def fcn32s(
    num_classes: int,
    in_channels: int = 3,
    backbone: str = "small",
    form: str = "paper",
    width: int = PAPER_WIDTH,
    geometric_classes: int = 0,
) -> SegmentationModel:
    """FCN-32s: no skip, scores brought from 1/32 of the size to pixels in one step."""
    return _fcn("fcn32s", num_classes, in_channels, backbone, form, width, geometric_classes, scored=1)


def fcn32s_fixed(
    num_classes: int,
    in_channels: int = 3,
    backbone: str = "small",
    form: str = "paper",
    width: int = PAPER_WIDTH,
) -> SegmentationModel:
    """FCN-32s-fixed: only the scores are trained, over a classifier that stays as it is; the paper's baseline."""
    model = _fcn("fcn32s_fixed", num_classes, in_channels, backbone, form, width, 0, scored=1)
    model.freeze(*model.trunk())
    return model


def fcn16s(
    num_classes: int,
    in_channels: int = 3,
    backbone: str = "small",
    form: str = "paper",
    width: int = PAPER_WIDTH,
    geometric_classes: int = 0,
) -> SegmentationModel:
    """FCN-16s: one skip, from stage 4."""
    return _fcn("fcn16s", num_classes, in_channels, backbone, form, width, geometric_classes, scored=2)


def fcn8s(
    num_classes: int,
    in_channels: int = 3,
    backbone: str = "small",
    form: str = "paper",
    width: int = PAPER_WIDTH,
    geometric_classes: int = 0,
) -> SegmentationModel:
    """FCN-8s: two skips, from stages 4 and 3."""
    return _fcn("fcn8s", num_classes, in_channels, backbone, form, width, geometric_classes, scored=3)


def fcn8s_at_once(
    num_classes: int,
    in_channels: int = 3,
    backbone: str = "vgg16",
    form: str = "paper",
    width: int = PAPER_WIDTH,
    geometric_classes: int = 0,
) -> SegmentationModel:
    """FCN-8s at once: both skips from the start, their maps scaled by 0.01 and 0.0001."""
    scored, scales = 3, AT_ONCE_SCALES
    return _fcn("fcn8s_at_once", num_classes, in_channels, backbone, form, width, geometric_classes, scored, scales)
