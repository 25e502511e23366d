"""Numbers that can be used: weights that are finite, and normalisations that leave something of an image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import many

PIECE = 1 << 22
"""The number of elements that are checked or copied at a time."""

_LARGEST = float(np.finfo(np.float32).max)
_SMALLEST = float(np.finfo(np.float32).tiny)


def pieces(array: NDArray[Any]) -> Iterator[slice]:
    """Slices of the first axis, of some ``PIECE`` numbers each: a temporary array of all of them may be large.

    >>> list(pieces(np.zeros((3, 2))))
    [slice(0, 3, None)]
    """
    rows = max(1, PIECE * len(array) // max(array.size, 1))
    return (slice(start, min(start + rows, len(array))) for start in range(0, len(array), rows))


def fault(name: str, array: NDArray[Any]) -> str | None:
    """What is wrong with the numbers called ``name``, in words; None where nothing is.

    Weights are finite, and so are an optimiser's state and running statistics; a variance is not negative.

    >>> fault("conv.weight", np.array([1.0, np.nan, np.inf]))
    '2 of its 3 numbers are not finite'
    >>> fault("norm.running_var", np.array([1.0, -4.0]))
    'its variances are negative, down to -4'
    """
    if array.dtype.kind not in "fc" or not array.size:
        return None
    parts = [array] if not array.ndim else [array[piece] for piece in pieces(array)]
    bad = sum(part.size - int(np.count_nonzero(np.isfinite(part))) for part in parts)
    if bad:
        return f"{bad} of its {array.size} numbers {'is' if bad == 1 else 'are'} not finite"
    if name.rpartition(".")[2] == "running_var" and (least := array.min()) < 0:
        return f"its variances are negative, down to {least:g}"
    return None


def is_representable(array: NDArray[Any], dtype: Any) -> bool:
    """Whether each number of ``array`` can be converted to ``dtype`` and means the same there, up to rounding.

    >>> is_representable(np.array([1e300]), "float32"), is_representable(np.array([1e30]), "float32")
    (False, True)
    """
    target = np.dtype(dtype)
    if np.can_cast(array.dtype, target, "safe") or not array.size:
        return bool(np.can_cast(array.dtype, target, "same_kind"))
    if not np.can_cast(array.dtype, target, "same_kind"):
        return False
    if target.kind in "iu":
        bounds = np.iinfo(target)
        return bounds.min <= int(array.min()) and int(array.max()) <= bounds.max
    parts = [array] if not array.ndim else (array[piece] for piece in pieces(array))
    with np.errstate(over="ignore"):
        return all(bool((np.isfinite(part.astype(target)) == np.isfinite(part)).all()) for part in parts)


def damage(arrays: Mapping[str, NDArray[Any]], limit: int = 3) -> str:
    """Those of ``arrays`` whose numbers cannot be used, counted, with the first few of them; empty where all can.

    >>> damage({"weight": np.ones(2), "bias": np.array([np.nan])})
    '1 damaged tensor: bias (1 of its 1 numbers is not finite)'
    """
    found = [f"{name} ({what})" for name, array in arrays.items() if (what := fault(name, array))]
    more = ", ..." if len(found) > limit else ""
    return f"{many(len(found), 'damaged tensor')}: {', '.join(found[:limit])}{more}" if found else ""


def check_normalisation(what: str, mean: Sequence[float], std: Sequence[float]) -> None:
    """``ValueError``, which begins with ``what``, unless ``(image - mean) / std`` can be computed in float32 for an
    image in 0..1, and tells its pixels apart: one mean and one positive standard deviation a channel, all finite.

    >>> check_normalisation("Normalise", [1e300], [1.0])
    Traceback (most recent call last):
    ValueError: Normalise: mean 1e+300 and standard deviation 1 leave nothing of an image in 0..1 in float32
    """
    if len(mean) != len(std) or len(mean) == 0:
        raise ValueError(f"{what}: {len(mean)} means but {len(std)} standard deviations")
    if not all(map(math.isfinite, [*mean, *std])):
        raise ValueError(f"{what}: means and standard deviations must be finite, got {list(mean)} and {list(std)}")
    if min(std) <= 0:
        raise ValueError(f"{what}: standard deviations must be positive, got {list(std)}")
    for centre, spread in zip(mean, std, strict=True):
        furthest = max(abs(centre), abs(1 - centre))
        # A step of an 8-bit image must be more than float32 rounds off.
        if furthest * float(np.finfo(np.float32).eps) > 1 / 255 or not (
            1 / (255 * spread) > _SMALLEST and furthest / spread < _LARGEST and 1 / spread < _LARGEST
        ):
            raise ValueError(
                f"{what}: mean {centre:g} and standard deviation {spread:g} leave nothing of an image in 0..1 in "
                "float32"
            )
