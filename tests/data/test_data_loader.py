"""The loader: order, randomness independent of threads, errors and early ends."""

import itertools
import threading
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tinyseg.data import (
    Batch,
    Cached,
    Cells,
    Classes,
    Compose,
    DataLoader,
    RandomCrop,
    RandomFlip,
    RandomScale,
    ResizeImage,
    Sample,
    Shapes,
    WithInstances,
    augmentations,
    parse_augmentations,
    parse_bytes,
)
from tinyseg.errors import DataError, InputError


class Sizes:
    """Samples of given sizes; each pixel holds its sample's index. A size of None cannot be read."""

    name = "sizes"
    classes = Classes.numbered(3)
    in_channels = 1

    def __init__(self, sizes: list[tuple[int, int] | None]) -> None:
        self.sizes = sizes
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> Sample:
        self.asked.append(index)
        size = self.sizes[index]
        if size is None:
            raise DataError(f"{index}.png: cannot be read")
        return Sample(np.full((*size, 1), index, np.uint8), np.zeros(size, np.uint8), str(index))


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("tinyseg-loader")]
    assert not left


def names(batches: list[Batch]) -> list[list[str]]:
    return [batch.names for batch in batches]


def order(loader: DataLoader, epoch: int) -> list[str]:
    return [name for batch in loader.epoch(epoch) for name in batch.names]


def test_batches_types_and_memory() -> None:
    loader = DataLoader(Shapes("val", count=5, size=(32, 48)), batch_size=2)
    batches = list(loader.epoch(0))
    assert loader.num_batches == len(batches) == 3
    assert [len(batch.names) for batch in batches] == [2, 2, 1]
    batch = batches[0]
    assert batch.images.shape == (2, 3, 32, 48)
    assert batch.images.dtype == np.float32
    assert batch.images.transpose(0, 2, 3, 1).flags.c_contiguous
    assert batch.labels.shape == (2, 32, 48)
    assert batch.labels.dtype == np.int64
    sample = loader.dataset[1]
    np.testing.assert_allclose(batch.images[1, 2], sample.image[:, :, 2] / 255, rtol=1e-6)
    np.testing.assert_array_equal(batch.labels[1], sample.mask)


def test_drop_last() -> None:
    loader = DataLoader(Sizes([(2, 2)] * 5), 2, drop_last=True)
    assert loader.num_batches == 2
    assert loader.num_samples == 4
    assert names(list(loader.epoch(0))) == [["0", "1"], ["2", "3"]]


def test_every_epoch_has_an_order_of_its_own() -> None:
    loader = DataLoader(Sizes([(2, 2)] * 20), 4, shuffle=True)
    orders = [order(loader, number) for number in range(3)]
    assert sorted(orders[0], key=int) == [str(index) for index in range(20)]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    other = DataLoader(Sizes([(2, 2)] * 20), 4, shuffle=True, seed=1)
    assert order(other, 0) != orders[0]


