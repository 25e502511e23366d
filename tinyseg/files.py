"""Writing files: all of a file or nothing.

A file is written under a name of its own next to its final one, flushed to the disk, and renamed, which is one step.
A disk that fills up, a power cut or a ``kill -9`` leaves the last good file as it was, and no other under its name.
Two processes that write the same file do not share a half-written one: names are random, and opened with ``O_EXCL``.

All files of tinyseg are written here; a test reads the sources and fails where something else opens one.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO

from .errors import WriteError
from .paths import PathLike

_ASIDE = re.compile(r"\.tinyseg-[0-9a-f]{16}\.partial")


@contextmanager
def writing(path: PathLike) -> Iterator[BufferedRandom]:
    """Give a new file, open for writing and reading; it takes the place of ``path`` when the block ends.

    The folder is made where there is none. After an error in the block, or in writing, there is no half-written file,
    and what stood at ``path`` is as it was. ``OSError`` becomes a ``WriteError`` that names ``path``.

    >>> path = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with writing(path) as file:
    ...     _ = file.write(b"done")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('done', 1)
    """
    path = Path(path)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The name is short, so that every name that the file system takes can be written.
        aside = path.with_name(f".tinyseg-{secrets.token_hex(8)}.partial")
        file = open(aside, "x+b")  # noqa: SIM115 (closed before it is renamed: Windows renames no open file)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            file.close()
            os.replace(aside, path)
        except BaseException:
            _discard(file, aside)
            raise


def _discard(file: BinaryIO, aside: Path) -> None:
    """Close and delete what was written; a disk that cannot write may do neither, and the first error is the one to
    report.
    """
    with suppress(OSError):
        file.close()
    with suppress(OSError):
        aside.unlink(missing_ok=True)


@contextmanager
def naming(path: PathLike) -> Iterator[None]:
    """Turn an ``OSError`` of the block into a ``WriteError`` that names ``path``."""
    try:
        yield
    except OSError as error:
        raise WriteError(path, error, os.path.exists(path)) from error


def write_bytes(path: PathLike, content: bytes) -> None:
    """Write a file; raises ``WriteError``."""
    with writing(path) as file:
        file.write(content)


def write_text(path: PathLike, text: str) -> None:
    """Write a file in UTF-8, with the line ends that ``text`` has; raises ``WriteError``."""
    write_bytes(path, text.encode("utf-8"))


def append_line(path: PathLike, text: str) -> None:
    """Add a line to a file that is read line by line: a line that a kill has cut is to be skipped by its reader."""
    with naming(path), open(path, "ab") as file:
        file.write(f"{text}\n".encode())


@contextmanager
def scratch(purpose: PathLike) -> Iterator[BinaryIO]:
    """A temporary file for what does not fit into memory while ``purpose`` is written; deleted when it is closed.

    It is created in ``purpose``'s folder, whose disk needs room for the result anyway.
    """
    with naming(purpose), tempfile.TemporaryFile(dir=Path(purpose).parent) as file:
        yield file


def is_half_written(name: str) -> bool:
    """Whether ``name`` is one under which ``writing`` writes: left by a process that was killed, or in use by one.

    >>> is_half_written(".tinyseg-0123456789abcdef.partial"), is_half_written("a.partial")
    (True, False)
    """
    return _ASIDE.fullmatch(name) is not None


def remove_half_written(folder: Path) -> None:
    """Delete what killed processes have left in ``folder``; only for the one that has it locked."""
    for path in folder.iterdir():
        if is_half_written(path.name):
            with suppress(OSError):
                path.unlink()
