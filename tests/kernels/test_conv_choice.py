"""Random convolutions for each choice that the cpu backend makes by itself: each against direct sums.

The pass (forward, adjoint, weight gradient), the algorithm and its way through the stages come first. Then a test
draws windows and sizes, and then the number of channels with which the automatic choice falls there. The functions
that run are recorded, and a convolution that went another way fails the test: no choice goes untested without notice.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from guarded import agree, pixels, values
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from tinyseg_kernels.cpu.conv import algorithm, depthwise
from tinyseg_kernels.cpu.conv.winograd import forward, weight_gradient
from tinyseg_kernels.cpu.conv.winograd.tiles import round_up
from tinyseg_kernels.cpu.runtime import processor

conv2d = importlib.import_module("tinyseg_kernels.cpu.conv2d")  # the package has a kernel of this name
Pair = tuple[int, int]
PASSES = ("conv2d", "conv_transpose2d", "conv2d_weight_gradient")

# For each way the function that only it calls, forward and in the adjoint, and in the weight gradient.
WAYS: dict[str, tuple[tuple[Any, str], tuple[Any, str]]] = {
    "direct": ((conv2d, "convolve"), (conv2d, "weight_gradient")),
    "depthwise": ((depthwise, "_sum_of_taps"), (depthwise, "weight_gradient")),
    "winograd, block by block": ((forward, "_block_by_block"), (weight_gradient, "_block_by_block")),
    "winograd, stage by stage": ((forward, "_stage_by_stage"), (weight_gradient, "_stage_by_stage")),
}


@dataclass(frozen=True)
class Convolution:
    """From x (N,C,H,W) to y (N,O,H',W')."""

    x: tuple[int, ...]
    y: tuple[int, ...]
    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int = 1

    @property
    def window(self) -> tuple[Any, ...]:
        return self.stride, self.padding, self.dilation, self.groups


def pairs(low: int, high: int) -> st.SearchStrategy[Pair]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


def chosen(name: str, case: Convolution, dtype: str, memo: bool) -> str:
    """The way that the backend's own estimates lead to."""
    itemsize = 4 if dtype == "float32" else 8
    source, out = (case.y, case.x) if name == "conv_transpose2d" else (case.x, case.y)
    padding = case.padding
    if name == "conv_transpose2d":
        padding = (2 * case.dilation[0] - padding[0], 2 * case.dilation[1] - padding[1])
    kernel = (case.y[1], case.x[1], *case.kernel)
    shape = algorithm.shape_of(source, out, kernel, case.stride, padding, case.dilation, itemsize)
    wide = processor.lanes(itemsize)
    if name == "conv2d_weight_gradient":
        if not algorithm.gradient_uses_winograd(shape):
            return "direct"
        rooms = round_up(source[1], max(wide, 8)) * round_up(out[1], wide)
        few = 36 * rooms * itemsize <= weight_gradient._SMALL_BYTES
    else:
        if not algorithm.uses_winograd(shape, memo):
            return "direct"
        few = 36 * round_up(source[1], wide) * out[1] * itemsize <= forward._SMALL_BYTES
    return f"winograd, {'block by block' if few else 'stage by stage'}"


@st.composite
def winograds(draw: Any, name: str, way: str, dtype: str, memo: bool) -> Convolution:
    """3x3, stride 1: tiles of grids that may be smaller than others, channels until the choice is ``way``."""
    lanes = processor.lanes(4 if dtype == "float32" else 8)
    dilation = draw(pairs(1, 4).filter(lambda d: d != (1, 1)) if draw(st.booleans()) else pairs(1, 4))
    # Cut up to d rows and columns from whole tiles, or cut enough that the last tile of the smaller grids is empty.
    tiles = draw(pairs(1, 2))
    missing = [
        draw(st.integers(0, d) | st.integers(3 * d + (d > 1), 4 * d - 1) if t > 1 else st.integers(0, d))
        for t, d in zip(tiles, dilation, strict=True)
    ]
    out = tuple(4 * t * d - m for t, d, m in zip(tiles, dilation, missing, strict=True))
    padding = tuple(draw(st.integers(0, 2 * d)) for d in dilation)
    sign = -1 if name == "conv_transpose2d" else 1
    source = tuple(n + sign * 2 * (d - p) for n, d, p in zip(out, dilation, padding, strict=True))
    assume(min(source) > 0)
    images = draw(st.integers(1, 2))
    rest = draw(pairs(0, lanes))
    most = 200 if "stage" in way else 6 * lanes
    for channels in range(lanes // 2, most, lanes // 2):
        sides = [(images, channels + r, *size) for r, size in zip(rest, (source, out), strict=True)]
        x, y = sides if sign == 1 else sides[::-1]
        case = Convolution(x, y, (3, 3), (1, 1), padding, dilation)
        if chosen(name, case, dtype, memo) == way:
            return case
    return reject()


@st.composite
def others(draw: Any, way: str) -> Convolution:
    """Any window; 3x3 with stride 1 where channels are too few for Winograd, or one a group."""
    lanes = processor.lanes(4)
    kernel, stride, dilation = draw(st.just((3, 3)) | pairs(1, 4)), draw(pairs(1, 3)), draw(pairs(1, 4))
    size, padding = draw(pairs(1, 20)), draw(pairs(0, 5))
    out = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(size, padding, dilation, kernel, stride, strict=True)
    )
    assume(min(out) > 0)
    plain = kernel == (3, 3) and stride == (1, 1)
    channels = draw(pairs(1, max(1, lanes // 4 - 1) if plain else 2 * lanes + 2))
    inputs, outputs, groups = *channels, 1
    if way == "depthwise":
        inputs = outputs = groups = channels[0] + 1
    return Convolution((1, inputs, *size), (1, outputs, *out), kernel, stride, padding, dilation, groups)


@contextmanager
def recorded() -> Iterator[list[str]]:
    """The ways that were taken."""
    taken: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for way, places in WAYS.items():
            for module, name in places:
                function = getattr(module, name)

                def spied(*arguments: Any, way: str = way, function: Any = function, **others: Any) -> Any:
                    taken.append(way)
                    return function(*arguments, **others)

                patch.setattr(module, name, spied)
        yield taken


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PASSES)
@settings(max_examples=15)
@given(data=st.data())
def test_a_choice_agrees_with_direct_sums(name: str, way: str, data: Any) -> None:
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    memo = name != "conv2d_weight_gradient" and data.draw(st.booleans())
    if way.startswith("winograd"):
        case = data.draw(winograds(name, way, dtype, memo))
    else:
        case = data.draw(others(way))
    x, y = pixels(*case.x), pixels(*case.y, seed=1)
    weight = values(case.y[1], case.x[1] // case.groups, *case.kernel, seed=2)
    with recorded() as taken:
        if name == "conv2d":
            bias = values(case.y[1], seed=3)
            agree(name, [x, weight, bias], [y], *case.window, True, dict if memo else None, dtypes=[dtype])
        elif name == "conv_transpose2d":
            agree(name, [y, weight, None], [x], *case.window, False, dict if memo else None, dtypes=[dtype])
        else:
            agree(name, [x, y], [weight], *case.window, dtypes=[dtype], scale=3)
    assert set(taken) == {way}
