"""The host's side of the GPU without one: a driver whose memory is the host's, and whose streams run as they like.

The order in which a GPU works is only what streams and events say. So the driver here runs each stream as late as it
may, or the copies as early as they may, and every result must be the same.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import random
import struct
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("cuda")  # for numba-cuda, or the simulator in its place
OUT_OF_MEMORY, ILLEGAL_ADDRESS = 2, 700
ORDERS = ("all late", "copies early", "kernels early")


class Streams:
    """Queues of work: a stream in ``early`` runs at once, all others when they are waited for."""

    def __init__(self) -> None:
        self.early: set[int] = set()
        self.work: defaultdict[int, list[Callable[[], Any]]] = defaultdict(list)
        self.done: defaultdict[int, int] = defaultdict(int)
        self.records: dict[int, tuple[int, int]] = {}  # of an event: how far which stream is to be

    def add(self, stream: int, work: Callable[[], Any]) -> None:
        self.work[stream].append(work)
        if stream in self.early:
            self.run(stream, len(self.work[stream]))

    def run(self, stream: int, until: int) -> None:
        while self.done[stream] < until:
            self.done[stream] += 1
            self.work[stream][self.done[stream] - 1]()

    def waiting(self) -> int:
        return sum(len(work) - self.done[stream] for stream, work in self.work.items())


class Library:
    """The driver's functions; handles are numbers that count up."""

    def __init__(self, total: int = 1 << 28) -> None:
        self.total, self.held, self.calls, self.handles = total, {}, [], 100
        self.streams, self.kernels = Streams(), {}
        self.contexts: list[int] = []  # the last one is current
        self.error = 0  # of all that waits for the device
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

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def _handle(self, *arguments: Any) -> int:
        """What a function makes is put where its first argument points."""
        if arguments and hasattr(arguments[0], "_obj"):
            self.handles += 1
            arguments[0]._obj.value = self.handles
        return 0

    # Contexts

    def _cuDevicePrimaryCtxRetain(self, answer: Any, _: int) -> int:
        answer._obj.value = self.context = 77
        return 0

    def _cuCtxGetCurrent(self, answer: Any) -> int:
        answer._obj.value = self.contexts[-1] if self.contexts else None
        return 0

    def _cuCtxSetCurrent(self, context: int) -> int:
        self.contexts[-1:] = [context]
        return 0

    def _cuCtxPushCurrent_v2(self, context: int) -> int:
        self.contexts.append(context)
        return 0

    def _cuCtxPopCurrent_v2(self, answer: Any) -> int:
        answer._obj.value = self.contexts.pop()
        return 0

    def _in_context(self) -> None:
        assert self.contexts[-1:] == [self.context], "a call in another library's context"

    # Memory

    def _memory(self, answer: Any, size: int, *_: Any) -> int:
        self._in_context()
        if sum(memory._length_ for memory in self.held.values()) + size > self.total:
            return OUT_OF_MEMORY
        memory = (ctypes.c_uint8 * size)()
        answer._obj.value = ctypes.addressof(memory)
        self.held[answer._obj.value] = memory
        return 0

    _cuMemAlloc_v2 = _cuMemHostAlloc = _memory

    def _cuMemFree_v2(self, address: int) -> int:
        self._in_context()
        assert not self.streams.waiting(), "memory is given back that queued work may use"
        del self.held[address]
        return 0

    def _cuMemGetInfo_v2(self, free: Any, total: Any) -> int:
        free._obj.value, total._obj.value = 1 << 20, self.total
        return 0

    # Streams

    def _copy(self, target: int, source: int, size: int, stream: int) -> int:
        self._in_context()
        self.streams.add(stream, lambda: ctypes.memmove(target, source, size))
        return 0

    _cuMemcpyHtoDAsync_v2 = _cuMemcpyDtoHAsync_v2 = _copy

    def _cuEventRecord(self, event: int, stream: int) -> int:
        self._in_context()
        self.streams.records[event] = stream, len(self.streams.work[stream])
        return 0

    def _cuStreamWaitEvent(self, stream: int, event: int, _: int) -> int:
        self._in_context()
        if event in self.streams.records:
            there = self.streams.records[event]
            self.streams.add(stream, lambda: self.streams.run(*there))
        return 0

    def _cuEventSynchronize(self, event: int) -> int:
        if event in self.streams.records:
            self.streams.run(*self.streams.records[event])
        return self.error

    def _cuStreamSynchronize(self, stream: int) -> int:
        self.streams.run(stream, len(self.streams.work[stream]))
        return self.error

    def _cuLaunchKernel(self, *arguments: Any) -> int:
        self._in_context()
        slots = ctypes.cast(arguments[9], ctypes.POINTER(ctypes.c_void_p))
        values = [ctypes.string_at(slots[i], 8) for i in range(4)]
        self.launched = arguments[:9], values
        if kernel := self.kernels.get(arguments[0]):
            self.streams.add(arguments[8], lambda: kernel(*values))
        return 0

    # Errors

    def _cuGetErrorName(self, code: int, text: Any) -> int:
        text._obj.value = b"CUDA_ERROR_OF_SOME_KIND"
        return 0


