"""Array kernels for semantic segmentation: plain NumPy, Numba for CPUs, numba.cuda for NVIDIA GPUs.

They know nothing of tensors or gradients. ``spec`` is the contract. ``reference``, ``cpu`` and ``cuda`` are backends:
modules that hold a function for each entry of the contract. ``load`` imports one and checks it.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from . import spec

BACKENDS = ("reference", "cpu", "cuda")


def load(name: str) -> ModuleType:
    """Import the backend called ``name`` and check it against the contract.

    Raises ``ValueError`` for an unknown name and ``TypeError`` for a backend that breaks the contract.

    >>> load("reference").__name__
    'tinyseg_kernels.reference'
    """
    if name not in BACKENDS:
        raise ValueError(f"load: unknown backend {name!r}; there are {', '.join(BACKENDS)}")
    backend = importlib.import_module(f"{__name__}.{name}")
    spec.check(backend)
    return backend
