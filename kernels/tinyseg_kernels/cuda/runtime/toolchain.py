"""All that is taken from the compilers of the GPU's kernels, and the only file that imports them.

numba-cuda makes PTX of Python functions, nvJitLink machine code of PTX. Several names are not public there, which is
why ``pyproject.toml`` bounds numba-cuda's version above. Its successor ``numba_cuda_mlir`` has most of these names,
too (``tests/cuda/test_cuda_toolchain.py`` tries them), but makes MLIR of what ``vector/instructions.py`` writes as
LLVM's.
"""

from __future__ import annotations

import types as python_types
from collections.abc import Callable
from typing import Any

import numba
import numba_cuda  # without this package numba.cuda is Numba's own, which is out of date

VERSION: str = numba_cuda.__version__

try:
    import numba.cuda as cuda
    from cuda.bindings import nvjitlink
    from cuda.pathfinder import DynamicLibNotFoundError
    from llvmlite import ir
    from numba.cuda import cgutils, dispatcher, libdevice, types
    from numba.cuda.core.errors import NumbaError, RequireLiteralValue
    from numba.cuda.cudadrv.error import CCSupportError, NvvmError, NvvmSupportError
    from numba.cuda.extending import intrinsic, overload
except AttributeError as error:
    # numba-cuda takes names from Numba's modules, of which a newer Numba may lack some.
    raise ImportError(f"numba-cuda {VERSION} does not work with Numba {numba.__version__}: {error}") from error

__all__ = [
    "FAILURES",
    "VERSION",
    "RequireLiteralValue",
    "cgutils",
    "compile_ptx",
    "cuda",
    "intrinsic",
    "ir",
    "libdevice",
    "link",
    "overload",
    "types",
]

# What these packages raise where a library of theirs is missing, or is not made for the GPU or for each other.
FAILURES: tuple[type[Exception], ...] = (
    CCSupportError,
    DynamicLibNotFoundError,
    NumbaError,
    NvvmError,
    NvvmSupportError,
    nvjitlink.nvJitLinkError,
)

_NAMES = {
    "f4": "float32",
    "f8": "float64",
    "i4": "int32",
    "i8": "int64",
    "u1": "uint8",
    "u4": "uint32",
    "u8": "uint64",
}


def _type_of(code: str) -> Any:
    base = getattr(types, _NAMES[code.removesuffix("*")])
    return types.CPointer(base) if code.endswith("*") else base


class _WithoutDevice:
    """Numba asks the current device for its capability when a kernel calls a helper, also if none is there."""

    def __init__(self, capability: tuple[int, int]) -> None:
        self.device = python_types.SimpleNamespace(compute_capability=capability)

    def __enter__(self) -> None:
        self.kept = dispatcher.get_current_device
        dispatcher.get_current_device = lambda: self.device

    def __exit__(self, *_: Any) -> None:
        dispatcher.get_current_device = self.kept


def compile_ptx(
    function: Callable[..., Any],
    codes: tuple[str, ...],
    capability: tuple[int, int],
    bounds: int | tuple[int, int],
) -> str:
    """PTX of a kernel's function for arguments of these types; no GPU is needed."""
    ptx: str
    with _WithoutDevice(capability):
        ptx, _ = cuda.compile(
            function,
            tuple(_type_of(code) for code in codes),
            cc=capability,
            device=False,
            abi="numba",
            output="ptx",
            launch_bounds=bounds,
        )
    return ptx


def link(ptx: str, capability: tuple[int, int]) -> bytes:
    """Machine code; done here and not by the driver, which may be older than the PTX."""
    handle = nvjitlink.create(1, [f"-arch=sm_{capability[0]}{capability[1]}"])
    try:
        data = ptx.encode()
        nvjitlink.add_data(handle, nvjitlink.InputType.PTX, data, len(data), "kernel")
        nvjitlink.complete(handle)
        code = bytearray(nvjitlink.get_linked_cubin_size(handle))
        nvjitlink.get_linked_cubin(handle, code)
    finally:
        nvjitlink.destroy(handle)
    return bytes(code)
