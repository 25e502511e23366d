"""tinyseg from several Python threads at once, and in child processes of every kind."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import models, optim
from tinyseg.nn import functional as F

Array = np.ndarray[Any, Any]


def train(seed: int) -> bytes:
    """Three steps of a small U-Net: the bits of its weights and of the losses."""
    random = np.random.default_rng(seed)
    model = models.create("unet", num_classes=3, in_channels=3, width=16, depth=2)
    for parameter in model.parameters():  # tinyseg's own generator is one for all threads
        parameter.detach().copy_(tinyseg.tensor(0.1 * random.standard_normal(parameter.shape, np.float32)))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    images = tinyseg.tensor(random.standard_normal((2, 3, 48, 48), np.float32))
    labels = tinyseg.tensor(random.integers(0, 3, (2, 48, 48)))
    losses = []
    for _ in range(3):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach().numpy())
    return b"".join(array.tobytes() for array in (*losses, *(x.detach().numpy() for x in model.parameters())))


def convolve(seed: int) -> bytes:
    """Convolutions of either way, forward and back."""
    random = np.random.default_rng(seed)
    x, w = (random.standard_normal(shape, np.float32) for shape in ((2, 32, 40, 40), (32, 32, 3, 3)))
    results = []
    for stride in (1, 2):
        image, weight = (tinyseg.tensor(array, requires_grad=True) for array in (x, w))
        y = F.conv2d(image, weight, stride=stride, padding=1)
        results += [y.detach(), *tinyseg.grad(y, [image, weight], tinyseg.ones_like(y))]
    return b"".join(tensor.numpy().tobytes() for tensor in results if tensor is not None)


@pytest.mark.parametrize("work", [train, convolve])
def test_threads_at_once_compute_what_each_does_alone(work: Callable[[int], bytes], threads: None) -> None:
    tinyseg.set_num_threads(2)
    alone = [work(seed) for seed in range(3)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(work, [0, 1, 2, 0, 1, 2]))
    assert together == alone + alone


def test_the_number_of_threads_may_change_while_another_computes(threads: None) -> None:
    expected = convolve(0)
    done = threading.Event()

    def change() -> None:
        while not done.is_set():
            for count in (1, 2, 3, 5):
                tinyseg.set_num_threads(count)
                time.sleep(0.0005)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        results = [convolve(0) for _ in range(20)]
    finally:
        done.set()
        changing.join()
    assert all(result == expected for result in results)


def _report(queue: Any) -> None:
    queue.put((convolve(0), train(1)))


@pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks:DeprecationWarning")
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_children_compute_what_their_parent_does(method: str, threads: None) -> None:
    """Also a forked one, in which the threads of its parent's pool do not exist."""
    tinyseg.set_num_threads(2)
    expected = convolve(0), train(1)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=_report, args=(queue,))
    child.start()
    try:
        assert queue.get(timeout=120) == expected
    finally:
        child.join(timeout=10)
        child.kill()
    assert child.exitcode == 0
    assert convolve(0) == expected[0]  # and the parent goes on


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks:DeprecationWarning")
def test_a_child_forked_while_another_thread_computes(threads: None) -> None:
    """A lock that the other thread held at that moment must not be held for ever in the child."""
    tinyseg.set_num_threads(2)
    expected = convolve(0)
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            convolve(2)

    computing = threading.Thread(target=compute)
    computing.start()
    context = multiprocessing.get_context("fork")
    try:
        for _ in range(5):
            queue = context.Queue()
            child = context.Process(target=_convolve_into, args=(queue,))
            child.start()
            try:
                assert queue.get(timeout=60) == expected
            finally:
                child.join(timeout=10)
                child.kill()
    finally:
        stop.set()
        computing.join()


def _convolve_into(queue: Any) -> None:
    queue.put(convolve(0))


# --- Threads that the system does not start


def starting_only(count: int, monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> None:
    """Have ``count`` threads start, and ``failure`` raised for those after them."""
    start, left = threading.Thread.start, iter(range(count))

    def limited(self: threading.Thread) -> None:
        if next(left, None) is None:
            raise failure
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)


def helpers_left(expected: int) -> int:
    """How many threads of kernels there are, once there are no more than ``expected`` or a second has passed."""
    for _ in range(100):
        alive = [thread for thread in threading.enumerate() if thread.name.startswith("tinyseg-kernel")]
        if len(alive) <= expected:
            break
        time.sleep(0.01)
    return len(alive)


@pytest.mark.parametrize("count", [0, 4])
def test_kernels_go_on_with_the_threads_that_there_are(
    count: int, monkeypatch: pytest.MonkeyPatch, threads: None
) -> None:
    tinyseg.set_num_threads(1)
    expected = convolve(0)
    assert helpers_left(0) == 0
    with monkeypatch.context() as patch:
        starting_only(count, patch, RuntimeError("can't start new thread"))
        tinyseg.set_num_threads(8)
        assert convolve(0) == expected
        assert tinyseg.get_num_threads() == 1 + count
        assert helpers_left(count) == count
    tinyseg.set_num_threads(8)  # by now there may be more
    assert convolve(0) == expected
    assert tinyseg.get_num_threads() == 8
    assert helpers_left(7) == 7
    tinyseg.set_num_threads(1)
    assert helpers_left(0) == 0


def test_an_interrupt_while_threads_start_leaves_none(monkeypatch: pytest.MonkeyPatch, threads: None) -> None:
    tinyseg.set_num_threads(1)
    expected = convolve(0)
    with monkeypatch.context() as patch:
        starting_only(2, patch, KeyboardInterrupt())
        tinyseg.set_num_threads(8)
        with pytest.raises(KeyboardInterrupt):
            convolve(0)
        assert helpers_left(0) == 0
    assert convolve(0) == expected
    assert tinyseg.get_num_threads() == 8
