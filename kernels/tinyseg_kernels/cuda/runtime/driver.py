"""The CUDA driver's functions that are used, by ctypes: no header, no compiler, no package but the driver itself."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import os
import sys
from typing import Any

_u32, _u64, _size, _int, _pointer = ctypes.c_uint, ctypes.c_uint64, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p
_REF = ctypes.c_void_p  # of something that the driver writes

# Names and types as in cuda.h; all return a CUresult.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "cuInit": (_u32,),
    "cuDriverGetVersion": (_REF,),
    "cuDeviceGetCount": (_REF,),
    "cuDeviceGet": (_REF, _int),
    "cuDeviceGetName": (ctypes.c_char_p, _int, _int),
    "cuDeviceGetAttribute": (_REF, _int, _int),
    "cuDevicePrimaryCtxRetain": (_REF, _int),
    "cuCtxGetCurrent": (_REF,),
    "cuCtxSetCurrent": (_pointer,),
    "cuCtxPushCurrent_v2": (_pointer,),
    "cuCtxPopCurrent_v2": (_REF,),
    "cuStreamCreate": (_REF, _u32),
    "cuStreamSynchronize": (_pointer,),
    "cuStreamWaitEvent": (_pointer, _pointer, _u32),
    "cuEventCreate": (_REF, _u32),
    "cuEventRecord": (_pointer, _pointer),
    "cuEventSynchronize": (_pointer,),
    "cuMemAlloc_v2": (_REF, _size),
    "cuMemFree_v2": (_u64,),
    "cuMemGetInfo_v2": (_REF, _REF),
    "cuMemHostAlloc": (_REF, _size, _u32),
    "cuMemFreeHost": (_pointer,),
    "cuMemcpyHtoDAsync_v2": (_u64, _pointer, _size, _pointer),
    "cuMemcpyDtoHAsync_v2": (_pointer, _u64, _size, _pointer),
    "cuModuleLoadData": (_REF, ctypes.c_char_p),
    "cuModuleGetFunction": (_REF, _pointer, ctypes.c_char_p),
    "cuLaunchKernel": (_pointer, _u32, _u32, _u32, _u32, _u32, _u32, _u32, _pointer, _REF, _REF),
    "cuGetErrorName": (_int, _REF),
    "cuGetErrorString": (_int, _REF),
}

OUT_OF_MEMORY = 2  # CUresults
_NOT_INITIALIZED = 3
# A kernel that failed (an address outside of all memory, too long a run, ...): told by any later call.
_LATE = {214, 220, 700, 702, 710, 714, 715, 716, 717, 718, 719, 999}
SYNCHRONOUS = "TINYSEG_CUDA_SYNC"
COMPUTE_CAPABILITY = 75, 76  # attributes of a device: major, minor
MULTIPROCESSORS = 16
CLOCKS_AND_BUS = 13, 36, 37  # kHz of cores, kHz of memory, bits of its bus
PORTABLE, MAPPED = 1, 2  # host memory for all contexts, and for the device, too
NON_BLOCKING = 1  # a stream that the default one does not wait for
WITHOUT_TIMING = 2  # an event that costs less


class CudaError(RuntimeError):
    """The driver refused a call; ``code`` is its CUresult."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class CudaMemoryError(CudaError, MemoryError):
    """The device has no memory for what a call needs itself: a kernel's code, its registers' overflow, an event."""


def waits_after_each_launch() -> bool:
    """Whether the environment asks for it, by ``TINYSEG_CUDA_SYNC`` or CUDA's own ``CUDA_LAUNCH_BLOCKING``."""
    return any(os.environ.get(name, "0") not in ("", "0") for name in (SYNCHRONOUS, "CUDA_LAUNCH_BLOCKING"))


class Driver:
    """The functions of the library, each raising ``CudaError`` if it fails.

    ``blocking``: launches are waited for, so that an error is that of the launch that reports it.
    """

    def __init__(self, library: Any) -> None:
        self.library, self.blocking = library, waits_after_each_launch()
        for name, types in _FUNCTIONS.items():
            try:
                function = getattr(library, name)
            except AttributeError:
                raise RuntimeError(f"the NVIDIA driver is too old: it has no function {name}") from None
            function.argtypes, function.restype = types, _int
            setattr(self, name, self._checked(name, function))
        self.launch_raw = library.cuLaunchKernel

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def _checked(self, name: str, function: Any) -> Any:
        def call(*arguments: Any) -> None:
            if code := function(*arguments):
                self.fail(name, code)

        return call

    def fail(self, name: str, code: int) -> None:
        """Raise what the driver says of an error."""
        texts = []
        for ask in (self.library.cuGetErrorName, self.library.cuGetErrorString):
            text = ctypes.c_char_p()
            ask(code, ctypes.byref(text))
            texts.append((text.value or b"?").decode())
        message = f"{name}: {texts[0]}: {texts[1]}{self._hint(code)}"
        if code == OUT_OF_MEMORY:
            raise CudaMemoryError(code, f"cuda: {message}; a smaller batch or smaller images need less")
        raise CudaError(code, message)

    def _hint(self, code: int) -> str:
        if code in _LATE and not self.blocking:
            return (
                " (the cause may be an earlier launch, since kernels run while Python goes on: with"
                f" {SYNCHRONOUS}=1 each one is waited for, and the error names it)"
            )
        if code == _NOT_INITIALIZED:
            return " (a process that was forked after its parent used the GPU cannot use it: start it by spawn)"
        return ""

    def ask(self, name: str, *arguments: Any, kind: Any = ctypes.c_void_p) -> Any:
        """Call a function whose first argument is where it puts its answer; returns that."""
        answer = kind()
        getattr(self, name)(ctypes.byref(answer), *arguments)
        return answer.value


@functools.cache
def load() -> Driver:
    """The driver's library, ready for calls; raises ``RuntimeError`` in one line where there is none."""
    names = ["nvcuda.dll"] if sys.platform == "win32" else ["libcuda.so.1", "libcuda.so"]
    for name in names:
        try:
            library = ctypes.CDLL(name)
            break
        except OSError:
            continue
    else:
        raise RuntimeError(f"no NVIDIA driver found ({names[0]} cannot be loaded)")
    driver = Driver(library)
    driver.cuInit(0)
    if driver.ask("cuDeviceGetCount", kind=ctypes.c_int) == 0:
        raise RuntimeError("the NVIDIA driver finds no GPU")
    return driver
