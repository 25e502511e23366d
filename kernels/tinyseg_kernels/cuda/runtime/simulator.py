"""A GPU for tests, in plain Python: chosen by ``NUMBA_ENABLE_CUDASIM=1``, the variable of Numba's own simulator.

A kernel runs as the function it was written as, block after block, and in a block thread after thread, each until
it meets a barrier or its end. So runs are the same every time; a barrier costs no polling; and mistakes that a GPU
punishes late or never are errors here: an index outside of an array, shared memory that is read before it was
written (it holds NaN), a barrier that not all threads of a block reach.

As on a GPU, a launch is queued and runs later: here only when the host waits for it. A result that is read too early
has not been written yet. A launch stores its numbers by value and its arrays by reference.
"""

from __future__ import annotations

import inspect
import itertools
import sys
import threading
import types
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class _Place(NamedTuple):
    """A coordinate of a block or thread, or a size."""

    x: int
    y: int
    z: int


class Memory:
    """Elements that a kernel may index from 0 on, and nothing beyond."""

    __slots__ = ("elements",)

    def __init__(self, elements: np.ndarray[Any, Any]) -> None:
        self.elements = elements

    def _check(self, index: Any) -> None:
        for i in index if isinstance(index, tuple) else (index,):
            if i < 0:
                raise IndexError(f"index {index} is below 0")

    def __getitem__(self, index: Any) -> Any:
        self._check(index)
        return self.elements[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._check(index)
        self.elements[index] = value


def _fresh(shape: Any, dtype: Any) -> Memory:
    """Memory that nobody has written: NaN, or a number that no index can be."""
    dtype = np.dtype(dtype)
    return Memory(np.full(shape, np.nan if dtype.kind == "f" else np.iinfo(dtype).max, dtype))


class _Aborted(BaseException):
    """Ends a thread whose block has failed."""


class _Block:
    """Where the threads of a block meet."""

    def __init__(self, place: _Place) -> None:
        self.place = place
        self.shared: dict[Any, Memory] = {}


class _Thread:
    """One thread of a block; with barriers, carried by a thread of Python, of which one at a time runs."""

    def __init__(self, block: _Block, place: _Place) -> None:
        self.block, self.place = block, place
        self.turn, self.back = threading.Semaphore(0), threading.Semaphore(0)
        self.done = self.aborted = False
        self.failure: BaseException | None = None

    def start(self, run: Callable[[], None]) -> None:
        threading.Thread(target=self._carry, args=(run,), daemon=True).start()

    def _carry(self, run: Callable[[], None]) -> None:
        self.turn.acquire()
        try:
            if not self.aborted:
                run()
        except _Aborted:
            pass
        except BaseException as failure:
            self.failure = failure
        self.done = True
        self.back.release()

    def resume(self) -> None:
        """Let it run up to its next barrier or its end."""
        cuda.thread = self
        self.turn.release()
        self.back.acquire()

    def wait(self) -> None:
        """A barrier: called by the thread itself."""
        self.back.release()
        self.turn.acquire()
        if self.aborted:
            raise _Aborted


class _Shared:
    """``cuda.shared``: one array for a block and a call in the code."""

    def array(self, shape: Any, dtype: Any) -> Memory:
        caller = sys._getframe(1)
        key = caller.f_code, caller.f_lasti
        shared = cuda.thread.block.shared
        if key not in shared:
            shared[key] = _fresh(shape, dtype)
        return shared[key]


class _Local:
    """``cuda.local``: an array for each thread."""

    def array(self, shape: Any, dtype: Any) -> Memory:
        return _fresh(shape, dtype)


class _Cuda:
    """What kernels use of ``numba.cuda``."""

    shared, local = _Shared(), _Local()
    thread: _Thread
    gridDim: _Place
    blockDim: _Place

    @property
    def threadIdx(self) -> _Place:
        return self.thread.place

    @property
    def blockIdx(self) -> _Place:
        return self.thread.block.place

    def syncthreads(self) -> None:
        """All threads of the block have come here."""
        self.thread.wait()

    def grid(self, ndim: int) -> int:
        """The thread's number in the grid."""
        return self.thread.block.place.x * self.blockDim.x + self.thread.place.x

    def gridsize(self, ndim: int) -> int:
        """How many threads the grid has."""
        return self.gridDim.x * self.blockDim.x


cuda = _Cuda()


def has_barriers(function: Callable[..., Any]) -> bool:
    """Whether it, or one of our functions that it calls, waits for the others of its block."""
    seen: set[Any] = set()
    pending: list[Any] = [function]
    while pending:
        here = inspect.unwrap(pending.pop())
        if here in seen or not isinstance(here, types.FunctionType):
            continue
        seen.add(here)
        if "syncthreads" in here.__code__.co_names:
            return True
        pending.extend(here.__globals__.get(name) for name in here.__code__.co_names)
        pending.extend(cell.cell_contents for cell in here.__closure__ or ())
    return False


def _run_block(run: Callable[[], None], threads: list[_Thread]) -> None:
    """The threads of a block by turns, from barrier to barrier."""
    for thread in threads:
        thread.start(run)
    alive = threads
    while alive:
        for thread in alive:
            thread.resume()
            if thread.failure:
                break
        waiting = [thread for thread in alive if not thread.done]
        failure = next((thread.failure for thread in alive if thread.failure), None)
        if failure is None and waiting and len(waiting) < len(alive):
            failure = RuntimeError("some threads of a block ended while others wait at a barrier")
        if failure is not None:
            for thread in waiting:
                thread.aborted = True
                thread.resume()
            raise failure
        alive = waiting


class Stream:
    """Work that is queued, and done in that order when it is waited for."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._queued = 0  # since the beginning
        self._working = threading.RLock()

    def __len__(self) -> int:
        return len(self._waiting)

    def queue(self, work: Callable[[], None]) -> None:
        """Do this after all that was queued before."""
        with self._working:
            self._waiting.append(work)
            self._queued += 1

    def mark(self) -> int:
        """What is queued by now, for ``reach``."""
        return self._queued

    def reach(self, mark: int) -> None:
        """Do what was queued up to the mark. After an error nothing that is left is done, as on a GPU."""
        with self._working:
            while self._waiting and self._queued - len(self._waiting) < mark:
                try:
                    self._waiting.popleft()()
                except BaseException:
                    self._waiting.clear()
                    raise

    def synchronize(self) -> None:
        """Do all that is queued."""
        self.reach(self._queued)


stream = Stream()


def run(
    function: Callable[..., Any], barriers: bool, blocks: tuple[int, ...], threads: tuple[int, ...], *arguments: Any
) -> None:
    """Launch a kernel: queue it on the stream."""

    def work() -> None:
        try:
            _execute(function, barriers, (*blocks, 1, 1)[:3], (*threads, 1, 1)[:3], arguments)
        except Exception as error:
            error.add_note(f"in the kernel {function.__qualname__} of {function.__module__}")
            raise

    stream.queue(work)


def _execute(
    function: Callable[..., Any],
    barriers: bool,
    blocks: tuple[int, ...],
    threads: tuple[int, ...],
    arguments: tuple[Any, ...],
) -> None:

    def quietly() -> None:
        with np.errstate(all="ignore"):  # a GPU does not warn of an overflow either
            function(*arguments)

    def places(sizes: tuple[int, ...]) -> list[_Place]:
        return [_Place(x, y, z) for z, y, x in itertools.product(*(range(size) for size in reversed(sizes)))]

    cuda.gridDim, cuda.blockDim = _Place(*blocks), _Place(*threads)
    for at in places(blocks):
        block = _Block(at)
        members = [_Thread(block, place) for place in places(threads)]
        if barriers:
            _run_block(quietly, members)
        else:
            for cuda.thread in members:
                quietly()
