"""Batch norm with ReLU: the passes back find the sign of y again, and it must be the one of the way forward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinyseg
import tinyseg_kernels
from tinyseg import Tensor
from tinyseg.nn import functional as F

# Few channels (several pixels make a row), a row's length, more; pixels that fill no vector, no row, no block.
SHAPES = [(1, 1, 7, 11), (2, 3, 9, 13), (1, 64, 5, 5), (3, 70, 17, 19), (2, 40, 31, 33)]
PARTS = ("y", "by x", "by weight", "by bias")


def images(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def passes(x: Any, grad: Any, weight: Any, bias: Any, training: bool, fused: bool) -> list[Any]:
    """y, and the gradients by x, weight and bias."""
    inputs = [tinyseg.tensor(v, requires_grad=True) for v in (x, weight, bias)]
    mean, var = tinyseg.tensor(bias * 0 + 0.1), tinyseg.tensor(bias * 0 + 0.5)
    options = {"activation": "relu"} if fused else {}
    y = F.batch_norm(inputs[0], mean, var, *inputs[1:], training=training, **options)
    y = y if fused else y.relu()
    return [y.detach().numpy(), *(g.numpy() for g in tinyseg.grad(y, inputs, tinyseg.tensor(grad)) if g is not None)]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_fused_is_what_two_operators_give(device: str, shape: tuple[int, ...], training: bool) -> None:
    for dtype in ("float32", "float64"):
        x, grad = images(shape, dtype), images(shape, dtype, seed=1)
        weight, bias = images(shape[1:2], dtype, seed=2), images(shape[1:2], dtype, seed=3)
        results = [passes(x, grad, weight, bias, training, fused) for fused in (True, False)]
        for part, one, two in zip(PARTS, *results, strict=True):
            # Other roundings only: in one loop the optimiser may fuse what it cannot in two.
            bound = 8 * np.finfo(dtype).eps * max(1, np.abs(two).max())
            np.testing.assert_allclose(one, two, rtol=0, atol=bound, err_msg=f"{part} in {dtype}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_sign_found_again_is_the_sign_of_the_output(shape: tuple[int, ...], dtype: str) -> None:
    """Also where y is hardly more than a rounding error: every x here is within some ulps of where y is 0."""
    cpu = tinyseg_kernels.load("cpu")
    channels = shape[1:2]
    mean, weight = images(channels, dtype, seed=4), images(channels, dtype, seed=5)
    rstd, zero = abs(images(channels, dtype, seed=6)) + np.asarray(0.3, dtype), images(channels, dtype, seed=7)
    bias = -(zero - mean) * (rstd * weight)
    steps = np.random.default_rng(8).integers(-40, 41, shape)
    x = (zero[:, None, None] + steps * (np.finfo(dtype).eps * (abs(zero) + abs(mean)))[:, None, None]).astype(dtype)
    factors = mean, rstd, weight, bias
    y, by_x, twice = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    cpu.batch_norm(x, *factors, y, True)
    assert 0.1 < (y > 0).mean() < 0.9
    cpu.batch_norm_backward(np.ones_like(x), x, *factors, None, None, by_x, True)
    np.testing.assert_array_equal(by_x != 0, y > 0)
    by_weight, by_bias = np.empty_like(mean), np.empty_like(mean)
    cpu.batch_norm_sums(np.ones_like(x), x, *factors, by_weight, by_bias, True)
    np.testing.assert_array_equal(by_bias, (y > 0).sum((0, 2, 3)))
    cpu.batch_norm_backward(np.ones_like(x), x, *factors, np.zeros_like(mean), np.zeros_like(mean), twice, True)
    np.testing.assert_array_equal(twice, by_x)


def test_nan_stays_nan_and_stops_the_gradient_as_relu_does(device: str) -> None:
    x = np.array([[[[np.nan, 2.0, -2.0]]]], "float32")
    one = np.ones(1, "float32")
    results = [passes(x, np.full_like(x, 5.0), one, one * 0, False, fused) for fused in (True, False)]
    for part, fused, plain in zip(PARTS, *results, strict=True):
        np.testing.assert_array_equal(fused, plain, err_msg=part)
    y, by_x = results[0][:2]
    assert np.isnan(y[0, 0, 0, 0])
    assert by_x[0, 0, 0, 0] == by_x[0, 0, 0, 2] == 0 < by_x[0, 0, 0, 1]
    assert np.isnan(passes(x, x * 0 + 1, one, one, True, True)[0]).all(), "the batch's own mean is NaN"


def test_nan_stays_nan_through_convolution_and_relu(device: str) -> None:
    x = tinyseg.tensor([[[[np.nan, 2.0, -2.0]]]])
    for convolution in (F.conv2d, F.conv_transpose2d):
        y = convolution(x, tinyseg.ones(1, 1, 1, 1), activation="relu").numpy()
        np.testing.assert_array_equal(y, [[[[np.nan, 2, 0]]]])


def test_statistics_do_not_cancel(device: str) -> None:
    """The mean is a thousand times the deviation, and the first pixel, from which deviations are taken, far away."""
    values = images((2, 3, 40, 41), "float64") + 1000
    values[0, :, 0, 0] = -5000
    x = tinyseg.tensor(values.astype("float32"))
    mean, var = tinyseg.zeros(3), tinyseg.zeros(3)
    F.batch_norm(x, mean, var, training=True, momentum=1.0)
    exact = x.numpy().astype("float64")
    np.testing.assert_allclose(mean.numpy(), exact.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(var.numpy(), exact.var((0, 2, 3), ddof=1), rtol=1e-6)


def test_a_bias_changed_before_backward_is_noticed() -> None:
    """It decides what the ReLU let through."""
    x, bias = tinyseg.randn(2, 3, 4, 4, requires_grad=True), tinyseg.zeros(3, requires_grad=True)
    y: Tensor = F.batch_norm(x, None, None, None, bias, training=True, activation="relu")
    bias.detach().add_(1.0)
    with pytest.raises(tinyseg.errors.GraphError, match="BatchNorm saved was changed in place"):
        y.sum().backward()
