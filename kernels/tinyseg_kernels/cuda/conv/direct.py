"""Convolution and its adjoint as one product of matrices that are never in memory: the *implicit GEMM*.

    out[m, pixel] = bias[m] + sum over k of  weight[m, k] * columns[k, pixel]

m counts the channels of the output, k the pairs of an input channel and a tap, and column ``pixel`` of ``columns``
would be what the window at that pixel sees, as ``unfold`` writes it. Writing it would take as many times the memory
of the input as the kernel has taps; instead each block of threads fetches the slice of ``columns`` that it needs
straight from the image, into shared memory (``tiles.py`` has the picture).

Where does element (k, pixel) come from? Its address is a sum of a part that only k knows (channel and tap) and a part
that only the pixel knows (image, row, column). So a table, made once for a shape, holds for each k:

    where weight[0, k] is | where its channel and tap are in the image | row of the tap | column of the tap

and what is left to do for an element is an addition and the test whether row and column are inside the image, where
not it is a zero of the padding.

**Lattices.** The adjoint with stride s is s x s convolutions. Pixel h of its output is reached by taps r from pixels
i with h = i s - padding + r dilation, so (h + padding) % s decides which taps those are: the pixels of one remainder
form a coarser lattice, on which the adjoint is a convolution with stride 1 and these taps alone. All lattices of an
output are one launch; forward there is one, of all pixels. Nothing is added up in global memory, so no atomics are
needed.

**Parts.** Where the output is so small that most of the GPU would have nothing to do, the sum over k is cut in parts.
Each part writes sums of its own, and a second kernel (``patterns/partial_sums.py``) adds them in order.

All that depends on shapes alone is in one array of integers, the *plan*, on the device: a header, eight numbers for
each lattice, four for each k of each lattice (see ``plan.py``). A launch has few arguments to pass.
"""

from __future__ import annotations

import numpy as np

