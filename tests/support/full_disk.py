"""A disk that fills up while a file is written."""

import errno
import io
from pathlib import Path
from typing import Any

import pytest

from tinyseg.files import atomic


def fill(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """From now on the system takes the first ``room`` bytes of each file, and then says that the disk is full."""

    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            left = max(0, room - self.tell())
            if len(data) > left:
                super().write(data[:left])
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    def open_short(path: Path, mode: str) -> Any:
        raw = Raw(path, mode.replace("b", ""))
        return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)

    monkeypatch.setattr(atomic, "open", open_short, raising=False)
