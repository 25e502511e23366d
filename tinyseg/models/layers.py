"""What the networks of the papers are put together from: their widths, their first values, runs of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import nn
from ..errors import OptionError
from ..geometry import Grid
from ..nn import Module
from ..tensor import Tensor

PAPER_WIDTH = 64
"""The ``width`` at which a network has the channels of its paper; other widths scale all of them."""


def scaled(channels: int, width: int) -> int:
    """``channels`` of a paper in a network of another width: an even number, as two groups may share them.

    >>> scaled(4096, 64), scaled(96, 4), scaled(16, 1)
    (4096, 6, 2)
    """
    return 2 * max(1, round(channels * width / (2 * PAPER_WIDTH)))


def check_width(name: str, width: int) -> None:
    """``OptionError`` unless it is positive."""
    if width < 1:
        raise OptionError(f"{name}: {{width}} must be at least 1, got {width}", "width")


def check_choice(name: str, option: str, value: str, known: Iterable[str]) -> None:
    """``OptionError`` unless ``value`` is one of the known ones."""
    listed = list(known)
    if value not in listed:
        are = "there is" if len(listed) == 1 else "there are"
        raise OptionError(f"{name}: unknown {{{option}}} {value!r}; {are} {', '.join(map(repr, listed))}", option)


def initialise(*modules: Module) -> None:
    """Weights of convolutions and fully connected layers from Kaiming's uniform distribution, biases 0.

    The papers start from weights that were trained on ImageNet. Without them this keeps the size of activations
    through layers with ReLU, however deep; PyTorch's own default would let them fade.
    """
    for module in modules:
        for layer in module.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


def draw(net: Module, values: Callable[[Tensor], object]) -> None:
    """Weights of all convolutions of ``net``, transposed ones too, by ``values`` (``nn.init.kaiming_normal_``, say);
    biases 0.
    """
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            values(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def run(layers: Iterable[Module], input: Any) -> Any:
    """Through layers that are attributes of a network, and not parts of a Sequential, one after the other."""
    return nn.Sequential(*layers)(input)


def grid_behind(layers: Iterable[Module], grid: Grid) -> Grid:
    """Where the units behind ``layers`` stand; what has no window of its own (ReLU, an inception) moves nothing."""
    for layer in layers:
        if isinstance(layer, nn.Sequential):
            grid = grid_behind(layer, grid)
        elif isinstance(layer, nn.Conv2d):
            grid = grid.through(layer.kernel_size[0], layer.stride[0], layer.dilation[0], layer.padding[0])
        elif isinstance(layer, (nn.MaxPool2d, nn.AvgPool2d)):
            grid = grid.through(layer.kernel_size, layer.stride, padding=layer.padding)
    return grid
