"""Where numbers of the GPU end: blocks of a launch, and counts in 32 bits. Nothing here is as large as it says.

Launches are noted and not done; arrays repeat one element (stride 0) or are not there at all.
"""

from __future__ import annotations

import importlib
import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg_kernels import reference

ONE, NONE = (1, 1), (0, 0)
MOST = 2**31 - 1


@pytest.fixture(scope="module")
def cuda() -> ModuleType:
    """The backend, on a GPU or simulated."""
    if not tinyseg.cuda.is_available():
        pytest.skip("no GPU to be used; NUMBA_ENABLE_CUDASIM=1 simulates one")
    return importlib.import_module("tinyseg_kernels.cuda")


def part(name: str) -> ModuleType:
    return importlib.import_module(f"tinyseg_kernels.cuda.{name}")


@pytest.fixture
def launched(cuda: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """The blocks of each launch, which end here."""
    noted: list[tuple[int, int, int]] = []
    monkeypatch.setattr(part("runtime.launch").gpu(), "launch", lambda kernel, blocks, *_: noted.append(blocks))
    return noted


def test_every_launch_is_held_to_the_grids_limits(cuda: ModuleType, launched: list[Any]) -> None:
    """By the launch itself, so that no kernel has to think of it."""
    runtime, compiler = part("runtime.launch"), part("runtime.compiler")
    kernel = compiler.Kernel(lambda n: None, {("i8",): {}})
    compiler.KERNELS.remove(kernel)
    for blocks in ((MOST, 65535, 65535), MOST, (1, 65535)):
        runtime.launch(kernel, blocks, 1, 3)
    assert launched == [(MOST, 65535, 65535), (MOST, 1, 1), (1, 65535, 1)]
    for blocks in ((MOST + 1, 1, 1), (1, 65536), (1, 1, 65536), 2**40):
        with pytest.raises(
            ValueError, match=r"test_cuda_limits\.<lambda>: arrays so large need a launch of .* blocks"
        ):
            runtime.launch(kernel, blocks, 1, 3)
    assert len(launched) == 3
    runtime.launch(kernel, (0, 70000), 1, 3)  # nothing to do
    assert len(launched) == 3


# Convolution


def window(x: tuple[int, ...], y: tuple[int, ...], kernel: Any, *, groups: int = 1, **options: Any) -> Any:
    values = {"stride": ONE, "padding": NONE, "dilation": ONE, **options}
    return part("conv.plan").Window(
        x, y, kernel, values["stride"], values["padding"], values["dilation"], groups, "f4"
    )


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        # A weight of 2**31 elements, at the end of which places are negative in 32 bits.
        (((1, 65536, 1, 1), (1, 32768, 1, 1), ONE), {}, r"a weight of shape \(32768, 65536, 1, 1\) is too large"),
        # One of 2**30 elements, whose table of four numbers each has 2**32 (forward), or the adjoint's has.
        (((1, 2**30, 1, 1), (1, 1, 1, 1), ONE), {}, "a weight of shape .* is too large"),
        (((1, 1, 1, 1), (1, 2**30, 1, 1), ONE), {}, "a weight of shape .* is too large"),
        # The last tile of pixels ends beyond 2**31.
        (((1, 1, MOST, 1), (1, 1, MOST, 1), ONE), {}, "pixels in the batch"),
        (((MOST, 1, 1, 1), (MOST, 1, 1, 1), ONE), {}, "pixels in the batch"),
        # A row so low that what marks rows outside of all images is inside.
        (((1, 1, 2**29, 1), (1, 1, 2**29, 1), ONE), {}, "more places than can be counted"),
        # A tap that is further away than 2**31 elements, though the image is not.
        (
            ((1, 1, 4, 2**16), (1, 1, 4, 2**16), (3, 1)),
            {"dilation": (2**15, 1), "padding": (2**15, 0)},
            "windows of 65537 x 1 pixels",
        ),
    ],
)
def test_convolutions_beyond_32_bits_are_refused(cuda: ModuleType, shapes: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        window(*shapes, **options)


def test_a_large_convolution_is_no_too_large_one(cuda: ModuleType) -> None:
    window((8, 64, 4096, 4096), (8, 64, 4096, 4096), (3, 3), dilation=(12, 12), padding=(12, 12))
    window((1, 512, 7, 7), (1, 4096, 1, 1), (7, 7))


def test_no_number_of_a_plan_is_cut(cuda: ModuleType) -> None:
    plan = part("conv.plan")
    for number in (2**31, -(2**31) - 1):
        with pytest.raises(ValueError, match="more than 32 bits"):
            plan._on_device([number])
    assert cuda.to_numpy(plan._on_device([MOST, -(2**31)])).tolist() == [MOST, -(2**31)]


def test_more_lattices_than_the_grids_second_dimension_has(cuda: ModuleType, launched: list[Any]) -> None:
    """A stride of 300 x 300 makes 90,000 of them in the adjoint."""
    shape = (1, 1, 1, 1), (1, 1, 300, 300)
    work = part("conv.plan").convolution(window(shape[1], shape[0], ONE, stride=(300, 300)), True)
    assert work.blocks == 90_000
    arrays = [cuda.from_numpy(np.ones(n, np.float32)) for n in (*shape, (1, 1, 1, 1))]
    launched.clear()
    cuda.conv_transpose2d(arrays[0], arrays[2], None, arrays[1], (300, 300), NONE, ONE, 1, False, None)
    assert launched == [(90_000, 1, 1)]


def test_more_groups_than_the_grids_third_dimension_has(cuda: ModuleType, launched: list[Any]) -> None:
    """Of two channels each, so that they are no depthwise convolution."""
    groups = 70_000
    x, weight = (cuda.from_numpy(np.ones(n, np.float32)) for n in ((1, 2 * groups, 1, 1), (groups, 2, 1, 1)))
    out = cuda.from_numpy(np.ones((1, groups, 1, 1), np.float32))
    launched.clear()
    cuda.conv2d(x, weight, None, out, ONE, NONE, ONE, groups, False, None)
    cuda.conv_transpose2d(out, weight, None, x, ONE, NONE, ONE, groups, False, None)
    cuda.conv2d_weight_gradient(x, out, weight, ONE, NONE, ONE, groups)
    assert launched == [(groups, 1, 1)] * 3


def test_tiles_parts_lattices_and_groups_are_found_in_one_number(
    cuda: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several of each in one launch, against the definition."""
    draw = np.random.default_rng(0)
    for tile_parts in (1, 2):
        choose = part("conv.tiles").choose

        def split(*arguments: Any, parts: int = tile_parts, choose: Any = choose, **options: Any) -> Any:
            found = choose(*arguments, **options)
            return part("conv.tiles").Split(found.tile, parts)

        plan = part("conv.plan")
        monkeypatch.setattr(plan, "choose", split)
        plan.convolution.cache_clear()
        plan.weight_gradient.cache_clear()
        x, weight = draw.standard_normal((1, 4, 9, 11)), draw.standard_normal((40, 2, 3, 3))
        y = draw.standard_normal((1, 40, 4, 5))
        places = (2, 2), NONE, ONE, 2
        for name, read, result, extra in (
            ("conv2d", (x, weight, None), y, (False, None)),
            ("conv_transpose2d", (y, weight, None), x, (False, None)),
            ("conv2d_weight_gradient", (x, y), weight, ()),
        ):
            expected = np.empty_like(result)
            getattr(reference, name)(*read, expected, *places, *extra)
            out = cuda.from_numpy(np.zeros_like(result))
            arrays = [None if a is None else cuda.from_numpy(a) for a in read]
            getattr(cuda, name)(*arrays, out, *places, *extra)
            np.testing.assert_allclose(cuda.to_numpy(out), expected, 1e-11, 1e-11)
    plan.convolution.cache_clear()
    plan.weight_gradient.cache_clear()


# Matrices


def repeated(cuda: ModuleType, *shape: int) -> Any:
    return cuda.broadcast_to(cuda.from_numpy(np.ones((1,) * len(shape), np.float32)), shape)


def test_sums_of_too_many_terms_are_refused(cuda: ModuleType) -> None:
    out = cuda.from_numpy(np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match=r"matmul on a GPU: sums of 2147483648 terms"):
        cuda.matmul(repeated(cuda, 2, 2**31), repeated(cuda, 2**31, 3), out)


@pytest.mark.parametrize("turned", [False, True])
def test_matrices_of_more_rows_or_columns_than_32_bits_count(cuda: ModuleType, turned: bool) -> None:
    """The first tile of 2**31 + 7 rows (or columns), in which all rows are there.

    Only that tile's memory is: one row of a, which repeats, and of the result as much as the tile has.
    """
    if not part("runtime.compiler").SIMULATED:
        pytest.skip("a GPU would write all of them")
    tiles, matmul, simulator = part("conv.tiles"), part("matmul"), part("runtime.simulator")
    tile = tiles.TILES["f4"][0]
    n, m, depth = 2**31 + 7, 3, 2
    if turned:
        n, m = m, n
    kernel = matmul._PRODUCT[tile]
    ((codes, _),) = kernel.variants.items()
    out = np.zeros(tile.rows * 3 if not turned else 1, np.float32)
    memory = simulator.Memory(out)
    if turned:  # the rows of the result are 2**31 + 7 elements apart, so only the first one is looked at
        memory = _FirstRow(out := np.zeros(tile.columns, np.float32), m)
    a, b = (simulator.Memory(np.full(8, value, np.float32)) for value in (2, 3))
    numbers = n, m, depth, 1, 0, 0, 1, 0, 1, 0
    function = kernel.bound(codes)
    simulator.run(function, True, (1, 1, 1), (tile.threads, 1, 1), a, b, memory, *numbers)
    simulator.stream.synchronize()
    np.testing.assert_array_equal(out, 12)


class _FirstRow:
    """The first row of a matrix; what is written to the others is dropped."""

    def __init__(self, elements: np.ndarray, pitch: int) -> None:
        self.elements, self.pitch = elements, pitch

    def __setitem__(self, index: int, value: Any) -> None:
        if index < self.pitch:
            self.elements[index] = value


# Others


def test_unpooling_and_resizing_beyond_32_bits_are_refused(cuda: ModuleType) -> None:
    indices = cuda.broadcast_to(cuda.from_numpy(np.zeros((1, 1, 1, 1), np.int64)), (1, 1, 2**16, 2**15))
    out = cuda.from_numpy(np.zeros((1, 1, 2, 2), np.float32))
    with pytest.raises(ValueError, match="max_unpool2d on a GPU: a plane has 2147483648 values"):
        cuda.max_unpool2d(repeated(cuda, 1, 1, 2**16, 2**15), indices, out)
    with pytest.raises(ValueError, match=r"interpolate on a GPU: .* are counted in 32 bits"):
        cuda.interpolate_nearest(repeated(cuda, 1, 1, 1, 2**31), out, (0.5, 2.0**30))


def test_kernels_over_planes_go_on_where_the_grid_ends(cuda: ModuleType, launched: list[Any]) -> None:
    """Of pooling, unfolding, depthwise convolution, batch norm: 70,000 planes are 65,535 blocks at most."""
    x, y = (cuda.from_numpy(np.ones((1, 70_000, 1, 1), np.float32)) for _ in range(2))
    vector = cuda.from_numpy(np.ones(70_000, np.float32))
    indices = cuda.from_numpy(np.zeros((1, 70_000, 1, 1), np.int64))
    weight = cuda.from_numpy(np.ones((70_000, 1, 1, 1), np.float32))
    launched.clear()
    cuda.max_pool2d(x, y, indices, ONE, ONE, NONE, ONE)
    cuda.conv2d(x, weight, None, y, ONE, NONE, ONE, 70_000, False, None)
    cuda.conv2d_weight_gradient(x, y, weight, ONE, NONE, ONE, 70_000)
    cuda.batch_norm(x, vector, vector, vector, vector, y, True)
    cuda.max_unpool2d(x, indices, y)
    assert len(launched) == 5
    assert math.prod(launched[-1]) == 70_000
    assert all(y <= 65535 and z <= 65535 for _, y, z in launched)
