"""The gate for image files: what a file says of itself, before any of its pixels are used.

Pillow decodes; what it makes of a file is not believed. It has one type for all bands of an image and 8 bits for
colours, and takes files that fit in neither for something near: the first band of four, the low bytes of 16 bits,
infrared for transparency. So the file's own words (the tags of a TIFF, the header of a PNG ...) are read first and
kept in :class:`Facts`; where Pillow cannot hold what they say, the file is refused with these words.

Only the formats in ``FORMATS`` are opened: Pillow knows others by their content, whatever the name, and starts
Ghostscript for PostScript.
"""

from __future__ import annotations

import functools
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile

from ...errors import DataError, many
from ...files import PathLike, open_regular
from . import tiff_tags
from .tiff_tags import Page, TiffError

FORMATS = (
    "AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "QOI", "TGA", "TIFF", "WEBP",
)  # fmt: skip
"""What is opened. (MPO is JPEG with several images, as phones write it.)"""

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
DEEP_MODES = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})

_EXIF_ORIENTATION = 0x0112
UPRIGHT = 1
_QUARTERS = (5, 6, 7, 8)
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""From an image as it is stored to what is to be seen, for each orientation."""
_UNDO = {**_TURN, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}

_PLAIN = {"La": "LA", "RGBa": "RGBA"}
"""Modes whose colours are multiplied with their alpha, and what they become."""

# Pillow's decoders meet broken files with whatever their arithmetic raises. This is the one place where so much is
# taken for a broken file: nothing but Pillow runs inside.
_BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, ArithmeticError, AttributeError,
    AssertionError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What an image file says of itself. ``size`` is (height, width) as stored.

    ``bits``: of one number. ``orientation``: EXIF's, 1 to 8; 1 is upright. ``white``: the largest number there can be
    where the file says so (PGM). ``white_is_zero``: of a TIFF or PBM whose 0 is white. ``lossy``: whether numbers do
    not survive being stored; None if that cannot be told. ``left_out``: bands that are not read. ``alpha_is_a_band``:
    the file calls a band alpha, whatever it holds, while in a PNG it is nothing else. ``page``: of a TIFF.
    """

    format: str
    size: tuple[int, int]
    bits: int = 8
    orientation: int = UPRIGHT
    white: int | None = None
    white_is_zero: bool = False
    lossy: bool | None = False
    left_out: int = 0
    alpha_is_a_band: bool = False
    signed: bool = False
    page: Page | None = None

    @property
    def shown_size(self) -> tuple[int, int]:
        """Height and width once it is turned as its orientation says."""
        height, width = self.size
        return (width, height) if self.orientation in _QUARTERS else (height, width)


class OpenImage:
    """An image file whose header was read: ``facts``, and the pixels on request."""

    def __init__(self, path: PathLike, image: Image.Image, facts: Facts, frames: int) -> None:
        self.path, self.facts, self.frames = path, facts, frames
        self._image = image

    @property
    def mode(self) -> str:
        """Pillow's name for the type of its pixels."""
        return self._image.mode

    def decoded(self, as_stored: bool = False) -> Image.Image:
        """The pixels, turned as the file's orientation says unless they are wanted ``as_stored``.

        Raises ``DataError``, naming the file, where they cannot be decoded.
        """
        with _decoding(self.path, self.facts.page):
            image = self._image
            image.load()
            # Pillow turns a TIFF when it decodes it, from some version on, and takes the tag away.
            turned = self.facts.page is not None and image.getexif().get(_EXIF_ORIENTATION, UPRIGHT) == UPRIGHT
            if self.facts.orientation != UPRIGHT and turned == as_stored:
                image = image.transpose((_UNDO if as_stored else _TURN)[self.facts.orientation])
            return image.convert(_PLAIN[image.mode]) if image.mode in _PLAIN else image


