"""Arrays on the device; what they are stands in ``patterns/array.py``."""

from __future__ import annotations

from .patterns.array import (
    DeviceArray,
    broadcast_to,
    empty,
    empty_activation,
    empty_cache,
    empty_like,
    from_numpy,
    get_num_threads,
    reshape,
    set_num_threads,
    shares_memory,
    slice_view,
    to_numpy,
    transpose,
)

__all__ = [
    "DeviceArray",
    "broadcast_to",
    "empty",
    "empty_activation",
    "empty_cache",
    "empty_like",
    "from_numpy",
    "get_num_threads",
    "reshape",
    "set_num_threads",
    "shares_memory",
    "slice_view",
    "to_numpy",
    "transpose",
]
