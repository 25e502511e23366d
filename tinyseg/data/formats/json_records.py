"""Records of a JSON file that is too large to be held in memory: read once for an index, then one by one.

COCO's ``instances_train2017.json`` has 860,001 objects in 450 MB of text, which are several gigabytes as Python
objects. Of each record only its place in the file is kept, and whose it is.

The file is UTF-8, with a byte order mark or without.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import DataError
from ...files import open_regular

CHUNK = 2**22

MAX_RECORD = 2**28
"""The longest value in bytes: a file without an end would otherwise be read into memory whole."""

Visit = Callable[[str, Any, int, int], None]

_WIDE = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class JsonRecords:
    """The arrays of records at the top level of a JSON object.

    Args:
        path: the file.
        visit: is called with (name of the array, record, first byte, length) for each record, in order. What it finds
            wrong with a record it raises as ``ValueError``.

    Everything else in the file is passed by. Raises ``DataError``, naming the file, when it is no such JSON, and with
    the record's place when ``visit`` rejects one.
    """

    def __init__(self, path: Path, visit: Visit) -> None:
        self.path = path
        try:
            with open_regular(path) as file:
                _Scanner(file).object(partial(self._visit, visit))
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        except DataError:
            raise
        except (OSError, ValueError, RecursionError) as error:
            raise self._unreadable(error) from error

    def _visit(self, visit: Visit, array: str, number: int, record: Any, start: int, length: int) -> None:
        try:
            visit(array, record, start, length)
        except ValueError as error:
            raise DataError(f"{self.path}: {array}[{number}] {error}") from error

    def read(self, places: list[tuple[int, int]]) -> Iterator[Any]:
        """The records at these places. Raises ``DataError`` where the file was changed since."""
        try:
            with open_regular(self.path) as file:
                for start, length in places:
                    file.seek(start)
                    yield json.loads(file.read(length).decode("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> DataError:
        """What the parser met, in the words of a user."""
        if isinstance(error, UnicodeDecodeError):
            byte = f"the byte 0x{error.object[error.start]:02x}"
            return DataError(f"{self.path}: is not UTF-8 ({byte}); save the file as UTF-8")
        if isinstance(error, RecursionError):
            return DataError(f"{self.path}: cannot be read as JSON: lists or objects are nested too deeply")
        if "integer string conversion" in str(error):
            return DataError(f"{self.path}: cannot be read as JSON: has a whole number of thousands of digits")
        return DataError(f"{self.path}: cannot be read as JSON ({error}); is the file complete?")


class _Scanner:
    """A window on a file that moves on as values are taken from it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.text, self.place, self.start = file, "", 0, 0
        self.decoder = json.JSONDecoder()

    def object(self, visit: Callable[[str, int, Any, int, int], None]) -> None:
        """Go through the object at the top level, which is all that the file holds."""
        self.pass_by_mark()
        self.expect("{")
        if self.peek() != "}":
            self.member(visit)
            while self.peek() == ",":
                self.expect(",")
                self.member(visit)
        self.expect("}")
        if self.has_more():
            raise ValueError(f"something follows the end of the object at byte {self.start + self.place}")

    def member(self, visit: Callable[[str, int, Any, int, int], None]) -> None:
        """Go through a name and its value."""
        name = self.value()
        self.expect(":")
        if self.peek() == "[":
            self.array(partial(visit, name))
        else:
            self.value()

    def array(self, visit: Callable[[int, Any, int, int], None]) -> None:
        """Go through an array."""
        self.expect("[")
        if self.peek() == "]":
            self.expect("]")
            return
        number = 0
        while True:
            self.peek()
            start = self.start + self.place
            record = self.value()
            visit(number, record, start, self.start + self.place - start)
            number += 1
            if self.peek() != ",":
                self.expect("]")
                return
            self.expect(",")

    def pass_by_mark(self) -> None:
        """A byte order mark of UTF-8 is passed by; ``ValueError`` for those of other encodings."""
        head = self.file.read(4)
        if head.startswith(_WIDE):
            raise ValueError("it is UTF-16 or UTF-32; save it as UTF-8")
        self.start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
        self.file.seek(self.start)

    def has_more(self) -> bool:
        """Whether anything that is not blank is left."""
        while True:
            while self.place < len(self.text) and self.text[self.place] in " \t\r\n":
                self.place += 1
            if self.place < len(self.text):
                return True
            if not self.more():
                return False

    def peek(self) -> str:
        """The next character that is not blank; ``ValueError`` at the end of the file."""
        if not self.has_more():
            raise ValueError("it ends too early")
        return self.text[self.place]

    def expect(self, character: str) -> None:
        """Pass by ``character``, which must be next."""
        found = self.peek()
        if found != character:
            raise ValueError(f"expected {character!r} but found {found!r} at byte {self.start + self.place}")
        self.place += 1

    def value(self) -> Any:
        """The next value; more of the file is read until it is whole."""
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.place)
            except json.JSONDecodeError:
                if not self.more():
                    raise
                continue
            # A number at the window's end may go on behind it.
            if end == len(self.text) and self.more():
                continue
            piece, self.place = self.text[self.place : end], end
            # The window has a character for each byte: texts that are not ASCII are decoded now.
            return value if piece.isascii() else json.loads(piece.encode("latin-1").decode("utf-8"))

    def more(self) -> bool:
        """Read on; what was taken is forgotten. Latin-1 has a character for each byte, so places are bytes."""
        if len(self.text) - self.place > MAX_RECORD:
            raise ValueError(f"a value of more than {MAX_RECORD:,} bytes at byte {self.start + self.place}")
        piece = self.file.read(max(CHUNK, len(self.text) - self.place))
        self.text = self.text[self.place :] + piece.decode("latin-1")
        self.start, self.place = self.start + self.place, 0
        return bool(piece)
