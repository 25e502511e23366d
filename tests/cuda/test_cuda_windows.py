"""The GPU's kernels that look through windows, against the reference: convolution, pooling, unfolding, resizing.

Shapes are tiny, so that the simulator can run them, and odd: remainders of strides, borders, groups, empty batches,
images of one pixel, inputs and outputs that do not lie in row-major order.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg_kernels import reference

Array = np.ndarray
FLOATS = [np.float32, np.float64]
TOLERANCE = {np.dtype(np.float32): 2e-4, np.dtype(np.float64): 1e-11}


@pytest.fixture(scope="module")
def cuda() -> ModuleType:
    """The backend, on a GPU or simulated."""
    if not tinyseg.cuda.is_available():
        pytest.skip("no GPU to be used; NUMBA_ENABLE_CUDASIM=1 simulates one")
    return importlib.import_module("tinyseg_kernels.cuda")


def random(shape: tuple[int, ...], dtype: Any = np.float32, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def shuffled(shape: tuple[int, ...], dtype: Any = np.float32, seed: int = 0) -> Array:
    """Numbers of which no two are equal."""
    size = int(np.prod(shape))
    return np.random.default_rng(seed).permutation(size).reshape(shape).astype(dtype)


def scattered(cuda: ModuleType, values: Array) -> Any:
    """The same values on the device, its memory in another order: N,W,C,H."""
    if values.ndim != 4:
        return cuda.from_numpy(values)
    return cuda.transpose(cuda.from_numpy(values.transpose(0, 3, 1, 2).copy()), (0, 2, 3, 1))


def compare(
    cuda: ModuleType, name: str, read: list[Any], written: list[Array], *numbers: Any, exact: bool = False
) -> None:
    """One kernel of both backends; arrays of float64 are not contiguous."""
    expected = [array.copy() for array in written]
    getattr(reference, name)(*read, *expected, *numbers)
    place = scattered if written[0].dtype == np.float64 else lambda cuda, values: cuda.from_numpy(values)
    arguments = [None if array is None else place(cuda, array) for array in read]
    results = [place(cuda, np.full_like(array, 7)) for array in written]
    getattr(cuda, name)(*arguments, *results, *numbers)
    for argument, array in zip(arguments, read, strict=True):
        if array is not None:
            np.testing.assert_array_equal(cuda.to_numpy(argument), array, "an input was changed")
    for result, array in zip(results, expected, strict=True):
        found = cuda.to_numpy(result)
        if exact or array.dtype.kind != "f":
            np.testing.assert_array_equal(found, array)
        else:
            tolerance = TOLERANCE[array.dtype]
            np.testing.assert_allclose(found, array, tolerance, tolerance)


def pooled_size(
    size: tuple[int, ...], kernel: Any, stride: Any, padding: Any, dilation: Any = (1, 1)
) -> tuple[int, ...]:
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


# --- Convolution: x, weight, stride, padding, dilation, groups.

ONE, NONE = (1, 1), (0, 0)
CONVOLUTIONS = {
    "3x3": ((2, 3, 5, 6), (4, 3, 3, 3), ONE, ONE, ONE, 1),
    "1x1": ((2, 5, 3, 4), (3, 5, 1, 1), ONE, NONE, ONE, 1),
    "1x1 strided": ((2, 3, 5, 4), (2, 3, 1, 1), (2, 2), NONE, ONE, 1),
    "one pixel": ((1, 2, 1, 1), (3, 2, 1, 1), ONE, NONE, ONE, 1),
    "one padded pixel": ((2, 1, 1, 1), (2, 1, 3, 3), ONE, ONE, ONE, 1),
    "uneven strides": ((2, 2, 6, 7), (2, 2, 3, 2), (1, 3), (2, 0), ONE, 1),
    "stride with a remainder": ((1, 2, 8, 9), (3, 2, 3, 3), (3, 2), NONE, ONE, 1),
    "stride longer than the kernel": ((1, 3, 8, 7), (2, 3, 2, 2), (3, 3), NONE, ONE, 1),
    "4x4 stride 2": ((1, 3, 8, 6), (2, 3, 4, 4), (2, 2), ONE, ONE, 1),
    "2x2 stride 2": ((2, 2, 6, 4), (5, 2, 2, 2), (2, 2), NONE, ONE, 1),
    "dilated": ((1, 2, 6, 9), (2, 2, 2, 3), (1, 2), (0, 1), (3, 2), 1),
    "dilated unevenly": ((1, 2, 9, 13), (2, 2, 3, 3), ONE, (2, 3), (2, 3), 1),
    "dilated and strided alike": ((1, 2, 9, 9), (2, 2, 3, 3), (2, 2), (2, 2), (2, 2), 1),
    "groups": ((2, 4, 5, 4), (6, 2, 3, 3), ONE, ONE, ONE, 2),
    "depthwise": ((2, 3, 5, 6), (3, 1, 3, 3), ONE, ONE, ONE, 3),
    "depthwise, strided and dilated": ((1, 4, 7, 8), (4, 1, 3, 2), (2, 2), ONE, (2, 2), 4),
    "depthwise, dilated unevenly": ((1, 2, 9, 13), (2, 1, 3, 3), ONE, (2, 3), (2, 3), 2),
    "depthwise, two for each": ((2, 2, 4, 5), (4, 1, 3, 3), (2, 1), ONE, ONE, 2),
    "large kernel": ((1, 1, 8, 9), (2, 1, 7, 5), ONE, (3, 2), ONE, 1),
    "padding wider than the kernel": ((1, 2, 3, 3), (2, 2, 2, 2), ONE, (3, 3), ONE, 1),
    "several tiles": ((1, 5, 5, 9), (37, 5, 2, 3), ONE, ONE, ONE, 1),
    "many channels, cut in parts": ((1, 300, 2, 2), (5, 300, 1, 1), ONE, NONE, ONE, 1),
    "many pixels, cut in parts": ((2, 2, 13, 22), (3, 2, 1, 1), ONE, NONE, ONE, 1),
    "no image": ((0, 3, 4, 5), (2, 3, 3, 3), ONE, ONE, ONE, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_convolution(cuda: ModuleType, name: str, dtype: Any) -> None:
    x_shape, w_shape, stride, padding, dilation, groups = CONVOLUTIONS[name]
    size = pooled_size(x_shape[2:], w_shape[2:], stride, padding, dilation)
    y_shape = (x_shape[0], w_shape[0], *size)
    x, weight, y = random(x_shape, dtype), random(w_shape, dtype, 1), random(y_shape, dtype, 2)
    window = stride, padding, dilation, groups
    for bias, relu in ((None, False), (random((w_shape[0],), dtype, 3), True)):
        compare(cuda, "conv2d", [x, weight, bias], [y], *window, relu, None)
    for bias, relu in ((None, False), (random((x_shape[1],), dtype, 4), True)):
        compare(cuda, "conv_transpose2d", [y, weight, bias], [x], *window, relu, None)
    compare(cuda, "conv2d_weight_gradient", [x, y], [weight], *window)


def test_a_nan_passes_through_a_convolution_and_relu(cuda: ModuleType) -> None:
    x = random((1, 2, 5, 5))
    x[0, 1, 2, 2] = np.nan
    weight, out = random((3, 2, 3, 3), seed=1), np.zeros((1, 3, 5, 5), np.float32)
    compare(cuda, "conv2d", [x, weight, None], [out], ONE, ONE, ONE, 1, True, None)


@pytest.mark.parametrize("seed", range(12))
def test_convolution_of_random_shapes(cuda: ModuleType, seed: int) -> None:
    draw = np.random.default_rng(seed)
    groups = int(draw.integers(1, 4))
    kernel, stride, dilation = (tuple(map(int, draw.integers(1, 4, 2))) for _ in range(3))
    padding = tuple(int(draw.integers(0, (k - 1) * d + 2)) for k, d in zip(kernel, dilation, strict=True))
    size = tuple(
        max(1, (k - 1) * d + 1 - 2 * p) + int(draw.integers(0, 7))
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    )
    inputs, outputs = (groups * int(draw.integers(1, 4)) for _ in range(2))
    x_shape, w_shape = (int(draw.integers(1, 3)), inputs, *size), (outputs, inputs // groups, *kernel)
    y_shape = (x_shape[0], outputs, *pooled_size(size, kernel, stride, padding, dilation))
    x, weight, y = (random(shape, np.float64, seed) for shape in (x_shape, w_shape, y_shape))
    compare(cuda, "conv2d", [x, weight, None], [y], stride, padding, dilation, groups, False, None)
    compare(cuda, "conv_transpose2d", [y, weight, None], [x], stride, padding, dilation, groups, False, None)
    compare(cuda, "conv2d_weight_gradient", [x, y], [weight], stride, padding, dilation, groups)


def test_an_array_too_large_for_32_bits_is_refused(cuda: ModuleType) -> None:
    from tinyseg_kernels.cuda.conv.plan import Window

    with pytest.raises(ValueError, match=r"shape \(1, 64, 8192, 8192\) has 2\*\*31 or more elements in one image"):
        Window((1, 64, 8192, 8192), (1, 3, 8192, 8192), ONE, ONE, NONE, ONE, 1, "f4")


@pytest.mark.parametrize("divisor", [1, 2, 3, 5, 7, 64, 100, 641, 65537, 2**31 - 1])
def test_division_by_multiplication(cuda: ModuleType, divisor: int) -> None:
    """Around multiples of the divisor, up to the largest number."""
    from tinyseg_kernels.cuda.vector.instructions import inverse

    factor, shift = inverse(divisor)
    largest = 2**31 - 1
    for multiple in {0, 1, 2, largest // divisor // 3, largest // divisor}:
        for number in range(max(0, multiple * divisor - 2), min(largest, multiple * divisor + 2) + 1):
            assert number * (factor % 2**32) >> shift == number // divisor


def test_a_tile_is_chosen_by_shape(cuda: ModuleType) -> None:
    """Few results of long sums are cut in parts; each part has work; large results are not cut."""
    from tinyseg_kernels.cuda.conv.tiles import TILES, choose

    for code in TILES:
        split = choose(code, 8, 8, 100_000, 1)
        assert 1 < split.parts <= 100_000 // split.tile.depth
        assert choose(code, 4096, 65536, 100_000, 1).parts == 1
        assert choose(code, 1, 1, 1, 1).parts == 1


# --- Pooling.

POOLINGS = {  # image, kernel, stride, padding, dilation
    "2x2": ((2, 3, 4, 6), (2, 2), (2, 2), NONE, ONE),
    "overlapping": ((1, 2, 5, 6), (3, 3), (1, 1), ONE, ONE),
    "with gaps": ((1, 2, 7, 6), (2, 1), (3, 2), (1, 0), ONE),
    "dilated": ((1, 2, 7, 6), (2, 2), (2, 2), ONE, (2, 2)),
    "uneven": ((2, 1, 6, 7), (2, 3), (1, 2), (0, 1), (3, 1)),
    "one pixel": ((1, 1, 1, 1), (1, 1), ONE, NONE, ONE),
    "no image": ((0, 2, 4, 4), (2, 2), (2, 2), NONE, ONE),
}


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_max_pooling(cuda: ModuleType, name: str, dtype: Any) -> None:
    shape, kernel, stride, padding, dilation = POOLINGS[name]
    x = shuffled(shape, dtype)
    pooled = (*shape[:2], *pooled_size(shape[2:], kernel, stride, padding, dilation))
    out, indices = np.empty(pooled, dtype), np.empty(pooled, np.int64)
    window = kernel, stride, padding, dilation
    compare(cuda, "max_pool2d", [x], [out, indices], *window, exact=True)
    reference.max_pool2d(x, out, indices, *window)
    compare(cuda, "max_pool2d_backward", [random(pooled, dtype, 1), indices], [x], *window)
    compare(cuda, "max_unpool2d", [out, indices], [x], exact=True)
    compare(cuda, "max_unpool2d_backward", [random(shape, dtype, 2), indices], [out], exact=True)


ADAPTIVE = [
    ((2, 2, 5, 7), (3, 4)),
    ((1, 3, 4, 6), (1, 1)),
    ((1, 2, 3, 2), (5, 7)),
    ((1, 1, 6, 6), (3, 2)),
    ((0, 1, 3, 3), (2, 2)),
]


@pytest.mark.parametrize(("shape", "size"), ADAPTIVE)
@pytest.mark.parametrize("dtype", FLOATS)
def test_adaptive_pooling(cuda: ModuleType, shape: tuple[int, ...], size: tuple[int, int], dtype: Any) -> None:
    pooled = (*shape[:2], *size)
    x, out, indices = shuffled(shape, dtype), np.empty(pooled, dtype), np.empty(pooled, np.int64)
    compare(cuda, "adaptive_max_pool2d", [x], [out, indices], exact=True)
    reference.adaptive_max_pool2d(x, out, indices)
    compare(cuda, "adaptive_max_pool2d_backward", [random(pooled, dtype, 1), indices], [x])
    compare(cuda, "adaptive_avg_pool2d", [x], [out])
    compare(cuda, "adaptive_avg_pool2d_backward", [random(pooled, dtype, 1)], [x])


def test_nan_wins_and_the_first_of_equals(cuda: ModuleType) -> None:
    x = np.array([[[[1, 3, 0, np.nan], [3, 2, np.nan, 5], [-np.inf] * 4, [-np.inf] * 4]]], np.float32)
    out, indices = np.empty((1, 1, 2, 2), np.float32), np.empty((1, 1, 2, 2), np.int64)
    compare(cuda, "max_pool2d", [x], [out, indices], (2, 2), (2, 2), NONE, ONE, exact=True)
    compare(cuda, "adaptive_max_pool2d", [x], [out, indices], exact=True)


@pytest.mark.parametrize("seed", range(4))
def test_unpooling_of_places_that_repeat(cuda: ModuleType, seed: int) -> None:
    """With each place wanted about three times, the last in scan order stands."""
    indices = np.random.default_rng(seed).integers(0, 12, (2, 2, 5, 7))
    x, image = random(indices.shape, seed=seed), random((2, 2, 3, 4), seed=seed + 9)
    compare(cuda, "max_unpool2d", [x, indices], [image], exact=True)
    compare(cuda, "max_unpool2d_backward", [image, indices], [x], exact=True)


@pytest.mark.parametrize("name", [name for name in POOLINGS if name not in ("dilated", "uneven")])
@pytest.mark.parametrize(("include_pad", "divisor"), [(True, None), (False, None), (True, 3)])
def test_average_pooling(cuda: ModuleType, name: str, include_pad: bool, divisor: int | None) -> None:
    shape, kernel, stride, padding, _ = POOLINGS[name]
    for dtype, ceil in itertools.product(FLOATS, (0, 1)):
        size = [n + ceil for n in pooled_size(shape[2:], kernel, stride, padding)]
        last = [(n - 1) * s < h + p for n, s, h, p in zip(size, stride, shape[2:], padding, strict=True)]
        pooled = (*shape[:2], *(n if fits else n - 1 for n, fits in zip(size, last, strict=True)))
        rules = kernel, stride, padding, include_pad, divisor
        compare(cuda, "avg_pool2d", [random(shape, dtype)], [np.empty(pooled, dtype)], *rules)
        compare(cuda, "avg_pool2d_backward", [random(pooled, dtype)], [np.empty(shape, dtype)], *rules)


# --- Columns.


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_unfold_and_fold(cuda: ModuleType, name: str, dtype: Any) -> None:
    shape, kernel, *window = POOLINGS[name]
    columns = (*shape[:2], *kernel, *pooled_size(shape[2:], kernel, *window))
    compare(cuda, "unfold", [random(shape, dtype)], [np.empty(columns, dtype)], kernel, *window, exact=True)
    compare(cuda, "fold", [random(columns, dtype)], [np.empty(shape, dtype)], kernel, *window)


# --- Resizing.

RESIZED = [
    ((3, 4), (6, 8)),
    ((4, 5), (7, 3)),
    ((1, 1), (3, 2)),
    ((5, 6), (1, 1)),
    ((3, 3), (3, 3)),
    ((2, 3), (16, 9)),
]


@pytest.mark.parametrize(("source", "target"), RESIZED)
@pytest.mark.parametrize("batch", [2, 0])
def test_resizing(cuda: ModuleType, source: tuple[int, int], target: tuple[int, int], batch: int) -> None:
    steps = [s / t for s, t in zip(source, target, strict=True)]
    corners = [(s - 1) / max(1, t - 1) for s, t in zip(source, target, strict=True)]
    for dtype in FLOATS:
        small, large = random((batch, 2, *source), dtype), random((batch, 2, *target), dtype, 1)
        compare(cuda, "interpolate_nearest", [small], [large], tuple(steps), exact=True)
        compare(cuda, "interpolate_nearest_backward", [large], [small], tuple(steps))
        for step, align in ((steps, False), (corners, True)):
            compare(cuda, "interpolate_bilinear", [small], [large], tuple(step), align)
            compare(cuda, "interpolate_bilinear_backward", [large], [small], tuple(step), align)


def test_bilinear_keeps_a_nan_to_its_neighbours(cuda: ModuleType) -> None:
    x = random((1, 1, 4, 5))
    x[0, 0, 1, 2] = np.nan
    compare(cuda, "interpolate_bilinear", [x], [np.empty((1, 1, 8, 10), np.float32)], (0.5, 0.5), False)
    compare(cuda, "interpolate_bilinear", [x], [np.empty((1, 1, 7, 9), np.float32)], (0.5, 0.5), True)


def run_twice(function: Callable[[], Array]) -> None:
    np.testing.assert_array_equal(function(), function())


@pytest.mark.parametrize("name", ["several tiles", "many pixels, cut in parts", "depthwise"])
def test_sums_repeat_to_the_bit(cuda: ModuleType, name: str) -> None:
    x_shape, w_shape, stride, padding, dilation, groups = CONVOLUTIONS[name]
    y_shape = (x_shape[0], w_shape[0], *pooled_size(x_shape[2:], w_shape[2:], stride, padding, dilation))
    x, y = cuda.from_numpy(random(x_shape)), cuda.from_numpy(random(y_shape, seed=1))

    def gradient() -> Array:
        out = cuda.from_numpy(np.zeros(w_shape, np.float32))
        cuda.conv2d_weight_gradient(x, y, out, stride, padding, dilation, groups)
        return cuda.to_numpy(out)

    run_twice(gradient)


# --- Winograd's way, for 3x3 kernels and stride 1.

THREE_BY_THREE = {  # x, outputs, padding, dilation
    "whole tiles": ((1, 3, 8, 4), 2, ONE, ONE),
    "parts of tiles": ((2, 2, 7, 5), 5, ONE, ONE),
    "no padding": ((1, 3, 6, 7), 4, NONE, ONE),
    "wide padding": ((1, 2, 3, 4), 3, (3, 2), ONE),
    "one pixel": ((1, 1, 1, 1), 1, ONE, ONE),
    "dilated": ((1, 2, 7, 9), 3, (2, 3), (2, 3)),
    "dilated, with empty tiles in the shorter grids": ((1, 2, 9, 17), 2, (2, 4), (2, 4)),
    "dilated beyond the image": ((1, 2, 3, 3), 2, (4, 4), (4, 4)),
    # The last tile of the smaller of the interleaved grids has no pixel: in rows, in columns, in both, in the output.
    "empty tiles below": ((1, 1, 9, 4), 1, (2, 1), (2, 1)),
    "empty tiles to the right": ((1, 1, 4, 9), 1, (1, 2), (1, 2)),
    "empty tiles all round": ((1, 2, 9, 13), 1, (2, 3), (2, 3)),
    "empty tiles of the output": ((1, 1, 11, 20), 1, (1, 1), (2, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", THREE_BY_THREE)
@pytest.mark.parametrize("dtype", FLOATS)
def test_winograd(cuda: ModuleType, name: str, dtype: Any) -> None:
    x_shape, outputs, padding, dilation = THREE_BY_THREE[name]
    w_shape = outputs, x_shape[1], 3, 3
    y_shape = (x_shape[0], outputs, *pooled_size(x_shape[2:], (3, 3), ONE, padding, dilation))
    x, weight, y = random(x_shape, dtype), random(w_shape, dtype, 1), random(y_shape, dtype, 2)
    window = ONE, padding, dilation, 1
    cuda.set_conv_algorithm("winograd")
    try:
        for bias, relu in ((None, False), (random((outputs,), dtype, 3), True)):
            compare(cuda, "conv2d", [x, weight, bias], [y], *window, relu, None)
        compare(cuda, "conv_transpose2d", [y, weight, random((x_shape[1],), dtype, 4)], [x], *window, True, None)
    finally:
        cuda.set_conv_algorithm("auto")


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("dilation", [1, 2])
def test_winograd_keeps_a_value_where_it_belongs(cuda: ModuleType, dilation: int, value: float) -> None:
    """What is not finite reaches only the 3x3 outputs that depend on it; others are wrong by 1e-5 of the largest."""
    x, y, weight = random((2, 3, 9, 9)), random((2, 4, 9, 9), seed=1), random((4, 3, 3, 3), seed=2) / 27
    x[1, 2, 4, 3] = y[0, 1, 0, 8] = value
    window = ONE, (dilation, dilation), (dilation, dilation), 1, False, None
    cuda.set_conv_algorithm("winograd")
    try:
        for name, source, shape in (("conv2d", x, y.shape), ("conv_transpose2d", y, x.shape)):
            exact, out = np.empty(shape), cuda.from_numpy(np.zeros(shape, "float32"))
            with np.errstate(invalid="ignore", over="ignore"):
                getattr(reference, name)(source.astype("float64"), weight.astype("float64"), None, exact, *window)
                getattr(cuda, name)(cuda.from_numpy(source), cuda.from_numpy(weight), None, out, *window)
                found, finite = cuda.to_numpy(out), np.isfinite(exact)
            np.testing.assert_array_equal(np.isfinite(found), finite)
            assert np.abs(found[finite] - exact[finite]).max() <= 1e-5 * np.abs(source[np.isfinite(source)]).max()
    finally:
        cuda.set_conv_algorithm("auto")


def test_a_memo_keeps_what_winograd_made_of_the_weight(cuda: ModuleType) -> None:
    """The second call of either direction finds it; the two do not take each other's."""
    x, weight, memo = random((1, 2, 5, 6)), random((2, 2, 3, 3), seed=1), {}
    cuda.set_conv_algorithm("winograd")
    try:
        for name, _ in itertools.product(("conv2d", "conv_transpose2d"), range(2)):
            compare(cuda, name, [x, weight, None], [np.zeros_like(x)], ONE, ONE, ONE, 1, False, memo)
    finally:
        cuda.set_conv_algorithm("auto")
    assert len(memo) == 2


