"""The networks, as a user writes them: each defined once, for any library that has PyTorch's names.

``library`` is ``tinyseg`` or ``torch``. Nothing here knows of fused blocks or memory layouts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CLASSES = 12

Network = Callable[[Any], Any]


def _convolutions(nn: Any, inputs: int, outputs: int, count: int, norm: bool = True, dilation: int = 1) -> Any:
    """``count`` times a 3x3 convolution, batch norm (or a bias) and ReLU."""
    layers = []
    for before in [inputs, *[outputs] * (count - 1)]:
        layers.append(nn.Conv2d(before, outputs, 3, padding=dilation, dilation=dilation, bias=not norm))
        layers += [nn.BatchNorm2d(outputs)] if norm else []
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def unet(library: Any, width: int = 32, depth: int = 4) -> Any:
    """U-Net (Ronneberger et al. 2015) with padded convolutions and batch norm; 7.8 million parameters."""
    nn, F = library.nn, library.nn.functional
    widths = [width * 2**level for level in range(depth + 1)]

    class UNet(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList(_convolutions(nn, a, b, 2) for a, b in zip([3, *widths], widths, strict=False))
            self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1]))
            self.merge = nn.ModuleList(_convolutions(nn, 2 * w, w, 2) for w in reversed(widths[:-1]))
            self.score = nn.Conv2d(width, CLASSES, 1)

        def forward(self, x: Any) -> Any:
            skips = []
            for level, block in enumerate(self.down):
                x = block(F.max_pool2d(x, 2) if level else x)
                skips.append(x)
            for up, merge, skip in zip(self.up, self.merge, reversed(skips[:-1]), strict=True):
                x = merge(library.cat([up(x), skip], 1))
            return self.score(x)

    return UNet()


def _fcn8s(library: Any, widths: list[int], counts: list[int], norm: bool, deep: int) -> Any:
    """FCN-8s (Long et al. 2015) over five stages, with the classifier's two layers of ``deep`` channels, if any."""
    nn, F = library.nn, library.nn.functional
    stages = zip([3, *widths], widths, counts, strict=False)
    head = _classifier(nn, widths[-1], deep, dilation=1) if deep else []

    class FCN8s(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.stages = nn.ModuleList(_convolutions(nn, a, b, count, norm) for a, b, count in stages)
            self.head = nn.Sequential(*head)
            self.score3, self.score4 = (nn.Conv2d(w, CLASSES, 1) for w in widths[2:4])
            self.score5 = nn.Conv2d(deep or widths[4], CLASSES, 1)
            self.up5, self.up4 = (
                nn.ConvTranspose2d(CLASSES, CLASSES, 4, stride=2, padding=1, bias=False) for _ in range(2)
            )
            self.up = nn.ConvTranspose2d(CLASSES, CLASSES, 16, stride=8, padding=4, groups=CLASSES, bias=False)

        def forward(self, x: Any) -> Any:
            pooled = []
            for stage in self.stages:
                x = F.max_pool2d(stage(x), 2)
                pooled.append(x)
            x = self.up5(self.score5(self.head(x))) + self.score4(pooled[3])
            return self.up(self.up4(x) + self.score3(pooled[2]))

    return FCN8s()


def _classifier(nn: Any, inputs: int, deep: int, dilation: int) -> list[Any]:
    """VGG's fully connected layers as convolutions: 7x7, then 1x1, each with ReLU and dropout."""
    first = nn.Conv2d(inputs, deep, 7, padding=3 * dilation, dilation=dilation)
    return [first, nn.ReLU(), nn.Dropout(), nn.Conv2d(deep, deep, 1), nn.ReLU(), nn.Dropout()]


def fcn8s_small(library: Any) -> Any:
    """FCN-8s over a small backbone with batch norm."""
    return _fcn8s(library, [16, 32, 64, 128, 128], [2] * 5, norm=True, deep=0)


def fcn8s_vgg16(library: Any, width: int = 64) -> Any:
    """FCN-8s over VGG16, 134 million parameters."""
    return _fcn8s(library, [width * w for w in (1, 2, 4, 8, 8)], [2, 2, 3, 3, 3], norm=False, deep=64 * width)


def dilated_net(library: Any, width: int = 64) -> Any:
    """The front end (VGG16 that keeps to 1/8 of the size) and the context module of Yu and Koltun 2016."""
    nn, F = library.nn, library.nn.functional
    stages = zip([3, width, 2 * width], [width, 2 * width, 4 * width], [2, 2, 3], strict=True)

    class DilatedNet(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.stages = nn.ModuleList(_convolutions(nn, a, b, count, norm=False) for a, b, count in stages)
            self.front = nn.Sequential(
                _convolutions(nn, 4 * width, 8 * width, 3, norm=False),
                _convolutions(nn, 8 * width, 8 * width, 3, norm=False, dilation=2),
                *_classifier(nn, 8 * width, 64 * width, dilation=4),
                nn.Conv2d(64 * width, CLASSES, 1),
            )
            self.context = nn.Sequential(
                *(_convolutions(nn, CLASSES, CLASSES, 1, norm=False, dilation=d) for d in (1, 1, 2, 4, 8, 16, 1)),
                nn.Conv2d(CLASSES, CLASSES, 1),
            )

        def forward(self, x: Any) -> Any:
            for stage in self.stages:
                x = F.max_pool2d(stage(x), 2)
            x = self.context(self.front(x))
            return F.interpolate(x, scale_factor=8, mode="bilinear", align_corners=False)

    return DilatedNet()


NETWORKS: dict[str, Network] = {
    "U-Net": unet,
    "FCN-8s small": fcn8s_small,
    "FCN-8s VGG16": fcn8s_vgg16,
    "DilatedNet": dilated_net,
}
# What tinyseg.models calls its own versions.
OWN = {"U-Net": "unet", "FCN-8s small": "fcn8s"}
