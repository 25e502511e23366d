"""Compiling a backend's kernels ahead: each is called for a type, on arrays that are as small as possible."""

from __future__ import annotations

from typing import Any

from .calls import NAMES as COMPUTING
from .calls import calls
from .spec import KERNELS, Backend


def _place(name: str) -> int:
    """Where a kernel stands in the list: what takes long first, what shares its code with that last, so that two
    processes that work off the list do not compile the same.
    """
    if name in ("conv_transpose2d", "matmul"):
        return 2
    return 0 if KERNELS[name].stem == "conv2d" else 1


# fill has no code of its own: it assigns a number.
NAMES = tuple(sorted((name for name in COMPUTING if name != "fill"), key=_place))


def run(backend: Backend, name: str, dtype: Any) -> None:
    """Call the kernel ``name`` in each way that has machine code of its own.

    The way in which convolutions are computed is ``auto`` afterwards.
    """
    kernel = getattr(backend, name)
    for arguments in calls(backend, name, dtype):
        for algorithm in ("direct", "winograd") if KERNELS[name].stem == "conv2d" else ("auto",):
            backend.set_conv_algorithm(algorithm)
            kernel(*arguments)
    backend.set_conv_algorithm("auto")
