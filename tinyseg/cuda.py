"""The GPU: whether there is one, and how much of its memory is used. The names are PyTorch's.

Kernels run on the GPU while Python goes on; only to read values (``item``, ``numpy``, ``cpu``) does it wait. Nothing
of the GPU is imported before a device ``"cuda"`` is named or a function here is called.
"""

from __future__ import annotations

from typing import Any

from . import backend, late_checks


def is_available() -> bool:
    """Whether the device ``"cuda"`` can be used: numba-cuda, a driver and a GPU are there and have compiled and run a
    smallest kernel; or there is the simulator (``NUMBA_ENABLE_CUDASIM=1``), with which no GPU is needed and a tiny
    network takes seconds. It is tried once in a process.
    """
    return unavailable_reason() is None


def unavailable_reason() -> str | None:
    """Why the device ``"cuda"`` cannot be used, in a line: no numba-cuda, no driver, no GPU, a driver too old for the
    compiler's code ...; None if it can.
    """
    problem = backend.problem_with("cuda")
    return None if problem is None else str(problem)


def device_count() -> int:
    """1 if there is a GPU that can be used, else 0; of several the first one is used."""
    return int(is_available())


def _gpu() -> Any:
    cuda: Any = backend.kernels("cuda")  # which has more than the contract says: the GPU itself
    return cuda.gpu()


def get_device_name() -> str:
    """The GPU's name; raises ``RuntimeError`` where there is none, as all functions below."""
    return str(_gpu().name)


def synchronize() -> None:
    """Wait until the GPU has done all that was asked of it: before and after what is to be timed, say."""
    backend.kernels("cuda").synchronize()
    late_checks.run_checks("cuda")


def memory_allocated() -> int:
    """Bytes that tensors hold now."""
    return int(_gpu().pool.count().allocated)


def max_memory_allocated() -> int:
    """The most bytes that tensors held since the process began, or since ``reset_peak_memory_stats``."""
    return int(_gpu().pool.count().most_allocated)


def reset_peak_memory_stats() -> None:
    """Count ``max_memory_allocated`` from now on."""
    usage = _gpu().pool.count()
    usage.most_allocated = usage.allocated


def memory_reserved() -> int:
    """Bytes taken from the driver: what tensors hold, and what is kept for later ones."""
    return int(_gpu().pool.count().reserved)


def empty_cache() -> None:
    """Give memory that is kept for later tensors, but not in use, back to the driver."""
    backend.kernels("cuda").empty_cache()
