"""What a file says of itself against what is decoded: right numbers, or words that name what the file holds."""

from __future__ import annotations

import os
import re
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiffs import RGB, WHITE_IS_ZERO, Page, write_tiff

from tinyseg.data.formats.image_file import suffixes
from tinyseg.data.formats.images import LossyMaskError, count_frames, read_header, read_image, read_raw_mask
from tinyseg.errors import DataError

SIZE = (5, 7)


def bands(count: int, dtype: str, step: float) -> np.ndarray:
    """``count`` bands, of which number k (from 1) is ``step`` times k everywhere."""
    return np.broadcast_to((np.arange(1, count + 1) * step).astype(dtype), (*SIZE, count)).copy()


U8, U16 = ("uint8", 20), ("uint16", 5000)


# Bands


@pytest.mark.parametrize(
    ("page", "colour"),
    [
        (Page(bands(3, *U16), RGB, planar=True), (19, 39, 58)),  # 5000 k / 65535 as bytes: the upper ones
        (Page(bands(3, *U16), RGB, planar=True, packed=True), (19, 39, 58)),
        (Page(bands(3, *U16), RGB), (19, 39, 58)),
        (Page(bands(4, *U16), RGB, (0,)), (19, 39, 58)),
        (Page(bands(4, *U8), RGB, (0,)), (20, 40, 60)),
        (Page(bands(3, *U8), RGB, planar=True), (20, 40, 60)),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_colours_are_those_that_are_stored(tmp_path: Path, page: Page, colour: tuple[int, ...], order: str) -> None:
    path = write_tiff(tmp_path / "bands.tif", page, order=order)
    image = read_image(path)
    assert image.shape == (*SIZE, 3)
    assert (image == colour).all()
    left_out = page.pixels.shape[2] > 3
    assert any("left out" in note for note in read_header(path).notes) == left_out


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        (Page(bands(2, *U8), extra=(0,)), "2 bands of 8 bits, grey"),
        (Page(bands(2, *U8), extra=(0,), planar=True), "2 bands of 8 bits, grey, band by band"),
        (Page(bands(4, *U8), extra=(0, 0, 0), planar=True, packed=True), "4 bands of 8 bits, grey, band by band"),
        (Page(bands(4, *U16), extra=(0, 0, 0), planar=True, packed=True), "4 bands of 16 bits, grey, band by band"),
        (Page(bands(4, *U16), RGB, (2,), planar=True), "4 bands of 16 bits, RGB, band by band"),
        (Page(bands(3, "float32", 0.1), extra=(0, 0), planar=True, packed=True), "3 bands of 32 bits (float), grey"),
        (Page(bands(4, *U16), extra=(0, 0, 0)), "4 bands of 16 bits, grey"),
        (Page(bands(3, "float32", 0.1), RGB), "3 bands of 32 bits (float), RGB"),
        (Page(bands(3, "int16", 5), RGB), "3 bands of 16 bits (signed), RGB"),
        (Page(bands(8, *U8), RGB, (0,) * 5), "8 bands of 8 bits, RGB"),
        (Page(bands(3, *U8), RGB, tags={258: (8, 16, 8)}), "3 bands of different bits"),
        (Page(bands(1, *U8), photometric=32803), "colour filter array"),
        (Page(bands(3, *U8), photometric=6, tags={530: (2, 2)}), "3 bands of 8 bits, YCbCr"),
    ],
)
@pytest.mark.parametrize("read", [read_image, read_raw_mask])
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on what it does not know
def test_bands_that_cannot_be_read_are_named(tmp_path: Path, page: Page, kind: str, read: Any) -> None:
    path = write_tiff(tmp_path / "bands.tif", page)
    with pytest.raises(DataError, match=re.escape(f"bands.tif: a TIFF of {kind}" if kind[0].isdigit() else kind)):
        read(path)


