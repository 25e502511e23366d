"""Files that are stored between processes and can be made again: machine code of kernels, and other slow results.

A cache is never a reason to stop, and never a source of wrong results. An entry starts with a checksum of its name
and content; an entry that is truncated, damaged, unreadable or another user's counts as absent, so it is made again.
An entry that cannot be written (a full disk, a read-only folder) stays in the memory of the process that made it.

Entries are executable code: a user who can write to the folder can run code as its owner. The folder is therefore
used only if it belongs to the user (or to root) and nobody else can write to it. Each folder above it must belong to
the user or to root, too, and none may be writable by everyone, unless it has the sticky bit as ``/tmp`` has;
otherwise another user could swap the folder for his own. A folder above may be writable by a group, as homes often
are: each entry's own owner and permissions are checked again when it is open. Windows: the folders of a user's
profile are private by their access lists, so a folder outside the profile is used only if the user chose it by
``TINYSEG_CACHE_DIR``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import sys
import tempfile
import time
from pathlib import Path

_MAGIC = b"tinyseg1"
_DIGEST_BYTES = 32

# How long unused machine code is stored, and how long the partial file of a process that was killed.
_KEPT_SECONDS = 30 * 24 * 3600
_PARTIAL, _PARTIAL_SECONDS = ".partial", 24 * 3600

# Not to follow a link, and not to wait for the other end of a pipe. Windows has neither flag, and wants O_BINARY.
_READ = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))

# How folders of machine code are named: by the processor's name, or "cuda", and a digest.
_FOLDER = re.compile(r"kernels-[\w.+-]+-[0-9a-f]{16}")

_unwritten: list[str] = []  # why entries of this process could not be written


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # a user without one, as containers have them
        return None


def _user_cache() -> Path | None:
    """The user's folder for caches; ``TINYSEG_CACHE_DIR`` overrides it."""
    if chosen := os.environ.get("TINYSEG_CACHE_DIR"):
        return Path(chosen)
    home = _home()
    if home is None:
        return None
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "tinyseg" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "tinyseg"
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # An empty or a relative path counts as unset, by the XDG specification.
    return (named if named.is_absolute() else home / ".cache") / "tinyseg"


def _temporary_cache() -> Path | None:
    """A folder of this user's, until the next reboot perhaps, in case the user's own cannot be used."""
    try:
        parent = Path(tempfile.gettempdir())
    except OSError:  # no folder at all can be written to
        return None
    if hasattr(os, "geteuid"):
        return parent / f"tinyseg-cache-{os.geteuid()}"
    home = _home()
    return parent / "tinyseg-cache" if home is not None and parent.is_relative_to(home) else None


def _is_owned(status: os.stat_result) -> bool:
    """Whether a file or folder is the user's or root's."""
    return not hasattr(os, "geteuid") or status.st_uid in (0, os.geteuid())


def _belongs_here(status: os.stat_result) -> bool:
    """Whether a file or folder is the user's or root's, and nobody else can write to it."""
    shared = hasattr(os, "geteuid") and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return _is_owned(status) and not shared


def _can_be_swapped(folder: Path) -> bool:
    """Whether another user may rename what is in ``folder``: its owner may, whatever its permissions are, and
    everyone where it is open to all.
    """
    status = folder.stat()
    is_open = hasattr(os, "geteuid") and bool(status.st_mode & stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX
    return not _is_owned(status) or is_open


def is_private(folder: Path) -> bool:
    """Whether entries of ``folder``, an absolute path without links, can be the user's or root's only."""
    try:
        status = folder.lstat()
        above = any(_can_be_swapped(parent) for parent in folder.parents)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and _belongs_here(status) and not above


def _make(folder: Path) -> None:
    """Create a folder and those above it, for this user alone."""
    if not folder.parent.exists():
        _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def open_folder(name: str) -> Path | None:
    """The cache folder ``name``, in the user's folder for caches, or else in the one for temporary files; it is made
    if there is none. None if neither can be written to, or may be used (see above).
    """
    for root in (_user_cache(), _temporary_cache()):
        if root is None:
            continue
        folder = Path(os.path.realpath(root), name)  # nothing may depend on the working folder, or on links
        try:
            _make(folder)
        except OSError:  # a read-only home, say
            continue
        if is_private(folder) and os.access(folder, os.W_OK):
            _forget_old(folder)
            return folder
    return None


def _forget_old(current: Path) -> None:
    """Remove folders of other sources, Numbas and CPUs that have not been used for a while, and partial files."""
    with contextlib.suppress(OSError):  # of another owner, say
        os.utime(current)
    now = time.time()
    for path in current.glob(f"*{_PARTIAL}"):
        with contextlib.suppress(OSError):  # another process may be removing it at the same time
            if now - path.lstat().st_mtime > _PARTIAL_SECONDS and _is_own(path):
                path.unlink()
    for folder in current.parent.glob("kernels-*"):
        with contextlib.suppress(OSError):
            if _FOLDER.fullmatch(folder.name) and now - folder.lstat().st_mtime > _KEPT_SECONDS:
                _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder of entries; one that holds anything else stays as it is: the folder is the user's to choose,
    and so is what lies in it.
    """
    if not stat.S_ISDIR(folder.lstat().st_mode):  # a link
        return
    entries = list(folder.iterdir())
    if all(map(_is_own, entries)):
        for path in entries:
            path.unlink()
        folder.rmdir()


def _is_own(path: Path) -> bool:
    """Whether a file begins as an entry does; a partial one may have been cut before that."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return False
    with open(path, "rb") as file:
        start = file.read(len(_MAGIC))
    return start == _MAGIC or (path.suffix == _PARTIAL and _MAGIC.startswith(start))


def _checksum(path: Path, content: bytes) -> bytes:
    digest = hashlib.blake2b(os.fsencode(path.name) + b"\0", digest_size=_DIGEST_BYTES)
    digest.update(content)
    return digest.digest()


def read(path: Path) -> bytes | None:
    """The content of an entry, exactly as it was written; None if there is none that can be used."""
    try:
        with open(path, "rb", opener=lambda name, _: os.open(name, _READ)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or not _belongs_here(status):
                return None
            data = file.read()
    except (OSError, MemoryError):  # a damaged folder may give a file any size
        return None
    content = data[len(_MAGIC) + _DIGEST_BYTES :]
    return content if data.startswith(_MAGIC + _checksum(path, content)) else None


def write(path: Path, content: bytes) -> bool:
    """Store an entry under its final name, whole or not at all; False if it cannot be written.

    It is written under another name that no other process has, flushed to the disk, and renamed.
    """
    aside = None
    try:
        handle, aside = tempfile.mkstemp(_PARTIAL, f"{path.name}.", path.parent)
        with open(handle, "wb") as file:
            file.write(_MAGIC + _checksum(path, content))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        aside = None
    except OSError as error:
        _unwritten.append(error.strerror or str(error))
        return False
    finally:
        if aside is not None:
            with contextlib.suppress(OSError):
                os.unlink(aside)
    return True


def unwritten() -> list[str]:
    """For each entry that this process could not write, why."""
    return list(_unwritten)