@pytest.mark.parametrize("free", [40_000, 3_000, 300])
def test_winograd_makes_do_with_less_memory(cuda: ModuleType, free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its usual workspace does not fit it takes smaller ones, and then direct convolution is left.

    ``free``: bytes that the device has for each array. The usual ones have 36 x 2 x 20 float32, 5,760 bytes, here.
    """
    winograd = importlib.import_module("tinyseg_kernels.cuda.conv.winograd")
    memory = importlib.import_module("tinyseg_kernels.cuda.runtime.memory")
    asked: list[int] = []

    def empty(shape: tuple[int, ...], dtype: Any) -> Any:
        asked.append(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        if asked[-1] > free:
            raise memory.OutOfDeviceMemory(asked[-1], free, free, 0)
        return cuda.empty(shape, dtype)

    monkeypatch.setattr(winograd, "empty", empty)
    monkeypatch.setattr(winograd, "_WORKSPACE", 2**15)
    x, weight, y = random((1, 2, 18, 14)), random((2, 2, 3, 3), seed=1), random((1, 2, 18, 14), seed=2)
    cuda.set_conv_algorithm("winograd")
    try:
        for name, read, out in (("conv2d", x, y), ("conv_transpose2d", y, x)):
            memo: dict[Any, Any] = {}
            compare(cuda, name, [read, weight, None], [out], ONE, ONE, ONE, 1, False, memo)
            assert len(memo) == (free > 300), "u is kept though there is no memory for anything else"
    finally:
        cuda.set_conv_algorithm("auto")
    fitting = [size for size in asked if size <= free]
    assert bool(fitting) == (free > 300)
    assert (len(asked) > len(fitting)) == (free < 40_000)


def test_too_little_memory_comes_with_advice(cuda: ModuleType) -> None:
    memory = importlib.import_module("tinyseg_kernels.cuda.runtime.memory")
    text = str(memory.OutOfDeviceMemory(3 << 30, 1 << 30, 8 << 30, 7 << 30))
    assert text.endswith("tensors hold 7.0 GiB; a smaller batch or smaller images need less")


def test_winograd_is_chosen_where_channels_are_many(cuda: ModuleType) -> None:
    from tinyseg_kernels.cuda.conv.winograd import pays

    assert pays((8, 256, 64, 64), (8, 256, 64, 64), ONE, False)
    assert not pays((8, 3, 256, 256), (8, 64, 256, 256), ONE, False)
    assert not pays((1, 1024, 4, 4), (1, 1024, 4, 4), ONE, False)


# --- Tensor cores.


@pytest.fixture
def tensor_cores(cuda: ModuleType) -> Iterator[None]:
    runtime = importlib.import_module("tinyseg_kernels.cuda.runtime.launch")
    runtime.set_float32_matmul_precision("high")
    if not runtime.uses_tensor_cores():
        runtime.set_float32_matmul_precision("highest")
        pytest.skip("this GPU has no tensor cores for tf32")
    yield
    runtime.set_float32_matmul_precision("highest")


def short(values: Array) -> Array:
    """Numbers of at most 8 binary digits, whose products and small sums are exact in tf32 and in float32."""
    return (np.round(values * 32) / 32).astype(np.float32)


@pytest.mark.usefixtures("tensor_cores")
@pytest.mark.parametrize(
    "name", ["3x3", "uneven strides", "4x4 stride 2", "groups", "several tiles", "many channels, cut in parts"]
)
def test_convolution_by_tensor_cores(cuda: ModuleType, name: str) -> None:
    """Exactly, for numbers that are not rounded: every element meets its partner."""
    x_shape, w_shape, stride, padding, dilation, groups = CONVOLUTIONS[name]
    size = pooled_size(x_shape[2:], w_shape[2:], stride, padding, dilation)
    y_shape = (x_shape[0], w_shape[0], *size)
    x, weight, y = short(random(x_shape)), short(random(w_shape, seed=1)), short(random(y_shape, seed=2))
    window = stride, padding, dilation, groups
    compare(cuda, "conv2d", [x, weight, short(random((w_shape[0],)))], [y], *window, True, None, exact=True)
    compare(cuda, "conv_transpose2d", [y, weight, None], [x], *window, False, None, exact=True)
    compare(cuda, "conv2d_weight_gradient", [x, y], [weight], *window, exact=True)


@pytest.mark.usefixtures("tensor_cores")
def test_tensor_cores_round_to_ten_binary_digits(cuda: ModuleType) -> None:
    """1 + 2**-11 is the middle of two such numbers, and goes away from 0; float64 stays what it is."""
    values = np.array([1 + 2**-11, 1 + 2**-12, -1 - 2**-11, 1 + 3 * 2**-11], np.float32).reshape(4, 1, 1, 1)
    expected = np.array([1 + 2**-10, 1, -1 - 2**-10, 1 + 2**-9])
    for dtype, results in ((np.float32, expected), (np.float64, values.ravel().astype(np.float64))):
        weight, out = np.ones((1, 1, 1, 1), dtype), cuda.from_numpy(np.zeros((4, 1, 1, 1), dtype))
        arrays = cuda.from_numpy(values.astype(dtype)), cuda.from_numpy(weight), None, out
        cuda.conv2d(*arrays, ONE, NONE, ONE, 1, False, None)
        np.testing.assert_array_equal(cuda.to_numpy(out).ravel(), results)


@pytest.mark.usefixtures("tensor_cores")
def test_matrix_product_by_tensor_cores(cuda: ModuleType) -> None:
    a, b = short(random((2, 37, 21))), short(random((2, 21, 19), seed=1))
    out = cuda.from_numpy(np.zeros((2, 37, 19), np.float32))
    cuda.matmul(cuda.from_numpy(a), cuda.from_numpy(b), out)
    np.testing.assert_array_equal(cuda.to_numpy(out), a @ b)
