"""From a device's name to its kernels. The only file that imports ``tinyseg_kernels``.

Two devices share the processor: ``"cpu"``, Numba's compiled kernels, and ``"reference"``, the plain NumPy in which
every operator is defined: slow, and right. The third, ``"cuda"``, is an NVIDIA GPU; nothing of it is imported before
it is named. A tensor knows its device, and operators take their kernels from there; tensors of two devices do not
mix.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import how_to_install, whole

DEVICES = ("cpu", "reference", "cuda")
# PyTorch's names of others: where a type or a device may stand, they are meant for a device.
_DEVICES_OF_PYTORCH = ("hip", "hpu", "ipu", "meta", "mps", "mtia", "opencl", "vulkan", "xla", "xpu")

MOST_THREADS = 1024
"""The limit, unless the machine has more cores: more threads than cores only cost memory."""

_default = "cpu"
_conv_algorithm = "auto"
_precision = "highest"
_loaded: dict[str, ModuleType] = {}


def resolve(device: str | None) -> str:
    """A device's name as tensors keep it: the default one for None, ``"cuda"`` for ``"cuda:0"``, which is the first.

    Raises ``ValueError`` for an unknown one.

    >>> resolve("cuda:0")
    'cuda'
    """
    if device is None:
        return _default
    name = device.removesuffix(":0") if isinstance(device, str) else device
    if name not in DEVICES:
        raise ValueError(f"device: expected one of {', '.join(map(repr, DEVICES))}, got {device!r}")
    return name


def names_device(name: object) -> bool:
    """Whether this, where a type or a device may stand, is meant for a device, known or not.

    >>> names_device("cuda:1"), names_device("mps"), names_device("float32")
    (True, True, False)
    """
    return isinstance(name, str) and name.partition(":")[0] in DEVICES + _DEVICES_OF_PYTORCH


@functools.cache
def kernels(device: str) -> ModuleType:
    """The backend of ``device``, imported at its first use.

    Raises ``ValueError`` for an unknown one, and ``RuntimeError`` for a GPU that cannot be used, saying why.

    >>> kernels("reference").__name__
    'tinyseg_kernels.reference'
    """
    import tinyseg_kernels  # here, so that importing tinyseg does not import Numba

    if resolve(device) == "cuda" and (problem := gpu_problem()):
        raise RuntimeError(str(problem)) from problem.__cause__
    module = tinyseg_kernels.load(resolve(device))
    module.set_conv_algorithm(_conv_algorithm)
    if device == "cuda":
        module.set_float32_matmul_precision(_precision)
    _loaded[device] = module
    return module


@functools.cache
def gpu_problem() -> RuntimeError | None:
    """Why the device ``"cuda"`` cannot be used; None if it can: the smallest kernel was compiled and has run there.

    It is tried once in a process.
    """
    import tinyseg_kernels

    try:
        importlib.import_module(f"{tinyseg_kernels.__name__}.cuda").gpu()
        return None
    except ImportError as error:
        cause: Exception = error
        problem = f"device 'cuda' needs numba-cuda: {how_to_install('cuda')} ({_line(error)})"
    except RuntimeError as error:
        cause, problem = error, f"device 'cuda' cannot be used: {_line(error)}"
    found = RuntimeError(problem)
    found.__cause__ = cause
    return found


def _line(error: Exception) -> str:
    """What it says, in one line."""
    return " ".join(str(error).split())


def send(device: str, values: Any) -> Callable[[], Any]:
    """Start to copy a NumPy array to ``device``, beside what that is doing; the function that is returned gives the
    backend's array.
    """
    module = kernels(device)
    if device == "cuda":
        arrived: Callable[[], Any] = module.send(values)
        return arrived
    return functools.partial(module.from_numpy, values)


def report(device: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """A small array in which a kernel reports diagnostics to the host. To read it costs no copy, but waits for the
    kernel, so read it in a function that is given to ``check_later``.
    """
    module = kernels(device)
    return module.empty_report(shape, dtype) if device == "cuda" else module.empty(shape, dtype)


_checks: deque[Callable[[], None]] = deque()
_MOST_CHECKS = 500


def check_later(device: str, check: Callable[[], None]) -> None:
    """Run ``check``, which reads a report and raises if it is a bad one: at once where kernels are done when they
    return, and on a GPU as soon as values are read for which the host has to wait anyway.
    """
    if device != "cuda":
        check()
        return
    _checks.append(check)
    if len(_checks) > _MOST_CHECKS:
        kernels(device).synchronize()
        settle(device)


def settle(device: str) -> None:
    """The host has waited for the device: run the checks that are due. Raises the first error that one raises, with
    what the others say as notes, so that none of them is left for a later call.
    """
    failed: Exception | None = None
    while device == "cuda" and _checks:
        try:
            check = _checks.popleft()
        except IndexError:  # another thread took the last one
            break
        try:
            check()
        except (ValueError, IndexError) as error:
            if failed is None:
                failed = error
            elif str(error) != str(failed):
                failed.add_note(f"also: {error}")
    if failed is not None:
        raise failed


def get_default_device() -> str:
    """Where tensors are made when no device is named."""
    return _default


def set_default_device(device: str) -> None:
    """Make tensors on ``device`` when none is named."""
    global _default
    kernels(resolve(device))
    _default = resolve(device)


def set_num_threads(count: int) -> None:
    """Let kernels use ``count`` threads, at least 1 and at most 1024 (or the number of cores, if that is larger); the
    result of no operator depends on it. If the system cannot start ``count`` threads, kernels use fewer, and
    ``get_num_threads`` then returns their number.

    Raises ``TypeError`` unless ``count`` is a whole number, ``ValueError`` if it is too small or too large.
    """
    count = whole("set_num_threads", "count", count, 1, max(MOST_THREADS, os.cpu_count() or 1))
    for device in ("cpu", "reference"):
        kernels(device).set_num_threads(count)


def get_num_threads() -> int:
    """The number of threads that kernels use; initially the number of cores that the process may use."""
    threads: int = kernels("cpu").get_num_threads()
    return threads


def set_conv_algorithm(name: str) -> None:
    """How convolutions are computed: ``"direct"`` sums as the definition does; ``"winograd"`` takes a quarter of the
    multiplications where kernels are 3x3 and strides 1, and loses about a digit; ``"auto"``, the default, is the
    faster one by shape.

    With Winograd's algorithm the error of an output is at most 1e-5 of the largest absolute value in the 6x6 inputs
    of its tile, times the sum of the filter's absolute values. Values that are not finite reach only the outputs
    that depend on them, as in a direct sum.

    Raises ``ValueError`` for another name.
    """
    if name not in ("auto", "direct", "winograd"):
        raise ValueError(f"set_conv_algorithm: expected 'auto', 'direct' or 'winograd', got {name!r}")
    global _conv_algorithm
    _conv_algorithm = name
    for module in _loaded.values():
        module.set_conv_algorithm(name)


def get_conv_algorithm() -> str:
    """The name that ``set_conv_algorithm`` was given last; at first ``"auto"``."""
    return _conv_algorithm


def set_float32_matmul_precision(precision: str) -> None:
    """How exactly products of float32 are summed up on a GPU. The names are PyTorch's: ``"highest"``, the default,
    keeps float32 throughout; ``"high"`` and ``"medium"`` allow tensor cores, which round factors to ten bits. The CPU
    has no such thing, and sums as always.

    Raises ``ValueError`` for another name.
    """
    global _precision
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"set_float32_matmul_precision: expected 'highest', 'high' or 'medium', got {precision!r}")
    _precision = precision
    if "cuda" in _loaded:
        _loaded["cuda"].set_float32_matmul_precision(precision)


def get_float32_matmul_precision() -> str:
    """What was set."""
    return _precision


def empty_cache() -> None:
    """Give memory that is kept for later tensors, but not in use, back to the system."""
    for module in _loaded.values():
        module.empty_cache()


def on_compile(report: Callable[[str, int], None]) -> Callable[[], None]:
    """Have ``report(name, number)`` called whenever a kernel starts to compile; returns a function that ends it.

    ``number`` counts this kernel and all others that are ready, also those that were read from the cache.
    """
    from tinyseg_kernels.cpu.runtime import compiler

    return compiler.on_compile(report)


def ready_kernels() -> dict[str, list[str]]:
    """The cpu device's kernels, and the types for which each is ready in this process, compiled or read from disk."""
    from tinyseg_kernels.cpu.runtime import compiler

    return compiler.ready()


