"""One process at a time in a folder, by a lock of the operating system.

The lock goes with the process: however that ends, the system takes it back. The file that carries it means nothing by
being there.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InUseError
from .atomic import naming
from .paths import PathLike

LOCK = ".tinyseg.lock"

# What file systems answer that have no locks (some network mounts): work goes on there as if there were none.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_TAKEN = {errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK, errno.EDEADLK}

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(folder: PathLike) -> Iterator[None]:
    """Hold the lock of ``folder``, which exists, in the block.

    Raises ``InUseError`` at once if it is held already, by another process or elsewhere in this one; ``WriteError``
    where nothing can be written to the folder.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with locked(folder), locked(folder):
    ...     pass
    Traceback (most recent call last):
    tinyseg.errors.InUseError: ...: in use by another tinyseg; wait until that is done, or stop it
    """
    path = Path(folder) / LOCK
    descriptor = _open_locked(path)
    try:
        yield
    finally:
        if sys.platform != "win32":  # while it is held; Windows deletes no open file
            with suppress(OSError):
                path.unlink()
        os.close(descriptor)
        if sys.platform == "win32":
            with suppress(OSError):
                path.unlink()


def _open_locked(path: Path) -> int:
    while True:
        with naming(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _take(descriptor)
        except OSError as error:
            if error.errno in _TAKEN:
                os.close(descriptor)
                raise InUseError(
                    f"{path.parent}: in use by another tinyseg; wait until that is done, or stop it"
                ) from None
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise
        # Its last holder may have deleted the file after it was opened here: then the next one would make another.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        os.close(descriptor)
