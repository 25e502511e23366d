"""The smallest call of each kernel (``tinyseg_kernels/calls.py``) does on a backend what it does on the reference."""

from __future__ import annotations

import numpy as np
from kernel_checks import agree

import tinyseg_kernels
from tinyseg_kernels import calls, spec


def test_every_kernel_of_the_cpu_is_the_reference_s() -> None:
    for name in calls.NAMES:
        agree("cpu", name, "float32")


def test_an_elementwise_kernel_needs_no_call_of_its_own() -> None:
    reference = tinyseg_kernels.load("reference")
    own = {name for name in calls._CALLS if spec.KERNELS[name].stem == "activation"}
    assert own == {"leaky_relu", "leaky_relu_backward"}  # their slope may be an array or a number
    assert [numbers for *_, numbers in calls.calls(reference, "gelu", "float32")] == [False, True]
    for x, out, *_ in calls.calls(reference, "softplus", "float64"):
        assert (x.shape, x.dtype, out.shape) == ((4, 5), np.float64, (4, 5))
