"""A training step: forward, cross-entropy, backward, SGD with momentum; against eager and compiled PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .networks import CLASSES, NETWORKS, OWN, Network
from .sides import SIDES, Array, Side, channels_last, compiled
from .timing import Case, Way

RUNS, WARM = 7, 2
# How many images, and of which size.
SIZES = {
    "U-Net": [(8, 64), (4, 128), (1, 256)],
    "FCN-8s small": [(8, 64), (4, 128), (1, 256)],
    "FCN-8s VGG16": [(1, 64), (4, 128), (1, 224)],
    "DilatedNet": [(1, 64), (1, 128)],
}


def batch(images: int, size: int) -> tuple[Array, Array]:
    """Random images and labels."""
    random = np.random.default_rng(0)
    return channels_last(random, images, 3, size, size), random.integers(0, CLASSES, (images, size, size))


def trainer(side: Side, model: Any, compiling: bool = False) -> Callable[[Any, Any], None]:
    """The training step of a model, a function of placed images and labels."""
    F = side.library.nn.functional
    # PyTorch's optimiser in one pass, which it does not choose by itself: five times as fast.
    options = {} if side.library.__name__ == "tinyseg" else {"fused": True}
    optimizer = side.library.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, **options)

    def objective(images: Any, labels: Any) -> Any:
        return F.cross_entropy(model(images), labels)

    compiled_objective = compiled(side.library, objective) if compiling else objective

    def step(images: Any, labels: Any) -> None:
        loss = compiled_objective(images, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def step(
    name: str, threads: int, network: Callable[[Any], Any], images: int, size: int, compiling: bool = False
) -> Way:
    """The training step of a network, on the side of that name."""
    side = SIDES[name](threads)
    train = trainer(side, side.lay_out(network(side.library)), compiling)
    return functools.partial(train, *map(side.place, batch(images, size)))


def _own(name: str) -> Network:
    return lambda tinyseg: tinyseg.models.create(name, num_classes=CLASSES)


def cases(threads: int) -> Iterator[Case]:
    """Each network at its sizes; ``tinyseg.models`` is the library's own version of it, where there is one."""
    for network, sizes in SIZES.items():
        for size in sizes:
            ways = {name: functools.partial(step, name, threads, NETWORKS[network], *size) for name in SIDES}
            if network in OWN:
                ways["tinyseg.models"] = functools.partial(step, "tinyseg", threads, _own(OWN[network]), *size)
            ways["torch.compile"] = functools.partial(
                step, "torch channels-last", threads, NETWORKS[network], *size, compiling=True
            )
            yield Case(network, f"{network}, {size[0]}x3x{size[1]}x{size[1]}, training step", threads, ways)
