"""What all networks for segmentation have in common."""

from __future__ import annotations

from collections.abc import Callable

from ..geometry import padding_to_multiple
from ..nn import BatchNorm2d
from ..ops.network.pad import pad
from ..tensor import Tensor
from .network import Network

Criterion = Callable[[Tensor, Tensor], Tensor]
"""A loss of logits N,K,H,W and labels N,H,W, as a tensor of one element."""


class SegmentationModel(Network):
    """Images N,C,H,W in, class logits N,num_classes,H,W out, for any size from ``min_size`` on.

    Networks that halve the image again and again need sizes that are multiples of ``stride``. Subclasses define
    ``logits`` for such sizes; ``forward`` adds what is missing, half on either side, and crops it off again. A
    network that takes other sizes says so by ``fitting``.
    """

    def __init__(self, name: str, num_classes: int, in_channels: int, stride: int) -> None:
        super().__init__(name, num_classes, in_channels)
        self.stride = stride

    @property
    def min_size(self) -> tuple[int, int]:
        """The smallest image, (height, width), below which the deepest layer would see nothing but padding."""
        return self.stride, self.stride

    @property
    def single_unit(self) -> int:
        """The largest side of an image that is a single unit in a layer that normalises batches, and so too little to
        be trained on alone; 0 where nothing normalises.
        """
        return self.stride if any(isinstance(part, BatchNorm2d) for part in self.modules()) else 0

    def fitting(self, size: int) -> int:
        """The least number of rows, ``size`` or more, that ``logits`` takes; of columns alike."""
        return size + padding_to_multiple(size, self.stride)

    def logits(self, input: Tensor) -> Tensor:
        """The network itself, for sizes that fit."""
        raise NotImplementedError(f"{type(self).__name__} does not define logits")

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
