"""What the commands about data print."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..console import line

if TYPE_CHECKING:
    from ..data import Kind
    from ..data.transforms.named import Augmentation
    from ..engine import CheckReport, Finding

SHOWN = 5
"""So many files, sizes or values are named; --json names all."""


def _table(*headings: str, numbers: int = 0, wraps: str = "") -> Table:
    """An empty table whose last ``numbers`` columns are set to the right; the column ``wraps`` gives way."""
    table = Table(box=SIMPLE, pad_edge=False)
    for place, heading in enumerate(headings):
        justify: Any = "right" if place >= len(headings) - numbers else "left"
        table.add_column(heading, justify=justify, no_wrap=heading != wraps)
    return table


def print_datasets(console: Console, kinds: Mapping[str, Kind]) -> None:
    """Names, and how many labelled images each split has."""
    table = _table("name", "what it shows", "train", "val", "test", numbers=3, wraps="what it shows")
    for name, kind in kinds.items():
        counts = [
            f"{kind.published[split]:,}" if split in kind.published else "" for split in ("train", "val", "test")
        ]
        table.add_row(name, kind.title, *counts)
    console.print(table)
    line(console, "Where train has a count and val has none, a share of the images of train validates.")


def print_augmentations(console: Console, found: Mapping[str, Augmentation]) -> None:
    """Names with the numbers that stand for those that are left out, in the order in which they are applied."""
    table = _table("name", "what is done", wraps="what is done")
    for name, one in found.items():
        numbers = ":".join(f"{number:g}" for number in one.numbers)
        table.add_row(f"{name}={numbers}" if numbers else name, one.purpose)
    console.print(table)


def print_check(console: Console, report: CheckReport) -> None:
    """What is in the data, what one should know, and what is wrong."""
    line(console, f"{report.data} in {report.root}")
    table = _table(
        "split", "images", "size (height x width)", "channels", "ignored", numbers=1, wraps="size (height x width)"
    )
    for part in report.splits:
        total = max(1, int(part.pixels.sum()))
        sizes = {f"{height}x{width}": count for (height, width), count in part.sizes.items()}
        channels = {str(channels): count for channels, count in part.channels.items()}
        ignored = f"{part.ignored / total:.1%}"
        table.add_row(part.split, str(part.images), _counted(sizes), _counted(channels), ignored)
    console.print(table)
    _print_classes(console, report)
    _print_values(console, report)
    for finding in report.notes:
        _print_finding(console, "note", finding, report.root)
    for finding in report.problems:
        _print_finding(console, "PROBLEM", finding, report.root)
    if report.mapping:
        from ..data.labels.mapping import format_key

        meant = [f"{format_key(key)} = {value}" for key, value in report.mapping.items()]
        line(console, f"a mapping that may be meant: {_first(meant)}; --fix-mapping FILE writes it")
    line(console, f"problems: {len(report.problems)}" if report.problems else "no problems")


def _counted(counts: Mapping[str, int]) -> str:
    """``360x480``, or ``360x480 (3), 300x400 (1) and 7 others``."""
    most = Counter(counts).most_common()
    if len(most) == 1:
        return most[0][0]
    others = f" and {len(most) - 3} others" if len(most) > 3 else ""
    return ", ".join(f"{key} ({count})" for key, count in most[:3]) + others


def _print_classes(console: Console, report: CheckReport) -> None:
    """The share of each class in each split, and in how many of its images it is."""
    headings = [heading for part in report.splits for heading in (part.split, "images")]
    table = _table("", "class", *headings, numbers=len(headings))
    count = len(report.classes)
    shares = [part.shares(count) for part in report.splits]
    for index, name in enumerate(report.classes.names):
        if any(part.pixels[index] for part in report.splits):
            cells: list[Any] = []
            for part, values in zip(report.splits, shares, strict=True):
                cells += [f"{values[index]:.2%}", str(part.images_with[index])]
            table.add_row(str(index), Text(name), *cells)
    console.print(table)


def _print_values(console: Console, report: CheckReport) -> None:
    from ..data.labels.mapping import format_key

    found = [format_key(key) for key in report.values]
    line(console, f"values in masks: {_first(found, 40)}")


def _print_finding(console: Console, title: str, finding: Finding, root: str) -> None:
    """A line with what was found, and the first of the files, named from the data's folder on."""
    inside = str(Path(root)) + os.sep
    files = [name.removeprefix(inside) for name in finding.files]
    style = "yellow" if title == "note" else "red"
    line(console, f"{title}: {finding.text}" + (f": {_first(files)}" if files else ""), style)


def _first(texts: Iterable[str], limit: int = SHOWN) -> str:
    """The first few, separated by commas."""
    every = list(texts)
    more = f" ... ({len(every)} in all)" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more
