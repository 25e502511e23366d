"""The matrix product, by the tiles of ``tiles.py``: here a and b are in memory as matrices, with any strides."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import runtime
from .array import DeviceArray, contiguous, empty, reshape, row_major_like, slice_view
from .compiler import Kernel, T, cuda, kernel
from .elementwise import deliver, fill
from .loops import merged
from .sum_parts import sum_parts
from .tiles import TILES, Tile, choose, first_place, kind_of, multiplier, put_down
from .vector import fetch, read_row, shared_vectors


def _make_kernel(tile: Tile) -> Kernel:
    """The kernel for one tile, launched with blocks (tiles, parts, products) of ``tile.threads`` threads."""
    rows, columns, depth, vector = tile.rows, tile.columns, tile.depth, tile.vector
    pitch, b_pitch, b_start = tile.pitch, tile.b_pitch, tile.b_start
    column_vectors, height, width, threads = tile.column_vectors, tile.thread_rows, tile.thread_columns, tile.threads
    row_run, row_step, row_stride = tile.row_run
    column_stride = tile.column_stride
    sums_size, shared_size = height * width, tile.shared_size
    fetched_a, fetched_b = rows * depth // threads, columns * depth // threads
    multiply, place_of, put = multiplier(tile), first_place(tile), put_down(tile)

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
        a_start, b_start_of = batch * a_batch, batch * b_batch

        steps = np.int32((depths + depth - 1) // depth)
        length = np.int32((steps + parts - 1) // parts)
        first_step = np.int32(part * length)
        steps = np.int32(max(0, min(length, steps - first_step)))

        for e in range(sums_size):
            sums[e] = 0
        for step in range(np.int32(steps + 1)):
            if step < steps:
                first_k = (first_step + step) * depth
                for e in range(fetched_a):
                    number = np.int32(thread + e * threads)
                    r = number // depth if a_k == 1 else number % rows
                    k = number % depth if a_k == 1 else number // rows
                    inside = (first_row + r < n) & (first_k + k < depths)
                    coming_a[e] = fetch(a, a_start + (first_row + r) * a_row + (first_k + k) * a_k, inside)
                for e in range(fetched_b):
                    number = np.int32(thread + e * threads)
                    c = number // depth if b_k == 1 else number % columns
                    k = number % depth if b_k == 1 else number // columns
                    inside = (first_column + c < m) & (first_k + k < depths)
                    coming_b[e] = fetch(b, b_start_of + (first_k + k) * b_k + (first_column + c) * b_column, inside)
            if step > 0:
                multiply(sums, left, right, slices, np.int32((step - 1) & 1), in_a, in_b)
            if step < steps:
                half = np.int32(step & 1)
                for e in range(fetched_a):
                    number = np.int32(thread + e * threads)
                    r = number // depth if a_k == 1 else number % rows
                    k = number % depth if a_k == 1 else number // rows
                    put(slices, half * (depth * pitch) + k * pitch + r, coming_a, e)
                for e in range(fetched_b):
                    number = np.int32(thread + e * threads)
                    c = number // depth if b_k == 1 else number % columns
                    k = number % depth if b_k == 1 else number // columns
                    put(slices, b_start + half * (depth * b_pitch) + k * b_pitch + c, coming_b, e)
            cuda.syncthreads()

        in_out = (part * cuda.gridDim.z + batch) * n * m
        for r in range(height):
            row = first_row + in_a + r // row_run * row_stride + r % row_run * row_step
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
        runtime.launch(_PRODUCT[tile], blocks, tile.threads, a, b, sums, n, m, depth, parts, *of_a, *of_b)
        if parts > 1:
            sum_parts(sums, None, reshape(target, (1, 1, 1, out.size)), parts, False)
    deliver(target, out)


def _by_pieces(a: DeviceArray, b: DeviceArray, out: DeviceArray) -> None:
    """Products of more matrices than one launch takes."""
    flat = [reshape(x, (math.prod(x.shape[:-2]), *x.shape[-2:])) for x in (a, b, out)]
    for start in range(0, flat[2].shape[0], _MOST_PRODUCTS):
        matmul(*(slice_view(x, (slice(start, start + _MOST_PRODUCTS),)) for x in flat))
