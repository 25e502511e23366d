"""TIFF files of every organisation, written tag by tag as TIFF 6.0 has them: Pillow writes few of them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GREY, RGB, WHITE_IS_ZERO = 1, 2, 0
_SAMPLE_FORMAT = {"u": 1, "i": 2, "f": 3}
_FIELDS = {"H": 3, "I": 4}


@dataclass(frozen=True)
class Page:
    """One image: ``pixels`` (H, W) or (H, W, C), and what its tags say of it; ``tags`` replaces any of them."""

    pixels: NDArray[Any]
    photometric: int = GREY
    extra: tuple[int, ...] = ()
    planar: bool = False
    packed: bool = False
    subfile: int = 0
    orientation: int = 1
    tags: dict[int, tuple[int, ...]] = field(default_factory=dict)


def write_tiff(path: Path, *pages: Page, order: str = "<") -> Path:
    """Write ``pages`` one after the other, little-endian or (``>``) big-endian; each band, or all, in one strip."""
    content = bytearray(struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 0))
    link = 4
    for page in pages:
        strips = [_strip(plane, page.packed, order) for plane in _planes(page)]
        places = []
        for strip in strips:
            places.append(len(content))
            content += strip + b"\0" * (len(strip) % 2)
        struct.pack_into(f"{order}I", content, link, len(content))
        directory, following = _directory(_tags(page, places, strips), len(content), order)
        link = len(content) + following
        content += directory
    path.write_bytes(content)
    return path


def _planes(page: Page) -> list[NDArray[Any]]:
    bands = page.pixels if page.pixels.ndim == 3 else page.pixels[:, :, None]
    return list(np.moveaxis(bands, 2, 0)) if page.planar else [bands]


def _strip(plane: NDArray[Any], packed: bool, order: str) -> bytes:
    raw = np.ascontiguousarray(plane.astype(plane.dtype.newbyteorder(order))).tobytes()  # type: ignore[arg-type]
    return zlib.compress(raw) if packed else raw


def _tags(page: Page, places: list[int], strips: list[bytes]) -> dict[int, tuple[str, tuple[int, ...]]]:
    height, width = page.pixels.shape[:2]
    bands = page.pixels.shape[2] if page.pixels.ndim == 3 else 1
    tags: dict[int, tuple[str, tuple[int, ...]]] = {
        254: ("I", (page.subfile,)),
        256: ("I", (width,)),
        257: ("I", (height,)),
        258: ("H", (page.pixels.itemsize * 8,) * bands),
        259: ("H", (8 if page.packed else 1,)),
        262: ("H", (page.photometric,)),
        273: ("I", tuple(places)),
        274: ("H", (page.orientation,)),
        277: ("H", (bands,)),
        278: ("I", (height,)),
        279: ("I", tuple(len(strip) for strip in strips)),
        284: ("H", (2 if page.planar else 1,)),
        339: ("H", (_SAMPLE_FORMAT[page.pixels.dtype.kind],) * bands),
    }
    if page.extra:
        tags[338] = ("H", page.extra)
    tags |= {tag: (tags.get(tag, ("H",))[0], values) for tag, values in page.tags.items()}
    return {tag: tags[tag] for tag in sorted(tags) if tags[tag][1]}


def _directory(tags: dict[int, tuple[str, tuple[int, ...]]], begin: int, order: str) -> tuple[bytes, int]:
    """The directory that begins at ``begin``, with the values that do not fit into it; and its link's place."""
    size = 2 + 12 * len(tags) + 4
    entries, behind = struct.pack(f"{order}H", len(tags)), b""
    for tag, (code, values) in tags.items():
        raw = struct.pack(f"{order}{len(values)}{code}", *values)
        entries += struct.pack(f"{order}HHI", tag, _FIELDS[code], len(values))
        if len(raw) <= 4:
            entries += raw.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", begin + size + len(behind))
            behind += raw + b"\0" * (len(raw) % 2)
    return entries + b"\0" * 4 + behind, size - 4
