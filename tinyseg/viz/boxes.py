"""A graph as a picture: boxes with text, and arrows between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..files import PathLike
from .figures import new_figure, save, text_width
from .layout import Arrow, Layout, Point, layered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDEST = 14.0
"""A graph of so many inches is drawn from left to right, a longer one from top to bottom."""
FONT = 9.0
LINE, PADDING = 0.17, 0.1
GAP, BETWEEN = 0.25, 0.42
MARGIN = 0.12
"""Inches: of a line of text, of what is around it, between boxes, between layers, around the whole."""

STYLES = {
    "operator": ("#ececec", "round,pad=0,rounding_size=0.13"),
    "leaf": ("#cfe5f5", "square,pad=0"),
    "result": ("#ffffff", "square,pad=0"),
}
"""The fill and outline of each kind of box."""
INK, LINE_INK = "#202020", "#606060"


@dataclass(frozen=True)
class Box:
    """A text of one or several lines, and its kind: ``operator`` (round), ``leaf`` (blue) or ``result`` (white)."""

    text: str
    kind: str

    @cached_property
    def size(self) -> Point:
        """Width and height in inches."""
        lines = self.text.count("\n") + 1
        return text_width(self.text, FONT) + 2 * PADDING + 0.05, lines * LINE + 2 * PADDING - 0.04


def save_boxes(path: PathLike, boxes: Sequence[Box], arrows: Sequence[Arrow]) -> None:
    """Lay out boxes and the ``arrows`` (from, to) between their numbers, and draw them.

    Raises ``ValueError`` if there are no boxes.
    """
    if not boxes:
        raise ValueError("save_boxes: no boxes to draw")
    # The layout knows of across and along: (y, x) when the graph runs from left to right.
    down = False
    sizes = [_turned(box.size, down) for box in boxes]
    layout = layered(sizes, arrows, GAP, BETWEEN)
    if max(along + size[1] / 2 for (_, along), size in zip(layout.places, sizes, strict=True)) > WIDEST:
        down = True
        sizes = [_turned(box.size, down) for box in boxes]
        layout = layered(sizes, arrows, GAP, BETWEEN)
    ways = _ways(sizes, arrows, layout)
    corners = [(a + w / 2, b + h / 2) for (a, b), (w, h) in zip(layout.places, sizes, strict=True)]
    points = corners + [point for way in ways for point in way]
    low = [min([0.0, *(point[side] for point in points)]) - MARGIN for side in (0, 1)]
    high = [max(point[side] for point in points) + MARGIN for side in (0, 1)]
    (left, top), (right, bottom) = _turned((low[0], low[1]), down), _turned((high[0], high[1]), down)
    figure = new_figure(right - left, bottom - top)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    for way in ways:
        _draw_arrow(axes, way, down)
    for box, place in zip(boxes, layout.places, strict=True):
        _draw_box(axes, box, _turned(place, down))
    save(figure, path)


def _turned(point: Point, down: bool) -> Point:
    """(across, along) as (x, y), or the other way."""
    return point if down else (point[1], point[0])


def _ways(sizes: Sequence[Point], arrows: Sequence[Arrow], layout: Layout) -> list[list[Point]]:
    """The points of each arrow: at its first box's far edge, those it passes, and at its second box's near edge.

    The ends at one edge are spread, in the order in which the arrows come, so that two arrows can be told apart.
    """
    ways = [
        [layout.places[start], *passes, layout.places[end]]
        for (start, end), passes in zip(arrows, layout.passes, strict=True)
    ]
    for side, beside, far in ((0, 1, 1), (-1, -2, -1)):
        ends: dict[int, list[int]] = {}
        for number, arrow in enumerate(arrows):
            ends.setdefault(arrow[side], []).append(number)
        for box, numbers in ends.items():
            across, along = layout.places[box]
            numbers.sort(key=lambda number: ways[number][beside][0])
            for place, number in enumerate(numbers):
                spread = 0.6 * sizes[box][0] * ((place + 0.5) / len(numbers) - 0.5)
                ways[number][side] = (across + spread, along + far * sizes[box][1] / 2)
    return ways


def _draw_arrow(axes: "Axes", way: Sequence[Point], down: bool) -> None:
    """A smooth line that leaves and meets each of its points straight along."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    points, codes = [way[0]], [Path.MOVETO]
    for (a, b), (c, d) in pairwise(way):
        points += [(a, (b + d) / 2), (c, (b + d) / 2), (c, d)]
        codes += [Path.CURVE4] * 3
    path = Path([_turned(point, down) for point in points], codes)
    axes.add_patch(
        FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=9, color=LINE_INK, linewidth=1, fill=True)
    )


def _draw_box(axes: "Axes", box: Box, middle: Point) -> None:
    from matplotlib.patches import FancyBboxPatch

    fill, style = STYLES[box.kind]
    width, height = box.size
    corner = (middle[0] - width / 2, middle[1] - height / 2)
    axes.add_patch(FancyBboxPatch(corner, width, height, style, facecolor=fill, edgecolor=INK, linewidth=0.9))
    look: dict[str, Any] = {"fontsize": FONT, "color": INK, "linespacing": 72 * LINE / FONT / 1.2}
    axes.text(*middle, box.text, ha="center", va="center", **look)
