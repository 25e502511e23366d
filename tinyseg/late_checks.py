"""Checks of values that a kernel reports, made without waiting for the kernel.

An operator that has to look at values (is each label a class?) calls a kernel that writes what it found into an
array of ``empty_report``, and gives ``check_later`` a function that reads it. On a GPU that function runs once the
host has waited for the device anyway.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from .backend import kernels

_due: dict[str, deque[Callable[[], None]]] = {}  # by device
_MOST_CHECKS = 500


def check_later(device: str, check: Callable[[], None]) -> None:
    """Run ``check``, which reads a report and raises if it is a bad one: at once where kernels are done when they
    return, and on a GPU as soon as values are read for which the host has to wait anyway.
    """
    backend = kernels(device)
    if not backend.is_asynchronous():
        check()
        return
    checks = _due.setdefault(device, deque())
    checks.append(check)
    if len(checks) > _MOST_CHECKS:
        backend.synchronize()
        run_checks(device)


def run_checks(device: str) -> None:
    """The host has waited for the device: run the checks that are due. Raises the first error that one raises, with
    what the others say as notes, so that none of them is left for a later call.
    """
    failed: Exception | None = None
    checks = _due.get(device)
    while checks:
        try:
            check = checks.popleft()
        except IndexError:  # another thread took the last one
            break
        try:
            check()
        except (ValueError, IndexError) as error:
            if failed is None:
                failed = error
            elif str(error) != str(failed):
                failed.add_note(f"also: {error}")
    if failed is not None:
        raise failed
