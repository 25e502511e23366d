"""How kernels are compiled: lazily, without the interpreter lock, cached on disk, honest about NaN.

Numba's own cache compares the time stamp of the file a function stands in, and does not notice that a helper in
*another* file changed. So the folder's name carries a hash of all kernel sources, of Numba's version and of the
processor: whatever could change the machine code leads to another folder, and stale code is never served.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import shutil
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding
import numba
from numba.core import event

from .simd import VECTOR_BYTES

# Fused multiply-add, other orders of summation, -0 for 0, reciprocals: these change last digits. Never "nnan" or
# "ninf", which plain fastmath=True has: with them a NaN may vanish in a maximum.
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}

# Where machine code is kept, until the next reboot perhaps, if the user's folder cannot be written to.
_TEMPORARY = Path(tempfile.gettempdir()) / "tinyseg-cache"

# How long machine code is kept that is not used.
_KEPT_SECONDS = 30 * 24 * 3600

F = TypeVar("F", bound=Callable[..., Any])


def _user_cache() -> Path:
    """The user's folder for caches; ``TINYSEG_CACHE_DIR`` overrides it."""
    if chosen := os.environ.get("TINYSEG_CACHE_DIR"):
        return Path(chosen)
    try:
        home = Path.home()
    except RuntimeError:  # a user without one, as containers have them
        return _TEMPORARY
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "tinyseg" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "tinyseg"
    return Path(os.environ.get("XDG_CACHE_HOME", home / ".cache")) / "tinyseg"


@functools.cache
def cache_folder() -> Path | None:
    """The folder of compiled kernels for these sources, this Numba and this processor; None if none can be made."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    cpu = llvmlite.binding.get_host_cpu_name()
    # VECTOR_BYTES may be set from outside, and the code is compiled for it.
    for part in (numba.__version__, platform.machine(), cpu, platform.python_version(), str(VECTOR_BYTES)):
        digest.update(part.encode() + b"\0")
    name = f"kernels-{cpu}-{digest.hexdigest()[:16]}"
    for root in (_user_cache(), _TEMPORARY):
        folder = root / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:  # a read-only home, say
            continue
        if os.access(folder, os.W_OK):
            _forget_old(root, folder)
            return folder
    return None


def _forget_old(root: Path, current: Path) -> None:
    """Remove what other sources, Numbas and processors left behind and nobody has used for a while."""
    os.utime(current)
    for folder in root.glob("kernels-*"):
        with contextlib.suppress(OSError):  # another process may be removing it just now
            if time.time() - folder.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


_declaring = threading.Lock()
_kernels: dict[Callable[..., Any], Any] = {}  # what was declared, and Numba's dispatcher for it


def kernel(function: F) -> F:
    """Declare ``function(start, stop, ...)`` a kernel: compiled at its first call for each set of types.

    It runs without the interpreter lock, so that ``parallel.run`` can spread it over threads, and is cached.
    """
    folder = cache_folder()
    with _declaring:
        # Numba asks for its cache folder only here; it is put back so that a user's own functions are not moved.
        previous = numba.config.CACHE_DIR
        try:
            if folder is not None:
                numba.config.CACHE_DIR = str(folder)
            compiled: F = numba.njit(nogil=True, cache=folder is not None, fastmath=FASTMATH, error_model="numpy")(
                function
            )
        finally:
            numba.config.CACHE_DIR = previous
    _kernels[function] = compiled
    return compiled


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
    """``winograd.convolve`` and the like."""
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__.strip('_')}"


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
