"""What holds for each kernel of each backend, in this process: also for the GPU's, where that is simulated."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import numpy as np
from sources import KERNELS, parse

import tinyseg_kernels
from tinyseg_kernels import calls, spec

BELOW: dict[str, set[str]] = {
    "reference": set(),
    "cpu": {
        "assign", "broadcast_to", "empty", "empty_cache", "get_num_threads", "reshape", "set_conv_algorithm",
        "set_num_threads", "shares_memory", "slice_view", "to_numpy", "transpose",
    },
    "cuda": {
        "assign", "empty", "fill", "from_numpy", "send", "set_float32_matmul_precision", "synchronize", "to_numpy",
        "transpose",
    },
}  # fmt: skip
"""Kernels that lower files of a backend use, too: these stand there, and the stem's file imports them by name."""


def has_every_kernel(name: str) -> None:
    backend = tinyseg_kernels.load(name)
    for kernel in spec.KERNELS.values():
        function = getattr(backend, kernel.name)
        assert tuple(inspect.signature(function).parameters) == kernel.arguments
        assert function is getattr(importlib.import_module(f"{backend.__name__}.{kernel.stem}"), kernel.name)


def ends_in_the_file_of_its_stem(name: str) -> None:
    """Name, module, docstring and source are the kernel's: also of one that is made from a formula."""
    backend = tinyseg_kernels.load(name)
    for kernel in spec.KERNELS.values():
        function = getattr(backend, kernel.name)
        assert (function.__name__, function.__qualname__) == (kernel.name, kernel.name)
        assert function.__doc__, kernel.name
        assert f"def {kernel.name}(" in inspect.getsource(function)
        found = Path(inspect.getsourcefile(inspect.unwrap(function)) or "").resolve()
        stem = (KERNELS / name / f"{kernel.stem}.py").resolve()
        if kernel.name in BELOW[name]:
            imports = (node for node in parse(stem).body if isinstance(node, ast.ImportFrom))
            assert kernel.name in {alias.name for node in imports for alias in node.names}
            assert found.parent != stem.parent
        else:
            assert found == stem, kernel.name
            assert function.__module__ == f"{backend.__name__}.{kernel.stem}"


def agree(device: str, name: str, dtype: str, largest: int | None = None) -> None:
    """After each smallest call all arrays hold what they hold after the reference's.

    ``largest``: calls whose arrays have more elements are left out.
    """
    backend, reference = tinyseg_kernels.load(device), tinyseg_kernels.load("reference")
    ran = 0
    for ours, theirs in zip(calls.calls(backend, name, dtype), calls.calls(reference, name, dtype), strict=True):
        pairs = [pair for pair in zip(flat(ours), flat(theirs), strict=True) if isinstance(pair[1], np.ndarray)]
        if largest is not None and sum(array.size for _, array in pairs) > largest:
            continue
        ran += 1
        getattr(backend, name)(*ours)
        getattr(reference, name)(*theirs)
        for one, wanted in pairs:
            found = backend.to_numpy(one)
            assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
            np.testing.assert_allclose(found, wanted, 2e-5, 2e-5, err_msg=name)
    assert ran


def flat(arguments: tuple[object, ...]) -> list[object]:
    """The arguments of a call, with the elements of lists in these lists' places."""
    return [item for argument in arguments for item in (argument if isinstance(argument, list) else [argument])]
