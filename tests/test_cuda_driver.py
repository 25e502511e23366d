"""The host's side of the GPU without one: a driver whose memory is the host's, which notes what it is asked."""

from __future__ import annotations

import ctypes
import importlib
import struct
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("cuda")  # for numba-cuda, or the simulator in its place
OUT_OF_MEMORY = 2


class Library:
    """The driver's functions; handles are numbers that count up."""

    def __init__(self, total: int = 1 << 28) -> None:
        self.total, self.held, self.calls, self.handles = total, {}, [], 100
        self.functions: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("cu"):
            raise AttributeError(name)
        if name not in self.functions:

            def call(*arguments: Any) -> int:
                self.calls.append((name, arguments))
                return getattr(self, f"_{name}", self._handle)(*arguments)

            self.functions[name] = call
        return self.functions[name]

    def _handle(self, *arguments: Any) -> int:
        """What a function makes is put where its first argument points."""
        if arguments and hasattr(arguments[0], "_obj"):
            self.handles += 1
            arguments[0]._obj.value = self.handles
        return 0

    def _memory(self, answer: Any, size: int, *_: Any) -> int:
        if sum(memory._length_ for memory in self.held.values()) + size > self.total:
            return OUT_OF_MEMORY
        memory = (ctypes.c_uint8 * size)()
        answer._obj.value = ctypes.addressof(memory)
        self.held[answer._obj.value] = memory
        return 0

    _cuMemAlloc_v2 = _cuMemHostAlloc = _memory

    def _cuMemFree_v2(self, address: int) -> int:
        del self.held[address]
        return 0

    def _cuMemGetInfo_v2(self, free: Any, total: Any) -> int:
        free._obj.value, total._obj.value = 1 << 20, self.total
        return 0

    def _copy(self, target: int, source: int, size: int, _: int) -> int:
        ctypes.memmove(target, source, size)
        return 0

    _cuMemcpyHtoDAsync_v2 = _cuMemcpyDtoHAsync_v2 = _copy

    def _cuLaunchKernel(self, *arguments: Any) -> int:
        slots = ctypes.cast(arguments[9], ctypes.POINTER(ctypes.c_void_p))
        self.launched = arguments[:9], [ctypes.string_at(slots[i], 8) for i in range(4)]
        return 0

    def _cuGetErrorName(self, code: int, text: Any) -> int:
        text._obj.value = b"CUDA_ERROR_OF_SOME_KIND"
        return 0

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    runtime = importlib.import_module("tinyseg_kernels.cuda.runtime")
    driver = importlib.import_module("tinyseg_kernels.cuda.driver")
    library = Library()
    monkeypatch.setattr(driver, "load", lambda: driver.Driver(library))
    monkeypatch.setattr(runtime, "_STAGING_BYTES", 1000)  # so that a copy takes several turns
    made = runtime.Gpu()
    made.library = library
    return made


def storage(pool: Any, size: int) -> Any:
    return importlib.import_module("tinyseg_kernels.cuda.memory").Storage(pool, size)


def test_bytes_come_back_as_they_went(gpu: Any) -> None:
    values = np.random.default_rng(0).integers(0, 256, 3500).astype(np.uint8)
    for pool in (gpu.pool, gpu.uploads):
        memory = storage(pool, values.size)
        sent = gpu.send(memory, values)
        assert (sent is None) == (pool is gpu.pool)
        found = np.zeros_like(values)
        gpu.staging.download(found, memory.address)
        np.testing.assert_array_equal(found, values)


def test_a_copy_beside_the_kernels_waits_and_is_waited_for(gpu: Any) -> None:
    memory = storage(gpu.uploads, 100)
    gpu.library.calls.clear()
    sent = gpu.send(memory, np.zeros(100, np.uint8))
    gpu.await_arrival(sent)
    del memory
    events = [call for call in gpu.library.calls if call[0] in ("cuStreamWaitEvent", "cuEventRecord")]
    assert ("cuStreamWaitEvent", (gpu.copy_stream, gpu.last_use, 0)) == events[0]
    assert events[2:] == [
        ("cuEventRecord", (sent, gpu.copy_stream)),
        ("cuStreamWaitEvent", (gpu.stream, sent, 0)),
        ("cuEventRecord", (gpu.last_use, gpu.stream)),  # when the memory was let go
    ]
    again = gpu.send(storage(gpu.uploads, 100), np.zeros(100, np.uint8))
    assert again == sent  # the event is used again


def test_a_launch_hands_over_its_arguments(gpu: Any) -> None:
    compiler = importlib.import_module("tinyseg_kernels.cuda.compiler")
    runtime = importlib.import_module("tinyseg_kernels.cuda.runtime")
    codes = ("f4*", "i8", "f4", "f8")
    kernel = compiler.Kernel(lambda x, n, a, b: None, {codes: {}})
    compiler.KERNELS.remove(kernel)
    kernel.ready[codes] = 77, runtime.argument_format(codes)
    gpu.launch(kernel, (4, 2, 1), (256, 1, 1), codes, [0x1234, -5, np.float32(0.5), 0.25])
    (function, *geometry), slots = gpu.library.launched
    assert function == 77
    assert geometry == [4, 2, 1, 256, 1, 1, 0, gpu.stream]
    assert struct.unpack("<Qqf4xd", b"".join(slots)) == (0x1234, -5, 0.5, 0.25)


def test_too_little_memory_is_told_after_all_pools_gave_way(gpu: Any) -> None:
    gpu.library.total = sum(memory._length_ for memory in gpu.library.held.values()) + (64 << 20)
    storage(gpu.uploads, 40 << 20)  # let go at once, but kept
    kept = storage(gpu.pool, 50 << 20)
    assert gpu.pool.count().reserved == 50 << 20
    memory = importlib.import_module("tinyseg_kernels.cuda.memory")
    with pytest.raises(memory.OutOfDeviceMemory, match=r"30\.0 MiB were asked for, 1\.0 MiB of"):
        storage(gpu.pool, 30 << 20)
    del kept


def test_errors_are_named(gpu: Any) -> None:
    driver = importlib.import_module("tinyseg_kernels.cuda.driver")
    with pytest.raises(driver.CudaError, match="cuModuleLoadData: CUDA_ERROR_OF_SOME_KIND"):
        gpu.driver.fail("cuModuleLoadData", 209)
