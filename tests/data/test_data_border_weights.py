"""U-Net's weights of pixels, against distances by looking at every pixel of every cell."""

import math
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyseg.data import BorderWeights, Cells, Sample, Shapes, border_term, separated_cells
from tinyseg.data.loading import border_weights
from tinyseg.errors import InputError

Array = np.ndarray[Any, Any]


def brute_force(instances: Array, sigma: float) -> Array:
    """The paper's second term."""
    cells = instances * separated_cells(instances)
    places = {number: np.argwhere(cells == number).tolist() for number in set(np.unique(cells).tolist()) - {0}}
    term = np.zeros(cells.shape)
    for i, j in np.argwhere(cells == 0).tolist():
        each = sorted(min(math.dist((i, j), place) for place in inside) for inside in places.values())
        if len(each) > 1:
            term[i, j] = math.exp(-((each[0] + each[1]) ** 2) / (2 * sigma**2))
    return term


def blobs(seed: int, size: tuple[int, int] = (24, 30)) -> Array:
    """Cells that are what is nearest to their centres; some touch, some are alone."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(size)
    away = np.stack([np.hypot(rows - rng.uniform(0, size[0]), columns - rng.uniform(0, size[1])) for _ in range(6)])
    return np.where(away.min(0) < 5, away.argmin(0) + 3, 0).astype(np.int32)


@pytest.mark.parametrize(("seed", "sigma"), [(0, 5.0), (1, 2.0), (2, 1.0)])
def test_against_every_pixel_of_every_cell(seed: int, sigma: float) -> None:
    instances = blobs(seed)
    assert brute_force(instances, sigma).max() > 0.1
    np.testing.assert_allclose(border_term(instances, sigma), brute_force(instances, sigma), atol=2e-6)


def test_names_of_cells_do_not_matter() -> None:
    instances = blobs(3)
    renamed = np.where(instances == 4, 10**9, instances)
    np.testing.assert_array_equal(border_term(renamed), border_term(instances))


@pytest.mark.parametrize("count", [0, 1])
def test_there_is_no_border_with_less_than_two_cells(count: int) -> None:
    instances = np.zeros((8, 9), np.int32)
    instances[2:5, 2:5] = count
    assert not border_term(instances).any()


def test_a_cell_that_is_all_border_is_none() -> None:
    assert not border_term(np.array([[1, 2]])).any()


def test_five_hundred_cells_take_little_work() -> None:
    """Windows, not images: as many pixels are looked at as the cells and their surroundings have."""
    looked_at = 0

    def counting(mask: Array) -> Array:
        nonlocal looked_at
        looked_at += mask.size
        return original(mask)

    import scipy.ndimage

    original = scipy.ndimage.distance_transform_edt
    instances = np.kron(np.arange(1, 485).reshape(22, 22), np.pad(np.ones((19, 19), int), 2))
    scipy.ndimage.distance_transform_edt = counting
    try:
        border_term(instances)
    finally:
        scipy.ndimage.distance_transform_edt = original
    assert looked_at < 484 * 75**2 < instances.size * 484 / 40


def weights_of(dataset: Any, index: int = 0, **options: Any) -> Array:
    weights = BorderWeights(dataset, **options)[index].weights
    assert weights is not None
    return weights


def test_weights_are_the_classes_and_the_borders(tmp_path: Path) -> None:
    cells = Cells("val", count=1, size=(64, 64))
    mask, instances = cells[0].mask, cells.instances(0)
    weights = weights_of(cells, w0=4.0, sigma=3.0, class_weights=(0.5, 2.0), cache=tmp_path)
    assert weights.dtype == np.float32
    expected = np.array([0.5, 2.0])[mask] + 4 * brute_force(instances, 3.0)
    np.testing.assert_allclose(weights, expected, atol=1e-5)


class Ignoring(Cells):
    """With a corner that is ignored."""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        mask = sample.mask.copy()
        mask[:5] = 255
        return sample._replace(mask=mask)


def test_ignored_pixels_weigh_nothing(tmp_path: Path) -> None:
    weights = weights_of(Ignoring("val", count=1, size=(64, 64)), cache=tmp_path)
    assert not weights[:5].any()
    assert weights[5:].min() == 1


# The cache


def test_what_was_computed_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = Cells("val", count=2, size=(64, 64))
    first = weights_of(cells, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(border_weights, "border_term", lambda *_: pytest.fail("computed again"))
    np.testing.assert_array_equal(weights_of(cells, cache=tmp_path), first)
    np.testing.assert_allclose(weights_of(cells, w0=5.0, cache=tmp_path), 1 + (first - 1) / 2, rtol=1e-5)


def test_other_cells_and_another_sigma_have_files_of_their_own(tmp_path: Path) -> None:
    cells = Cells("val", count=2, size=(64, 64))
    for options in ({}, {"index": 1}, {"sigma": 3.0}):
        weights_of(cells, cache=tmp_path, **options)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_broken_file_is_replaced(tmp_path: Path) -> None:
    cells = Cells("val", count=1, size=(64, 64))
    first = weights_of(cells, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    flipped = bytes([*whole[:5000], whole[5000] ^ 64, *whole[5001:]])  # a number like the others, but another one
    for broken in (b"", whole[:50], whole[:-4], b"nonsense", flipped):
        path.write_bytes(broken)
        np.testing.assert_array_equal(weights_of(cells, cache=tmp_path), first)
        assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cells = Cells("val", count=1, size=(64, 64))
    assert weights_of(cells, cache=tmp_path / "file" / "cache").max() > 1


def test_several_may_use_a_cache_at_once(tmp_path: Path) -> None:
    cells = Cells("val", count=3, size=(64, 64))
    expected = [weights_of(cells, index, cache=tmp_path / "alone") for index in range(3)]
    wrong: list[int] = []

    def work() -> None:
        dataset = BorderWeights(cells, cache=tmp_path / "shared")
        wrong.extend(i for i in range(3) if not np.array_equal(dataset[i].weights, expected[i]))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(list((tmp_path / "shared").iterdir())) == 3


def test_files_that_were_not_used_for_long_are_removed(tmp_path: Path) -> None:
    cells = Cells("val", count=1, size=(64, 64))
    weights_of(cells, cache=tmp_path)
    (used,) = tmp_path.iterdir()
    old = tmp_path / "old.npy"
    old.write_bytes(b"")
    for path in (used, old):
        os.utime(path, (time.time() - 20 * 86400,) * 2)
    weights_of(cells, cache=tmp_path)
    assert time.time() - used.stat().st_mtime < 86400, "a file that is used is young again"
    os.utime(old, (time.time() - 40 * 86400,) * 2)
    BorderWeights(cells, cache=tmp_path)
    assert list(tmp_path.iterdir()) == [used]


def test_what_cannot_be_weighed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="shapes: tells no objects apart"):
        BorderWeights(Shapes("val", count=1), cache=tmp_path)
    for options in ({"w0": -1.0}, {"sigma": 0.0}, {"w0": math.nan}):
        with pytest.raises(InputError, match="w0 must be 0 or more and sigma positive"):
            BorderWeights(Cells("val", count=1), cache=tmp_path, **options)
    with pytest.raises(ValueError, match=r"expected instances \(H, W\)"):
        border_term(np.zeros(3, int))
    with pytest.raises(ValueError, match="sigma must be positive"):
        border_term(np.zeros((3, 3), int), 0.0)
