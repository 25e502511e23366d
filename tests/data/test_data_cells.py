"""The data set ``cells``: cells that touch, and masks that keep them apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from tinyseg.data import Cells, WithInstances, connected_cells, open_dataset, separated_cells
from tinyseg.data.instances import renumbered
from tinyseg.errors import InputError


def test_types_and_values() -> None:
    cells = Cells("val", count=3, size=(96, 64))
    for index in range(len(cells)):
        sample = WithInstances(cells)[index]
        assert (sample.image.shape, sample.image.dtype) == ((96, 64, 1), np.uint8)
        assert (sample.mask.shape, sample.mask.dtype) == ((96, 64), np.uint8)
        assert set(np.unique(sample.mask)) == {0, 1}
        assert sample.instances is not None
        assert sample.instances.dtype == np.int32
        numbers = np.unique(sample.instances)
        np.testing.assert_array_equal(numbers, np.arange(len(numbers)))
        assert sample.name == cells.sample_name(index) == f"cells-val-{index}"
        assert cells.size(index) == (96, 64)
        np.testing.assert_array_equal(cells.mask(index), sample.mask)


def test_a_sample_depends_on_seed_split_and_index_alone() -> None:
    one, other = Cells("train", count=5), Cells("train", count=50)
    np.testing.assert_array_equal(one[3].image, other[3].image)
    different = [Cells("val")[3], Cells("train", seed=1)[3], one[4]]
    assert all(not np.array_equal(one[3].image, sample.image) for sample in different)


def test_cells_touch_and_the_mask_keeps_them_apart() -> None:
    """Most cells touch another; each is one connected part of the mask, found again by its number."""
    cells = Cells("train", count=8)
    touching = total = 0
    for index in range(len(cells)):
        instances, mask = cells.instances(index), cells.mask(index)
        parts = connected_cells(mask)
        for number in range(1, int(instances.max()) + 1):
            cell = instances == number
            around = ndimage.binary_dilation(cell, np.ones((3, 3))) & ~cell
            touching += bool((instances[around] > 0).any())
            total += 1
        # No part of the mask reaches into two cells.
        for part in range(1, int(parts.max()) + 1):
            assert len(np.unique(instances[parts == part])) == 1
        share = mask.mean()
        assert 0.15 < share < 0.75
    assert total > 8 * 8
    assert touching > total / 2


def test_cells_can_be_told_from_the_ground_by_their_rim_only() -> None:
    """The mean of grey values inside and outside is nearly the same; the rim is bright."""
    cells = Cells("train", count=20)
    inside, outside, rim = [], [], []
    for index in range(len(cells)):
        image, instances = cells[index].image[:, :, 0].astype(float), cells.instances(index)
        core = ndimage.binary_erosion(instances > 0, iterations=5)
        edge = (instances > 0) & ~ndimage.binary_erosion(instances > 0, iterations=3)
        inside.append(image[core].mean())
        outside.append(image[instances == 0].mean())
        rim.append(image[edge].mean())
    assert abs(np.mean(inside) - np.mean(outside)) < 0.15 * 255
    assert np.mean(rim) > np.mean(outside) + 20


def test_touching_pixels_are_background() -> None:
    instances = np.array([[1, 1, 0, 2], [1, 1, 2, 2], [0, 0, 0, 2]])
    # (0, 1) touches (1, 2) by a corner, (1, 1) by an edge.
    assert separated_cells(instances).tolist() == [[1, 0, 0, 1], [1, 0, 0, 1], [0, 0, 0, 1]]
    assert separated_cells(np.zeros((2, 2), int)).tolist() == [[0, 0], [0, 0]]


def test_numbers_in_order() -> None:
    assert renumbered(np.array([[0, 9, 4]])).tolist() == [[0, 2, 1]]
    assert renumbered(np.array([[9, 4]])).tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("split", "options", "message"),
    [
        ("dev", {}, "no split 'dev'; it has train, val, test"),
        ("val", {"size": (16, 64)}, "size 16x64 is too small"),
        ("val", {"seed": -1}, "seed must be 0 or more"),
        ("val", {"count": 0}, "expected 1 image or more"),
        ("val", {"root": "somewhere"}, "'cells' takes no --root"),
        ("val", {"num_classes": 7}, "'cells' has 2 classes, not --num-classes 7"),
        ("val", {"mapping": {0: 1}}, "'cells' takes no --mapping"),
    ],
)
def test_impossible_options_are_refused(split: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_dataset("cells", split, **options)
