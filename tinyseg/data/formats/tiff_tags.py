"""What a TIFF says of its images, read from its directories alone: bands, bits, meaning of the numbers, compression.

A TIFF is a chain of directories, one an image; each is a list of tags with their values (TIFF 6.0; BigTIFF has the
same with 64-bit offsets). Decoders differ in what they make of a file whose bands they have no type for, so what is
decoded is compared with what stands here. Nothing in a file is trusted: the number of directories, of tags and of
values is bounded, and every offset is checked against the file's size before it is followed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from ...errors import many

MAX_PAGES = 65_536
MAX_STRIPS = 1_000_000
"""Strips or tiles of one image: a decoder makes an entry of each before it reads a pixel."""

_MAX_TAGS = 4096
_MAX_VALUES = 64

SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
STRIPS, ORIENTATION, BANDS, PLANAR, TILES, EXTRA, SAMPLE_FORMAT, SUBSAMPLING = 273, 274, 277, 284, 324, 338, 339, 530

_WANTED = frozenset({
    SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION, BANDS, PLANAR, EXTRA,
    SAMPLE_FORMAT, SUBSAMPLING,
})  # fmt: skip
_COUNTED = frozenset({STRIPS, TILES})
_TYPES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_SIZES = {2: 1, 5: 8, 7: 1, 10: 8, 11: 4, 12: 8} | {
    kind: struct.calcsize(f"={code}") for kind, code in _TYPES.items()
}

_REDUCED, _MASK = 1, 4
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}
_PHOTOMETRIC_NAMES = {
    0: "grey, 0 is white", 1: "grey", 2: "RGB", 3: "palette", 4: "transparency mask", 5: "CMYK", 6: "YCbCr", 8: "LAB",
    9: "ICC LAB", 10: "ITU LAB", 32803: "colour filter array", 34892: "linear raw",
}  # fmt: skip
_COMPRESSIONS = {
    1: "none", 2: "CCITT RLE", 3: "CCITT Group 3", 4: "CCITT Group 4", 5: "LZW", 6: "old JPEG", 7: "JPEG",
    8: "deflate", 32773: "PackBits", 32946: "deflate", 33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000",
    34887: "LERC", 34892: "lossy JPEG", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL",
}  # fmt: skip
LOSSY = frozenset({6, 7, 34892})
MAYBE_LOSSY = frozenset({33003, 33005, 34712, 34887, 50001, 50002})
_FORMATS = {1: "", 2: " (signed)", 3: " (float)", 4: " (of no type)", 5: " (complex)", 6: " (complex)"}


class TiffError(ValueError):
    """The directories of a TIFF cannot be followed."""


class Page(NamedTuple):
    """One image of a TIFF as its tags describe it; the names are those of the tags.

    ``bits`` and ``sample_format`` hold for all bands: a file in which they differ is ``mixed``. ``photometric`` is
    None where the file does not say. ``extra`` has an entry for each band beyond the colours: 0 unspecified, 1 alpha
    that the colours are multiplied with, 2 alpha.
    """

    size: tuple[int, int]
    bits: int
    mixed: bool
    bands: int
    sample_format: int
    photometric: int | None
    compression: int
    planar: bool
    extra: tuple[int, ...]
    orientation: int
    subfile: int
    strips: int
    subsampling: tuple[int, ...]

    @property
    def colours(self) -> int | None:
        """Bands that the colour model has; None for one that is not known."""
        return _COLOURS.get(1 if self.photometric is None else self.photometric)

    @property
    def is_image(self) -> bool:
        """Whether it is an image of its own: no reduced version of another, and no mask of one."""
        return not self.subfile & (_REDUCED | _MASK)

    @property
    def kind(self) -> str:
        """``4 bands of 16 bits, grey, band by band``."""
        photometric = _PHOTOMETRIC_NAMES.get(self.photometric or 0, f"photometric {self.photometric}")
        if self.photometric is None:
            photometric = "of a colour model that it does not name"
        bits = "different bits" if self.mixed else many(self.bits, "bit")
        return (
            f"{many(self.bands, 'band')} of {bits}{_FORMATS.get(self.sample_format, ' (of an unknown type)')}, "
            f"{photometric}{', band by band' if self.planar else ''}"
        )

    @property
    def compression_name(self) -> str:
        """``deflate``."""
        return _COMPRESSIONS.get(self.compression, f"scheme {self.compression}")


def is_tiff(start: bytes) -> bool:
    """Whether a file that starts with these bytes is a TIFF or a BigTIFF.

    >>> is_tiff(b"II*\\0"), is_tiff(b"MM\\0+"), is_tiff(b"II\\0*"), is_tiff(b"PNG")
    (True, True, False, False)
    """
    return start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_pages(file: BinaryIO) -> list[Page]:
    """The images of a TIFF, in the order of its chain of directories.

    Raises ``TiffError`` for a chain that leads outside of the file, into itself, or does not end.
    """
    layout = _Layout.of(file)
    pages: list[Page] = []
    seen: set[int] = set()
    offset = layout.first
    while offset:
        # A chain that leads back to an image that was read already ends there, as decoders have it.
        if offset in seen:
            break
        if len(pages) == MAX_PAGES:
            raise TiffError(f"has more than {MAX_PAGES:,} images")
        seen.add(offset)
        tags, offset = layout.directory(file, offset)
        pages.append(_page(tags))
    if not pages:
        raise TiffError("has no image")
    return pages


class _Layout(NamedTuple):
    """How numbers and directories are stored: byte order, and the wider fields of BigTIFF."""

    order: str
    big: bool
    first: int
    end: int

    @classmethod
    def of(cls, file: BinaryIO) -> _Layout:
        end = file.seek(0, 2)
        file.seek(0)
        start = file.read(16)
        if not is_tiff(start):
            raise TiffError("is no TIFF")
        order = "<" if start[:2] == b"II" else ">"
        big = b"+" in start[2:4]
        (first,) = struct.unpack_from(f"{order}Q", start, 8) if big else struct.unpack_from(f"{order}I", start, 4)
        return cls(order, big, first, end)

    def read(self, file: BinaryIO, offset: int, size: int) -> bytes:
        if offset + size > self.end:
            raise TiffError("is cut short: a directory lies behind its end")
        file.seek(offset)
        return file.read(size)

    def directory(self, file: BinaryIO, offset: int) -> tuple[dict[int, tuple[int, ...]], int]:
        """The wanted tags of the directory at ``offset``, and where the next one lies (0: nowhere)."""
        counted, entry, link = ("Q", "HHQ8s", "Q") if self.big else ("H", "HHI4s", "I")
        width = struct.calcsize(f"{self.order}{counted}")
        (count,) = struct.unpack(f"{self.order}{counted}", self.read(file, offset, width))
        if count > _MAX_TAGS:
            raise TiffError(f"has a directory of {count:,} tags")
        size = struct.calcsize(f"{self.order}{entry}")
        body = self.read(file, offset + width, count * size)
        entries = list(struct.iter_unpack(f"{self.order}{entry}", body))
        total = sum(_SIZES.get(kind, 1) * number for _, kind, number, _ in entries)
        # Decoders keep the bytes of each: values that lie over each other would make a small file a large one.
        if total > self.end:
            raise TiffError("has tags of more bytes than the file")
        tags = {
            tag: values
            for tag, kind, number, field in entries
            for values in self.values(file, tag, kind, number, field)
        }
        following = offset + width + count * size
        # Some programs leave out the link behind the last directory.
        if following + struct.calcsize(f"={link}") > self.end:
            return tags, 0
        (after,) = struct.unpack(f"{self.order}{link}", self.read(file, following, struct.calcsize(f"={link}")))
        return tags, after

    def values(self, file: BinaryIO, tag: int, kind: int, count: int, field: bytes) -> Iterator[tuple[int, ...]]:
        """The values of a tag that is wanted; of strips only how many there are."""
        if tag in _COUNTED:
            yield (count,)
        if tag not in _WANTED or kind not in _TYPES or not count > 0:
            return
        size = struct.calcsize(f"={_TYPES[kind]}")
        taken = min(count, _MAX_VALUES)
        if count * size > len(field):
            (offset,) = struct.unpack(f"{self.order}{'Q' if self.big else 'I'}", field)
            field = self.read(file, offset, taken * size)
        yield struct.unpack_from(f"{self.order}{taken}{_TYPES[kind]}", field)


def _page(tags: dict[int, tuple[int, ...]]) -> Page:
    def one(tag: int, default: int) -> int:
        return tags.get(tag, (default,))[0]

    # JPEG's own header says how many bands there are; some files with it leave out the tag.
    bands = one(BANDS, 3 if one(COMPRESSION, 1) in (6, 7) and one(PHOTOMETRIC, 2) in (2, 6) else 1)
    bits, formats = tags.get(BITS, (1,)), tags.get(SAMPLE_FORMAT, (1,))
    subfile = one(SUBFILE, 0)
    if SUBFILE not in tags and one(OLD_SUBFILE, 1) == 2:
        subfile = _REDUCED
    return Page(
        size=(one(HEIGHT, 0), one(WIDTH, 0)),
        bits=bits[0],
        mixed=len(set(bits[:bands])) > 1 or len(set(formats[:bands])) > 1,
        bands=bands,
        sample_format=formats[0],
        photometric=tags[PHOTOMETRIC][0] if PHOTOMETRIC in tags else None,
        compression=one(COMPRESSION, 1),
        planar=one(PLANAR, 1) == 2 and bands > 1,
        extra=tags.get(EXTRA, ()),
        orientation=one(ORIENTATION, 1),
        subfile=subfile,
        strips=max(one(STRIPS, 0), one(TILES, 0)),
        subsampling=tags.get(SUBSAMPLING, (2, 2)),
    )
