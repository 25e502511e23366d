"""What all networks have in common, and what an image has to be before it enters one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ..finite import check_normalisation
from ..nn import Conv2d, Module
from ..tensor import Tensor

Conventions = Mapping[str, Mapping[str, Any]]
"""Of layers, by what their names begin with, facts that the shapes of their weights do not show."""

Change = Callable[[NDArray[Any]], NDArray[Any]]
"""A conversion of a weight."""


class SeparatePart(NamedTuple):
    """A part of a network that need not come with the rest of it: what it is called, and how it starts."""

    called: str
    start: str


@dataclass(frozen=True)
class Preprocessing:
    """What weights expect of an image: (image - ``mean``) / ``std`` for each channel of an image in 0..1.

    ``mean`` and ``std`` come in the order of the image, red first; ``bgr``: the channels then enter blue first.
    Raises ``ValueError`` for numbers that would leave nothing of an image.

    >>> CAFFE.bgr, [round(255 * mean, 5) for mean in CAFFE.mean]
    (True, [122.67892, 116.66877, 104.00699])
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool = False

    def __post_init__(self) -> None:
        check_normalisation("preprocessing", self.mean, self.std)


CAFFE = Preprocessing((122.67892 / 255, 116.66877 / 255, 104.00699 / 255), (1 / 255,) * 3, bgr=True)
"""Weights trained with Caffe, the papers' own: blue first, 0..255, minus the mean of ImageNet."""

IMAGENET = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""torchvision's weights: red first, with mean and standard deviation of ImageNet."""

INCEPTION = Preprocessing((0.5,) * 3, (0.5,) * 3)
"""torchvision's GoogLeNet, whose weights come from TensorFlow: -1..1."""


class Network(Module):
    """Images N,in_channels,H,W in. ``preprocessing``: what its weights expect of them; None where they expect
    nothing yet, so that mean and standard deviation of the training images will do.
    """

    def __init__(self, name: str, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.name, self.num_classes, self.in_channels = name, num_classes, in_channels
        self.preprocessing: Preprocessing | None = None
        self.classifier_names: Mapping[str, str] = {}
        self._frozen: tuple[Module, ...] = ()

    @property
    def score_layers(self) -> tuple[str, ...]:
        """Names of the layers that compute scores, or bring scores to another size.

        With another number of classes these alone have other shapes; weights for other classes fit everywhere else.
        """
        return ()

    @property
    def input_layer(self) -> str:
        """The name of the layer that the image enters, which is the first convolution unless a network has another;
        empty where there is none.
        """
        return next((name for name, layer in self.named_modules() if isinstance(layer, Conv2d)), "")

    @property
    def conventions(self) -> Conventions:
        """What the weights mean beyond their names and shapes, as the options of the network decide it.

        For layers, by what their names begin with up to a dot ("" for all), values by name. Two networks of the same
        shapes that compute different things from the same weights differ here. Checkpoints store it.
        """
        return {}

    def adopt(self, conventions: Conventions) -> None:
        """Compute as weights of these ``conventions`` expect, as far as a network can change after it was built."""

    @property
    def adopted(self) -> dict[str, Any]:
        """The options, as ``models.create`` takes them, that ``adopt`` may have changed, and their values now."""
        return {}

    @property
    def adaptable(self) -> tuple[str, ...]:
        """Names of conventions in which weights may differ, as they are converted or adopted."""
        return ()

    def changes(self, conventions: Conventions) -> Mapping[str, Change]:
        """Patterns of names whose weights have to be converted where they have these ``conventions``, and how."""
        return {}

    @property
    def constant_starts(self) -> Mapping[str, str]:
        """Patterns of names of weights that begin with constants, and are not drawn at random, and how they begin."""
        return {}

    @property
    def separate_parts(self) -> Mapping[str, SeparatePart]:
        """Parts, by their names, that weights may lack, whatever the file, or have for another such part, though
        random numbers may be drawn for them.
        """
        return {}

    def classifier_layers(self, batch_norm: bool) -> Mapping[str, str]:
        """For each layer that is a classifier's, its name there; ``batch_norm``: that has it after each convolution.
        Empty where the network is not made of a classifier.
        """
        return self.classifier_names

    @property
    def min_size(self) -> tuple[int, int]:
        """The smallest image, (height, width)."""
        raise NotImplementedError(f"{type(self).__name__} does not define min_size")

    def check(self, input: Tensor) -> None:
        """Raises ``ValueError`` for images of other channels, or smaller than ``min_size``."""
        if input.ndim != 4 or input.shape[1] != self.in_channels:
            raise ValueError(f"{self.name}: input must be (N, {self.in_channels}, H, W), got shape {input.shape}")
        (height, width), (least_height, least_width) = input.shape[2:], self.min_size
        if height < least_height or width < least_width:
            raise ValueError(
                f"{self.name}: an image of {height}x{width} is too small; at least {least_height}x{least_width} is "
                "needed"
            )

    def freeze(self, *parts: Module) -> None:
        """Train nothing in these parts any more: no parameter, no running statistics, no dropout."""
        self._frozen = parts
        for part in parts:
            part.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Module:
        """Set all parts to training or not; those that are frozen stay as in evaluation."""
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self
