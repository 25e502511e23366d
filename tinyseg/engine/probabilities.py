"""Probabilities of the classes as files, written row by row."""

from __future__ import annotations

import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..checkpoint import replacing
from ..data import Classes
from ..data.dataset import distinct

FORMATS = ("npy", "png")


def probability_files(stem: Path, kind: str | None, classes: Classes) -> tuple[Path, ...]:
    """The files for the image ``stem``: one of all classes, or a picture of each; none where ``kind`` is None.

    >>> [path.name for path in probability_files(Path("a"), "png", Classes.named(["sky", "road/path"]))]
    ['a_probability_sky.png', 'a_probability_road-path.png']
    """
    if kind is None:
        return ()
    if kind == "npy":
        return (stem.with_name(f"{stem.name}_probabilities.npy"),)
    plain = [re.sub(r"[^\w.-]+", "-", name) for name in classes.names]
    # Two names may have become one, on some file systems by their case alone.
    unique = distinct(plain, str.casefold)
    return tuple(stem.with_name(f"{stem.name}_probability_{name}.png") for name in unique)


class ProbabilityWriter:
    """Takes bands of rows (rows, W, K) of probabilities, from above, and writes them; use it in a ``with`` block.

    ``files`` are ``probability_files``. ``npy``: (H, W, K) ``float32``. ``png``: grey pictures, 255 for 1. No more
    than a band and a picture is in memory. After an error there are no files.
    """

    def __init__(self, files: tuple[Path, ...], kind: str | None, shape: tuple[int, int, int]) -> None:
        self.files, self.kind, self.shape = files, kind, shape
        self._stack = ExitStack()
        self._file: Any = None

    def __enter__(self) -> ProbabilityWriter:
        if self.kind == "npy":
            aside = self._stack.enter_context(replacing(self.files[0]))
            self._file = self._stack.enter_context(aside.open("wb"))
            header = {"descr": "<f4", "fortran_order": False, "shape": self.shape}
            np.lib.format.write_array_header_1_0(self._file, header)
        elif self.kind == "png":
            self._file = self._stack.enter_context(tempfile.TemporaryFile())
        return self

    def add(self, band: NDArray[np.float32]) -> None:
        """The next rows."""
        if self.kind == "npy":
            self._file.write(np.ascontiguousarray(band, "<f4").data)
        elif self.kind == "png":
            # Rounding may lead a sum of shares above 1.
            levels = np.rint(np.minimum(band, 1) * 255).astype(np.uint8)
            self._file.write(np.ascontiguousarray(levels).data)

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> bool | None:
        if self.kind == "png" and kind is None:
            try:
                self._write_pictures()
            finally:
                self._stack.close()
            return None
        return self._stack.__exit__(kind, *rest)

    def _write_pictures(self) -> None:
        """A class at a time, from the file in which all classes of a pixel lie side by side."""
        height, width, classes = self.shape
        rows = max(1, 2**24 // (width * classes))
        for index, path in enumerate(self.files):
            self._file.seek(0)
            plane = np.empty((height, width), np.uint8)
            for top in range(0, height, rows):
                count = min(rows, height - top)
                read = np.frombuffer(self._file.read(count * width * classes), np.uint8)
                plane[top : top + count] = read.reshape(count, width, classes)[:, :, index]
            with replacing(path) as aside:
                Image.fromarray(plane).save(aside, format="PNG")
