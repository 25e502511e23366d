"""Convolutions: forward as in prediction, and forward with both gradients as in training, against PyTorch's layouts.

Forward, weights stay the same from call to call, so whoever packs them packs them once; with gradients they are
packed in every call, as training must.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .sides import SIDES, Array, Side, channels_last
from .timing import Case, Way

RUNS, WARM = 7, 1


class Shape(NamedTuple):
    """Square images and windows."""

    images: int
    inputs: int
    outputs: int
    size: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    transposed: bool = False

    def __str__(self) -> str:
        images, inputs, outputs, size, kernel, stride, dilation, transposed = self
        text = f"{images}x{inputs}x{size}x{size} -> {outputs}, {'transposed ' * transposed}k{kernel}"
        return text + f" s{stride}" * (stride > 1) + f" d{dilation}" * (dilation > 1)

    @property
    def padding(self) -> int:
        """What keeps the size, but for the stride."""
        return (self.kernel - self.stride) // 2 if self.transposed else self.dilation * (self.kernel - 1) // 2


point = functools.partial(Shape, kernel=1)
strided = functools.partial(Shape, kernel=3, stride=2)
up2 = functools.partial(Shape, kernel=2, stride=2, transposed=True)
up4 = functools.partial(Shape, kernel=4, stride=2, transposed=True)

FAMILIES: dict[str, list[Shape]] = {
    "3x3 stride 1, >= 32 channels": [
        # U-Net, 4 images of 128x128, 32 channels wide: down, and the concatenations on the way up
        *(Shape(4, 32, 32, 128), Shape(4, 32, 64, 64), Shape(4, 64, 64, 64), Shape(4, 64, 128, 32)),
        *(Shape(4, 128, 128, 32), Shape(4, 128, 256, 16), Shape(4, 256, 256, 16), Shape(4, 256, 512, 8)),
        *(Shape(4, 512, 512, 8), Shape(4, 512, 256, 16), Shape(4, 256, 128, 32), Shape(4, 128, 64, 64)),
        Shape(4, 64, 32, 128),
        # the same, 1 image of 256x256
        *(Shape(1, 32, 32, 256), Shape(1, 32, 64, 128), Shape(1, 64, 64, 128), Shape(1, 64, 128, 64)),
        *(Shape(1, 128, 128, 64), Shape(1, 128, 256, 32), Shape(1, 256, 256, 32), Shape(1, 256, 512, 16)),
        *(Shape(1, 512, 512, 16), Shape(1, 512, 256, 32), Shape(1, 256, 128, 64), Shape(1, 128, 64, 128)),
        Shape(1, 64, 32, 256),
        # the deepest level of 1 image of 128x128, and the paper's width
        *(Shape(1, 256, 512, 8), Shape(1, 512, 512, 8), Shape(1, 64, 64, 256), Shape(1, 128, 64, 256)),
        *(Shape(1, 512, 1024, 16), Shape(1, 1024, 1024, 16), Shape(1, 1024, 512, 32)),
        # FCN-VGG16, 1 image of 224x224
        *(Shape(1, 64, 64, 224), Shape(1, 64, 128, 112), Shape(1, 128, 128, 112), Shape(1, 128, 256, 56)),
        *(Shape(1, 256, 256, 56), Shape(1, 256, 512, 28), Shape(1, 512, 512, 28), Shape(1, 512, 512, 14)),
    ],
    "dilated 3x3": [
        # DilatedNet's front end, and further out
        *(Shape(1, 512, 512, 28, dilation=d) for d in (2, 4, 8, 16)),
        *(Shape(1, 256, 512, 28, dilation=2), Shape(4, 64, 64, 64, dilation=2)),
        # the basic context module, for 21 classes and for 32 channels
        *(Shape(1, 21, 21, 64, dilation=d) for d in (2, 4, 8, 16)),
        *(Shape(1, 32, 32, 64, dilation=d) for d in (2, 4, 8, 16)),
        # the large one, which doubles its channels with the dilation
        *(Shape(1, 42, 84, 64, dilation=2), Shape(1, 84, 168, 64, dilation=4)),
        *(Shape(1, 168, 336, 64, dilation=8), Shape(1, 336, 672, 64, dilation=16)),
    ],
    "1x1": [
        *(point(4, 32, 12, 128), point(1, 32, 12, 256), point(4, 64, 64, 64), point(4, 256, 64, 32)),
        *(point(4, 64, 256, 32), point(1, 512, 128, 28), point(1, 512, 512, 28), point(1, 256, 21, 28)),
        *(point(1, 512, 21, 14), point(1, 4096, 21, 7), point(1, 21, 21, 64)),
    ],
    "strided 3x3": [
        *(strided(4, 32, 64, 128), strided(4, 64, 128, 64), strided(4, 128, 256, 32), strided(4, 256, 512, 16)),
        *(strided(1, 64, 64, 128), strided(1, 512, 512, 14)),
    ],
    "transposed k2s2 and k4s2": [
        # U-Net, 4 images of 128x128 and 1 of 256x256; FCN's scores; a decoder of such layers
        *(up2(4, 512, 256, 8), up2(4, 256, 128, 16), up2(4, 128, 64, 32), up2(4, 64, 32, 64)),
        *(up2(1, 512, 256, 16), up2(1, 256, 128, 32), up2(1, 128, 64, 64), up2(1, 64, 32, 128)),
        *(up4(1, 21, 21, 7), up4(1, 21, 21, 14), up4(4, 12, 12, 16)),
        *(up4(4, 512, 256, 8), up4(4, 128, 64, 32), up4(1, 64, 32, 128)),
    ],
    "first layers": [
        *(Shape(4, 3, 32, 128), Shape(1, 3, 32, 256), Shape(1, 3, 64, 224), Shape(4, 3, 16, 128)),
        *(strided(1, 3, 32, 224), Shape(1, 3, 64, 224, kernel=7, stride=2)),
    ],
    "large kernels": [
        # FCN-VGG16's fc6 and fc7, the dilated fc6 of DilatedNet at half its width, FCN-8s' last layer
        *(Shape(1, 512, 4096, 7, kernel=7), point(1, 4096, 4096, 7)),
        *(Shape(1, 256, 2048, 14, kernel=7, dilation=4), Shape(1, 21, 21, 28, 16, 8, transposed=True)),
    ],
}


@functools.lru_cache(maxsize=1)
def _arrays(shape: Shape) -> tuple[Array, Array]:
    random = np.random.default_rng(0)
    channels = (shape.inputs, shape.outputs) if shape.transposed else (shape.outputs, shape.inputs)
    weight = random.standard_normal((*channels, shape.kernel, shape.kernel), dtype=np.float32)
    scale = np.float32(shape.kernel * shape.inputs**0.5)
    return channels_last(random, shape.images, shape.inputs, shape.size, shape.size), weight / scale


def _way(name: str, threads: int, shape: Shape, gradients: bool) -> Way:
    return call(SIDES[name](threads), shape, gradients)


def call(side: Side, shape: Shape, gradients: bool) -> Way:
    """The convolution of random numbers on one side, with gradients or without."""
    F = side.library.nn.functional
    convolve: Any = F.conv_transpose2d if shape.transposed else F.conv2d
    window = {"stride": shape.stride, "padding": shape.padding, "dilation": shape.dilation}
    x, weight = (side.place(array).requires_grad_() for array in _arrays(shape))

    def forward() -> Any:
        with side.library.no_grad():
            return convolve(x, weight, **window)

    gradient = side.place(channels_last(np.random.default_rng(1), *forward().shape))

    def both_ways() -> None:
        convolve(x, weight, **window).backward(gradient)
        x.grad = weight.grad = None

    return both_ways if gradients else forward


def cases(threads: int) -> Iterator[Case]:
    """Family by family, each in both directions."""
    for family, shapes in FAMILIES.items():
        for direction in ("forward", "forward + gradients"):
            for shape in shapes:
                gradients = direction != "forward"
                ways = {name: functools.partial(_way, name, threads, shape, gradients) for name in SIDES}
                yield Case(f"{family}, {direction}", f"{shape}, {direction}", threads, ways)
