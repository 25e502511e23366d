"""Curves as a part of an HTML page: SVG in the page's own colours and letters, legible in light and in dark.

The page sets the CSS variables ``--rule`` (the grid) and ``--series-0``, ``--series-1`` ... (lines); text has its
``currentColor``. matplotlib knows no such colours: it is given placeholders, which are replaced in what it writes.
"""

import re
from collections.abc import Mapping
from html import escape
from io import StringIO
from typing import Any

from .figures import as_column, new_figure
from .lines import DASHES, FEW

SERIES = 7
"""So many lines have colours of their own."""

WIDTH, HEIGHT = 4.2, 2.9
"""Inches of 72 units."""

_TEXT, _RULE = "#010101", "#020202"


def inline_lines(
    lines: Mapping[str, tuple[Any, Any]],
    xlabel: str,
    ylabel: str,
    title: str,
    *,
    low: float | None = None,
    high: float | None = None,
) -> str:
    """Curves as an ``<svg>`` element; ``line_key(n)`` is the legend of the n-th.

    Args:
        lines: name -> ``(x, y)``, two sequences of one length; None or NaN in ``y`` leaves a gap.
        xlabel, ylabel: what the axes show; whole numbers of x have no ticks between them.
        title: what is seen; it is above the curves, and read aloud in their place.
        low, high: the range of ``y``; where the lines end if None.

    Raises ``ValueError`` for no lines.

    >>> inline_lines({"a": ([1, 2], [0.5, None])}, "epoch", "mean IU", "a & b")[:67]
    '<svg role="img" aria-label="a &amp; b: a" viewBox="0 0 302.4 208.8"'
    """
    if not lines:
        raise ValueError("inline_lines: no lines to draw")
    from matplotlib import rc_context
    from matplotlib.ticker import MaxNLocator

    columns = [(as_column(x), as_column(y)) for x, y in lines.values()]
    whole = all((x == x.round()).all() for x, _ in columns)
    figure = new_figure(WIDTH, HEIGHT)
    axes = figure.subplots()
    for number, (x, y) in enumerate(columns):
        axes.plot(
            x,
            y,
            color=_placeholder(number),
            linestyle=DASHES[number % len(DASHES)],
            linewidth=1.8,
            marker="o" if len(x) <= FEW else None,
            markersize=3,
        )
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=whole, min_n_ticks=1))
    axes.set_title(title, fontsize=10, color=_TEXT)
    axes.set_xlabel(xlabel, color=_TEXT)
    axes.set_ylabel(ylabel, color=_TEXT)
    axes.tick_params(color=_RULE, labelcolor=_TEXT)
    axes.grid(color=_RULE, linewidth=0.6)
    axes.spines[:].set_color(_RULE)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(left=None if whole else 0)
    axes.set_ylim(low, high)
    for patch in (figure.patch, axes.patch):
        patch.set_visible(False)
    buffer = StringIO()
    # Text stays text, in the page's letters; names of parts are the same each time.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "tinyseg"}):
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _as_element(buffer.getvalue(), f"{title}: {', '.join(lines)}", re.sub(r"\W+", "-", title))


def line_key(number: int) -> str:
    """A short piece of the n-th line of ``inline_lines``, as an ``<svg>`` element of the class ``key``."""
    dashes = ("none", "7 3", "7 2 2 2", "2 3")[number % len(DASHES)]
    return (
        '<svg class="key" viewBox="0 0 28 8" width="28" height="8" aria-hidden="true"><line x2="28" y1="4" y2="4" '
        f'style="stroke: {_color(number)}; stroke-width: 2.5; stroke-dasharray: {dashes}"/></svg>'
    )


def _placeholder(number: int) -> str:
    return f"#0300{number % SERIES:02x}"


def _color(number: int) -> str:
    return f"var(--series-{number % SERIES})"


def _as_element(text: str, label: str, prefix: str) -> str:
    """A file of SVG as an element of a page: in its colours, as large as there is room, with names of its own."""
    colors = {_TEXT: "currentColor", _RULE: "var(--rule)"} | {_placeholder(n): _color(n) for n in range(SERIES)}
    for placeholder, color in colors.items():
        text = text.replace(placeholder, color)
    body = re.sub(
        r"<metadata>.*?</metadata>|<!--.*?-->", "", text[text.index(">", text.index("<svg")) + 1 :], flags=re.S
    )
    used = set(re.findall(r'(?:href="|url\()#([\w-]+)', body))
    body = re.sub(r' id="([\w.-]+)"', lambda found: f' id="{prefix}-{found[1]}"' if found[1] in used else "", body)
    body = re.sub(r'(href="|url\()#', rf"\1#{prefix}-", body)
    body = re.sub(r">\s+<", "><", body.strip())
    return (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {72 * WIDTH:g} {72 * HEIGHT:g}" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )
