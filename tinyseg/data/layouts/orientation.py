"""Photographs that are turned when they are read, and masks that are not.

A camera stores the pixels as its sensor lies and writes into the file (EXIF) how they are to be turned. Images are
turned so when they are read; many programs in which masks are drawn leave them as they are stored. Sizes tell where a
quarter turn changes them, and nothing does otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from ...errors import DataError, many
from ..formats.image_file import UPRIGHT, suffixes
from ..formats.images import Header, read_header
from .layout import Layout


class Turn(Enum):
    """How the mask of an image that is turned lies: on the image that is shown, as stored, or nothing tells."""

    SHOWN = "shown"
    STORED = "stored"
    UNKNOWN = "unknown"


def turn_of(dataset: Layout, index: int, header: Header) -> Turn | None:
    """How the mask of sample ``index`` lies, whose image has this header.

    None where the image is not turned, or the mask is turned with it.
    """
    if dataset.as_stored or header.orientation == UPRIGHT:
        return None
    mask = dataset.pairs[index][1]
    is_image = mask.suffix.lower() in suffixes()
    try:
        if is_image and read_header(mask, 0).orientation != UPRIGHT:
            return None
        if header.size == header.stored_size:
            return Turn.UNKNOWN
        size = read_header(mask, 0).size if is_image else dataset.mask_size(index)
    except DataError:  # which is reported where the sample is read
        return None
    return {header.size: Turn.SHOWN, header.stored_size: Turn.STORED}.get(size)


def turning_note(turns: Iterable[Turn | None]) -> str | None:
    """What to say of a data set with these images; None if none is turned.

    >>> turning_note([None, Turn.SHOWN])
    '1 image carries an EXIF orientation and is turned when read; its mask carries none, and has the turned size'
    """
    found = [turn for turn in turns if turn is not None]
    if not found:
        return None
    one = len(found) == 1
    note = (
        f"{many(len(found), 'image')} {'carries' if one else 'carry'} an EXIF orientation and "
        f"{'is' if one else 'are'} turned when read; {'its mask carries' if one else 'their masks carry'} none"
    )
    if Turn.STORED in found:
        return f"{note}; {found.count(Turn.STORED)} fit only before that: --as-stored leaves images as stored"
    if Turn.SHOWN in found:
        return f"{note}, and {'has' if one else 'have'} the turned size"
    return f"{note}. If masks were drawn on the stored pixels, they lie wrong: --as-stored leaves images as stored"


def is_uncertain(turns: Iterable[Turn | None]) -> bool:
    """Whether images are turned and no mask of the data set tells that this is right."""
    found = {turn for turn in turns if turn is not None}
    return bool(found) and Turn.SHOWN not in found
