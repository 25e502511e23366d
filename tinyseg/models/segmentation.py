"""What all networks for segmentation have in common."""

from __future__ import annotations

from collections.abc import Callable

from ..geometry import padding_to_multiple
from ..ops.pad import pad
from ..tensor import Tensor
from .network import Network

Criterion = Callable[[Tensor, Tensor], Tensor]
"""A loss of logits N,K,H,W and labels N,H,W, as a tensor of one element."""


class SegmentationModel(Network):
    """Images N,C,H,W in, class logits N,num_classes,H,W out, for any size from ``min_size`` on.

    Networks that halve the image again and again need sizes that are multiples of ``stride``. Subclasses define
    ``logits`` for such sizes; ``forward`` adds what is missing, half on either side, and crops it off again.
    """

    def __init__(self, name: str, num_classes: int, in_channels: int, stride: int) -> None:
        super().__init__(name, num_classes, in_channels)
        self.stride = stride

    @property
    def min_size(self) -> tuple[int, int]:
        """The smallest image, (height, width): below it the deepest layer would see nothing but padding."""
        return self.stride, self.stride

    def logits(self, input: Tensor) -> Tensor:
        """The network itself, for sizes that are multiples of ``stride``."""
        raise NotImplementedError(f"{type(self).__name__} does not define logits")

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes, H, W). Raises ``ValueError`` for other channels or too small
        images.
        """
        self.check(input)
        height, width = input.shape[2:]
        rows, columns = padding_to_multiple(height, self.stride), padding_to_multiple(width, self.stride)
        if not rows and not columns:
            return self.logits(input)
        top, left = rows // 2, columns // 2
        padded = pad(input, (left, columns - left, top, rows - top))
        return self.logits(padded)[:, :, top : top + height, left : left + width]

    def loss(self, images: Tensor, labels: Tensor, criterion: Criterion) -> Tensor:
        """What training lowers: ``criterion`` of the logits. A network with several results adds up theirs."""
        return criterion(self(images), labels)
