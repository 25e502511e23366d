"""A network that begins where another one ended: FCN-16s from FCN-32s, FCN-8s from FCN-16s, any from a classifier."""

from __future__ import annotations

from dataclasses import dataclass

from ..autograd import no_grad
from ..errors import InputError
from ..nn import Module
from ..tensor import Tensor
from .classifier import Classifier
from .fixed_bilinear import FixedBilinear


@dataclass(frozen=True)
class WarmStart:
    """What was done, key by key: ``copied`` as it was or, being a fully connected layer, ``reshaped``; ``fresh`` keys
    keep what they were built with, and ``unused`` keys are the source's that have no place here.
    """

    copied: tuple[str, ...]
    reshaped: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]


@no_grad()
def warm_start(model: Module, source: Module) -> WarmStart:
    """Copy into ``model`` what ``source`` has under the same names; from a ``Classifier``, its layers into a network
    that is made of it (see ``fcn_trunks.py``).

    What is new in an FCN starts as it was built: scores at zero and upsampling bilinear, so that the network says at
    first what its source said. Fixed upsampling is no weight and stays the model's own. Raises ``InputError``, before
    anything is changed, if nothing fits, or a key is of another shape.

    >>> from tinyseg import models
    >>> coarse = models.create("fcn32s", num_classes=3, backbone="vgg16", width=1)
    >>> warm_start(models.create("fcn16s", num_classes=3, backbone="vgg16", width=1), coarse).fresh
    ('score_pool4.weight', 'score_pool4.bias', 'upscore2.weight')
    """
    own, given = _weights(model), _weights(source)
    names = {key: _name_in(source, model, key) for key in own}
    found = {key: given[name] for key, name in names.items() if name in given}
    reshaped = tuple(key for key in found if _is_linear(found[key], own[key]))
    wrong = [key for key in found if key not in reshaped and found[key].shape != own[key].shape]
    if not found:
        raise InputError(f"warm_start: {_name(source)} has no weights that {_name(model)} has a place for")
    if wrong:
        key = wrong[0]
        raise InputError(
            f"warm_start: {key} has shape {own[key].shape} in {_name(model)}, but {found[key].shape} in "
            f"{_name(source)}; both must have the same classes, channels and width"
        )
    for key, value in found.items():
        own[key].copy_(value.reshape(own[key].shape))
    used = {names[key] for key in found}
    return WarmStart(
        copied=tuple(key for key in found if key not in reshaped),
        reshaped=reshaped,
        fresh=tuple(key for key in own if key not in found),
        unused=tuple(key for key in given if key not in used),
    )


def _weights(model: Module) -> dict[str, Tensor]:
    """Parameters and running statistics; what is bilinear for good is none of them."""
    return {key: value for key, value in model.state_dict().items() if key not in _fixed(model)}


def _fixed(model: Module) -> set[str]:
    return {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, FixedBilinear)}


def _name_in(source: Module, model: Module, key: str) -> str:
    """What ``key`` of ``model`` is called in ``source``."""
    if not isinstance(source, Classifier):
        return key
    layer, _, rest = key.rpartition(".")
    named: dict[str, str] = getattr(model, "classifier_names", {})
    return f"{named[layer]}.{rest}" if layer in named else key


def _is_linear(value: Tensor, place: Tensor) -> bool:
    """Whether ``value`` is the matrix of a fully connected layer that is a convolution in ``place``."""
    return value.ndim == 2 and place.ndim == 4 and value.shape == (place.shape[0], place.numel() // place.shape[0])


def _name(model: Module) -> str:
    return str(getattr(model, "name", type(model).__name__))
