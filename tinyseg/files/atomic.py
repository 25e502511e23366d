"""Writing files: all of a file or nothing.

A file is written under a name of its own next to its final one, flushed to the disk, and renamed, which is one step.
A disk that fills up, a power cut or a ``kill -9`` leaves the last good file as it was, and no other under its name.
Two processes that write the same file do not share a half-written one: names are random, and opened with ``O_EXCL``.

All files of tinyseg are written here; a test reads the sources and fails where something else opens one.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO

from ..errors import WriteError
from .paths import PathLike

_ASIDE = re.compile(r"\.tinyseg-[0-9a-f]{16}\.partial")
_LEFT = 3600  # seconds since the last change of a half-written file after which nobody goes on with it
_own: set[str] = set()
"""Names of half-written files that this process goes on with."""


@contextmanager
def writing(path: PathLike) -> Iterator[BufferedRandom]:
    """Give a new file, open for writing and reading; it takes the place of ``path`` when the block ends.

    The folder is made where there is none; where ``path`` is a symbolic link, what it points at is replaced. After an
    error in the block, or in writing, there is no half-written file, and what stood at ``path`` is as it was.
    ``OSError`` becomes a ``WriteError`` that names ``path``, as does what is there and is no regular file.

    >>> path = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with writing(path) as file:
    ...     _ = file.write(b"done")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('done', 1)
    """
    with naming(path, keeps=True):
        target = _target(Path(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        # The name is short, so that every name that the file system takes can be written.
        aside = target.with_name(f".tinyseg-{secrets.token_hex(8)}.partial")
        file = open(aside, "x+b")  # noqa: SIM115 (closed before it is renamed: Windows renames no open file)
        _own.add(aside.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            file.close()
            os.replace(aside, target)
        except BaseException:
            _discard(file, aside)
            raise
        finally:
            _own.discard(aside.name)


def _target(path: Path) -> Path:
    """The file to replace: ``path``, or what it points at. ``OSError`` if that is there and is no file."""
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return target
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "there is something that is no file")
    return target


def _discard(file: BinaryIO, aside: Path) -> None:
    """Close and delete what was written; a disk that cannot write may do neither, and the first error is the one to
    report.
    """
    with suppress(OSError):
        file.close()
    with suppress(OSError):
        aside.unlink(missing_ok=True)


@contextmanager
def naming(path: PathLike, *, keeps: bool = False) -> Iterator[None]:
    """Turn an ``OSError`` of the block into a ``WriteError`` that names ``path``, and one for what can be no name.

    ``keeps``: the file that is there, if there is one, stays as it was after an error; that is said.
    """
    try:
        _check_name(path)
        yield
    except OSError as error:
        raise WriteError(path, error, keeps and os.path.isfile(path)) from error


def _check_name(path: PathLike) -> None:
    """``OSError`` for what can be no file's name, of which Python says ``ValueError``: with a NUL, say."""
    try:
        with suppress(OSError):  # which the block meets itself
            os.stat(path)
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error)) from error


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise OSError(errno.EILSEQ, f"UTF-8 has no {text[error.start]!a}, which is at {error.start}") from error


def write_bytes(path: PathLike, content: bytes) -> None:
    """Write a file; raises ``WriteError``."""
    with writing(path) as file:
        file.write(content)


def write_text(path: PathLike, text: str) -> None:
    """Write a file in UTF-8, with the line ends that ``text`` has; raises ``WriteError``."""
    with naming(path, keeps=True):
        content = _encoded(text)
    write_bytes(path, content)


def append_line(path: PathLike, text: str) -> None:
    """Add a line to a file that is read line by line: a line that a kill has cut, which this one does not go on with,
    is to be skipped by its reader.
    """
    with naming(path), open(path, "a+b") as file:
        line = _encoded(f"{text}\n")
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            line = line if file.read() == b"\n" else b"\n" + line
        file.write(line)


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
    """Delete what killed processes have left in ``folder``: half-written files that nothing was added to for an hour.
    Whoever writes a younger one need not hold the folder's lock.
    """
    for path in folder.iterdir():
        if is_half_written(path.name) and path.name not in _own:
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _LEFT:
                    path.unlink()
