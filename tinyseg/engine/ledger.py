"""What predictions have written into a folder, so that they replace nothing else there.

The folder has a hidden file with a line for each file that was written: its name, how many bytes it has, and their
hash. A file is ours if it still is what a line says; a mask that somebody has drawn, or corrected since, is not. The
line is written before the file takes its name, so that a process that is killed leaves nothing of its own unknown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from io import BufferedRandom, BufferedReader
from pathlib import Path

from ..files import append_line, naming, write_text

LEDGER = ".tinyseg-predictions"

Entry = tuple[int, str]
"""Bytes and hash."""


class Ledger:
    """The list of a folder; only for the one that has the folder locked."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LEDGER
        self._entries: dict[str, set[Entry]] = {}
        if self.path.is_file():
            with naming(self.path):
                lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
            self._read(lines)

    def _read(self, lines: Iterable[str]) -> None:
        for line in lines:
            try:
                name, size, digest = json.loads(line)
                self._entries.setdefault(str(name), set()).add((int(size), str(digest)))
            except (ValueError, TypeError):  # a kill has cut it; what it was about is not ours then
                continue

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
        """Write the list anew, without what is not there any more."""
        there = {name: entries for name, entries in self._entries.items() if (self.path.parent / name).exists()}
        lines = (json.dumps([name, *entry]) for name, entries in there.items() for entry in sorted(entries))
        if self._entries:
            write_text(self.path, "".join(f"{line}\n" for line in lines))


def _entry(file: BufferedRandom | BufferedReader) -> Entry:
    """Of all that is in ``file``, where it is left at the end."""
    file.seek(0)
    digest = hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    return file.tell(), digest
