"""What all networks have in common, and what an image has to be before it enters one."""

from __future__ import annotations

from dataclasses import dataclass

from ..nn import Module
from ..tensor import Tensor


@dataclass(frozen=True)
class Preprocessing:
    """What weights expect of an image: (image - ``mean``) / ``std`` for each channel of an image in 0..1.

    ``mean`` and ``std`` come in the order of the image, red first; ``bgr``: the channels then enter blue first.

    >>> CAFFE.bgr, [round(255 * mean, 5) for mean in CAFFE.mean]
    (True, [122.67892, 116.66877, 104.00699])
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool = False


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
        self._frozen: tuple[Module, ...] = ()

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
