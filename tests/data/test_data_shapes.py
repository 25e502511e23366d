"""The built-in shapes: deterministic, well drawn, and of no use to whoever looks at colours only."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from tinyseg.data import Dataset, Shapes, class_counts, measure_normalisation, open_dataset
from tinyseg.data.synthetic.shapes import FORMS
from tinyseg.errors import InputError
from tinyseg.metrics import ConfusionMatrix


def test_a_sample_depends_on_seed_split_and_index_alone() -> None:
    one, other = Shapes("train", count=8), Shapes("train", count=50)
    expected = [one[index] for index in range(8)]
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(other.__getitem__, reversed(range(8))))
    for first, second in zip(expected, reversed(again), strict=True):
        np.testing.assert_array_equal(first.image, second.image)
        np.testing.assert_array_equal(first.mask, second.mask)
        assert first.name == second.name


def test_splits_seeds_and_indices_differ() -> None:
    images = [
        Shapes("train")[0].image,
        Shapes("val")[0].image,
        Shapes("test")[0].image,
        Shapes("train", seed=1)[0].image,
        Shapes("train")[1].image,
    ]
    assert len({image.tobytes() for image in images}) == len(images)


@pytest.mark.parametrize("size", [(32, 32), (128, 128), (50, 200)])
def test_types_and_values(size: tuple[int, int]) -> None:
    shapes = Shapes("val", count=20, size=size)
    seen: set[int] = set()
    for index in range(len(shapes)):
        image, mask = shapes[index][:2]
        assert image.shape == (*size, 3)
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        assert mask.shape == size
        assert mask.dtype == np.uint8
        assert mask.any()
        seen |= set(np.unique(mask).tolist())
    assert seen == {0, 1, 2, 3, 4, 5}


def test_classes_are_balanced() -> None:
    counts = class_counts(Shapes("train", count=400, size=(32, 32)))
    share = counts.pixels / counts.pixels.sum()
    assert 0.5 < share[0] < 0.75
    assert share[1:].min() > 0.7 * share[1:].max()


@pytest.mark.parametrize("name", FORMS)
def test_every_form_has_the_area_of_the_unit_disk(name: str) -> None:
    axis = np.linspace(-2, 2, 801, dtype=np.float32)
    inside = FORMS[name].distance(axis[None, :], axis[:, None]) < 0
    assert inside.sum() * (4 / 800) ** 2 == pytest.approx(math.pi, rel=0.01)
    distance = np.hypot(axis[None, :], axis[:, None])[inside].max()
    assert 0.97 * FORMS[name].reach < distance <= FORMS[name].reach


def test_colours_do_not_tell_shapes_from_ground() -> None:
    """The mean colour of shapes and of the ground is the same, but for the shadows on the latter."""
    shapes = Shapes("train", count=400, size=(32, 32))
    samples = [shapes[index] for index in range(len(shapes))]
    ground = np.concatenate([sample.image[sample.mask == 0] for sample in samples])
    drawn = np.concatenate([sample.image[sample.mask > 0] for sample in samples])
    assert np.abs(ground.mean(0) - drawn.mean(0)).max() < 0.06 * 255
    assert np.abs(ground.std(0) - drawn.std(0)).max() < 0.06 * 255


def neighbourhoods(dataset: Dataset, step: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Every ``step``-th pixel's 5x5x3 neighbourhood with a 1 behind it, and its class."""
    features, labels = [], []
    for index in range(len(dataset)):
        image, mask = dataset[index][:2]
        windows = np.lib.stride_tricks.sliding_window_view(image / 255 - 0.5, (5, 5), (0, 1))
        features.append(windows[::step, ::step].reshape(-1, 75))
        labels.append(mask[2:-2, 2:-2][::step, ::step].ravel().astype(np.int64))
    stacked = np.concatenate(features)
    return np.hstack([stacked, np.ones((len(stacked), 1))]), np.concatenate(labels)


@pytest.mark.parametrize("balanced", [False, True])
def test_a_linear_classifier_on_neighbourhoods_fails(balanced: bool) -> None:
    """Form decides: ridge regression to one-hot classes stays far below 0.4 mean IU (0.11 and 0.08 measured)."""
    features, labels = neighbourhoods(Shapes("train", count=60), step=4)
    weights = 1 / np.bincount(labels)[labels] if balanced else np.full(len(labels), 1 / len(labels))
    weighted = features * weights[:, None]
    gram = weighted.T @ features + 1e-6 * np.eye(76)
    solution = np.linalg.solve(gram, weighted.T @ np.eye(6)[labels])
    seen, truth = neighbourhoods(Shapes("val", count=30), step=4)
    matrix = ConfusionMatrix(6)
    matrix.update((seen @ solution).argmax(1), truth)
    assert matrix.mean_iu < 0.25


def test_measured_normalisation() -> None:
    shapes = Shapes("train", count=40)
    mean, std = measure_normalisation(shapes, limit=10)
    pixels = np.concatenate([shapes[index].image.reshape(-1, 3) for index in range(0, 40, 4)]) / 255
    assert mean == pytest.approx(pixels.mean(0))
    assert std == pytest.approx(pixels.std(0))


def test_indices_run_as_a_lists_do() -> None:
    shapes = Shapes("val", count=3)
    assert shapes[-1].name == "shapes-val-2"
    assert [sample.name for sample in shapes] == ["shapes-val-0", "shapes-val-1", "shapes-val-2"]
    with pytest.raises(IndexError, match="sample 3 of a data set of 3"):
        shapes[3]


@pytest.mark.parametrize(
    ("split", "options", "message"),
    [
        ("dev", {}, "no split 'dev'; it has train, val, test"),
        ("val", {"size": (16, 64)}, "size 16x64 is too small"),
        ("val", {"seed": -1}, "seed must be 0 or more"),
        ("val", {"count": 0}, "expected 1 image or more"),
        ("val", {"root": "somewhere"}, "'shapes' takes no --root"),
        ("val", {"num_classes": 7}, "'shapes' has 6 classes, not --num-classes 7"),
    ],
)
def test_impossible_options_are_refused(split: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_dataset("shapes", split, **options)
