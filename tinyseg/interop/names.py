"""Whose weights a file holds, told by their names, and what those names are in networks of ours.

Classifiers here have torchvision's names, fully convolutional networks those of wkentaro's pytorch-fcn (which are the
papers' own), so most weights need no table. Where they do, it is one of rules, pattern -> name, the first that
matches:

- A classifier's layers in a network that is made of it. The network knows its layers' names in the classifier, as
  ``classifier_names`` (``conv2_1`` is ``features.5``): its rules are that table, turned around.
- SegNet's encoder, which numbers its layers.
- milesial's U-Net in ours.

What weights mean beyond their names and shapes are a network's ``conventions``. A file of ours stores them, other
sources that are known have them here; where they are not the network's, the weights are converted or left out.

Fully connected layers become convolutions, and the other way round, by their shapes: (O, C h w) and (O, C, h, w)
hold the same numbers in the same order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..models.network import CAFFE, IMAGENET, INCEPTION, Conventions, Network, Preprocessing
from ..nn import Module


@dataclass(frozen=True)
class Rule:
    """A name in the file that matches ``pattern`` is ``name`` here (with ``\\1`` for its first group, and so on)."""

    pattern: str
    name: str


@dataclass(frozen=True)
class Source:
    """Where weights come from. All of ``marks`` must match a name in the file, none of ``no_marks`` any.

    ``preprocessing`` is what they expect of an image, None where that is not known. ``is_classifier``: they may be
    the trunk of another network; ``batch_norm``: it has that after each convolution. ``left_out``: patterns of names
    that a network may have no place for, and why. ``hint``: how to build a network that they fit. ``conventions``:
    what the weights mean beyond their names and shapes, as far as that is known; of a network as ``Network`` has it.
    """

    name: str
    marks: tuple[str, ...] = ()
    preprocessing: Preprocessing | None = None
    no_marks: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    is_classifier: bool = False
    batch_norm: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""
    conventions: Conventions = field(default_factory=dict)


UPSAMPLING = {r"(upscore\w*|up\d?)\.weight": "upsampling by a factor that this network has not"}
_HEAD = {r"classifier\.\d\.": "a fully connected layer of the classifier, which has no place in this network"}
_INCEPTION_HEADS = {
    r"fc\.": "scores the classes of the classifier, not those of pixels",
    r"aux[12]\.": "a head that helps to train the classifier",
}

SOURCES = (
    Source(
        "torchvision's vgg16",
        (r"features\.0\.weight", r"features\.28\.weight", r"classifier\.6\.weight"),
        IMAGENET,
        no_marks=(r"features\.1\.weight",),
        is_classifier=True,
        left_out=_HEAD,
        hint="they fit vgg16, segnet, dilatednet, deeplab, and the fcns with backbone vgg16",
    ),
    Source(
        "torchvision's vgg16_bn",
        (r"features\.1\.running_mean", r"features\.40\.weight", r"classifier\.6\.weight"),
        IMAGENET,
        is_classifier=True,
        batch_norm=True,
        left_out=_HEAD,
        hint="they fit vgg16_bn and segnet, which have batch norm",
    ),
    Source(
        "torchvision's alexnet",
        (r"features\.3\.weight", r"features\.10\.weight", r"classifier\.6\.weight"),
        IMAGENET,
        no_marks=(r"features\.4\.weight", r"features\.1[1-9]\."),
        is_classifier=True,
        left_out=_HEAD,
        hint="they fit alexnet, and the fcns with backbone alexnet, in the form torchvision",
    ),
    Source(
        "torchvision's googlenet",
        (r"conv1\.bn\.weight", r"inception5b\.branch4\.1\.conv\.weight"),
        INCEPTION,
        no_marks=(r"score_fr\.",),
        is_classifier=True,
        left_out=_INCEPTION_HEADS,
        hint="they fit googlenet, and the fcns with backbone googlenet, in the form torchvision",
    ),
    Source(
        "an alexnet in its paper's form",
        (r"features\.4\.weight", r"features\.12\.weight", r"classifier\.6\.weight"),
        no_marks=(r"features\.1\.",),
        is_classifier=True,
        left_out=_HEAD,
        hint="they fit alexnet, and the fcns with backbone alexnet, in the form paper",
    ),
    Source(
        "a googlenet in its paper's form",
        (r"conv1\.conv\.bias", r"inception5b\.branch4\.1\.conv\.bias"),
        no_marks=(r"score_fr\.",),
        is_classifier=True,
        left_out=_INCEPTION_HEADS,
        hint="they fit googlenet, and the fcns with backbone googlenet, in the form paper",
    ),
    Source(
        "wkentaro's FCN",
        (r"conv1_1\.weight", r"fc6\.weight", r"fc7\.weight", r"score_fr\.weight", r"upscore"),
        CAFFE,
        left_out=UPSAMPLING,
        hint="they fit fcn32s, fcn16s and fcn8s with backbone vgg16",
    ),
    Source(
        "milesial's U-Net",
        (r"inc\.double_conv\.0\.weight", r"outc\.conv\.weight"),
        Preprocessing((0.0,), (1.0,)),
        rules=(
            Rule(r"inc\.double_conv\.(.*)", r"down.0.\1"),
            Rule(r"down(\d)\.maxpool_conv\.1\.double_conv\.(.*)", r"down.\1.\2"),
            *(Rule(rf"up{level + 1}\.up\.(.*)", rf"up.{level}.\1") for level in range(8)),
            *(Rule(rf"up{level + 1}\.conv\.double_conv\.(.*)", rf"merge.{level}.\1") for level in range(8)),
            Rule(r"outc\.conv\.(.*)", r"score.\1"),
        ),
        hint="they fit unet with width 64, and bilinear where they have no up1.up.weight",
        # It concatenates the skip before what comes up, and pads the latter at sizes that are no multiples of 16.
        conventions={"": {"pad_maps": True}, "merge": {"skip_first": True}},
    ),
)
UNKNOWN = Source("a source not known by its names", left_out=UPSAMPLING)
"""Weights that are taken by their names as they are."""

_COUNTS = {r"(.*\.)?num_batches_tracked": "older files do not have it; it counts from 0"}


def constants(model: Module) -> Mapping[str, str]:
    """What ``model`` may start without, whatever the file: it begins with constants, and is not drawn at random."""
    return _COUNTS | (dict(model.constant_starts) if isinstance(model, Network) else {})


def parts_of_its_own(model: Module) -> Mapping[str, str]:
    """What ``model`` may start without, whatever the file, though random numbers may be drawn for it: its
    ``separate_parts``.
    """
    parts = model.separate_parts if isinstance(model, Network) else {}
    return {rf"{re.escape(name)}\.": f"the {part.called} {part.start}" for name, part in parts.items()}


def meant_otherwise(source: Source, model: Module) -> Mapping[str, str]:
    """Patterns of names of ``model`` whose weights mean something else in the file, and what; those that the network
    converts or adopts (``Network.adaptable``) are not among them.
    """
    found: dict[str, str] = {}
    if not isinstance(model, Network):
        return found
    for layers, here in model.conventions.items():
        theirs = source.conventions.get(layers, {})
        differing = [
            f"for {name} {theirs[name]}, here {value}"
            for name, value in here.items()
            if theirs.get(name, value) != value and name not in model.adaptable
        ]
        if differing:
            found[rf"{re.escape(layers)}\."] = ", ".join(differing)
    return found


def left_out(source: Source, model: Module) -> Mapping[str, str]:
    """Patterns of names in the file that ``model`` may have no place for, and why."""
    parts = model.separate_parts if isinstance(model, Network) else {}
    return {**source.left_out, **{rf"{re.escape(name)}\.": f"of another {one.called}" for name, one in parts.items()}}


def recognise(names: Iterable[str]) -> Source:
    """Where weights of these names come from.

    >>> recognise(["inc.double_conv.0.weight", "outc.conv.weight", "outc.conv.bias"]).name
    "milesial's U-Net"
    >>> recognise(["weight"]) is UNKNOWN
    True
    """
    found = list(names)

    def occurs(pattern: str) -> bool:
        return any(re.match(pattern, name) for name in found)

    for source in SOURCES:
        if all(map(occurs, source.marks)) and not any(map(occurs, source.no_marks)):
            return source
    return UNKNOWN


def classifier_layers(source: Source, model: Module) -> Mapping[str, str]:
    """For each layer that ``model`` has from the classifier that ``source`` is, its name there; empty where the model
    is no network that is made of a classifier, or ``source`` none.
    """
    return model.classifier_layers(source.batch_norm) if source.is_classifier and isinstance(model, Network) else {}


def rules_for(source: Source, model: Module) -> tuple[Rule, ...]:
    """The rules from the names in a file to those of ``model``."""
    layers = classifier_layers(source, model)
    return (*source.rules, *(Rule(rf"{re.escape(theirs)}\.(.*)", rf"{ours}.\1") for ours, theirs in layers.items()))


def reason(patterns: Mapping[str, str], name: str) -> str | None:
    """What stands beside the first pattern that ``name`` begins with."""
    return next((text for pattern, text in patterns.items() if re.match(pattern, name)), None)
