"""Initial weights: their spread, their patterns, and that a seed repeats them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import Generator, Tensor
from tinyseg.nn import functional as F
from tinyseg.nn import init

SHAPE = (48, 32, 3, 3)  # 288 inputs to each output, 432 outputs of each input


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 32 * 9), ("fan_out", 48 * 9)])
def test_kaiming(mode: str, fan: int) -> None:
    values = init.kaiming_normal_(tinyseg.zeros(SHAPE), mode).numpy()
    assert values.mean() == pytest.approx(0, abs=4 * math.sqrt(2 / fan / values.size))
    assert values.std() == pytest.approx(math.sqrt(2 / fan), rel=0.02)
    uniform = init.kaiming_uniform_(tinyseg.zeros(SHAPE), mode).numpy()
    bound = math.sqrt(6 / fan)
    assert np.abs(uniform).max() <= bound
    assert np.abs(uniform).max() > 0.99 * bound
    assert uniform.std() == pytest.approx(math.sqrt(2 / fan), rel=0.02)


def test_kaiming_keeps_the_variance_through_relu() -> None:
    """He et al. 2015, equation 10: the mean square of what comes out of a layer is that of what went in."""
    x = tinyseg.randn(64, 200)
    for _ in range(6):
        x = F.linear(x, init.kaiming_normal_(tinyseg.zeros(200, 200))).relu()
    assert float((x * x).mean()) == pytest.approx(1, rel=0.35)


def test_simple_ones() -> None:
    w = tinyseg.rand(3, 4)
    assert init.ones_(w).numpy().sum() == 12
    assert not init.zeros_(w).numpy().any()
    assert (init.constant_(w, -2.5).numpy() == -2.5).all()
    uniform = init.uniform_(tinyseg.zeros(1000), -3.0, -1.0).numpy()
    assert -3 <= uniform.min() < -2.9
    assert -1.1 < uniform.max() < -1
    normal = init.normal_(tinyseg.zeros(4000), 5.0, 0.1).numpy()
    assert (normal.mean(), normal.std()) == (pytest.approx(5, abs=0.01), pytest.approx(0.1, rel=0.05))


DRAWN: list[Callable[[Tensor, Generator | None], Tensor]] = [
    lambda w, g: init.uniform_(w, generator=g),
    lambda w, g: init.normal_(w, generator=g),
    lambda w, g: init.kaiming_normal_(w, generator=g),
    lambda w, g: init.kaiming_uniform_(w, generator=g),
    lambda w, g: init.identity_(w, std=0.1, generator=g),
]


@pytest.mark.parametrize("draw", DRAWN)
def test_the_same_generator_gives_the_same_weights(draw: Callable[[Tensor, Generator | None], Tensor]) -> None:
    one, other = (draw(tinyseg.zeros(4, 2, 3, 3), Generator(8)).numpy() for _ in range(2))
    np.testing.assert_array_equal(one, other)
    tinyseg.manual_seed(8)
    np.testing.assert_array_equal(draw(tinyseg.zeros(4, 2, 3, 3), None).numpy(), one)


@pytest.mark.parametrize("fill", [init.zeros_, init.kaiming_normal_, init.bilinear_, init.identity_])
def test_parameters_are_filled_without_being_recorded(fill: Callable[[Tensor], Tensor]) -> None:
    w = tinyseg.rand(2, 2, 3, 3, requires_grad=True)
    assert fill(w) is w
    assert w.is_leaf
    assert w.requires_grad


@pytest.mark.parametrize(
    ("size", "profile"),
    [(2, [0.5, 0.5]), (3, [0.5, 1, 0.5]), (4, [0.25, 0.75, 0.75, 0.25]), (5, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])],
)
def test_bilinear_by_hand(size: int, profile: list[float]) -> None:
    w = init.bilinear_(tinyseg.ones(3, 3, size, size, dtype="float64")).numpy()
    for i in range(3):
        for j in range(3):
            wanted = np.outer(profile, profile) if i == j else np.zeros((size, size))
            np.testing.assert_allclose(w[i, j], wanted, rtol=1e-15)


def test_bilinear_in_groups_fills_every_channel() -> None:
    w = init.bilinear_(tinyseg.zeros(3, 1, 4, 4)).numpy()
    np.testing.assert_array_equal(w[0], w[2])
    assert w[1, 0].sum() == 4  # each input pixel becomes 2 x 2 output pixels


def test_identity_passes_its_input_on() -> None:
    x = tinyseg.rand(2, 3, 5, 6)
    y = F.conv2d(x, init.identity_(tinyseg.ones(3, 3, 3, 5)), padding=(1, 2))
    np.testing.assert_array_equal(y.numpy(), x.numpy())


def test_a_stack_of_identities_of_other_widths_passes_the_classes_on() -> None:
    """Yu and Koltun 2016: the larger context module, of widths C, 2C, 4C and back."""
    classes, widths = 3, (3, 6, 12, 6, 3)
    x = y = tinyseg.rand(1, 3, 4, 4)
    for inputs, outputs in itertools.pairwise(widths):
        y = F.conv2d(y, init.identity_(tinyseg.ones(outputs, inputs, 3, 3), classes=classes), padding=1)
    np.testing.assert_allclose(y.numpy(), x.numpy(), rtol=1e-6)


def test_identity_with_noise_leaves_the_kept_taps_exact() -> None:
    w = init.identity_(tinyseg.zeros(4, 4, 3, 3), std=0.01).numpy()
    np.testing.assert_array_equal(w[range(4), range(4), 1, 1], 1)
    rest = w.copy()
    rest[range(4), range(4), 1, 1] = 0
    assert 0 < np.abs(rest).max() < 0.06


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init.kaiming_normal_(tinyseg.zeros(3)), r"need at least 2 dimensions, got shape \(3,\)"),
        (lambda: init.kaiming_normal_(tinyseg.zeros(3, 3), "fan"), "mode must be 'fan_in' or 'fan_out', got 'fan'"),
        (lambda: init.kaiming_uniform_(tinyseg.zeros(3, 3), "out"), "mode must be"),
        (lambda: init.bilinear_(tinyseg.zeros(1, 1, 3, 4)), r"got shape \(1, 1, 3, 4\)"),
        (lambda: init.identity_(tinyseg.zeros(2, 2, 2, 2)), "odd kernel sizes"),
        (
            lambda: init.identity_(tinyseg.zeros(2, 3, 3, 3), classes=2),
            "widths 3 and 2 must be multiples of classes=2",
        ),
    ],
)
def test_what_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# Skipping


@pytest.mark.parametrize("draw", DRAWN[:4])
def test_nothing_is_drawn_within_skip(draw: Callable[[Tensor, Generator | None], Tensor]) -> None:
    generator = Generator(3)
    weight = tinyseg.ones(4, 4, 3, 3)
    with init.skip():
        with init.skip():
            pass
        assert (draw(weight, generator).numpy() == 1).all()
    assert generator.get_state() == (3, 0)
    assert (draw(weight, generator).numpy() != 1).all()


def test_constants_are_written_within_skip() -> None:
    with init.skip():
        assert (init.ones_(tinyseg.zeros(2)).numpy() == 1).all()
        assert init.identity_(tinyseg.ones(2, 2, 3, 3), std=0.5).numpy().sum() == 2


def test_skip_ends_with_an_error_too() -> None:
    def fail() -> None:
        with init.skip():
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert init.uniform_(tinyseg.zeros(8)).numpy().any()
