"""The choice of a convolution's algorithm: a direct sum, or Winograd's for 3x3 kernels with stride 1.

The latter does a quarter of the multiplications, but transforms every tile and every weight. It loses where so few
channels meet that the transforms outweigh the products; where tiles are mostly outside the image, as with a dilation
that leaves few pixels to each interleaved grid; and where the weights are packed once for many calls and a few
pixels would read four times as many numbers of them. So both are estimated, from nanoseconds measured on one core of
an AVX-512 server; only their ratios matter, and these differ little from machine to machine.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from ..runtime.layout import Pair
from ..runtime.processor import lanes
from .winograd.tiles import count_tiles

ALGORITHMS = ("auto", "direct", "winograd")

# Nanoseconds for: a multiply-add of the direct sum; one of the 36 products; a number that a transform writes.
_DIRECT, _DIRECT_GRADIENT, _PRODUCT = 0.019, 0.022, 0.018
_TRANSFORM, _TRANSFORM_GRADIENT = 0.3, 0.15
# And per weight: packing for the direct sum; Winograd transform; reading a transformed weight; accumulating its
# gradient; inverse transform.
_PACK, _WEIGHT, _READ, _COMBINE, _GRADIENT = 1.5, 0.3, 0.1, 3.0, 0.5

_chosen = "auto"


def set_conv_algorithm(name: str) -> None:
    """See ``spec.py``."""
    global _chosen
    _chosen = name


@dataclass(frozen=True)
class Shape:
    """What the choice depends on.

    ``tiles``: those of 4x4 pixels that cover the output; ``met``: pairs of an output pixel and a tap that is inside
    the image there.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, int]
    tiles: int
    met: int
    channels: int
    outputs: int
    itemsize: int

    @property
    def may_use_winograd(self) -> bool:
        """3x3, stride 1, unless direct convolution is requested."""
        return tuple(self.kernel) == (3, 3) and tuple(self.stride) == (1, 1) and _chosen != "direct"

    @property
    def has_few_channels(self) -> bool:
        """Channels are filled up to whole vectors: these would be mostly filling."""
        return min(self.channels, self.outputs) < lanes(self.itemsize) // 2


def _met(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Pairs of an output and a tap that is inside the image there, along one dimension."""
    count = 0
    for offset in range(-padding, kernel * dilation - padding, dilation):
        first, last = max(0, -(offset // stride)), min(out - 1, (size - 1 - offset) // stride)
        count += max(0, last - first + 1)
    return count


@functools.lru_cache(maxsize=1024)
def shape_of(
    x: tuple[int, ...],
    y: tuple[int, ...],
    weight: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    itemsize: int,
) -> Shape:
    """Of the convolution from x to y, N,C,H,W; its adjoint is one from y to x."""
    met = x[0]
    for i in (0, 1):
        met *= _met(x[2 + i], y[2 + i], weight[2 + i], stride[i], padding[i], dilation[i])
    return Shape(weight[2:], stride, count_tiles(x[0], (y[2], y[3]), dilation), met, x[1], y[1], itemsize)


def uses_winograd(shape: Shape, packed: bool) -> bool:
    """True if the Winograd algorithm applies and is requested or seems the faster one.

    ``packed``: weights are packed once for many calls.
    """
    if not shape.may_use_winograd or _chosen == "winograd":
        return shape.may_use_winograd
    if shape.has_few_channels:
        return False
    vector, weights = lanes(shape.itemsize), shape.channels * shape.outputs
    channels, outputs = (-(-count // vector) * vector for count in (shape.channels, shape.outputs))
    direct = shape.met * shape.channels * outputs * _DIRECT
    winograd = shape.tiles * 36 * (channels * outputs * _PRODUCT + (channels + outputs) * _TRANSFORM)
    if packed:
        return winograd + 36 * weights * _READ < direct
    return winograd + 36 * weights * _WEIGHT < direct + 9 * weights * _PACK


def gradient_uses_winograd(shape: Shape) -> bool:
    """The same for the weight gradient."""
    if not shape.may_use_winograd or _chosen == "winograd":
        return shape.may_use_winograd
    if shape.has_few_channels:
        return False
    weights = shape.channels * shape.outputs
    direct = shape.met * weights * _DIRECT_GRADIENT + 9 * weights * _COMBINE
    transforms = (shape.channels + shape.outputs) * _TRANSFORM_GRADIENT
    return shape.tiles * 36 * (weights * _PRODUCT + transforms) + 36 * weights * _GRADIENT < direct
