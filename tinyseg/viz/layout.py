"""Where the boxes of a graph go: in layers, so that all arrows point one way and few of them cross.

Four steps (Sugiyama, Tagawa and Toda 1981): each box gets a layer; an arrow over several layers gets a point in each
of those between, where it will pass; boxes are ordered within their layers; and then they get their places.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SWEEPS = 12
"""Times that the layers are gone through; more changes nothing in graphs of some tens of boxes."""

Arrow = tuple[int, int]
Point = tuple[float, float]


class Layout(NamedTuple):
    """The middle of each box, and for each arrow the points that it passes between its boxes: where it enters a layer
    and where it leaves it.

    A point is (across, along): arrows go along, in the direction of larger values.
    """

    places: list[Point]
    passes: list[list[Point]]


def layered(sizes: Sequence[Point], arrows: Sequence[Arrow], gap: float, between: float) -> Layout:
    """Lay out boxes of these ``sizes`` (across, along), joined by ``arrows`` (from, to), which form no circle.

    ``gap``: between boxes of a layer; ``between``: between layers. A box stands in the layer before the first box
    that it leads to.

    >>> layered([(1, 1), (1, 1), (1, 1)], [(0, 2), (1, 2)], gap=1, between=0.5).places
    [(0.5, 0.5), (2.5, 0.5), (1.5, 2.0)]
    """
    layer = layers(len(sizes), arrows)
    chains, passed = _chains(arrows, layer)
    layer = layer + passed
    links = [link for chain in chains for link in pairwise(chain)]
    across = [size[0] for size in sizes] + [0.0] * len(passed)
    order = _ordered(layer, links)
    middles = _placed(order, links, across, gap, is_pass=[False] * len(sizes) + [True] * len(passed)).tolist()
    spans = _spans(order, [size[1] for size in sizes] + [0.0] * len(passed), between)
    places = [(middles[box], sum(spans[layer[box]]) / 2) for box in range(len(sizes))]
    passes = [[(middles[step], edge) for step in chain[1:-1] for edge in spans[layer[step]]] for chain in chains]
    return Layout(places, passes)


def layers(count: int, arrows: Sequence[Arrow]) -> list[int]:
    """The layer of each box, from 0: the last one that is before all that it leads to."""
    followers: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    before: list[list[int]] = [[] for _ in range(count)]
    for start, end in arrows:
        followers[start].append(end)
        before[end].append(start)
        waiting[start] += 1
    height = [0] * count
    ready = [box for box in range(count) if not waiting[box]]
    while ready:
        box = ready.pop()
        height[box] = max((height[end] + 1 for end in followers[box]), default=0)
        for start in before[box]:
            waiting[start] -= 1
            if not waiting[start]:
                ready.append(start)
    highest = max(height, default=0)
    return [highest - value for value in height]


def _chains(arrows: Sequence[Arrow], layer: Sequence[int]) -> tuple[list[list[int]], list[int]]:
    """Each arrow as a chain of boxes and of passes, which are numbered after the boxes; and each pass's layer."""
    chains: list[list[int]] = []
    passed: list[int] = []
    for start, end in arrows:
        between = range(layer[start] + 1, layer[end])
        first = len(layer) + len(passed)
        chains.append([start, *range(first, first + len(between)), end])
        passed += between
    return chains, passed


def _neighbours(count: int, links: Sequence[Arrow]) -> tuple[list[list[int]], list[list[int]]]:
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for start, end in links:
        after[start].append(end)
        before[end].append(start)
    return before, after


def _ordered(layer: Sequence[int], links: Sequence[Arrow]) -> list[list[int]]:
    """The boxes and passes of each layer in an order with few crossings: each goes to its neighbours' mean place."""
    order: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for box in _depth_first(len(layer), links):
        order[layer[box]].append(box)
    before, after = _neighbours(len(layer), links)
    best, fewest = [list(row) for row in order], _crossings(order, links, layer)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        rows, others = (order[1:], before) if down else (order[-2::-1], after)
        for row in rows:
            place = {box: number for boxes in order for number, box in enumerate(boxes)}
            goal = {box: _mean([place[other] for other in others[box]], place[box]) for box in row}
            row.sort(key=goal.__getitem__)
        crossings = _crossings(order, links, layer)
        if crossings < fewest:
            best, fewest = [list(row) for row in order], crossings
    return best


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _depth_first(count: int, links: Sequence[Arrow]) -> list[int]:
    """All boxes, from the last ones back, each followed by what leads to it: relatives begin side by side."""
    before, after = _neighbours(count, links)
    stack = [box for box in range(count) if not after[box]][::-1]
    seen: dict[int, None] = {}
    while stack:
        box = stack.pop()
        if box not in seen:
            seen[box] = None
            stack += reversed(before[box])
    return list(seen)


