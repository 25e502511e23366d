"""A training step of U-Net (7.8 million parameters): forward, loss, backward, SGD with momentum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tinyseg
import tinyseg.nn.functional as F

CLASSES = 12
SIZES = [(4, 128), (1, 256)]


def _ours(images: Any, labels: Any) -> Callable[[], Any]:
    model = tinyseg.models.create("unet", num_classes=CLASSES)
    optimizer = tinyseg.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x, target = tinyseg.tensor(images), tinyseg.tensor(labels)

    def step() -> None:
        loss = F.cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _torch_unet(torch: Any) -> Any:
    """The same network in PyTorch."""
    nn = torch.nn

    def double(inputs: int, outputs: int) -> Any:
        layers: list[Any] = []
        for before in (inputs, outputs):
            layers += [nn.Conv2d(before, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        return nn.Sequential(*layers)

    class UNet(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            widths = [32 * 2**level for level in range(5)]
            self.down = nn.ModuleList(double(a, b) for a, b in zip([3, *widths], widths, strict=False))
            self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1]))
            self.merge = nn.ModuleList(double(2 * w, w) for w in reversed(widths[:-1]))
            self.score = nn.Conv2d(32, CLASSES, 1)

        def forward(self, x: Any) -> Any:
            skips = []
            for level, block in enumerate(self.down):
                x = block(torch.nn.functional.max_pool2d(x, 2) if level else x)
                skips.append(x)
            for up, merge, skip in zip(self.up, self.merge, reversed(skips[:-1]), strict=True):
                x = merge(torch.cat([up(x), skip], 1))
            return self.score(x)

    return UNet()


def _torch(images: Any, labels: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(tinyseg.get_num_threads())
    target = torch.tensor(labels)
    for name, layout in (("torch", torch.contiguous_format), ("torch channels-last", torch.channels_last)):
        model = _torch_unet(torch).to(memory_format=layout)
        x = torch.tensor(np.ascontiguousarray(images)).contiguous(memory_format=layout)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

        def step(model: Any = model, x: Any = x, optimizer: Any = optimizer) -> None:
            loss = torch.nn.functional.cross_entropy(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        yield name, step


def cases() -> Iterator[tuple[str, dict[str, Callable[[], Any]]]]:
    """For each size the ways to go."""
    random = np.random.default_rng(0)
    for count, size in SIZES:
        images = random.standard_normal((count, size, size, 3), dtype=np.float32).transpose(0, 3, 1, 2)
        labels = random.integers(0, CLASSES, (count, size, size))
        yield (
            f"U-Net training step, {count} images of {size}x{size}",
            {"tinyseg": _ours(images, labels), **dict(_torch(images, labels))},
        )
