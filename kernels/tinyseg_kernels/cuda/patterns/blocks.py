"""What the threads of a block do together: sums over them, always in the same order, so that results repeat."""

from __future__ import annotations

from ..runtime.compiler import cuda, helper
from ..runtime.launch import REDUCE_THREADS


@helper
def block_sum(memory, value):
    """The sum of ``value`` over the REDUCE_THREADS threads of a block, in a tree; all threads get it.

    ``memory``: a shared array of as many elements; it is free again afterwards.
    """
    t = cuda.threadIdx.x
    memory[t] = value
    cuda.syncthreads()
    half = REDUCE_THREADS // 2
    while half > 0:
        if t < half:
            memory[t] = memory[t] + memory[t + half]
        cuda.syncthreads()
        half //= 2
    total = memory[0]
    cuda.syncthreads()
    return total


def parts_for(outputs: int, length: int) -> int:
    """Into how many parts a sum of ``length`` elements is cut, of which a block adds up one: so many that ``outputs``
    of them fill a GPU, and none too short. The device's size does not enter, so results do not depend on it.
    """
    return max(1, min(-(-512 // max(outputs, 1)), length // (8 * REDUCE_THREADS), 256))
