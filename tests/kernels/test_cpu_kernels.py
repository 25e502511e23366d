"""What is particular to the CPU kernels and no comparison with the reference shows.

Bits that do not depend on the number of threads, NaN, ties, known answers, and the cache of compiled kernels.
"""

from __future__ import annotations

import importlib
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special

from tinyseg_kernels import cpu, reference
from tinyseg_kernels.cpu import pool2d
from tinyseg_kernels.cpu.runtime import parallel

KERNELS = Path(importlib.import_module("tinyseg_kernels").__file__).parents[1]
THREADS = 3  # more than one, whatever the machine has


@pytest.fixture(autouse=True)
def _keep_number_of_threads() -> Iterator[None]:
    before = cpu.get_num_threads()
    yield
    cpu.set_num_threads(before)


def activation(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Normal numbers, channels-last in memory."""
    n, c, h, w = shape
    values = np.random.default_rng(seed).standard_normal((n, h, w, c))
    return values.astype(np.float32).transpose(0, 3, 1, 2)


def labels(shape: tuple[int, ...], classes: int) -> np.ndarray:
    target = np.random.default_rng(5).integers(0, classes, shape)
    target[np.random.default_rng(6).random(shape) < 0.2] = 255
    return target


# --- The same bits for any number of threads.

SHAPE = (2, 6, 96, 80)  # several chunks for every kernel, and no multiple of a vector's length
POOLED = (2, 6, 48, 40)


def run_sum(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    results = [np.empty((1, 6, 1, 1), np.float32), np.empty((1, 1, 1, 1), np.float32)]
    cpu.sum(x, results[0], (0, 2, 3))
    cpu.sum(x, results[1], (0, 1, 2, 3))
    return results


def run_elementwise(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    results = [np.empty_like(x) for _ in range(3)]
    cpu.add(x, g, results[0])
    cpu.exp(x, results[1])
    cpu.multiply(x, g[:1, :, :1, :1], results[2])
    return results


def run_batch_norm(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    mean, var = np.empty(6, np.float32), np.empty(6, np.float32)
    cpu.batch_norm_statistics(x, mean, var)
    factors, results = (mean, 1 / np.sqrt(var), None, None), [mean, var]
    for relu in (False, True):
        out, grad, constant = (np.empty_like(x) for _ in range(3))
        sums = np.empty(6, np.float32), np.empty(6, np.float32)
        cpu.batch_norm(x, *factors, out, relu)
        cpu.batch_norm_sums(g, x, *factors, *sums, relu)
        cpu.batch_norm_backward(g, x, *factors, *sums, grad, relu)
        cpu.batch_norm_backward(g, x, *factors, None, None, constant, relu)
        results += [out, *sums, grad, constant]
    return results


def run_assign(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    results = [np.zeros((2, 96, 80, 12), np.float32).transpose(0, 3, 1, 2), np.empty_like(x)]
    cpu.assign(x, results[0][:, 6:])
    cpu.assign(results[0][:, 6:], results[1])
    np.testing.assert_array_equal(results[1], x)
    assert not results[0][:, :6].any()
    return results


def run_pool(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    out, indices, grad = np.empty(POOLED, np.float32), np.empty(POOLED, np.int64), np.empty_like(x)
    cpu.max_pool2d(x, out, indices, (3, 3), (2, 2), (1, 1), (1, 1))
    cpu.max_pool2d_backward(out, indices, grad, (3, 3), (2, 2), (1, 1), (1, 1))
    return [out, indices, grad]


def run_unpool(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    values, indices = np.empty(POOLED, np.float32), np.empty(POOLED, np.int64)
    cpu.max_pool2d(x, values, indices, (3, 3), (2, 2), (1, 1), (1, 1))
    results = []
    for where in (indices, np.random.default_rng(4).permutation(indices.reshape(-1)).reshape(POOLED)):
        out, grad = np.empty_like(x), np.empty(POOLED, np.float32)
        cpu.max_unpool2d(values, where, out)
        cpu.max_unpool2d_backward(g, where, grad)
        results += [out, grad]
    return results


def run_average(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    rules = (3, 3), (2, 2), (1, 1), False, None
    out, grad = np.empty(POOLED, np.float32), np.empty_like(x)
    cpu.avg_pool2d(x, out, *rules)
    cpu.avg_pool2d_backward(out, grad, *rules)
    shared, back = np.empty((2, 6, 5, 7), np.float32), np.empty_like(x)
    cpu.adaptive_avg_pool2d(x, shared)
    cpu.adaptive_avg_pool2d_backward(shared, back)
    return [out, grad, shared, back]


def run_adaptive_max(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    shape = (2, 6, 5, 7)
    out, indices, grad = np.empty(shape, np.float32), np.empty(shape, np.int64), np.empty_like(x)
    cpu.adaptive_max_pool2d(x, out, indices)
    cpu.adaptive_max_pool2d_backward(out, indices, grad)
    return [out, indices, grad]


def run_group_norm(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    mean, var, out, grad = (
        np.empty((2, 3), np.float32),
        np.empty((2, 3), np.float32),
        np.empty_like(x),
        np.empty_like(x),
    )
    sums = np.empty(6, np.float32), np.empty(6, np.float32)
    cpu.group_norm_statistics(x, mean, var)
    cpu.group_norm(x, mean, 1 / np.sqrt(var), sums[0] * 0 + 2, None, out)
    cpu.group_norm_backward(g, x, mean, 1 / np.sqrt(var), None, *sums, grad)
    return [mean, var, out, *sums, grad]


def run_layer_norm(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    x, g = (np.ascontiguousarray(v).reshape(-1, 80) for v in (x, g))
    mean, rstd, out, grad = (
        np.empty(len(x), np.float32),
        np.empty(len(x), np.float32),
        np.empty_like(x),
        np.empty_like(x),
    )
    sums = np.empty(80, np.float32), np.empty(80, np.float32)
    cpu.layer_norm(x, None, g[0], out, mean, rstd, 1e-5)
    cpu.layer_norm_backward(g, x, mean, rstd, g[1], *sums, grad)
    return [mean, rstd, out, *sums, grad]


def run_response(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    out, grad = np.empty_like(x), np.empty_like(x)
    cpu.local_response_norm(x, out, 5, 1.0, 0.75, 2.0)
    cpu.local_response_norm_backward(g, x, grad, 5, 1.0, 0.75, 2.0)
    return [out, grad]


def run_cross_entropy(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    target = labels((2, 96, 80), 6)
    losses, weights, grad = np.empty(target.shape, np.float32), np.empty(target.shape, np.float32), np.empty_like(x)
    cpu.cross_entropy(x, target, None, losses, weights, 255, 0.0)
    cpu.cross_entropy_backward(losses, x, target, None, grad, 255, 0.0)
    return [losses, weights, grad]


def run_interpolate(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    large, small = np.empty((2, 6, 150, 111), np.float32), np.empty_like(x)
    cpu.interpolate_bilinear(x, large, (96 / 150, 80 / 111), False)
    cpu.interpolate_bilinear_backward(large, small, (96 / 150, 80 / 111), False)
    return [large, small]


def run_random(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    uniform, normal, dropped = np.empty(x.shape, np.float32), np.empty(x.shape, np.float32), np.empty_like(x)
    cpu.uniform(uniform, 7, 11)
    cpu.normal(normal, 7, 11)
    cpu.dropout(x, dropped, 0.4, 7, 11)
    return [uniform, normal, dropped]


def run_optimizers(x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    """Arrays that lie end to end, of sizes that are no multiples of a vector's, one longer than a thread's share."""
    ends = (0, 3, 1000, 1003, x.size)
    pieces = [slice(a, b) for a, b in itertools.pairwise(ends)]
    written = []
    for kernel, states, numbers in (
        (cpu.sgd_step, 1, (0.1, 0.9, 0.1, 0.01, True, False)),
        (cpu.adam_step, 2, (0.1, 0.9, 0.999, 1e-8, 0.01, True, 3)),
        (cpu.rmsprop_step, 3, (0.1, 0.9, 1e-8, 0.01, 0.5)),
    ):
        flat = [x.ravel().copy()] + [g.ravel() ** 2 for _ in range(states)]
        kernel([g.ravel()[p] for p in pieces], *([array[p] for p in pieces] for array in flat), *numbers)
        written += flat
    return written


@pytest.mark.parametrize(
    "kernels",
    [
        run_sum,
        run_elementwise,
        run_batch_norm,
        run_assign,
        run_pool,
        run_unpool,
        run_average,
        run_adaptive_max,
        run_group_norm,
        run_layer_norm,
        run_response,
        run_cross_entropy,
        run_interpolate,
        run_random,
        run_optimizers,
    ],
)
def test_bits_do_not_depend_on_threads(kernels: Callable[..., list[np.ndarray]]) -> None:
    x, g = activation(SHAPE), activation(SHAPE, seed=1)
    results = []
    for threads in (1, 2, THREADS):
        cpu.set_num_threads(threads)
        results.append([np.ascontiguousarray(result).tobytes() for result in kernels(x, g)])
    assert results[0] == results[1] == results[2]


def test_python_threads_may_call_at_once() -> None:
    cpu.set_num_threads(2)
    x, g = activation(SHAPE), activation(SHAPE, seed=1)
    expected = [result.tobytes() for result in run_batch_norm(x, g)]
    wrong: list[int] = []

    def work() -> None:
        for k in range(10):
            if [result.tobytes() for result in run_batch_norm(x, g)] != expected:
                wrong.append(k)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_run_covers_every_item_whatever_the_grain() -> None:
    cpu.set_num_threads(2)
    for grain in (0, 1, 3, 100):
        seen = np.zeros(10, int)

        def count(start: int, stop: int, seen: np.ndarray = seen) -> None:
            seen[start:stop] += 1

        parallel.run(count, 10, grain)
        assert (seen == 1).all()


# --- NaN, ties and other exceptions.


def test_relu_and_maximum_let_nan_through() -> None:
    x = np.array([np.nan, -1, 0, 2, np.inf, -np.inf], np.float32)
    out = np.empty_like(x)
    cpu.relu(x, out)
    np.testing.assert_array_equal(out, np.array([np.nan, 0, 0, 2, np.inf, 0], np.float32))
    for a, b in ((x, 1.0), (1.0, x)):
        cpu.maximum(a, b, out)
        np.testing.assert_array_equal(out, np.array([np.nan, 1, 1, 2, np.inf, 1], np.float32))


def test_relu_backward_stops_a_nan_at_a_closed_gate() -> None:
    grad, y = np.array([np.nan, np.inf, 3], np.float32), np.array([0, 0, 1], np.float32)
    out = np.empty_like(grad)
    cpu.relu_backward(grad, y, out)
    np.testing.assert_array_equal(out, np.array([0, 0, 3], np.float32))


@pytest.mark.parametrize("count", [1, 7, 63, 64, 65, 5000])
def test_nan_wins_reductions_anywhere(count: int) -> None:
    for place in {0, count // 2, count - 1}:
        x = np.zeros((count, 2), np.float32)
        x[place, 1] = np.nan
        out, where = np.empty((1, 2), np.float32), np.empty((1, 2), np.int64)
        for kernel in (cpu.max, cpu.min, cpu.sum):
            kernel(x, out, (0,))
            assert not np.isnan(out[0, 0])
            assert np.isnan(out[0, 1])
        for find in (cpu.argmax, cpu.argmin):
            find(x, where, 0)
            assert where.tolist() == [[0, place]]


def test_first_of_equal_elements_is_found() -> None:
    x = np.array([[1, 3, 3, np.nan, np.nan], [2, 2, 1, 2, 1]], np.float32)
    where = np.empty((2, 1), np.int64)
    cpu.argmax(x, where, 1)
    assert where.tolist() == [[3], [0]]
    cpu.argmin(x, where, 1)
    assert where.tolist() == [[3], [2]]


def test_sum_of_many_float32_keeps_its_digits() -> None:
    x = np.full(3_000_000, 0.1, np.float32)
    out = np.empty(1, np.float32)
    cpu.sum(x, out, (0,))
    assert out[0] == np.float32(3_000_000 * float(np.float32(0.1)))


def test_statistics_survive_a_large_mean() -> None:
    x = activation((2, 3, 64, 64)).astype(np.float64) + 1e8
    mean, var = np.empty(3), np.empty(3)
    cpu.batch_norm_statistics(x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2), mean, var)
    np.testing.assert_allclose(var, (x - 1e8).var(axis=(0, 2, 3)), rtol=1e-6)


def test_pooling_takes_the_first_maximum_and_the_first_nan() -> None:
    x = np.zeros((1, 1, 4, 4), np.float32)
    x[0, 0, 0, 3] = x[0, 0, 1, 2] = 5
    x[0, 0, 2, 1] = x[0, 0, 3, 0] = np.nan
    out, indices = np.empty((1, 1, 2, 2), np.float32), np.empty((1, 1, 2, 2), np.int64)
    cpu.max_pool2d(x, out, indices, (2, 2), (2, 2), (0, 0), (1, 1))
    assert indices.tolist() == [[[[0, 3], [9, 10]]]]
    assert np.isnan(out[0, 0, 1, 0])


def test_pooling_never_chooses_the_padding() -> None:
    x = np.full((1, 2, 3, 3), -np.inf, np.float32)
    out, indices = np.empty((1, 2, 2, 2), np.float32), np.empty((1, 2, 2, 2), np.int64)
    cpu.max_pool2d(x, out, indices, (3, 3), (2, 2), (1, 1), (1, 1))
    assert indices[0, 0].tolist() == [[0, 1], [3, 4]]


@pytest.mark.parametrize("elements", [1, 100, 400])
@pytest.mark.parametrize(
    ("window", "size"),
    [
        (((2, 2), (2, 2), (0, 0), (1, 1)), (9, 5)),
        (((3, 3), (2, 2), (1, 1), (1, 1)), (10, 6)),
        (((3, 2), (1, 2), (1, 0), (3, 1)), (15, 5)),
        (((1, 2), (3, 1), (0, 1), (1, 1)), (7, 12)),
    ],
)
def test_bands_of_the_gradient_of_pooling_leave_no_window_out(
    monkeypatch: pytest.MonkeyPatch, window: Any, size: tuple[int, int], elements: int
) -> None:
    """Bands of one stride, of several, and one for the whole image."""
    monkeypatch.setattr(pool2d, "_GRAIN", elements)
    x, grad = activation((2, 3, 19, 11)), activation((2, 3, *size), seed=1)
    values, indices = np.empty_like(grad), np.empty(grad.shape, np.int64)
    reference.max_pool2d(x, values, indices, *window)
    found, wanted = np.full_like(x, np.nan), np.empty(x.shape)
    cpu.max_pool2d_backward(grad, indices, found, *window)
    reference.max_pool2d_backward(grad.astype(np.float64), indices, wanted, *window)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("elements", [1, 100, 400])
@pytest.mark.parametrize("local", [True, False])
def test_bands_of_unpooling_leave_no_element_out(monkeypatch: pytest.MonkeyPatch, local: bool, elements: int) -> None:
    """Bands of one row, of several, and, where indices are scattered, one for the whole image."""
    monkeypatch.setattr(pool2d, "_GRAIN", elements)
    x, grad = activation((2, 3, 9, 5)), activation((2, 3, 18, 10), seed=1)
    places = np.random.default_rng(2).integers(0, 180, x.shape)
    if local:  # some twice
        places = np.sort(places.reshape(2, 3, 45)).reshape(x.shape)
    for kernel, source, like in (("max_unpool2d", x, grad), ("max_unpool2d_backward", grad, x)):
        found, wanted = np.full_like(like, np.nan), np.empty(like.shape, np.float32)
        args = (source, places)
        getattr(cpu, kernel)(*args, found)
        getattr(reference, kernel)(*args, wanted)
        np.testing.assert_array_equal(found, wanted)


def test_repeated_positions_add_in_pooling_and_replace_in_unpooling() -> None:
    values = np.array([1, 2, 4, 8], np.float32).reshape(1, 1, 2, 2)
    indices = np.array([5, 0, 5, 2]).reshape(1, 1, 2, 2)
    out = np.empty((1, 1, 3, 3), np.float32)
    cpu.max_pool2d_backward(values, indices, out, (2, 2), (1, 1), (0, 0), (1, 1))
    assert out.ravel().tolist() == [2, 0, 8, 0, 0, 5, 0, 0, 0]
    cpu.max_unpool2d(values, indices, out)
    assert out.ravel().tolist() == [2, 0, 8, 0, 0, 4, 0, 0, 0]
    grad = np.empty_like(values)
    cpu.max_unpool2d_backward(np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3), indices, grad)
    assert grad.ravel().tolist() == [0, 1, 6, 3]


def test_cross_entropy_hides_nan_only_where_ignored() -> None:
    logits = activation((1, 3, 1, 4))
    logits[0, 1, 0, :2] = np.nan
    target = np.array([[[255, 0, 2, 255]]])
    losses, weights, grad = (np.empty((1, 1, 4), np.float32) for _ in range(3))
    cpu.cross_entropy(logits, target, None, losses, weights, 255, 0.0)
    assert losses[0, 0, 0] == 0
    assert np.isnan(losses[0, 0, 1])
    assert weights.ravel().tolist() == [0, 1, 1, 0]
    grad = np.empty_like(logits)
    cpu.cross_entropy_backward(np.ones_like(losses), logits, target, None, grad, 255, 0.0)
    assert (grad[..., 0] == 0).all()
    assert np.isnan(grad[..., 1]).all()
    assert np.isfinite(grad[..., 2]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_digits_of_functions(dtype: str) -> None:
    """Errors in units of the last digit, against SciPy's functions in float64, also where results are tiny."""
    x = np.concatenate([np.linspace(-12, 12, 20001), np.geomspace(1e-30, 1, 500), -np.geomspace(1e-30, 1, 500)])
    x = x.astype(dtype)
    wide, out = x.astype(np.float64), np.empty_like(x)
    answers: list[tuple[Callable[[], None], np.ndarray, float]] = [
        (lambda: cpu.gelu(x, out, False), wide * scipy.special.ndtr(wide), 4),
        (lambda: cpu.sigmoid(x, out), scipy.special.expit(wide), 2),
        (lambda: cpu.elu(x, out, 1.0), np.where(wide > 0, wide, np.expm1(np.minimum(wide, 0))), 1),
        (lambda: cpu.softplus(x, out, 1.0, 20.0), np.logaddexp(0, wide), 2),
    ]
    for run, answer, digits in answers:
        run()
        error = np.abs(out - answer) / np.abs(answer)
        # In float64 SciPy's own last digits are in doubt: of erfc's argument, squared, in the exponent.
        assert error.max() <= np.finfo(dtype).eps * digits * (1 if dtype == "float32" else 100)


def test_large_logits_do_not_overflow() -> None:
    logits = np.array([1000, -1000, 0], np.float32).reshape(1, 3, 1, 1)
    losses, weights = np.empty((1, 1, 1), np.float32), np.empty((1, 1, 1), np.float32)
    for label, expected in enumerate((0, 2000, 1000)):
        cpu.cross_entropy(logits, np.array([[[label]]]), None, losses, weights, 255, 0.0)
        assert losses[0, 0, 0] == expected


def test_label_bounds_of_nothing() -> None:
    bounds = np.empty(3, np.int64)
    cpu.label_bounds(np.full((2, 3, 3), 255), bounds, 255)
    assert bounds.tolist() == [0, -1, 0]


def test_power_of_negative_bases() -> None:
    base = np.array([-2, -2, -2, 0, -8], np.float32)
    exponent = np.array([3, -2, 0.5, 0, 1], np.float32)
    out = np.empty_like(base)
    cpu.power(base, exponent, out)
    np.testing.assert_array_equal(out, np.array([-8, 0.25, np.nan, 1, -8], np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponential_and_logarithm_are_good_to_an_ulp(dtype: type) -> None:
    bounds = (-103, 88.7) if dtype == np.float32 else (-744, 709.7)
    x = np.linspace(*bounds, 100_003).astype(dtype)
    y, back = np.empty_like(x), np.empty_like(x)
    cpu.exp(x, y)
    exact = np.exp(x.astype(np.longdouble))
    assert (np.abs(y - exact) <= 1.01 * np.spacing(exact.astype(dtype))).all()
    cpu.log(y, back)
    exact = np.log(y.astype(np.longdouble))
    assert (np.abs(back - exact) <= 1.01 * np.spacing(np.abs(exact).astype(dtype))).all()


def test_strides_of_every_kind() -> None:
    memory = np.arange(2 * 6 * 8 * 10, dtype=np.float32).reshape(2, 6, 8, 10)
    a, b = memory[:, ::-2, ::3, 1::2], memory[:, 1::2, ::-3, :5]
    for out in (np.empty(a.shape, np.float32), np.zeros((2, 6, 3, 10), np.float32)[:, ::2, ::-1, ::-2]):
        cpu.subtract(a, b, out)
        np.testing.assert_array_equal(out, a - b)
        cpu.multiply(a, b[:, :, :1, ::5], out)
        np.testing.assert_array_equal(out, a * b[:, :, :1, ::5])


# --- Known answers.


def test_philox_gives_the_known_answers_of_random123() -> None:
    out = np.empty(4)
    cpu.uniform(out, 0, 0)
    assert (out * 2**32).tolist() == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


def test_counters_follow_one_another() -> None:
    whole, rest = np.empty(4000, np.float32), np.empty(2000, np.float32)
    counter = 2**32 - 250  # the lower word overflows in between
    cpu.uniform(whole, 2**64 - 1, counter)
    cpu.uniform(rest, 2**64 - 1, counter + 500)
    np.testing.assert_array_equal(whole[2000:], rest)


def test_dropout_does_not_depend_on_the_layout() -> None:
    x = activation((2, 5, 33, 17)) + 10
    first, second = np.empty_like(x), np.empty(x.shape, np.float32)
    cpu.dropout(x, first, 0.3, 1, 2)
    cpu.dropout(np.ascontiguousarray(x), second, 0.3, 1, 2)
    np.testing.assert_array_equal(first, second)
    assert 0.25 < (first == 0).mean() < 0.35
    np.testing.assert_allclose(first[first != 0], (x / np.float32(0.7))[first != 0], rtol=1e-6)


def test_dropout_of_everything() -> None:
    x = np.full(100, np.nan, np.float32)
    out = np.empty_like(x)
    cpu.dropout(x, out, 1.0, 1, 2)
    assert (out == 0).all()


# --- The cache on disk.

_TWICE = """
import numpy as np
from tinyseg_kernels import cpu, reference
from tinyseg_kernels.cpu.runtime.compiler import on_compile
compiled = []
on_compile(lambda name, number: compiled.append(name))
x = np.ones((1, 3, 4, 4), np.float32).transpose(0, 3, 1, 2)
out = np.empty_like(x)
cpu.exp(x, out)
cpu.interpolate_bilinear(x, out, (1.0, 1.0), False)
print(sorted(set(compiled)))
"""


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "TINYSEG_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(KERNELS)}
    outputs = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", _TWICE], env=environment, capture_output=True, text=True, check=True
        )
        outputs.append(done.stdout.strip())
    assert "'elementwise.exp'" in outputs[0]
    assert "'interpolate.blend'" in outputs[0]
    assert outputs[1] == "[]"
