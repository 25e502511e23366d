"""The smallest call of each kernel (``tinyseg_kernels/calls.py``) does on a backend what it does on the reference."""

from __future__ import annotations

import numpy as np

import tinyseg_kernels
from tinyseg_kernels import calls


def test_every_kernel_of_the_cpu_is_the_reference_s() -> None:
    for name in calls.NAMES:
        agree("cpu", name, "float32")


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
