"""From a device's name to its kernels. The only file that imports ``tinyseg_kernels``.

Two devices share the processor: ``"cpu"``, Numba's compiled kernels, and ``"reference"``, the plain NumPy in which
every operator is defined: slow, and right. A tensor knows its device, and operators take their kernels from there;
tensors of two devices do not mix.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

DEVICES = ("cpu", "reference")

_default = "cpu"
_conv_algorithm = "auto"


@functools.cache
def kernels(device: str) -> ModuleType:
    """The backend of ``device``, imported at its first use; raises ``ValueError`` for an unknown one.

    >>> kernels("reference").__name__
    'tinyseg_kernels.reference'
    """
    if device not in DEVICES:
        raise ValueError(f"device: expected one of {', '.join(map(repr, DEVICES))}, got {device!r}")
    import tinyseg_kernels  # here, so that importing tinyseg does not import Numba

    return tinyseg_kernels.load(device)


def get_default_device() -> str:
    """Where tensors are made when no device is named."""
    return _default


def set_default_device(device: str) -> None:
    """Make tensors on ``device`` when none is named."""
    global _default
    kernels(device)
    _default = device


def set_num_threads(count: int) -> None:
    """Let kernels use ``count`` threads; the result of no operator depends on it.

    Raises ``ValueError`` unless ``count`` is positive.
    """
    if count < 1:
        raise ValueError(f"set_num_threads: expected at least 1, got {count}")
    for device in DEVICES:
        kernels(device).set_num_threads(int(count))


def get_num_threads() -> int:
    """How many threads kernels use; at first, as many as the process has cores."""
    threads: int = kernels("cpu").get_num_threads()
    return threads


def set_conv_algorithm(name: str) -> None:
    """How convolutions are computed: ``"direct"`` sums as the definition does; ``"winograd"`` takes a quarter of the
    multiplications where kernels are 3x3 and strides 1, and loses about a digit; ``"auto"``, the default, is the
    faster one by shape.

    Raises ``ValueError`` for another name.
    """
    if name not in ("auto", "direct", "winograd"):
        raise ValueError(f"set_conv_algorithm: expected 'auto', 'direct' or 'winograd', got {name!r}")
    global _conv_algorithm
    for device in DEVICES:
        kernels(device).set_conv_algorithm(name)
    _conv_algorithm = name


def get_conv_algorithm() -> str:
    """The name that ``set_conv_algorithm`` was given last; at first ``"auto"``."""
    return _conv_algorithm


def empty_cache() -> None:
    """Give memory that is kept for later tensors, but not in use, back to the system."""
    for device in DEVICES:
        kernels(device).empty_cache()


def on_compile(report: Callable[[str, int], None]) -> Callable[[], None]:
    """Have ``report(name, number)`` called whenever a kernel starts to compile; returns a function that ends it.

    ``number`` counts this kernel and all others that are ready, also those that were read from the cache.
    """
    from tinyseg_kernels.cpu import compiler

    return compiler.on_compile(report)


def ready_kernels() -> dict[str, list[str]]:
    """The cpu device's kernels, and the types for which each is ready in this process, compiled or read from disk."""
    from tinyseg_kernels.cpu import compiler

    return compiler.ready()


def kernel_cache() -> Path | None:
    """The folder of compiled kernels; None where no folder can be written to, and every process compiles anew."""
    from tinyseg_kernels.cpu import compiler

    return compiler.cache_folder()


def kernels_to_compile() -> tuple[str, ...]:
    """The kernels that have code to compile, those that take longest first."""
    from tinyseg_kernels import warmup

    return warmup.NAMES


def compile_kernel(name: str, dtype: str) -> None:
    """Compile a kernel of the cpu device for a floating type, or find it in the cache."""
    from tinyseg_kernels import warmup

    warmup.run(kernels("cpu"), name, dtype)
