"""The CPU's vectors and registers: how wide, and how many.

A vector register holds ``VECTOR_BYTES`` bytes: 16 float32 with AVX-512, 8 with AVX2, 4 with NEON or SSE.
"""

from __future__ import annotations

import os

import llvmlite.binding

ON_ARM = llvmlite.binding.get_default_triple().startswith(("aarch64", "arm64"))


def _host_vector_bytes() -> int:
    """The widest vectors of this CPU; ``TINYSEG_VECTOR_BYTES`` (16, 32 or 64) requests narrower ones.

    Raises ``ValueError`` for another number there.
    """
    widest = 64 if _features.get("avx512f") else 32 if _features.get("avx2") else 16
    wanted = os.environ.get("TINYSEG_VECTOR_BYTES", str(widest))
    if wanted not in ("16", "32", "64"):
        raise ValueError(f"TINYSEG_VECTOR_BYTES: expected 16, 32 or 64, got {wanted!r}")
    return min(widest, int(wanted))


_features = llvmlite.binding.get_host_cpu_features()
VECTOR_BYTES = _host_vector_bytes()

# A block of results is kept in registers: ROWS x VECTORS of them, and room for what they are made of. AVX-512 and
# NEON have 32 registers, AVX2 and SSE have 16. If narrower vectors are requested, use the block sizes of a CPU with
# that vector width.
VECTORS = 2
ROWS = 14 if VECTOR_BYTES == 64 or ON_ARM else 6


def lanes(itemsize: int) -> int:
    """The number of elements of ``itemsize`` bytes in a vector."""
    return VECTOR_BYTES // itemsize
