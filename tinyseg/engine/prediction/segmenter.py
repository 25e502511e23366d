"""What a network makes of one image: probabilities, in bands of rows, so that memory is bounded for any size.

An image may be seen several times, mirrored and at several sizes (*test-time augmentation*); the probabilities of all
views are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...autograd import no_grad
from ...data import Normalise
from ...data.transforms import resize_image
from ...errors import InputError
from ...models import SegmentationModel
from ...nn import functional as F
from ...tensor import Tensor, tensor
from ..config.config import Config
from ..parts.diagnose import check_scores
from ..parts.pipeline import check_size, to_channels
from .tiles import OVERLAP, TILE, Grid, blended, least_tile

Array = NDArray[np.float32]
Tell = Callable[[int, int], None]

_OWN = "that the network gives"  # what scores are called whose image the caller names

WHOLE_PIXELS = 2048 * 2048
"""Larger images are cut into tiles unless it is said otherwise."""

_BAND_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Views:
    """How an image is looked at: at each of ``scales``, and mirrored, left and right, upside down, or both."""

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    vflip: bool = False

    @property
    def mirrors(self) -> list[tuple[int, int]]:
        """The steps, 1 or -1, of rows and columns of each view."""
        return [(rows, columns) for rows in (1, -1)[: 1 + self.vflip] for columns in (1, -1)[: 1 + self.flip]]

    @property
    def count(self) -> int:
        """How many views there are."""
        return len(self.scales) * len(self.mirrors)


def parse_views(text: str | None) -> Views:
    """``flip,vflip,scale=0.75,1,1.25`` as ``Views``; None for the image as it is. Raises ``InputError``.

    >>> parse_views("flip,scale=0.75,1").count
    4
    """
    flags: set[str] = set()
    scales: list[float] = []
    in_scales = False
    for part in (piece.strip() for piece in (text or "").split(",") if piece.strip()):
        in_scales = in_scales or part.startswith("scale=")
        if part in ("flip", "vflip"):
            flags.add(part)
            in_scales = False
            continue
        try:
            scale = float(part.removeprefix("scale=")) if in_scales else np.nan
        except ValueError:
            scale = np.nan
        if not 0.1 <= scale <= 10:
            raise InputError(f"--tta: expected flip, vflip, scale=0.75,1,1.25 (each from 0.1 to 10), got {part!r}")
        scales.append(scale)
    return Views(tuple(scales) or (1.0,), "flip" in flags, "vflip" in flags)


@dataclass(frozen=True)
class Segmenter:
    """A network, set to evaluation, and how it is applied.

    ``tile``: images are cut into tiles of so many pixels; 0 for never, None for those above 4 million pixels. Not
    where the run resizes all images to one size: they are whole then. ``overlap``: what neighbouring tiles share.
    """

    model: SegmentationModel
    config: Config
    views: Views = Views()
    tile: int | None = None
    overlap: int = OVERLAP

    def __post_init__(self) -> None:
        size = self.config.data.size
        if size is not None and self.tile:
            raise InputError(
                f"the run resizes all images to {size[0]}x{size[1]}: there is nothing to cut up; leave --tile away"
            )
        if size is None:
            check_size(self.model, (self.grid.tile, self.grid.tile), "a --tile")

    @property
    def grid(self) -> Grid:
        """How tiles lie; raises ``InputError`` for an overlap too large for them."""
        usual = max(TILE, least_tile(min(self.overlap, OVERLAP), self.model.stride))  # more for very deep networks
        return Grid.fitting(self.tile or usual, self.overlap, self.model.stride)

    def probabilities(self, image: NDArray[Any], tell: Tell = lambda done, total: None) -> Iterator[Array]:
        """Bands of rows, from above, (rows, W, K), of the probabilities of the classes; ``image`` is (H, W, C).

        An image is resized to the size the run was trained at, if it had one, and the logits are brought back to the
        image's own. ``tell(done, total)`` hears of each tile. Raises ``InputError`` for an image that is too small.
        """
        if self.is_tiled(image.shape[:2]):
            yield from blended(image, self.grid, lambda tile: self._of_tile(self._normalised(tile)), tell)
            return
        size = self.config.data.size
        entered = to_channels(image, self.config.data.in_channels)
        entered = entered if size is None else resize_image(entered, size)
        check_size(self.model, entered.shape[:2], "an image")
        views = self._views(self._normalised(entered))
        yield from self._bands(views, image.shape[:2])
        tell(1, 1)

    def tiled(self, normalised: Array, what: str) -> Iterator[Array]:
        """The ``probabilities`` of an image that is cut into tiles and is normalised already, as in validation;
        ``what`` it is called in errors.
        """
        return blended(normalised, self.grid, partial(self._of_tile, what=what), lambda done, total: None)

    def labels(self, image: NDArray[Any]) -> NDArray[np.uint8]:
        """The class of each pixel, (H, W)."""
        bands = [band.argmax(2).astype(np.uint8) for band in self.probabilities(image)]
        return np.concatenate(bands)

    def is_tiled(self, size: tuple[int, ...]) -> bool:
        """Whether an image of ``size`` (height, width) is cut into tiles."""
        if self.tile is None:
            return is_tiled(self.config, size)
        return self.tile > 0 and max(size) > self.tile

    def _of_tile(self, normalised: Array, what: str = _OWN) -> Array:
        views = self._views(normalised, what)
        (band,) = self._bands(views, normalised.shape[:2], normalised.shape[0])
        return band

    def _normalised(self, image: NDArray[Any]) -> Array:
        """An image, or a part of one, as the network takes it; a pixel depends on itself alone."""
        data = self.config.data
        return Normalise(data.mean, data.std, data.bgr).image(to_channels(image, data.in_channels))

    @no_grad()
    def _views(self, normalised: Array, what: str = _OWN) -> list[Tensor]:
        """The logits (1, K, h, w) of each view, turned back."""
        found = []
        for scale in self.views.scales:
            least = self.model.min_size
            size = tuple(max(round(n * scale), m) for n, m in zip(normalised.shape[:2], least, strict=True))
            seen = resize_image(normalised, (size[0], size[1]))
            for rows, columns in self.views.mirrors:
                turned = np.ascontiguousarray(seen[::rows, ::columns])
                # A transposed view: the memory stays channels-last, as kernels like it.
                logits = self.model(tensor(turned.transpose(2, 0, 1)[None]))
                check_scores(logits, what)
                found.append(logits.flip([axis for axis, step in ((2, rows), (3, columns)) if step < 0]))
        return found

    def _bands(self, views: list[Tensor], size: tuple[int, ...], rows: int | None = None) -> Iterator[Array]:
        """The mean of the views' probabilities at ``size``, so many rows at a time."""
        height, width = size
        rows = rows or max(1, _BAND_BYTES // (4 * width * self.model.num_classes))
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            each = [F.softmax(_rows(logits, top, bottom, size), 1)[0].permute(1, 2, 0).numpy() for logits in views]
            yield each[0] if len(each) == 1 else np.mean(each, 0, dtype=np.float32)


def is_tiled(config: Config, size: tuple[int, ...]) -> bool:
    """Whether an image of ``size`` (height, width) is cut into tiles where nobody says how."""
    return config.data.size is None and size[0] * size[1] > WHOLE_PIXELS


def upsampled(logits: Tensor, size: tuple[int, ...]) -> Tensor:
    """``logits`` N,K,h,w at another size, bilinear."""
    if logits.shape[2:] == tuple(size):
        return logits
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)


def _rows(logits: Tensor, top: int, bottom: int, size: tuple[int, ...]) -> Tensor:
    """Rows ``top`` to ``bottom`` of ``upsampled(logits, size)``; the others are never computed."""
    height, width = size
    before = logits.shape[2]
    if before == height:
        return upsampled(logits[:, :, top:bottom], (bottom - top, width))
    # Bilinear interpolation is one of rows and one of columns; align_corners=False puts centres on centres.
    place = np.clip((np.arange(top, bottom) + 0.5) * before / height - 0.5, 0, before - 1)
    above = np.floor(place).astype(np.int64)
    share = (place - above).astype(np.float32).reshape(-1, 1)
    below = np.minimum(above + 1, before - 1)
    upper, lower = (logits.index_select(2, tensor(index)) for index in (above, below))
    mixed = upper * tensor(1 - share) + lower * tensor(share)
    return upsampled(mixed, (bottom - top, width))


def segment(model: SegmentationModel, config: Config, image: NDArray[Any]) -> NDArray[np.uint8]:
    """The class of each pixel of ``image`` (H, W, C), as (H, W); see ``Segmenter``."""
    return Segmenter(model, config).labels(image)
