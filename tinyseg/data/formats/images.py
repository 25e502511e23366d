"""Image and mask files: what every kind of file becomes, and which are refused.

Images. Grey files (1-bit, ``L``, 16-bit, float) have one channel, all others three. Palettes are looked up;
CMYK, YCbCr, LAB and HSV become RGB. An alpha channel that is opaque everywhere is dropped, otherwise the image
is laid on white; in a TIFF, TGA, BMP or JPEG 2000, where other bands are marked as alpha by mistake, it must be 0 or
full everywhere, and not 0 in all of the image. 16-bit grey becomes ``float32`` (value / 65535), so that no level is
lost, 12-bit grey likewise (value / 4095); a float file must be in 0..1. Colours of 16 bits are read at 8. EXIF
orientation is applied, unless images are wanted as stored.

Masks. The value of a pixel is its class: in grey and palette files the stored number (the palette is only for the
eye), also where a TIFF says that 0 is white, or a PGM that white is 3; in RGB files the class that has this colour.
255 is ignored. Lossy formats are refused: they blur labels into values that look like classes.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import DataError
from ...files import PathLike, writing
from ..dataset import IGNORE_INDEX, Classes
from ..labels.mapping import color_table, identity_table, to_labels
from .image_file import DEEP_MODES, GREY_MODES, OpenImage, opened


class LossyMaskError(DataError):
    """A mask in a format that changes labels."""


class Header(NamedTuple):
    """What a file says of itself, before its pixels are decoded.

    ``size`` is (height, width) as displayed, ``stored_size`` without regard to the ``orientation`` (EXIF's: 1 is
    upright). ``bits`` are those of one number. ``notes`` name what of the file is not used.
    """

    size: tuple[int, int]
    channels: int
    stored_size: tuple[int, int]
    orientation: int
    bits: int
    notes: tuple[str, ...]

    @property
    def depth(self) -> int:
        """Bits of the numbers that :func:`read_image` gives: 8, or those of a grey image that has more."""
        return self.bits if self.channels == 1 and self.bits > 8 else 8

    def size_as(self, as_stored: bool) -> tuple[int, int]:
        """(height, width) of what :func:`read_image` gives."""
        return self.stored_size if as_stored else self.size


def read_header(path: PathLike, frame: int | None = None) -> Header:
    """What an image file says of itself, without decoding it. Raises ``DataError`` as :func:`read_image`."""
    with opened(path, frame) as file:
        facts, grey = file.facts, file.mode in GREY_MODES
        notes = []
        if facts.left_out:
            notes.append("bands beyond red, green and blue are left out")
        if facts.bits == 16 and not grey:
            notes.append("colours of 16 bits are read at 8")
        return Header(facts.shown_size, 1 if grey else 3, facts.size, facts.orientation, facts.bits, tuple(notes))


def count_frames(path: PathLike) -> int:
    """How many images a file holds; a stack has many. Raises ``DataError`` as :func:`read_image`."""
    with opened(path, 0) as file:
        return file.frames


def read_image(
    path: PathLike, channels: int | None = None, frame: int | None = None, as_stored: bool = False
) -> NDArray[Any]:
    """The image in a file: ``(H, W, C)``, ``uint8``, or ``float32`` in 0..1 for 16-bit and float files.

    Args:
        path: a file in one of ``image_file.FORMATS``; the module's text says what becomes of each kind.
        channels: 1 or 3 to have that many: colour becomes grey by luma (0.299 R + 0.587 G + 0.114 B), grey
            becomes three equal channels. As in the file when not given.
        frame: which one to take of a file with several (a TIFF stack), from 0.
        as_stored: leave the pixels as they are stored, whatever EXIF's orientation says.

    Raises ``DataError``, naming the file, when it is missing, truncated, no image, or has several frames, when its
    bands are more or deeper than can be read, and when its values have no known range; ``ValueError`` for another
    number of channels.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "grey.png"
    >>> Image.new("L", (4, 3), 7).save(path)
    >>> read_image(path).shape, read_image(path, channels=3)[0, 0].tolist()
    ((3, 4, 1), [7, 7, 7])
    """
    if channels not in (None, 1, 3):
        raise ValueError(f"read_image: channels must be 1, 3 or None, got {channels}")
    with opened(path, frame) as file:
        pixels = _pixels(file, file.decoded(as_stored))
    if channels == 3 and pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    if channels == 1 and pixels.shape[2] == 3:
        return np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
    return np.ascontiguousarray(pixels)


def _pixels(file: OpenImage, image: Image.Image) -> NDArray[Any]:
    """The decoded ``image`` of ``file`` as an array ``(H, W, C)``."""
    facts = file.facts
    page = facts.page
    if page is not None and page.photometric is None and page.bands == 1 and not image.mode == "F":
        raise DataError(f"{file.path}: a TIFF that does not say whether 0 is black or white; save it anew")
    if image.mode in DEEP_MODES or image.mode == "F":
        return _deep_grey(file, image)
    if facts.signed:
        raise DataError(f"{file.path}: signed numbers of {facts.bits} bits have no known range; save it unsigned")
    opaque = _without_alpha(file, image)
    return (
        np.asarray(_in_mode(opaque, "L"))[:, :, None]
        if image.mode in GREY_MODES
        else np.asarray(_in_mode(opaque, "RGB"))
    )


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Converted, unless it has the mode already: ``convert`` would copy it."""
    return image if image.mode == mode else image.convert(mode)