@pytest.mark.parametrize(("workers", "prefetch"), [(0, 1), (1, 1), (4, 3)])
def test_results_depend_on_seed_epoch_and_index_alone(workers: int, prefetch: int) -> None:
    transform = Compose([RandomScale(), RandomFlip(), RandomCrop((32, 32))])
    dataset = Shapes("train", count=9, size=(40, 40))
    unbroken = DataLoader(dataset, 2, transform, shuffle=True, workers=2)
    list(unbroken.epoch(0))
    expected = list(unbroken.epoch(1))
    resumed = DataLoader(dataset, 2, transform, shuffle=True, workers=workers, prefetch=prefetch)
    for one, other in zip(expected, resumed.epoch(1), strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.names == other.names


def test_augmentation_differs_between_epochs_and_samples() -> None:
    image = np.arange(32 * 32, dtype=np.uint8).reshape(32, 32, 1)

    class One(Sizes):
        def __getitem__(self, index: int) -> Sample:
            return Sample(image, np.zeros((32, 32), np.uint8), str(index))

    loader = DataLoader(One([None] * 8), 8, RandomCrop((8, 8)))
    crops = [crop.tobytes() for number in range(2) for crop in next(loader.epoch(number)).images]
    assert len(set(crops)) > 12


def test_mixed_sizes_are_handed_out_in_order() -> None:
    loader = DataLoader(Sizes([(2, 2), (2, 2), (3, 2), (2, 2), (4, 4)]), 4)
    batches = list(loader.epoch(0))
    assert names(batches) == [["0", "1"], ["2"], ["3"], ["4"]]
    assert [batch.images.shape[2:] for batch in batches] == [(2, 2), (3, 2), (2, 2), (4, 4)]


def test_mixed_sizes_are_refused_in_training() -> None:
    loader = DataLoader(Sizes([(2, 2), (3, 2)]), 2, shuffle=True)
    with pytest.raises(DataError, match=r"is [23]x2x1 but [01] is .*resize or crop them"):
        list(loader.epoch(0))


def test_labels_keep_their_resolution_where_the_image_alone_is_resized() -> None:
    loader = DataLoader(Sizes([(8, 8), (8, 8), (6, 8)]), 3, ResizeImage((4, 4)))
    one, other = loader.epoch(0)
    assert one.images.shape == (2, 1, 4, 4)
    assert one.labels.shape == (2, 8, 8)
    assert other.labels.shape == (1, 6, 8)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_a_worker_reaches_the_consumer(workers: int) -> None:
    loader = DataLoader(Sizes([(2, 2), (2, 2), None, (2, 2)]), 2, workers=workers)
    batches = loader.epoch(0)
    assert next(batches).names == ["0", "1"]
    with pytest.raises(DataError, match=r"2.png: cannot be read"):
        next(batches)


def test_breaking_off_leaves_no_thread() -> None:
    for batch in DataLoader(Sizes([(2, 2)] * 100), 1).epoch(0):
        assert batch.names == ["0"]
        break


def test_an_interrupt_in_the_consumer_leaves_no_thread() -> None:
    def consume() -> None:
        for _ in DataLoader(Sizes([(2, 2)] * 100), 1).epoch(0):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()


def test_prefetching_is_bounded() -> None:
    dataset = Sizes([(2, 2)] * 50)
    batches = DataLoader(dataset, 2, workers=2, prefetch=3).epoch(0)
    next(batches)
    time.sleep(0.05)
    assert len(dataset.asked) <= 2 * 3
    batches.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("option", "value", "least"),
    [("batch_size", 0, 1), ("seed", -1, 0), ("workers", -1, 0), ("prefetch", 0, 1)],
)
def test_impossible_options_are_refused(option: str, value: int, least: int) -> None:
    options = {"batch_size": 1, option: value}
    with pytest.raises(ValueError, match=f"{option} must be {least} or more, got {value}"):
        DataLoader(Sizes([]), **options)


