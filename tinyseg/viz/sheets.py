"""Sheets of pictures: images, masks and maps in rows and columns, with a legend of the classes."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import IGNORE_INDEX, Classes
from ..files import PathLike
from .figures import literal, new_figure, save, text_width
from .overlays import as_rgb, colorize, stretched
from .palettes import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Picture = NDArray[Any]
Prediction = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

HATCH = "////"
"""Marks ignored pixels; in grey, which is seen on black and on white."""
WIDEST = 12.0
"""Inches that a sheet takes at most; with many columns the pictures get smaller."""
PAD = 0.04
"""Inches around each picture."""
FONT = 10.0


def save_pictures(
    path: PathLike,
    rows: Sequence[Sequence[Picture | None]],
    titles: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    classes: Classes | None = None,
) -> None:
    """Draw pictures in rows and columns.

    Args:
        path: the file.
        rows: equally long lists of pictures: images ``(H, W, 1 or 3)``, ``uint8`` or floats in 0..1; masks ``(H, W)``
            of integers, which get the colours of ``classes``, their ignored pixels hatched; None for an empty place.
        titles: a text above each column.
        labels: a text to the left of each row.
        classes: what masks mean. The legend below has the classes that occur in masks, or all where there is no mask.

    Raises ``ValueError`` for no pictures, rows of different lengths, a number of texts that is not that of the
    columns or rows, a picture of another shape, or a mask without ``classes``.

    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "sheet.png"
    >>> image, mask = np.zeros((8, 8, 3), np.uint8), np.eye(8, dtype=np.int64)
    >>> save_pictures(path, [[image, mask]], ["image", "truth"], classes=Classes.named(["ground", "line"]))
    >>> path.stat().st_size > 1000
    True
    """
    _check_sheet(rows, titles, labels, classes)
    used = _classes_of_legend(rows, classes)
    ratios = [max((_ratio(one) for one in row if one is not None), default=0.2) for row in rows]
    width = min(2.0 * min(max(1 / max(ratios), 1.0), 2.0), WIDEST / len(rows[0]) - 2 * PAD)
    headings = [_wrapped(title, width) for title in titles or ()]
    margin = max((text_width(label, FONT) + 0.12 for label in labels or ()), default=0.0)
    legend_rows, legend_columns = _legend_grid(used, classes, len(rows[0]) * width + margin)
    height = sum(ratio * width + 2 * PAD for ratio in ratios) + _heading_height(headings)
    legend = 0.2 * legend_rows + 0.1 * (legend_rows > 0)
    figure = new_figure(len(rows[0]) * (width + 2 * PAD) + margin, height + legend)
    figure.set_layout_engine("constrained", w_pad=PAD, h_pad=PAD, wspace=0, hspace=0)
    grid = figure.subplots(len(rows), len(rows[0]), squeeze=False, height_ratios=ratios)
    for places, row in zip(grid, rows, strict=True):
        for axes, picture in zip(places, row, strict=True):
            _show(axes, picture, classes)
    for axes, title in zip(grid[0], headings, strict=False):
        axes.set_title(title, fontsize=FONT)
    for axes, label in zip(grid[:, 0], labels or (), strict=False):
        axes.set_ylabel(label, fontsize=FONT, rotation=0, ha="right", va="center")
    if classes is not None and used:
        _draw_legend(figure, used, classes, legend_columns)
    save(figure, path)


def save_predictions(path: PathLike, samples: Sequence[Prediction], classes: Classes) -> None:
    """A sheet with a row for each sample - input, truth, prediction - and a legend of the classes in it.

    A sample is ``(image, truth, prediction)``: ``(H, W, 1 or 3)`` ``uint8`` or ``float32`` in 0..1, and two integer
    masks ``(H, W)``. Pixels that the truth ignores are hatched there. The file is a PNG of few colours, to be
    small. Raises ``ValueError`` when there are no samples, or masks do not fit.
    """
    if not samples:
        raise ValueError("save_predictions: no samples to draw")
    save_pictures(path, samples, ("input", "truth", "prediction"), classes=classes)


def _check_sheet(
    rows: Sequence[Sequence[Picture | None]],
    titles: Sequence[str] | None,
    labels: Sequence[str] | None,
    classes: Classes | None,
) -> None:
    if not rows or not len(rows[0]):
        raise ValueError("save_pictures: no pictures to draw")
    if any(len(row) != len(rows[0]) for row in rows):
        raise ValueError(f"save_pictures: rows of one length are expected, got {[len(row) for row in rows]}")
    for name, texts, count in (("titles", titles, len(rows[0])), ("labels", labels, len(rows))):
        if texts is not None and len(texts) != count:
            raise ValueError(f"save_pictures: expected {count} {name}, got {len(texts)}")
    for picture in (one for row in rows for one in row if one is not None):
        if _is_mask(picture) and classes is None:
            raise ValueError("save_pictures: a mask (H, W) of integers needs classes, which have its colours")
        if not _is_mask(picture) and (picture.ndim != 3 or picture.shape[2] not in (1, 3)):
            raise ValueError(
                f"save_pictures: expected an image (H, W, 1 or 3) or an integer mask (H, W), got {picture.dtype} "
                f"{picture.shape}; heatmap(values) makes a picture of numbers (H, W)"
            )


def _is_mask(picture: Picture) -> bool:
    return picture.ndim == 2 and picture.dtype.kind in "iu"


def _wrapped(text: str, width: float) -> str:
    """A text in lines that are at most ``width`` inches wide."""
    letters = max(6, int(width / 0.085))
    return "\n".join(wrap for line in text.split("\n") for wrap in textwrap.wrap(line, letters) or [""])


def _heading_height(headings: Sequence[str]) -> float:
    """Inches above a sheet."""
    lines = max((heading.count("\n") + 1 for heading in headings), default=0)
    return 0.08 + 0.17 * lines if lines else 0.0


def _ratio(picture: Picture) -> float:
    """Height by width."""
    return float(picture.shape[0] / picture.shape[1])


def _classes_of_legend(rows: Sequence[Sequence[Picture | None]], classes: Classes | None) -> list[int]:
    if classes is None:
        return []
    masks = [one for row in rows for one in row if one is not None and _is_mask(one)]
    if not masks:
        return list(range(len(classes)))
    return sorted({int(value) for mask in masks for value in np.unique(mask)})


def _legend_grid(used: Sequence[int], classes: Classes | None, width: float) -> tuple[int, int]:
    """Rows and columns of a legend that is at most ``width`` inches wide, its rows about equally full."""
    if classes is None or not used:
        return 0, 0
    longest = max(text_width(_name(value, classes), 9) for value in used)
    most = max(1, int(width / (0.6 + longest)))
    rows = -(-len(used) // most)
    return rows, -(-len(used) // rows)


def _name(value: int, classes: Classes) -> str:
    return "ignored" if value == IGNORE_INDEX else literal(classes.names[value])


def _show(axes: "Axes", picture: Picture | None, classes: Classes | None) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_anchor("W")  # beside its label, when the place is wider than the picture
    if picture is None:
        return
    if classes is None or not _is_mask(picture):
        # Nearest neighbours when enlarged, averaged when reduced.
        axes.imshow(as_rgb(stretched(picture)), interpolation="antialiased")
        return
    axes.imshow(colorize(picture, classes), interpolation="nearest")
    ignored = picture == IGNORE_INDEX
    if ignored.any() and min(ignored.shape) > 1:
        hatched = axes.contourf(ignored, levels=[0.5, 1.5], colors="none", hatches=[HATCH])
        hatched.set(edgecolor=GREY, linewidth=0)


def _draw_legend(figure: "Figure", used: Sequence[int], classes: Classes, columns: int) -> None:
    from matplotlib.patches import Patch

    patches = []
    for value in used:
        ignored = value == IGNORE_INDEX
        red, green, blue = classes.void_color if ignored else classes.colors[value]
        hatch = HATCH if ignored else None
        color = (red / 255, green / 255, blue / 255)
        patches.append(
            Patch(facecolor=color, edgecolor=GREY, linewidth=0.5, label=_name(value, classes), hatch=hatch)
        )
    figure.legend(handles=patches, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