def test_infrared_is_not_taken_for_transparency(tmp_path: Path) -> None:
    """A fourth band that a program has marked as alpha: 80 everywhere, so that white would shine through."""
    for count, photometric in ((2, 1), (4, RGB)):
        path = write_tiff(tmp_path / "infrared.tif", Page(bands(count, *U8), photometric, (2,)))
        with pytest.raises(
            DataError, match=r"infrared.tif: has a band that is marked as alpha .* 0 and 255; .*infrared"
        ):
            read_image(path)
    real = bands(4, *U8)
    real[..., 3] = 255
    real[0, 0, 3] = 0
    image = read_image(write_tiff(tmp_path / "alpha.tif", Page(real, RGB, (2,))))
    assert image[0, 0].tolist() == [255, 255, 255]
    assert (image[1:] == (20, 40, 60)).all()
    # Of 16 bits the upper ones are decoded: dark infrared would be no transparency but everything white.
    dark = bands(4, *U16)
    dark[..., 3] = 200
    with pytest.raises(DataError, match=r"marked as alpha .* more than its largest value"):
        read_image(write_tiff(tmp_path / "dark.tif", Page(dark, RGB, (2,))))


def with_fields(path: Path, pixels: np.ndarray) -> None:
    """A BMP of 32 bits that says which of them are alpha, as Windows' 4th header can."""
    height, width = pixels.shape[:2]
    content = np.ascontiguousarray(pixels[::-1, :, [2, 1, 0, 3]]).tobytes()
    header = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, len(content), 0, 0, 0, 0)
    header += struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + bytes(52)
    path.write_bytes(struct.pack("<2sIII", b"BM", 122 + len(content), 0, 122) + header + content)


@pytest.mark.parametrize("name", ["empty.tga", "empty.bmp", "empty.tif"])
def test_alpha_of_nothing_makes_no_white_image(tmp_path: Path, name: str) -> None:
    """Programs write 0 into the fourth byte of pixels of 32 bits where they mean nothing by it."""
    path = tmp_path / name
    save = with_fields if name.endswith("bmp") else lambda path, pixels: Image.fromarray(pixels).save(path)
    pixels = bands(4, *U8)
    for alpha, words in ((0, "holds 0 everywhere"), (80, "holds more than 0 and 255")):
        pixels[..., 3] = alpha
        save(path, pixels)
        with pytest.raises(DataError, match=rf"{name}: has a band that is marked as alpha .* {words}"):
            read_image(path)
    pixels[..., 3] = 255
    pixels[0, 0, 3] = 0
    save(path, pixels)
    image = read_image(path)
    assert image[0, 0].tolist() == [255, 255, 255]
    assert (image[1:] == (20, 40, 60)).all()


# Numbers


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32"])
def test_numbers_of_masks_are_those_that_are_stored(tmp_path: Path, dtype: str, packed: bool, order: str) -> None:
    low = -2 if dtype.startswith("int") else 0
    numbers = np.arange(low, low + 35, dtype=dtype).reshape(SIZE)
    path = write_tiff(tmp_path / "mask.tif", Page(numbers, packed=packed), order=order)
    np.testing.assert_array_equal(read_raw_mask(path), numbers)


def test_large_numbers_without_a_sign(tmp_path: Path) -> None:
    numbers = np.array([[0, 1, 2**31, 2**32 - 1]], np.uint32)
    np.testing.assert_array_equal(read_raw_mask(write_tiff(tmp_path / "ids.tif", Page(numbers))), numbers)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
def test_floats(tmp_path: Path, packed: bool, order: str) -> None:
    values = np.linspace(0, 1, 35, dtype=np.float32).reshape(SIZE)
    path = write_tiff(tmp_path / "float.tif", Page(values, packed=packed), order=order)
    np.testing.assert_array_equal(read_image(path)[:, :, 0], values)


def test_where_zero_is_white(tmp_path: Path) -> None:
    """An image is what is to be seen, a mask what is stored."""
    stored = np.arange(35, dtype=np.uint8).reshape(SIZE)
    path = write_tiff(tmp_path / "white.tif", Page(stored, WHITE_IS_ZERO))
    np.testing.assert_array_equal(read_image(path)[:, :, 0], 255 - stored)
    np.testing.assert_array_equal(read_raw_mask(path), stored)
    deep = stored.astype(np.uint16) * 1000
    path = write_tiff(tmp_path / "deep.tif", Page(deep, WHITE_IS_ZERO))
    np.testing.assert_allclose(read_image(path)[:, :, 0], 1 - deep / 65535, atol=1e-6)
    np.testing.assert_array_equal(read_raw_mask(path), deep)


