"""Bars: a row of them for each thing that is compared, with the value written at each."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..data.dataset import Classes
from ..files import PathLike
from .figures import literal, new_figure, save
from .palettes import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION

FILLS = (BLUE, ORANGE, SKY, VERMILLION, GREEN, PURPLE)
"""Dark and light in turn."""
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "---")


def save_bars(
    path: PathLike,
    groups: Mapping[str, Mapping[str, float]],
    xlabel: str,
    title: str | None = None,
    *,
    text: str = "{:.3g}",
    high: float | None = None,
) -> None:
    """Draw bars from left to right, in groups, each with its value at its end; the axis begins at 0 and is linear.

    Args:
        path: the file.
        groups: name -> (name of a bar -> value); bars of one name look the same in all groups, and the legend tells
            them apart where there are several. A group may lack some; NaN is written as ``-``.
        xlabel: what the values are.
        title: what is seen.
        text: how a value is written, for ``str.format``.
        high: the end of the axis, where it should not be the largest value.

    Raises ``ValueError`` for no groups, or more than six different bars.

    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "scores.png"
    >>> save_bars(path, {"tree": {"FCN": 0.61, "U-Net": 0.72}, "sky": {"FCN": 0.93, "U-Net": 0.9}}, "IU")
    >>> path.stat().st_size > 1000
    True
    """
    kinds = list(dict.fromkeys(kind for bars in groups.values() for kind in bars))
    if not kinds:
        raise ValueError("save_bars: no bars to draw")
    if len(kinds) > len(FILLS):
        raise ValueError(f"save_bars: at most {len(FILLS)} different bars can be told apart, got {len(kinds)}")
    figure = new_figure(8, 1.2 + (0.26 * len(kinds) + 0.12) * len(groups) + 0.3 * (title is not None))
    axes = figure.subplots()
    thickness = 0.8 / len(kinds)
    for place, (kind, fill, hatch) in enumerate(zip(kinds, FILLS, HATCHES, strict=False)):
        rows = [row for row, bars in enumerate(groups.values()) if kind in bars]
        values = np.array([bars[kind] for bars in groups.values() if kind in bars], float)
        middles = np.array(rows) + (place - (len(kinds) - 1) / 2) * thickness
        drawn = axes.barh(
            middles, np.nan_to_num(values), 0.86 * thickness, color=fill, hatch=hatch, edgecolor="white", label=kind
        )
        written = [text.format(value) if np.isfinite(value) else "-" for value in values]
        axes.bar_label(drawn, written, padding=4, fontsize=9)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlim(right=high)
    # Room for the value that is written beside the longest bar.
    axes.margins(x=0.12)
    axes.set_xlabel(xlabel)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if title:
        axes.set_title(title, fontsize=11)
    if len(kinds) > 1:
        figure.legend(loc="outside lower center", ncols=len(kinds), frameon=False, fontsize=9)
    save(figure, path)


def save_class_shares(path: PathLike, shares: Mapping[str, Sequence[float]], classes: Classes) -> None:
    """Draw a bar for the share of each class in each split, by name, with its percentage.

    Classes that occur in no split are left out. Raises ``ValueError`` when a split has not a share for each class,
    or no class occurs at all.

    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "classes.png"
    >>> save_class_shares(path, {"train": [0.9, 0.1], "val": [0.8, 0.2]}, Classes.named(["ground", "tree"]))
    >>> path.stat().st_size > 1000
    True
    """
    for split, values in shares.items():
        if len(values) != len(classes):
            raise ValueError(f"save_class_shares: {len(values)} shares of {split} for {len(classes)} classes")
    groups = {
        literal(name): {split: 100 * values[index] for split, values in shares.items()}
        for index, name in enumerate(classes.names)
        if any(values[index] > 0 for values in shares.values())
    }
    save_bars(path, groups, "share of the labelled pixels, %", text="{:.3g} %")