@functools.cache
def _known() -> tuple[str, ...]:
    """Those of ``FORMATS`` that this Pillow can read; MPO is opened by JPEG's plugin."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN and name not in ("TGA", "MPO"))


@functools.cache
def suffixes() -> frozenset[str]:
    """The endings of names, in small letters, of files in one of ``FORMATS``."""
    Image.init()
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in FORMATS)


def _formats_of(path: PathLike) -> tuple[str, ...]:
    """TGA has no mark at its beginning: anything might be one, so that its name must say so."""
    is_tga = Image.registered_extensions().get(Path(path).suffix.lower()) == "TGA"
    return (*_known(), "TGA") if is_tga else _known()


@contextmanager
def opened(path: PathLike, frame: int | None = None) -> Iterator[OpenImage]:
    """Open an image file that has one image, or take number ``frame`` of several.

    Reduced versions and masks of an image, which a TIFF may hold in addition to it, are passed by. Raises
    ``DataError``, naming the file, for a file that is missing, damaged, or has several images, and for one whose
    numbers Pillow's types cannot hold.
    """
    with ExitStack() as stack:
        with _decoding(path):
            file = stack.enter_context(open_regular(path))
        page, wanted, frames = _chosen_page(path, file, frame)
        # An open file and not its name: by name Pillow maps uncompressed pixels into memory, and takes the size that
        # they have once they are turned for the one in which they lie.
        with _decoding(path, page):
            image = Image.open(file, formats=_formats_of(path))
        with image:
            with _decoding(path):
                if page is None:
                    frames = getattr(image, "n_frames", 1)
                    # Phones write MPO: a JPEG photograph followed by a preview of itself.
                    _check_frame(path, frame, 1 if image.format == "MPO" and frame is None else frames)
                if wanted or frame is not None:
                    image.seek(wanted)
                facts = _facts(path, image, page)
            check_pixels(path, facts.size)
            _fit(image, facts)
            yield OpenImage(path, image, facts, frames)


def _chosen_page(path: PathLike, file: BinaryIO, frame: int | None) -> tuple[Page | None, int, int]:
    """Of a TIFF the image that is wanted, its place among all that are in the file, and how many can be wanted."""
    with _decoding(path):
        start = file.read(64)
        pages = _pages(path, file) if tiff_tags.is_tiff(start) else None
        file.seek(0)
    if pages is None:
        return None, frame or 0, 1
    places = [place for place, page in enumerate(pages) if page.is_image] or list(range(len(pages)))
    _check_frame(path, frame, len(places))
    place = places[frame or 0]
    _check_tiff(path, pages[place])
    return pages[place], place, len(places)


@contextmanager
def _decoding(path: PathLike, page: Page | None = None) -> Iterator[None]:
    """Whatever Pillow (or the operating system) raises is a ``DataError`` that names the file."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder, expected an image file") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path) from error
    except MemoryError as error:
        raise DataError(f"{path}: decoding it takes more memory than there is") from error
    except Image.UnidentifiedImageError as error:
        if page is not None:
            raise DataError(f"{path}: {_a_tiff_of(page)} is not read; {_REMEDY}") from error
        raise DataError(
            f"{path}: not an image in a format that is read ({', '.join(_known())}); is the file complete?"
        ) from error
    except _BROKEN as error:
        what = "" if page is None else f", {_a_tiff_of(page)},"
        raise DataError(f"{path}{what or ':'} cannot be read ({error}); is the file complete?") from error


def _a_tiff_of(page: Page) -> str:
    return f"a TIFF of {page.kind} (compression: {page.compression_name})"


_REMEDY = "save one or three of its bands, of 8 bits each or one of 16, as a file of its own"


def _too_large(path: PathLike) -> DataError:
    return DataError(
        f"{path}: images of more than {Image.MAX_IMAGE_PIXELS:,} pixels are not decoded, as a small file can "
        "unpack to more than memory; tinyseg predict has --max-pixels, and for training cut it up"
    )


def check_pixels(path: PathLike, size: tuple[int, int]) -> None:
    """``DataError`` for more pixels than Pillow's limit, past which Pillow itself only warns at first."""
    if Image.MAX_IMAGE_PIXELS is not None and size[0] * size[1] > Image.MAX_IMAGE_PIXELS:
        raise _too_large(path)


def _check_frame(path: PathLike, frame: int | None, frames: int) -> None:
    if frame is None and frames > 1:
        raise DataError(
            f"{path}: expected one image but the file has {frames} frames; save each as a file of its own"
        )
    if frame is not None and not 0 <= frame < frames:
        raise DataError(f"{path}: has no frame {frame}; it has {many(frames, 'frame')}, counted from 0")


def _pages(path: PathLike, file: BinaryIO) -> list[Page]:
    try:
        return tiff_tags.read_pages(file)
    except TiffError as error:
        raise DataError(f"{path}: a TIFF that {error}; is the file complete?") from error


