"""PyTorch says the same: values and gradients of every row of the table that has a counterpart there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_cases import CASES, TINYSEG, Api, Array, Case, spread

import tinyseg

torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
torch.set_num_threads(1)  # threads of two libraries in each worker would only wait for each other
# PyTorch's remark that it, too, copies the input there.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
TORCH = Api(torch, torch.nn.functional)
COMPARED = [case for case in CASES if not case.torch]


def _results(api: Api, case: Case, inputs: list[Any]) -> list[Any]:
    result = case.function(api, *inputs)
    return list(result) if isinstance(result, tuple) else [result]


def _by_torch(case: Case, dtype: str) -> tuple[list[Array], list[Array]]:
    inputs = [torch.tensor(x) for x in case.arrays(dtype)]
    inputs = [x.requires_grad_(case.gradient and x.is_floating_point()) for x in inputs]
    results = _results(TORCH, case, inputs)
    values = [y.detach().numpy() for y in results]
    if not case.gradient:
        return values, []
    floating = [y for y in results if y.is_floating_point()]
    weights = [torch.tensor(np.asarray(spread(*y.shape, seed=11), dtype)) for y in floating]
    found = torch.autograd.grad(floating, [x for x in inputs if x.requires_grad], weights)
    return values, [g.numpy() for g in found]


def _by_tinyseg(case: Case, dtype: str) -> tuple[list[Array], list[Array]]:
    inputs = [tinyseg.tensor(x) for x in case.arrays(dtype)]
    inputs = [x.requires_grad_(case.gradient and x.is_floating_point) for x in inputs]
    results = _results(TINYSEG, case, inputs)
    values = [y.detach().numpy() for y in results]
    if not case.gradient:
        return values, []
    floating = [y for y in results if y.is_floating_point]
    weights = [tinyseg.tensor(np.asarray(spread(*y.shape, seed=11), dtype)) for y in floating]
    found = tinyseg.grad(floating, [x for x in inputs if x.requires_grad], weights)
    return values, [g.numpy() for g in found if g is not None]


@pytest.mark.parametrize("case", COMPARED, ids=str)
def test_values_and_gradients_are_those_of_pytorch(case: Case) -> None:
    for dtype in case.dtypes:
        tolerance = 3 * case.tolerance if dtype == "float32" else 1e-11
        for found, wanted in zip(_by_tinyseg(case, dtype), _by_torch(case, dtype), strict=True):
            assert len(found) == len(wanted)
            for ours, theirs in zip(found, wanted, strict=True):
                assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
                finite = theirs[np.isfinite(theirs)]
                scale = max(1.0, float(np.abs(finite).max())) if finite.size else 1.0
                np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale, err_msg=f"{case} in {dtype}")


def test_most_of_the_table_is_compared() -> None:
    """Rows are left out only with a reason, and few are."""
    assert all(len(case.torch) > 10 for case in CASES if case.torch)
    assert len(COMPARED) > 0.9 * len(CASES)
