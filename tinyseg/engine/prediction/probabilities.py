"""Probabilities of the classes as files, written row by row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...data import Classes
from ...data.dataset import distinct
from ...files import scratch, writing
from .ledger import Ledger

FORMATS = ("npy", "png")

Bands = NDArray[np.float32]


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


@contextmanager
def probability_writer(
    files: tuple[Path, ...], kind: str | None, shape: tuple[int, int, int], ledger: Ledger
) -> Iterator[Callable[[Bands], Any]]:
    """Give a function that takes bands of rows (rows, W, K) of probabilities, from above; the block writes them.

    ``files`` are ``probability_files``. ``npy``: (H, W, K) ``float32``. ``png``: grey pictures, 255 for 1. No more
    than a band and a picture is in memory. After an error in the block there are no files. ``ledger`` notes them.
    """
    if kind is None:
        yield lambda band: None
    elif kind == "npy":
        with writing(files[0]) as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            yield lambda band: file.write(np.ascontiguousarray(band, "<f4").data)
            ledger.add(files[0], file)
    else:
        with scratch(files[0]) as file:
            yield lambda band: file.write(_levels(band).data)
            _write_pictures(files, file, shape, ledger)


def _levels(band: Bands) -> NDArray[np.uint8]:
    """0..1 as 0..255; rounding may lead a sum of shares above 1."""
    return np.ascontiguousarray(np.rint(np.minimum(band, 1) * 255).astype(np.uint8))


def _write_pictures(files: tuple[Path, ...], source: BinaryIO, shape: tuple[int, int, int], ledger: Ledger) -> None:
    """A class at a time, from the file in which all classes of a pixel lie side by side."""
    height, width, classes = shape
    rows = max(1, 2**24 // (width * classes))
    for index, path in enumerate(files):
        source.seek(0)
        plane = np.empty((height, width), np.uint8)
        for top in range(0, height, rows):
            count = min(rows, height - top)
            read = np.frombuffer(source.read(count * width * classes), np.uint8)
            plane[top : top + count] = read.reshape(count, width, classes)[:, :, index]
        with writing(path) as file:
            Image.fromarray(plane).save(file, format="PNG")
            ledger.add(path, file)
