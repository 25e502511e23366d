"""Decoded samples in memory, up to a limit: decoding is most of what loading costs."""

from __future__ import annotations

import re
import threading

import numpy as np

from ...errors import InputError
from ..dataset import Dataset, Sample, Wrapper, check_index

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


class Cached(Wrapper):
    """``dataset`` with as many decoded samples kept as fit into ``limit`` bytes.

    The first ones that are asked for stay; nothing is thrown out for another. Where all do not fit, each epoch goes
    through every sample once in another order, and any that is thrown out is as likely to be the next as the one it
    made room for. Samples come out of the cache as they were put in, so results are the same with and without. Arrays
    are made read-only: a transform that writes into its input fails instead of changing later epochs.

    Raises ``ValueError`` for a limit below 0.

    >>> from tinyseg.data import Shapes
    >>> cached = Cached(Shapes("val", count=3, size=(32, 32)), limit=10_000)
    >>> sizes = [cached[index].image.shape for index in range(3)]
    >>> cached.held, cached.bytes  # 32 * 32 * (3 + 1) bytes each
    (2, 8192)
    """

    def __init__(self, dataset: Dataset, limit: int) -> None:
        if limit < 0:
            raise ValueError(f"Cached: the limit must not be negative, got {limit}")
        super().__init__(dataset)
        self.limit = limit
        self.bytes = 0
        self._samples: dict[int, Sample] = {}
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """How many samples are kept."""
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        index = check_index(index, len(self))
        kept = self._samples.get(index)
        if kept is not None:
            return kept
        sample = self.dataset[index]
        arrays = [part for part in (*sample, *sample.extra.values()) if isinstance(part, np.ndarray)]
        size = sum(part.nbytes for part in arrays)
        with self._lock:
            if index not in self._samples and self.bytes + size <= self.limit:
                for part in arrays:
                    part.flags.writeable = False
                self._samples[index] = sample
                self.bytes += size
        return sample


def parse_bytes(text: str) -> int:
    """``2GB``, ``500 MB``, ``1.5g`` or ``4096`` as bytes (1 GB = 10^9); ``InputError`` for other texts.

    >>> parse_bytes("2GB"), parse_bytes("1.5 m")
    (2000000000, 1500000)
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)b?\s*", text.lower())
    if match is None:
        raise InputError(f"--cache-images: expected an amount of memory such as 2GB, got {text!r}")
    return int(float(match[1]) * UNITS[match[2]])