def make_gpu(monkeypatch: pytest.MonkeyPatch, order: str = "all late") -> Any:
    device = importlib.import_module("tinyseg_kernels.cuda.runtime.device")
    library = Library()
    monkeypatch.setattr(device.driver, "load", lambda: device.driver.Driver(library))
    monkeypatch.setattr(device, "_STAGING_BYTES", 1000)  # so that a copy takes several turns
    made = device.Gpu()
    made.library = library
    library.streams.early = {"copies early": {made.copy_stream}, "kernels early": {made.stream}}.get(order, set())
    return made


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    return make_gpu(monkeypatch)


def storage(pool: Any, size: int) -> Any:
    return importlib.import_module("tinyseg_kernels.cuda.runtime.memory").Storage(pool, size)


def copying(gpu: Any) -> Callable[[int, int, int], None]:
    """Launches a kernel that copies bytes: target, source, size."""
    compiler = importlib.import_module("tinyseg_kernels.cuda.runtime.compiler")
    device = importlib.import_module("tinyseg_kernels.cuda.runtime.device")
    codes = ("u1*", "u1*", "i8", "i8")
    kernel = compiler.Kernel(lambda target, source, size, _: None, {codes: {}})
    compiler.KERNELS.remove(kernel)
    kernel.ready[codes] = 55, device.argument_format(codes)
    gpu.library.kernels[55] = lambda *values: ctypes.memmove(*struct.unpack("<QQq", b"".join(values[:3])))

    def launch(target: int, source: int, size: int) -> None:
        gpu.launch(kernel, (1, 1, 1), (1, 1, 1), codes, [target, source, size, 0])

    return launch


def test_bytes_come_back_as_they_went(gpu: Any) -> None:
    values = np.random.default_rng(0).integers(0, 256, 3500).astype(np.uint8)
    wanted = values.copy()
    for pool in (gpu.pool, gpu.uploads):
        memory = storage(pool, values.size)
        values[:] = wanted
        sent = gpu.send(memory, values)
        values[:] = 0  # what was sent may change at once
        assert (sent is None) == (pool is gpu.pool)
        if sent is not None:
            gpu.await_arrival(sent)
        found = np.zeros_like(values)
        gpu.download(found, memory, 0)
        np.testing.assert_array_equal(found, wanted)
        gpu.download(found[:100], memory, 1200)
        np.testing.assert_array_equal(found[:100], wanted[1200:1300])