_WHITE_OF = {12: 4095}
"""What is white where it is not 65535; programs that write 12-bit numbers into 16 bits say nothing of it."""


def _deep_grey(file: OpenImage, image: Image.Image) -> NDArray[np.float32]:
    """A 16-bit or float image as ``(H, W, 1)`` ``float32`` in 0..1."""
    values = _unsigned(file, np.asarray(image))
    limit = 1 if image.mode == "F" else _WHITE_OF.get(file.facts.bits, 65535)
    if image.mode == "F" and not np.isfinite(values).all():
        raise DataError(
            f"{file.path}: holds values that are no numbers (NaN or infinite), expected 0 to 1; write numbers there, "
            "and 255 into the mask where they are not to count"
        )
    if values.size and not (values.min() >= 0 and values.max() <= limit):
        raise DataError(
            f"{file.path}: values run from {values.min():g} to {values.max():g}, expected 0 to {limit}; "
            "rescale the image or save it with 8 or 16 bits"
        )
    unit = values.astype(np.float32) / np.float32(limit)
    if file.facts.white_is_zero:
        unit = 1 - unit
    see_through = image.info.get("transparency")
    if isinstance(see_through, int):  # laid on white
        unit[values == see_through] = 1
    return unit[:, :, None]


def _unsigned(file: OpenImage, values: NDArray[Any]) -> NDArray[Any]:
    """Numbers of 32 bits without a sign, which Pillow reads with one."""
    signed = values.dtype != np.int32 or file.facts.bits != 32 or file.facts.signed
    return values if signed else values.view(np.uint32)


def _without_alpha(file: OpenImage, image: Image.Image) -> Image.Image:
    """``image`` without transparency: laid on white where it has any."""
    if not image.has_transparency_data:
        return image
    layered = image.convert("RGBA")
    if file.facts.alpha_is_a_band:
        _check_alpha(file, layered)
    white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layered).convert("RGB")


def _check_alpha(file: OpenImage, image: Image.Image) -> None:
    """``DataError`` where a band that is called alpha may be another one: infrared, say."""
    counts = image.getchannel("A").histogram()
    between, transparent = sum(counts[1:255]), counts[0]
    if file.facts.bits <= 8 and 0 < transparent == sum(counts):
        raise DataError(
            f"{file.path}: has a band that is marked as alpha (transparency) and holds 0 everywhere, so that nothing "
            "of the image can be seen; if it stands for nothing, save red, green and blue alone"
        )
    # Of 16 bits only the upper ones are here: 0 may be any number below 256.
    if between or (transparent and file.facts.bits > 8):
        raise DataError(
            f"{file.path}: has a band that is marked as alpha (transparency) but holds more than "
            f"{'its largest value' if file.facts.bits > 8 else '0 and 255'}; if it is another band, "
            "infrared say, save red, green and blue alone, otherwise lay the image on a background"
        )


def read_raw_mask(path: PathLike, frame: int | None = None, as_stored: bool = False) -> NDArray[Any]:
    """What a mask file stores: numbers ``(H, W)``, or colours ``(H, W, 3)`` ``uint8``.

    ``frame`` takes one of a file with several; ``as_stored`` is that of :func:`read_image`.

    Raises ``DataError``, naming the file, for lossy formats, for masks of any other kind, and when the file cannot be
    read.
    """
    with opened(path, frame) as file:
        _check_lossless(file)
        image = file.decoded(as_stored)
        _check_mask(file, image)
        if image.mode in ("LA", "PA"):
            image = image.getchannel(image.mode[0])
        if image.mode in ("1", "L", "P") or image.mode in DEEP_MODES:
            return _stored_numbers(file, np.asarray(image))
        return _stored_colours(file, np.asarray(_in_mode(image, "RGB")))


