"""What has to hold for every linear operator, for random shapes: sums go through, gradients are adjoints.

For a linear f with adjoint f*, <f(x), y> = <x, f*(y)>: the transposed convolution is the convolution's adjoint, and
the gradient of any linear operator is its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from op_cases import spread

import tinyseg
from tinyseg import Tensor
from tinyseg.geometry import transposed_size
from tinyseg.nn import functional as F

pytestmark = pytest.mark.parametrize("device_name", ["reference", "cpu"])
few = settings(max_examples=20)


def values(*shape: int, seed: int = 0) -> Tensor:
    return tinyseg.tensor(spread(*shape, seed=seed))


def dot(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    return float((a.detach().numpy() * b.detach().numpy()).sum())


def close(a: Tensor, b: Tensor) -> None:
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=0, atol=1e-11)


def assert_linear(function: Callable[[Tensor], Tensor], shape: Sequence[int]) -> None:
    """f(2 x - 3 y) = 2 f(x) - 3 f(y), and <f(x), z> = <x, f*(z)> with f* the gradient."""
    x, y = values(*shape).requires_grad_(), values(*shape, seed=1)
    of_x = function(x)
    close(function(x.detach() * 2.0 - y * 3.0), of_x.detach() * 2.0 - function(y) * 3.0)
    z = values(*of_x.shape, seed=2)
    (back,) = tinyseg.grad(of_x, x, z)
    assert back is not None
    assert dot(of_x, z) == pytest.approx(dot(x, back), rel=1e-11, abs=1e-11)


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    """One number for each direction."""
    return st.tuples(st.integers(low, high), st.integers(low, high))


sizes = pairs(1, 8)


@st.composite
def windows(draw: Any) -> dict[str, Any]:
    """Arguments of a convolution, and the shapes of image and weight."""
    groups = draw(st.integers(1, 3))
    size, kernel, dilation = draw(sizes), draw(pairs(1, 3)), draw(pairs(1, 2))
    padding = draw(pairs(0, 3))
    for n, k, d, p in zip(size, kernel, dilation, padding, strict=True):
        assume(n + 2 * p >= d * (k - 1) + 1)
    return {
        "image": (draw(st.integers(1, 2)), groups * draw(st.integers(1, 2)), *size),
        "outputs": groups * draw(st.integers(1, 2)),
        "kernel": kernel,
        "window": {"stride": draw(pairs(1, 3)), "padding": padding, "dilation": dilation, "groups": groups},
    }


@few
@given(windows())
def test_a_transposed_convolution_is_the_adjoint_of_the_convolution(device_name: str, drawn: dict[str, Any]) -> None:
    tinyseg.set_default_device(device_name)
    image, window = drawn["image"], drawn["window"]
    weight = values(drawn["outputs"], image[1] // window["groups"], *drawn["kernel"], seed=5)
    x = values(*image)
    y = F.conv2d(x, weight, **window)
    z = values(*y.shape, seed=1)
    # Where the stride leaves a rest, several sizes have this output; output_padding says which one it was.
    least = map(
        lambda n, k, s, p, d: transposed_size(n, k, s, p, dilation=d),
        y.shape[2:],
        *(drawn["kernel"], window["stride"], window["padding"], window["dilation"]),
    )
    rest = tuple(n - m for n, m in zip(image[2:], least, strict=True))
    back = F.conv_transpose2d(z, weight, **window, output_padding=rest)
    assert dot(y, z) == pytest.approx(dot(x, back), rel=1e-11, abs=1e-11)


@few
@given(windows())
def test_convolutions_are_linear_in_the_image_and_in_the_weight(device_name: str, drawn: dict[str, Any]) -> None:
    tinyseg.set_default_device(device_name)
    image, window = drawn["image"], drawn["window"]
    kernel = (drawn["outputs"], image[1] // window["groups"], *drawn["kernel"])
    assert_linear(lambda x: F.conv2d(x, values(*kernel, seed=5), **window), image)
    assert_linear(lambda w: F.conv2d(values(*image), w, **window), kernel)
    small = F.conv2d(values(*image), values(*kernel), **window).shape
    window.pop("padding")  # a small image would have nothing left
    assert_linear(lambda x: F.conv_transpose2d(x, values(*kernel, seed=5), **window), small)
    assert_linear(lambda w: F.conv_transpose2d(values(*small), w, **window), kernel)


@few
@given(
    size=sizes, kernel=pairs(1, 3), stride=pairs(1, 3), dilation=pairs(1, 2), padded=st.booleans(), up=st.booleans()
)
def test_pooling_with_its_places_fixed_is_linear(
    device_name: str,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padded: bool,
    up: bool,
) -> None:
    """Its value is what stands at its places, and its gradient the adjoint of reading them: equal places add."""
    tinyseg.set_default_device(device_name)
    padding = tuple(k // 2 if padded else 0 for k in kernel)
    for n, k, d, p in zip(size, kernel, dilation, padding, strict=True):
        assume(n + 2 * p >= d * (k - 1) + 1)
        assume(d == 1 or p == 0)  # a dilated window might hold no pixel
    x = values(2, 3, *size).requires_grad_()
    pooled, places = F.max_pool2d(x, kernel, stride, padding, dilation, up, return_indices=True)
    read = x.detach().flatten(2).gather(2, places.flatten(2))
    close(pooled, read.reshape(pooled.shape))
    z = values(*pooled.shape, seed=1)
    (back,) = tinyseg.grad(pooled, x, z)
    assert back is not None
    y = values(2, 3, *size, seed=2)
    at_places = y.flatten(2).gather(2, places.flatten(2)).reshape(z.shape)
    assert dot(at_places, z) == pytest.approx(dot(y, back), rel=1e-11, abs=1e-11)


@few
@given(size=pairs(1, 5), window=pairs(1, 3), seed=st.integers(0, 99))
def test_unpooling_and_reading_are_adjoint_and_undo_each_other(
    device_name: str, size: tuple[int, int], window: tuple[int, int], seed: int
) -> None:
    """Windows that do not overlap have distinct places: then unpooling is the adjoint of reading at them, pooling
    what was unpooled gives it back, and unpooling what was pooled keeps the maxima and has zeros elsewhere."""
    tinyseg.set_default_device(device_name)
    large = tuple(n * w for n, w in zip(size, window, strict=True))
    image = values(2, 3, *large, seed=seed) + 3.0  # above the zeros that unpooling puts
    small, places = F.max_pool2d(image, window, return_indices=True)
    y = values(*small.shape, seed=seed + 1)
    assert dot(F.max_unpool2d(y, places, window), image) == pytest.approx(dot(y, small), rel=1e-11, abs=1e-11)
    assert_linear(lambda x: F.max_unpool2d(x, places, window), small.shape)

    kept = F.max_unpool2d(small, places, window)
    assert kept.shape == image.shape
    again, where = F.max_pool2d(kept, window, return_indices=True)
    assert again.tolist() == small.tolist()
    assert where.tolist() == places.tolist()
    difference = (kept.numpy() != image.numpy()) & (kept.numpy() != 0)
    assert not difference.any()
    assert np.count_nonzero(kept.numpy()) == small.numel()


@few
@given(size=sizes, target=sizes)
def test_resizing_is_linear_and_keeps_what_is_constant(
    device_name: str, size: tuple[int, int], target: tuple[int, int]
) -> None:
    tinyseg.set_default_device(device_name)
    modes: list[dict[str, Any]] = [{"mode": "nearest"}] + [
        {"mode": "bilinear", "align_corners": align} for align in (False, True)
    ]
    for mode in modes:
        assert_linear(lambda x, mode=mode: F.interpolate(x, target, **mode), (1, 2, *size))
        flat = F.interpolate(tinyseg.full((1, 2, *size), 1.5, dtype="float64"), target, **mode)
        np.testing.assert_allclose(flat.numpy(), 1.5, rtol=1e-15)


@few
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.lists(st.integers(-2, 3), min_size=8, max_size=8),
)
def test_padding_is_linear_and_is_undone_by_slices(device_name: str, shape: list[int], drawn: list[int]) -> None:
    tinyseg.set_default_device(device_name)
    amounts = drawn[: 2 * len(shape)]
    after = [n + amounts[2 * i] + amounts[2 * i + 1] for i, n in enumerate(reversed(shape))]
    assume(min(after) > 0)
    assume(all(n > -min(0, amounts[2 * i]) - min(0, amounts[2 * i + 1]) for i, n in enumerate(reversed(shape))))
    assert_linear(lambda x: F.pad(x, amounts), shape)
    back = F.pad(F.pad(values(*shape), [abs(a) for a in amounts]), [-abs(a) for a in amounts])
    close(back, values(*shape))


@few
@given(pairs(1, 3), pairs(1, 2), pairs(0, 3), st.sampled_from([(1, 1), (2, 1), (2, 2)]))
def test_a_convolution_of_a_shifted_image_is_shifted(
    device_name: str,
    kernel: tuple[int, int],
    dilation: tuple[int, int],
    steps: tuple[int, int],
    stride: tuple[int, int],
) -> None:
    """Shifted by ``steps`` times the stride the image gives the output shifted by ``steps``. Around the image there
    are zeros enough for nothing to fall out."""
    tinyseg.set_default_device(device_name)
    window = {"stride": stride, "dilation": dilation}
    weight, border = values(2, 3, *kernel, seed=5), 12
    image = F.pad(values(1, 3, 4, 5), [border] * 4)
    moved = tuple(n * s for n, s in zip(steps, stride, strict=True))
    shifted = F.pad(image, [moved[1], -moved[1], moved[0], -moved[0]])
    plain, after = F.conv2d(image, weight, **window), F.conv2d(shifted, weight, **window)
    assert bool((plain.abs() > 0.1).any())
    close(F.pad(plain, [steps[1], -steps[1], steps[0], -steps[0]]), after)


@few
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_what_moves_or_sums_elements_is_linear(device_name: str, shape: list[int], data: Any) -> None:
    tinyseg.set_default_device(device_name)
    order = data.draw(st.permutations(range(len(shape))))
    dim = data.draw(st.integers(0, len(shape) - 1))
    picked = tinyseg.tensor(data.draw(st.lists(st.integers(0, shape[dim] - 1), min_size=1, max_size=5)))
    functions: list[Callable[[Tensor], Tensor]] = [
        lambda x: x.permute(*order),
        lambda x: x.reshape(math.prod(shape), 1),
        lambda x: x.sum(dim),
        lambda x: x.mean(dim, keepdim=True),
        lambda x: x.index_select(dim, picked),
        lambda x: x[..., ::2],
        lambda x: x.unsqueeze(dim).expand(*shape[:dim], 3, *shape[dim:]),
        lambda x: tinyseg.cat([x, x * 2.0], dim),
        lambda x: tinyseg.stack([x, x], dim),
    ]
    for function in functions:
        assert_linear(function, shape)


@few
@given(windows())
def test_folding_is_the_adjoint_of_unfolding(device_name: str, drawn: dict[str, Any]) -> None:
    """And a convolution is a product with the unfolded image."""
    tinyseg.set_default_device(device_name)
    window = {name: value for name, value in drawn["window"].items() if name != "groups"}
    x = values(*drawn["image"])
    columns = F.unfold(x, drawn["kernel"], **window)
    z = values(*columns.shape, seed=1)
    back = F.fold(z, x.shape[2:], drawn["kernel"], **window)
    assert dot(columns, z) == pytest.approx(dot(x, back), rel=1e-11, abs=1e-11)
    weight = values(2, x.shape[1], *drawn["kernel"], seed=5)
    y = F.conv2d(x, weight, **window)
    close(weight.flatten(1) @ columns, y.flatten(2))


@few
@given(st.integers(1, 3), pairs(1, 3), pairs(2, 5), st.data())
def test_moving_and_averaging_pixels_is_linear(
    device_name: str, factor: int, small: tuple[int, int], size: tuple[int, int], data: Any
) -> None:
    tinyseg.set_default_device(device_name)
    packed, image = (2, 2 * factor**2, *small), (2, 2, *size)
    assert_linear(lambda x: F.pixel_shuffle(x, factor), packed)
    close(F.pixel_unshuffle(F.pixel_shuffle(values(*packed), factor), factor), values(*packed))
    nails = F.bed_of_nails(values(*packed), factor)
    assert nails[:, :, ::factor, ::factor].tolist() == values(*packed).tolist()
    assert np.count_nonzero(nails.numpy()) == np.count_nonzero(values(*packed).numpy())
    borders = [data.draw(st.integers(0, n - 1)) for n in (size[1], size[1], size[0], size[0])]
    for mode in ("reflect", "replicate", "circular"):
        assert_linear(lambda x, mode=mode: F.pad(x, borders, mode), image)
    crop = tuple(data.draw(st.integers(1, n)) for n in size)
    functions: list[Callable[[Tensor], Tensor]] = [
        lambda x: F.bed_of_nails(x, factor),
        lambda x: F.centre_crop(x, crop),
        lambda x: F.avg_pool2d(x, 2, factor, 1),
        lambda x: F.adaptive_avg_pool2d(x, crop),
        lambda x: x.flip(2, 3),
        lambda x: x.roll(factor, 3),
        lambda x: x.cumsum(2),
        lambda x: x.tril(factor - 2),
        lambda x: x.repeat(1, 2, 1, factor),
    ]
    for function in functions:
        assert_linear(function, image)
    x = values(*image)
    close(x.flip(2, 3).flip(2, 3), x)
    close(x.roll((1, -2), (2, 3)).roll((-1, 2), (2, 3)), x)


@few
@given(pairs(1, 4), st.integers(1, 4))
def test_products_of_matrices_are_linear_in_both(device_name: str, shape: tuple[int, int], inner: int) -> None:
    tinyseg.set_default_device(device_name)
    a, b = (2, shape[0], inner), (inner, shape[1])
    assert_linear(lambda x: x @ values(*b), a)
    assert_linear(lambda x: values(*a) @ x, b)
    assert_linear(lambda x: F.linear(x, values(3, inner)), a)


def test_the_checker_sees_what_is_not_linear(device_name: str) -> None:
    tinyseg.set_default_device(device_name)
    for function in (lambda x: x * x, lambda x: x + 1.0, lambda x: x.relu()):
        with pytest.raises(AssertionError):
            assert_linear(function, (3, 4))
