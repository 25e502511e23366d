"""The ways a convolution can go on the cpu device: each against the definition, and the choice between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinyseg
import tinyseg_kernels
from tinyseg_kernels.cpu.conv import algorithm
from tinyseg_kernels.cpu.conv.winograd import forward, weight_gradient
from tinyseg_kernels.cpu.runtime import guards, memory, parallel

Array = np.ndarray[Any, Any]
cpu, reference = tinyseg_kernels.load("cpu"), tinyseg_kernels.load("reference")

# images, channels, outputs, height, width, padding, dilation: odd sizes, odd channels, borders wider than needed,
# grids with a different number of pixels, images smaller than a tile.
SHAPES = [
    (2, 16, 32, 8, 8, 1, 1),
    (1, 32, 16, 9, 11, 1, 1),
    (2, 20, 40, 13, 7, 0, 1),
    (1, 5, 33, 12, 10, 2, 1),
    (1, 17, 32, 17, 19, 2, 2),
    (2, 8, 48, 9, 7, 3, 3),
    (1, 1, 1, 1, 1, 1, 1),
    (1, 170, 165, 6, 5, 1, 1),  # channels so many that Winograd's stages are kept apart
    (1, 165, 150, 9, 14, 2, 2),
    (1, 16, 16, 5, 33, 2, 2),  # grids of 17 and 16 columns, 5 and 4 tiles: the smaller one's last tile is empty
    (1, 5, 20, 37, 6, 3, 3),
    (1, 165, 150, 34, 35, 4, 4),
    (0, 16, 16, 8, 8, 1, 1),
]


@pytest.fixture(autouse=True)
def _automatic() -> Iterator[None]:
    yield
    tinyseg.set_conv_algorithm("auto")


def three_passes(backend: Any, shape: tuple[int, ...], dtype: str, memo: bool = False) -> list[Array]:
    """Forward with bias and ReLU, its adjoint and its gradient by the weight, of the same random numbers for any
    backend. With ``memo`` twice, the second time with the weights packed by the first.
    """
    images, channels, outputs, height, width, padding, dilation = shape
    random = np.random.default_rng(0)
    grown = 2 * padding - 2 * dilation
    x = random.standard_normal((images, channels, height, width)).astype(dtype)
    y = random.standard_normal((images, outputs, height + grown, width + grown)).astype(dtype)
    weight = random.standard_normal((outputs, channels, 3, 3)).astype(dtype)
    bias = random.standard_normal(outputs).astype(dtype)
    window = ((1, 1), (padding, padding), (dilation, dilation), 1)
    results = [np.full_like(array, np.nan) for array in (y, x, weight)]
    kept: dict[Any, Any] | None = {} if memo else None
    for _ in range(1 + memo):
        backend.conv2d(x, weight, bias, results[0], *window, True, kept)
        backend.conv_transpose2d(y, weight, None, results[1], *window, False, kept)
    backend.conv2d_weight_gradient(x, y, results[2], *window)
    return results


@pytest.mark.parametrize("name", ["direct", "winograd"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_both_ways_agree_with_the_definition(name: str, shape: tuple[int, ...]) -> None:
    tinyseg.set_conv_algorithm(name)
    for dtype, bound in (("float32", 2e-5), ("float64", 1e-13)):
        exact = three_passes(reference, shape, "float64")
        for expected, found in zip(exact, three_passes(cpu, shape, dtype), strict=True):
            assert found.dtype == dtype
            if expected.size:
                assert np.abs(found - expected).max() <= bound * max(np.abs(expected).max(), 1e-30)


@pytest.mark.parametrize("name", ["direct", "winograd"])
@pytest.mark.parametrize(
    "shape", [(1, 17, 32, 9, 8, 1, 1), (1, 170, 165, 6, 5, 1, 1), (1, 12, 12, 9, 9, 1, 1)], ids=str
)
def test_packed_weights_give_the_same_bits(name: str, shape: tuple[int, ...]) -> None:
    tinyseg.set_conv_algorithm(name)
    for packed, anew in zip(
        three_passes(cpu, shape, "float32", True), three_passes(cpu, shape, "float32"), strict=True
    ):
        np.testing.assert_array_equal(packed, anew)


def test_many_tiles_are_staged_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (forward, weight_gradient):
        monkeypatch.setattr(module, "_SMALL_BYTES", 0)
        monkeypatch.setattr(module, "_STAGED_BYTES", 0)
    tinyseg.set_conv_algorithm("winograd")
    shape = (1, 20, 36, 70, 60, 1, 1)  # 270 tiles
    exact = three_passes(reference, shape, "float64")
    for expected, found in zip(exact, three_passes(cpu, shape, "float64"), strict=True):
        assert np.abs(found - expected).max() <= 1e-13 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["direct", "winograd"])
def test_the_same_bits_for_any_number_of_threads(name: str, threads: None) -> None:
    tinyseg.set_conv_algorithm(name)
    for shape in ((2, 40, 48, 30, 33, 1, 1), (2, 160, 170, 14, 9, 1, 1)):
        tinyseg.set_num_threads(1)
        alone = three_passes(cpu, shape, "float32")
        for count in (2, 3):
            tinyseg.set_num_threads(count)
            for one, several in zip(alone, three_passes(cpu, shape, "float32"), strict=True):
                np.testing.assert_array_equal(one, several)


# channels, outputs, size, padding, dilation: blocks of tiles, and stages for many channels; grids of unequal size.
FINITE = [(16, 16, 24, 1, 1), (7, 20, 19, 2, 2), (5, 33, 18, 0, 3), (165, 150, 15, 1, 1)]


@pytest.mark.parametrize("memo", [False, True], ids=["anew", "packed"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 1e8, 1e4])
@pytest.mark.parametrize("case", FINITE, ids=str)
def test_winograd_keeps_a_value_where_it_belongs(case: tuple[int, ...], value: float, memo: bool) -> None:
    """What is not finite reaches the 3x3 outputs that depend on it, in the image that it is in; the other outputs
    are wrong by at most 1e-5 of the largest value.
    """
    channels, outputs, size, padding, dilation = case
    random = np.random.default_rng(0)
    weight = (random.standard_normal((outputs, channels, 3, 3)) / (9 * channels)).astype("float32")
    x = random.standard_normal((2, channels, size, size)).astype("float32")
    grown = size + 2 * padding - 2 * dilation
    y = random.standard_normal((2, outputs, grown, grown)).astype("float32")
    x[1, channels // 2, size // 2, size - 3] = y[0, 1, 4, 5] = value
    window = ((1, 1), (padding, padding), (dilation, dilation), 1)
    tinyseg.set_conv_algorithm("winograd")
    forward, back = (np.full_like(array, 7) for array in (y, x))
    cpu.conv2d(x, weight, None, forward, *window, False, {} if memo else None)
    cpu.conv_transpose2d(y, weight, None, back, *window, False, {} if memo else None)
    with np.errstate(invalid="ignore", over="ignore"):
        for found, source, operation in ((forward, x, reference.conv2d), (back, y, reference.conv_transpose2d)):
            exact = np.empty(found.shape)
            operation(source.astype("float64"), weight.astype("float64"), None, exact, *window, False, None)
            wrong = np.isfinite(exact.astype("float32"))
            np.testing.assert_array_equal(np.isfinite(found), wrong)
            largest = np.abs(source[np.isfinite(source)]).max()
            assert np.abs(found[wrong] - exact[wrong]).max() <= 1e-5 * largest


@pytest.mark.parametrize("case", FINITE, ids=str)
def test_winograd_overflows_where_a_direct_sum_does(case: tuple[int, ...]) -> None:
    channels, outputs, size, padding, dilation = case
    random = np.random.default_rng(0)
    x = (1e37 * random.standard_normal((1, channels, size, size))).astype("float32")
    weight = (random.standard_normal((outputs, channels, 3, 3)) / 12).astype("float32")
    window = ((1, 1), (padding, padding), (dilation, dilation), 1)
    grown = size + 2 * padding - 2 * dilation
    exact, out = np.empty((1, outputs, grown, grown)), np.empty((1, outputs, grown, grown), "float32")
    reference.conv2d(x.astype("float64"), weight.astype("float64"), None, exact, *window, False, None)
    tinyseg.set_conv_algorithm("winograd")
    cpu.conv2d(x, weight, None, out, *window, True, None)
    assert np.abs(exact).max() < np.finfo("float32").max
    assert np.abs(out - np.maximum(exact, 0)).max() <= 1e-5 * np.abs(x).max()


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("channels", [16, 165])
@pytest.mark.parametrize("where", ["x", "grad"])
def test_the_weight_gradient_keeps_a_value_where_it_belongs(where: str, channels: int, value: float) -> None:
    """A pixel at the upper right corner meets only the four taps that lead into the image."""
    random = np.random.default_rng(0)
    x, grad = (random.standard_normal((1, channels, 13, 13)).astype("float32") / 100 for _ in range(2))
    (x if where == "x" else grad)[0, 5, 0, 12] = value
    belongs = np.zeros((channels, channels, 3, 3), bool)
    if where == "x":
        belongs[:, 5, :2, 1:] = not np.isfinite(value)
    else:
        belongs[5, :, 1:, :2] = not np.isfinite(value)
    window = ((1, 1), (1, 1), (1, 1), 1)
    exact, out = np.empty(belongs.shape), np.empty(belongs.shape, "float32")
    with np.errstate(invalid="ignore", over="ignore"):
        reference.conv2d_weight_gradient(x.astype("float64"), grad.astype("float64"), exact, *window)
    tinyseg.set_conv_algorithm("winograd")
    cpu.conv2d_weight_gradient(x, grad, out, *window)
    np.testing.assert_array_equal(~np.isfinite(out), belongs)
    largest = max(np.abs(array[np.isfinite(array)]).max() for array in (x, grad))
    both = np.isfinite(out) & np.isfinite(exact)  # the definition multiplies the value with the padding's zeros, too
    assert np.abs(out[both] - exact[both]).max() <= 1e-5 * largest


def test_marked_tiles_are_computed_as_a_direct_sum_computes_them() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((2, 16, 20, 20)).astype("float32")
    weight = random.standard_normal((32, 16, 3, 3)).astype("float32")
    bias = random.standard_normal(32).astype("float32")
    x[1, 0, 9, 9] = np.nan
    results = {}
    for name in ("direct", "winograd"):
        tinyseg.set_conv_algorithm(name)
        results[name] = np.empty((2, 32, 20, 20), "float32")
        cpu.conv2d(x, weight, bias, results[name], (1, 1), (1, 1), (1, 1), 1, True, None)
    equal = (results["direct"] == results["winograd"]) | np.isnan(results["direct"])
    assert equal[1, :, 8:12, 8:12].all()  # the tile of pixel (9, 9)
    assert not equal[1, :, :8].all()  # others are Winograd's
    assert not equal[0].all()


def shape(images: int, channels: int, outputs: int, size: int, **others: Any) -> algorithm.Shape:
    """A 3x3 convolution of square images with stride 1, or what ``others`` say."""
    tiles, met = images * (-(-size // 4)) ** 2, 9 * images * size**2
    given = {"kernel": (3, 3), "stride": (1, 1), "tiles": tiles, "met": met, **others}
    return algorithm.Shape(channels=channels, outputs=outputs, itemsize=4, **given)


def test_the_choice_follows_the_shape() -> None:
    chosen = algorithm.uses_winograd
    assert chosen(shape(4, 64, 64, 64), packed=False)
    assert not chosen(shape(4, 3, 32, 128), packed=False)  # a first layer: three channels and 13 of filling
    assert chosen(shape(1, 512, 512, 8), packed=True)
    assert not chosen(shape(1, 512, 512, 4), packed=True)  # one tile would read four times the weights
    assert not chosen(shape(4, 64, 64, 64, stride=(2, 2)), packed=False)
    assert not chosen(shape(4, 64, 64, 64, kernel=(5, 5)), packed=False)
    # dilation 16: each grid has 2x2 pixels or fewer, and most taps are outside
    assert not chosen(shape(1, 512, 512, 28, tiles=256, met=52**2), packed=True)


def test_the_choice_for_the_gradient_by_the_weight() -> None:
    chosen = algorithm.gradient_uses_winograd
    assert chosen(shape(4, 64, 64, 64))
    assert not chosen(shape(4, 3, 32, 128))
    assert not chosen(shape(1, 64, 64, 128, tiles=16384))  # a pixel a tile


def test_the_choice_can_be_taken_away() -> None:
    tinyseg.set_conv_algorithm("direct")
    assert not algorithm.uses_winograd(shape(4, 64, 64, 64), packed=False)
    tinyseg.set_conv_algorithm("winograd")
    assert algorithm.uses_winograd(shape(1, 512, 512, 4), packed=True)
    with pytest.raises(ValueError, match=r"expected 'auto', 'direct' or 'winograd', got 'fft'"):
        tinyseg.set_conv_algorithm("fft")


# channels, outputs, height, width, kernel, stride, padding, dilation: taps that reach far beyond the image, and past
# all of it
FAR = [
    (16, 20, 28, 28, 3, 1, 16, 16),
    (7, 20, 9, 11, 3, 1, 5, 5),
    (8, 8, 6, 5, 3, 2, 4, 4),
    (8, 8, 10, 10, 5, 3, 8, 4),
    (8, 8, 3, 3, 3, 1, 2, 2),
    (4, 4, 5, 5, 1, 1, 3, 1),
]


@pytest.mark.parametrize("case", FAR, ids=str)
def test_taps_outside_the_image_are_left_out(case: tuple[int, ...]) -> None:
    channels, outputs, height, width, kernel, stride, padding, dilation = case
    random = np.random.default_rng(0)
    x, weight = (
        random.standard_normal((2, channels, height, width)),
        random.standard_normal((outputs, channels, kernel, kernel)),
    )
    rows, columns = ((n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for n in (height, width))
    y, bias = random.standard_normal((2, outputs, rows, columns)), random.standard_normal(outputs)
    window = ((stride, stride), (padding, padding), (dilation, dilation), 1)
    found = []
    for backend in (reference, cpu):
        out, back, gradient = (np.full_like(a, np.nan) for a in (y, x, weight))
        backend.conv2d(x, weight, bias, out, *window, False, None)
        backend.conv_transpose2d(y, weight, None, back, *window, True, None)
        backend.conv2d_weight_gradient(x, y, gradient, *window)
        found.append((out, back, gradient))
    for expected, result in zip(*found, strict=True):
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_large_memory_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "on", False)  # bands would make other sizes of these
    tinyseg.empty_cache()
    first = memory.empty((512, 512), "float32")
    place = first.ctypes.data
    view = first[3:]
    del first
    assert memory.empty((512, 512), "float32").ctypes.data != place  # a view still looks at it
    del view
    assert memory.empty((500, 520), "float32").ctypes.data == place


def test_memory_that_is_not_used_can_be_given_back() -> None:
    tinyseg.empty_cache()
    array = memory.empty((1 << 20,), "float32")
    del array
    assert memory._pool.idle_bytes >= 4 << 20
    tinyseg.empty_cache()
    assert memory._pool.idle_bytes == 0


def test_the_pool_keeps_no_more_than_its_limit() -> None:
    pool = memory._Pool(limit=3 << 20)
    arrays = [pool.take(1 << 20) for _ in range(5)]
    arrays.clear()
    assert pool.idle_bytes == 3 << 20


def test_an_error_in_a_thread_reaches_the_caller(threads: None) -> None:
    def fails(start: int, stop: int) -> None:
        raise ArithmeticError(start)

    def run(function: Callable[..., None]) -> None:
        parallel.run(function, 8, 1)

    tinyseg.set_num_threads(2)
    with pytest.raises(ArithmeticError):
        run(fails)
