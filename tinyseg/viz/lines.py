"""Curves: of a training run, of learning rates, of anything."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..files import PathLike
from .figures import as_array, as_column, new_figure, plain_axes, save
from .palettes import BLUE, GREY, LINES, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Line = tuple[Any, Any]

FEW = 20
"""A line of so few points shows them: one point alone would be no line at all."""
DASHES = ("-", "--", "-.", ":")


def save_lines(
    path: PathLike,
    lines: Mapping[str, Line],
    xlabel: str,
    ylabel: str,
    title: str | None = None,
    *,
    log_x: bool = False,
    log_y: bool = False,
    low: float | None = None,
    high: float | None = None,
    marks: Mapping[str, float] | None = None,
) -> None:
    """Draw curves into one picture, with a legend of their names.

    Args:
        path: the file.
        lines: name -> ``(x, y)``, two sequences (or tensors) of one length; a NaN in ``y`` leaves a gap. Where all x
            are whole numbers, say epochs, there are no ticks between them.
        xlabel, ylabel: what the axes show.
        title: what is seen.
        log_x, log_y: whether an axis is logarithmic.
        low, high: the range of ``y``, where it should not be what the lines have.
        marks: name -> x: upright lines that stand for something.

    Lines differ in colour and dashes. Raises ``ValueError`` for no lines, or one whose x and y are of different
    lengths.

    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "parabola.png"
    >>> save_lines(path, {"x squared": ([0, 1, 2, 3], [0, 1, 4, 9])}, "x", "y")
    >>> path.stat().st_size > 1000
    True
    """
    if not lines:
        raise ValueError("save_lines: no lines to draw")
    figure = new_figure(9, 4.8)
    axes = figure.subplots()
    drawn = [(as_array(x), as_array(y)) for x, y in lines.values()]
    for number, (name, (x, y)) in enumerate(zip(lines, drawn, strict=True)):
        if x.ndim != 1 or x.shape != y.shape:
            raise ValueError(f"save_lines: {name!r} needs x and y of one length, got {x.shape} and {y.shape}")
        _line(axes, x, y, name, LINES[number % len(LINES)], DASHES[number % len(DASHES)])
    for number, (name, place) in enumerate((marks or {}).items()):
        axes.axvline(place, color=GREY, linestyle=DASHES[(number + 1) % len(DASHES)], linewidth=1.2, label=name)
    if log_x:
        axes.set_xscale("log")
    elif all((x == np.rint(x)).all() for x, _ in drawn):
        _whole_ticks(axes)
    if log_y:
        axes.set_yscale("log")
    plain_axes(axes, xlabel, ylabel)
    if low is not None or high is not None:
        axes.set_ylim(low, high)
    if title:
        axes.set_title(title, fontsize=11)
    if len(lines) > 1 or marks:
        _name(axes)
    save(figure, path)


def save_curves(path: PathLike, rows: Sequence[Mapping[str, Any]]) -> None:
    """Plot a training run: losses, and mean IU and pixel accuracy, by epoch. The kind of file is ``path``'s.

    ``rows`` has a mapping for each epoch, as ``csv.DictReader`` gives it for ``metrics.csv`` (texts or numbers);
    ``epoch``, ``train_loss``, ``val_loss``, ``mean_iu`` and ``pixel_accuracy`` are used. A value that is missing
    or empty leaves a gap. Raises ``ValueError`` when there are no rows.
    """
    if not rows:
        raise ValueError("save_curves: no epochs to draw")
    columns = {
        key: as_column([row.get(key) for row in rows])
        for key in ("epoch", "train_loss", "val_loss", "mean_iu", "pixel_accuracy")
    }
    epochs = columns["epoch"]
    figure = new_figure(10, 3.7)
    losses, scores = figure.subplots(1, 2)
    _line(losses, epochs, columns["train_loss"], "training", ORANGE, "--")
    _line(losses, epochs, columns["val_loss"], "validation", BLUE, "-")
    _from_zero(losses, np.concatenate([columns["train_loss"], columns["val_loss"]]))
    mean_iu = columns["mean_iu"]
    _line(scores, epochs, columns["pixel_accuracy"], "pixel accuracy", ORANGE, "--")
    _line(scores, epochs, mean_iu, "mean IU", BLUE, "-")
    scores.set_ylim(0, 1)
    for axes, label in ((losses, "loss"), (scores, "validation score")):
        plain_axes(axes, "epoch", label)
        _count_epochs(axes, epochs)
        _name(axes)
    if np.isfinite(mean_iu).any():
        best = int(np.nanargmax(mean_iu))
        scores.set_title(f"best mean IU {mean_iu[best]:.3f} (epoch {epochs[best]:g})", fontsize=10)
    save(figure, path)


def save_rates(path: PathLike, rates: Sequence[float], losses: Sequence[float], chosen: float | None = None) -> None:
    """Plot losses over learning rates, these on a logarithmic scale; a line marks the one that is ``chosen``.

    Raises ``ValueError`` when there are none.
    """
    if not rates:
        raise ValueError("save_rates: no rates to draw")
    fall = losses[0] - min(losses)
    save_lines(
        path,
        {"loss": (rates, losses)},
        "learning rate",
        "loss",
        None if chosen is None else f"the loss falls fastest at {chosen:.1e}",
        log_x=True,
        low=None if fall == 0 else min(losses) - 0.05 * fall,
        high=min(max(losses), losses[0] + max(fall, 0.1 * abs(losses[0]))) + 0.05 * fall,
        marks=None if chosen is None else {"suggestion": chosen},
    )


def _line(axes: "Axes", x: NDArray[Any], y: NDArray[Any], label: str, color: str, dashes: str) -> None:
    marker = "o" if len(x) <= FEW else None
    axes.plot(x, y, label=label, color=color, linestyle=dashes, linewidth=1.8, marker=marker, markersize=3.5)


def _from_zero(axes: "Axes", values: NDArray[np.float64]) -> None:
    """An axis from 0 to a little above the largest value."""
    known = values[np.isfinite(values)]
    low, high = known.min(initial=0.0), known.max(initial=0.0)
    axes.set_ylim(low, high + (0.06 * (high - low) or 1.0))


def _name(axes: "Axes") -> None:
    """A legend with samples long enough to show dashes."""
    axes.legend(frameon=False, fontsize=9, handlelength=3)


def _whole_ticks(axes: "Axes") -> None:
    """Ticks at whole numbers of x only: there is no epoch 1.5."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _count_epochs(axes: "Axes", epochs: NDArray[np.float64]) -> None:
    """Ticks at whole epochs, with half an epoch of room on either side where there are few."""
    _whole_ticks(axes)
    if len(epochs) <= FEW:
        axes.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)
