"""Transforms: image, mask, objects and weights stay together, and labels are never mixed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from tinyseg.data import (
    ColourJitter,
    Compose,
    ElasticDeformation,
    Normalise,
    RandomBlur,
    RandomCrop,
    RandomFlip,
    RandomNoise,
    RandomRotate,
    RandomRotate90,
    RandomScale,
    Resize,
    ResizeImage,
    Sample,
    Transform,
    augmentations,
    parse_augmentations,
)
from tinyseg.data.transforms.geometry import _resampled, smooth_field
from tinyseg.errors import InputError


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def sample(height: int, width: int, dtype: type = np.uint8) -> Sample:
    """Values 0..199, the same in the mask, in all channels of the image, in objects, weights, second mask."""
    mask = (np.arange(height * width, dtype=np.int64) * 7 % 200).astype(np.uint8).reshape(height, width)
    image = np.stack([mask, mask, mask], axis=2)
    if dtype is np.float32:
        image = image.astype(np.float32) / np.float32(255)
    return Sample(image, mask, "sample", mask.astype(np.int32), mask.astype(np.float32), {"a": mask.copy()})


def planes(sample: Sample) -> list[Any]:
    """All arrays of a sample."""
    return [*sample[:2], sample.instances, sample.weights, *sample.extra.values()]


def grey(values: Any, mask: Any = None) -> Sample:
    image = np.array(values, np.uint8)
    return Sample(image[:, :, None], np.zeros_like(image) if mask is None else np.array(mask, np.uint8), "grey")


ALL: list[Transform] = [
    Resize((5, 9)),
    RandomFlip(vertical=True),
    RandomRotate90(square=False),
    RandomScale(),
    RandomCrop((8, 6), rare=0.5),
    RandomRotate(40),
    ElasticDeformation(2),
    ColourJitter(),
    RandomBlur(),
    RandomNoise(),
    ResizeImage((3, 4)),
]
PLACES = ALL[:7]


@pytest.mark.parametrize("transform", ALL, ids=lambda transform: type(transform).__name__)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_types_stay_inputs_are_left_alone_and_the_generator_decides(transform: Transform, dtype: type) -> None:
    given = sample(11, 14, dtype)
    before = [np.array(part) for part in planes(given)]
    for seed in range(4):
        one, other = transform(given, rng(seed)), transform(given, rng(seed))
        for first, second, old in zip(planes(one), planes(other), before, strict=True):
            np.testing.assert_array_equal(first, second)
            assert first.dtype == old.dtype
        assert one.image.max() <= (255 if dtype is np.uint8 else 1)
        assert one.name == "sample"
    for part, old in zip(planes(given), before, strict=True):
        np.testing.assert_array_equal(part, old)


@pytest.mark.parametrize("transform", PLACES, ids=lambda transform: type(transform).__name__)
def test_all_parts_have_one_size_and_labels_are_picked(transform: Transform) -> None:
    given = sample(11, 14)
    for seed in range(6):
        moved = transform(given, rng(seed))
        assert moved.instances is not None
        assert moved.weights is not None
        np.testing.assert_array_equal(moved.extra["a"], moved.mask)
        assert moved.image.shape[:2] == moved.mask.shape == moved.instances.shape == moved.weights.shape
        assert set(np.unique(moved.mask)) <= {*np.unique(given.mask), 255}
        kept = moved.mask != 255
        np.testing.assert_array_equal(moved.instances[kept], moved.mask[kept])
        assert (moved.instances[~kept] == 0).all()
        np.testing.assert_allclose(moved.weights, moved.image[:, :, 0], atol=1.01)


sides = st.integers(1, 12)


@given(sides, sides, sides, sides, st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_crops_flips_and_turns_move_image_and_mask_alike(
    height: int, width: int, high: int, wide: int, seed: int
) -> None:
    transform = Compose([RandomFlip(vertical=True), RandomRotate90(), RandomCrop((high, wide), rare=0.5)])
    moved = transform(sample(height, width), rng(seed))
    assert moved.image.shape == (high, wide, 3)
    assert moved.mask.shape == (high, wide)
    kept = moved.mask != 255
    np.testing.assert_array_equal(moved.image[kept][:, 0], moved.mask[kept])
    assert kept.sum() == min(height, high) * min(width, wide)


def test_flips_are_mirrors() -> None:
    given = sample(2, 3)
    mask = given.mask
    seen = {RandomFlip()(given, rng(seed)).mask.tobytes() for seed in range(20)}
    assert seen == {mask.tobytes(), mask[:, ::-1].tobytes()}
    seen = {RandomFlip(vertical=True)(given, rng(seed)).mask.tobytes() for seed in range(40)}
    assert seen == {part.tobytes() for part in (mask, mask[:, ::-1], mask[::-1], mask[::-1, ::-1])}
    unchanged = RandomFlip(horizontal=False)(given, rng())
    np.testing.assert_array_equal(unchanged.image, given.image)


def test_quarter_turns() -> None:
    square, wide = sample(3, 3), sample(2, 3)
    turns = {np.rot90(square.mask, quarters).tobytes() for quarters in range(4)}
    assert {RandomRotate90()(square, rng(seed)).mask.tobytes() for seed in range(40)} == turns
    assert {RandomRotate90()(wide, rng(seed)).mask.shape for seed in range(20)} == {(2, 3)}
    assert {RandomRotate90(square=False)(wide, rng(seed)).mask.shape for seed in range(20)} == {(2, 3), (3, 2)}


def test_turns_by_any_angle_are_turns_about_the_centre() -> None:
    class Always:
        """A generator whose numbers are all the greatest there are."""

        def uniform(self, low: float, high: float) -> float:
            return high

    given = sample(9, 9)
    quarter = RandomRotate(90)(given, Always())  # type: ignore[arg-type]
    np.testing.assert_array_equal(quarter.mask, np.rot90(given.mask, -1))
    np.testing.assert_array_equal(quarter.image, np.rot90(given.image, -1))
    eighth = RandomRotate(45)(given, Always())  # type: ignore[arg-type]
    assert (eighth.mask[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all(), "corners come from outside"
    assert eighth.mask[4, 4] == given.mask[4, 4]
    # Clockwise: three to the right of the centre comes what was up and right, at (4 - 3 sin 45, 4 + 3 cos 45).
    assert eighth.mask[4, 7] == given.mask[2, 6]


def test_a_crop_reaches_every_place() -> None:
    given = sample(3, 3)
    corners = {int(RandomCrop((2, 2))(given, rng(seed)).mask[0, 0]) for seed in range(60)}
    assert corners == {int(given.mask[row, column]) for row in (0, 1) for column in (0, 1)}


def test_crops_around_rare_classes_hold_each_class_as_often() -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[35, 3] = 1
    mask[:, 39] = 255
    given = Sample(np.zeros((40, 40, 1), np.uint8), mask, "rare")
    aware = [int((RandomCrop((8, 8), rare=1)(given, rng(seed)).mask == 1).sum()) for seed in range(200)]
    blind = [int((RandomCrop((8, 8))(given, rng(seed)).mask == 1).sum()) for seed in range(200)]
    assert 80 < sum(aware) < 130  # every other window is around class 1, some of the rest hold it by chance
    assert sum(blind) < 20
    places = {tuple(np.argwhere(RandomCrop((8, 8), rare=1)(given, rng(s)).mask == 1).ravel()) for s in range(300)}
    assert len(places) > 10, "the pixel may lie anywhere in the window"
    void = given._replace(mask=np.full((40, 40), 255, np.uint8))
    assert RandomCrop((8, 8), rare=1)(void, rng()).mask.shape == (8, 8)


def test_padding_mirrors_the_image_and_ignores_the_mask() -> None:
    moved = RandomCrop((1, 5))(grey([[10, 20, 30]], [[1, 2, 3]]), rng())
    assert moved.image[:, :, 0].tolist() == [[20, 10, 20, 30, 20]]
    assert moved.mask.tolist() == [[255, 1, 2, 3, 255]]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_resizing_averages_images_and_picks_from_masks(channels: int, dtype: type) -> None:
    columns = np.array([0, 40, 100, 140], dtype)
    image = np.broadcast_to(columns[None, :, None], (4, 4, channels)).copy()
    mask = np.array([[0, 0, 7, 7]] * 4, np.uint8)
    resized = Resize((2, 2))(Sample(image, mask, "columns"), rng())
    assert resized.image.dtype == dtype
    assert resized.image.shape == (2, 2, channels)
    # Antialiased: a triangle of twice the width, so the neighbours weigh 3/7, 3/7 and 1/7 at the border.
    expected = np.array([(0 * 3 + 40 * 3 + 100) / 7, (140 * 3 + 100 * 3 + 40) / 7])
    np.testing.assert_allclose(resized.image[0, :, 0], expected, atol=0.51 if dtype == np.uint8 else 1e-4)
    assert resized.mask.tolist() == [[0, 7]] * 2


def test_resizing_the_image_alone() -> None:
    given = sample(4, 6)
    resized = ResizeImage((2, 3))(given, rng())
    assert resized.image.shape == (2, 3, 3)
    assert resized.mask is given.mask


def test_scales_lie_between_their_bounds_and_halve_as_often_as_they_double() -> None:
    heights = []
    for seed in range(100):
        scaled = RandomScale(0.5, 2)(sample(100, 200), rng(seed))
        assert abs(scaled.mask.shape[1] - 2 * scaled.mask.shape[0]) <= 1
        heights.append(scaled.mask.shape[0])
    assert 50 <= min(heights) < 60
    assert 170 < max(heights) <= 200
    assert 35 < sum(height < 100 for height in heights) < 65


# Places between pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("size", [(7, 9), (1, 5), (2, 2), (5, 1)])
def test_values_between_pixels_are_scipy_s(size: tuple[int, int], dtype: type) -> None:
    """Bilinear, and mirrored outside, however far."""
    given = sample(*size, dtype)
    rows, columns = (rng(7 + axis).uniform(-3 * size[axis], 4 * size[axis], size) for axis in (0, 1))
    moved = _resampled(given, rows, columns)
    for channel in range(3):
        expected = ndimage.map_coordinates(
            given.image[:, :, channel].astype(float), (rows, columns), order=1, mode="mirror"
        )
        found = moved.image[:, :, channel].astype(float)
        np.testing.assert_allclose(found, expected, atol=0.5001 if dtype is np.uint8 else 1e-6)
    nearest = ndimage.map_coordinates(given.mask, (rows, columns), order=0, mode="grid-constant", cval=255)
    np.testing.assert_array_equal(moved.mask, nearest)


# U-Net's deformation


@pytest.mark.parametrize(("points", "size"), [(3, (17, 33)), (2, (5, 8)), (4, (31, 10))])
def test_displacements_are_bicubic(points: int, size: tuple[int, int]) -> None:
    """SciPy's own enlargement by cubic splines, whose corners are the grid's corners."""
    grid = rng(points).normal(size=(points, points))
    zoom = ndimage.zoom(grid, (size[0] / points, size[1] / points), order=3, mode="mirror")
    np.testing.assert_allclose(smooth_field(grid, size), zoom, atol=1e-12)


def test_displacements_have_the_deviation_that_is_asked_for() -> None:
    """Seen at the corners of the grid of 3x3, which are the image's: their standard deviation over many draws."""
    mask = np.zeros((201, 201), np.uint8)
    ramp = np.broadcast_to(np.arange(201, dtype=np.float32)[:, None, None] / 400 + 0.25, (201, 201, 1))
    down = []
    for seed in range(60):
        deformed = ElasticDeformation(10)(Sample(ramp.copy(), mask, "ramp"), rng(seed))
        down.append(float(deformed.image[100, 100, 0] - ramp[100, 100, 0]) * 400)
    assert 7.5 < np.std(down) < 12.5  # 10 +- 3 standard errors
    assert abs(np.mean(down)) < 4
    still = ElasticDeformation(0)(sample(9, 9), rng())
    np.testing.assert_array_equal(still.mask, sample(9, 9).mask)


