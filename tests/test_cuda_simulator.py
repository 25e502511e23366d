"""The simulator finds the mistakes that a GPU punishes late or never."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import tinyseg

if not tinyseg.cuda.is_available():
    pytest.skip("the simulator is off; NUMBA_ENABLE_CUDASIM=1 switches it on", allow_module_level=True)
simulator = importlib.import_module("tinyseg_kernels.cuda.simulator")
array = importlib.import_module("tinyseg_kernels.cuda.array")
vector = importlib.import_module("tinyseg_kernels.cuda.vector")
cuda = simulator.cuda


def run(function: Any, threads: int, *values: Any, blocks: int = 1) -> list[np.ndarray]:
    memories = [simulator.Memory(np.array(given, np.float64)) for given in values]
    simulator.run(function, simulator.has_barriers(function), (blocks, 1, 1), (threads, 1, 1), *memories)
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


def _vector_beyond(x, out):  # type: ignore[no-untyped-def]
    vector.read_vector(out, 0, x, 4, 2)


def _vector_to_beyond(x, out):  # type: ignore[no-untyped-def]
    vector.write_vector(out, 4, x, 0, 2)


def _registers_beyond(x, out):  # type: ignore[no-untyped-def]
    vector.write_vector(out, 0, x, 4, 2)


def _row_beyond(x, out):  # type: ignore[no-untyped-def]
    vector.read_row(out, x, 1, 2, 4)


@pytest.mark.parametrize("function", [_vector_beyond, _vector_to_beyond, _registers_beyond, _row_beyond])
def test_no_vector_leaves_the_array(function: Any) -> None:
    """One element of it is inside: NumPy would put that into both places."""
    with pytest.raises(IndexError, match="no vector of"):
        run(function, 1, np.arange(5), np.zeros(5))


def test_no_kernel_leaves_a_view() -> None:
    """Of an array on the device, though there is memory behind it."""
    whole = array.from_numpy(np.arange(12.0).reshape(3, 4))
    middle = array.slice_view(whole, (slice(1, 2),))
    assert middle.memory().elements.tolist() == [4, 5, 6, 7]
    assert array.slice_view(whole, (slice(0, 2), slice(1, 3))).memory().elements.tolist() == [1, 2, 3, 4, 5, 6]
    assert array.slice_view(whole, (slice(0, 0),)).memory().elements.tolist() == []
    with pytest.raises(IndexError):
        simulator.run(_beyond, False, (1, 1, 1), (4, 1, 1), middle.memory(), middle.memory())
