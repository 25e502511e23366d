"""The heart of all convolutions here: a product of matrices, tile by tile, and the choice of the tile.

    sums[m, n] = sum over k of  a[m, k] * b[k, n]

What a and b are is the caller's affair: neither need be in memory as a matrix. Convolutions (``direct.py``,
``weight_gradient.py``) pick their elements from images, ``product.py`` and ``matmul.py`` have matrices. A *block* of
threads works out one tile of ``sums``, ``rows`` x ``columns`` of it, and walks along k in steps of ``depth``. At each
step its threads together fetch a slice of a and a slice of b from global memory into *shared memory*, which all
threads of the block see and which is much nearer:

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

from ..patterns.array import DeviceArray
from ..runtime.compiler import SIMULATED
from ..runtime.launch import uses_tensor_cores
from ..vector.instructions import add_outer_product, add_tensor_product, inlined, read_vector, rounded, write_vector


@dataclass(frozen=True)
class Tile:
    """The tile of a block: rows x columns of the result, and so many k a step.

    ``code``: the type of its elements; ``row_vectors``, ``column_vectors``: how many vectors of them a thread keeps.
    ``tensor``: multiplied by tensor cores, which take 16 rows and 8 columns at a time; see ``_tensor_multiplier``.
    """

    code: str
    rows: int
    columns: int
    depth: int
    row_vectors: int
    column_vectors: int
    tensor: bool = False

    @property
    def vector(self) -> int:
        """Sums of a thread that are neighbours: elements in 16 bytes, but two of what tensor cores make."""
        return 2 if SIMULATED or self.tensor else 16 // np.dtype(self.code).itemsize

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
        """Threads of a block, and blocks that one multiprocessor is to hold: this leaves a thread 128 registers."""
        return self.threads, 512 // self.threads

    @property
    def pitch(self) -> int:
        """From one k to the next in the slice of a: a little more than its rows, so that threads that put down
        neighbouring k, or read them for the tensor cores, do not meet in one bank.
        """
        return self.rows + (8 if self.tensor else self.vector)

    @property
    def b_pitch(self) -> int:
        """The same of the slice of b."""
        return self.columns + (8 if self.tensor else self.vector)

    @property
    def row_run(self) -> tuple[int, int, int]:
        """Which rows a thread's sums are: so many of them, with this step, then on by that stride."""
        return (2, 8, 16) if self.tensor else (self.vector, 1, self.rows // self.row_vectors)

    @property
    def column_stride(self) -> int:
        """From one vector of a thread's columns to the next."""
        return 8 if self.tensor else self.columns // self.column_vectors

    @property
    def suffix(self) -> str:
        """What sets the name of its kernels apart."""
        return "_tf32" if self.tensor else ""

    @property
    def needs(self) -> tuple[int, int]:
        """The compute capability from which on there are such kernels."""
        return (8, 0) if self.tensor else (0, 0)

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
        the two slices; fetching and putting down an element take some nineteen, as counted in the machine code. Of
        the tensor cores' an instruction makes 32 multiply-adds a thread.
        """
        sums = self.thread_rows * self.thread_columns
        fetched = 19 * (self.rows + self.columns) / self.threads
        if self.tensor:
            return 1 / 32 + ((4 * self.row_vectors + 2 * self.column_vectors) / 8 + fetched) / sums
        return 1 + (self.row_vectors + self.column_vectors + fetched) / sums


# rows, columns, depth, row vectors and column vectors of each tile of a type.
_SHAPES: dict[str, tuple[tuple[int, int, int, int, int], ...]] = {
    "f4": (
        (128, 128, 8, 2, 2),
        (64, 128, 8, 1, 2),
        (64, 64, 8, 2, 1),
        (32, 128, 8, 1, 2),
        (128, 32, 8, 2, 1),
        (16, 64, 8, 1, 1),
    ),
    "f8": ((64, 64, 8, 2, 2), (32, 32, 8, 2, 1)),
    "tf32": (
        (128, 128, 8, 4, 4),
        (64, 128, 8, 2, 4),
        (64, 64, 8, 2, 4),
        (32, 128, 8, 2, 4),
        (128, 32, 8, 2, 4),
    ),
}
if SIMULATED:  # a thread of the GPU is one of Python's here: sixteen of them or a warp, and few barriers
    _SHAPES = dict.fromkeys(("f4", "f8"), ((16, 16, 16, 2, 2), (8, 16, 16, 1, 2)))
    _SHAPES["tf32"] = ((32, 16, 16, 2, 2),)

# The tiles of each kind of product: float32, float64, and float32 rounded to the tensor cores' 10 binary digits.
TILES = {
    kind: tuple(Tile("f4" if kind == "tf32" else kind, *shape, tensor=kind == "tf32") for shape in shapes)
    for kind, shapes in _SHAPES.items()
}


def kind_of(array: DeviceArray) -> str:
    """The kind of products that arrays of this type are multiplied by, as the user set it."""
    code = array.code.removesuffix("*")
    return "tf32" if code == "f4" and uses_tensor_cores() else code


# The choice of a tile must not depend on the GPU, so that all of them add in the same order: this is the number of
# multiprocessors of the largest. A smaller one has more blocks than it needs.
_MULTIPROCESSORS = 132
_SHORTEST = 4 if SIMULATED else 16  # steps of a block that are worth a block of their own


@dataclass(frozen=True)
class Split:
    """How a product is dealt out: by which tile, and in how many parts along k."""

    tile: Tile
    parts: int


def choose(kind: str, rows: int, columns: int, depth: int, count: int, cut: bool = True) -> Split:
    """The tile, and the parts along k, with which ``count`` products of rows x columns are over first.

    ``depth``: terms of each sum. ``cut`` False: sums must not be cut in parts. Blocks run in waves, one on each
    multiprocessor (it holds two or more at a time, and shares its time among them). A wave lasts as long as a tile:
    large ones need fewer instructions, small ones leave less of the last wave empty and less of the tiles at the
    border. Where even small tiles are too few, k is cut in parts: each writes sums of its own, which are added
    afterwards.
    """
    best, least = None, float("inf")
    for tile in TILES[kind]:
        tiles = -(-rows // tile.rows) * -(-columns // tile.columns) * count
        steps = max(1, -(-depth // tile.depth))
        most = max(1, min(steps // _SHORTEST, _MULTIPROCESSORS * 2 // max(1, tiles)))
        for parts in sorted({1, most} if cut else {1}):
            waves = -(-tiles * parts // _MULTIPROCESSORS)
            length = -(-steps // parts) + 4  # a block begins and ends, too
            time = waves * tile.rows * tile.columns * tile.depth * length * tile.work
            time *= 1 if parts == 1 else 1.1
            if time < least:
                best, least = Split(tile, parts), time
    if best is None:
        raise ValueError(f"choose: no tiles for products of kind {kind}")
    return best


def first_place(tile: Tile) -> Any:
    """The device function that gives the first row and the first column of a thread's sums in the tile."""
    vector, across = tile.vector, tile.columns // tile.thread_columns
    warps_across = across // 4
    warp_rows, warp_columns = 8 * tile.thread_rows, 4 * tile.thread_columns

    @inlined
    def of_vectors(thread):
        return np.int32(thread // across * vector), np.int32(thread % across * vector)

    @inlined
    def of_warps(thread):
        warp, lane = thread // 32, thread % 32
        row = warp // warps_across * warp_rows + lane // 4
        return np.int32(row), np.int32(warp % warps_across * warp_columns + lane % 4 * 2)

    return of_warps if tile.tensor else of_vectors


def slice_writer(tile: Tile) -> Any:
    """The device function that writes an element that was fetched to a slice."""

    @inlined
    def put(slices, at, coming, e):
        write_vector(slices, at, coming, e, 1)

    @inlined
    def put_rounded(slices, at, coming, e):
        coming[e] = rounded(coming[e])
        write_vector(slices, at, coming, e, 1)

    return put_rounded if tile.tensor else put


def multiplier(tile: Tile) -> Any:
    """The device function that multiplies one slice of a with one of b and adds to a thread's sums.

    multiply(sums, left, right, slices, half, in_a, in_b), with ``left`` and ``right``: registers for a column of a
    and a row of b; ``half``: the buffer, 0 or 1; ``in_a`` and ``in_b``: the thread's first row and column.
    """
    return _tensor_multiplier(tile) if tile.tensor else _vector_multiplier(tile)


def _tensor_multiplier(tile: Tile) -> Any:
    """Here the 32 threads of a *warp* multiply together, 16 rows, 8 columns and 8 k by one instruction: each thread
    hands in a few elements of either slice and gets four sums, at places that the hardware prescribes.
    """
    depth, pitch, b_pitch, b_start = tile.depth, tile.pitch, tile.b_pitch, tile.b_start
    row_vectors, column_vectors = tile.row_vectors, tile.column_vectors

    @inlined
    def multiply(sums, left, right, slices, half, in_a, in_b):
        for k in range(np.int32(depth // 8)):
            a = np.int32((half * depth + 8 * k) * pitch)
            b = np.int32(b_start + (half * depth + 8 * k) * b_pitch)
            add_tensor_product(sums, slices, a, b, pitch, b_pitch, in_a, in_b, row_vectors, column_vectors)

    return multiply


def _vector_multiplier(tile: Tile) -> Any:
    """By multiply-adds of vectors, as in the picture above."""
    depth, vector, pitch, b_pitch, columns = tile.depth, tile.vector, tile.pitch, tile.b_pitch, tile.columns
    row_vectors, column_vectors = tile.row_vectors, tile.column_vectors
    height, width = tile.thread_rows, tile.thread_columns
    b_start = tile.b_start
    across, down = columns // width, tile.rows // height

    @inlined
    def one(sums, left, right, slices, from_a, from_b):
        for q in range(row_vectors):
            read_vector(left, q * vector, slices, np.int32(from_a + q * (down * vector)), vector)
        for q in range(column_vectors):
            read_vector(right, q * vector, slices, np.int32(from_b + q * (across * vector)), vector)
        add_outer_product(sums, left, right, height, width)

    @inlined
    def multiply(sums, left, right, slices, half, in_a, in_b):
        from_a = np.int32(half * (depth * pitch) + in_a)
        from_b = np.int32(b_start + half * (depth * b_pitch) + in_b)
        for _ in range(np.int32(depth // 2)):
            one(sums, left, right, slices, from_a, from_b)
            one(sums, left, right, slices, np.int32(from_a + pitch), np.int32(from_b + b_pitch))
            from_a = np.int32(from_a + 2 * pitch)
            from_b = np.int32(from_b + 2 * b_pitch)

    return multiply