def test_deformation_is_smooth_and_ignores_what_comes_from_outside() -> None:
    """Neighbours stay neighbours: a column index moves by less than 3 from one pixel to the next."""
    columns = np.broadcast_to(np.arange(96, dtype=np.int32)[None, :], (96, 96)).copy()
    mask = np.zeros((96, 96), np.uint8)
    deformed = ElasticDeformation(10)(Sample(np.zeros((96, 96, 1), np.uint8), mask, "columns", columns), rng(3))
    assert deformed.instances is not None
    inside = deformed.mask == 0
    assert (deformed.mask[~inside] == 255).all()
    assert 0 < (~inside).sum() < inside.sum()
    steps = np.diff(deformed.instances, axis=1)[inside[:, 1:] & inside[:, :-1]]
    assert steps.min() >= -1
    assert steps.max() <= 3


# Colour


def test_jitter_keeps_between_its_bounds() -> None:
    flat = Sample(np.full((4, 4, 3), 100, np.uint8), np.zeros((4, 4), np.uint8), "flat")
    seen = [ColourJitter(0.2)(flat, rng(seed)).image for seed in range(80)]
    # One colour has neither contrast nor, as it is grey, saturation: only brightness changes it.
    assert all(len(np.unique(image)) == 1 for image in seen)
    assert 80 <= min(image.min() for image in seen) < 88
    assert 112 < max(image.max() for image in seen) <= 120
    np.testing.assert_array_equal(ColourJitter(0)(sample(5, 5), rng()).image, sample(5, 5).image)
    colours = Sample(np.array([[[200, 100, 50]]], np.uint8), np.zeros((1, 1), np.uint8), "orange")
    spread = [int(np.ptp(ColourJitter(0.5)(colours, rng(seed)).image)) for seed in range(40)]
    assert min(spread) < 100 < max(spread), "less and more saturated than 150 at brightness 1"


