"""Image and mask files: what every kind of file becomes, and which are refused.

Images. Grey files (1-bit, ``L``, 16-bit, float) have one channel, all others three. Palettes are looked up;
CMYK, YCbCr, LAB and HSV become RGB. An alpha channel that is opaque everywhere is dropped, otherwise the image
is laid on white. 16-bit grey becomes ``float32`` (value / 65535), so that no level is lost; a float file must be
in 0..1. (Pillow itself reads 16-bit *colour* files at 8 bits.) EXIF orientation is applied.

Masks. The value of a pixel is its class: in 1-bit, 8-bit, 16-bit and palette files the stored number (the
palette is only for the eye), in RGB files the class that has this colour. 255 is ignored. Lossy formats are
refused: they blur labels into values that look like classes.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..errors import DataError
from ..files import writing
from ..paths import PathLike
from .dataset import IGNORE_INDEX, Classes
from .mapping import color_table, identity_table, to_labels

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
DEEP_MODES = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})
LOSSY_FORMATS = frozenset({"JPEG", "MPO", "JPEG2000", "WEBP", "AVIF"})


class LossyMaskError(DataError):
    """A mask in a format that changes labels."""


# Pillow's decoders meet broken files with whatever their arithmetic raises.
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, KeyError, struct.error, zlib.error)

_EXIF_ORIENTATION = 0x0112


class Header(NamedTuple):
    """What a file says of itself, before its pixels are decoded. ``size`` is (height, width) as displayed."""

    size: tuple[int, int]
    channels: int


@contextmanager
def opened(path: PathLike, frame: int | None = None) -> Iterator[Image.Image]:
    """Open an image file that has one frame, or take one of several.

    Whatever goes wrong inside is a ``DataError`` naming the file.
    """
    try:
        with Image.open(path) as image:
            frames = getattr(image, "n_frames", 1)
            # Phones write MPO: a JPEG photograph followed by a preview of itself.
            if frame is not None:
                image.seek(frame)
            elif frames > 1 and image.format != "MPO":
                raise DataError(
                    f"{path}: expected one image but the file has {frames} frames; save each as a file of its own"
                )
            yield image
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{path}: images of more than {Image.MAX_IMAGE_PIXELS:,} pixels are not decoded, as a small file can "
            "unpack to more than memory; tinyseg predict has --max-pixels, and for training cut it up"
        ) from error
    except Image.UnidentifiedImageError as error:
        raise DataError(f"{path}: not an image that Pillow can read; is the file complete?") from error
    except _BROKEN as error:
        raise DataError(f"{path}: cannot be read ({error}); is the file complete?") from error


def read_header(path: PathLike, frame: int | None = None) -> Header:
    """Size and channels of an image file, without decoding it. Raises ``DataError`` as :func:`read_image`."""
    with opened(path, frame) as image:
        width, height = image.size
        # Orientations 5 to 8 are turned by a quarter.
        if image.getexif().get(_EXIF_ORIENTATION, 1) in (5, 6, 7, 8):
            width, height = height, width
        return Header((height, width), 1 if image.mode in GREY_MODES else 3)


def count_frames(path: PathLike) -> int:
    """How many images a file holds; a stack has many. Raises ``DataError`` as :func:`read_image`."""
    with opened(path, 0) as image:
        return getattr(image, "n_frames", 1)


def read_image(path: PathLike, channels: int | None = None, frame: int | None = None) -> NDArray[Any]:
    """The image in a file: ``(H, W, C)``, ``uint8``, or ``float32`` in 0..1 for 16-bit and float files.

    Args:
        path: any file that Pillow reads; the module's text says what becomes of each kind.
        channels: 1 or 3 to have that many: colour becomes grey by luma (0.299 R + 0.587 G + 0.114 B), grey
            becomes three equal channels. As in the file when not given.
        frame: which one to take of a file with several (a TIFF stack), from 0.

    Raises ``DataError``, naming the file, when it is missing, truncated, no image, or has several frames, and
    when its values have no known range; ``ValueError`` for another number of channels.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "grey.png"
    >>> Image.new("L", (4, 3), 7).save(path)
    >>> read_image(path).shape, read_image(path, channels=3)[0, 0].tolist()
    ((3, 4, 1), [7, 7, 7])
    """
    if channels not in (None, 1, 3):
        raise ValueError(f"read_image: channels must be 1, 3 or None, got {channels}")
    with opened(path, frame) as file:
        image = _upright(file)
        if image.mode in DEEP_MODES or image.mode == "F":
            pixels = _deep_grey(path, image)
        elif image.mode in GREY_MODES:
            pixels = np.asarray(_in_mode(_without_alpha(image), "L"))[:, :, None]
        else:
            pixels = np.asarray(_in_mode(_without_alpha(image), "RGB"))
    if channels == 3 and pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    if channels == 1 and pixels.shape[2] == 3:
        return np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
    return np.ascontiguousarray(pixels)


def _upright(image: Image.Image) -> Image.Image:
    """As it is meant to be seen; without the copy that ``exif_transpose`` makes of an image that is so already."""
    return ImageOps.exif_transpose(image) if image.getexif().get(_EXIF_ORIENTATION, 1) != 1 else image


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Converted, unless it has the mode already: ``convert`` would copy it."""
    return image if image.mode == mode else image.convert(mode)


def _deep_grey(path: PathLike, image: Image.Image) -> NDArray[np.float32]:
    """A 16-bit or float image as ``(H, W, 1)`` ``float32`` in 0..1."""
    values = np.asarray(image)
    limit = 1 if image.mode == "F" else 65535
    # Written so that a NaN fails too.
    if values.size and not (values.min() >= 0 and values.max() <= limit):
        raise DataError(
            f"{path}: values run from {values.min():g} to {values.max():g}, expected 0 to {limit}; "
            "rescale the image or save it with 8 or 16 bits"
        )
    return (values.astype(np.float32) / np.float32(limit))[:, :, None]


def _without_alpha(image: Image.Image) -> Image.Image:
    """``image`` without transparency: laid on white where it has any."""
    if not image.has_transparency_data:
        return image
    layered = image.convert("RGBA")
    white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layered).convert("RGB")


def read_raw_mask(path: PathLike, frame: int | None = None) -> NDArray[Any]:
    """What a mask file stores: numbers ``(H, W)``, or colours ``(H, W, 3)`` ``uint8``.

    ``frame`` takes one of a file with several.

    Raises ``DataError``, naming the file, for lossy formats, for masks of any other kind, and when the file cannot be
    read.
    """
    with opened(path, frame) as file:
        if file.format in LOSSY_FORMATS:
            raise LossyMaskError(f"{path}: a {file.format} mask is lossy, labels do not survive it; use PNG")
        image = ImageOps.exif_transpose(file)
        if image.mode in ("1", "L", "P") or image.mode in DEEP_MODES:
            numbers = np.asarray(image)
            return numbers.astype(np.uint8) if numbers.dtype == np.bool_ else numbers
        if image.mode == "RGB" or (image.mode == "RGBA" and image.getchannel("A").getextrema()[0] == 255):
            return np.asarray(image.convert("RGB"))
        raise DataError(
            f"{path}: a mask cannot be of Pillow's mode {image.mode}; save class indices as 8-bit grey PNG"
        )


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
