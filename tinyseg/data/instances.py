"""Objects, numbered, and masks: from one to the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def separated_cells(instances: NDArray[Any]) -> NDArray[np.uint8]:
    """Class 1 where there is a cell, 0 elsewhere and where two cells touch: ``(H, W)`` ``uint8``.

    A pixel with another cell among its eight neighbours is background. So cells that touch stay apart, and are found
    again as connected components of the mask, which is what U-Net learns (Ronneberger et al. 2015, section 3).

    >>> separated_cells(np.array([[1, 1, 2, 2, 0, 3]])).tolist()
    [[1, 0, 0, 1, 0, 1]]
    """
    height, width = instances.shape
    padded = np.pad(instances, 1)
    inside = instances > 0
    touches = np.zeros_like(inside)
    for down in range(3):
        for along in range(3):
            other = padded[down : down + height, along : along + width]
            touches |= (other != instances) & (other > 0)
    return (inside & ~touches).astype(np.uint8)


def connected_cells(mask: NDArray[Any]) -> NDArray[np.int32]:
    """The connected parts (by edges) of where ``mask`` is true, numbered from 1: ``(H, W)`` ``int32``.

    >>> connected_cells(np.array([[1, 0, 1], [1, 0, 0]])).tolist()
    [[1, 0, 2], [1, 0, 0]]
    """
    from scipy import ndimage

    labels: NDArray[np.int32] = ndimage.label(mask)[0].astype(np.int32)
    return labels


def renumbered(ids: NDArray[Any]) -> NDArray[np.int32]:
    """The numbers in ``ids`` as 0 (which stays 0) and 1, 2, ... in their order."""
    values, inverse = np.unique(ids, return_inverse=True)
    start = 0 if values.size and values[0] == 0 else 1
    return (inverse.reshape(ids.shape) + start).astype(np.int32)