def test_blur_and_noise() -> None:
    spike = np.zeros((21, 21), np.uint8)
    spike[10, 10] = 255
    blurred = [RandomBlur(3)(grey(spike), rng(seed)).image[:, :, 0] for seed in range(40)]
    assert 8 < sum(image[10, 10] == 255 for image in blurred) < 32
    assert min(image[10, 10] for image in blurred) < 20
    flat = Sample(np.full((50, 50, 1), 128, np.uint8), np.zeros((50, 50), np.uint8), "flat")
    deviations = [float(RandomNoise(0.1)(flat, rng(seed)).image.std()) for seed in range(40)]
    assert max(deviations) < 0.1 * 255 * 1.05
    assert min(deviations) < 5 < 20 < max(deviations)


def test_normalise() -> None:
    image = np.array([[[0, 51, 255]]], np.uint8)
    given = Sample(image, np.zeros((1, 1), np.uint8), "one")
    normalised = Normalise([0.5, 0.2, 0], [0.5, 0.1, 2])(given, rng()).image
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised[0, 0], [-1, 0, 0.5], atol=1e-6)
    deep = np.array([[[0.25]]], np.float32)
    assert Normalise([0.5], [0.5]).image(deep).tolist() == [[[-0.5]]]
    assert deep.tolist() == [[[0.25]]]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_normalise_takes_images_in_any_memory_order(dtype: type) -> None:
    image = np.ascontiguousarray(sample(4, 6, dtype).image.transpose(2, 0, 1)).transpose(1, 2, 0)
    image = image + np.array([0, 1, 2], np.uint8) if dtype is np.uint8 else image
    mean, std = np.array([0.3, 0.4, 0.5]), np.array([0.1, 0.2, 0.3])
    expected = (image / (255 if dtype is np.uint8 else 1) - mean) / std
    np.testing.assert_allclose(Normalise(mean, std).image(image), expected, atol=2e-5)
    np.testing.assert_allclose(Normalise([0.3], [0.1]).image(image[:, ::-1]), expected_one(image[:, ::-1]), atol=2e-5)


