"""Products of matrices that are in memory, many at once: out[i] = a[i]^T b[i], tile by tile as ``tiles.py`` has it.

a (count, depth, rows) and b (count, depth, columns) have k outermost, so that a slice of either is a few runs of
vectors. Their rows may be longer than what counts of them (``pitch``), to be a whole number of vectors.
"""

from __future__ import annotations

import numpy as np

from ..patterns.array import DeviceArray
from ..runtime.compiler import Kernel, T, cuda, kernel
from ..runtime.launch import launch
from ..vector.instructions import read_row, read_vector, shared_vectors, write_vector
from .tiles import TILES, Tile, choose, first_place, multiplier


def _make_kernel(tile: Tile) -> Kernel:
    rows, columns, depth, vector = tile.rows, tile.columns, tile.depth, tile.vector
    pitch, b_pitch, b_start = tile.pitch, tile.b_pitch, tile.b_start
    height, width, threads, column_vectors = tile.thread_rows, tile.thread_columns, tile.threads, tile.column_vectors
    row_run, row_step, row_stride = tile.row_run
    column_stride = tile.column_stride
    sums_size, shared_size = height * width, tile.shared_size
    # How many vectors a line of each slice has, and how many a thread fetches.
    line_a, line_b = rows // vector, columns // vector
    fetched_a, fetched_b = -(-line_a * depth // threads), -(-line_b * depth // threads)
    coming_size_a, coming_size_b = fetched_a * vector, fetched_b * vector
    multiply, place_of = multiplier(tile), first_place(tile)

    def product(a, b, out, outputs, terms, size_a, size_b, row_tiles):
        """``size_a``, ``size_b``: pitch of a, and of b and out; a and b of matrix ``blockIdx.y``."""
        slices = shared_vectors(shared_size, T)
        sums = cuda.local.array(sums_size, T)
        left = cuda.local.array(height, T)
        right = cuda.local.array(width, T)
        coming_a = cuda.local.array(coming_size_a, T)
        coming_b = cuda.local.array(coming_size_b, T)
        thread = np.int32(cuda.threadIdx.x)
        in_a, in_b = place_of(thread)
        block = np.int32(cuda.blockIdx.x)
        first_m = np.int32(block % row_tiles * rows)
        first_column = np.int32(block // row_tiles * columns)
        start_a, start_b = cuda.blockIdx.y * terms * size_a, cuda.blockIdx.y * terms * size_b
        steps = np.int32((terms + depth - 1) // depth)

        for e in range(sums_size):
            sums[e] = 0
        for e in range(coming_size_a):
            coming_a[e] = 0
        for e in range(coming_size_b):
            coming_b[e] = 0
        for step in range(np.int32(steps + 1)):
            if step < steps:
                for e in range(fetched_a):
                    k = np.int32(step * depth + (thread + e * threads) // line_a)
                    m = np.int32(first_m + (thread + e * threads) % line_a * vector)
                    if k < terms and m < size_a and thread + e * threads < line_a * depth:
                        read_vector(coming_a, e * vector, a, start_a + k * size_a + m, vector)
                    else:
                        for v in range(vector):
                            coming_a[e * vector + v] = 0
                for e in range(fetched_b):
                    k = np.int32(step * depth + (thread + e * threads) // line_b)
                    column = np.int32(first_column + (thread + e * threads) % line_b * vector)
                    if k < terms and column < size_b and thread + e * threads < line_b * depth:
                        read_vector(coming_b, e * vector, b, start_b + k * size_b + column, vector)
                    else:
                        for v in range(vector):
                            coming_b[e * vector + v] = 0
            if step > 0:
                multiply(sums, left, right, slices, np.int32((step - 1) & 1), in_a, in_b)
            if step < steps:
                for e in range(fetched_a):
                    place = np.int32(thread + e * threads)
                    at = np.int32(((step & 1) * depth + place // line_a) * pitch + place % line_a * vector)
                    if place < line_a * depth:
                        write_vector(slices, at, coming_a, e * vector, vector)
                for e in range(fetched_b):
                    place = np.int32(thread + e * threads)
                    at = np.int32(((step & 1) * depth + place // line_b) * b_pitch + place % line_b * vector)
                    if place < line_b * depth:
                        write_vector(slices, np.int32(b_start + at), coming_b, e * vector, vector)
            cuda.syncthreads()

        for r in range(height):
            m = np.int32(first_m + in_a + r // row_run * row_stride + r % row_run * row_step)
            if m < outputs:
                read_row(right, sums, r, height, width)
                for q in range(column_vectors):
                    column = np.int32(first_column + in_b + q * column_stride)
                    if column < size_b:
                        at = (cuda.blockIdx.y * outputs + m) * size_b + column
                        write_vector(out, at, right, q * vector, vector)

    product.__name__ = f"product_{rows}x{columns}"
    return kernel("T* T* T* i8 i8 i8 i8 i8", threads=tile.bounds, T=(tile.code,))(product)


_PRODUCT = {tile: _make_kernel(tile) for tiles in TILES.values() for tile in tiles if not tile.tensor}


def product(a: DeviceArray, b: DeviceArray, out: DeviceArray) -> None:
    """a (count, depth, pitch of a), b (count, depth, pitch of b), out (count, rows, pitch of b), all contiguous."""
    count, terms, size_a = a.shape
    rows, size_b = out.shape[1:]
    tile = choose(a.code.removesuffix("*"), rows, size_b, terms, count, cut=False).tile
    row_tiles = -(-rows // tile.rows)
    blocks = row_tiles * -(-size_b // tile.columns), count
    launch(_PRODUCT[tile], blocks, tile.threads, a, b, out, rows, terms, size_a, size_b, row_tiles)
