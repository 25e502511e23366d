"""How kernels are compiled: lazily, without the interpreter lock, cached on disk, honest about NaN.

A cache that compares only the file a function stands in does not notice that a helper in *another* file changed. So
the folder's name carries a hash of all kernel sources, of Numba's version and of the processor: whatever could change
the machine code leads to another folder, and stale code is never served. ``kernel_cache.py`` reads and writes
the entries.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import platform
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding
import numba
from numba.core import event

from ...cache import open_folder
from .kernel_cache import KernelCache
from .processor import VECTOR_BYTES

# Fused multiply-add, other orders of summation, -0 for 0, reciprocals: these change last digits. Never "nnan" or
# "ninf", which plain fastmath=True has: with them a NaN may vanish in a maximum.
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}

_BACKEND = "tinyseg_kernels.cpu"  # the package; this file stands in a folder of it

F = TypeVar("F", bound=Callable[..., Any])


def sources_digest(folder: Path) -> str:
    """A hash of all Python files under ``folder``, in its subfolders too: of their relative paths and contents."""
    digest = hashlib.sha256()
    for path in sorted(source.relative_to(folder).as_posix() for source in folder.rglob("*.py")):
        content = (folder / path).read_bytes()
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


@functools.cache
def cache_folder() -> Path | None:
    """The folder of compiled kernels for these sources, this Numba and this processor; None if none can be used."""
    # Nothing that is compiled into a kernel stands outside of the backend's own folder.
    backend = Path(inspect.getfile(sys.modules[_BACKEND])).parent
    digest = hashlib.sha256(sources_digest(backend).encode())
    cpu = llvmlite.binding.get_host_cpu_name()
    # VECTOR_BYTES may be set from outside, and the code is compiled for it.
    versions = (numba.__version__, llvmlite.__version__, platform.python_version())
    for part in (*versions, platform.machine(), cpu, str(VECTOR_BYTES)):
        digest.update(part.encode() + b"\0")
    return open_folder(f"kernels-{cpu}-{digest.hexdigest()[:16]}")


_kernels: dict[Callable[..., Any], Any] = {}  # what was declared, and Numba's dispatcher for it


def kernel(function: F) -> F:
    """Declare ``function(start, stop, ...)`` a kernel: compiled at its first call for each set of types.

    It runs without the interpreter lock, so that ``parallel.run`` can spread it over threads, and is cached.
    """
    compiled: Any = numba.njit(nogil=True, fastmath=FASTMATH, error_model="numpy")(function)
    if (folder := cache_folder()) is not None:
        compiled._cache = KernelCache(function, folder)
    _kernels[function] = compiled
    declared: F = compiled
    return declared


def unlisted_kernel(function: F) -> F:
    """Declare a function that is compiled and cached as a kernel is, but not one of the contract's."""
    compiled = kernel(function)
    del _kernels[function]
    return compiled


def helper(function: F) -> F:
    """Declare a function that kernels call; it is inlined into their machine code, unless it is long."""
    compiled: F = numba.njit(nogil=True, fastmath=FASTMATH, error_model="numpy", inline="never")(function)
    return compiled


def inlined(function: F) -> F:
    """A helper that becomes part of its caller's code however long it is: no loop that calls becomes vector code."""
    compiled: F = numba.njit(nogil=True, fastmath=FASTMATH, error_model="numpy", forceinline=True)(function)
    return compiled


def bind(template: Callable[..., None], name: str, **names: Any) -> Callable[..., None]:
    """A kernel with the code of ``template`` in which the global ``names`` have these values; ``__name__`` among them
    says of which file it is.

    Numba's cache tells kernels apart by their qualified name; a closure would not do, since a compiled function in
    a closure looks new to the cache in every process.
    """
    function = types.FunctionType(template.__code__, {**template.__globals__, **names}, name)
    function.__qualname__ = name
    return kernel(function)


def _name(function: Callable[..., Any]) -> str:
    """``elementwise.exp``, ``conv.winograd.forward.transform`` and the like: the module within the backend, and the
    function.
    """
    return f"{function.__module__.removeprefix(_BACKEND + '.')}.{function.__name__.strip('_')}"


def ready() -> dict[str, list[str]]:
    """The types for which each kernel is ready in this process: compiled by it, or read from the cache."""
    return {_name(function): [str(types) for types in k.signatures] for function, k in list(_kernels.items())}


class _CompileListener(event.Listener):
    """Tells ``report`` of each kernel of ours when its compilation starts."""

    def __init__(self, report: Callable[[str, int], None]) -> None:
        self.report = report

    def on_start(self, event: Any) -> None:
        function = event.data["dispatcher"].py_func
        if function in _kernels:  # not the helpers that are compiled into it
            others = sum(1 for other, k in list(_kernels.items()) if k.signatures and other is not function)
            self.report(_name(function), others + 1)

    def on_end(self, event: Any) -> None:
        """Nothing to tell."""


def on_compile(report: Callable[[str, int], None]) -> Callable[[], None]:
    """Have ``report(name, number)`` called whenever a kernel starts to compile; returns a function that ends it.

    ``number`` counts this kernel and all others that are ready, also those that were read from the cache.
    """
    listener = _CompileListener(report)
    event.register("numba:compile", listener)
    return lambda: event.unregister("numba:compile", listener)
