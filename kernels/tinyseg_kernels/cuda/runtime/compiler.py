"""How kernels are declared, and compiled without a GPU: Python to PTX by Numba, PTX to machine code by nvJitLink.

A kernel works on pointers, not on Numba's arrays: an array is seven arguments of a launch, a pointer one, and an
index that may be negative costs instructions at every access. ``kernel`` says which types its arguments have, so
that all variants can be compiled ahead, and so that none is launched that was not.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ... import cache

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")

if SIMULATED:
    from . import simulator

    cuda: Any = simulator.cuda
else:
    from . import toolchain

    cuda = toolchain.cuda

__all__ = [
    "FLOATS",
    "KERNELS",
    "SIMULATED",
    "Codes",
    "Kernel",
    "Size",
    "T",
    "U",
    "compile_ptx",
    "cuda",
    "helper",
    "kernel",
    "machine_code",
]

F = TypeVar("F", bound=Callable[..., Any])
Codes = tuple[str, ...]  # the types of a launch's arguments: "f4*" is a pointer to float32, "i8" a number
Size = tuple[int, int, int]  # of a grid in blocks, or of a block in threads

FLOATS = ("f4", "f8")
NUMBERS = ("f4", "f8", "i4", "i8", "u1")  # bool is stored as u1

# In the code of a kernel: the types that the letters T and U of its signature stand for.
T: Any = np.float32
U: Any = np.float32

KERNELS: list[Kernel] = []  # all that were declared

_PACKAGE = Path(cache.__file__).parent / "cuda"
_PREFIX = "tinyseg_kernels.cuda."  # left out of kernels' names


class Kernel:
    """A function of the GPU, and the types of arguments it may be launched with.

    ``name``: its module, counted from this package, and its function; no two kernels share it.
    ``variants`` gives for each tuple of codes (``"f4*"`` a pointer to float32, ``"i8"`` a number, and so on) what
    the letters of the signature are. ``ready`` is the runtime's: what it has loaded.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        variants: dict[Codes, dict[str, str]],
        threads: int | tuple[int, int] = 256,
        needs: tuple[int, int] = (0, 0),
    ) -> None:
        self.function, self.variants, self.threads, self.needs = function, variants, threads, needs
        self.name = f"{function.__module__.removeprefix(_PREFIX)}.{function.__name__.strip('_')}"
        self.ready: dict[Codes, Any] = {}
        KERNELS.append(self)

    def bound(self, codes: Codes) -> types.FunctionType:
        """The function of a variant, in which the letters are types."""
        if codes not in self.variants:
            raise TypeError(f"{self.name} is not declared for ({', '.join(codes)})")
        chosen = self.variants[codes]
        f: Any = self.function
        names = {letter: np.dtype(code).type for letter, code in chosen.items()}
        bound = types.FunctionType(f.__code__, {**f.__globals__, **names}, f.__name__, None, f.__closure__)
        bound.__qualname__ = "_".join([f.__name__.strip("_"), *chosen.values()])
        bound.__module__ = f.__module__
        return bound


def kernel(
    *signatures: str,
    threads: int | tuple[int, int] = 256,
    needs: tuple[int, int] = (0, 0),
    **letters: Sequence[str],
) -> Callable[[Callable[..., Any]], Kernel]:
    """Declare a kernel: ``@kernel("T* T* i8", T=FLOATS)`` takes two pointers of either type and an integer.

    ``threads``: the most that a block will have, or that and how many such blocks a multiprocessor is to hold; the
    compiler shares out the registers accordingly. ``needs``: the compute capability from which on it can be compiled.
    """

    variants: dict[Codes, dict[str, str]] = {}
    for signature, values in itertools.product(signatures, itertools.product(*letters.values())):
        chosen = dict(zip(letters, values, strict=True))
        codes = []
        for word in signature.split():
            letter = word.removesuffix("*")
            codes.append(chosen.get(letter, letter) + word[len(letter) :])
        variants[tuple(codes)] = chosen
    return lambda function: Kernel(function, variants, threads, needs)


def helper(function: F) -> F:
    """Declare a function that kernels call; if it uses ``cuda``, that is to be this module's."""
    if SIMULATED:
        return function
    compiled: F = cuda.jit(device=True)(function)
    return compiled


def compile_ptx(kernel: Kernel, codes: Codes, capability: tuple[int, int]) -> str:
    """PTX of a variant for a compute capability such as (8, 6); no GPU is needed."""
    return toolchain.compile_ptx(kernel.bound(codes), codes, capability, kernel.threads)


def entry_name(ptx: str) -> str:
    """The name of the kernel in its PTX."""
    return ptx.split(".entry ", 1)[1].split("(", 1)[0].strip()


def sources_digest(package: Path, version: str) -> str:
    """A hash of all sources of a package, those in its folders too, and of the compiler's version."""
    digest = hashlib.sha256(version.encode())
    for source in sorted(package.rglob("*.py")):
        digest.update(source.relative_to(package).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def _cache_folder() -> Path | None:
    """Machine code of these sources and this numba-cuda."""
    return cache.open_folder(f"kernels-cuda-{sources_digest(_PACKAGE, toolchain.VERSION)}")


def machine_code(kernel: Kernel, codes: Codes, capability: tuple[int, int]) -> tuple[str, bytes]:
    """The kernel's name in its machine code, and that, from the cache on disk if it has been compiled before.

    Raises ``RuntimeError`` where the compilers are not complete, or do not know this GPU.
    """
    folder = _cache_folder()
    variant = hashlib.sha256(" ".join([kernel.name, *codes]).encode()).hexdigest()[:16]
    path = folder / f"{kernel.name}-{variant}.sm_{capability[0]}{capability[1]}" if folder else None
    if path is not None and (found := cache.read(path)) is not None:
        stored, _, code = found.partition(b"\n")
        return stored.decode(), code
    try:
        ptx = compile_ptx(kernel, codes, capability)
        name, code = entry_name(ptx).encode(), toolchain.link(ptx, capability)
    except toolchain.FAILURES as error:
        raise RuntimeError(
            f"numba-cuda {toolchain.VERSION} cannot compile {kernel.name} for a GPU of compute capability"
            f" {capability[0]}.{capability[1]}: {error}"
        ) from error
    if path is not None:
        cache.write(path, name + b"\n" + code)
    return name.decode(), code
