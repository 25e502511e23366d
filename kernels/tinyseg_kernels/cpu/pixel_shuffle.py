"""Channels to pixels and back, a row of blocks at a time."""

from __future__ import annotations

from .patterns.copying import deliver
from .runtime import parallel
from .runtime.compiler import kernel
from .runtime.layout import Array, channels_last
from .vector.simd import number, put

__all__ = ["pixel_shuffle", "pixel_unshuffle"]


_GRAIN = 32768  # elements a thread takes at a time


@kernel
def _shuffle(
    start: int, stop: int, wide: Array, fine: Array, channels: int, width: int, factor: int, back: bool
) -> None:
    """An item is a row of ``wide``, whose pixels have channels * factor * factor elements, or, the same memory
    size, ``factor`` rows of ``fine``. Elements of ``fine`` are met in the order in which they lie.
    """
    block = factor * factor
    length = width * channels * block
    for item in range(start, stop):
        there = item * length
        for i in range(factor):
            for w in range(width):
                for j in range(factor):
                    here = item * length + w * channels * block + i * factor + j
                    for _ in range(channels):
                        if back:
                            put(wide, here, number(fine, there))
                        else:
                            put(fine, there, number(wide, here))
                        here += block
                        there += 1


def _run(wide: Array, fine: Array, channels: int, width: int, factor: int, back: bool) -> None:
    """Elements are moved and not looked at: those of one size are all the same."""
    flat = [array.reshape(-1).view(f"u{array.itemsize}") for array in (wide, fine)]
    length = width * channels * factor * factor
    parallel.run(_shuffle, wide.size // length, _GRAIN // length, *flat, channels, width, factor, back)


def pixel_shuffle(x: Array, out: Array, factor: int) -> None:
    """Channels to pixels. See ``spec.py``, as for every kernel here."""
    if x.size:
        memory = channels_last(out)
        _run(channels_last(x), memory, out.shape[1], x.shape[3], factor, False)
        deliver(memory, out)


def pixel_unshuffle(x: Array, out: Array, factor: int) -> None:
    """Pixels to channels."""
    if x.size:
        memory = channels_last(out)
        _run(memory, channels_last(x), x.shape[1], out.shape[3], factor, True)
        deliver(memory, out)
