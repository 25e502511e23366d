"""Work on many items in a few threads, in order, without holding more than a few results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def in_order(work: Callable[[int], Result], count: int, workers: int = 2, most: int = 16) -> Iterator[Result]:
    """``work(0)``, ``work(1)``, ... up to ``count``, made by threads; at most ``most`` of them wait to be taken.

    What ``work`` raises is raised here. When the caller stops early, the threads finish what they are at, and end.

    >>> list(in_order(lambda number: number**2, 5))
    [0, 1, 4, 9, 16]
    """
    pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="tinyseg-data")
    pending: deque[Future[Result]] = deque()
    try:
        for number in range(count):
            pending.append(pool.submit(work, number))
            if len(pending) == most:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
