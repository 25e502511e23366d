"""Cells, drawn on the fly from a seed: round ones that crowd and touch, each known by a number of its own.

What biologists' images are like as far as segmentation is concerned: grey, uneven light, noise, two classes of one
texture, and borders between cells that touch which are a pixel or two wide. It is made for what U-Net's pixel weights
and the matching of cells are about; nothing has to be downloaded.

A cell is where its own distance, that to its wobbly outline, is negative and smaller than that of every other cell.
Distances are cut at a few radii around each cell, so an image costs its cells' areas, not cells times pixels.
"""

import math
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..dataset import Classes, Sample, Size
from ..instances import renumbered, separated_cells
from .generated import Generated

Array = NDArray[np.float32]

CLASSES = Classes(("background", "cell"), ((0, 0, 0), (80, 200, 120)))

WAVES = 4
"""How many waves an outline is made of."""


class Drawing(NamedTuple):
    """An image ``(H, W, 1)`` ``uint8``, and the cell of each pixel ``(H, W)`` ``int32``, 0 for none."""

    image: NDArray[np.uint8]
    instances: NDArray[np.int32]


class Cells(Generated):
    """Grey images of cells that touch.

    Sample ``index`` depends on ``(seed, split, index)`` alone. The mask is 1 inside a cell, and 0 outside and where
    two cells touch (``tinyseg.data.instances.separated_cells``), so that they come apart.

    Args:
        split: ``"train"``, ``"val"`` or ``"test"``.
        count: number of images; 500 for train and 50 for the others when not given.
        size: height and width, 32 or more. A cell has a radius of 8 to 16 pixels whatever the size.
        seed: a whole number, 0 or more.

    Raises ``InputError`` for any other value.

    >>> cells = Cells("val", count=2, size=(64, 96))
    >>> cells[1].image.shape, cells.classes.names, bool(cells.instances(1).max() > 3)
    ((64, 96, 1), ('background', 'cell'), True)
    """

    name = "cells"
    classes = CLASSES
    in_channels = 1
    counts: ClassVar = {"train": 500, "val": 50, "test": 50}
    stream = 11

    def __getitem__(self, index: int) -> Sample:
        drawing = self._drawn(index)
        return Sample(drawing.image, separated_cells(drawing.instances), self.sample_name(index))

    def instances(self, index: int) -> NDArray[np.int32]:
        """The cells of sample ``index``; they touch where the mask keeps them apart."""
        return self._drawn(index).instances

    def _drawn(self, index: int) -> Drawing:
        return draw(self._generator(index), self.image_size)


def draw(rng: np.random.Generator, size: Size) -> Drawing:
    """One image and its cells."""
    nearest = np.zeros(size, np.float32)
    instances = np.zeros(size, np.int32)
    for number, (row, column, radius) in enumerate(_places(rng, size), 1):
        _draw_cell(rng, (row, column, radius), number, nearest, instances)
    instances = renumbered(instances)  # a cell may be hidden by its neighbours
    return Drawing(_shaded(rng, size, nearest, instances), instances)


def _places(rng: np.random.Generator, size: Size) -> list[tuple[float, float, float]]:
    """Centres and radii: colonies of cells, each beside one that is there, nearer than their radii together."""
    height, width = size
    wanted = round(height * width / rng.uniform(700, 1100))
    places: list[tuple[float, float, float]] = []
    for attempt in range(20 * wanted):
        radius = rng.uniform(8, 16)
        if not places or attempt % 8 == 0:
            row, column = rng.uniform(0, height), rng.uniform(0, width)
        else:
            near = places[rng.integers(len(places))]
            angle, apart = rng.uniform(0, 2 * math.pi), (near[2] + radius) * rng.uniform(0.8, 0.95)
            row, column = near[0] + apart * math.sin(angle), near[1] + apart * math.cos(angle)
        inside = 0 <= row < height and 0 <= column < width
        if inside and all(math.hypot(row - r, column - c) > 0.78 * (radius + other) for r, c, other in places):
            places.append((row, column, radius))
        if len(places) == wanted:
            break
    return places


def _draw_cell(
    rng: np.random.Generator,
    place: tuple[float, float, float],
    number: int,
    nearest: Array,
    instances: NDArray[np.int32],
) -> None:
    """Give the cell the pixels that are inside it, and farther inside than in the cells before."""
    row, column, radius = place
    reach = 1.4 * radius
    top, left = max(0, int(row - reach)), max(0, int(column - reach))
    window = slice(top, int(row + reach) + 2), slice(left, int(column + reach) + 2)
    before, taken = nearest[window], instances[window]
    y = (top - row) + np.arange(before.shape[0], dtype=np.float32)[:, None]
    x = (left - column) + np.arange(before.shape[1], dtype=np.float32)[None, :]
    angle = np.arctan2(y, x)
    outline = np.full(before.shape, np.float32(radius))
    for wave in range(2, 2 + WAVES):
        height = np.float32(radius * rng.uniform(0, 0.16) / wave)
        outline += height * np.cos(np.float32(wave) * angle + np.float32(rng.uniform(0, 2 * math.pi)))
    distance = np.hypot(y, x) - outline
    inside = distance < before
    before[inside], taken[inside] = distance[inside], number


def _shaded(rng: np.random.Generator, size: Size, nearest: Array, instances: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Grey values: a bright rim, an inside like the ground but for a nucleus, uneven light, noise."""
    light = _smooth(rng, size, 64, 0.12)
    texture = _smooth(rng, size, 5, 0.10)
    image = np.float32(0.45) + light + texture
    inside = instances > 0
    rim = np.exp(-np.square((nearest + np.float32(1.5)) / np.float32(1.5)))
    image += np.where(inside, np.float32(0.28) * rim - np.float32(0.04), np.float32(0))
    depth = np.clip(-nearest - np.float32(5), 0, 4) / np.float32(4)
    image -= np.where(inside, np.float32(0.10) * depth, np.float32(0))
    image += np.float32(rng.uniform(0.02, 0.05)) * rng.standard_normal(size, np.float32)
    return (np.clip(image, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)[:, :, None]


def _smooth(rng: np.random.Generator, size: Size, cell: int, height: float) -> Array:
    """Random values on a coarse grid, smoothly enlarged, between -``height`` and ``height``."""
    rows, columns = (math.ceil(length / cell) + 1 for length in size)
    coarse = rng.uniform(-height, height, (rows, columns)).astype(np.float32)
    enlarged = Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(enlarged)