def _check_tiff(path: PathLike, page: Page) -> None:
    """``DataError`` for what Pillow refuses in other words, or takes for something else."""
    colours = page.colours
    # Without a word on the fourth band of RGB, programs take it for alpha.
    extra = page.extra or ((2,) if page.photometric == 2 and page.bands == 4 else ())
    fits = not page.mixed and colours is not None and page.bands == colours + len(extra)
    if colours == 1 and extra:
        fits = fits and len(extra) == 1 and extra[0] in (1, 2) and page.bits == 8
    if page.planar:
        fits = fits and not extra and colours == 3 and page.bits in (8, 16)
    if page.photometric == 6 and page.compression not in tiff_tags.LOSSY:
        fits = fits and page.subsampling[:2] == (1, 1)
    if not fits:
        raise DataError(f"{path}: a TIFF of {page.kind} is not read; {_REMEDY}")
    if min(page.size) < 1:
        raise DataError(f"{path}: a TIFF of {page.size[0]}x{page.size[1]} pixels (height x width) has no image")
    if page.strips > tiff_tags.MAX_STRIPS:
        raise DataError(f"{path}: a TIFF of {page.strips:,} strips is not read; at most {tiff_tags.MAX_STRIPS:,} are")
    check_pixels(path, page.size)


def _fit(image: Image.Image, facts: Facts) -> None:
    """Have Pillow's unpackers read the bytes that there are.

    Of 16-bit bands that are stored one after the other they are set to read the low bytes alone; and libtiff, which
    decodes what is compressed, has turned the bytes of a big-endian file already when they turn them.
    """
    if facts.page is None or not isinstance(image, ImageFile.ImageFile):
        return
    order = "L" if image.tag_v2.prefix == b"II" else "B"  # type: ignore[attr-defined]  # it is a TIFF
    for place, (decoder, extents, offset, args) in enumerate(image.tile):
        if not isinstance(args, tuple):
            continue
        raw = str(args[0])
        if decoder == "raw" and raw in ("R", "G", "B") and facts.page.bits == 16:
            raw = f"{raw};16{order}"
        elif decoder == "libtiff":
            raw = _NATIVE.get(raw, raw)
        if raw != args[0]:
            tile = decoder, extents, offset, (raw, *args[1:])
            # A name was given to these tuples in Pillow 11.1.
            image.tile[place] = ImageFile._Tile(*tile) if hasattr(ImageFile, "_Tile") else tile  # type: ignore[assignment]


