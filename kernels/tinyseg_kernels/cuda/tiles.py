"""The heart of all convolutions here: a product of matrices, tile by tile, and the choice of the tile.

    sums[m, n] = sum over k of  a[m, k] * b[k, n]

What a and b are is the caller's affair (``correlate.py``, ``weight_gradient.py``, ``winograd.py``); neither need be in
memory as a matrix. A *block* of threads works out one tile of ``sums``, ``rows`` x ``columns`` of it, and walks along
k in steps of ``depth``. At each step its threads together fetch a slice of a and a slice of b from global memory into
*shared memory*, which all threads of the block see and which is some twenty times nearer:

                         columns = 128
                      +-----------------+
              depth=8 |     slice of b  |      each number fetched from global memory
                      +-----------------+      is used 128 times from shared memory ...
         depth=8
        +-------+     +--------+--------+
        |       |     | x x x x|        |      ... and each number read from shared memory
   rows | slice |     |  the 8x8 sums   |      8 times from a register: thread (ty, tx)
   =128 | of a  |     |  of one thread  |      keeps 8x8 sums in its registers, four times
        |       |     +--------+--------+      a square of 4x4:
        |       |     |        |        |          rows    4 ty .. 4 ty + 3 and 64 + the same
        +-------+     +--------+--------+          columns 4 tx .. 4 tx + 3 and 64 + the same

So one step k costs a thread two vectors of 16 bytes from a, two from b, and 64 multiply-adds. Rows are split in
vectors far apart, not eight in a row, so that neighbouring threads read neighbouring vectors: of shared memory's 32
banks none is asked twice.

There are two buffers for slices. While the threads multiply one, the next slice is already on its way from global
memory to registers, and is put down in the other buffer; so one barrier (``syncthreads``) a step is enough:

    step t:   fetch slice t  ->  multiply slice t - 1  ->  put slice t down in buffer t % 2  ->  barrier
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .compiler import SIMULATED
from .vector import add_outer_product, inlined, read_vector


@dataclass(frozen=True)
class Tile:
    """The tile of a block: rows x columns of the result, and so many k a step.

    ``code``: the type of its elements; ``row_vectors``, ``column_vectors``: how many vectors of them a thread keeps.
    """

    code: str
    rows: int
    columns: int
    depth: int
    row_vectors: int
    column_vectors: int

    @property
    def vector(self) -> int:
        """Elements in 16 bytes."""
        return 2 if SIMULATED else 16 // np.dtype(self.code).itemsize

    @property
    def thread_rows(self) -> int:
        """Rows of sums of one thread."""
        return self.vector * self.row_vectors

    @property
    def thread_columns(self) -> int:
        """Columns of sums of one thread."""
        return self.vector * self.column_vectors

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.rows // self.thread_rows * (self.columns // self.thread_columns)

    @property
    def bounds(self) -> tuple[int, int]:
        """Threads of a block, and blocks that one multiprocessor is to hold: so 128 registers are left to a thread."""
        return self.threads, 512 // self.threads

    @property
    def pitch(self) -> int:
        """From one k to the next in the slice of a: one vector more than its rows, so that threads that put down
        neighbouring k do not meet in one bank.
        """
        return self.rows + self.vector

    @property
    def b_pitch(self) -> int:
        """The same of the slice of b."""
        return self.columns + self.vector

    @property
    def shared_size(self) -> int:
        """Elements of shared memory: two slices of a, then two of b."""
        return self.b_start + 2 * self.depth * self.b_pitch

    @property
    def b_start(self) -> int:
        """Where the slices of b begin."""
        return 2 * self.depth * self.pitch

    @property
    def work(self) -> float:
        """Instructions of one thread for each of its sums and each k: one is the multiply-add itself, then reading
        the two slices; fetching and putting down an element are taken for eight together, as counted in the
        machine code.
        """
        sums = self.thread_rows * self.thread_columns
        fetched = (self.rows + self.columns) * self.depth / self.threads
        return 1 + (self.row_vectors + self.column_vectors + 8 * fetched / self.depth) / sums


# rows, columns, depth, row vectors and column vectors of each tile of a type.
_SHAPES: dict[str, tuple[tuple[int, int, int, int, int], ...]] = {
    "f4": (
        (128, 128, 8, 2, 2),
        (64, 128, 8, 1, 2),
        (64, 64, 8, 2, 1),
        (32, 128, 8, 1, 2),
        (128, 32, 8, 2, 1),
    ),
    "f8": ((64, 64, 8, 2, 2), (32, 32, 8, 2, 1)),
}
if SIMULATED:  # a thread of the GPU is one of Python's here: sixteen of them, and few barriers
    _SHAPES = {code: ((64, 16, 16, 8, 2), (8, 16, 16, 1, 2)) for code in ("f4", "f8")}
TILES = {code: tuple(Tile(code, *shape) for shape in shapes) for code, shapes in _SHAPES.items()}

# The choice of a tile must not depend on the GPU, so that all of them add in the same order: this is the number of
# multiprocessors of the largest. A smaller one has more blocks than it needs.
_MULTIPROCESSORS = 132
_SHORTEST = 4 if SIMULATED else 16  # steps of a block that are worth a block of their own


@dataclass(frozen=True)
class Split:
    """How a product is dealt out: by which tile, and in how many parts along k."""

    tile: Tile
    parts: int


def choose(code: str, rows: int, columns: int, depth: int, count: int, cut: bool = True) -> Split:
    """The tile, and the parts along k, with which ``count`` products of rows x columns with that depth are over first.

    Blocks run in waves, one on each multiprocessor (it holds two or more at a time, and shares its time among them).
    A wave lasts as long as a tile: large ones need fewer instructions, small ones leave less of the last wave empty
    and less of the tiles at the border. Where even small tiles are too few, k is cut into parts: each writes sums of
    its own, which are added afterwards. ``cut`` False: it must not be.
    """
    best, least = None, float("inf")
    for tile in TILES[code]:
        tiles = -(-rows // tile.rows) * -(-columns // tile.columns) * count
        steps = max(1, -(-depth // tile.depth))
        most = max(1, min(steps // _SHORTEST, _MULTIPROCESSORS * 2 // max(1, tiles)))
        for parts in {1, most} if cut else {1}:
            waves = -(-tiles * parts // _MULTIPROCESSORS)
            length = -(-steps // parts) + 4  # a block begins and ends, too
            time = waves * tile.rows * tile.columns * tile.depth * length * tile.work
            time *= 1 if parts == 1 else 1.1
            if time < least:
                best, least = Split(tile, parts), time
    if best is None:
        raise ValueError(f"choose: no tile for elements of type {code}")
    return best


def multiplier(tile: Tile) -> Any:
    """The device function that multiplies one slice of a with one of b and adds to a thread's sums."""
    depth, vector, pitch, b_pitch, columns = tile.depth, tile.vector, tile.pitch, tile.b_pitch, tile.columns
    row_vectors, column_vectors = tile.row_vectors, tile.column_vectors
    height, width = tile.thread_rows, tile.thread_columns
    b_start = tile.b_start
    across, down = columns // width, tile.rows // height

    @inlined
    def one(sums, left, right, slices, from_a, from_b):  # type: ignore[no-untyped-def]
        for q in range(row_vectors):
            read_vector(left, q * vector, slices, np.int32(from_a + q * (down * vector)), vector)
        for q in range(column_vectors):
            read_vector(right, q * vector, slices, np.int32(from_b + q * (across * vector)), vector)
        add_outer_product(sums, left, right, height, width)

    @inlined
    def multiply(sums, left, right, slices, half, in_a, in_b):  # type: ignore[no-untyped-def]
        """``left`` and ``right``: registers for a column of a and a row of b; ``half``: the buffer, 0 or 1; ``in_a``
        and ``in_b``: the thread's first vector in either.
        """
        from_a = np.int32(half * (depth * pitch) + in_a)
        from_b = np.int32(b_start + half * (depth * b_pitch) + in_b)
        for _ in range(np.int32(depth // 2)):
            one(sums, left, right, slices, from_a, from_b)
            one(sums, left, right, slices, np.int32(from_a + pitch), np.int32(from_b + b_pitch))
            from_a = np.int32(from_a + 2 * pitch)
            from_b = np.int32(from_b + 2 * b_pitch)

    return multiply