def _crossings(order: Sequence[Sequence[int]], links: Sequence[Arrow], layer: Sequence[int]) -> int:
    """Pairs of links between two layers that cross."""
    place = {box: number for row in order for number, box in enumerate(row)}
    total = 0
    for number in range(len(order) - 1):
        ends = np.array([(place[a], place[b]) for a, b in links if layer[a] == number], dtype=int).reshape(-1, 2)
        starts, stops = ends[:, 0], ends[:, 1]
        total += int(((starts[:, None] < starts) & (stops[:, None] > stops)).sum())
    return total


def _placed(
    order: Sequence[Sequence[int]],
    links: Sequence[Arrow],
    across: Sequence[float],
    gap: float,
    is_pass: Sequence[bool],
) -> NDArray[np.float64]:
    """The middle of each box and pass, across: near its neighbours, in order, and without overlap."""
    before, after = _neighbours(len(across), links)
    # An arrow that passes many layers is to be straight, and so is a chain of boxes; what hangs on one arrow alone,
    # as a parameter does, goes beside them.
    weights = [
        8.0 if p else 0.05 if len(a) + len(b) == 1 else 1.0 for p, a, b in zip(is_pass, before, after, strict=True)
    ]
    middles = np.zeros(len(across))
    steps = []
    for row in order:
        # From each middle to the next, half of both boxes and the gap, which may be narrower beside a passing arrow.
        room = [
            (across[one] + across[other]) / 2 + gap * (0.6 if is_pass[one] or is_pass[other] else 1)
            for one, other in pairwise(row)
        ]
        steps.append(np.cumsum([0.0, *room]))
        middles[list(row)] = steps[-1] - steps[-1].mean()
    rows = list(zip(order, steps, strict=True))
    both = [a + b for a, b in zip(before, after, strict=True)]
    for sweep in range(2 * SWEEPS):
        # There and back along the layers, each following the one before; at last each between its two neighbours.
        sides = both if sweep >= SWEEPS else before if sweep % 2 == 0 else after
        for row, step in rows if sweep % 2 == 0 else rows[::-1]:
            goals = [_weighted(sides[box], middles, weights, middles[box]) for box in row]
            middles[list(row)] = _nearest_in_order(goals - step, np.array([weights[box] for box in row])) + step
    left = min((middles[box] - across[box] / 2 for row in order for box in row), default=0.0)
    return middles - left


def _weighted(
    boxes: Sequence[int], middles: NDArray[np.float64], weights: Sequence[float], otherwise: float
) -> float:
    """The mean of the boxes' middles, by weight."""
    total = sum(weights[box] for box in boxes)
    return sum(weights[box] * middles[box] for box in boxes) / total if boxes else otherwise


def _nearest_in_order(goals: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The numbers that never fall and have the least sum of weights * (number - goal)^2: neighbours that are in the
    wrong order share their mean (isotonic regression).

    >>> _nearest_in_order(np.array([1.0, 3.0, 2.0]), np.ones(3)).tolist()
    [1.0, 2.5, 2.5]
    """
    blocks: list[list[float]] = []  # mean, weight, how many
    for goal, weight in zip(goals.tolist(), weights.tolist(), strict=True):
        blocks.append([goal, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, heavy, many = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + mean * heavy) / (last[1] + heavy)
            last[1] += heavy
            last[2] += many
    return np.concatenate([np.full(int(many), mean) for mean, _, many in blocks])


def _spans(order: Sequence[Sequence[int]], sizes: Sequence[float], between: float) -> list[Point]:
    """Where each layer begins and ends: they are as thick as their thickest box."""
    spans, edge = [], 0.0
    for row in order:
        thick = max((sizes[box] for box in row), default=0.0)
        spans.append((edge, edge + thick))
        edge += thick + between
    return spans
