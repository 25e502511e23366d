"""How much memory training and its validation will need, said before the first step and not by the system that kills
it.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...autograd import Node
from ...backend import get_default_device, has_own_memory
from ...creation import zeros
from ...errors import InputError
from ...models import SegmentationModel
from ...options import Size
from ...tensor import Tensor
from ..config.config import Config
from ..prediction.segmenter import is_tiled
from ..prediction.tiles import TILE

# Arrays of a parameter's size beside the parameter and its gradient.
STATES = {"adam": 2, "adamw": 2, "sgd": 1, "rmsprop": 1}
# What a step needs beside what operators keep: gradients on their way, packed weights, buffers of kernels.
IN_FLIGHT = 0.35
# What validation needs of what a step's operators keep: it lets go of what no later layer reads. Six networks took
# 0.43 to 0.69.
UNTRAINED = 0.7
# An estimate may be a third too large or too small: a step is refused only if it is far too large for the machine.
DOUBT = 4 / 3
# Batches that the loader holds ready.
READY = 5
# A larger image is not tried out: its memory is that of a smaller one, by its area.
TRIED = 384


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes: of the network and its optimiser, and of each image in a batch; of these what operators keep, for each
    pixel.
    """

    fixed: int
    per_image: int
    kept_per_pixel: float

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
    return MemoryEstimate(fixed, int(kept * (1 + IN_FLIGHT) + given), kept / pixels)


def validation_bytes(found: MemoryEstimate, config: Config, size: tuple[int, ...], images: int) -> int:
    """What the validation of so many images at once will need, of ``size`` (height, width); ``found``: of the steps.

    Images that are cut up come one by one, and enter the network by tiles.
    """
    pixels = math.prod(size)
    # Images in 0..1 and their labels, those that the loader holds ready among them; probabilities, and what the loss
    # makes of them.
    given = images * pixels * (READY * (4 * config.data.in_channels + 8) + 3 * 4 * config.data.num_classes)
    inside = TILE * TILE if is_tiled(config, size) else images * pixels
    return found.fixed + given + int(UNTRAINED * found.kept_per_pixel * inside)


def check_memory(config: Config, model: SegmentationModel, size: Size, validated: Size, images: int) -> list[str]:
    """Notes if training, or its validation, will hardly fit into the memory that is free; none if they will or
    nothing is known.

    ``size``: what a step sees. ``validated``: the largest image of validation, which takes ``images`` at once.
    Raises ``InputError``, with what would fit, if training is more than this machine has. Nothing is said of a GPU's:
    the trainer finds what fits when that is full.
    """
    if has_own_memory(get_default_device()):
        return []
    total, free = machine_memory()
    if free is None or total is None:
        return []
    found = estimate(config, model, size)
    batch = config.training.batch_size
    notes = []
    needed = found.of(batch)
    if needed > free:
        text = f"batches of {batch} images of {size[0]}x{size[1]} need about {_written(needed)} of memory"
        if needed > DOUBT * total:
            raise InputError(f"{text}, and this machine has {_written(total)}; {_remedy(found, config, free)}")
        notes.append(f"{text}, and {_written(free)} are free; if it gets killed, {_remedy(found, config, free)}")
    needed = validation_bytes(found, config, validated, images)
    if needed > free:
        notes.append(
            f"validation images of {validated[0]}x{validated[1]} need about {_written(needed)} of memory, and "
            f"{_written(free)} are free; if it gets killed, the epoch's steps are kept, but smaller images would do"
        )
    return notes


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
    limit, used = _address_space()
    if limit is not None and used is not None:
        total, free = min(total, limit), min(free, max(0, limit - used))
    return total, free


def _address_space() -> tuple[int | None, int | None]:
    """The limit that ``ulimit -v`` sets, and what of it is taken; None where there is no limit."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return None, None
    return (None if limit == resource.RLIM_INFINITY else limit), pages * os.sysconf("SC_PAGE_SIZE")


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
