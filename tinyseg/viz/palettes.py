"""Palettes: colours for classes, lines and bars."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import voc_palette

Palette = NDArray[np.uint8]

OKABE_ITO = ("#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
"""Black, orange, sky blue, bluish green, yellow, blue, vermillion, reddish purple."""
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILLION, PURPLE = OKABE_ITO
GREY = "#7f7f7f"
LINES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
"""For lines on white, where yellow is hardly seen."""


def palette(name: str, count: int) -> Palette:
    """``count`` colours as ``(count, 3)`` ``uint8``.

    - ``"voc"``: Pascal VOC's, for up to 256 classes; neighbours are far apart
    - ``"okabe-ito"``: eight that can be told apart with any kind of colour vision; the first is black
    - ``"viridis"``: dark blue, green, yellow, in equal steps of lightness: for what has an order
    - ``"gray"``: black to white

    Raises ``ValueError`` for another name, or a count below 1 or above what there is.

    Source: Okabe and Ito 2002, Color Universal Design; Everingham et al. 2010, the VOC devkit's colour map.

    >>> palette("okabe-ito", 2).tolist(), palette("gray", 3).tolist()
    ([[0, 0, 0], [230, 159, 0]], [[0, 0, 0], [128, 128, 128], [255, 255, 255]])
    """
    if name not in _PALETTES:
        raise ValueError(f"palette: unknown palette {name!r}; there are {', '.join(_PALETTES)}")
    most, colors = _PALETTES[name]
    if not 1 <= count <= most:
        raise ValueError(f"palette: {name} has 1 to {most} colours, got count={count}")
    return colors(count)


def rgb(color: str) -> tuple[int, int, int]:
    """A colour ``#rrggbb`` as three bytes.

    >>> rgb("#e69f00")
    (230, 159, 0)
    """
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def sampled(name: str, values: NDArray[np.floating]) -> Palette:
    """The colours ``(..., 3)`` of numbers from 0 to 1 on one of matplotlib's colour maps."""
    from matplotlib import colormaps

    colors: Palette = colormaps[name](values, bytes=True)[..., :3]
    return colors


def _okabe_ito(count: int) -> Palette:
    return np.array([rgb(color) for color in OKABE_ITO[:count]], np.uint8)


def _viridis(count: int) -> Palette:
    return sampled("viridis", np.linspace(0, 1, count))


def _gray(count: int) -> Palette:
    levels = np.rint(np.linspace(0, 255, count)).astype(np.uint8)
    return np.repeat(levels[:, None], 3, axis=1)


_PALETTES: dict[str, tuple[int, Callable[[int], Palette]]] = {
    "voc": (256, voc_palette),
    "okabe-ito": (len(OKABE_ITO), _okabe_ito),
    "viridis": (256, _viridis),
    "gray": (256, _gray),
}
