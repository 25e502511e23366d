"""Sizes and receptive fields against counting."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinyseg
from tinyseg.geometry import Field, Grid, convolution_size, padding_to_multiple, pooled_size, transposed_size
from tinyseg.nn import functional as F

small = st.integers(1, 6)


def _windows(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many windows lie within the padded pixels."""
    first, count = -padding, 0
    while first + (kernel - 1) * dilation <= size + padding - 1:
        first, count = first + stride, count + 1
    return count


@given(st.integers(0, 30), small, small, st.integers(0, 5), small)
def test_convolution_size_counts_windows(size: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    assert convolution_size(size, kernel, stride, padding, dilation) == _windows(
        size, kernel, stride, padding, dilation
    )


@given(st.integers(1, 20), small, small, st.integers(0, 3), small)
def test_pooled_size_counts_windows(size: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    """Rounded up, windows go on until the last padded pixel is in one, but none starts behind the image."""
    assume(2 * padding <= kernel)
    reach, first, count = (kernel - 1) * dilation + 1, -padding, 0
    while first < size and first - stride + reach < size + padding:
        first, count = first + stride, count + 1
    assert pooled_size(size, kernel, stride, padding, dilation, ceil_mode=True) == count
    whole = convolution_size(size, kernel, stride, padding, dilation)
    assert pooled_size(size, kernel, stride, padding, dilation) == whole


@given(small, small, small, st.integers(0, 3), st.integers(0, 5), small)
def test_transposed_size_is_the_extent_of_the_copies(
    size: int, kernel: int, stride: int, padding: int, extra: int, dilation: int
) -> None:
    """From the first pixel of the first copy of the kernel to the last of the last."""
    touched = [i * stride + r * dilation for i in range(size) for r in range(kernel)]
    wanted = max(touched) + 1 + extra - 2 * padding
    assert transposed_size(size, kernel, stride, padding, extra, dilation) == wanted


@given(small, small, small, st.integers(0, 3), small)
def test_a_convolution_leads_back(size: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    """All sizes that a convolution turns into ``size`` are the transposed size and the stride - 1 next ones."""
    least = transposed_size(size, kernel, stride, padding, 0, dilation)
    assume(least > 0)
    sizes = range(max(1, least - 2 * stride), least + 3 * stride)
    sources = [s for s in sizes if convolution_size(s, kernel, stride, padding, dilation) == size]
    assert sources == list(range(least, least + stride))


@pytest.mark.parametrize(
    ("size", "window", "result"),
    [
        (227, {"kernel": 11, "stride": 4}, 55),  # AlexNet: 227, 55, 27, 13
        (55, {"kernel": 3, "stride": 2}, 27),
        (27, {"kernel": 3, "stride": 2}, 13),
        (9, {"kernel": 3}, 7),
        (2, {"kernel": 3}, 0),
        (8, {"kernel": 3, "padding": 4, "dilation": 4}, 8),
    ],
)
def test_convolution_sizes_of_the_lectures(size: int, window: dict[str, int], result: int) -> None:
    assert convolution_size(size, **window) == result


@given(st.integers(0, 1000), st.integers(1, 64))
def test_padding_to_multiple(size: int, multiple: int) -> None:
    wanted = next(extra for extra in range(multiple) if (size + extra) % multiple == 0)
    assert padding_to_multiple(size, multiple) == wanted


@given(st.lists(st.tuples(small, st.integers(1, 3), st.integers(1, 3)), max_size=5))
def test_field_of_a_stack_of_windows(layers: list[tuple[int, int, int]]) -> None:
    """Follow the indices of two neighbouring units back to the input."""

    def sees(unit: int) -> tuple[int, int]:
        low = high = unit
        for kernel, stride, dilation in reversed(layers):
            low, high = low * stride, high * stride + (kernel - 1) * dilation
        return low, high

    field = Field()
    for kernel, stride, dilation in layers:
        field = field.through(kernel, stride, dilation)
    (low, high), (after, _) = sees(0), sees(1)
    assert (field.size, field.stride) == (high - low + 1, after - low)


def test_field_of_vgg16() -> None:
    """FCN's backbone: 13 convolutions, 5 poolings, fc6 as a 7x7 convolution."""
    field, after_pool = Field(), []
    for convolutions in (2, 2, 3, 3, 3):
        for _ in range(convolutions):
            field = field.through(3)
        field = field.through(2, stride=2)
        after_pool.append((field.size, field.stride))
    assert after_pool == [(6, 2), (16, 4), (44, 8), (100, 16), (212, 32)]
    field = field.through(7)
    assert (field.size, field.stride) == (404, 32)


def test_field_of_dilated_convolutions_doubles() -> None:
    """3x3 with dilation 1, 2, 4, ...: (2^(i + 2) - 1) (Yu and Koltun 2016, section 2)."""
    field = Field()
    for i in range(6):
        field = field.through(3, dilation=2**i)
        assert (field.size, field.stride) == (2 ** (i + 2) - 1, 1)


def _spans(output: tinyseg.Tensor, image: tinyseg.Tensor) -> list[tuple[int, int] | None]:
    """For each unit along the width of ``output`` the first and last pixel where its gradient is not 0."""
    found: list[tuple[int, int] | None] = []
    for unit in range(output.shape[3]):
        image.grad = None
        output[0, 0, 0, unit].backward(retain_graph=True)
        places = np.flatnonzero(image.grad.numpy()) if image.grad is not None else np.array([])
        found.append((int(places[0]), int(places[-1])) if places.size else None)
    return found


def _assert_depends(output: tinyseg.Tensor, image: tinyseg.Tensor, field: Field) -> None:
    """``field`` is what the units of ``output`` depend on; those at the borders may miss their outermost pixels."""
    compared = 0
    for unit, span in enumerate(_spans(output, image)):
        wanted = field.at(unit)
        if wanted is None or (wanted[0] >= 0 and wanted[1] < image.shape[3]):
            assert span == wanted, unit
            compared += 1
    assert compared


def _ones(kernel: int) -> tinyseg.Tensor:
    return tinyseg.ones(1, 1, 1, kernel)


@given(small, st.integers(1, 4), small, st.integers(0, 2))
def test_field_of_a_transposed_window(kernel: int, stride: int, dilation: int, padding: int) -> None:
    image = tinyseg.ones(1, 1, 1, 40, requires_grad=True)
    padding = min(padding, dilation * (kernel - 1) // 2)
    y = F.conv_transpose2d(image, _ones(kernel), stride=(1, stride), padding=(0, padding), dilation=(1, dilation))
    field = Field().through_transposed(kernel, stride, dilation, padding)
    assert field.stride == 1 / stride
    _assert_depends(y, image, field)


def test_fields_of_a_network_are_what_its_gradients_are() -> None:
    """Windows, strides, a skip, a crop and both kinds of resizing, unit by unit. Weights are positive: no
    gradients cancel. The border is excluded by an image much larger than any field."""
    image = tinyseg.ones(1, 1, 1, 96, requires_grad=True)
    deep = F.conv2d(image, _ones(5), stride=(1, 2), padding=(0, 2))
    deeper = F.conv2d(deep, _ones(3), stride=(1, 3), padding=(0, 1))
    up = F.conv_transpose2d(deeper, _ones(5), stride=(1, 3), padding=(0, 1))
    joined = up + deep
    large = F.interpolate(joined, size=(1, 72), mode="bilinear", align_corners=False)
    result = F.interpolate(large[:, :, :, 5:70:2], size=(1, 66))

    one = Field().through(5, 2, padding=2)
    two = one.through(3, 3, padding=1).through_transposed(5, 3, padding=1).joined(one)
    three = two.bilinear(Fraction(48, 72)).through(1, 2, padding=-5)
    last = three.nearest(Fraction(1, 2))
    for output, field in ((deep, one), (joined, two), (result, last)):
        spans = _spans(output, image)
        inner = range(len(spans) // 3, 2 * len(spans) // 3)
        assert [spans[unit] for unit in inner] == [field.at(unit) for unit in inner]
    assert len({high - low for low, high in filter(None, two.spans)}) > 1  # units differ, as phases do
    assert (last.stride, last.size) == (4 / 3, max(b - a + 1 for a, b in filter(None, last.spans)))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("source", "target"), [(9, 17), (12, 24), (24, 8), (10, 15)])
def test_field_of_bilinear_resizing(source: int, target: int, align_corners: bool) -> None:
    image = tinyseg.ones(1, 1, 1, source, requires_grad=True, dtype=tinyseg.float64)
    y = F.interpolate(image, size=(1, target), mode="bilinear", align_corners=align_corners)
    step = Fraction(source - 1, target - 1) if align_corners else Fraction(source, target)
    field = Field().bilinear(step, align_corners)
    spans = _spans(y, image)
    inner = range(2, target - 2)
    assert [spans[unit] for unit in inner] == [field.at(unit) for unit in inner]


def test_where_strides_differ_the_wider_counts() -> None:
    whole = Field().widened(10)
    joined = Field().through(3, stride=2).joined(whole)
    assert (joined.size, joined.stride) == (10, 2)
    assert Field().through(13, stride=2).joined(whole).size == 13


# Grids

window = st.tuples(small, small, small, st.integers(0, 5))


@given(st.lists(window, min_size=1, max_size=4), st.integers(-3, 3))
def test_a_unit_stands_in_the_middle_of_what_it_sees(windows: list[tuple[int, int, int, int]], unit: int) -> None:
    grid, field = Grid(), Field()
    for kernel, stride, dilation, padding in windows:
        grid = grid.through(kernel, stride, dilation, padding)
        field = field.through(kernel, stride, dilation, padding)
    first, last = field.at(unit) or (0, 0)
    assert grid.start + unit * grid.stride == Fraction(first + last, 2)


@given(window)
def test_back_through_a_window_is_where_it_began(given_window: tuple[int, int, int, int]) -> None:
    kernel, stride, _, padding = given_window
    grid = Grid(Fraction(7, 2), Fraction(3))
    assert grid.through(kernel, stride, 1, padding).through_transposed(kernel, stride, padding) == grid


def test_offsets_of_grids() -> None:
    coarse = Grid(Fraction(-23, 2), Fraction(16))
    assert coarse.offset(Grid(Fraction(-183, 2), Fraction(16))) == -5  # FCN-16s crops pool4 by 5
    assert Grid(Fraction(-3, 2)).offset(Grid()) == 1
    with pytest.raises(ValueError, match="16 and 1 pixels apart never fit"):
        coarse.offset(Grid())
