"""Batches of a data set, made ahead of time by threads.

Threads are enough: decoding, resizing and array work let go of the GIL. Nothing depends on which thread does
what: the order of an epoch, and all that is random in a sample, comes from ``(seed, epoch, index)``. Epoch 7 is
the same whether or not epochs 0 to 6 were run before in this process, so that a resumed training run repeats
the unbroken one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, whole
from ..dataset import Dataset, Sample, size_text, unit_range
from ..transforms import AnyTransform, as_transform
from .prefetch import prefetched


class Batch(NamedTuple):
    """``images`` ``(N, C, H, W)`` ``float32``; ``labels`` ``(N, H', W')`` ``int64``; ``names`` of the N samples.

    ``weights`` ``(N, H', W')`` ``float32``, ``instances`` ``(N, H', W')`` ``int32`` and ``extra``, labels like
    ``labels`` by the names of extra targets, are there if the samples have them. The memory of ``images`` is
    channels-last: the array is a transposed view of a contiguous (N, H, W, C) one.
    H', W' are H, W unless the transform changed the image alone (``ResizeImage``).
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    names: list[str]
    weights: NDArray[np.float32] | None = None
    instances: NDArray[np.int32] | None = None
    extra: Mapping[str, NDArray[np.int64]] = {}

    def first(self, count: int) -> Batch:
        """The first ``count`` samples of it."""
        weights = None if self.weights is None else self.weights[:count]
        instances = None if self.instances is None else self.instances[:count]
        extra = {name: labels[:count] for name, labels in self.extra.items()}
        return Batch(self.images[:count], self.labels[:count], self.names[:count], weights, instances, extra)


def _sizes(sample: Sample) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return sample.image.shape, sample.mask.shape


class DataLoader:
    """Batches of ``dataset``, an epoch at a time: ``for batch in loader.epoch(0): ...``.

    Args:
        dataset: what to load.
        batch_size: samples in a batch.
        transform: called with each sample and a generator of its own; or a function
            ``(image, mask) -> (image, mask)``. Images that are still ``uint8`` afterwards are divided by 255.
        shuffle: a new order in each epoch. Then all samples of a batch must have one size. Without it, samples
            of a batch whose sizes differ are handed out as several smaller batches, in order: evaluation goes
            over images of any size.
        seed: a whole number, 0 or more.
        workers: threads that load; with 0 everything happens in the caller's thread.
        prefetch: batches made ahead at most.
        drop_last: leave out a last batch that is not full.

    ``waited`` is how many seconds of the last epoch (or of this one, so far) the caller spent waiting for batches:
    what a training run could save if loading were free.

    Raises ``ValueError`` for impossible numbers, ``TypeError`` for what is no whole number.

    >>> from tinyseg.data import Shapes
    >>> loader = DataLoader(Shapes("val", count=5, size=(32, 32)), batch_size=2, shuffle=True)
    >>> [batch.images.shape for batch in loader.epoch(0)]
    [(2, 3, 32, 32), (2, 3, 32, 32), (1, 3, 32, 32)]
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        transform: AnyTransform | None = None,
        shuffle: bool = False,
        seed: int = 0,
        workers: int = 2,
        prefetch: int = 4,
        drop_last: bool = False,
    ) -> None:
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("seed", seed, 0),
            ("workers", workers, 0),
            ("prefetch", prefetch, 1),
        ):
            whole("DataLoader", name, value, least)
        self.dataset = dataset
        self.batch_size = batch_size
        self.transform = None if transform is None else as_transform(transform)
        self.shuffle = shuffle
        self.seed = seed
        self.workers = workers
        self.prefetch = prefetch
        self.drop_last = drop_last
        self.waited = 0.0

    @property
    def num_samples(self) -> int:
        """Samples in an epoch, which are all, unless a last batch is left out."""
        count = len(self.dataset)
        return count - count % self.batch_size if self.drop_last else count

    @property
    def num_batches(self) -> int:
        """Batches in an epoch; where sizes differ there can be more (see ``shuffle``)."""
        return -(-self.num_samples // self.batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch ``number`` (0, 1, ...).

        What goes wrong in a thread is raised here, as it was: a ``DataError`` that names the file. When the
        caller stops early, the threads finish the batch they are at, and end. Where the system does not start so
        many threads, fewer load.
        """
        self.waited = 0.0
        chunks = self._chunks(number)
        load = partial(self._load, number)
        with closing(prefetched(load, chunks, self.workers, self.prefetch, "tinyseg-loader")) as made:
            for _ in chunks:
                yield from self._timed(partial(next, made))

    def _timed(self, batches: Callable[[], list[Batch]]) -> list[Batch]:
        """What ``batches`` gives; the time it takes is time waited."""
        start = time.perf_counter()
        try:
            return batches()
        finally:
            self.waited += time.perf_counter() - start

    def _chunks(self, epoch: int) -> list[list[int]]:
        """The indices of the samples of each batch."""
        order = np.arange(len(self.dataset))
        if self.shuffle:
            order = self._generator(epoch, len(self.dataset)).permutation(order)
        order = order[: self.num_samples]
        return [order[start : start + self.batch_size].tolist() for start in range(0, len(order), self.batch_size)]

    def _generator(self, epoch: int, index: int) -> np.random.Generator:
        """The generator of sample ``index``; that of the order has the index after the last sample's."""
        return np.random.default_rng([self.seed, epoch, index])

    def _load(self, epoch: int, indices: list[int]) -> list[Batch]:
        """Load the samples of one batch; several batches where sizes differ."""
        samples = [self._load_sample(epoch, index) for index in indices]
        runs = [list(run) for _, run in groupby(samples, key=_sizes)]
        if self.shuffle and len(runs) > 1:
            one, other = runs[0][0], runs[1][0]
            raise DataError(
                f"{one.name} is {size_text(one.image.shape)} but {other.name} is {size_text(other.image.shape)} "
                "(height x width x channels): images of one batch must be of one size; "
                "resize or crop them (--size), or take batches of 1"
            )
        return [_collate(run) for run in runs]

    def _load_sample(self, epoch: int, index: int) -> Sample:
        sample = self.dataset[index]
        if self.transform is not None:
            sample = self.transform(sample, self._generator(epoch, index))
        return sample


def _collate(samples: list[Sample]) -> Batch:
    """Stack samples of one size."""
    images = np.stack([unit_range(sample.image) for sample in samples])
    labels = np.stack([sample.mask for sample in samples]).astype(np.int64)
    names = [sample.name for sample in samples]
    weights, instances = (_stacked([getattr(s, part) for s in samples]) for part in ("weights", "instances"))
    masks = {target: _stacked([s.extra.get(target) for s in samples]) for target in samples[0].extra}
    extra = {target: mask.astype(np.int64) for target, mask in masks.items() if mask is not None}
    return Batch(images.transpose(0, 3, 1, 2), labels, names, weights, instances, extra)


def _stacked(planes: list[NDArray[Any] | None]) -> NDArray[Any] | None:
    """What all samples have, stacked; None where one has none."""
    there = [plane for plane in planes if plane is not None]
    return np.stack(there) if len(there) == len(planes) else None
