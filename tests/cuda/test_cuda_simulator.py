"""The simulator finds the mistakes that a GPU punishes late or never, and runs no launch before it is waited for."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") in ("", "0"):
    pytest.skip("the simulator is off; NUMBA_ENABLE_CUDASIM=1 switches it on", allow_module_level=True)
simulator = importlib.import_module("tinyseg_kernels.cuda.runtime.simulator")
array = importlib.import_module("tinyseg_kernels.cuda.array")
vector = importlib.import_module("tinyseg_kernels.cuda.vector.instructions")
cuda = simulator.cuda


def run(function: Any, threads: int, *values: Any, blocks: int = 1) -> list[np.ndarray]:
    memories = [simulator.Memory(np.array(given, np.float64)) for given in values]
    simulator.run(function, simulator.has_barriers(function), (blocks, 1, 1), (threads, 1, 1), *memories)
    simulator.stream.synchronize()
    return [memory.elements for memory in memories]


def _turn(x, out):  # type: ignore[no-untyped-def]
    shared = cuda.shared.array(4, np.float64)
    t = cuda.threadIdx.x
    shared[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    out[cuda.grid(1)] = shared[3 - t]


def test_a_barrier_holds_all_threads_of_a_block() -> None:
    _, out = run(_turn, 4, np.arange(8), np.zeros(8), blocks=2)
    assert out.tolist() == [3, 2, 1, 0, 7, 6, 5, 4]


def _without_barrier(x, out):  # type: ignore[no-untyped-def]
    shared = cuda.shared.array(4, np.float64)
    t = cuda.threadIdx.x
    shared[t] = x[t]
    out[t] = shared[3 - t]


def test_shared_memory_that_was_not_written_is_nan() -> None:
    _, out = run(_without_barrier, 4, np.arange(4), np.zeros(4))
    assert np.isnan(out[:2]).all()


def _beyond(x, out):  # type: ignore[no-untyped-def]
    out[cuda.grid(1)] = x[cuda.grid(1) + 1]


def _below(x, out):  # type: ignore[no-untyped-def]
    out[cuda.grid(1)] = x[cuda.grid(1) - 1]


@pytest.mark.parametrize("function", [_beyond, _below])
def test_no_index_leaves_the_array(function: Any) -> None:
    with pytest.raises(IndexError):
        run(function, 4, np.arange(4), np.zeros(4))


def _divided(x, out):  # type: ignore[no-untyped-def]
    if cuda.threadIdx.x < 2:
        cuda.syncthreads()


def test_a_barrier_that_some_threads_miss_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="some threads of a block ended while others wait"):
        run(_divided, 4, np.arange(4), np.zeros(4))


def _fails(x, out):  # type: ignore[no-untyped-def]
    if cuda.threadIdx.x == 1:
        raise ZeroDivisionError
    cuda.syncthreads()


def test_an_error_of_one_thread_ends_the_others() -> None:
    with pytest.raises(ZeroDivisionError):
        run(_fails, 4, np.arange(4), np.zeros(4))
    _, out = run(_turn, 4, np.arange(4), np.zeros(4))
    assert out.tolist() == [3, 2, 1, 0]


# Vectors and tiles: NumPy's slices would be shorter without a word, and wrap around below 0.


def _vector_at(at: int, count: int) -> Any:
    def write(x, out):  # type: ignore[no-untyped-def]
        registers = cuda.local.array(4, np.float64)
        for k in range(4):
            registers[k] = 1
        vector.write_vector(out, at, registers, 0, count)

    def read(x, out):  # type: ignore[no-untyped-def]
        registers = cuda.local.array(4, np.float64)
        vector.read_vector(registers, 0, x, at, count)

    return write, read


@pytest.mark.parametrize(("at", "count"), [(6, 1), (6, 2), (4, 4), (8, 4), (-1, 1), (-2, 2), (3, 2), (2, 4)])
def test_no_vector_leaves_the_array_or_its_alignment(at: int, count: int) -> None:
    for function in _vector_at(at, count):
        with pytest.raises(IndexError):
            run(function, 1, np.arange(6), np.zeros(6))
    for function in _vector_at(4, 2):
        run(function, 1, np.arange(6), np.zeros(6))


def _row_beyond(x, out):  # type: ignore[no-untyped-def]
    vector.read_row(out, x, 1, 2, 4)


def test_no_row_of_registers_is_beyond_their_end() -> None:
    with pytest.raises(IndexError, match=r"4 \.\. 7 are outside of the 5"):
        run(_row_beyond, 1, np.arange(5), np.zeros(4))


@pytest.mark.parametrize("place", [-1, 60])
def test_no_slice_of_a_tensor_product_leaves_the_array(place: int) -> None:
    def multiply(x, out):  # type: ignore[no-untyped-def]
        sums = cuda.local.array(16, np.float64)
        vector.add_tensor_product(sums, x, place, 0, 16, 16, 0, 0, 2, 2)

    with pytest.raises(IndexError):
        run(multiply, 1, np.arange(128), np.zeros(1))


def _after(x, out):  # type: ignore[no-untyped-def]
    out[0] = x[2]


def test_a_view_ends_where_its_last_element_is() -> None:
    """The rest of its storage is not its own."""
    folder = "tinyseg_kernels.cuda.runtime"
    compiler, runtime = (importlib.import_module(f"{folder}.{name}") for name in ("compiler", "launch"))
    kernel = compiler.Kernel(_after, {("f8*", "f8*"): {}})
    compiler.KERNELS.remove(kernel)
    whole = array.from_numpy(np.arange(4.0))
    for stop, step in ((2, 1), (3, 2)):
        view = array.slice_view(whole, (slice(0, stop, step),))
        runtime.launch(kernel, 1, 1, view, array.empty((1,), np.float64))
        if step == 2:  # elements 0 and 2 of the storage
            runtime.synchronize()
            continue
        with pytest.raises(IndexError, match="out of bounds") as caught:
            runtime.synchronize()
        assert caught.value.__notes__ == ["in the kernel after of test_cuda_simulator"]


# The queue


def _add(x, out):  # type: ignore[no-untyped-def]
    out[0] = out[0] + x[0]


def test_launches_run_in_order_and_not_before_they_are_waited_for() -> None:
    x, out = (simulator.Memory(np.array([value])) for value in (2.0, 1.0))
    simulator.stream.synchronize()
    for _ in range(3):
        simulator.run(_add, False, (1, 1, 1), (1, 1, 1), x, out)
    mark = simulator.stream.mark()
    simulator.stream.queue(lambda: x.elements.fill(10))
    simulator.run(_add, False, (1, 1, 1), (1, 1, 1), x, out)
    assert (out.elements[0], len(simulator.stream)) == (1, 5)
    simulator.stream.reach(mark)
    assert (out.elements[0], len(simulator.stream)) == (7, 2)
    x.elements[0] = 3  # an array is what it is when the launch runs
    simulator.stream.reach(mark)
    assert out.elements[0] == 7
    simulator.stream.synchronize()
    assert (out.elements[0], len(simulator.stream)) == (17, 0)


def test_after_an_error_nothing_that_was_queued_is_done() -> None:
    x, out = (simulator.Memory(np.array([value])) for value in (2.0, 1.0))
    simulator.run(_beyond, False, (1, 1, 1), (1, 1, 1), x, out)
    simulator.run(_add, False, (1, 1, 1), (1, 1, 1), x, out)
    with pytest.raises(IndexError):
        simulator.stream.synchronize()
    simulator.stream.synchronize()
    assert out.elements[0] == 1


def test_memory_that_is_given_back_too_early_is_noticed() -> None:
    gpu = importlib.import_module("tinyseg_kernels.cuda.runtime.launch").gpu()
    simulator.stream.queue(lambda: None)
    with pytest.raises(RuntimeError, match="given back while launches"):
        gpu.free(512)
    simulator.stream.synchronize()
    gpu.free(512)


def test_at_once_where_the_environment_asks_for_it() -> None:
    """Then an error comes where it is made."""
    code = (
        "import tinyseg, numpy as np\n"
        "x = tinyseg.ones(3, device='cuda')\n"
        "from tinyseg_kernels.cuda import array, elementwise; from tinyseg_kernels.cuda.runtime import simulator\n"
        "print(len(simulator.stream))\n"
        "short = array.DeviceArray(x.array.storage, 2, (3,), (1,), np.dtype(np.float32))\n"
        "try:\n    elementwise.exp(short, array.empty((3,), np.float32)); print('queued')\n"
        "except IndexError as error:\n    print(error.__notes__)\n"
    )
    answers = {}
    for name in ("TINYSEG_CUDA_SYNC", "CUDA_LAUNCH_BLOCKING", "OTHER"):
        environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", name: "1"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
        )
        answers[name] = done.stdout.split("\n")[:2]
    assert answers["TINYSEG_CUDA_SYNC"] == answers["CUDA_LAUNCH_BLOCKING"]
    assert answers["TINYSEG_CUDA_SYNC"] == ["0", "['in the kernel exp_f4 of tinyseg_kernels.cuda.elementwise']"]
    assert answers["OTHER"] == ["1", "queued"]
