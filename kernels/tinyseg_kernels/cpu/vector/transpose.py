"""Turning rows into columns, a square of numbers at a time.

Weights lie in memory output channel by output channel, and the inner loops want the output channels side by side;
gradients of weights go the opposite way. Number by number that takes longer than many a convolution. In registers, a
square of lanes x lanes numbers takes log2(lanes) rounds. Round k looks at bit k of both indices and swaps the two
corners in which they differ; of four numbers a side, with rows a, b, c, d::

    a0 a1 a2 a3     bit 0    a0 b0 a2 b2     bit 1    a0 b0 c0 d0
    b0 b1 b2 b3    ------>   a1 b1 a3 b3    ------>   a1 b1 c1 d1
    c0 c1 c2 c3              c0 d0 c2 d2              a2 b2 c2 d2
    d0 d1 d2 d3              c1 d1 c3 d3              a3 b3 c3 d3
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ..runtime.llvm import INT, pointer
from .simd import Vectors

N = types.intp


def _turned(builder: Any, rows: list[Any]) -> list[Any]:
    """The columns of a square of vectors."""
    lanes, bit = len(rows), 1
    places = ir.VectorType(ir.IntType(32), lanes)
    while bit < lanes:
        # In a shuffle of two vectors, place i is the first one's, place lanes + i the second one's.
        kept = [i if not i & bit else lanes + i - bit for i in range(lanes)]
        fetched = [i + bit if not i & bit else lanes + i for i in range(lanes)]
        swapped = list(rows)
        for first in range(lanes):
            if not first & bit:
                pair = rows[first], rows[first + bit]
                for row, order in ((first, kept), (first + bit, fetched)):
                    swapped[row] = builder.shuffle_vector(*pair, ir.Constant(places, order))
        rows, bit = swapped, 2 * bit
    return rows


@intrinsic
def transpose(typingctx, source, i, source_step, rows, target, j, target_step, columns):
    """target[j + c target_step + r] = source[i + r source_step + c] for r < rows and c < columns.

    Both are at least 1 and at most the lanes of a vector; no other number is read or written.
    """

    def codegen(context, builder, sig, args):
        here = pointer(context, builder, sig.args[0], args[0], args[1])
        there = pointer(context, builder, sig.args[4], args[4], args[5])
        v = Vectors(builder, sig.args[0].dtype)
        last = builder.sub(args[3], INT(1))
        loaded = []
        for r in range(v.lanes):
            row = builder.select(builder.icmp_signed("<", INT(r), last), INT(r), last)  # past the last one it again
            loaded.append(v.load_first(args[7], builder.gep(here, [builder.mul(row, args[2])])))
        for c, column in enumerate(_turned(builder, loaded)):
            with builder.if_then(builder.icmp_signed("<", INT(c), args[7])):
                v.store_first(args[3], column, builder.gep(there, [builder.mul(INT(c), args[6])]))
        return context.get_dummy_value()

    return types.void(source, N, N, N, target, N, N, N), codegen
