"""Kernels of the cpu backend on arrays between guard bands, against the reference in float64.

``conftest.py`` switches the bands on (``cpu/runtime/guards.py``) and compares them after each test; but plain NumPy
arrays have none. Here all arrays of a call have them: inputs are copied, outputs are NaN before the call.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinyseg_kernels import cpu, reference

Array = np.ndarray[Any, Any]
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}  # of the largest element


def values(*shape: int, seed: int = 0) -> Array:
    """Normal numbers in float64."""
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def pixels(*shape: int, seed: int = 0) -> Array:
    """The same as an activation N,C,H,W, channels-last in memory."""
    n, c, h, w = shape
    return values(n, h, w, c, seed=seed).transpose(0, 3, 1, 2)


def between_bands(array: Array | None, dtype: str) -> Array | None:
    """A copy in the same memory order; floating numbers in that type."""
    if array is None:
        return None
    return cpu.from_numpy(array.astype(dtype) if array.dtype.kind == "f" else array)


def agree(
    name: str,
    read: Sequence[Any],
    written: Sequence[Array],
    *numbers: Any,
    dtypes: Sequence[str] = ("float32", "float64"),
    scale: float = 1.0,
    update: bool = False,
    exact: bool = False,
) -> None:
    """Run the kernel ``name`` in each floating type on ``read`` (arrays, numbers and None), and compare its results,
    arrays like ``written``, with those of the reference. Differences are at most ``scale`` times the tolerance.

    ``update``: the kernel also reads what it writes. ``exact``: results are equal to the bit. The class ``dict``
    among the numbers stands for an empty cache of packed weights; the kernel runs again with the cache filled.
    """
    for dtype in dtypes:
        rounded = [np.asarray(a, dtype).astype("float64") if _floats(a) else a for a in read]
        wanted = [np.asarray(a, dtype).astype("float64") if _floats(a) else a.copy() for a in written]
        getattr(reference, name)(*rounded, *wanted, *numbers)
        given = [between_bands(a, dtype) if isinstance(a, np.ndarray) else a for a in read]
        before = [a.copy() if isinstance(a, np.ndarray) else a for a in given]
        found = []
        for array in written:
            like = between_bands(array, dtype)
            found.append(like if update else cpu.empty_like(like, like.dtype))
        numbers_here = [{} if n is dict else n for n in numbers]
        for _ in range(1 + (dict in numbers)):
            getattr(cpu, name)(*given, *found, *numbers_here)
        what = f"{name} in {dtype} of {[getattr(a, 'shape', a) for a in read]}, {numbers}"
        for array, old in zip(given, before, strict=True):
            np.testing.assert_array_equal(array, old, f"{what}: an input was changed")
        for array, right in zip(found, wanted, strict=True):
            if exact or right.dtype.kind != "f":
                np.testing.assert_array_equal(array, right, what)
            elif right.size:
                bound = scale * TOLERANCE[dtype] * max(np.abs(right).max(), 0.01)
                np.testing.assert_allclose(array, right, 0, bound, err_msg=what)


def _floats(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind == "f"


def mixed(count: int, *choices: Sequence[Any], seed: int = 0) -> Iterator[tuple[Any, ...]]:
    """``count`` combinations of one value of each of the ``choices``.

    All values of a choice come equally often, and each choice is shuffled separately, so that ever new pairs meet.
    """
    columns = []
    for place, values in enumerate(choices):
        order = random.Random(f"{seed} {place}")
        column: list[Any] = []
        while len(column) < count:
            column += order.sample(list(values), len(values))
        columns.append(column[:count])
    return zip(*columns, strict=True)


def around(*sizes: int) -> list[int]:
    """Each of these, one less and one more, without what is below 1."""
    return sorted({n for size, step in itertools.product(sizes, (-1, 0, 1)) if (n := size + step) > 0})
