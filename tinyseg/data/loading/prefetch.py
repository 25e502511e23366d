"""Work on many items in a few threads, in order, without holding more than a few results."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetched(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int = 2,
    most: int = 16,
    name: str = "tinyseg-data",
) -> Generator[Result, None, None]:
    """``work`` of each item, made by threads; at most ``most`` results wait to be taken.

    Without ``workers``, or where the system starts no thread, the caller's thread does all; where it starts fewer
    than requested, those do. What ``work`` raises is raised here. When the caller stops early, the threads finish
    what they are at, and end.

    >>> list(prefetched(lambda number: number**2, range(5)))
    [0, 1, 4, 9, 16]
    """
    todo: SimpleQueue[tuple[Future[Result], Item] | None] = SimpleQueue()
    pending: deque[Future[Result]] = deque()
    threads: list[threading.Thread] = []
    try:
        _start(threads, min(workers, most, len(items)), name, lambda: _serve(todo, work))
        for item in items:
            if not threads:
                yield work(item)
                continue
            pending.append(Future())
            todo.put((pending[-1], item))
            if len(pending) == most:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        for _ in threads:
            todo.put(None)
        for thread in threads:
            thread.join()


def _start(threads: list[threading.Thread], count: int, name: str, serve: Callable[[], None]) -> None:
    """Add ``count`` threads that were started, or as many as the system starts."""
    for number in range(count):
        # As a daemon, a thread does not keep a process alive that ends while a caller still holds the generator.
        thread = threading.Thread(target=serve, name=f"{name}_{number}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # "can't start new thread"
            return
        threads.append(thread)


def _serve(todo: SimpleQueue[tuple[Future[Result], Item] | None], work: Callable[[Item], Result]) -> None:
    """Work until there is None."""
    while (job := todo.get()) is not None:
        future, item = job
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(work(item))
            except BaseException as error:  # it belongs to the caller
                future.set_exception(error)
        del job, future, item  # while this thread waits, nobody holds results but the caller
