"""The GPU's memory pool, with a device of a few megabytes that is only counted."""

from __future__ import annotations

import gc
import importlib
import itertools
import random
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinyseg

pytestmark = pytest.mark.usefixtures("cuda")
MIB = 1 << 20


@pytest.fixture
def memory() -> ModuleType:
    return importlib.import_module("tinyseg_kernels.cuda.runtime.memory")


class Device:
    """So many bytes of memory; addresses that were given back are not given again."""

    def __init__(self, total: int) -> None:
        self.total, self.held, self.next, self.calls, self.waited = total, {}, 4096, 0, False

    def allocate(self, size: int) -> int | None:
        self.calls += 1
        if sum(self.held.values()) + size > self.total:
            return None
        self.next += size
        self.held[self.next - size] = size
        return self.next - size

    def free(self, address: int) -> None:
        assert self.waited, "memory that launches may use was given back"
        del self.held[address]

    def synchronize(self) -> None:
        self.waited = True

    def info(self) -> tuple[int, int]:
        return self.total - sum(self.held.values()), self.total


def test_blocks_in_use_never_overlap_and_free_ones_are_joined(memory: ModuleType) -> None:
    device = Device(400 * MIB)
    pool = memory.Pool(device)
    dice = random.Random(3)
    used: list[Any] = []
    for _ in range(3000):
        if used and dice.random() < 0.5:
            pool.give_back(used.pop(dice.randrange(len(used))))
        else:
            used.append(pool.take(int(dice.choice((1, 700, 50_000, 900_000, 3 * MIB, 7 * MIB)) * dice.random()) + 1))
        spans = sorted((block.address, block.address + block.size) for block in used)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
        assert pool.count().allocated == sum(block.size for block in used)
    for block in used:
        pool.give_back(block)
    assert pool.count().allocated == 0
    assert pool.count().reserved == sum(device.held.values()) > 0
    pool.empty()  # only whole segments can be given back, so all pieces must have found together
    assert device.held == {}
    assert pool.count().reserved == 0


def test_memory_is_used_again_without_asking_the_driver(memory: ModuleType) -> None:
    device = Device(100 * MIB)
    pool = memory.Pool(device)
    first = pool.take(3 * MIB)
    address = first.address
    pool.give_back(first)
    calls = device.calls
    assert pool.take(3 * MIB).address == address
    assert device.calls == calls
    assert all(pool.take(size).address % 512 == 0 for size in (1, 513, MIB + 1))


def test_kept_memory_is_given_up_before_there_is_too_little(memory: ModuleType) -> None:
    device = Device(64 * MIB)
    pool = memory.Pool(device)
    pool.give_back(pool.take(40 * MIB))
    assert pool.take(50 * MIB).size == 50 * MIB  # the 40 that nobody uses are in the way
    with pytest.raises(memory.OutOfDeviceMemory) as caught:
        pool.take(20 * MIB)
    assert (caught.value.requested, caught.value.total) == (20 * MIB, 64 * MIB)
    text = str(caught.value)
    assert "20.0 MiB were asked for, 14.0 MiB of 64.0 MiB are free, and tensors hold 50.0 MiB" in text


def test_counts_of_memory_follow_tensors() -> None:
    gc.collect()
    before = tinyseg.cuda.memory_allocated()
    tinyseg.cuda.reset_peak_memory_stats()
    x = tinyseg.zeros(1000, device="cuda")
    view = x[10:]
    assert tinyseg.cuda.memory_allocated() == before + 4096
    assert tinyseg.cuda.memory_reserved() >= tinyseg.cuda.memory_allocated()
    del x
    assert tinyseg.cuda.memory_allocated() == before + 4096
    del view
    assert tinyseg.cuda.memory_allocated() == before
    assert tinyseg.cuda.max_memory_allocated() >= before + 4096
    tinyseg.cuda.empty_cache()


def test_an_undeclared_type_is_refused_by_name() -> None:
    elementwise = importlib.import_module("tinyseg_kernels.cuda.elementwise")
    array = importlib.import_module("tinyseg_kernels.cuda.array")
    whole = array.from_numpy(np.arange(3))
    with pytest.raises(TypeError, match=r"elementwise\.exp is not declared for \(i8\*, i8\*, i8\)"):
        elementwise.exp(whole, array.empty((3,), np.int64))


def test_views_are_numpys() -> None:
    """Shapes, elements and sharing of memory of many views, against NumPy's of the same array."""
    array = importlib.import_module("tinyseg_kernels.cuda.array")
    values = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    x = array.from_numpy(values)
    for index in [
        (1,),
        (slice(None), -1),
        (..., 2),
        (0, ..., slice(1, None, 2)),
        (slice(None, None, -1), None, 2),
        (slice(3, 1),),
        (slice(None), slice(-1, None, -2), ..., slice(4, 0, -3)),
    ]:
        ours, theirs = array.slice_view(x, index), values[index]
        assert ours.shape == theirs.shape
        np.testing.assert_array_equal(array.to_numpy(ours), theirs)
        assert array.shares_memory(x, ours) == (theirs.size > 0)
    turned, wanted = array.transpose(x, (2, 0, 3, 1)), values.transpose(2, 0, 3, 1)
    for shape in [(4, 2, 15), (4, 10, 3), (40, 3), (120,), (2, 2, 2, 5, 3, 1)]:
        made = array.reshape(turned, shape)
        np.testing.assert_array_equal(array.to_numpy(made), wanted.reshape(shape))
    assert array.shares_memory(turned, array.reshape(turned, (2, 2, 2, 5, 3, 1)))
    assert not array.shares_memory(turned, array.reshape(turned, (120,)))
    left, right = array.slice_view(x, (0,)), array.slice_view(x, (1,))
    assert not array.shares_memory(left, right)
    repeated = array.broadcast_to(array.from_numpy(values[0, :, :1]), (7, 3, 4, 5))
    np.testing.assert_array_equal(array.to_numpy(repeated), np.broadcast_to(values[0, :, :1], (7, 3, 4, 5)))
