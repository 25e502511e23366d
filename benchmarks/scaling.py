"""How a U-Net's training step grows with the image's area, the batch and the width, and shrinks with threads."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from .networks import unet
from .sides import SIDES
from .timing import Case
from .train_step import step

RUNS, WARM = 5, 1


def cases(threads: int) -> Iterator[Case]:
    """One thing grows at a time, from the step of 4 images of 128x128 (the area: of 1 image), 32 channels wide."""
    wanted = [("area", 1, size, 32, threads) for size in (64, 128, 256, 512)]
    wanted += [("batch", images, 128, 32, threads) for images in (1, 2, 4, 8)]
    wanted += [("width", 4, 128, width, threads) for width in (8, 16, 32, 64)]
    wanted += [("threads", 4, 128, 32, count) for count in range(1, threads + 1)]
    for what, images, size, width, count in wanted:
        network = functools.partial(unet, width=width)
        title = f"{what}: {images}x3x{size}x{size}, {width} channels, {count} thread{'s' * (count > 1)}"
        ways = {name: functools.partial(step, name, count, network, images, size) for name in SIDES}
        yield Case(f"U-Net training step by {what}", title, count, ways)
