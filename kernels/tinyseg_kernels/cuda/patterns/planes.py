"""The grid of kernels that go over planes: arrays N,C,H,W as N*C planes of H*W pixels.

A thread takes one pixel of a plane, and neighbouring threads neighbouring pixels, so that reads and writes of a warp
lie side by side; the second dimension of the grid counts planes. Row and column are found by dividing numbers of a
plane's size, not those of the whole array.
"""

from __future__ import annotations

import math
from typing import Any

from ..runtime.compiler import SIMULATED, Kernel, cuda, helper
from ..runtime.launch import launch

_WARP, _MOST_THREADS, _MOST_PLANES = (2, 4, 3) if SIMULATED else (32, 256, 65535)
_CHANNEL_THREADS = 3 if SIMULATED else 256


@helper
def own_pixel():
    """The pixel of this thread; it may be beyond the plane's last."""
    return cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x


def over_planes(kernel: Kernel, shape: tuple[int, ...], *arguments: Any) -> None:
    """Launch a kernel over the planes of the last two dimensions of an array; nothing if it is empty.

    A block's first plane is ``cuda.blockIdx.y``, from there it goes on in steps of ``cuda.gridDim.y``.
    """
    pixels, planes = math.prod(shape[-2:]), math.prod(shape[:-2])
    threads = min(_MOST_THREADS, -(-pixels // _WARP) * _WARP)
    if pixels and planes:
        launch(kernel, (-(-pixels // threads), min(planes, _MOST_PLANES)), threads, *arguments)


def channel_planes(n: int, c: int, pixels: int) -> tuple[tuple[int, int], int]:
    """Blocks and threads of kernels that read numbers of the channel first: few blocks a plane, each of which takes
    many pixels.
    """
    threads = _CHANNEL_THREADS
    while not SIMULATED and threads > 32 and threads // 2 >= pixels:
        threads //= 2
    return (min(-(-pixels // threads), 64), min(n * c, 3 if SIMULATED else 65535)), threads
