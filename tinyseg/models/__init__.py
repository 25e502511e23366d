"""Network architectures, one a file, and the table they are made from by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, get_type_hints

from ..errors import InputError, OptionError
from .alexnet import alexnet
from .classifier import Classifier, convolutionalize
from .deconvnet import deconvnet
from .deeplab import deeplab
from .dilated import dilatednet
from .fcdensenet import fcdensenet56, fcdensenet67, fcdensenet103
from .fcn import fcn8s, fcn8s_at_once, fcn16s, fcn32s, fcn32s_fixed, joint_loss
from .googlenet import googlenet
from .network import CAFFE, IMAGENET, INCEPTION, Network, Preprocessing
from .segmentation import Outputs, SegmentationModel
from .segnet import segnet
from .unet import unet
from .unet_paper import unet_paper
from .unetpp import unetpp
from .vgg import vgg16, vgg16_bn

__all__ = [
    "CAFFE",
    "IMAGENET",
    "INCEPTION",
    "Classifier",
    "Network",
    "Option",
    "Outputs",
    "Preprocessing",
    "SegmentationModel",
    "all_options",
    "convolutionalize",
    "create",
    "description",
    "joint_loss",
    "names",
    "options",
    "stages",
]

_MODELS: dict[str, Callable[..., Network]] = {
    "fcn32s": fcn32s,
    "fcn32s_fixed": fcn32s_fixed,
    "fcn16s": fcn16s,
    "fcn8s": fcn8s,
    "fcn8s_at_once": fcn8s_at_once,
    "alexnet": alexnet,
    "vgg16": vgg16,
    "vgg16_bn": vgg16_bn,
    "googlenet": googlenet,
    "dilatednet": dilatednet,
    "deeplab": deeplab,
    "unet": unet,
    "unet_paper": unet_paper,
    "unetpp": unetpp,
    "segnet": segnet,
    "deconvnet": deconvnet,
    "fcdensenet56": fcdensenet56,
    "fcdensenet67": fcdensenet67,
    "fcdensenet103": fcdensenet103,
}

_MEANINGS = {
    "backbone": "the classifier whose layers it is made of",
    "form": "the classifier of the paper, or torchvision's",
    "geometric_classes": "classes of a second head beside the semantic one, for --data sift-flow; 0 for none",
    "auxiliary": "heads half-way down that help in training",
    "context": "the module over the front end's scores: none, basic, large or cityscapes",
    "context_padding": "where that module pads: in each layer, or in the first for all",
    "sigma": "how far that module starts from the identity",
    "head": "largefov, or a pyramid of rates: aspp-s or aspp-l",
    "width": "channels of the first level, those of the others in proportion",
    "depth": "how often it halves the image",
    "bilinear": "upsampling by interpolation",
    "skip_first": "a level's own channels come before those from below",
    "pad_maps": "at odd sizes, pad what comes up and not the image",
    "stem": "halve the image by a convolution first",
    "released": "the network that was published, where it differs from the paper",
    "deep_supervision": "a head on each level, all of them trained",
    "plain": "without the nodes inside: a U-Net",
    "growth": "channels that a layer of a dense block adds",
}


@dataclass(frozen=True)
class Option:
    """What an option is for, and its default in each model that has it."""

    name: str
    meaning: str
    defaults: dict[str, Any]

    @property
    def kind(self) -> type:
        """The type that its values have."""
        return type(next(iter(self.defaults.values())))

    @property
    def help(self) -> str:
        """A text for the command line."""
        models_of: dict[Any, list[str]] = {}
        for model, default in self.defaults.items():
            models_of.setdefault(default, []).append(model)
        defaults = "; ".join(f"{default} of {', '.join(having)}" for default, having in models_of.items())
        return f"Of a model: {self.meaning}. [default: {defaults}]"


def names() -> list[str]:
    """All names that ``create`` knows."""
    return list(_MODELS)


def description(name: str) -> str:
    """A line on a model; raises ``InputError`` for an unknown name.

    >>> description("fcn16s")
    'FCN-16s: one skip, from stage 4.'
    """
    return inspect.cleandoc(_factory(name).__doc__ or "").splitlines()[0]


def options(name: str) -> dict[str, Any]:
    """The options of a model and their defaults; raises ``InputError`` for an unknown name."""
    parameters = inspect.signature(_factory(name)).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in ("num_classes", "in_channels")}


def stages() -> dict[str, tuple[str, ...]]:
    """The stages of each model that is trained in stages, in their order, by its name.

    >>> stages()
    {'dilatednet': ('front-end', 'context')}
    """
    made = {name: get_type_hints(factory)["return"] for name, factory in _MODELS.items()}
    found = {name: getattr(kind, "stages", ()) for name, kind in made.items()}
    return {name: tuple(stage.name for stage in stages) for name, stages in found.items() if stages}


def _factory(name: str) -> Callable[..., Network]:
    if name not in _MODELS:
        raise InputError(f"unknown model {name!r}; there are {', '.join(_MODELS)}")
    return _MODELS[name]


def all_options() -> dict[str, Option]:
    """Every option that a model has, by name.

    >>> all_options()["head"].help
    'Of a model: largefov, or a pyramid of rates: aspp-s or aspp-l. [default: largefov of deeplab]'
    """
    defaults: dict[str, dict[str, Any]] = {}
    for model in names():
        for option, default in options(model).items():
            defaults.setdefault(option, {})[model] = default
    return {name: Option(name, _MEANINGS[name], found) for name, found in defaults.items()}


MOST = 2**20
"""The largest number that an option may be: beyond it not even the number of bytes of a weight can be expressed."""


def create(name: str, *, num_classes: int | None = None, in_channels: int = 3, **given: Any) -> Network:
    """A new network with random weights, from the generator that ``manual_seed`` seeds, for so many classes (which
    have to be given) and channels of an image.

    Raises ``InputError`` for an unknown name, and ``OptionError``, a kind of it, for an unknown option, for one of
    another type than its default, and for values that make no network.

    >>> create("unet", num_classes=2, in_channels=1, width=8, depth=2).stride
    4
    """
    known = options(name)
    if num_classes is None:
        raise OptionError(f"{name}: {{num_classes}}, the number of classes, has to be given", "num_classes")
    unknown = sorted(set(given) - set(known))
    if unknown:
        listed = ", ".join(f"{{{option}}} (default {default!r})" for option, default in known.items())
        named = ", ".join(f"{{{option}}}" for option in unknown)
        raise OptionError(f"{name}: unknown option {named}; it has {listed}", *unknown, *known)
    given = {option: _plain(value, known[option]) for option, value in given.items()}
    for option, value in given.items():
        if type(value) is not type(known[option]):
            raise OptionError(
                f"{name}: {{{option}}} must be of type {type(known[option]).__name__}, as its default "
                f"{known[option]!r} is; got {value!r}",
                option,
            )
    for what, count in (("num_classes", num_classes), ("in_channels", in_channels)):
        if not isinstance(count, Integral) or isinstance(count, bool) or count < 1:
            raise OptionError(f"{name}: {{{what}}} must be a whole number of at least 1, got {count!r}", what)
    for option, value in {**given, "num_classes": num_classes, "in_channels": in_channels}.items():
        if isinstance(value, Integral) and int(value) > MOST:
            raise OptionError(f"{name}: {{{option}}} must be at most {MOST}, got {value}", option)
    return _MODELS[name](num_classes=num_classes, in_channels=in_channels, **given)


def _plain(value: Any, default: Any) -> Any:
    """A whole number as a float where one is expected."""
    return float(value) if type(value) is int and type(default) is float else value
