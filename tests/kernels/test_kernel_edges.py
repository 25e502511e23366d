"""The cpu backend's kernels where vectors, tiles, blocks and images end: each remainder, and empty tiles.

All arrays lie between guard bands (see ``guarded.py``): a number written outside of an array fails the test, and a
number read from there is NaN. Results are compared with the reference's direct sums in float64. The environment
variable ``EDGES`` multiplies the number of combinations, for a longer search.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from guarded import Array, agree, around, between_bands, mixed, pixels, values

import tinyseg
from tinyseg_kernels import cpu, reference
from tinyseg_kernels.cpu.conv.winograd import forward, weight_gradient
from tinyseg_kernels.cpu.conv.winograd.tiles import count_tiles
from tinyseg_kernels.cpu.patterns import copying
from tinyseg_kernels.cpu.runtime import guards, memory
from tinyseg_kernels.cpu.runtime.processor import ROWS, VECTOR_BYTES

LANES = VECTOR_BYTES // 4  # of float32; of float64 half of them
CHANNELS = around(1, LANES // 4, LANES // 2, LANES, 2 * LANES)
TIMES = int(os.environ.get("EDGES", "1"))
Pair = tuple[int, int]


@pytest.fixture(autouse=True)
def _automatic() -> Iterator[None]:
    yield
    tinyseg.set_conv_algorithm("auto")


def size_of(size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """Of what a window makes of an image; 0 or less if there is none."""
    down, across = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )
    return down, across


def three_passes(
    images: int, channels: Pair, size: Pair, kernel: Pair, window: tuple[Pair, Pair, Pair, int], memo: bool = False
) -> None:
    """A convolution with bias and ReLU, its adjoint with a bias, and its weight gradient."""
    stride, padding, dilation, groups = window
    out = size_of(size, kernel, stride, padding, dilation)
    inputs, outputs = channels
    x, y = pixels(images, inputs, *size), pixels(images, outputs, *out, seed=1)
    weight = values(outputs, inputs // groups, *kernel, seed=2)
    agree("conv2d", [x, weight, values(outputs, seed=3)], [y], *window, True, dict if memo else None)
    agree("conv_transpose2d", [y, weight, values(inputs, seed=4)], [x], *window, False, dict if memo else None)
    agree("conv2d_weight_gradient", [x, y], [weight], *window, scale=3)


# --- Convolutions. Winograd's tiles have 4x4 pixels; with a dilation they are cut from interleaved grids, the smaller
# of which may have no pixel in their last tile.

DILATIONS = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (1, 4), (4, 1), (3, 5), (4, 4), (2, 3)]
PADDINGS = [(0, 0), (1, 1), (0, 2), (2, 1), (3, 0), (4, 5), (1, 0)]
SIZES = [(1, 1), (1, 5), (6, 1), (4, 4), (5, 33), (33, 5), (8, 9), (17, 16), (2, 37), (9, 14), (3, 2), (12, 13)]
FEW = [n for n in CHANNELS if n <= LANES + 1]


def windows_of(kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, size: Pair) -> tuple[Pair, Pair, Pair]:
    """With a wider padding where there would be no output."""
    least = [-(-(d * (k - 1) + 1 - n) // 2) for n, k, d in zip(size, kernel, dilation, strict=True)]
    return stride, (max(padding[0], least[0]), max(padding[1], least[1])), dilation


ENDS: list[Callable[[int], int]] = [lambda d: 0, lambda d: 1, lambda d: d - 1, lambda d: d, lambda d: 4 * d - 1]
TILES = [(0, 1), (1, 0), (1, 1), (2, 0), (0, 2), (1, 2)]


def tiled(tiles: Pair, ends: tuple[Callable[[int], int], ...], dilation: Pair) -> Pair:
    """So many whole tiles in each grid, and pixels in one more: in none of the grids, in one, in all but one, in all,
    in all as many as there can be but for one.
    """
    down, across = (max(1, 4 * d * t + end(d)) for t, end, d in zip(tiles, ends, dilation, strict=True))
    return down, across


@pytest.mark.parametrize("way", ["few", "many", "parts"])
def test_winograd(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way of going through its stages, whatever the sizes would have it choose; several blocks of channels."""
    tinyseg.set_conv_algorithm("winograd")
    for module in (forward, weight_gradient):
        monkeypatch.setattr(module, "_SMALL_BYTES", 1 << 40 if way == "few" else 0)
        monkeypatch.setattr(module, "_STAGED_BYTES", 0 if way == "parts" else 1 << 30)
    inputs_of = CHANNELS if way == "few" else [*CHANNELS, 70]  # more than 64 are summed in parts
    outputs = CHANNELS if way == "few" else [*CHANNELS, 6 * LANES + 1, 7 * LANES]
    cases = mixed(
        20 * TIMES,
        inputs_of,
        outputs,
        DILATIONS,
        TILES,
        ENDS,
        ENDS,
        PADDINGS,
        [1, 1, 2],
        [False, False, True],
        [0, 1],
    )
    for inputs, output, dilation, tiles, down, across, padding, images, memo, adjoint in cases:
        while way == "parts" and images * count_tiles(1, tiled(tiles, (down, across), dilation), dilation) < 129:
            tiles = tiles[0] + 1, tiles[1] + 1
        target = tiled(tiles, (down, across), dilation)  # of the convolution, or of its adjoint
        if adjoint:
            size, window = target, windows_of((3, 3), (1, 1), padding, dilation, target)
        else:
            most = [(n + 2 * d - 1) // 2 for n, d in zip(target, dilation, strict=True)]
            padding = min(padding[0], most[0]), min(padding[1], most[1])
            window = (1, 1), padding, dilation
            size = target[0] + 2 * (dilation[0] - padding[0]), target[1] + 2 * (dilation[1] - padding[1])
        three_passes(images, (inputs, output), size, (3, 3), (*window, 1), memo)


@pytest.mark.parametrize("channels", [CHANNELS, FEW], ids=["many", "few"])
def test_direct_convolution(channels: list[int]) -> None:
    """All windows; few channels go a way of their own in the weight gradient, and neighbouring taps are merged."""
    tinyseg.set_conv_algorithm("direct")
    kernels = [(1, 1), (3, 3), (2, 3), (5, 1), (1, 4), (3, 2)]
    strides = [(1, 1), (1, 2), (2, 1), (3, 2), (2, 3), (4, 1), (1, 1)]
    cases = mixed(
        24 * TIMES, channels, channels, SIZES, kernels, strides, DILATIONS, PADDINGS, [1, 1, 1, 2, 3], [1, 2]
    )
    for inputs, outputs, size, kernel, stride, dilation, padding, groups, images in cases:
        window = windows_of(kernel, stride, padding, dilation, size)
        if groups > 1:
            inputs, outputs = -(-inputs // 2) * groups, -(-outputs // 2) * groups
        three_passes(images, (inputs, outputs), size, kernel, (*window, groups), memo=images == 2)


def test_depthwise_convolution() -> None:
    kernels, strides = [(3, 3), (1, 1), (2, 3), (5, 1), (1, 4)], [(1, 1), (1, 2), (2, 1), (3, 2), (1, 3)]
    cases = mixed(24 * TIMES, CHANNELS, SIZES, kernels, strides, DILATIONS, PADDINGS, [1, 2])
    for channels, size, kernel, stride, dilation, padding, images in cases:
        window = windows_of(kernel, stride, padding, dilation, size)
        three_passes(images, (channels, channels), size, kernel, (*window, channels))


def test_matrix_products() -> None:
    """Rows around the blocks of registers, columns around vectors, and transposed factors."""
    rows = around(1, ROWS, 2 * ROWS)
    for m, k, n, turned in mixed(24 * TIMES, rows, [1, 2, 7, 40], CHANNELS, range(4)):
        a = values(k, m).T if turned & 1 else values(m, k)
        b = values(n, k, seed=1).T if turned & 2 else values(k, n, seed=1)
        agree("matmul", [a[None], b[None]], [values(1, m, n)])


# --- Windows and resizing.

POOLS = [(1, 1), (2, 2), (3, 3), (2, 5), (6, 1), (1, 7)]
IMAGES = [(1, 1), (1, 9), (7, 1), (4, 5), (9, 8), (13, 11)]
WIDE = [*CHANNELS, 128, 130]  # channels are cut into strips where rows are few


def test_average_pooling() -> None:
    strides = [(1, 1), (2, 2), (3, 1), (1, 4)]
    for channels, size, kernel, stride, padded, count, divisor in mixed(
        30 * TIMES, WIDE, IMAGES, POOLS, strides, range(3), [False, True], [None, None, 3]
    ):
        padding = tuple(min(padded, k // 2) for k in kernel)
        small = size_of(size, kernel, stride, padding, (1, 1))
        if min(small) < 1:
            continue
        x, y = pixels(2, channels, *size), pixels(2, channels, *small)
        agree("avg_pool2d", [x], [y], kernel, stride, padding, count, divisor)
        agree("avg_pool2d_backward", [y], [x], kernel, stride, padding, count, divisor)


def shuffled(*shape: int) -> Array:
    """Numbers of which no two are equal, as an activation."""
    n, c, h, w = shape
    order = np.random.default_rng(7).permutation(n * c * h * w).astype(float)
    return order.reshape(n, h, w, c).transpose(0, 3, 1, 2)


def test_max_pooling_and_unpooling() -> None:
    strides = [(1, 1), (2, 2), (3, 1), (1, 4)]
    for channels, size, kernel, stride, dilation, padded in mixed(
        24 * TIMES, CHANNELS, IMAGES, POOLS, strides, [(1, 1), (1, 1), (2, 1), (1, 3)], range(3)
    ):
        padding = tuple(min(padded, k // 2) if d == 1 else 0 for k, d in zip(kernel, dilation, strict=True))
        small = size_of(size, kernel, stride, padding, dilation)
        if min(small) < 1:
            continue
        window = kernel, stride, padding, dilation
        x, y = shuffled(2, channels, *size), pixels(2, channels, *small)
        places = np.zeros(y.transpose(0, 2, 3, 1).shape, np.int64).transpose(0, 3, 1, 2)
        agree("max_pool2d", [x], [y, places], *window, exact=True)
        reference.max_pool2d(x, y.copy(), places, *window)
        agree("max_pool2d_backward", [y, places], [x], *window)
        agree("max_unpool2d", [y, places], [x])
        agree("max_unpool2d_backward", [x, places], [y])


def test_adaptive_pooling() -> None:
    for channels, size, small in mixed(18 * TIMES, WIDE, IMAGES, [(1, 1), (2, 3), (5, 1), (3, 8), (9, 7)]):
        x, y = shuffled(1, channels, *size), pixels(1, channels, *small)
        places = np.zeros(y.transpose(0, 2, 3, 1).shape, np.int64).transpose(0, 3, 1, 2)
        agree("adaptive_max_pool2d", [x], [y, places], exact=True)
        reference.adaptive_max_pool2d(x, y.copy(), places)
        agree("adaptive_max_pool2d_backward", [y, places], [x])
        agree("adaptive_avg_pool2d", [x], [y])
        agree("adaptive_avg_pool2d_backward", [y], [x])


def test_resizing() -> None:
    for channels, size, target, align in mixed(24 * TIMES, CHANNELS, IMAGES, IMAGES, [False, True]):
        x, y = pixels(2, channels, *size), pixels(2, channels, *target)
        step = tuple((n - 1) / max(m - 1, 1) if align else n / m for n, m in zip(size, target, strict=True))
        agree("interpolate_bilinear", [x], [y], step, align)
        agree("interpolate_bilinear_backward", [y], [x], step, align)
        step = tuple(n / m for n, m in zip(size, target, strict=True))
        agree("interpolate_nearest", [x], [y], step)
        agree("interpolate_nearest_backward", [y], [x], step)


def test_unfolding_and_folding() -> None:
    strides = [(1, 1), (2, 1), (1, 3)]
    for channels, size, kernel, stride, dilation, padding in mixed(
        18 * TIMES, [1, 3], SIZES, POOLS, strides, DILATIONS, PADDINGS
    ):
        stride, padding, dilation = windows_of(kernel, stride, padding, dilation, size)
        columns = (*kernel, *size_of(size, kernel, stride, padding, dilation))
        x, y = values(2, channels, *size), values(2, channels, *columns)
        agree("unfold", [x], [y], kernel, stride, padding, dilation)
        agree("fold", [y], [x], kernel, stride, padding, dilation)


def test_moving_channels_to_pixels() -> None:
    for channels, size, factor in mixed(12 * TIMES, [1, 2, 5, LANES + 1], IMAGES, [1, 2, 3]):
        wide = pixels(2, channels * factor**2, *size)
        fine = pixels(2, channels, size[0] * factor, size[1] * factor)
        agree("pixel_shuffle", [wide], [fine], factor)
        agree("pixel_unshuffle", [fine], [wide], factor)


# --- Over channels and pixels: tiles of 64 pixels, rows of at least 64 numbers, blocks of 16384.

CLASSES = [1, 2, 3, 5, 21, 63, 64, 65, 130]
COUNTS = [(1, 1), (1, 63), (8, 8), (5, 13), (1, 129)]


def test_softmax() -> None:
    for classes, size, axis in mixed(18 * TIMES, CLASSES, COUNTS, [1, 1, 3]):
        x, y = pixels(2, classes, *size), pixels(2, classes, *size, seed=1)
        for name in ("softmax", "log_softmax"):
            agree(name, [x], [x], axis)
            of_x = np.empty_like(x)
            getattr(reference, name)(x, of_x, axis)
            agree(f"{name}_backward", [y, of_x], [x], axis)


def test_cross_entropy() -> None:
    random = np.random.default_rng(0)
    for classes, size, smoothing, weighted in mixed(18 * TIMES, CLASSES, COUNTS, [0.0, 0.1], [False, True]):
        x, grad = pixels(2, classes, *size), values(2, *size)
        target = random.integers(0, classes, (2, *size))
        target[random.random(target.shape) < 0.2] = 255
        weight = random.random(classes) + 0.5 if weighted else None
        agree("cross_entropy", [x, target, weight], [grad, grad], 255, smoothing)
        agree("cross_entropy_backward", [grad, x, target, weight], [x], 255, smoothing)
        shares = np.abs(pixels(2, classes, *size, seed=1))
        agree("soft_cross_entropy", [x, shares, weight], [grad], smoothing, scale=3)
        agree("soft_cross_entropy_backward", [grad, x, shares, weight], [x], smoothing, scale=3)
        agree("label_bounds", [target], [np.zeros(3, np.int64)], 255)


NORMED = [1, 2, 3, 31, 63, 64, 65, 130]


def test_batch_norm() -> None:
    sizes = [*COUNTS, (30, 50)]  # the last one has several blocks where channels are many
    for channels, size, relu, weighted in mixed(18 * TIMES, NORMED, sizes, [False, True], [False, True]):
        x, grad = pixels(2, channels, *size), pixels(2, channels, *size, seed=1)
        vectors = [values(channels, seed=seed) for seed in range(4)]
        mean, rstd = vectors[0], np.abs(vectors[1]) + 0.5
        scale, shift = (vectors[2], vectors[3]) if weighted else (None, None)
        agree("batch_norm_statistics", [x], vectors[:2])
        agree("batch_norm", [x, mean, rstd, scale, shift], [x], relu, scale=3)
        relu = False  # near 0 the two types may not agree on what is open
        agree("batch_norm_sums", [grad, x, mean, rstd, scale, shift], vectors[:2], relu, scale=30)
        for sums in (vectors[2:], [None, None]):
            agree("batch_norm_backward", [grad, x, mean, rstd, scale, shift, *sums], [x], relu, scale=3)


def test_group_and_layer_norm() -> None:
    for channels, groups, size, weighted in mixed(12 * TIMES, [1, 2, 21, 32, 33], [1, 2, 3], COUNTS, [False, True]):
        channels *= groups
        x, grad = pixels(2, channels, *size), pixels(2, channels, *size, seed=1)
        weight, bias = (values(channels), values(channels, seed=1)) if weighted else (None, None)
        mean, rstd = values(2, groups), np.abs(values(2, groups, seed=1)) + 0.5
        agree("group_norm_statistics", [x], [mean, rstd])
        agree("group_norm", [x, mean, rstd, weight, bias], [x], scale=3)
        vectors = [values(channels), values(channels)]
        agree("group_norm_backward", [grad, x, mean, rstd, weight], [*vectors, x], scale=30)
    for rows, width, weighted in mixed(12 * TIMES, [1, 2, 65, 131], NORMED, [False, True]):
        x, grad = values(rows, width), values(rows, width, seed=1)
        weight, bias = (values(width), values(width, seed=1)) if weighted else (None, None)
        mean, rstd = values(rows), np.abs(values(rows, seed=1)) + 0.5
        agree("layer_norm", [x, weight, bias], [x, mean, rstd], 0.1, scale=3)
        vectors = [values(width), values(width)]
        agree("layer_norm_backward", [grad, x, mean, rstd, weight], [*vectors, x], scale=30)


def test_local_response_norm() -> None:
    for channels, size, window in mixed(10 * TIMES, CHANNELS, COUNTS, [1, 2, 5, 40]):
        x, grad = pixels(1, channels, *size), pixels(1, channels, *size, seed=1)
        agree("local_response_norm", [x], [x], window, 0.3, 0.75, 1.0)
        agree("local_response_norm_backward", [grad, x], [x], window, 0.3, 0.75, 1.0, scale=3)


# --- Element by element, sums, moves: blocks of 4096 elements, rows of at least 64, tiles of 64 rows.

LENGTHS = [*around(LANES), 255, 256, 257, 4095, 4096, 4097, 9000, 70_001]


def test_elementwise() -> None:
    """In a row, with a number, and with operands that are repeated along either side or lie in another order."""
    for n in LENGTHS:
        x, y = values(n), np.abs(values(n, seed=1)) + 0.5
        agree("add", [x, y], [x])
        agree("multiply", [x, 1.5], [x])
        agree("where", [x > 0, x, y], [x])
        agree("exp", [x], [x])
        agree("assign", [x], [x], exact=True)
    for rows, columns in mixed(12 * TIMES, [1, 3, 65, 700], [1, 2, LANES - 1, LANES + 1, 65]):
        x = values(rows, columns)
        agree("multiply", [x, values(columns)], [x])
        agree("multiply", [x, values(rows, 1)], [x])
        agree("multiply", [x, values(columns, rows).T], [x])
        agree("smooth_l1_loss", [x, values(rows, columns, seed=1)], [x], 0.5)


def test_copies_of_some_channels() -> None:
    """As concatenation makes them: what stands beside them in the target stays."""
    for dtype, whole, part, first, rows in mixed(
        16 * TIMES, ["float32", "float64", "int64"], [40, 65], [1, 2, LANES - 1, LANES, LANES + 1], [0, 3, 7], [1, 9]
    ):
        source = between_bands(np.arange(rows * whole).reshape(rows, whole), dtype).astype(dtype)
        target = memory.full((rows, whole + 8), -1, dtype)
        copying.assign(source[:, first : first + part], target[:, first + 1 : first + 1 + part])
        wanted = np.full((rows, whole + 8), -1)
        wanted[:, first + 1 : first + 1 + part] = np.arange(rows * whole).reshape(rows, whole)[
            :, first : first + part
        ]
        np.testing.assert_array_equal(target, wanted)


def test_reductions_and_running_sums() -> None:
    heights = [1, 2, 31, 64, 255, 257, 600]
    for outer, rows, columns in mixed(21 * TIMES, [1, 2, 63, 65], heights, [1, 2, 63, 65, 1025]):
        if outer * rows * columns > 200_000:
            continue
        x = values(outer, rows, columns)
        for name in ("sum", "max", "min"):
            agree(name, [x], [values(outer, columns)[:, None]], (1,))
        for name in ("argmax", "argmin"):
            agree(name, [x], [np.zeros((outer, 1, columns), np.int64)], 1, dtypes=["float64"])
        agree("prod", [x[:, :9]], [values(outer, columns)[:, None]], (1,))
        agree("cumsum", [x], [x], 1)


def test_picking_by_index() -> None:
    random = np.random.default_rng(0)
    for rows, length, picks, axis in mixed(12 * TIMES, [1, 3, 65], [1, 2, 17, 64], [1, 5, 33], [0, 1]):
        index = random.integers(0, length, (rows, picks) if axis else (picks, rows))
        x = values(rows, length) if axis else values(length, rows)
        y = values(*index.shape)
        agree("gather", [x, index], [y], axis)
        agree("scatter_add", [y, index], [x], axis, update=True)


def test_random_numbers() -> None:
    """Blocks of 1024; the words are the reference's."""
    for n in [*around(4), 1023, 1024, 1025, 3000]:
        for name in ("uniform", "normal"):
            agree(name, [], [values(n)], 5, 9, dtypes=["float64"])
        agree("dropout", [values(n)], [values(n)], 0.3, 5, 9)


def test_optimisers() -> None:
    """Of several parameters at once, treated as one array in pieces of 65536 elements."""
    sizes = [1, 255, 256, 257, LANES - 1, 1000, 70_001]
    for dtype in ("float32", "float64"):
        for name, numbers, lists in (
            ("sgd_step", (0.1, 0.9, 0.0, 0.01, True, False), 3),
            ("adam_step", (0.1, 0.9, 0.99, 1e-8, 0.01, True, 3), 4),
            ("rmsprop_step", (0.1, 0.9, 1e-3, 0.01, 0.5), 5),
        ):
            given = [[np.abs(values(n, seed=seed)).astype(dtype) for n in sizes] for seed in range(lists)]
            if name == "rmsprop_step":  # the mean of squares, less the mean's square, is a variance, and not near 0
                given[2] = [1 + square + mean**2 for square, mean in zip(given[2], given[4], strict=True)]
            wanted = [[array.astype("float64") for array in group] for group in given]
            found = [[between_bands(array, dtype) for array in group] for group in given]
            getattr(reference, name)(*wanted, *numbers)
            getattr(cpu, name)(*found, *numbers)
            for one, other in zip(found, wanted, strict=True):
                for array, right in zip(one, other, strict=True):
                    bound = 1e-5 if dtype == "float32" else 1e-12
                    np.testing.assert_allclose(array, right, bound, bound)


def test_the_sweep_would_see_a_number_too_many() -> None:
    """A copy that takes one row more than there are is found by its band."""
    source, target = memory.full((3, 8), 1, "float32"), memory.empty((2, 8), "float32")
    copying._copy_rows(0, 3, source.reshape(-1), 8, 8, target.reshape(-1), 8)
    with pytest.raises(RuntimeError, match=r"bytes behind an array of shape \(2, 8\) and type float32"):
        guards.check()