def test_one_bit_where_zero_is_white(tmp_path: Path) -> None:
    """Fax compression is mostly written so, by some programs with the bits turned over and by others as they are."""
    bits = np.arange(32).reshape(4, 8) % 3 == 0
    page = Page(np.packbits(bits, axis=1), WHITE_IS_ZERO, tags={256: (8,), 258: (1,)})
    path = write_tiff(tmp_path / "fax.tif", page)
    np.testing.assert_array_equal(read_image(path)[:, :, 0], np.where(bits, 0, 255))
    with pytest.raises(DataError, match=r"fax.tif: a mask of 1 bit in a TIFF whose 0 is white"):
        read_raw_mask(path)


def test_colour_model_that_is_not_named(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "silent.tif", Page(np.full(SIZE, 3, np.uint8), tags={262: ()}))
    with pytest.raises(DataError, match=r"silent.tif: a TIFF that does not say whether 0 is black or white"):
        read_image(path)
    assert (read_raw_mask(path) == 3).all()


def packed_bits(numbers: np.ndarray, bits: int) -> bytes:
    """Rows of numbers of ``bits`` bits, the first in the upper ones."""
    wide = (numbers[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(wide.reshape(len(numbers), -1), axis=1).tobytes()


def chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def png(path: Path, numbers: np.ndarray, bits: int, colour_type: int = 0, between: bytes = b"") -> Path:
    """A PNG, chunk by chunk; ``between`` stands in front of the pixels."""
    height, width = numbers.shape[:2]
    raw = packed_bits(numbers, bits) if bits < 8 else numbers.astype(">u2" if bits == 16 else "u1").tobytes()
    rows = [b"\0" + raw[start : start + len(raw) // height] for start in range(0, len(raw), len(raw) // height)]
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([bits, colour_type, 0, 0, 0])
    pixels = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + between + pixels + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_are_numbers_in_masks_and_shades_in_images(tmp_path: Path, bits: int) -> None:
    numbers = np.arange(32).reshape(4, 8) % 2**bits
    path = png(tmp_path / "few.png", numbers, bits)
    np.testing.assert_array_equal(read_raw_mask(path), numbers)
    np.testing.assert_array_equal(read_image(path)[:, :, 0], numbers * (255 // (2**bits - 1)))


def bmp(path: Path, numbers: np.ndarray, bits: int, palette: list[tuple[int, int, int]], packed: bytes = b"") -> Path:
    """A BMP written by hand: rows from the last, padded to 4 bytes; or these runs."""
    height, width = numbers.shape
    rows = [packed_bits(row[None], bits) for row in numbers[::-1]]
    pixels = packed or b"".join(row + bytes(-len(row) % 4) for row in rows)
    colours = b"".join(bytes([*colour[::-1], 0]) for colour in palette)
    method = {4: 2, 8: 1}[bits] if packed else 0
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, method, len(pixels), 0, 0, len(palette), 0)
    start = 54 + len(colours)
    path.write_bytes(struct.pack("<2sIII", b"BM", start + len(pixels), 0, start) + header + colours + pixels)
    return path


BLACK_WHITE = [(0, 0, 0), (255, 255, 255)]


@pytest.mark.parametrize("bits", [4, 8])
def test_two_colours_in_a_bmp_are_not_taken_for_one_bit(tmp_path: Path, bits: int) -> None:
    """Masks of 0 and 1 came out half wrong: Pillow goes by the palette and not by the number of bits."""
    numbers = np.arange(40).reshape(5, 8) % 3 % 2
    path = bmp(tmp_path / "two.bmp", numbers, bits, BLACK_WHITE)
    for read in (read_raw_mask, read_image):
        with pytest.raises(DataError, match=rf"two.bmp: a BMP of {bits} bits with a palette of black and white"):
            read(path)
    path.write_bytes(path.read_bytes()[14:])  # a DIB
    with pytest.raises(DataError, match=rf"two.bmp: a DIB of {bits} bits with a palette of black and white is not"):
        read_raw_mask(path)


def test_greys_of_four_bits_in_a_bmp_are_named(tmp_path: Path) -> None:
    numbers = np.arange(40).reshape(5, 8) % 16
    greys = [(grey, grey, grey) for grey in range(16)]
    with pytest.raises(DataError, match=r"four.bmp: a BMP of 4 bits with a palette of greys is not read; .* PNG"):
        read_raw_mask(bmp(tmp_path / "four.bmp", numbers, 4, greys))


def test_palettes_in_a_bmp(tmp_path: Path) -> None:
    """What Pillow does take for what it is: the numbers of masks are the file's."""
    numbers = np.arange(40).reshape(5, 8) % 2
    for bits, palette in (
        (1, BLACK_WHITE),
        (1, BLACK_WHITE[::-1]),
        (8, [(grey, grey, grey) for grey in range(256)]),
        (8, [(0, 0, 0), (255, 0, 0)]),
        (4, [(0, 0, 0), (255, 0, 0)]),
    ):
        path = bmp(tmp_path / "mask.bmp", numbers, bits, palette)
        np.testing.assert_array_equal(read_raw_mask(path), numbers)
    greys = [(grey, grey, grey) for grey in range(16)]
    runs = b"".join(bytes([8, row * 17, 0, 0]) for row in range(3)) + b"\0\1"  # 8 times the row's number
    path = bmp(tmp_path / "runs.bmp", np.zeros((3, 8), int), 4, greys, runs)
    np.testing.assert_array_equal(read_raw_mask(path)[:, 0], [2, 1, 0])


@pytest.mark.parametrize("photometric", [1, WHITE_IS_ZERO])
@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_in_a_tiff(tmp_path: Path, bits: int, photometric: int) -> None:
    numbers = np.arange(32).reshape(4, 8) % 2**bits
    stored = np.frombuffer(packed_bits(numbers, bits), np.uint8).reshape(4, -1)
    page = Page(stored, photometric, tags={256: (8,), 258: (bits,)})
    np.testing.assert_array_equal(read_raw_mask(write_tiff(tmp_path / "few.tif", page)), numbers)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("P2 4 1 3\n0 1 2 3", [[0, 1, 2, 3]]),
        ("P2 # made by hand\n4 1 254\n0 1 253 254", [[0, 1, 253, 254]]),
        ("P2 4 1 1000\n0 1 999 1000", [[0, 1, 999, 1000]]),
        ("P3 2 1 3\n0 1 2 3 2 1", [[[0, 1, 2], [3, 2, 1]]]),
    ],
)
def test_netpbm_masks_are_not_scaled_by_their_white(tmp_path: Path, text: str, numbers: list[Any]) -> None:
    path = tmp_path / "mask.pgm"
    path.write_text(text)
    assert read_raw_mask(path).tolist() == numbers


@pytest.mark.parametrize("content", [b"P1 4 1 0 1 0 0", b"P4 4 1 " + bytes([0b01000000])])
def test_the_bits_of_a_pbm_are_shades_and_no_classes(tmp_path: Path, content: bytes) -> None:
    """1 is black: a mask of 0 and 1 came out the other way round."""
    path = tmp_path / "mask.pbm"
    path.write_bytes(content)
    assert read_image(path)[:, :, 0].tolist() == [[255, 0, 255, 255]]
    with pytest.raises(DataError, match=r"mask.pbm: a mask of 1 bit in a PBM whose 0 is white, .* as 8-bit grey PNG"):
        read_raw_mask(path)


def test_twelve_bits_have_their_own_white(tmp_path: Path) -> None:
    numbers = np.array([[0, 2048, 4095, 1]])
    stored = np.frombuffer(packed_bits(numbers, 12), np.uint8).reshape(1, -1)
    path = write_tiff(tmp_path / "twelve.tif", Page(stored, tags={256: (4,), 258: (12,)}))
    np.testing.assert_allclose(read_image(path)[:, :, 0], numbers / 4095, rtol=1e-6)
    np.testing.assert_array_equal(read_raw_mask(path), numbers)


def test_colours_of_sixteen_bits_are_no_mask(tmp_path: Path) -> None:
    """Two classes could have one upper byte."""
    colours = np.array([[[1, 2, 3], [4, 5, 6]]]) * 257
    path = png(tmp_path / "deep.png", colours, 16, colour_type=2)
    assert read_image(path).tolist() == [[[1, 2, 3], [4, 5, 6]]]
    assert read_header(path).notes == ("colours of 16 bits are read at 8",)
    with pytest.raises(DataError, match=r"deep.png: a mask of colours of 16 bits"):
        read_raw_mask(path)


def test_one_shade_of_sixteen_bits_can_be_transparent(tmp_path: Path) -> None:
    path = png(tmp_path / "shade.png", np.array([[0, 500, 65535]]), 16, between=chunk(b"tRNS", bytes([1, 244])))
    np.testing.assert_allclose(read_image(path)[0, :, 0], [0, 1, 1])


# Masks that are lossy, or transparent


def test_lossless_webp_is_read_and_lossy_is_not(tmp_path: Path) -> None:
    numbers = np.arange(35, dtype=np.uint8).reshape(SIZE) % 3
    path = tmp_path / "mask.webp"
    Image.fromarray(numbers).save(path, lossless=True)
    np.testing.assert_array_equal(read_raw_mask(path), numbers)
    colours = np.stack([numbers * 100, numbers, 255 - numbers], axis=2)
    Image.fromarray(colours).save(path, lossless=True, exif=Image.Exif())
    np.testing.assert_array_equal(read_raw_mask(path), colours)
    Image.fromarray(colours).save(path, quality=100)
    with pytest.raises(LossyMaskError, match=r"mask.webp: a WEBP mask is lossy"):
        read_raw_mask(path)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("mask.jp2", {"irreversible": True}, "a JPEG2000 mask is lossy"),
        ("mask.jp2", {"irreversible": False}, "a JPEG2000 mask may be lossy, and does not say"),
        ("mask.tif", {"compression": "jpeg"}, "a TIFF mask compressed by JPEG is lossy"),
    ],
)
def test_masks_in_other_lossy_formats(tmp_path: Path, name: str, options: dict[str, Any], words: str) -> None:
    path = tmp_path / name
    Image.fromarray(bands(3, *U8)).save(path, **options)
    with pytest.raises(LossyMaskError, match=f"{name}: {words}.*use PNG"):
        read_raw_mask(path)


def test_a_codestream_is_found_by_the_boxes_before_it(tmp_path: Path) -> None:
    """Colour profiles and XML may be longer than what was searched, or hold the mark of a codestream by chance."""
    path = tmp_path / "photo.jp2"
    Image.fromarray(bands(3, *U8)).save(path)
    content = path.read_bytes()
    place = content.index(b"jp2c") - 4
    decoy = b"\xff\x4f\xff\x51" + bytes(200_000)
    for box in (
        struct.pack(">I4s", 8 + len(decoy), b"xml ") + decoy,
        struct.pack(">I4sQ", 1, b"xml ", 16 + len(decoy)) + decoy,
    ):
        path.write_bytes(content[:place] + box + content[place:])
        assert read_header(path).bits == 8
        assert np.abs(read_image(path).astype(int) - (20, 40, 60)).max() <= 1
    path.write_bytes(content[:place])
    with pytest.raises(DataError, match=r"photo.jp2: "):
        read_image(path)
    (tmp_path / "bare.j2k").write_bytes(content[place + 8 :])
    assert read_header(tmp_path / "bare.j2k").size == SIZE


@pytest.mark.skipif(".avif" not in suffixes(), reason="this Pillow reads no AVIF")
def test_avif_may_be_lossy(tmp_path: Path) -> None:
    Image.fromarray(bands(3, *U8)).save(tmp_path / "mask.avif")
    with pytest.raises(LossyMaskError, match=r"an AVIF mask may be lossy"):
        read_raw_mask(tmp_path / "mask.avif")


def test_transparency_in_masks(tmp_path: Path) -> None:
    numbers = np.arange(35, dtype=np.uint8).reshape(SIZE) % 2
    opaque = np.full(SIZE, 255, np.uint8)
    path = tmp_path / "mask.png"
    Image.merge("LA", [Image.fromarray(numbers), Image.fromarray(opaque)]).save(path)
    np.testing.assert_array_equal(read_raw_mask(path), numbers)
    colour = np.stack([numbers * 255, numbers, numbers, np.where(numbers, 255, 0)], axis=2).astype(np.uint8)
    Image.fromarray(colour).save(path)
    with pytest.raises(DataError, match=r"mask.png: a mask with transparency \(51.4% of its pixels"):
        read_raw_mask(path)  # 18 of 35


# Several images in one file


def test_overviews_and_masks_in_a_tiff_are_passed_by(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    whole, half = Page(image, RGB), Page(image[::2, ::2].copy(), RGB, subfile=1)
    quarter, mask = Page(image[::4, ::4].copy(), RGB, subfile=1), Page(image[:, :, 0], subfile=4)
    for name, pages in (
        ("overviews.tif", (whole, half, quarter)),
        ("masked.tif", (whole, mask)),
        ("thumbnail.tif", (quarter, whole)),
    ):
        path = write_tiff(tmp_path / name, *pages)
        np.testing.assert_array_equal(read_image(path), image)
        assert read_header(path).size == read_header(path, 0).size == (16, 16)
        assert count_frames(path) == 1
    paged = Page(image, RGB, subfile=2)
    path = write_tiff(tmp_path / "pages.tif", paged, half, paged)
    with pytest.raises(DataError, match=r"pages.tif: expected one image but the file has 2 frames"):
        read_image(path)
    assert count_frames(path) == 2
    np.testing.assert_array_equal(read_image(path, frame=1), image)
    with pytest.raises(DataError, match=r"pages.tif: has no frame 2; it has 2 frames"):
        read_image(path, frame=2)


# Which decoders run, and for how much


def test_postscript_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, mark = tmp_path / "photo.png", tmp_path / "started"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\nshowpage\n%%EOF\n")
    program = tmp_path / ("gswin64c.bat" if sys.platform == "win32" else "gs")
    program.write_text(f"@echo x > {mark}\n" if sys.platform == "win32" else f"#!/bin/sh\ntouch {mark}\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for read in (read_image, read_raw_mask, read_header, count_frames):
        with pytest.raises(DataError, match=r"photo.png: not an image in a format that is read \(.*PNG"):
            read(path)
    assert not mark.exists()


def test_formats_that_are_opened_are_a_list() -> None:
    assert {".png", ".jpg", ".tif", ".bmp", ".webp", ".tga"} <= suffixes()
    assert not {".eps", ".ps", ".pdf", ".fits", ".h5", ".wmf", ".mpg", ".psd"} & suffixes()


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to twice its limit Pillow only warns."""
    numbers = np.zeros((40, 40), np.uint8)
    Image.fromarray(numbers).save(tmp_path / "large.png")
    write_tiff(tmp_path / "large.tif", Page(numbers))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1599)
    for name in ("large.png", "large.tif"):
        for read in (read_image, read_raw_mask):
            with pytest.raises(DataError, match=f"{name}: images of more than 1,599 pixels"):
                read(tmp_path / name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1600)
    assert read_raw_mask(tmp_path / "large.png").shape == (40, 40)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({256: (100_000,), 257: (100_000,)}, "images of more than"),
        ({256: (0,)}, "a TIFF of 5x0 pixels"),
    ],
)
def test_sizes_in_tags_are_checked(tmp_path: Path, tags: dict[int, tuple[int, ...]], words: str) -> None:
    path = write_tiff(tmp_path / "odd.tif", Page(np.zeros(SIZE, np.uint8), tags=tags))
    with pytest.raises(DataError, match=f"odd.tif: {words}"):
        read_image(path)


def test_tags_that_lie_over_each_other(tmp_path: Path) -> None:
    """A small file whose 200 tags each claim all of it: a decoder would hold its bytes 200 times."""
    claims = b"".join(
        tag.to_bytes(2, "little") + (7).to_bytes(2, "little") + (60_000).to_bytes(4, "little") + bytes(4)
        for tag in range(40_000, 40_200)
    )
    directory = (200).to_bytes(2, "little") + claims + bytes(4)
    (tmp_path / "claims.tif").write_bytes(b"II*\0" + (8).to_bytes(4, "little") + directory + bytes(60_000))
    with pytest.raises(DataError, match=r"claims.tif: a TIFF that has tags of more bytes than the file"):
        read_image(tmp_path / "claims.tif")


def test_a_chain_of_images_that_leads_into_itself_ends(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "loop.tif", Page(np.zeros(SIZE, np.uint8)))
    content = bytearray(path.read_bytes())
    begin = int.from_bytes(content[4:8], "little")
    link = begin + 2 + 12 * int.from_bytes(content[begin : begin + 2], "little")
    content[link : link + 4] = begin.to_bytes(4, "little")
    path.write_bytes(content)
    assert count_frames(path) == 1


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is a folder|cannot be read"):
        read_image(tmp_path)
