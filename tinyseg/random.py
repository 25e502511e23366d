"""The random generator: a key and a counter, nothing more.

Kernels compute random number ``i`` of a stream from ``(key, counter + i)`` alone (Philox, see the kernels' file
``random.py``), so the whole state of a generator is two integers, and a checkpoint that keeps them continues the
stream to the bit. The key is the seed; whoever draws numbers moves the counter on by what was used up.
"""

from __future__ import annotations

import operator
import os
import threading

_WORDS_A_BLOCK = 4


class Generator:
    """A stream of random numbers.

    >>> generator = Generator(7)
    >>> generator.reserve(10)
    (7, 0)
    >>> generator.get_state()
    (7, 3)
    """

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of ``seed``, 0 <= seed < 2**64; raises ``ValueError`` for others."""
        seed = operator.index(seed)
        if not 0 <= seed < 2**64:
            raise ValueError(f"manual_seed: seed must be in 0 .. 2**64 - 1, got {seed}")
        self._key, self._counter = seed, 0
        return self

    def reserve(self, count: int) -> tuple[int, int]:
        """Key and counter from which ``count`` numbers may be computed; the next caller gets others."""
        with self._lock:
            start = self._counter
            self._counter += -(-count // _WORDS_A_BLOCK)
        return self._key, start

    def get_state(self) -> tuple[int, int]:
        """All that ``set_state`` needs to continue from here."""
        return self._key, self._counter

    def set_state(self, state: tuple[int, int]) -> None:
        """Continue from where ``get_state`` was called; raises ``ValueError`` for a state that no generator has."""
        key, counter = (operator.index(part) for part in state)
        if not (0 <= key < 2**64 and 0 <= counter < 2**64):
            raise ValueError(
                f"set_state: key and counter must be in 0 .. 2**64 - 1, got {key:.20g} and {counter:.20g}"
            )
        self._key, self._counter = key, counter


default_generator = Generator(0)


def _renew_lock() -> None:
    """In a forked child: a thread that held the lock in the parent does not exist here to let it go."""
    default_generator._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def manual_seed(seed: int) -> Generator:
    """Seed the generator that random operators use by default; the same seed gives the same numbers.

    >>> import tinyseg
    >>> first = tinyseg.manual_seed(3) and tinyseg.rand(2)
    >>> second = tinyseg.manual_seed(3) and tinyseg.rand(2)
    >>> bool((first == second).all())
    True
    """
    return default_generator.manual_seed(seed)