@pytest.mark.parametrize("order", ORDERS)
def test_copies_and_kernels_in_any_order_that_is_allowed(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are sent ahead; kernels copy them on; their memory is let go and taken again; results are read late."""
    gpu = make_gpu(monkeypatch, order)
    launch, dice, numbers = copying(gpu), random.Random(1), np.random.default_rng(1)
    kept: list[tuple[Any, np.ndarray]] = []
    ahead: list[tuple[Any, np.ndarray, Any]] = []
    for _ in range(200):
        values = numbers.integers(0, 256, dice.choice((600, 2500, 5000))).astype(np.uint8)
        memory = storage(gpu.uploads, values.size)
        ahead.append((memory, values.copy(), gpu.send(memory, values)))
        values[:] = 0
        if len(ahead) == 2:
            source, wanted, sent = ahead.pop(0)
            gpu.await_arrival(sent)
            target = storage(gpu.pool, wanted.size)
            launch(target.address, source.address, wanted.size)
            kept.append((target, wanted))
            del source
        if dice.random() < 0.3:
            target, wanted = kept.pop(dice.randrange(len(kept))) if kept else (None, None)
            if target is not None:
                found = np.zeros_like(wanted)
                gpu.download(found, target, 0)
                np.testing.assert_array_equal(found, wanted)
        if dice.random() < 0.05:
            gpu.pool.empty()
            gpu.uploads.empty()
    for target, wanted in kept:
        found = np.zeros_like(wanted)
        gpu.download(found, target, 0)
        np.testing.assert_array_equal(found, wanted)


def test_a_report_is_read_when_its_kernel_is_done(gpu: Any) -> None:
    """Reading waits for the last launch that was given it, and for no later one."""
    memory = importlib.import_module("tinyseg_kernels.cuda.runtime.memory")
    launch = copying(gpu)
    report, source = memory.HostStorage(gpu, 8), np.array([3, 1, 4], np.uint8)
    launch(report.address, source.ctypes.data, 3)
    report.is_written()
    other = storage(gpu.pool, 8)
    launch(other.address, source.ctypes.data, 3)
    assert report.elements[:3].tolist() == [0, 0, 0]
    assert report.read(0, 3).tolist() == [3, 1, 4]
    assert gpu.library.streams.waiting() == 1
    launch(report.address, source[1:].ctypes.data, 2)
    report.is_written()
    assert report.read(1, 2).tolist() == [4, 4]


def test_reports_are_as_many_as_are_asked_for(gpu: Any) -> None:
    memory = importlib.import_module("tinyseg_kernels.cuda.runtime.memory")
    reports = [memory.HostStorage(gpu, 8) for _ in range(2500)]
    assert len({report.address for report in reports}) == 2500
    address = reports.pop().address
    assert memory.HostStorage(gpu, 8).address == address


def test_memory_goes_back_to_the_driver_when_nothing_uses_it(gpu: Any) -> None:
    """The library here does not wait when it takes memory back, and notices what is still queued."""
    launch, source = copying(gpu), np.arange(8, dtype=np.uint8)
    memory, sent = storage(gpu.pool, 100), storage(gpu.uploads, 100)
    launch(memory.address, source.ctypes.data, 8)
    gpu.send(sent, source)  # nobody waits for its arrival
    del memory, sent
    gpu.pool.empty()
    gpu.uploads.empty()
    assert gpu.library.names().count("cuMemFree_v2") == 2


def test_another_librarys_context_stays_current(gpu: Any) -> None:
    """PyTorch on a second GPU, say, makes a context current whenever it likes; each of our calls is in ours."""
    values = np.arange(50, dtype=np.uint8)
    gpu.library.contexts[:] = [4711]
    memory, launch = storage(gpu.uploads, 50), copying(gpu)
    gpu.await_arrival(gpu.send(memory, values))
    other = storage(gpu.pool, 50)
    launch(other.address, memory.address, 50)
    found = np.zeros_like(values)
    gpu.download(found, other, 0)
    np.testing.assert_array_equal(found, values)
    del memory, other
    gpu.uploads.empty()
    gpu.pool.empty()
    assert gpu.info()
    assert gpu.library.contexts == [4711]
    gpu.library.contexts.clear()  # a thread that has none keeps ours: that is cheaper
    gpu.synchronize()
    assert gpu.library.contexts == [gpu.library.context]


def test_the_context_is_left_after_an_error(gpu: Any) -> None:
    gpu.library.contexts[:] = [4711]
    gpu.library.error = ILLEGAL_ADDRESS
    with pytest.raises(RuntimeError):
        gpu.synchronize()
    assert gpu.library.contexts == [4711]


def test_a_copy_beside_the_kernels_uses_its_event_again(gpu: Any) -> None:
    sent = gpu.send(storage(gpu.uploads, 100), np.zeros(100, np.uint8))
    gpu.await_arrival(sent)
    assert gpu.send(storage(gpu.uploads, 100), np.zeros(100, np.uint8)) == sent


def test_a_launch_hands_over_its_arguments(gpu: Any) -> None:
    compiler = importlib.import_module("tinyseg_kernels.cuda.runtime.compiler")
    device = importlib.import_module("tinyseg_kernels.cuda.runtime.device")
    codes = ("f4*", "i8", "f4", "f8")
    kernel = compiler.Kernel(lambda x, n, a, b: None, {codes: {}})
    compiler.KERNELS.remove(kernel)
    kernel.ready[codes] = 77, device.argument_format(codes)
    gpu.launch(kernel, (4, 2, 1), (256, 1, 1), codes, [0x1234, -5, np.float32(0.5), 0.25])
    (function, *geometry), slots = gpu.library.launched
    assert function == 77
    assert geometry == [4, 2, 1, 256, 1, 1, 0, gpu.stream]
    assert struct.unpack("<Qqf4xd", b"".join(slots)) == (0x1234, -5, 0.5, 0.25)


def test_arguments_are_packed_in_slots_of_eight_bytes() -> None:
    """Little-endian machines alone have CUDA: the driver reads as many bytes of a slot as the argument's type has."""
    device = importlib.import_module("tinyseg_kernels.cuda.runtime.device")
    layout = device.argument_format(("f4*", "i8", "f4", "u8", "f8", "i4", "u1"))
    packed = layout.pack(0x7F0000001000, -3, np.float32(1.5), np.uint64(2**64 - 1), 2.5, np.int32(-7), np.uint8(200))
    slots = [packed[start : start + 8] for start in range(0, len(packed), 8)]
    assert len(slots) == 7
    formats = ("<Q", "<q", "<f", "<Q", "<d", "<i", "<B")
    values = [struct.unpack_from(form, slot)[0] for form, slot in zip(formats, slots, strict=True)]
    assert values == [0x7F0000001000, -3, 1.5, 2**64 - 1, 2.5, -7, 200]


def test_too_little_memory_is_told_after_all_pools_gave_way(gpu: Any) -> None:
    gpu.library.total = sum(memory._length_ for memory in gpu.library.held.values()) + (64 << 20)
    storage(gpu.uploads, 40 << 20)  # let go at once, but kept
    kept = storage(gpu.pool, 50 << 20)
    assert gpu.pool.count().reserved == 50 << 20
    memory = importlib.import_module("tinyseg_kernels.cuda.runtime.memory")
    with pytest.raises(memory.OutOfDeviceMemory, match=r"30\.0 MiB were asked for, 1\.0 MiB of"):
        storage(gpu.pool, 30 << 20)
    del kept


def test_a_launch_gets_the_memory_that_the_pools_keep(gpu: Any) -> None:
    """It needs some of its own where registers overflow; where there is none the error is one of memory."""
    launch, source = copying(gpu), np.arange(8, dtype=np.uint8)
    memory = storage(gpu.pool, 100)
    storage(gpu.pool, 40 << 20)  # let go at once, but kept
    real, answers = gpu.driver.launch_raw, [OUT_OF_MEMORY, 0]
    gpu.driver.launch_raw = lambda *arguments: answers.pop(0) or real(*arguments)
    launch(memory.address, source.ctypes.data, 8)
    assert gpu.library.names().count("cuMemFree_v2") == 1
    answers[:] = [OUT_OF_MEMORY, OUT_OF_MEMORY]
    with pytest.raises(MemoryError, match=r"^cuda: launch of .*; a smaller batch or smaller images need less"):
        launch(memory.address, source.ctypes.data, 8)


# Errors


def test_errors_are_named(gpu: Any) -> None:
    driver = importlib.import_module("tinyseg_kernels.cuda.runtime.driver")
    with pytest.raises(driver.CudaError, match=r"^cuModuleLoadData: CUDA_ERROR_OF_SOME_KIND: \?$"):
        gpu.driver.fail("cuModuleLoadData", 209)


def test_a_forked_process_is_told_what_to_do(gpu: Any) -> None:
    gpu.library._cuCtxGetCurrent = lambda _: 3
    with pytest.raises(RuntimeError, match="forked after its parent used the GPU cannot use it: start it by spawn"):
        gpu.synchronize()


def test_a_kernels_error_that_comes_late_says_so(gpu: Any) -> None:
    memory, source = storage(gpu.pool, 8), np.arange(8, dtype=np.uint8)
    copying(gpu)(memory.address, source.ctypes.data, 8)
    gpu.library.error = ILLEGAL_ADDRESS
    with pytest.raises(RuntimeError, match=r"cuStreamSynchronize: .* may be an earlier launch.*TINYSEG_CUDA_SYNC=1"):
        gpu.synchronize()


def test_arrays_that_go_after_a_kernel_failed_print_nothing(gpu: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning of an error in ``__del__`` would fail here."""
    memory, kept = storage(gpu.uploads, 100), storage(gpu.pool, 100)
    gpu.library._cuEventRecord = lambda *_: ILLEGAL_ADDRESS
    del memory, kept
    gc.collect()
    assert gpu.uploads.count().allocated > 0  # its memory is not handed out again
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["TINYSEG_CUDA_SYNC", "CUDA_LAUNCH_BLOCKING"])
def test_with_a_wait_after_each_launch_an_error_names_its_kernel(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    gpu = make_gpu(monkeypatch)
    memory, source, launch = storage(gpu.pool, 8), np.arange(8, dtype=np.uint8), copying(gpu)
    launch(memory.address, source.ctypes.data, 8)
    assert gpu.library.streams.waiting() == 0
    gpu.library.error = ILLEGAL_ADDRESS
    with pytest.raises(RuntimeError, match=r"^kernel test_cuda_driver\.<lambda>: CUDA_ERROR_OF_SOME_KIND: \?$"):
        launch(memory.address, source.ctypes.data, 8)


def test_zero_is_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYSEG_CUDA_SYNC", "0")
    assert not make_gpu(monkeypatch).driver.blocking


def test_a_driver_without_a_function_is_too_old() -> None:
    driver = importlib.import_module("tinyseg_kernels.cuda.runtime.driver")
    with pytest.raises(RuntimeError, match="the NVIDIA driver is too old: it has no function cuInit"):
        driver.Driver(object())


# The first launch


def proving(gpu: Any, writes: int) -> None:
    """The smallest kernel is there, and writes this number."""
    device = importlib.import_module("tinyseg_kernels.cuda.runtime.device")
    device._prove.ready["i4*",] = 99, device.argument_format(("i4*",))
    number = np.array([writes], np.int32)
    gpu.library.kernels[99] = lambda *values: ctypes.memmove(struct.unpack("<Q", values[0])[0], number.ctypes.data, 4)


@pytest.fixture
def _unloaded() -> Any:
    device = pytest.importorskip("tinyseg_kernels.cuda.runtime.device", reason="numba-cuda is not installed")
    yield
    device._prove.ready.clear()


@pytest.mark.usefixtures("_unloaded")
def test_a_gpu_is_there_when_a_kernel_has_run(gpu: Any) -> None:
    proving(gpu, 42)
    gpu.prove()
    proving(gpu, 41)
    with pytest.raises(RuntimeError, match="the host does not see what it wrote"):
        gpu.prove()


@pytest.mark.usefixtures("_unloaded")
def test_a_driver_that_does_not_take_the_code_is_told(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old one, for which the compiler's code is no image."""
    device = importlib.import_module("tinyseg_kernels.cuda.runtime.device")
    monkeypatch.setattr(device, "machine_code", lambda *_: ("prove", b"code"))
    gpu.library._cuModuleLoadData = lambda *_: 200
    gpu.library._cuDriverGetVersion = lambda answer: setattr(answer._obj, "value", 11040) or 0
    with pytest.raises(
        RuntimeError, match=r"driver for CUDA 11\.4, where 12 or later.*runs no kernel: cuModuleLoadData"
    ):
        gpu.prove()
