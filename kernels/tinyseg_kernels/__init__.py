"""Array kernels for semantic segmentation: plain NumPy, Numba for CPUs, numba.cuda for NVIDIA GPUs.

They know nothing of tensors or gradients. ``spec`` is the contract. ``reference``, ``cpu`` and ``cuda`` are backends:
modules that hold a function for each entry of the contract. ``load`` imports one and checks it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from . import spec
from .spec import Backend

if TYPE_CHECKING:  # mypy compares each module with the contract
    from . import cpu, cuda, reference

    _reference: Backend = reference
    _cpu: Backend = cpu
    _cuda: Backend = cuda

BACKENDS = ("reference", "cpu", "cuda")


def load(name: str) -> Backend:
    """Import the backend called ``name`` and check it against the contract.

    Raises ``ValueError`` for an unknown name and ``TypeError`` for a backend that breaks the contract.

    >>> load("reference").__name__
    'tinyseg_kernels.reference'
    """
    if name not in BACKENDS:
        raise ValueError(f"load: unknown backend {name!r}; there are {', '.join(BACKENDS)}")
    backend = importlib.import_module(f"{__name__}.{name}")
    spec.check(backend)
    return cast(Backend, backend)
