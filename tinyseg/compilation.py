"""Compiled kernels and their cache on disk: what is compiled, what is ready, and where it is stored.

The cache also stores other results that take long to compute.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .backend import kernels


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
