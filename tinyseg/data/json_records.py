"""Records of a JSON file that is too large to be held in memory: read once for an index, then one by one.

COCO's ``instances_train2017.json`` has 860,001 objects in 450 MB of text, which are several gigabytes as Python
objects. Of each record only its place in the file is kept, and whose it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import DataError

CHUNK = 2**22


class JsonRecords:
    """The arrays of records at the top level of a JSON object.

    Args:
        path: the file.
        visit: is called with (name of the array, record, first byte, length) for each record, in order.

    Everything else in the file is passed by. Raises ``DataError``, naming the file, when it is no such JSON.
    """

    def __init__(self, path: Path, visit: Callable[[str, Any, int, int], None]) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                _Scanner(file).object(visit)
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{path}: cannot be read as JSON ({error}); is the file complete?") from error

    def read(self, places: list[tuple[int, int]]) -> Iterator[Any]:
        """The records at these places."""
        with self.path.open("rb") as file:
            for start, length in places:
                file.seek(start)
                yield json.loads(file.read(length))


class _Scanner:
    """A window on a file that moves on as values are taken from it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.text, self.place, self.start = file, "", 0, 0
        self.decoder = json.JSONDecoder()

    def object(self, visit: Callable[[str, Any, int, int], None]) -> None:
        """Go through the object at the top level."""
        self.expect("{")
        if self.peek() == "}":
            return
        while True:
            name = self.value()
            self.expect(":")
            if self.peek() == "[":
                self.array(partial(visit, name))
            else:
                self.value()
            if self.peek() != ",":
                self.expect("}")
                return
            self.expect(",")

    def array(self, visit: Callable[[Any, int, int], None]) -> None:
        """Go through an array."""
        self.expect("[")
        if self.peek() == "]":
            self.expect("]")
            return
        while True:
            self.peek()
            start = self.start + self.place
            record = self.value()
            visit(record, start, self.start + self.place - start)
            if self.peek() != ",":
                self.expect("]")
                return
            self.expect(",")

    def peek(self) -> str:
        """The next character that is not blank; ``ValueError`` at the end of the file."""
        while True:
            while self.place < len(self.text) and self.text[self.place] in " \t\r\n":
                self.place += 1
            if self.place < len(self.text):
                return self.text[self.place]
            if not self.more():
                raise ValueError("it ends too early")

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
            self.place = end
            return value

    def more(self) -> bool:
        """Read on; what was taken is forgotten. Latin-1 has a character for each byte, so places are bytes."""
        piece = self.file.read(max(CHUNK, len(self.text) - self.place))
        self.text = self.text[self.place :] + piece.decode("latin-1")
        self.start, self.place = self.start + self.place, 0
        return bool(piece)