def kernel_cache() -> Path | None:
    """The folder of compiled kernels; None where no folder can be used, and every process compiles again."""
    from tinyseg_kernels.cpu.runtime import compiler

    return compiler.cache_folder()


def unwritten() -> list[str]:
    """For each cache entry that this process could not write, why; it is in memory only."""
    from tinyseg_kernels import cache

    return cache.unwritten()


def cache_folder(name: str) -> Path | None:
    """A folder for results that can be computed again, next to the compiled kernels; None where none can be used."""
    from tinyseg_kernels import cache

    return cache.open_folder(name)


def read_cached(path: Path) -> bytes | None:
    """An entry of a cache folder as it was written; None if there is none, or a damaged one."""
    from tinyseg_kernels import cache

    return cache.read(path)


def write_cached(path: Path, content: bytes) -> None:
    """Store an entry of a cache folder; where that is impossible, nothing happens."""
    from tinyseg_kernels import cache

    cache.write(path, content)


def kernels_to_compile() -> tuple[str, ...]:
    """The kernels that have code to compile, those that take longest first."""
    from tinyseg_kernels import warmup

    return warmup.NAMES


def compile_kernel(name: str, dtype: str) -> None:
    """Compile a kernel of the cpu device for a floating type, or find it in the cache."""
    from tinyseg_kernels import warmup

    warmup.run(kernels("cpu"), name, dtype)
