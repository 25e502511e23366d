"""What all networks for segmentation have in common."""

from __future__ import annotations

from collections.abc import Callable

from ..geometry import padding_to_multiple
from ..nn import Module
from ..ops.pad import pad
from ..tensor import Tensor

Criterion = Callable[[Tensor, Tensor], Tensor]
"""A loss of logits N,K,H,W and labels N,H,W, as a tensor of one element."""


class SegmentationModel(Module):
    """Images N,C,H,W in, class logits N,num_classes,H,W out, for any size from ``min_size`` on.

    Networks that halve the image again and again need sizes that are multiples of ``stride``. Subclasses define
    ``logits`` for such sizes; ``forward`` adds what is missing, half on either side, and crops it off again. A
    network that takes other sizes says so by ``fitting``.
    """

    def __init__(self, name: str, num_classes: int, in_channels: int, stride: int) -> None:
        super().__init__()
        self.name, self.num_classes, self.in_channels, self.stride = name, num_classes, in_channels, stride

    @property
    def min_size(self) -> tuple[int, int]:
        """The smallest image, (height, width): below it the deepest layer would see nothing but padding."""
        return self.stride, self.stride

    def fitting(self, size: int) -> int:
        """The least number of rows, ``size`` or more, that ``logits`` takes; of columns alike."""
        return size + padding_to_multiple(size, self.stride)

    def logits(self, input: Tensor) -> Tensor:
        """The network itself, for sizes that fit."""
        raise NotImplementedError(f"{type(self).__name__} does not define logits")

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

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes, H, W). Raises ``ValueError`` for other channels or too small
        images.
        """
        self.check(input)
        (logits,) = self.fitted(input, lambda image: [self.logits(image)])
        return logits

    def fitted(self, input: Tensor, network: Callable[[Tensor], list[Tensor]]) -> list[Tensor]:
        """What ``network`` makes of an image that was padded to a size that fits, cropped to the image's own."""
        height, width = input.shape[2:]
        rows, columns = self.fitting(height) - height, self.fitting(width) - width
        if not rows and not columns:
            return network(input)
        top, left = rows // 2, columns // 2
        padded = pad(input, (left, columns - left, top, rows - top))
        return [maps[:, :, top : top + height, left : left + width] for maps in network(padded)]

    def loss(self, images: Tensor, labels: Tensor, criterion: Criterion) -> Tensor:
        """What training lowers: ``criterion`` of the logits. A network with several results adds up theirs."""
        return criterion(self(images), labels)