def expected_one(image: NDArray[Any]) -> NDArray[Any]:
    return (image / (255 if image.dtype == np.uint8 else 1) - 0.3) / 0.1


# Other functions


def test_any_function_of_image_and_mask_is_a_transform() -> None:
    def rolled(image: NDArray[Any], mask: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        return np.roll(image, 1, 1), np.roll(mask, 1, 1)

    given = grey([[1, 2, 3]], [[4, 5, 6]])
    moved = Compose([rolled, RandomCrop((1, 3))])(given, rng())
    assert moved.mask.tolist() == [[6, 4, 5]]
    assert moved.image[:, :, 0].tolist() == [[3, 1, 2]]
    with pytest.raises(
        ValueError, match="rolled changes an image and its mask, but sample has objects, weights or a second mask"
    ):
        Compose([rolled])(sample(2, 2), rng())
    with pytest.raises(ValueError, match=r"<lambda>: expected an image .* got float64 \(1, 3, 1\)"):
        Compose([lambda image, mask: (image / 2, mask)])(given, rng())
    for wrong in (3, RandomFlip):
        with pytest.raises(TypeError, match="expected a transform, or a function"):
            Compose([wrong])  # type: ignore[list-item]


# Names


def test_augmentations_by_name() -> None:
    everything = parse_augmentations("flip,vflip,rotate90,rotate,scale,rare,elastic,colour,blur,noise")
    steps = augmentations(everything, (32, 32))
    assert [type(step).__name__ for step in steps] == [
        "ElasticDeformation", "RandomRotate", "RandomScale", "RandomCrop", "RandomFlip", "RandomFlip",
        "RandomRotate90", "ColourJitter", "RandomBlur", "RandomNoise",
    ]  # fmt: skip
    assert parse_augmentations(",".join(everything)) == everything
    assert parse_augmentations("scale = 0.5:2".replace(" ", "")) == ("scale=0.5:2",)
    (crop,) = augmentations((), (16, 16))
    assert isinstance(crop, RandomCrop)
    assert crop.rare == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flop", "no augmentation 'flop'; there are elastic, rotate"),
        ("", "no augmentation ''"),
        ("flip,flip", "'flip' is named twice"),
        ("scale=2", "'scale=2' is not understood; expected scale=0.75:1.5"),
        ("flip=1", "'flip=1' is not understood; expected flip"),
        ("rotate=many", "'rotate=many' is not understood; expected rotate=15"),
        ("noise=nan", "'noise=nan' is not understood"),
        ("scale=2:1", "expected 0 < low <= high"),
        ("rare=2", "rare is a share of 0 to 1"),
    ],
)
def test_impossible_augmentations_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=f"--augment: .*{message}"):
        parse_augmentations(text)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Resize((0, 4)), r"Resize: size must be \(height, width\)"),
        (lambda: ResizeImage((0, 4)), r"ResizeImage: size must be \(height, width\)"),
        (lambda: RandomCrop((0, 4)), r"RandomCrop: size must be \(height, width\)"),
        (lambda: RandomCrop((4, 4), rare=2), "rare is a probability"),
        (lambda: RandomScale(2, 1), "expected 0 < low <= high, got 2 and 1"),
        (lambda: RandomRotate(200), "expected 0 to 180 degrees"),
        (lambda: ElasticDeformation(-1), "expected sigma >= 0"),
        (lambda: ElasticDeformation(1, 1), "2 points or more"),
        (lambda: ColourJitter(1), "strength must be at least 0 and less than 1"),
        (lambda: RandomBlur(-1), "sigma must not be negative"),
        (lambda: RandomNoise(-1), "strength must not be negative"),
        (lambda: Normalise([0, 0], [1]), "2 means but 1 standard deviations"),
        (lambda: Normalise([0], [0]), "must be positive"),
        (lambda: Normalise([0, 0], [1, 1])(sample(2, 2), rng()), "2 means for an image of 3 channels"),
    ],
)
def test_impossible_options_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("transform", [Normalise([0], [1]), ColourJitter(), RandomNoise()])
def test_images_of_other_types_are_refused(transform: Transform) -> None:
    with pytest.raises(TypeError, match=r"must be uint8, or float32 .* got float64"):
        transform(Sample(np.zeros((2, 2, 1)), np.zeros((2, 2), np.uint8), "wide"), rng())
