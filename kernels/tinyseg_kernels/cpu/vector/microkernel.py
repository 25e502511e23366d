"""The two inner loops that nearly all arithmetic of a network runs through, as Numba intrinsics.

Both keep a block of ROWS x VECTORS vectors of results in registers while they sum, so that each number loaded is
used many times: with 14 x 2 blocks, a step of 28 fused multiply-adds loads 2 vectors and 14 numbers. Numba cannot
be told to keep an array in registers, so these loops are written in LLVM's language; everything around them is
ordinary Numba.

``gather_product`` makes results from rows that lie anywhere (convolution forward, its adjoint, matrix products)::

    C[c_row[i] + j] = max(low, bias[j] + sum_t sum_k A[a_row[i] + tap[t] + k] * B[panel[t], k, j])

``outer_sum`` sums outer products over pixels that lie anywhere (the gradient by the weight)::

    C[i * c_rows + j] += sum_p A[a_pixel[p] + a_number[i]] * B[b_pixel[p] + j]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ..runtime.compiler import helper
from ..runtime.llvm import INT, pointer
from ..runtime.processor import ROWS, VECTOR_BYTES, VECTORS
from .simd import Vectors

N = types.intp

# Packed numbers are prefetched so many steps before they are used: a panel lies in the second-level cache, some 15
# cycles away.
_PREFETCHED_STEPS = 16
# Numbers of pixels are prefetched so many pixels before: they often come from further away. Tables of pixels have so
# many more entries.
PREFETCHED_PIXELS = 16


def _constant(value: int) -> Any:
    return ir.Constant(INT, value)


def _not_unrolled(module: Any) -> Any:
    """What tells LLVM to leave a loop as it is: turns taken two at a time would need more registers than there are.

    LLVM knows such a note by its first entry, the note itself.
    """
    wish = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    note = module.add_metadata([ir.MetaDataString(module, f"loop {len(module.metadata)}"), wish])
    note.operands = (note, wish)
    return note


class _Loop:
    """A counted loop, body first (so the count must be at least 1), that carries values from turn to turn."""

    def __init__(self, builder: Any, name: str, count: Any, carried: list[Any]) -> None:
        self.builder, self.count = builder, count
        before = builder.block
        self.body = builder.append_basic_block(name)
        builder.branch(self.body)
        builder.position_at_end(self.body)
        self.index = builder.phi(INT)
        self.index.add_incoming(_constant(0), before)
        self.carried = []
        for value in carried:
            phi = builder.phi(value.type)
            phi.add_incoming(value, before)
            self.carried.append(phi)

    def close(self, values: list[Any]) -> None:
        """Go round again with ``values``, or leave."""
        builder = self.builder
        following = builder.add(self.index, _constant(1))
        self.index.add_incoming(following, builder.block)
        for phi, value in zip(self.carried, values, strict=True):
            phi.add_incoming(value, builder.block)
        after = builder.append_basic_block("after")
        again = builder.cbranch(builder.icmp_signed("<", following, self.count), self.body, after)
        again.set_metadata("llvm.loop", _not_unrolled(builder.module))
        builder.position_at_end(after)


def _entry(builder: Any, table: Any, index: int) -> Any:
    return builder.load(builder.gep(table, [_constant(index)]))


def _gather_product(vectors: int, rows: int) -> Any:
    """The first loop, for blocks of ``rows`` x ``vectors``. Its arguments:

    A, a0, a_row, r0: numbers, and for each row of the block the offset of its first one (a_row[r0 + i] + a0).
    tap, panel, t0, taps, K: offsets that are added one after the other (tap[t0], ...) and the panels of B that go
    with them, how many, and the length of each run of products.
    B, b0: packed so that the ``vectors`` vectors of each (panel, k) stand side by side, in order of use.
    bias, bias0: what the sums start from, one number for each column.
    low: results below it become it: 0 for a ReLU, -inf for none.
    C, c0, c_row, s0, columns: where the rows of the block are written (c_row[s0 + i] + c0), and how many columns.
    """

    @intrinsic
    def kernel(
        typingctx, A, a0, a_row, r0, tap, panel, t0, taps, K, B, b0, bias, bias0, low, C, c0, c_row, s0, columns
    ):
        signature = types.void(A, N, a_row, N, tap, panel, N, N, N, B, N, bias, N, A.dtype, C, N, c_row, N, N)

        def codegen(context, builder, sig, args):
            def at(array, index):
                return pointer(context, builder, sig.args[array], args[array], args[index])

            a, row_table, tap_table, panel_table, b = at(0, 1), at(2, 3), at(4, 6), at(5, 6), at(9, 10)
            initial, c, row_out = at(11, 12), at(14, 15), at(16, 17)
            taps_, length, columns_ = args[7], args[8], args[18]
            v = Vectors(builder, sig.args[0].dtype)
            offsets = [_entry(builder, row_table, i) for i in range(rows)]
            first = [v.load(initial, j * v.lanes) for j in range(vectors)] * rows

            over_taps = _Loop(builder, "tap", taps_, first)
            shift = builder.load(builder.gep(tap_table, [over_taps.index]))
            sources = [builder.gep(a, [builder.add(offset, shift)]) for offset in offsets]
            number = builder.load(builder.gep(panel_table, [over_taps.index]))
            weights_here = builder.gep(b, [builder.mul(builder.mul(number, length), _constant(vectors * v.lanes))])

            over_k = _Loop(builder, "k", length, over_taps.carried)
            here = builder.gep(weights_here, [builder.mul(over_k.index, _constant(vectors * v.lanes))])
            weights = [v.load(here, j * v.lanes) for j in range(vectors)]
            for j in range(vectors):
                v.prefetch(here, (_PREFETCHED_STEPS * vectors + j) * v.lanes)
            sums = []
            for i in range(rows):
                x = v.splat(builder.load(builder.gep(sources[i], [over_k.index])))
                sums += [v.fma(x, weights[j], over_k.carried[i * vectors + j]) for j in range(vectors)]
            over_k.close(sums)
            over_taps.close(sums)

            lowest = v.splat(args[13])
            results = [v.at_least(total, lowest) for total in sums]
            targets = [builder.gep(c, [_entry(builder, row_out, i)]) for i in range(rows)]
            all_columns = builder.icmp_signed(">=", columns_, _constant(vectors * v.lanes))
            with builder.if_else(all_columns) as (whole, partly):
                with whole:
                    for i in range(rows):
                        for j in range(vectors):
                            v.store(results[i * vectors + j], targets[i], j * v.lanes)
                with partly:
                    for i in range(rows):
                        for j in range(vectors):
                            v.store_first(columns_, results[i * vectors + j], targets[i], j * v.lanes)
            return context.get_dummy_value()

        return signature, codegen

    return kernel


# Blocks of fewer rows, for what is left over. A block costs about as much as one row more than it has.
_FEWER = (8, 4) if ROWS == 14 else (4, 2)


def _first_blocks(most: int) -> Any:
    """For each number of rows that are left how many the next block should have, so that all cost least."""
    cost, choice = [0], [0]
    for left in range(1, most + 1):
        costs = {rows: rows + 1 + cost[max(0, left - rows)] for rows in (ROWS, *_FEWER)}
        choice.append(min(costs, key=lambda rows: costs[rows]))
        cost.append(costs[choice[-1]])
    return np.array(choice)


_NEXT = _first_blocks(4 * ROWS)

_wide, _wide_fewer, _wide_few = (_gather_product(VECTORS, rows) for rows in (ROWS, *_FEWER))
_narrow, _narrow_fewer, _narrow_few = (_gather_product(1, rows) for rows in (ROWS, *_FEWER))


@helper
def gather_product(
    A, a0, a_row, r0, rows, tap, panel, t0, taps, K, B, b0, bias, bias0, low, C, c0, c_row, s0, columns
):
    """``_gather_product`` for any number of ``rows`` and up to VECTORS vectors of ``columns``, block by block.

    B has one vector for each (panel, k) where half of VECTORS is enough for the columns. The last block may read and
    write rows beyond the last: the tables must have ROWS entries more.
    """
    narrow = 2 * columns <= VECTORS * (VECTOR_BYTES // A.itemsize)
    i = 0
    while i < rows:
        step = _NEXT[min(rows - i, _NEXT.size - 1)]
        r, s = r0 + i, s0 + i
        if narrow:
            if step == ROWS:
                _narrow(A, a0, a_row, r, tap, panel, t0, taps, K, B, b0, bias, bias0, low, C, c0, c_row, s, columns)
            elif step == _FEWER[0]:
                _narrow_fewer(
                    A, a0, a_row, r, tap, panel, t0, taps, K, B, b0, bias, bias0, low, C, c0, c_row, s, columns
                )
            else:
                _narrow_few(
                    A, a0, a_row, r, tap, panel, t0, taps, K, B, b0, bias, bias0, low, C, c0, c_row, s, columns
                )
        elif step == ROWS:
            _wide(A, a0, a_row, r, tap, panel, t0, taps, K, B, b0, bias, bias0, low, C, c0, c_row, s, columns)
        elif step == _FEWER[0]:
            _wide_fewer(A, a0, a_row, r, tap, panel, t0, taps, K, B, b0, bias, bias0, low, C, c0, c_row, s, columns)
        else:
            _wide_few(A, a0, a_row, r, tap, panel, t0, taps, K, B, b0, bias, bias0, low, C, c0, c_row, s, columns)
        i += step


def _outer_sum(rows: int, vectors: int, prefetch: bool) -> Any:
    """The second loop, for blocks of ``rows`` x ``vectors``. Its arguments:

    A, a0, a_pixel: numbers, and for each pixel where it begins (a_pixel[p] + a0); PREFETCHED_PIXELS entries more.
    a_number, n0: where from there its ``rows`` numbers are (a_number[n0 + i]).
    B, b0, b_pixel: numbers; for each pixel the offset of its ``vectors`` vectors (b_pixel[p] + b0).
    pixels: how many, at least 1.
    C, c0, c_rows, add: where the block is written, or added, and how far apart its rows are.
    columns: how many numbers of the vectors there are; others are taken for 0. Read only with ``prefetch``.
    """

    @intrinsic
    def kernel(typingctx, A, a0, a_pixel, a_number, n0, B, b0, b_pixel, pixels, C, c0, c_rows, add, columns):
        signature = types.void(A, N, a_pixel, a_number, N, B, N, b_pixel, N, C, N, N, types.boolean, N)

        def codegen(context, builder, sig, args):
            def at(array, index):
                return pointer(context, builder, sig.args[array], args[array], args[index])

            a, numbers, b, c = at(0, 1), at(3, 4), at(5, 6), at(9, 10)
            a_table = pointer(context, builder, sig.args[2], args[2], _constant(0))
            b_table = pointer(context, builder, sig.args[7], args[7], _constant(0))
            v = Vectors(builder, sig.args[0].dtype)
            offsets = [_entry(builder, numbers, i) for i in range(rows)]

            over_pixels = _Loop(builder, "pixel", args[8], [v.zero()] * (rows * vectors))
            x = builder.gep(a, [builder.load(builder.gep(a_table, [over_pixels.index]))])
            y = builder.gep(b, [builder.load(builder.gep(b_table, [over_pixels.index]))])
            if prefetch:
                soon = builder.add(over_pixels.index, _constant(PREFETCHED_PIXELS))
                v.prefetch(builder.gep(a, [builder.load(builder.gep(a_table, [soon]))]), 0)
                for j in range(vectors):
                    v.prefetch(builder.gep(b, [builder.load(builder.gep(b_table, [soon]))]), j * v.lanes)
                vectors_of_y = [v.load_first(args[13], y, j * v.lanes) for j in range(vectors)]
            else:
                vectors_of_y = [v.load(y, j * v.lanes) for j in range(vectors)]
            sums = []
            for i in range(rows):
                number = v.splat(builder.load(builder.gep(x, [offsets[i]])))
                sums += [v.fma(number, vectors_of_y[j], over_pixels.carried[i * vectors + j]) for j in range(vectors)]
            over_pixels.close(sums)

            targets = [builder.gep(c, [builder.mul(args[11], _constant(i))]) for i in range(rows)]
            with builder.if_else(args[12]) as (adding, writing):
                with adding:
                    for i in range(rows):
                        for j in range(vectors):
                            total = v.add(v.load(targets[i], j * v.lanes), sums[i * vectors + j])
                            v.store(total, targets[i], j * v.lanes)
                with writing:
                    for i in range(rows):
                        for j in range(vectors):
                            v.store(sums[i * vectors + j], targets[i], j * v.lanes)
            return context.get_dummy_value()

        return signature, codegen

    return kernel


SUM_ROWS = 8
_sum_wide, _sum_narrow = _outer_sum(SUM_ROWS, VECTORS, False), _outer_sum(SUM_ROWS, 1, False)
_sum_wide_prefetched, _sum_narrow_prefetched = _outer_sum(SUM_ROWS, VECTORS, True), _outer_sum(SUM_ROWS, 1, True)


@helper
def outer_sum(A, a0, a_pixel, a_number, n0, rows, B, b0, b_pixel, pixels, C, c0, c_rows, columns, add):
    """``_outer_sum`` for ``rows`` (a multiple of SUM_ROWS) and one vector, or VECTORS if there are the columns."""
    wide = columns >= VECTORS * (VECTOR_BYTES // A.itemsize)
    for i in range(0, rows, SUM_ROWS):
        n, c = n0 + i, c0 + i * c_rows
        if wide:
            _sum_wide(A, a0, a_pixel, a_number, n, B, b0, b_pixel, pixels, C, c, c_rows, add, columns)
        else:
            _sum_narrow(A, a0, a_pixel, a_number, n, B, b0, b_pixel, pixels, C, c, c_rows, add, columns)


@helper
def outer_sum_prefetched(A, a0, a_pixel, a_number, n0, rows, B, b0, b_pixel, pixels, C, c0, c_rows, columns, add):
    """The same where pixels come from beyond the second-level cache, and are prefetched, and for any number of
    columns: what is not there is taken for 0.
    """
    wide = columns > (VECTORS - 1) * (VECTOR_BYTES // A.itemsize)
    for i in range(0, rows, SUM_ROWS):
        n, c = n0 + i, c0 + i * c_rows
        if wide:
            _sum_wide_prefetched(A, a0, a_pixel, a_number, n, B, b0, b_pixel, pixels, C, c, c_rows, add, columns)
        else:
            _sum_narrow_prefetched(A, a0, a_pixel, a_number, n, B, b0, b_pixel, pixels, C, c, c_rows, add, columns)
