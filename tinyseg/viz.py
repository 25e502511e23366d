"""Pictures: masks in colour, overlays, training curves, sheets of predictions.

Figures are drawn with matplotlib's objects and without ``pyplot``, which keeps a global list of figures and
picks a window system: this works on a server and in threads. matplotlib is imported when a figure is drawn.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .data.dataset import IGNORE_INDEX, Classes, unit_range, voc_palette
from .paths import PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "colorize",
    "overlay",
    "save_class_shares",
    "save_curves",
    "save_predictions",
    "save_rates",
    "voc_palette",
]

Prediction = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

BLUE, ORANGE, GREY = "#2f6db3", "#e07b39", "#8a8a8a"
HATCH = "////"
"""Marks ignored pixels; in grey, which is seen on black and on white."""


def colorize(mask: NDArray[Any], classes: Classes) -> NDArray[np.uint8]:
    """The picture ``(H, W, 3)`` ``uint8`` of a mask ``(H, W)`` in the colours of ``classes``.

    Ignored pixels (255) have ``classes.void_color``. Raises ``ValueError`` for values that are no class.

    >>> colorize(np.array([[1, 255]]), Classes.numbered(2)).tolist()
    [[[128, 0, 0], [224, 224, 192]]]
    """
    if mask.ndim != 2 or mask.dtype.kind not in "iu":
        raise ValueError(f"colorize: expected an integer mask (H, W), got {mask.dtype} {mask.shape}")
    if ((mask != IGNORE_INDEX) & ((mask < 0) | (mask >= len(classes)))).any():
        raise ValueError(f"colorize: the mask has values that are none of {len(classes)} classes")
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(classes)] = classes.palette
    palette[IGNORE_INDEX] = classes.void_color
    return palette[mask]


def overlay(image: NDArray[Any], mask: NDArray[Any], classes: Classes, alpha: float = 0.5) -> NDArray[np.uint8]:
    """The image with its mask laid over it: ``(1 - alpha) * image + alpha * colour``; ``(H, W, 3)`` ``uint8``.

    ``image`` is ``(H, W, 1 or 3)``, ``uint8`` or ``float32`` in 0..1. Ignored pixels show the image alone. Raises
    ``ValueError`` when sizes differ or ``alpha`` is not in 0..1.

    >>> overlay(np.full((1, 2, 1), 100, np.uint8), np.array([[1, 255]]), Classes.numbered(2)).tolist()
    [[[114, 50, 50], [100, 100, 100]]]
    """
    if image.shape[:2] != mask.shape:
        raise ValueError(f"overlay: the image is {image.shape[:2]} but the mask {mask.shape}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"overlay: alpha must be 0 to 1, got {alpha}")
    base = _as_rgb(image)
    mixed = (1 - alpha) * base + alpha * colorize(mask, classes)
    shown = np.where((mask == IGNORE_INDEX)[:, :, None], base, np.rint(mixed))
    return shown.astype(np.uint8)


def _as_rgb(image: NDArray[Any]) -> NDArray[np.uint8]:
    """An image ``(H, W, 1 or 3)`` as ``(H, W, 3)`` bytes."""
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"expected an image (H, W, 1 or 3), got {image.shape}")
    levels = np.rint(np.clip(unit_range(image), 0, 1) * 255).astype(np.uint8)
    return np.repeat(levels, 3, axis=2) if image.shape[2] == 1 else levels


def save_curves(path: PathLike, rows: Sequence[Mapping[str, Any]]) -> None:
    """Plot a training run: losses, and mean IU and pixel accuracy, by epoch. The kind of file is ``path``'s.

    ``rows`` has a mapping for each epoch, as ``csv.DictReader`` gives it for ``metrics.csv`` (texts or numbers);
    ``epoch``, ``train_loss``, ``val_loss``, ``mean_iu`` and ``pixel_accuracy`` are used. A value that is missing
    or empty leaves a gap. Raises ``ValueError`` when there are no rows.
    """
    if not rows:
        raise ValueError("save_curves: no epochs to draw")
    figure = _new_figure(9, 3.4)
    losses, scores = figure.subplots(1, 2)
    epochs = _column(rows, "epoch")
    _line(losses, epochs, _column(rows, "train_loss"), "training", GREY)
    _line(losses, epochs, _column(rows, "val_loss"), "validation", BLUE)
    _tidy(losses, "loss")
    losses.set_ylim(bottom=0)
    mean_iu = _column(rows, "mean_iu")
    _line(scores, epochs, _column(rows, "pixel_accuracy"), "pixel accuracy", GREY)
    _line(scores, epochs, mean_iu, "mean IU", ORANGE)
    _tidy(scores, "validation score")
    scores.set_ylim(0, 1)
    if np.isfinite(mean_iu).any():
        best = int(np.nanargmax(mean_iu))
        scores.set_title(f"best mean IU {mean_iu[best]:.3f} (epoch {epochs[best]:g})", fontsize=10)
    figure.savefig(path, dpi=110)


def save_class_shares(path: PathLike, shares: Mapping[str, Sequence[float]], classes: Classes) -> None:
    """Draw a bar for the share of each class in each split, by name, on a logarithmic scale.

    Classes that occur in no split are left out. Raises ``ValueError`` when a split has not a share for each class.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "classes.png"
    >>> save_class_shares(path, {"train": [0.9, 0.1], "val": [0.8, 0.2]}, Classes.named(["ground", "tree"]))
    >>> path.stat().st_size > 1000
    True
    """
    for split, values in shares.items():
        if len(values) != len(classes):
            raise ValueError(f"save_class_shares: {len(values)} shares of {split} for {len(classes)} classes")
    shown = [index for index in range(len(classes)) if any(values[index] > 0 for values in shares.values())]
    height = 0.8 / max(1, len(shares))
    figure = _new_figure(8, 1.2 + 0.22 * max(1, len(shown)) * max(1, len(shares)))
    axes = figure.subplots()
    for place, ((split, values), color) in enumerate(zip(shares.items(), (BLUE, ORANGE, GREY), strict=False)):
        rows = [row + (place - (len(shares) - 1) / 2) * height for row in range(len(shown))]
        axes.barh(rows, [100 * values[index] for index in shown], 0.9 * height, color=color, label=split)
    axes.set_yticks(range(len(shown)), [classes.names[index] for index in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("share of the labelled pixels, %")
    axes.spines[["top", "right"]].set_visible(False)
    if len(shares) > 1:
        axes.legend(frameon=False)
    _save_small(figure, path)


def save_rates(path: PathLike, rates: Sequence[float], losses: Sequence[float], chosen: float | None = None) -> None:
    """Plot losses over learning rates, these on a logarithmic scale; a line marks the one that is ``chosen``.

    Raises ``ValueError`` when there are none.
    """
    if not rates:
        raise ValueError("save_rates: no rates to draw")
    figure = _new_figure(6, 3.4)
    axes = figure.subplots()
    axes.plot(rates, losses, color=BLUE, linewidth=1.8)
    if chosen is not None:
        axes.axvline(chosen, color=ORANGE, linewidth=1.2)
        axes.set_title(f"the loss falls fastest at {chosen:.1e}", fontsize=10)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    fall = losses[0] - min(losses)
    axes.set_ylim(top=min(max(losses), losses[0] + max(fall, 0.1 * abs(losses[0]))) + 0.05 * fall)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    """One column as floats; NaN where it is missing or empty."""
    values = [row.get(key) for row in rows]
    return np.array([np.nan if value in (None, "") else float(value) for value in values])


def _line(axes: "Axes", x: NDArray[np.float64], y: NDArray[np.float64], label: str, color: str) -> None:
    # A run of few epochs shows its points: one epoch alone would draw no line at all.
    marker = "o" if len(x) <= 20 else None
    axes.plot(x, y, label=label, color=color, linewidth=1.8, marker=marker, markersize=3.5)


def _tidy(axes: "Axes", label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)


def save_predictions(path: PathLike, samples: Sequence[Prediction], classes: Classes) -> None:
    """A sheet with a row for each sample - input, truth, prediction - and a legend of the classes in it.

    A sample is ``(image, truth, prediction)``: ``(H, W, 1 or 3)`` ``uint8`` or ``float32`` in 0..1, and two integer
    masks ``(H, W)``. Pixels that the truth ignores are hatched there. The file is a PNG of few colours, to be
    small. Raises ``ValueError`` when there are no samples, or masks do not fit.
    """
    if not samples:
        raise ValueError("save_predictions: no samples to draw")
    height, width = samples[0][1].shape
    column = 2.0 * max(1.0, min(2.0, width / height))
    row = column * height / width
    used = sorted({int(value) for _, *masks in samples for mask in masks for value in np.unique(mask)})
    legend_columns = 3 if column < 3 else 6
    legend_rows = -(-len(used) // legend_columns)
    figure = _new_figure(3 * column + 0.2, len(samples) * row + 0.35 + 0.22 * legend_rows)
    grid = figure.subplots(len(samples), 3, squeeze=False)
    for axes, sample in zip(grid, samples, strict=True):
        _draw_row(axes, sample, classes)
    for axes, title in zip(grid[0], ("input", "truth", "prediction"), strict=True):
        axes.set_title(title, fontsize=10)
    _draw_legend(figure, used, classes, legend_columns)
    _save_small(figure, path)


def _draw_row(axes: "Sequence[Axes]", sample: Prediction, classes: Classes) -> None:
    image, truth, prediction = sample
    pictures = (_as_rgb(image), colorize(truth, classes), colorize(prediction, classes))
    for one, picture in zip(axes, pictures, strict=True):
        one.imshow(picture, interpolation="nearest", aspect="equal")
        one.set_axis_off()
    ignored = truth == IGNORE_INDEX
    if ignored.any():
        hatched = axes[1].contourf(ignored, levels=[0.5, 1.5], colors="none", hatches=[HATCH])
        hatched.set(edgecolor=GREY, linewidth=0)


def _draw_legend(figure: "Figure", used: Sequence[int], classes: Classes, columns: int) -> None:
    from matplotlib.patches import Patch

    patches = []
    for value in used:
        ignored = value == IGNORE_INDEX
        red, green, blue = classes.void_color if ignored else classes.colors[value]
        name = "ignored" if ignored else classes.names[value]
        hatch = HATCH if ignored else None
        patches.append(
            Patch(
                facecolor=(red / 255, green / 255, blue / 255), edgecolor=GREY, linewidth=0.5, label=name, hatch=hatch
            )
        )
    figure.legend(handles=patches, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


def _new_figure(width: float, height: float) -> "Figure":
    """An empty figure of this many inches, drawn in memory."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save_small(figure: "Figure", path: PathLike) -> None:
    """Save as a PNG of 256 colours: a third of the bytes, and hardly a difference to the eye."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    picture = Image.open(buffer).convert("RGB")
    few = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(Path(path), format="PNG", optimize=True)
