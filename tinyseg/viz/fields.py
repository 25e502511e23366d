"""Receptive fields: which pixels of an image move a unit, and how much."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..files import PathLike
from .figures import as_array, new_figure, save
from .palettes import VERMILLION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GRID = 40
"""Up to so many pixels a side, each gets an outline."""


def save_field(path: PathLike, heat: Any, title: str | None = None) -> None:
    """Draw receptive fields over the grid of an image's pixels, each with its extent outlined and written.

    Args:
        path: the file.
        heat: for each pixel how much it moves the unit, say the magnitude of the gradient: ``(H, W)``, an array or a
            tensor, 0 or more; or several of them by name, which are drawn side by side.
        title: what is seen.

    Dark pixels move the unit most, each map on its own scale; white ones do not at all, and the outline is the
    smallest rectangle around the others. Raises ``ValueError`` for another shape, or numbers below 0 or not finite.

    >>> import tempfile
    >>> from pathlib import Path
    >>> heat = np.zeros((9, 9))
    >>> heat[3:6, 3:6] = 1
    >>> path = Path(tempfile.mkdtemp()) / "field.png"
    >>> save_field(path, {"one 3 x 3 convolution": heat})
    >>> path.stat().st_size > 1000
    True
    """
    maps = {name: as_array(one) for name, one in (heat if isinstance(heat, Mapping) else {"": heat}).items()}
    for name, one in maps.items():
        if one.ndim != 2 or not one.size or not np.isfinite(one).all() or (one < 0).any():
            where = f" of {name!r}" if name else ""
            raise ValueError(
                f"save_field: expected finite numbers (H, W), 0 or more, got {one.dtype} {one.shape}{where}"
            )
    if not maps:
        raise ValueError("save_field: no fields to draw")
    width = min(4.2, 13 / len(maps))
    tallest = max(one.shape[0] / one.shape[1] for one in maps.values())
    figure = new_figure(width * len(maps), width * tallest + 0.5 + 0.3 * (title is not None))
    for axes, (name, one) in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps.items(), strict=True):
        _draw_field(axes, name, one)
    if title:
        figure.suptitle(title, fontsize=12)
    save(figure, path)


def _draw_field(axes: "Axes", name: str, heat: NDArray[Any]) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    # From a light grey up, so that the faintest pixel of the field is told from one outside it, which is white.
    shades = colormaps["Blues"](0.25 + 0.75 * heat / (heat.max() or 1))
    shades[heat == 0] = 1
    axes.imshow(shades, interpolation="nearest")
    height, width = heat.shape
    axes.set_xticks([])
    axes.set_yticks([])
    if max(height, width) <= GRID:
        axes.hlines(np.arange(height + 1) - 0.5, -0.5, width - 0.5, colors="#c8c8c8", linewidth=0.6)
        axes.vlines(np.arange(width + 1) - 0.5, -0.5, height - 0.5, colors="#c8c8c8", linewidth=0.6)
    rows, columns = np.nonzero(heat.any(1))[0], np.nonzero(heat.any(0))[0]
    extent = "no pixel"
    if rows.size:
        high, wide = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
        corner = (columns[0] - 0.5, rows[0] - 0.5)
        outline = Rectangle(corner, wide, high, fill=False, edgecolor=VERMILLION, linewidth=2.5, clip_on=False)
        outline.set_zorder(3)  # above the grid
        axes.add_patch(outline)
        extent = f"{high} x {wide} pixels"
    axes.set_title(f"{name}: {extent}" if name else extent, fontsize=10)
