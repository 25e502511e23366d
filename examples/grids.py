"""Grids of numbers and letters as pictures, put together beside and above one another; several examples draw them.

The colours are those of Okabe and Ito, which the colour-blind tell apart, mixed with white where text lies on them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from matplotlib import get_data_path
from PIL import Image, ImageColor, ImageDraw, ImageFont

INK, GREY, WHITE, PALE = "#202020", "#8a8a8a", "#ffffff", "#eeeeee"
BLUE, ORANGE, GREEN, PURPLE = "#56b4e9", "#e69f00", "#009e73", "#cc79a7"
DARK_BLUE = "#0060a0"
LIGHT_BLUE, LIGHT_ORANGE, LIGHT_GREEN = "#cfe8f9", "#f9e3b5", "#b8e6d8"

Text = Sequence[Sequence[object]]
Fill = str | Sequence[Sequence[str]]


@functools.cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The typeface that comes with matplotlib, so that pictures are the same everywhere."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", name)), size)


def grid(
    cells: Text,
    fill: Fill = WHITE,
    frame: Sequence[Sequence[str | None]] | None = None,
    corner: Text | None = None,
    cell: int | tuple[int, int] = 40,
    ink: Fill = INK,
    size: int | None = None,
) -> Image.Image:
    """A table: ``cells`` as text in boxes of ``fill``, a colour for all or one for each.

    ``frame``: the colour of a thick frame around a cell, or None. ``corner``: small text at the lower right of each.
    ``cell``: width and height in pixels. ``size``: of the letters.
    """
    wide, high = (cell, cell) if isinstance(cell, int) else cell
    size = size or round(0.42 * high)
    rows, columns = len(cells), len(cells[0])
    picture = Image.new("RGB", (columns * wide + 3, rows * high + 3), WHITE)
    draw = ImageDraw.Draw(picture)
    for i in range(rows):
        for j in range(columns):
            left, top = 1 + j * wide, 1 + i * high
            box = (left, top, left + wide, top + high)
            draw.rectangle(box, fill=_of(fill, i, j), outline=GREY)
            up = 0.08 * high if corner is not None and str(corner[i][j]) else 0
            middle = (left + wide / 2, top + high / 2 - up)
            draw.text(middle, str(cells[i][j]), _of(ink, i, j), font(size), anchor="mm")
            if corner is not None:
                lower_right = (left + wide - 4, top + high - 3)
                draw.text(lower_right, str(corner[i][j]), DARK_BLUE, font(round(0.28 * high)), anchor="rb")
    for i in range(rows):
        for j in range(columns):
            if frame is not None and frame[i][j]:
                left, top = 1 + j * wide, 1 + i * high
                draw.rectangle((left, top, left + wide, top + high), outline=frame[i][j], width=3)
    return picture


def _of(value: Fill, i: int, j: int) -> str:
    return value if isinstance(value, str) else value[i][j]


def tint(color: str, share: float) -> str:
    """White mixed with a share (0 to 1) of a colour."""
    red, green, blue = (round(255 + (level - 255) * share) for level in ImageColor.getrgb(color)[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def words(text: str, size: int = 16, bold: bool = False, color: str = INK, width: int = 0) -> Image.Image:
    """A line of text, or several; ``width``: at least so many pixels."""
    letters = font(size, bold)
    box = ImageDraw.Draw(Image.new("RGB", (1, 1))).multiline_textbbox((0, 0), text, letters, spacing=6)
    picture = Image.new("RGB", (max(width, int(box[2]) + 2), int(box[3]) + 4), WHITE)
    ImageDraw.Draw(picture).multiline_text((0, 0), text, color, letters, spacing=6)
    return picture


def beside(*pictures: Image.Image, gap: int = 16) -> Image.Image:
    """Pictures in a row, their middles at one height."""
    width = sum(one.width for one in pictures) + gap * (len(pictures) - 1)
    whole = Image.new("RGB", (width, max(one.height for one in pictures)), WHITE)
    left = 0
    for one in pictures:
        whole.paste(one, (left, (whole.height - one.height) // 2))
        left += one.width + gap
    return whole


def above(*pictures: Image.Image, gap: int = 10, middle: bool = False) -> Image.Image:
    """Pictures in a column, at its left or in its middle."""
    height = sum(one.height for one in pictures) + gap * (len(pictures) - 1)
    whole = Image.new("RGB", (max(one.width for one in pictures), height), WHITE)
    top = 0
    for one in pictures:
        whole.paste(one, ((whole.width - one.width) // 2 if middle else 0, top))
        top += one.height + gap
    return whole


def sheet(pictures: Sequence[Image.Image], columns: int = 2, gap: int = 30) -> Image.Image:
    """Pictures in rows of so many, each in a place that is large enough for any of them."""
    width, height = max(one.width for one in pictures), max(one.height for one in pictures)
    rows = -(-len(pictures) // columns)
    size = (columns * (width + gap) - gap, rows * (height + gap) - gap)
    whole = Image.new("RGB", size, WHITE)
    for place, one in enumerate(pictures):
        whole.paste(one, (place % columns * (width + gap), place // columns * (height + gap)))
    return whole


def with_margin(picture: Image.Image, margin: int = 16) -> Image.Image:
    """White space around a picture."""
    whole = Image.new("RGB", (picture.width + 2 * margin, picture.height + 2 * margin), WHITE)
    whole.paste(picture, (margin, margin))
    return whole


def save(path: Path, picture: Image.Image) -> None:
    """A PNG of few colours, to be small."""
    _with_few_colors(with_margin(picture), _commonest_colors(picture)).save(path, optimize=True)


def save_animation(path: Path, frames: Sequence[Image.Image], milliseconds: int = 900) -> None:
    """A GIF that stays longer on its last frame and then begins again; all frames share one set of colours."""
    colors = _commonest_colors(above(*frames))
    first, *others = (_with_few_colors(with_margin(one), colors) for one in frames)
    durations = [milliseconds] * len(others) + [3 * milliseconds]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, optimize=True)


def _commonest_colors(picture: Image.Image, count: int = 64) -> Image.Image:
    """A palette of the most frequent ones, so that what is white stays white; none that is close to another."""
    chosen: list[tuple[int, ...]] = []
    for _, color in sorted(picture.getcolors(1 << 16), reverse=True):
        if len(chosen) < count and all(
            max(abs(a - b) for a, b in zip(color, one, strict=True)) > 8 for one in chosen
        ):
            chosen.append(color)
    palette = Image.new("P", (1, 1))
    palette.putpalette([level for color in chosen for level in color])
    return palette


def _with_few_colors(picture: Image.Image, palette: Image.Image) -> Image.Image:
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)
