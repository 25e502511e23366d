"""A receptive field as it is measured: where in the image the gradient of one unit is not zero."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import backend
from ...autograd import grad, no_grad
from ...creation import rand
from ...models import SegmentationModel
from ...nn import Module, init
from ...tensor import Tensor
from .info import ModelInfo, describe_model

Extent = tuple[int, int]


def measure_field(model: SegmentationModel, info: ModelInfo | None = None, images: int = 20) -> Extent:
    """The pixels, (high, wide), from the first to the last one that moves the middle unit of a network's coarsest
    layer, which ``describe`` finds by arithmetic; the union over random ``images``, because a max pool passes the
    gradient to the winner alone.

    It is measured on a copy with positive weights, in which no ReLU is shut and nothing cancels, in float64, in
    images that are two strides larger than the field, so that no border is in the way; and by direct convolutions,
    because Winograd's leave a trace of rounding in pixels that have no part. That takes ``images`` passes forward and
    back, so it is for small networks. ``info``: what ``describe_model`` says, where that is known.

    Raises ``ValueError`` for a network with an operator that does not say its receptive field.

    Source: Luo, Li, Urtasun and Zemel 2016, section 3, for the gradient as a measure.

    >>> from tinyseg import models
    >>> net = models.create("unet", num_classes=2, in_channels=1, width=1, depth=1)
    >>> describe_model(net, (32, 32)).coarsest.field, measure_field(net, images=4)
    ((14, 14), (14, 14))
    """
    info = info or describe_model(model)
    coarsest = info.coarsest
    if coarsest is None or coarsest.field is None or coarsest.stride is None:
        raise ValueError(
            "measure_field: the coarsest layer is unknown, because these operators do not say their receptive field: "
            f"{', '.join(info.unknown_fields)}; set elementwise = True in the class, or write receptive_field"
        )
    probe = _positive(model)
    height, width = (
        _rounded_up(max(int(field + 2 * stride), least), model.stride)
        for field, stride, least in zip(coarsest.field, coarsest.stride, model.min_size, strict=True)
    )
    seen = np.zeros((height, width), bool)
    algorithm = backend.get_conv_algorithm()
    backend.set_conv_algorithm("direct")
    try:
        for _ in range(images):
            seen |= _seen(probe, coarsest.name, rand(1, model.in_channels, height, width, dtype="float64"))
    finally:
        backend.set_conv_algorithm(algorithm)
    return _extent(seen.any(1)), _extent(seen.any(0))


@no_grad()
def _positive(model: SegmentationModel) -> SegmentationModel:
    """A copy whose weights are positive with a mean of 1 / fan in, so that sums keep their size, without biases."""
    probe = copy.deepcopy(model)
    probe.eval().double()
    for name, parameter in probe.named_parameters():
        if parameter.ndim > 1:
            init.uniform_(parameter, 0.0, 2.0 / max(parameter[0].numel(), 1))
        elif name.endswith("bias"):
            init.zeros_(parameter)
    return probe


def _seen(probe: SegmentationModel, layer: str, image: Tensor) -> NDArray[np.bool_]:
    """The pixels that move the unit in the middle of the layer's output."""
    caught: list[Tensor] = []

    def catch(module: Module, inputs: object, outputs: Tensor | tuple[Tensor, ...]) -> None:
        caught.append(outputs[0] if isinstance(outputs, tuple) else outputs)

    handle = dict(probe.named_modules())[layer].register_forward_hook(catch)
    try:
        probe(image.requires_grad_())
    finally:
        handle.remove()
    units = caught[-1]
    (by_image,) = grad(units[:, :, units.shape[2] // 2, units.shape[3] // 2].sum(), image)
    return (by_image.numpy() != 0).any((0, 1)) if by_image is not None else np.zeros(image.shape[2:], bool)


def _extent(seen: Any) -> int:
    places = np.flatnonzero(seen)
    return int(places[-1] - places[0] + 1) if places.size else 0


def _rounded_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