@pytest.mark.parametrize("option", ["batch_size", "seed", "workers", "prefetch"])
@pytest.mark.parametrize("value", [1.5, 2.0, True, "2"])
def test_what_is_no_whole_number_is_refused(option: str, value: Any) -> None:
    options: dict[str, Any] = {"batch_size": 1, option: value}
    with pytest.raises(TypeError, match=f"DataLoader: {option} must be a whole number, [01] or more, got {value!r}"):
        DataLoader(Sizes([]), **options)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_threads_load_where_the_system_starts_no_more(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that a thread was to do is done once, by those there are or by the caller."""
    start, left = threading.Thread.start, iter(range(count))

    def limited(self: threading.Thread) -> None:
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)
    dataset = Sizes([(2, 2)] * 7)
    names = [batch.names for batch in DataLoader(dataset, 2, workers=3).epoch(0)]
    assert names == [["0", "1"], ["2", "3"], ["4", "5"], ["6"]]
    assert sorted(dataset.asked) == list(range(7))


def test_no_more_threads_are_started_than_batches_are_made_ahead() -> None:
    batches = DataLoader(Sizes([(2, 2)] * 50), 1, workers=2**63, prefetch=3).epoch(0)
    next(batches)
    assert sum(thread.name.startswith("tinyseg-loader") for thread in threading.enumerate()) == 3
    batches.close()  # type: ignore[attr-defined]


def test_objects_and_weights_come_along() -> None:
    """Through every change of place, the objects of cells stay where their mask is."""

    class Weighted(WithInstances):
        def __getitem__(self, index: int) -> Sample:
            sample = super().__getitem__(index)
            return sample._replace(weights=1 + sample.mask.astype(np.float32))

    transform = Compose(augmentations(parse_augmentations("elastic=3,rotate,scale,rare,flip,rotate90"), (48, 48)))
    batches = list(DataLoader(Weighted(Cells("val", count=4)), 2, transform, shuffle=True).epoch(0))
    for batch in batches:
        assert batch.instances is not None
        assert batch.weights is not None
        assert batch.instances.shape == batch.weights.shape == batch.labels.shape == (2, 48, 48)
        assert (batch.instances.dtype, batch.weights.dtype) == (np.int32, np.float32)
        assert (batch.instances[batch.labels == 1] > 0).all()
        whole = np.abs(batch.weights - np.rint(batch.weights)) < 1e-3
        plain = whole & (batch.labels != 255)
        np.testing.assert_allclose(batch.weights[plain].mean(), 1 + batch.labels[plain].mean(), atol=0.02)
    (plain_batch,) = DataLoader(Cells("val", count=2), 2).epoch(0)
    assert plain_batch.instances is plain_batch.weights is None


def test_everything_random_is_the_same_for_any_number_of_threads() -> None:
    transform = Compose(
        augmentations(
            parse_augmentations("elastic,rotate,scale,rare,flip,vflip,rotate90,colour,blur,noise"), (40, 40)
        )
    )
    runs = [
        list(DataLoader(Shapes("val", count=6, size=(48, 48)), 2, transform, True, 3, workers).epoch(5))
        for workers in (0, 1, 3)
    ]
    for others in runs[1:]:
        for one, other in zip(runs[0], others, strict=True):
            assert one.names == other.names
            np.testing.assert_array_equal(one.images, other.images)
            np.testing.assert_array_equal(one.labels, other.labels)


@pytest.mark.parametrize("workers", [0, 2])
def test_waiting_is_measured(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that moves on by a second when it is read: a second for each batch, none for the caller's work."""
    ticks = itertools.count()
    monkeypatch.setattr("tinyseg.data.loading.loader.time.perf_counter", lambda: next(ticks))
    loader = DataLoader(Sizes([(4, 4)] * 4), 1, workers=workers)
    assert loader.waited == 0
    for epoch in range(2):
        waited = []
        for _ in loader.epoch(epoch):
            waited.append(loader.waited)
            next(ticks)
        assert waited == [1, 2, 3, 4], "from 0 on in each epoch"


def test_the_cache_gives_what_the_data_set_gives_and_keeps_to_its_limit() -> None:
    sizes: list[tuple[int, int] | None] = [(8, 8)] * 5
    plain = Sizes(sizes)
    cached = Cached(plain, limit=3 * 128)
    for _ in range(3):
        for index in (*range(5), -1):
            sample, expected = cached[index], Sizes(sizes)[index % 5]
            np.testing.assert_array_equal(sample.image, expected.image)
            np.testing.assert_array_equal(sample.mask, expected.mask)
    assert (cached.held, cached.bytes) == (3, 384)
    assert [plain.asked.count(index) for index in range(3)] == [1, 1, 1]
    assert plain.asked.count(3) == 3
    with pytest.raises(ValueError, match="read-only"):
        cached[0].image[0, 0, 0] = 1
    with pytest.raises(ValueError, match="must not be negative"):
        Cached(plain, -1)


def test_a_cache_changes_no_batch() -> None:
    shapes = Shapes("val", count=5, size=(32, 32))
    transform = Compose(augmentations(parse_augmentations("flip,scale,colour"), (32, 32)))
    cached = Cached(shapes, 10**6)
    for epoch in range(2):
        for one, other in zip(
            DataLoader(shapes, 2, transform, True).epoch(epoch),
            DataLoader(cached, 2, transform, True).epoch(epoch),
            strict=True,
        ):
            np.testing.assert_array_equal(one.images, other.images)
            np.testing.assert_array_equal(one.labels, other.labels)
    assert cached.held == 5


@pytest.mark.parametrize(
    ("text", "expected"), [("2GB", 2 * 10**9), ("500 MB", 5 * 10**8), ("1.5k", 1500), ("0", 0), ("12b", 12)]
)
def test_amounts_of_memory(text: str, expected: int) -> None:
    assert parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "much", "-1GB", "2 gigs", "1e9"])
def test_impossible_amounts_of_memory(text: str) -> None:
    with pytest.raises(InputError, match="--cache-images: expected an amount of memory such as 2GB"):
        parse_bytes(text)


def test_many_images_need_no_memory_of_their_own() -> None:
    """A hundred images of a megabyte each go through; no more are held than are made ahead."""
    tracemalloc.start()
    try:
        loader = DataLoader(Sizes([(1024, 1024)] * 100), 1, workers=2, prefetch=2)
        for _ in loader.epoch(0):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # As float32 and with int64 labels an image has 13 MB; two are made ahead, two are in work, one is in use.
    assert peak < 8 * 13 * 2**20