_NATIVE = {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF"}


def _facts(path: PathLike, image: Image.Image, page: Page | None) -> Facts:
    """What the file says, format by format; ``image`` is open, and not decoded."""
    kind = str(image.format)
    if page is not None:
        lossy = True if page.compression in tiff_tags.LOSSY else None
        return Facts(
            kind,
            page.size,
            page.bits,
            page.orientation if page.orientation in _UNDO else UPRIGHT,
            # Pillow inverts where nothing is said, too, but for floats.
            white_is_zero=page.photometric == 0 or (page.photometric is None and page.sample_format != 3),
            lossy=lossy if page.compression in tiff_tags.LOSSY | tiff_tags.MAYBE_LOSSY else False,
            left_out=page.extra.count(0) if page.colours == 3 or page.colours == 4 else 0,
            alpha_is_a_band=True,
            signed=page.sample_format == 2,
            page=page,
        )
    facts = Facts(kind, (image.height, image.width), orientation=_orientation(path, image))
    with open_regular(path) as file:
        if kind == "PNG":
            file.seek(24)
            return replace(facts, bits=file.read(1)[0])
        if kind == "PPM":
            return _of_ppm(facts, file.read(4096))
        if kind == "WEBP":
            return replace(facts, lossy=not _is_lossless_webp(file))
        if kind == "JPEG2000":
            return _of_jpeg2000(facts, _codestream(path, file))
        if kind in ("BMP", "DIB"):
            _check_bmp(path, image, file.read(32))
            return replace(facts, alpha_is_a_band=True)
        if kind == "TGA":
            return replace(facts, alpha_is_a_band=True)
    if kind == "AVIF":
        return replace(facts, lossy=None)
    return replace(facts, lossy=kind in ("JPEG", "MPO"))


def _orientation(path: PathLike, image: Image.Image) -> int:
    """EXIF's orientation. Of a PNG it may stand behind the pixels, which only then are decoded for it."""
    behind = image.format == "PNG" and _has_text_behind(path)
    found = image.getexif() if behind else Image.Image.getexif(image)
    value = found.get(_EXIF_ORIENTATION, UPRIGHT)
    return value if value in _UNDO else UPRIGHT


def _has_text_behind(path: PathLike) -> bool:
    """Whether chunks that can hold EXIF data follow the pixels of a PNG."""
    with open_regular(path) as file:
        file.seek(8)
        pixels = False
        while len(head := file.read(8)) == 8:
            length, name = struct.unpack(">I4s", head)
            pixels = pixels or name == b"IDAT"
            if pixels and name in (b"eXIf", b"tEXt", b"zTXt", b"iTXt"):
                return True
            if name == b"IEND":
                return False
            file.seek(length + 4, 1)
    return False


def _of_ppm(facts: Facts, start: bytes) -> Facts:
    """PGM and PPM say what number is white; Pillow scales numbers so that white is 255, or 65535."""
    words = re.sub(rb"#[^\r\n]*", b"", start).split(maxsplit=4)
    if words[0] not in (b"P2", b"P3", b"P5", b"P6"):
        is_pbm = words[0] in (b"P1", b"P4")
        return replace(facts, bits=1 if is_pbm else 32, white_is_zero=is_pbm)
    white = int(words[3])
    return replace(facts, bits=8 if white < 256 else 16, white=white)


def _check_bmp(path: PathLike, image: Image.Image, start: bytes) -> None:
    """``DataError`` where Pillow takes a BMP's numbers for others.

    A palette in which each number is its own grey is left out; with two colours, black and white, numbers are taken
    for ones of 1 bit, and otherwise of 8, whatever the file says. (Runs are unpacked by another decoder.)
    """
    header = 14 if start.startswith(b"BM") else 0  # a DIB has no header of a file
    (length,) = struct.unpack_from("<I", start, header)
    (bits,) = struct.unpack_from("<H", start, header + (10 if length == 12 else 14))
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    packed = image.mode == "L" and any(tile[0] == "bmp_rle" for tile in tiles)
    if bits != {"1": 1, "L": 8}.get(image.mode, bits) and not packed:
        colours = "black and white" if image.mode == "1" else "greys"
        raise DataError(
            f"{path}: a {image.format} of {many(bits, 'bit')} with a palette of {colours} is not read; save it as PNG"
        )


def _is_lossless_webp(file: BinaryIO) -> bool:
    """Whether all images in the chunks of a WebP are of the lossless kind."""
    file.seek(12)
    kinds = set()
    while len(head := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        kinds.add(name)
        file.seek(length + length % 2, 1)
    return b"VP8L" in kinds and not kinds & {b"VP8 ", b"ANMF", b"ALPH"}


_SIZ, _COD = b"\xff\x4f\xff\x51", b"\xff\x52"
_REVERSIBLE = 1


def _codestream(path: PathLike, file: BinaryIO) -> bytes:
    """The beginning of a JPEG 2000's codestream, which is all there is or stands in one of the file's boxes."""
    start = file.read(4)
    place = 0
    while start and start != _SIZ:
        file.seek(place)
        head = file.read(16)
        length, name = struct.unpack(">I4s", head[:8])
        header = 8
        if length == 1:  # the length stands behind the name
            (length,), header = struct.unpack(">Q", head[8:]), 16
        if name == b"jp2c":
            file.seek(place + header)
            start = file.read(4)
            break
        if length < header:  # 0: to the end of the file
            break
        place += length
    content = start + file.read(65536)
    if start != _SIZ or len(content) < 45:
        raise DataError(f"{path}: a JPEG 2000 without a codestream and its header; is the file complete?")
    return content


def _of_jpeg2000(facts: Facts, start: bytes) -> Facts:
    """Bits and bands; with the reversible wavelet nothing need be lost, but the file does not say that it was not."""
    (bands,) = struct.unpack_from(">H", start, 40)
    # Pillow scales numbers of other depths to one of these.
    bits = 8 if (start[42] & 127) < 8 else 16
    coding = start.find(_COD, 42 + 3 * bands)
    reversible = 0 <= coding < len(start) - 13 and start[coding + 13] == _REVERSIBLE
    return replace(facts, bits=bits, lossy=None if reversible else True, alpha_is_a_band=bands in (2, 4))
