"""Whose weights a file holds, told by their names, and what those names are in networks of ours.

Classifiers here have torchvision's names, fully convolutional networks those of wkentaro's pytorch-fcn (which are the
papers' own), so most weights need no table. Where they do, it is one of rules, pattern -> name, the first that
matches:

- A classifier's layers in a network that is made of it. The network knows its layers' names in the classifier, as
  ``classifier_names`` (``conv2_1`` is ``features.5``): its rules are that table, turned around.
- milesial's U-Net in ours.

Fully connected layers become convolutions, and the other way round, by their shapes: (O, C h w) and (O, C, h, w)
hold the same numbers in the same order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..models.network import CAFFE, IMAGENET, INCEPTION, Network, Preprocessing

Change = Callable[[NDArray[Any], Network], NDArray[Any]]


@dataclass(frozen=True)
class Rule:
    """A name in the file that matches ``pattern`` is ``name`` here (with ``\\1`` for its first group, and so on), and
    its values are put through ``change``.
    """

    pattern: str
    name: str
    change: Change | None = None


@dataclass(frozen=True)
class Source:
    """Where weights come from. All of ``marks`` must match a name in the file, none of ``no_marks`` any.

    ``preprocessing`` is what they expect of an image, None where that is not known. ``left_out``: patterns of names
    that have no place in networks for segmentation, and why.
    """

    name: str
    marks: tuple[str, ...]
    preprocessing: Preprocessing | None = None
    no_marks: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    left_out: Mapping[str, str] | None = None


def _skip_in_its_place(weight: NDArray[Any], model: Network) -> NDArray[Any]:
    """milesial concatenates the skip before what comes up; ours, as the paper, behind it unless told otherwise."""
    if getattr(model, "skip_first", True):
        return weight
    half = weight.shape[1] // 2
    return np.concatenate([weight[:, half:], weight[:, :half]], axis=1)


_LAST_LAYER = "scores the classes of the classifier, not those of pixels"
_AUXILIARY = "a head that helps to train the classifier"

SOURCES = (
    Source(
        "torchvision's vgg16",
        (r"features\.0\.weight", r"features\.28\.weight", r"classifier\.6\.weight"),
        IMAGENET,
        no_marks=(r"features\.1\.weight",),
        left_out={r"classifier\.6\.": _LAST_LAYER},
    ),
    Source(
        "torchvision's vgg16_bn",
        (r"features\.1\.running_mean", r"features\.40\.weight", r"classifier\.6\.weight"),
        IMAGENET,
        left_out={r"classifier\.6\.": _LAST_LAYER},
    ),
    Source(
        "torchvision's alexnet",
        (r"features\.3\.weight", r"features\.10\.weight", r"classifier\.6\.weight"),
        IMAGENET,
        no_marks=(r"features\.4\.weight", r"features\.1[1-9]\."),
        left_out={r"classifier\.6\.": _LAST_LAYER},
    ),
    Source(
        "torchvision's googlenet",
        (r"conv1\.bn\.weight", r"inception5b\.branch4\.1\.conv\.weight"),
        INCEPTION,
        left_out={r"fc\.": _LAST_LAYER, r"aux[12]\.": _AUXILIARY},
    ),
    Source(
        "wkentaro's FCN",
        (r"conv1_1\.weight", r"fc6\.weight", r"fc7\.weight", r"score_fr\.weight", r"upscore"),
        CAFFE,
    ),
    Source(
        "milesial's U-Net",
        (r"inc\.double_conv\.0\.weight", r"outc\.conv\.weight"),
        Preprocessing((0.0,) * 3, (1.0,) * 3),
        rules=(
            Rule(r"inc\.double_conv\.(.*)", r"down.0.\1"),
            Rule(r"down(\d)\.maxpool_conv\.1\.double_conv\.(.*)", r"down.\1.\2"),
            *(
                rule
                for level in range(8)
                for rule in (
                    Rule(rf"up{level + 1}\.up\.(.*)", rf"up.{level}.\1"),
                    Rule(rf"up{level + 1}\.conv\.double_conv\.(0\.weight)", rf"merge.{level}.\1", _skip_in_its_place),
                    Rule(rf"up{level + 1}\.conv\.double_conv\.(.*)", rf"merge.{level}.\1"),
                )
            ),
            Rule(r"outc\.conv\.(.*)", r"score.\1"),
        ),
    ),
)
UNKNOWN = Source("an unknown source", ())
"""Weights that are taken by their names as they are."""

CLASS_LAYERS = r"(.*\.)?(score\w*|upscore\w*|up\d?|fc|fc8|head\.\d+|classifier\.6)\.(weight|bias)"
"""Layers whose size is the number of classes: with another number of classes they start anew."""

CONSTANTS: Mapping[str, str] = {
    r"(.*\.)?num_batches_tracked": "older files do not have it; it counts from 0",
    r"score_(fr|pool\d|maxpool\d)(_geo)?\.(weight|bias)": "starts at zero",
    r"score\d\.(weight|bias)": "starts at zero",
    r"(upscore\w*|up\d?)\.weight": "starts as bilinear upsampling",
}
"""What a network may start without, whatever the file: it begins with constants, and is not drawn at random."""


def recognise(names: Iterable[str]) -> Source:
    """Where weights of these names come from.

    >>> recognise(["inc.double_conv.0.weight", "outc.conv.weight", "outc.conv.bias"]).name
    "milesial's U-Net"
    >>> recognise(["weight"]).name
    'an unknown source'
    """
    found = list(names)

    def occurs(pattern: str) -> bool:
        return any(re.match(pattern, name) for name in found)

    for source in SOURCES:
        if all(map(occurs, source.marks)) and not any(map(occurs, source.no_marks)):
            return source
    return UNKNOWN


def rules_for(source: Source, model: Network, names: Sequence[str]) -> tuple[Rule, ...]:
    """The rules from the names in a file to those of ``model``."""
    layers: Mapping[str, str] = getattr(model, "classifier_names", {})
    from_classifier = tuple(
        Rule(rf"{re.escape(theirs)}\.(.*)", rf"{ours}.\1") for ours, theirs in layers.items() if ours != theirs
    )
    return (*source.rules, *from_classifier)


def excuse(patterns: Mapping[str, str] | None, name: str) -> str | None:
    """The reason that stands beside the first pattern that ``name`` matches."""
    return next((reason for pattern, reason in (patterns or {}).items() if re.match(pattern, name)), None)
