"""Sizes and receptive fields against counting."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinyseg.geometry import Field, convolution_size, padding_to_multiple, transposed_size

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


@given(small, st.integers(1, 4), small)
def test_field_of_a_transposed_window(kernel: int, stride: int, dilation: int) -> None:
    """Of all units, the one that meets the units farthest apart; with dilation the bound need not be reached."""
    spans = []
    for unit in range(10 * stride * dilation, 11 * stride * dilation):
        met = [(unit - r * dilation) // stride for r in range(kernel) if (unit - r * dilation) % stride == 0]
        spans.append(max(met) - min(met) + 1 if met else 0)
    field = Field(1, 1).through_transposed(kernel, stride, dilation)
    assert field.stride == 1 / stride
    assert field.size >= max(spans)
    if dilation == 1:
        assert field.size == max(spans)


def test_field_of_vgg16() -> None:
    """FCN's backbone: 13 convolutions, 5 poolings, fc6 as a 7x7 convolution."""
    field, after_pool = Field(), []
    for convolutions in (2, 2, 3, 3, 3):
        for _ in range(convolutions):
            field = field.through(3)
        field = field.through(2, stride=2)
        after_pool.append((field.size, field.stride))
    assert after_pool == [(6, 2), (16, 4), (44, 8), (100, 16), (212, 32)]
    assert field.through(7) == Field(404, 32)


def test_field_of_dilated_convolutions_doubles() -> None:
    """3x3 with dilation 1, 2, 4, ...: (2^(i + 2) - 1) (Yu and Koltun 2016, section 2)."""
    field = Field()
    for i in range(6):
        field = field.through(3, dilation=2**i)
        assert field == Field(2 ** (i + 2) - 1, 1)


def test_where_two_fields_meet_the_wider_counts() -> None:
    assert Field(10, 2).joined(Field(7, 2)) == Field(7, 2).joined(Field(10, 2)) == Field(10, 2)
