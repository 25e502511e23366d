"""What predictions have written into a folder, so that they replace nothing else there.

The folder has a hidden file with a line for each file that was written: its name, how many bytes it has, and their
hash. A file is ours if it still is what a line says; a mask that somebody has drawn, or corrected since, is not. The
line is written before the file takes its name, so that a process that is killed leaves nothing of its own unknown.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from functools import partial
from io import BufferedRandom, BufferedReader
from pathlib import Path

from ...errors import InputError
from ...files import append_line, open_regular, write_text

LEDGER = ".tinyseg-predictions"

_LONGEST = 4096  # bytes of a line; a file's name has 255 characters at most, of 6 bytes each

Entry = tuple[int, str]
"""Bytes and hash."""


class Ledger:
    """The list of a folder; only for the one that has the folder locked. Lines that are damaged are about no file; a
    list that cannot be read is an ``InputError``.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LEDGER
        self._entries: dict[str, set[Entry]] = {}
        self._is_there = os.path.lexists(self.path)
        for name, entry in self._read() if self._is_there else ():
            self._entries.setdefault(name, set()).add(entry)

    def _read(self) -> Iterator[tuple[str, Entry]]:
        try:
            with open_regular(self.path) as file:
                lines = list(iter(partial(file.readline, _LONGEST), b""))
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"{self.path}: cannot be read as the list of predictions ({reason})") from error
        for line in lines:
            try:
                values = json.loads(line)
            except (ValueError, RecursionError):  # a kill has cut it; what it was about is not ours then
                continue
            if isinstance(values, list) and [type(value) for value in values] == [str, int, str]:
                name, size, digest = values
                yield name, (size, digest)

    def is_ours(self, path: Path) -> bool:
        """Whether what is at ``path`` is as it was written."""
        entries = self._entries.get(path.name, set())
        if not path.is_file() or not any(size == path.stat().st_size for size, _ in entries):
            return False
        with path.open("rb") as file:
            found = _entry(file)
        if found in entries:
            self._entries[path.name] = {found}
        return found in entries

    def add(self, path: Path, file: BufferedRandom) -> None:
        """Note what is in ``file``, which is about to become ``path``."""
        size, digest = _entry(file)
        append_line(self.path, json.dumps([path.name, size, digest]))

    def tidy(self) -> None:
        """Write the list anew, without lines that are damaged and what is not there any more."""
        if not self._is_there:
            return
        folder = self.path.parent
        there = {name: entries for name, entries in self._entries.items() if os.path.exists(folder / name)}
        lines = (json.dumps([name, *entry]) for name, entries in there.items() for entry in sorted(entries))
        write_text(self.path, "".join(f"{line}\n" for line in lines))


def _entry(file: BufferedRandom | BufferedReader) -> Entry:
    """Of all that is in ``file``, where it is left at the end."""
    file.seek(0)
    digest = hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    return file.tell(), digest
