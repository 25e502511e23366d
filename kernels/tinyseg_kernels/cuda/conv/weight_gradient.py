"""The gradient of a convolution by its weight: the implicit GEMM of ``direct.py`` with the pixels summed over.

    out[m, column] = sum over pixels of  grad[m, pixel] * x[what tap ``column`` of the window at that pixel sees]

``column`` counts the pairs of an input channel and a tap, m the output channels, k of ``tiles.py`` the pixels of all
images. Now both slices have k along memory, so threads that are neighbours fetch neighbouring pixels. The table holds
where a column's channel and tap are in the image; it does not change while a block walks, so each thread keeps the
few lines of it that it needs in registers. What changes is the pixel: a thread finds out image, row and column of its
own at each step, by multiplications (``divide``), for a division takes some twenty instructions.

There are many more pixels than results, so the sum is cut in parts nearly always; see ``patterns/partial_sums.py``.
"""

from __future__ import annotations

import numpy as np

from ..runtime.compiler import Kernel, T, cuda, kernel
from ..vector.instructions import divide, fetch, read_row, read_vector, shared_vectors, within
from .plan import NOWHERE
from .tiles import TILES, Tile, first_place, multiplier, slice_writer


def _make_kernel(tile: Tile) -> Kernel:
    """The kernel for one tile, launched with ``Plan.blocks`` and ``tile.threads``."""
    rows, columns, depth, vector = tile.rows, tile.columns, tile.depth, tile.vector
    pitch, b_pitch = tile.pitch, tile.b_pitch
    column_vectors = tile.column_vectors
    height, width, threads = tile.thread_rows, tile.thread_columns, tile.threads
    row_run, row_step, row_stride = tile.row_run
    column_stride = tile.column_stride
    sums_size, shared_size, b_start = height * width, tile.shared_size, tile.b_start
    sweep = threads // depth  # a thread fetches every so many-th row of a, and column of b, at one pixel
    fetched_a, fetched_b = rows // sweep, columns // sweep
    taps_size = 4 * fetched_b
    multiply, place_of, put = multiplier(tile), first_place(tile), slice_writer(tile)

    def weight_gradient(grad, x, out, plan):
        slices = shared_vectors(shared_size, T)
        sums = cuda.local.array(sums_size, T)
        left = cuda.local.array(height, T)
        right = cuda.local.array(width, T)
        coming_a = cuda.local.array(fetched_a, T)
        coming_b = cuda.local.array(fetched_b, T)
        taps = cuda.local.array(taps_size, np.int32)

        thread = np.int32(cuda.threadIdx.x)
        in_a, in_b = place_of(thread)
        line, at_k = np.int32(thread // depth), np.int32(thread % depth)

        image_size, group_size, x_rows, x_columns = np.int64(plan[0]), plan[1], plan[2], plan[3]
        outputs, channels, results = plan[4], plan[5], plan[6]
        plane, width_of_y, pixels = plan[7], plan[8], plan[9]
        row_tiles, parts, table, tiles = plan[18], plan[19], plan[20], plan[21]
        rest = np.int32(cuda.blockIdx.x // tiles)
        block = np.int32(cuda.blockIdx.x - rest * tiles)
        group = np.int32(rest // parts)
        part = np.int32(rest - group * parts)
        column_tile = np.int32(block // row_tiles)
        first_m = np.int32((block - column_tile * row_tiles) * rows)
        first_column = np.int32(column_tile * columns)

        for e in range(fetched_b):
            column = np.int32(first_column + line + e * sweep)
            if column < results:
                read_vector(taps, 4 * e, plan, np.int32(table + 4 * column), 4)
            else:
                taps[4 * e], taps[4 * e + 1], taps[4 * e + 2] = 0, NOWHERE, 0

        steps = np.int32((pixels + depth - 1) // depth)
        length = np.int32((steps + parts - 1) // parts)
        first_step = np.int32(part * length)
        steps = np.int32(max(0, min(length, steps - first_step)))
        first_channel = np.int32(group * outputs + first_m + line)
        put_a = np.int32(at_k * pitch + line)
        put_b = np.int32(b_start + at_k * b_pitch + line)

        for e in range(sums_size):
            sums[e] = 0
        for step in range(np.int32(steps + 1)):
            if step < steps:
                pixel = np.int32((first_step + step) * depth + at_k)
                image = divide(pixel, plan[14], plan[15])
                in_plane = np.int32(pixel - image * plane)
                i = divide(in_plane, plan[16], plan[17])
                j = np.int32(in_plane - i * width_of_y)
                row, column = np.int32(i * plan[10] - plan[12]), np.int32(j * plan[11] - plan[13])
                seen = image * image_size + group * group_size + row * x_columns + column
                exists = pixel < pixels
                if not exists:
                    row = np.int32(NOWHERE)
                in_grad = (np.int64(image) * channels + first_channel) * plane + in_plane
                for e in range(fetched_a):
                    m = np.int32(first_m + line + e * sweep)
                    coming_a[e] = fetch(grad, in_grad + e * sweep * plane, exists & (m < outputs))
                for e in range(fetched_b):
                    inside = within(np.int32(row + taps[4 * e + 1]), x_rows)
                    inside &= within(np.int32(column + taps[4 * e + 2]), x_columns)
                    coming_b[e] = fetch(x, seen + taps[4 * e], inside)
            if step > 0:
                multiply(sums, left, right, slices, np.int32((step - 1) & 1), in_a, in_b)
            if step < steps:
                at_a = np.int32(put_a + (step & 1) * (depth * pitch))
                at_b = np.int32(put_b + (step & 1) * (depth * b_pitch))
                for e in range(fetched_a):
                    put(slices, np.int32(at_a + e * sweep), coming_a, e)
                for e in range(fetched_b):
                    put(slices, np.int32(at_b + e * sweep), coming_b, e)
            cuda.syncthreads()

        out_start = (np.int64(part) * plan[5] + group * plan[4]) * plan[6]
        for r in range(height):
            m = np.int32(first_m + in_a + r // row_run * row_stride + r % row_run * row_step)
            if m < outputs:
                read_row(right, sums, r, height, width)
                for q in range(column_vectors):
                    column = np.int32(first_column + in_b + q * column_stride)
                    for v in range(vector):
                        if column + v < results:
                            out[out_start + m * results + column + v] = right[q * vector + v]

    weight_gradient.__name__ = f"weight_gradient_{rows}x{columns}{tile.suffix}"
    return kernel("T* T* T* i4*", threads=tile.bounds, needs=tile.needs, T=(tile.code,))(weight_gradient)


WEIGHT_GRADIENT = {tile: _make_kernel(tile) for tiles in TILES.values() for tile in tiles}
