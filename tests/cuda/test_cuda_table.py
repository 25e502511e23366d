"""Every operator and kernel on the GPU, or on its simulator, by the tables that test the other backends."""

from __future__ import annotations

import os

import numpy as np
import pytest
from kernel_checks import agree
from op_cases import BAD_CALLS, CASES, BadCall, Case
from op_checks import (
    LAYOUTS,
    assert_close,
    assert_unchanged,
    check_value,
    gradients,
    in_layout,
    outputs,
    tensors,
    tolerance,
)

import tinyseg
from tinyseg_kernels import calls

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")
LARGEST = 9000  # elements of all inputs of a case that the simulator is given; a GPU is given all cases
LARGEST_CALL = 2000  # elements of all arrays of a kernel's call, likewise

pytestmark = pytest.mark.usefixtures("cuda")


def _rows(*, gradient: bool = False) -> list[object]:
    rows = []
    for case in CASES:
        if gradient and not case.gradient:
            continue
        large = SIMULATED and sum(x.size for x in case.inputs) > LARGEST
        skip = pytest.mark.skipif(large, reason=f"more than {LARGEST} elements take the simulator too long")
        rows.append(pytest.param(case, marks=skip, id=str(case)))
    return rows


@pytest.mark.parametrize("case", _rows())
def test_value(case: Case) -> None:
    check_value(case, ("cuda",))


@pytest.mark.parametrize("case", _rows(gradient=True))
def test_gradient_equals_the_reference(case: Case) -> None:
    for dtype in case.dtypes:
        found = {}
        for device in ("cuda", "reference"):
            tinyseg.set_default_device(device)
            tinyseg.manual_seed(0)
            arrays = case.arrays(dtype)
            inputs = tensors(arrays, gradient=True)
            found[device] = gradients(case, inputs)
            assert_unchanged(inputs, arrays, f"{case} on {device}, backwards")
        for ours, wanted in zip(found["cuda"], found["reference"], strict=True):
            assert ours.dtype == wanted.dtype == dtype
            assert_close(ours, wanted, 3 * tolerance(case, dtype), f"{case} in {dtype}")


@pytest.mark.parametrize("case", _rows())
def test_any_layout(case: Case) -> None:
    """Memory in one of the orders that the other backends are tested with: a case has the same one each time."""
    layout = list(LAYOUTS)[sum(str(case).encode()) % len(LAYOUTS)]
    dtype = case.dtypes[0]
    make = in_layout(layout)
    arrays = case.arrays(dtype)
    results = outputs(case, tensors(arrays, False, make))
    for y, answer in zip(results, case.wanted(dtype), strict=True):
        assert_close(y.numpy(), answer, tolerance(case, dtype), f"{case}, {layout}")


@pytest.mark.parametrize("bad", BAD_CALLS, ids=str)
def test_bad_calls_are_refused(bad: BadCall) -> None:
    """Also where the check is read from the device later: then by the first who wants a value."""
    with pytest.raises(bad.error) as caught:
        np.asarray(bad.call().detach().numpy())
    assert bad.message in str(caught.value)


@pytest.mark.parametrize("name", calls.NAMES)
def test_smallest_calls(name: str) -> None:
    agree("cuda", name, "float32", LARGEST_CALL if SIMULATED else None)
