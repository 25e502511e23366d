"""What is done to a network as a whole."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TypeVar

from ..autograd import no_grad
from ..tensor import Tensor
from ..tensor_base import float64
from .clip_grad import clip_grad_norm_, clip_grad_value_
from .layers.container import Sequential, is_plain
from .layers.convolution import Conv2d, ConvTranspose2d
from .layers.linear import Identity
from .layers.normalization import BatchNorm2d
from .module import Module, Parameter

__all__ = ["clip_grad_norm_", "clip_grad_value_", "fuse"]

M = TypeVar("M", bound=Module)


@no_grad()
def fuse(model: M) -> M:
    """A copy for prediction in which batch norm is part of the convolution before it; ``model`` stays as it is.

    In evaluation batch norm is y = (z - mean) scale + shift with scale = weight / sqrt(var + eps), constants of each
    channel. Where z = W * x + b is a convolution, so is y::

        y = (scale W) * x + (b - mean) scale + shift

    Each BatchNorm2d that directly follows a Conv2d or ConvTranspose2d in a Sequential is folded in that way (computed
    in float64 and rounded once) and becomes an Identity, so that names and places of the others stay; a ReLU behind
    it is then computed with the convolution (see ``Sequential``). What has forward hooks, is of a subclass, or
    normalises by the batch's statistics is left alone, and so is a convolution that stands in several places.

    Raises ``ValueError`` if a part of the model is set to training.

    >>> import tinyseg
    >>> from tinyseg import nn
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
    >>> fuse(net)
    Sequential(
      (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
      (1): Identity()
      (2): ReLU()
    )
    """
    for name, module in model.named_modules():
        if module.training:
            raise ValueError(
                f"fuse: {f'its part {name}' if name else 'the model'} is set to training, where batch norm depends "
                "on the batch; call model.eval() first"
            )
    fused = copy.deepcopy(model)
    fused.zero_grad()
    places = Counter(id(part) for module in fused.modules() for part in module._modules.values())
    for module in fused.modules():
        if type(module) is not Sequential:
            continue
        before: Module | None = None
        for name, part in module._modules.items():
            if before is not None and is_plain(part, BatchNorm2d) and part.running_mean is not None:
                _fold(before, part)
                module._modules[name] = Identity().eval()
            elif not is_plain(part, Identity):
                foldable = is_plain(part, Conv2d, ConvTranspose2d) and places[id(part)] == 1
                before = part if foldable else None
    return fused


def _fold(convolution: Module, norm: Module) -> None:
    """Give the convolution the weight and bias that ``fuse`` speaks of."""
    weight, groups = convolution.weight, convolution.groups
    scale = 1.0 / (norm.running_var.to(float64) + norm.eps).sqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.to(float64)
    bias = 0.0 if convolution.bias is None else convolution.bias.to(float64)
    bias = (bias - norm.running_mean.to(float64)) * scale
    if norm.bias is not None:
        bias = bias + norm.bias.to(float64)
    # Output channels lie along dimension 0 of a convolution's weight; of a transposed one's, dimension 1 has those of
    # one group, and dimension 0 counts through the groups.
    if isinstance(convolution, ConvTranspose2d):
        grouped = weight.to(float64).reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
        scaled = grouped * scale.reshape(groups, 1, -1, 1, 1)
    else:
        scaled = weight.to(float64) * scale.reshape(-1, 1, 1, 1)
    convolution.weight = _like(weight, scaled.reshape(weight.shape))
    convolution.register_parameter("bias", _like(weight, bias))


def _like(weight: Tensor, values: Tensor) -> Parameter:
    """``values`` as a parameter of the weight's type, to be trained if that is."""
    return Parameter(values.to(weight.dtype), weight.requires_grad)
