"""Peak resident memory of a training step and of a prediction, each in a process of its own (Linux).

Two figures: the peak of the whole process, and how much of it came on top of the library, the network, its gradients
and the optimiser's state, which are there after a step on a tiny image.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

from .networks import NETWORKS
from .sides import SIDES, LeftOut, need
from .timing import Case, Way, fresh
from .train_step import batch, trainer

RUNS, WARM = 3, 0
# How many images, and of which size.
SIZES = {
    "U-Net": [(4, 128), (1, 256)],
    "FCN-8s small": [(4, 128), (1, 256)],
    "FCN-8s VGG16": [(1, 224)],
    "DilatedNet": [(1, 128)],
}
PROCESS = Path("/proc/self")
TINY = 32
STEPS = 3  # a pool of buffers is full after the second


def peak(name: str, network: str, images: int, size: int, training: bool, threads: int) -> tuple[float, float]:
    """In the fresh process: the peak in MB, above where the steps started and altogether."""
    side = SIDES[name](threads)
    model = side.lay_out(NETWORKS[network](side.library)).train(training)
    train = trainer(side, model)

    def act(images: int, size: int) -> None:
        inputs, labels = map(side.place, batch(images, size))
        for _ in range(STEPS):
            if training:
                train(inputs, labels)
            else:
                with side.library.no_grad():
                    model(inputs)

    act(1, TINY)
    with contextlib.suppress(OSError):  # without the right to reset it the peak is that of the process so far
        (PROCESS / "clear_refs").write_text("5")
    before = _megabytes("VmRSS")
    act(images, size)
    return _megabytes("VmHWM") - before, _megabytes("VmHWM")


def _megabytes(field: str) -> float:
    lines = (PROCESS / "status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def _way(name: str, which: int, *arguments: object) -> Way:
    need(name.split()[0])
    if not PROCESS.exists():
        raise LeftOut("there is no /proc here: peaks of memory are not measured")
    return functools.partial(fresh, f"from benchmarks.memory import peak; print(peak{(name, *arguments)}[{which}])")


def cases(threads: int) -> Iterator[Case]:
    """Megabytes."""
    for training, what in ((True, "training step"), (False, "prediction")):
        for which, figure in enumerate(("on top", "whole process")):
            for network, sizes in SIZES.items():
                for size in sizes:
                    arguments = network, *size, training, threads
                    ways = {name: functools.partial(_way, name, which, *arguments) for name in SIDES}
                    title = f"{network}, {size[0]}x3x{size[1]}x{size[1]}, {what}, {figure}"
                    yield Case(f"peak memory of a {what}, {figure}", title, threads, ways, unit="MB")
