"""Transforms: image and mask stay together, and masks are never mixed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinyseg.data import Compose, Normalise, RandomCrop, RandomFlip, RandomScale, Resize, ResizeImage


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def pair(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A mask of values 0..199, and an image that carries the same value in each channel."""
    mask = (np.arange(height * width, dtype=np.int64) * 7 % 200).astype(np.uint8).reshape(height, width)
    return np.stack([mask, mask, mask], axis=2), mask


sides = st.integers(1, 12)


@given(sides, sides, sides, sides, st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_crops_and_flips_move_image_and_mask_alike(height: int, width: int, high: int, wide: int, seed: int) -> None:
    image, mask = pair(height, width)
    before = image.copy(), mask.copy()
    transform = Compose([RandomFlip(vertical=True), RandomCrop((high, wide))])
    new_image, new_mask = transform(image, mask, rng(seed))
    assert new_image.shape == (high, wide, 3)
    assert new_mask.shape == (high, wide)
    kept = new_mask != 255
    np.testing.assert_array_equal(new_image[kept][:, 0], new_mask[kept])
    assert kept.sum() == min(height, high) * min(width, wide)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])


def test_flips_are_mirrors() -> None:
    image, mask = pair(2, 3)
    seen = {RandomFlip()(image, mask, rng(seed))[1].tobytes() for seed in range(20)}
    assert seen == {mask.tobytes(), mask[:, ::-1].tobytes()}
    seen = {RandomFlip(vertical=True)(image, mask, rng(seed))[1].tobytes() for seed in range(40)}
    assert seen == {part.tobytes() for part in (mask, mask[:, ::-1], mask[::-1], mask[::-1, ::-1])}
    unchanged, _ = RandomFlip(horizontal=False)(image, mask, rng())
    np.testing.assert_array_equal(unchanged, image)


def test_a_crop_reaches_every_place() -> None:
    image, mask = pair(3, 3)
    corners = {int(RandomCrop((2, 2))(image, mask, rng(seed))[1][0, 0]) for seed in range(60)}
    assert corners == {int(mask[row, column]) for row in (0, 1) for column in (0, 1)}


def test_padding_mirrors_the_image_and_ignores_the_mask() -> None:
    image = np.array([[10, 20, 30]], np.uint8)[:, :, None]
    mask = np.array([[1, 2, 3]], np.uint8)
    new_image, new_mask = RandomCrop((1, 5))(image, mask, rng())
    assert new_image[:, :, 0].tolist() == [[20, 10, 20, 30, 20]]
    assert new_mask.tolist() == [[255, 1, 2, 3, 255]]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_resizing_averages_images_and_picks_from_masks(channels: int, dtype: type) -> None:
    columns = np.array([0, 40, 100, 140], dtype)
    image = np.broadcast_to(columns[None, :, None], (4, 4, channels)).copy()
    mask = np.array([[0, 0, 7, 7]] * 4, np.uint8)
    new_image, new_mask = Resize((2, 2))(image, mask, rng())
    assert new_image.dtype == dtype
    assert new_image.shape == (2, 2, channels)
    # Antialiased: a triangle of twice the width, so the neighbours weigh 3/7, 3/7 and 1/7 at the border.
    expected = np.array([(0 * 3 + 40 * 3 + 100) / 7, (140 * 3 + 100 * 3 + 40) / 7])
    np.testing.assert_allclose(new_image[0, :, 0], expected, atol=0.51 if dtype == np.uint8 else 1e-4)
    assert new_mask.tolist() == [[0, 7]] * 2


def test_resizing_the_image_alone() -> None:
    image, mask = pair(4, 6)
    new_image, new_mask = ResizeImage((2, 3))(image, mask, rng())
    assert new_image.shape == (2, 3, 3)
    assert new_mask is mask


def test_scales_lie_between_their_bounds_and_halve_as_often_as_they_double() -> None:
    image, mask = pair(100, 200)
    heights = []
    for seed in range(100):
        new_image, new_mask = RandomScale(0.5, 2)(image, mask, rng(seed))
        assert new_image.shape[:2] == new_mask.shape
        assert abs(new_mask.shape[1] - 2 * new_mask.shape[0]) <= 1
        assert set(np.unique(new_mask)) <= set(np.unique(mask))
        heights.append(new_mask.shape[0])
    assert 50 <= min(heights) < 60
    assert 170 < max(heights) <= 200
    assert 35 < sum(height < 100 for height in heights) < 65


def test_normalise() -> None:
    image = np.array([[[0, 51, 255]]], np.uint8)
    mask = np.zeros((1, 1), np.uint8)
    normalised, _ = Normalise([0.5, 0.2, 0], [0.5, 0.1, 2])(image, mask, rng())
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised[0, 0], [-1, 0, 0.5], atol=1e-6)
    deep = np.array([[[0.25]]], np.float32)
    assert Normalise([0.5], [0.5])(deep, mask, rng())[0].tolist() == [[[-0.5]]]


def test_the_same_generator_gives_the_same_result() -> None:
    image, mask = pair(20, 20)
    transform = Compose([RandomScale(), RandomCrop((16, 16)), RandomFlip()])
    one, other = transform(image, mask, rng(3)), transform(image, mask, rng(3))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


def test_impossible_options_are_refused() -> None:
    for transform in (Resize, ResizeImage, RandomCrop):
        with pytest.raises(ValueError, match=rf"{transform.__name__}: size must be \(height, width\)"):
            transform((0, 4))
    with pytest.raises(ValueError, match="expected 0 < low <= high, got 2 and 1"):
        RandomScale(2, 1)
    with pytest.raises(ValueError, match="2 means but 1 standard deviations"):
        Normalise([0, 0], [1])
    with pytest.raises(ValueError, match="must be positive"):
        Normalise([0], [0])
    with pytest.raises(ValueError, match="2 means for an image of 3 channels"):
        Normalise([0, 0], [1, 1])(*pair(2, 2), rng())
    with pytest.raises(TypeError, match=r"must be uint8, or float32 .* got float64"):
        Normalise([0], [1])(np.zeros((2, 2, 1)), np.zeros((2, 2), np.uint8), rng())
