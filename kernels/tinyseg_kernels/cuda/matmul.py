"""The matrix product, by the tiles of ``conv/tiles.py``: here a and b are in memory as matrices, with any strides."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .array import reshape, slice_view
from .conv.tiles import TILES, Tile, choose, first_place, kind_of, multiplier, slice_writer
from .patterns.array import DeviceArray, contiguous, empty, row_major_like
from .patterns.assignment import deliver, fill
from .patterns.partial_sums import sum_parts
from .patterns.strides import merged
from .runtime.compiler import Kernel, T, cuda, kernel
from .runtime.launch import launch
from .vector.instructions import fetch, read_row, shared_vectors

__all__ = ["matmul"]


def _make_kernel(tile: Tile) -> Kernel:
    """The kernel for one tile, launched with blocks (tiles, parts, products) of ``tile.threads`` threads."""
    rows, columns, depth, vector = tile.rows, tile.columns, tile.depth, tile.vector
    pitch, b_pitch, b_start = tile.pitch, tile.b_pitch, tile.b_start
    column_vectors, height, width, threads = tile.column_vectors, tile.thread_rows, tile.thread_columns, tile.threads
    row_run, row_step, row_stride = tile.row_run
    column_stride = tile.column_stride
    sums_size, shared_size = height * width, tile.shared_size
    fetched_a, fetched_b = rows * depth // threads, columns * depth // threads
    line_sweep, k_sweep_rows, k_sweep_columns = threads // depth, threads // rows, threads // columns
    multiply, place_of, put = multiplier(tile), first_place(tile), slice_writer(tile)

    def product(a, b, out, n, m, depths, parts, a_batch, a_row, a_k, b_batch, b_k, b_column):
        """out (parts, products, n, m). The strides tell along which dimension neighbouring threads are to fetch."""
        slices = shared_vectors(shared_size, T)
        sums = cuda.local.array(sums_size, T)
        left = cuda.local.array(height, T)
        right = cuda.local.array(width, T)
        coming_a = cuda.local.array(fetched_a, T)
        coming_b = cuda.local.array(fetched_b, T)

        thread = np.int32(cuda.threadIdx.x)
        in_a, in_b = place_of(thread)
        column_tiles = (m + columns - 1) // columns
        first_row = cuda.blockIdx.x // column_tiles * rows
        first_column = cuda.blockIdx.x % column_tiles * columns
        part, batch = cuda.blockIdx.y, cuda.blockIdx.z

        steps = np.int32((depths + depth - 1) // depth)
        length = np.int32((steps + parts - 1) // parts)
        first_k = np.int32(part * length * depth)
        steps = np.int32(max(0, min(length, steps - part * length)))

        # Of a slice a thread fetches elements one sweep apart, along rows of a (columns of b) or along k.
        along_a, along_b = a_k == 1, b_k == 1
        r = np.int32(thread // depth if along_a else thread % rows)
        k_a = np.int32(thread % depth if along_a else thread // rows)
        r_sweep, k_sweep_a = np.int32(line_sweep if along_a else 0), np.int32(0 if along_a else k_sweep_rows)
        c = np.int32(thread // depth if along_b else thread % columns)
        k_b = np.int32(thread % depth if along_b else thread // columns)
        c_sweep, k_sweep_b = np.int32(line_sweep if along_b else 0), np.int32(0 if along_b else k_sweep_columns)
        from_a = batch * a_batch + (first_row + r) * a_row + (first_k + k_a) * a_k
        from_b = batch * b_batch + (first_column + c) * b_column + (first_k + k_b) * b_k
        sweep_a, sweep_b = r_sweep * a_row + k_sweep_a * a_k, c_sweep * b_column + k_sweep_b * b_k
        put_a, put_sweep_a = np.int32(k_a * pitch + r), np.int32(k_sweep_a * pitch + r_sweep)
        put_b, put_sweep_b = np.int32(b_start + k_b * b_pitch + c), np.int32(k_sweep_b * b_pitch + c_sweep)
        rows_left = np.int32(min(n - first_row, rows) - r)
        columns_left = np.int32(min(m - first_column, columns) - c)
        left_a, left_b = np.int32(depths - first_k - k_a), np.int32(depths - first_k - k_b)

        for e in range(sums_size):
            sums[e] = 0
        for step in range(np.int32(steps + 1)):
            if step < steps:
                for e in range(fetched_a):
                    inside = (e * r_sweep < rows_left) & (step * depth + e * k_sweep_a < left_a)
                    coming_a[e] = fetch(a, from_a + e * sweep_a, inside)
                for e in range(fetched_b):
                    inside = (e * c_sweep < columns_left) & (step * depth + e * k_sweep_b < left_b)
                    coming_b[e] = fetch(b, from_b + e * sweep_b, inside)
                from_a += depth * a_k
                from_b += depth * b_k
            if step > 0:
                multiply(sums, left, right, slices, np.int32((step - 1) & 1), in_a, in_b)
            if step < steps:
                at_a = np.int32(put_a + (step & 1) * (depth * pitch))
                at_b = np.int32(put_b + (step & 1) * (depth * b_pitch))
                for e in range(fetched_a):
                    put(slices, np.int32(at_a + e * put_sweep_a), coming_a, e)
                for e in range(fetched_b):
                    put(slices, np.int32(at_b + e * put_sweep_b), coming_b, e)
            cuda.syncthreads()

        in_out = (part * cuda.gridDim.z + batch) * n * m
        for r in range(height):
            row = np.int64(first_row) + in_a + r // row_run * row_stride + r % row_run * row_step
            if row < n:
                read_row(right, sums, r, height, width)
                for q in range(column_vectors):
                    column = first_column + in_b + q * column_stride
                    for v in range(vector):
                        if column + v < m:
                            out[in_out + row * m + column + v] = right[q * vector + v]

    product.__name__ = f"product_{rows}x{columns}{tile.suffix}"
    signature = " ".join(["T* T* T*", *["i8"] * 10])
    return kernel(signature, threads=tile.bounds, needs=tile.needs, T=(tile.code,))(product)


_PRODUCT = {tile: _make_kernel(tile) for tiles in TILES.values() for tile in tiles}
_MOST_PRODUCTS = 65535  # of one launch
_MOST_TERMS = 2**31 - 2**20  # of a sum: they are counted in 32 bits, to the end of the last part


def _as_batch(x: DeviceArray) -> tuple[DeviceArray, tuple[int, int, int]]:
    """The array, copied if need be, and the strides from matrix to matrix, row to row and column to column."""
    _, (steps,) = merged(x.shape[:-2], [x.strides[:-2]])
    if len(steps) > 1 or min(x.strides) < 0:
        x = contiguous(x)
        steps = [x.shape[-2] * x.shape[-1]]
    return x, (steps[0] if steps else 0, x.strides[-2], x.strides[-1])


def matmul(a: DeviceArray, b: DeviceArray, out: DeviceArray) -> None:
    """a (..., n, k) times b (..., k, m); see ``spec.py``, as for every kernel here."""
    if out.size == 0:
        return
    n, m, depth = a.shape[-2], b.shape[-1], a.shape[-1]
    if depth == 0:
        fill(out, 0)
        return
    if depth > _MOST_TERMS:
        raise ValueError(
            f"matmul on a GPU: sums of {depth} terms, and at most {_MOST_TERMS} can be counted; cut them in parts and"
            " add these up"
        )
    target: Any = row_major_like(out)
    products = math.prod(out.shape[:-2])
    (a, of_a), (b, of_b) = _as_batch(a), _as_batch(b)
    if products > _MOST_PRODUCTS:
        _by_pieces(a, b, target)
    else:
        split = choose(kind_of(a), n, m, depth, products)
        tile, parts = split.tile, split.parts
        sums = target if parts == 1 else empty((parts, *out.shape), a.dtype)
        blocks = -(-n // tile.rows) * -(-m // tile.columns), parts, products
        launch(_PRODUCT[tile], blocks, tile.threads, a, b, sums, n, m, depth, parts, *of_a, *of_b)
        if parts > 1:
            sum_parts(sums, None, reshape(target, (1, 1, 1, out.size)), parts, False)
    deliver(target, out)


def _by_pieces(a: DeviceArray, b: DeviceArray, out: DeviceArray) -> None:
    """Products of more matrices than one launch takes."""
    flat = [reshape(x, (math.prod(x.shape[:-2]), *x.shape[-2:])) for x in (a, b, out)]
    for start in range(0, flat[2].shape[0], _MOST_PRODUCTS):
        matmul(*(slice_view(x, (slice(start, start + _MOST_PRODUCTS),)) for x in flat))
