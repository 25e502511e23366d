"""U-Net's weights of pixels: those between cells that nearly touch count many times as much as others.

With d1 and d2 the distances of a background pixel to the nearest and to the second nearest cell (Ronneberger, Fischer
and Brox 2015, equation 2)::

    w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))

w_c balances the classes. Inside of cells there is w_c alone: it is the gaps that have to be learnt. Where two cells
touch, their border is background (``tinyseg.data.instances.separated_cells``) before distances are taken.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import compilation
from ...errors import InputError
from ..dataset import Dataset, Sample, Wrapper
from ..instances import renumbered, separated_cells

W0, SIGMA = 10.0, 5.0
"""The paper's."""

NEGLIGIBLE = 1e-6
"""A term below this share of w0 is taken to be 0."""

_VERSION = 2
_KEPT_SECONDS = 30 * 24 * 3600

Array = NDArray[np.float32]


def border_term(instances: NDArray[Any], sigma: float = SIGMA) -> Array:
    """exp(-(d1 + d2)^2 / (2 sigma^2)) of background pixels, 0 in cells and where it is below 1e-6.

    Args:
        instances: ``(H, W)`` whole numbers, 0 for background, another one for each cell; cells may touch.
        sigma: in pixels, positive.

    Returns ``(H, W)`` ``float32``. Each cell is looked at in the window in which it can matter, so the time goes with
    the cells' areas. Raises ``ValueError`` for other arguments.

    >>> print(border_term(np.array([[1, 1, 0, 2]]), sigma=2.0).round(3))  # 1 to the left and 1 to the right
    [[0.    0.    0.607 0.   ]]
    """
    from scipy.ndimage import distance_transform_edt, find_objects

    if instances.ndim != 2 or instances.dtype.kind not in "iu":
        raise ValueError(f"border_term: expected instances (H, W), integers, got {instances.dtype} {instances.shape}")
    if not 0 < sigma < np.inf:
        raise ValueError(f"border_term: sigma must be positive, got {sigma}")
    cells = renumbered(instances) * separated_cells(instances)
    reach = int(np.ceil(sigma * np.sqrt(-2 * np.log(NEGLIGIBLE))))
    nearest, second = np.full((2, *cells.shape), np.inf, np.float32)
    for number, box in enumerate(find_objects(cells), 1):
        if box is None:  # nothing of the cell is left once its borders are background
            continue
        window = tuple(slice(max(0, side.start - reach), side.stop + reach) for side in box)
        away = distance_transform_edt(cells[window] != number).astype(np.float32)
        first = nearest[window]
        second[window] = np.minimum(second[window], np.maximum(first, away))
        nearest[window] = np.minimum(first, away)
    term = np.exp(-np.square(nearest + second) / (2 * sigma**2))
    return np.where((cells > 0) | (term < NEGLIGIBLE), 0, term).astype(np.float32)


class BorderWeights(Wrapper):
    """``dataset`` with U-Net's weights in its samples; the distances are computed once and kept on disk.

    Args:
        dataset: it must tell its cells apart (``Dataset.instances``).
        w0, sigma: of the formula above; w0 is 0 or more.
        class_weights: w_c of each class, 1 for each if there are none.
        cache: the folder of what was computed; one among the user's caches by default. A file's name tells the cells
            and sigma, and it appears whole or not at all: several processes and threads may use the folder. Files
            unused for 30 days are removed.

    Ignored pixels (255) have weight 0. Raises ``InputError`` for a data set without instances, and for other numbers.
    """

    def __init__(
        self,
        dataset: Dataset,
        w0: float = W0,
        sigma: float = SIGMA,
        class_weights: Sequence[float] | None = None,
        cache: Path | None = None,
    ) -> None:
        super().__init__(dataset)
        if not 0 <= w0 < np.inf or not 0 < sigma < np.inf:
            raise InputError(f"--border-weights: w0 must be 0 or more and sigma positive, got {w0} and {sigma}")
        if len(dataset) and dataset.instances(0) is None:
            raise InputError(f"{dataset.name}: tells no objects apart, so there are no borders to weigh")
        self.w0, self.sigma = w0, sigma
        self.class_weights = np.ones(256, np.float32)
        if class_weights is not None:
            self.class_weights[: len(class_weights)] = class_weights
        self.class_weights[255] = 0
        self.cache = compilation.cache_folder("border-weights") if cache is None else cache
        if self.cache is not None:
            _remove_old(self.cache)

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[index]
        instances = self.dataset.instances(index)
        if instances is None:
            raise InputError(f"{self.name}: {sample.name} has no instances")
        term = np.where(sample.mask == 255, 0, self._term(instances))
        weights = self.class_weights[sample.mask] + np.float32(self.w0) * term
        return sample._replace(weights=weights.astype(np.float32))

    def _term(self, instances: NDArray[np.int32]) -> Array:
        """From the cache, or into it."""
        if self.cache is None:
            return border_term(instances, self.sigma)
        digest = hashlib.sha256(f"{_VERSION} {self.sigma!r} {instances.shape} {instances.dtype}\0".encode())
        digest.update(np.ascontiguousarray(instances).tobytes())
        path = self.cache / f"{digest.hexdigest()[:32]}.bin"
        stored = compilation.read_cached(path)
        if stored is not None:
            with contextlib.suppress(OSError):  # another process may be removing it
                os.utime(path)
            return np.frombuffer(stored, np.float32).reshape(instances.shape).copy()
        term = border_term(instances, self.sigma)
        with contextlib.suppress(OSError):  # a cache that cannot be written to is done without
            self.cache.mkdir(parents=True, exist_ok=True)
            compilation.write_cached(path, term.tobytes())
        return term


def _remove_old(folder: Path) -> None:
    """Files that were not used for long; another process may be at it, too."""
    for path in folder.glob("*"):
        try:
            if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                path.unlink()
        except OSError:
            continue
