"""From a device's name to its kernels, and the settings of all kernels.

Two devices share the processor: ``"cpu"``, Numba's compiled kernels, and ``"reference"``, the plain NumPy in which
every operator is defined: slow, and right. The third, ``"cuda"``, is an NVIDIA GPU; nothing of it is imported before
it is named. A tensor knows its device, and operators take their kernels from there; tensors of two devices do not
mix.

``DEVICES`` is the one table of devices. All else asks a device's kernels what it can do (``DeviceKernels`` in
``tinyseg_kernels/spec.py``), and not for its name.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import how_to_install, whole

if TYPE_CHECKING:
    from tinyseg_kernels.spec import Backend


@dataclass(frozen=True)
class Device:
    """What has to be known of a device before its kernels are loaded.

    ``backend``: its kernels in ``tinyseg_kernels``. ``package``: what has to be installed for them, with the extra
    ``extra``. ``own_memory``: its tensors do not lie in the machine's memory.
    """

    backend: str
    package: str = ""
    extra: str = ""
    own_memory: bool = False


DEVICES = {
    "cpu": Device("cpu"),
    "reference": Device("reference"),
    "cuda": Device("cuda", package="numba-cuda", extra="cuda", own_memory=True),
}
# PyTorch's names of others: where a type or a device may stand, they are meant for a device.
_DEVICES_OF_PYTORCH = ("hip", "hpu", "ipu", "meta", "mps", "mtia", "opencl", "vulkan", "xla", "xpu")

MOST_THREADS = 1024
"""The limit, unless the machine has more cores: more threads than cores only cost memory."""

_default = "cpu"
_conv_algorithm = "auto"
_precision = "highest"
_loaded: dict[str, Backend] = {}


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
    return isinstance(name, str) and name.partition(":")[0] in (*DEVICES, *_DEVICES_OF_PYTORCH)


def has_own_memory(device: str) -> bool:
    """Whether tensors on ``device`` do not lie in the machine's memory.

    >>> has_own_memory("cpu"), has_own_memory("cuda")
    (False, True)
    """
    return DEVICES[device].own_memory


def names_full_device(error: MemoryError) -> bool:
    """Whether the message says that a device's own memory is full. NumPy's message speaks of an array instead."""
    return any(device.own_memory and name in str(error) for name, device in DEVICES.items())


@functools.cache
def kernels(device: str) -> Backend:
    """The backend of ``device``, imported at its first use.

    Raises ``ValueError`` for an unknown one, and ``RuntimeError`` for a GPU that cannot be used, saying why.

    >>> kernels("reference").__name__
    'tinyseg_kernels.reference'
    """
    name = resolve(device)
    found = _kernels_or_problem(name)
    if isinstance(found, RuntimeError):
        raise RuntimeError(str(found)) from found.__cause__
    found.set_conv_algorithm(_conv_algorithm)
    found.set_float32_matmul_precision(_precision)
    _loaded[name] = found
    return found


def problem_with(device: str) -> RuntimeError | None:
    """Why a known device cannot be used; None if it can. A GPU has compiled and run the smallest kernel then.

    It is tried once in a process.
    """
    found = _kernels_or_problem(device)
    return found if isinstance(found, RuntimeError) else None


@functools.cache
def _kernels_or_problem(device: str) -> Backend | RuntimeError:
    import tinyseg_kernels  # here, so that importing tinyseg does not import Numba

    needed = DEVICES[device]
    cause: Exception | None = None
    try:
        found = tinyseg_kernels.load(needed.backend)
        reason = found.unavailable()
    except ImportError as error:
        if not needed.extra:
            raise
        cause = error
        problem = f"needs {needed.package}: {how_to_install(needed.extra)} ({_in_one_line(error)})"
    except RuntimeError as error:
        cause, problem = error, f"cannot be used: {_in_one_line(error)}"
    else:
        if reason is None:
            return found
        problem = f"cannot be used: {_in_one_line(reason)}"
    result = RuntimeError(f"device {device!r} {problem}")
    result.__cause__ = cause
    return result


def _in_one_line(message: object) -> str:
    return " ".join(str(message).split())


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
    return kernels("cpu").get_num_threads()


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
    for module in _loaded.values():
        module.set_float32_matmul_precision(precision)


def get_float32_matmul_precision() -> str:
    """What was set."""
    return _precision


def empty_cache() -> None:
    """Give memory that is kept for later tensors, but not in use, back to the system."""
    for module in _loaded.values():
        module.empty_cache()
