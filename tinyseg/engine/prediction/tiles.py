"""Overlap tiles: an image of any size, piece by piece, with seams that cannot be seen.

A network sees a tile with more around it than is kept (U-Net's overlap tiles; Ronneberger et al. 2015, figure 2).
What lies beyond the image is mirrored. Where neighbours both give a result, one fades into the other. Along each
axis::

    |-- margin --|-- blend --|------- alone -------|-- blend --|-- margin --|     one tile
                             |   the next one:     |-- margin --|-- blend --| ...

Neighbours share an overlap of 2 margin + blend pixels. Where the margin is as wide as the network sees to one side,
and tiles begin where the network's strides do, a tile gives what the whole image would, but near the image's own
border, where one is mirrored and the other padded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError

Array = NDArray[np.float32]

TILE, OVERLAP = 512, 64


@dataclass(frozen=True)
class Grid:
    """How tiles lie along an axis; all lengths are multiples of the network's stride."""

    tile: int
    margin: int
    blend: int

    @classmethod
    def fitting(cls, tile: int, overlap: int, stride: int) -> Grid:
        """A quarter of the overlap is blended, three eighths on either side are margin, each rounded up to strides.

        Raises ``InputError`` if nothing of a tile would be left.

        >>> Grid.fitting(512, 64, 16)
        Grid(tile=512, margin=32, blend=16)
        """
        if tile < 1 or overlap < 0:
            raise InputError(f"--tile must be 1 or more and --overlap 0 or more, got {tile} and {overlap}")
        grid = cls(_rounded(tile, stride), *_seams(overlap, stride))
        if grid.step < stride:
            raise InputError(
                f"--overlap {overlap} leaves nothing of a --tile of {tile}: with strides of {stride} it takes "
                f"{2 * grid.margin + grid.blend} pixels of {grid.tile}, and as much as the seam again must be left"
            )
        return grid

    @property
    def step(self) -> int:
        """From one tile to the next."""
        return self.tile - 2 * self.margin - self.blend

    @property
    def kept(self) -> int:
        """What a tile gives."""
        return self.step + self.blend

    def count(self, length: int) -> int:
        """How many tiles there are along ``length`` pixels."""
        return max(1, -(-(length - self.blend) // self.step))

    def entering(self, number: int, length: int) -> NDArray[np.int64]:
        """The pixels, 0 .. length - 1, that tile ``number`` sees; beyond the border they come back mirrored."""
        start = number * self.step - self.margin
        return mirrored(np.arange(start, start + self.tile), length)

    def ramp(self, number: int, length: int) -> Array:
        """How much of each kept pixel is this tile's: the ramps of two neighbours add up to 1."""
        weights = np.ones(self.kept, np.float32)
        rising = (np.arange(self.blend, dtype=np.float32) + 1) / (self.blend + 1)
        if number > 0:
            weights[: self.blend] = rising
        if number < self.count(length) - 1:
            weights[self.step :] = 1 - rising
        return weights


def least_tile(overlap: int, stride: int) -> int:
    """The smallest tile of which as much is left as a seam takes.

    >>> least_tile(64, 16), least_tile(64, 256)
    (96, 1024)
    """
    margin, blend = _seams(overlap, stride)
    return 2 * (margin + blend)


def _seams(overlap: int, stride: int) -> tuple[int, int]:
    """The margin, on either side, and what is blended."""
    return _rounded(3 * overlap / 8, stride), _rounded(overlap / 4, stride)


def _rounded(value: float, stride: int) -> int:
    return int(-(-value // stride) * stride)


def mirrored(places: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Places outside of 0 .. length - 1 reflected at its ends, which are not repeated, as often as it takes.

    >>> mirrored(np.arange(-2, 6), 3).tolist()
    [2, 1, 0, 1, 2, 1, 0, 1]
    """
    period = max(2 * (length - 1), 1)
    inside = np.abs(places) % period
    return np.minimum(inside, period - inside) if length > 1 else np.zeros_like(places)


def _copies(band: Array) -> Iterator[Array]:
    """``band``, which is about to be overwritten, in pieces of at most 32 MiB."""
    rows = max(1, 2**25 // band[0].nbytes)
    for top in range(0, len(band), rows):
        yield band[top : top + rows].copy()


def blended(image: NDArray[Any], grid: Grid, predict: Any, tell: Any) -> Iterator[Array]:
    """Bands of rows (rows, W, K) of what ``predict(tile) -> (tile, tile, K)`` makes of ``image`` (H, W, C), in order.

    No more than one band, as high as what a tile gives, is in memory. ``tell(done, total)`` hears of each tile.
    """
    height, width = image.shape[:2]
    rows, columns = grid.count(height), grid.count(width)
    band: Array | None = None
    for row in range(rows):
        down = grid.entering(row, height)
        for column in range(columns):
            tile = predict(image[np.ix_(down, grid.entering(column, width))])
            if band is None:
                band = np.zeros((grid.kept, width, tile.shape[2]), np.float32)
            left = column * grid.step
            right = min(left + grid.kept, width)
            part = tile[grid.margin :, grid.margin :][: grid.kept, : right - left]
            weights = grid.ramp(row, height)[:, None] * grid.ramp(column, width)[: right - left]
            band[:, left:right] += part * weights[:, :, None]
            tell(row * columns + column + 1, rows * columns)
        if band is None:
            return
        last = row == rows - 1
        yield from _copies(band[: height - row * grid.step if last else grid.step])
        if last:
            return
        # What the next row of tiles blends with; the rest starts anew.
        band[: grid.blend] = band[grid.step :]
        band[grid.blend :] = 0
