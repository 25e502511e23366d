"""How much memory training will need, said before the first step and not by the system that kills it."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..autograd import Node
from ..backend import get_default_device
from ..errors import InputError
from ..models import SegmentationModel
from ..ops.creation import zeros
from ..tensor import Tensor
from .config import Config

# Arrays of a parameter's size beside the parameter and its gradient.
STATES = {"adam": 2, "adamw": 2, "sgd": 1, "rmsprop": 1}
# What a step needs beside what operators keep: gradients on their way, packed weights, buffers of kernels.
IN_FLIGHT = 0.35
# An estimate may be a third too large or too small: a step is refused only if it is far too large for the machine.
DOUBT = 4 / 3
# Batches that the loader holds ready.
READY = 5
# A larger image is not tried out: its memory is that of a smaller one, by its area.
TRIED = 384


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes: of the network and its optimiser, and of each image in a batch."""

    fixed: int
    per_image: int

    def of(self, images: int) -> int:
        """Of a step on so many images."""
        return self.fixed + images * self.per_image

    def fitting(self, room: int) -> int:
        """How many images fit into so many bytes."""
        return max(0, (room - self.fixed) // self.per_image)


def estimate(config: Config, model: SegmentationModel, size: tuple[int, ...]) -> MemoryEstimate:
    """What a training step will need on images of ``size`` (height, width), from a trial with a single one."""
    training = config.training
    parameters = list(model.parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    everything = sum(p.numel() for p in parameters)
    states = STATES[training.optimizer] + (training.optimizer == "rmsprop" and training.momentum > 0)
    if training.optimizer == "sgd" and not training.momentum:
        states = 0
    fixed = 4 * (everything * (1 if training.ema is None else 2) + trained * (1 + states))
    tried = tuple(max(least, min(n, TRIED)) for n, least in zip(size, model.min_size, strict=True))
    scale = math.prod(size) / math.prod(tried)
    was_training = model.training
    model.eval()  # so that batch norm takes a single image of a single deep pixel
    output = model(zeros(1, config.data.in_channels, *tried, requires_grad=True))
    model.train(was_training)
    kept = saved_bytes(_nodes(output), [*parameters, *model.buffers()]) * scale
    pixels = math.prod(size)
    # Logits, what the loss keeps of them, their gradient; images and their labels.
    given = pixels * (3 * 4 * config.data.num_classes + READY * (4 * config.data.in_channels + 8))
    return MemoryEstimate(fixed, int(kept * (1 + IN_FLIGHT) + given))


def check_memory(config: Config, model: SegmentationModel, size: tuple[int, ...]) -> list[str]:
    """A note if training will hardly fit into the memory that is free, none if it will or nothing is known.

    Raises ``InputError``, with what would fit, if it is more than this machine has. Nothing is said of a GPU's: the
    trainer finds what fits when that is full.
    """
    if get_default_device() == "cuda":
        return []
    total, free = machine_memory()
    if free is None or total is None:
        return []
    found = estimate(config, model, size)
    batch = config.training.batch_size
    needed = found.of(batch)
    if needed <= free:
        return []
    text = f"batches of {batch} images of {size[0]}x{size[1]} need about {_written(needed)} of memory"
    if needed > DOUBT * total:
        raise InputError(f"{text}, and this machine has {_written(total)}; {_remedy(found, config, free)}")
    return [f"{text}, and {_written(free)} are free; if it gets killed, {_remedy(found, config, free)}"]


def _remedy(found: MemoryEstimate, config: Config, free: int) -> str:
    batch, fitting = config.training.batch_size, found.fitting(free)
    if fitting:
        steps = config.training.accumulate * math.ceil(batch / fitting)
        return f"--batch-size {fitting} --accumulate {steps} makes steps of about as many images in less"
    if found.fixed > free:
        return f"the network and its optimiser alone take {_written(found.fixed)}: try a smaller one"
    return "a smaller --size needs less"


def _written(count: float) -> str:
    """
    >>> _written(3 * 2**30), _written(300 * 2**20)
    ('3.0 GiB', '300 MiB')
    """
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _nodes(output: Tensor) -> list[Node]:
    """The operators that lead to a tensor."""
    found: dict[Node, None] = {}
    waiting = [] if output.node is None else [output.node]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found[node] = None
            waiting += [edge[0] for edge in node.edges if isinstance(edge, tuple)]
    return list(found)


def saved_bytes(nodes: Iterable[Node], lasting: Iterable[Tensor]) -> int:
    """Memory of what operators keep for the backward pass; each piece once, parameters and buffers not at all."""
    counted = {tensor.version for tensor in lasting}
    total = 0
    for node in nodes:
        for saved in node.context.saved_tensors:
            if saved is not None and saved.version not in counted:
                counted.add(saved.version)
                total += saved.numel() * saved.dtype.itemsize
    return total


def machine_memory() -> tuple[int | None, int | None]:
    """Bytes that there are and that are free, for this process; None where the system does not tell."""
    if sys.platform == "win32":
        return _windows_memory()
    try:
        page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None, None
    total = page * pages
    free = _linux_free() or total  # macOS gives memory that only caches hold to whoever asks
    limit, used = (_number(Path("/sys/fs/cgroup") / name) for name in ("memory.max", "memory.current"))
    if limit is not None and used is not None:  # a container's
        total, free = min(total, limit), min(free, limit - used)
    return total, free


def _linux_free() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # "max" where there is no limit
        return None


def _windows_memory() -> tuple[int | None, int | None]:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong) for name in ("total", "free", "a", "b", "c", "d", "e")
        ]

    status = Status(length=ctypes.sizeof(Status))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # type: ignore[attr-defined]
        return None, None
    return status.total, status.free
