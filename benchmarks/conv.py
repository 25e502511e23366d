"""Convolutions of a U-Net's shapes: forward, and forward with both gradients, beside PyTorch in both its layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tinyseg
import tinyseg.nn.functional as F

# images, channels, outputs, size, kernel, stride, dilation, transposed
SHAPES = [
    (4, 3, 32, 128, 3, 1, 1, False),
    (4, 32, 32, 128, 3, 1, 1, False),
    (4, 64, 32, 128, 3, 1, 1, False),
    (4, 64, 64, 64, 3, 1, 1, False),
    (4, 128, 128, 32, 3, 1, 1, False),
    (4, 256, 256, 16, 3, 1, 1, False),
    (4, 512, 512, 8, 3, 1, 1, False),
    (1, 64, 64, 256, 3, 1, 1, False),
    (4, 64, 64, 64, 3, 1, 2, False),
    (4, 64, 128, 64, 3, 2, 1, False),
    (4, 32, 12, 128, 1, 1, 1, False),
    (4, 64, 32, 64, 2, 2, 1, True),
    (4, 512, 256, 8, 2, 2, 1, True),
]


def _ours(arrays: tuple[Any, Any], window: dict[str, Any], transposed: bool) -> dict[str, Callable[[], Any]]:
    x, weight = (tinyseg.tensor(array, requires_grad=True) for array in arrays)
    function = F.conv_transpose2d if transposed else F.conv2d
    gradient = tinyseg.randn(*function(x, weight, **window).shape)

    def forward() -> None:
        with tinyseg.no_grad():
            function(x, weight, **window)

    def both_ways() -> None:
        function(x, weight, **window).backward(gradient)
        x.grad = weight.grad = None

    return {"forward": forward, "forward + gradients": both_ways}


def _torch(arrays: tuple[Any, Any], window: dict[str, Any], transposed: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(tinyseg.get_num_threads())
    function = torch.nn.functional.conv_transpose2d if transposed else torch.nn.functional.conv2d
    for name, layout in (("torch", torch.contiguous_format), ("torch channels-last", torch.channels_last)):
        x, weight = (
            torch.tensor(np.ascontiguousarray(a)).contiguous(memory_format=layout).requires_grad_() for a in arrays
        )
        gradient = torch.randn_like(function(x, weight, **window)).contiguous(memory_format=layout)

        def forward(x: Any = x, weight: Any = weight) -> None:
            with torch.no_grad():
                function(x, weight, **window)

        def both_ways(x: Any = x, weight: Any = weight, gradient: Any = gradient) -> None:
            function(x, weight, **window).backward(gradient)
            x.grad = weight.grad = None

        yield name, {"forward": forward, "forward + gradients": both_ways}


def cases() -> Iterator[tuple[str, dict[str, Callable[[], Any]]]]:
    """For each shape and direction the ways to go."""
    random = np.random.default_rng(0)
    for images, channels, outputs, size, kernel, stride, dilation, transposed in SHAPES:
        x = random.standard_normal((images, size, size, channels), dtype=np.float32).transpose(0, 3, 1, 2)
        shape = (channels, outputs) if transposed else (outputs, channels)
        weight = random.standard_normal((*shape, kernel, kernel), dtype=np.float32) / (kernel * channels**0.5)
        window = {"stride": stride, "dilation": dilation}
        window["padding"] = 0 if transposed else dilation * (kernel - 1) // 2
        ways = {"tinyseg": _ours((x, weight), window, transposed), **dict(_torch((x, weight), window, transposed))}
        kind = "transposed" if transposed else "conv"
        title = f"{kind} {images}x{channels}x{size}x{size} -> {outputs}, k{kernel} s{stride} d{dilation}"
        for direction in ("forward", "forward + gradients"):
            yield f"{title}, {direction}", {name: way[direction] for name, way in ways.items()}