def _check_lossless(file: OpenImage) -> None:
    facts = file.facts
    if facts.lossy is False:
        return
    what = f"{facts.format} mask"
    if facts.page is not None:
        what = f"TIFF mask compressed by {facts.page.compression_name}"
    is_lossy = "is lossy" if facts.lossy else "may be lossy, and does not say that it is not"
    article = "an" if what.startswith("AVIF") else "a"
    raise LossyMaskError(f"{file.path}: {article} {what} {is_lossy}, labels do not survive it; use PNG")


def _check_mask(file: OpenImage, image: Image.Image) -> None:
    """``DataError`` unless the pixels are numbers or colours, and nothing besides."""
    facts, grey = file.facts, image.mode in GREY_MODES
    if image.mode in ("LA", "RGBA", "PA"):
        share = 1 - image.getchannel("A").histogram()[255] / max(1, image.width * image.height)
        if share:
            raise DataError(
                f"{file.path}: a mask with transparency ({share:.1%} of its pixels are not opaque), which means no "
                "class; save it without an alpha channel, what is transparent in the number or colour of its class"
            )
    why = ""
    if image.mode == "F":
        why = "a mask of floats"
    elif image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA") and image.mode not in DEEP_MODES:
        why = f"a mask of the colour model {image.mode}"
    elif facts.left_out:
        why = f"a mask of {facts.left_out} more bands than its colours"
    elif facts.bits == 16 and not grey:
        why = "a mask of colours of 16 bits, of which 8 would be lost"
    elif facts.white_is_zero and facts.bits == 1:
        kind = "TIFF" if facts.page is not None else "PBM"
        why = f"a mask of 1 bit in a {kind} whose 0 is white, which programs read as 0 or as 1"
    if why:
        raise DataError(f"{file.path}: {why} is not read; save class indices as 8-bit grey PNG")


def _stored_numbers(file: OpenImage, numbers: NDArray[Any]) -> NDArray[Any]:
    """The numbers of a mask as its file has them, where Pillow scales or inverts them for the eye."""
    facts = file.facts
    if numbers.dtype == np.bool_:
        return numbers.astype(np.uint8)
    if facts.white is not None:
        shown = 65535 if facts.bits == 16 else 255
        return np.rint(numbers * (facts.white / shown)).astype(np.uint8 if facts.bits == 8 else np.int32)
    if numbers.dtype == np.uint8:
        if facts.white_is_zero:
            numbers = 255 - numbers
        if facts.bits in (2, 4) and file.mode != "P":
            numbers = numbers // np.uint8(255 // (2**facts.bits - 1))
        return numbers.view(np.int8) if facts.signed else numbers
    return _unsigned(file, numbers)


def _stored_colours(file: OpenImage, colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The colours of a mask as its file has them; WebP has no grey, so that its equal channels are numbers."""
    white = file.facts.white
    if white not in (None, 255):
        return np.rint(colours * (white / 255)).astype(np.uint8)
    if file.facts.format == "WEBP" and (colours[:, :, :1] == colours).all():
        return np.ascontiguousarray(colours[:, :, 0])
    return colours


def read_mask(path: PathLike, classes: Classes) -> NDArray[np.uint8]:
    """The mask in a file: ``(H, W)`` ``uint8`` class indices, 255 = ignored.

    Raises ``DataError``, naming the file, for values or colours that are no class (it lists them), and as
    ``read_raw_mask``.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "mask.png"
    >>> Image.new("L", (4, 3), 7).save(path)
    >>> read_mask(path, Classes.numbered(2))
    Traceback (most recent call last):
    ...
    tinyseg.errors.DataError: ...mask.png: values 7 are no class: with 2 classes a mask holds 0 to 1, and 255
    where a pixel is ignored
    """
    return to_labels(read_raw_mask(path), {**identity_table(len(classes)), **color_table(classes)}, classes, path)


def write_palette_png(path: PathLike, mask: NDArray[np.uint8], classes: Classes) -> None:
    """Write ``mask`` ``(H, W)`` ``uint8`` as an indexed PNG: pixel value = class, palette = class colours.

    Read back as a mask it is the same array; opened in a viewer it is a picture, not black. Raises
    ``ValueError`` for another type or shape, ``WriteError`` where it cannot be written.
    """
    with writing(path) as file:
        palette_image(mask, classes).save(file, format="PNG")


def palette_image(mask: NDArray[np.uint8], classes: Classes) -> Image.Image:
    """``mask`` with the colours of the classes as its palette."""
    if mask.ndim != 2 or mask.dtype != np.uint8:
        raise ValueError(f"write_palette_png: expected a uint8 mask (H, W), got {mask.dtype} {mask.shape}")
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(classes)] = classes.palette
    palette[IGNORE_INDEX] = classes.void_color
    image = Image.fromarray(mask)
    image.putpalette(palette.tobytes())
    return image
