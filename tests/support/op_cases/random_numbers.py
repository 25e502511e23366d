"""Random numbers: Philox in Python's own integers."""

from __future__ import annotations

import itertools

import numpy as np

import tinyseg
from tinyseg.op_calls.networks import SEED
from tinyseg.op_calls.table import A, Array, spread

from .table import case, expect


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox4x32-10, written down from section 3.3 of Salmon et al. 2011."""
    x0, x1, x2, x3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * x0, 1 << 32)
        high1, low1 = divmod(0xCD9E8D57 * x2, 1 << 32)
        x0, x1, x2, x3 = high1 ^ x1 ^ k0, low1, high0 ^ x3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % (1 << 32), (k1 + 0xBB67AE85) % (1 << 32)
    return x0, x1, x2, x3


def words(count: int, seed: int, counter: int = 0) -> Array:
    """The first words of a generator's stream."""
    blocks = [
        philox((i % 2**32, i >> 32, 0, 0), (seed % 2**32, seed >> 32))
        for i in range(counter, counter - (-count // 4))
    ]
    return np.array(list(itertools.chain.from_iterable(blocks))[:count], np.uint64)


def _uniform(x: Array, seed: int) -> Array:
    return (words(x.size, seed) * 2.0**-32).reshape(x.shape)


def _normal(x: Array, seed: int) -> Array:
    drawn = words(x.size + x.size % 2, seed).astype(float) * 2.0**-32
    radius, angle = np.sqrt(-2 * np.log(drawn[::2] + 2.0**-33)), 2 * np.pi * drawn[1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).ravel()[: x.size].reshape(x.shape)


def _dropped(x: Array, probability: float, seed: int) -> Array:
    """Images are walked through pixel by pixel, each with all its channels."""
    order = np.moveaxis(x, 1, -1) if x.ndim == 4 else x
    kept = np.where(_uniform(order, seed) >= probability, order / (1 - probability), 0)
    return np.moveaxis(kept, -1, 1) if x.ndim == 4 else kept


_OWN = "random numbers are tinyseg's own"


def _generator() -> tinyseg.Generator:
    return tinyseg.Generator(SEED)


# float32 numbers have 24 of the 32 bits, hence the tolerance.
case(
    "uniform",
    lambda t, x: x.clone().uniform_(generator=_generator()),
    np.zeros((3, 50)),
    expected=lambda x: _uniform(x, SEED),
    gradient=False,
    torch=_OWN,
)
case(
    "uniform between",
    lambda t, x: x.clone().uniform_(-3.0, 1.0, _generator()),
    np.zeros((3, 7)),
    expected=lambda x: 4 * _uniform(x, SEED) - 3,
    gradient=False,
    torch=_OWN,
)
case(
    "normal",
    lambda t, x: x.clone().normal_(generator=_generator()),
    np.zeros((5, 31)),
    expected=lambda x: _normal(x, SEED),
    gradient=False,
    torch=_OWN,
)
case(
    "normal elsewhere",
    lambda t, x: x.clone().normal_(2.0, 0.5, _generator()),
    np.zeros((2, 3, 4, 5)),
    expected=lambda x: _normal(x, SEED) / 2 + 2,
    gradient=False,
    torch=_OWN,
)
case(
    "dropout",
    lambda t, x: t.F.dropout(x, 0.3, True, False, _generator()),
    spread(5, 7),
    expected=lambda x: _dropped(x, 0.3, SEED),
    torch=_OWN,
    batch=(0,),
)
expect("dropout of images", lambda x: _dropped(x, 0.5, SEED), torch=_OWN, batch=(0,))
case("dropout of everything", lambda t, x: t.F.dropout(x, 1.0), A, expected=np.zeros_like(A), batch=(0,))
case("dropout of nothing", lambda t, x: t.F.dropout(x, 0.0) * 1.0, A, expected=A)
case("dropout in evaluation", lambda t, x: t.F.dropout(x, 0.9, training=False) * 1.0, A, expected=A)
expect(
    "dropout2d",
    lambda x: x * _dropped(np.ones((len(x), 3, 1, 1)), 0.4, SEED),
    torch=_OWN,
    batch=(0,),
)
case(
    "dropout2d of sequences",
    lambda t, x: t.F.dropout2d(x, 0.4, generator=_generator()),
    A,
    expected=lambda x: x * _dropped(np.ones((*x.shape[:2], 1)), 0.4, SEED),
    torch=_OWN,
)
