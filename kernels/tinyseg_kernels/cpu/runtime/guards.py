"""A debug mode that puts every array between two guard bands, to find kernels that read or write outside of it.

Kernels compute addresses themselves, and neither NumPy nor Numba checks them. With guards on, memory is laid out as::

    | band | array | band |

The mode fills all three with one number: a NaN in both floating types, an absurd index in the integer types. Each
array has a number of its own, so that a copy from one band to another shows, too. A kernel that writes outside of an
array changes a band; bands are compared when the array is freed, and by ``check``. A kernel that reads a band, or an
element of a new array before it is written, gets NaN.

``TINYSEG_MEMORY_GUARDS=1`` switches the mode on and checks all arrays at the end of the process. Arrays that compiled
code allocates itself have no bands.
"""

from __future__ import annotations

import atexit
import itertools
import os
import sys

import numpy as np

from ...reference.array import Array

_BAND = 4096  # bytes on each side
_NAN = 0xFFF00000  # a NaN with any lower bits, as a float32 and as the upper half of a float64
_NUMBERS = 0xFFFFF  # how many different ones there are
_WORD = 4  # bytes

_serial = itertools.count()
_living: dict[int, _Bands] = {}
_damage: list[str] = []  # found when arrays were freed, and not yet reported


class _Bands:
    """The memory of one array with its bands."""

    __slots__ = ("dtype", "memory", "shape", "size", "word")

    def __init__(self, memory: Array, size: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.memory, self.size, self.shape, self.dtype = memory, size, shape, dtype
        self.word = _NAN + 1 + next(_serial) % _NUMBERS
        memory.view(np.uint32)[:] = self.word

    def damage(self) -> list[str]:
        """Describe what was written to the bands, and restore them."""
        pattern = self.word.to_bytes(_WORD, sys.byteorder) * (_BAND // _WORD + 1)
        found = []
        for name, begin in (("before", 0), ("behind", _BAND + self.size)):
            band, wanted = self.memory[begin : begin + _BAND], pattern[begin % _WORD :][:_BAND]
            if band.tobytes() != wanted:
                expected = np.frombuffer(wanted, np.uint8)
                places = np.flatnonzero(band != expected)
                nearest = _BAND - places[-1] if name == "before" else places[0] + 1
                found.append(
                    f"{len(places)} bytes {name} an array of shape {self.shape} and type {self.dtype}, the nearest at"
                    f" a distance of {nearest}"
                )
                band[:] = expected
        return found


class _Lease:
    """Owner of an array between bands; compares them when the last view of the array is gone."""

    __slots__ = ("__array_interface__",)

    def __init__(self, bands: _Bands) -> None:
        self.__array_interface__ = bands.memory[_BAND : _BAND + bands.size].__array_interface__
        _living[id(self)] = bands

    def __del__(self) -> None:
        _damage.extend(_living.pop(id(self)).damage())


def room(size: int) -> int:
    """Bytes of an array of ``size`` bytes together with its bands."""
    return size + 2 * _BAND + -size % _WORD


def enclose(memory: Array, size: int, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """The ``size`` bytes between two bands in ``memory``, which has ``room(size)`` bytes. ``shape`` and ``dtype`` are
    those of the array that the caller makes of them.
    """
    return np.asarray(_Lease(_Bands(memory, size, shape, dtype)))


def enable(wanted: bool = True) -> None:
    """Switch guard bands on or off for arrays that are made from now on."""
    global on
    on = wanted


def check() -> None:
    """Compare the bands of all arrays. Raises ``RuntimeError`` if one was written to since the last call."""
    found, _damage[:] = _damage[:], []
    for bands in list(_living.values()):
        found += bands.damage()
    if found:
        raise RuntimeError(
            f"a kernel of the cpu backend wrote outside of an array: {'; '.join(found)}. This is a bug in tinyseg:"
            " please report it with the operator and the shapes of its arguments"
        )


def _asked_for() -> bool:
    """Whether ``TINYSEG_MEMORY_GUARDS`` is 1. Raises ``ValueError`` if it is neither 0 nor 1."""
    wanted = os.environ.get("TINYSEG_MEMORY_GUARDS", "0")
    if wanted not in ("0", "1"):
        raise ValueError(f"TINYSEG_MEMORY_GUARDS: expected 0 or 1, got {wanted!r}")
    return wanted == "1"


on = _asked_for()
if on:
    atexit.register(check)