from ..runtime.compiler import Kernel, T, cuda, kernel
from ..vector.instructions import fetch, read_row, read_vector, shared_vectors, within, write_vector
from .plan import HEADER, LATTICE, NOWHERE
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
    # Which elements of a slice a thread fetches: of a every ``sweep_a``-th row at one k, of b every ``sweep_b``-th k
    # at one pixel. Neighbouring threads fetch neighbouring k of a, and neighbouring pixels of b, as memory has them.
    sweep_a, sweep_b = threads // depth, threads // columns
    fetched_a, fetched_b = rows // sweep_a, depth // sweep_b
    multiply, place_of, put = multiplier(tile), first_place(tile), slice_writer(tile)

    def convolution(weight, source, bias, out, plan, has_bias, relu, vectors):
        slices = shared_vectors(shared_size, T)
        places = cuda.shared.array(columns, np.int64)  # of the pixels in the output, at m = 0; -1 where there is none
        sums = cuda.local.array(sums_size, T)
        left = cuda.local.array(height, T)
        right = cuda.local.array(width, T)
        coming_a = cuda.local.array(fetched_a, T)
        coming_b = cuda.local.array(fetched_b, T)
        entry = cuda.local.array(4, np.int32)

        thread = np.int32(cuda.threadIdx.x)
        in_a, in_b = place_of(thread)
        a_row, a_k = np.int32(thread // depth), np.int32(thread % depth)
        b_k, b_pixel = np.int32(thread // columns), np.int32(thread % columns)

        # Which tile: neighbouring blocks have the same pixels and other output channels.
        images, source_image, source_group = plan[0], np.int64(plan[1]), plan[2]
        source_rows, source_columns = plan[3], plan[4]
        outputs, out_channels, weight_row, weight_group = plan[5], plan[6], plan[7], plan[8]
        row_tiles, parts, tiles, lattices = plan[15], plan[16], plan[19], plan[20]
        rest = np.int32(cuda.blockIdx.x // tiles)
        block = np.int32(cuda.blockIdx.x - rest * tiles)
        part = np.int32(rest % parts)
        rest = np.int32(rest // parts)
        group = np.int32(rest // lattices)
        lattice = np.int32(rest - group * lattices)
        column_tile = np.int32(block // row_tiles)
        first_m = np.int32((block - column_tile * row_tiles) * rows)
        first_pixel = np.int32(column_tile * columns)

        # The lattice, and the pixel of it for which this thread fetches.
        start = HEADER + lattice * LATTICE
        table, terms, lattice_rows, lattice_columns = plan[start], plan[start + 1], plan[start + 2], plan[start + 3]
        pixel = np.int32(first_pixel + b_pixel)
        image = np.int32(pixel // (lattice_rows * lattice_columns))
        in_image = np.int32(pixel - image * lattice_rows * lattice_columns)
        i = np.int32(in_image // lattice_columns)
        j = np.int32(in_image - i * lattice_columns)
        exists = image < images
        row, column = np.int32(i * plan[13] + plan[start + 4]), np.int32(j * plan[14] + plan[start + 5])
        seen = image * source_image + group * source_group + row * source_columns + column
        if not exists:
            row = np.int32(NOWHERE)
        if thread < columns:
            place = np.int64(part) * plan[18]
            place += (np.int64(image) * out_channels + group * outputs) * plan[9] * plan[10]
            place += (i * plan[11] + plan[start + 6]) * plan[10] + j * plan[12] + plan[start + 7]
            places[b_pixel] = place if exists else -1

        steps = np.int32((terms + depth - 1) // depth)
        length = np.int32((steps + parts - 1) // parts)
        first_step = np.int32(part * length)
        steps = np.int32(max(0, min(length, steps - first_step)))
        weight_start = np.int32(group * weight_group + (first_m + a_row) * weight_row)

        put_a = np.int32(a_k * pitch + a_row)
        put_b = np.int32(b_start + b_k * b_pitch + b_pixel)

        for e in range(sums_size):
            sums[e] = 0
        for step in range(np.int32(steps + 1)):
            if step < steps:
                first_k = np.int32((first_step + step) * depth)
                k = np.int32(first_k + a_k)
                read_vector(entry, 0, plan, table + 4 * k, 4)
                in_weight = np.int32(weight_start + entry[0])
                for e in range(fetched_a):
                    m = np.int32(first_m + a_row + e * sweep_a)
                    coming_a[e] = fetch(
                        weight, np.int32(in_weight + e * sweep_a * weight_row), (k < terms) & (m < outputs)
                    )
                for e in range(fetched_b):
                    k = np.int32(first_k + b_k + e * sweep_b)
                    read_vector(entry, 0, plan, table + 4 * k, 4)
                    inside = within(row + entry[2], source_rows) & within(column + entry[3], source_columns)
                    coming_b[e] = fetch(source, seen + entry[1], inside)
            if step > 0:
                multiply(sums, left, right, slices, np.int32((step - 1) & 1), in_a, in_b)
            if step < steps:
                at_a = np.int32(put_a + (step & 1) * (depth * pitch))
                at_b = np.int32(put_b + (step & 1) * (depth * b_pitch))
                for e in range(fetched_a):
                    put(slices, np.int32(at_a + e * sweep_a), coming_a, e)
                for e in range(fetched_b):
                    put(slices, np.int32(at_b + e * (sweep_b * b_pitch)), coming_b, e)
            cuda.syncthreads()

        # Each thread puts its sums where they belong: a vector at once where four pixels are neighbours in memory.
        plane = np.int64(plan[9]) * plan[10]
        whole = vectors and plan[17] != 0
        for r in range(height):
            m = np.int32(first_m + in_a + r // row_run * row_stride + r % row_run * row_step)
            if m < outputs:
                read_row(right, sums, r, height, width)
                offset = bias[group * outputs + m] if has_bias else T(0)
                in_out = m * plane
                for e in range(width):
                    right[e] += offset
                    if relu and right[e] <= 0:
                        right[e] = T(0)
                for q in range(column_vectors):
                    pixel = np.int32(in_b + q * column_stride)
                    if whole:
                        if places[pixel] >= 0:
                            write_vector(out, in_out + places[pixel], right, q * vector, vector)
                    else:
                        for v in range(vector):
                            if places[pixel + v] >= 0:
                                out[in_out + places[pixel + v]] = right[q * vector + v]

    convolution.__name__ = f"convolution_{rows}x{columns}{tile.suffix}"
    return kernel("T* T* T* T* i4* i8 i8 i8", threads=tile.bounds, needs=tile.needs, T=(tile.code,))(convolution)


CONVOLUTION = {tile: _make_kernel(tile) for tiles in TILES.values() for tile in tiles}
