"""What all networks for segmentation have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from ..errors import InputError
from ..geometry import padding_to_multiple
from ..nn import BatchNorm2d
from ..ops.network.pad import pad
from ..tensor import Tensor
from .network import Network

Criterion = Callable[[Tensor, Tensor], Tensor]
"""A loss of logits N,K,H,W and labels N,H,W, as a tensor of one element."""


class Outputs(NamedTuple):
    """Score maps of one image or more, (N, K, H, W) each: ``logits`` of the classes, and those of ``extra`` targets,
    other labellings of the same pixels, by name.
    """

    logits: Tensor
    extra: Mapping[str, Tensor] = {}


class Stage(NamedTuple):
    """A stage of training. ``frozen``: the part of the network that is not trained in this stage, and has to come
    with the weights that the stage begins with; ``made_by``: the stage that trains it. Both are empty where nothing
    is frozen.
    """

    name: str
    frozen: str = ""
    made_by: str = ""


class SegmentationModel(Network):
    """Images N,C,H,W in, class logits N,num_classes,H,W out, for any size from ``min_size`` on.

    Networks that halve the image again and again need sizes that are multiples of ``stride``. Subclasses define
    ``logits`` for such sizes; ``forward`` adds what is missing, half on either side, and crops it off again. A
    network that takes other sizes says so by ``fitting``.

    A network with heads for extra targets says so by ``extra_classes``, and defines ``outputs`` and ``loss_of``;
    one that is trained in stages lists them as ``stages``, and defines ``train_stage``.
    """

    stages: tuple[Stage, ...] = ()

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

    @property
    def extra_classes(self) -> Mapping[str, int]:
        """The number of classes of each extra target that there is a head for, by the name of the target."""
        return {}

    def outputs(self, input: Tensor, extra: Collection[str] = ()) -> Outputs:
        """Images (N, in_channels, H, W) -> what ``forward`` makes of them, and the scores of these ``extra`` targets.
        Raises ``InputError`` for a target that there is no head for.
        """
        self.check_extra(extra)
        return Outputs(self(input))

    def check_extra(self, extra: Collection[str]) -> None:
        """``InputError`` unless there is a head for each of these extra targets."""
        if missing := [target for target in extra if target not in self.extra_classes]:
            raise InputError(f"{self.name} has one head, and none for {missing[0]} classes")

    def loss_of(self, outputs: Outputs, labels: Tensor, criterion: Criterion, extra: Mapping[str, Tensor]) -> Tensor:
        """The loss of ``outputs``: ``criterion`` of the logits and the labels. ``extra``: labels (N, H, W) of extra
        targets by name; a network with heads for them adds their losses.
        """
        return criterion(outputs.logits, labels)

    def loss(
        self, images: Tensor, labels: Tensor, criterion: Criterion, extra: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """What training lowers: ``loss_of`` the outputs. A network with several results adds up theirs."""
        extra = extra or {}
        return self.loss_of(self.outputs(images, extra), labels, criterion, extra)

    def train_stage(self, stage: str | None) -> None:
        """Train what belongs to one of the ``stages``; None, as at first: all of it."""
        if stage is not None:
            raise InputError(f"{self.name} is not trained in stages")
