"""What tests of operators share: the rows of ``op_cases/`` as tensors in any layout, their outputs and gradients."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from op_cases import TINYSEG, Array, Case, spread

import tinyseg
from tinyseg import Tensor, backend
from tinyseg_kernels import spec


def tensors(arrays: list[Array], gradient: bool, layout: Callable[[Array], Tensor] = tinyseg.tensor) -> list[Tensor]:
    """The arrays as tensors of the default device; those of floating type require a gradient if asked for."""
    made = [layout(x) for x in arrays]
    return [x.requires_grad_(gradient and x.is_floating_point) for x in made]


def outputs(case: Case, inputs: list[Tensor]) -> list[Tensor]:
    result = case.function(TINYSEG, *inputs)
    return list(result) if isinstance(result, tuple) else [result]


def gradients(case: Case, inputs: list[Tensor], layout: Callable[[Array], Tensor] = tinyseg.tensor) -> list[Array]:
    """Of the floating inputs, for outputs weighted with fixed numbers."""
    results = [y for y in outputs(case, inputs) if y.is_floating_point]
    arrays = [np.asarray(spread(*y.shape, seed=11), y.dtype) for y in results]
    weights = [layout(x) for x in arrays]
    found = tinyseg.grad(results, [x for x in inputs if x.requires_grad], weights)
    assert_unchanged(weights, arrays, f"{case}, backwards")
    return [g.numpy() for g in found if g is not None]


def assert_close(found: Array, wanted: Array, tolerance: float, what: str = "") -> None:
    """Differences are measured against the largest element; NaN and infinity must stand where they should."""
    assert found.shape == wanted.shape, what
    finite = np.isfinite(wanted)
    scale = max(1.0, float(np.abs(wanted[finite]).max())) if finite.any() and wanted.dtype.kind == "f" else 1.0
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * scale, err_msg=what)


def assert_unchanged(inputs: list[Tensor], arrays: list[Array], what: str) -> None:
    for x, before in zip(inputs, arrays, strict=True):
        np.testing.assert_array_equal(x.detach().numpy(), before, err_msg=f"{what}: an input was changed")


def tolerance(case: Case, dtype: str) -> float:
    return case.tolerance if dtype == "float32" else 1e-12


def check_value(case: Case, devices: Sequence[str]) -> None:
    """Each backend against the table, in every type; types are kept, inputs left alone and good for a second use."""
    for device, dtype in itertools.product(devices, case.dtypes):
        tinyseg.set_default_device(device)
        where = f"{case} in {dtype} on {device}"
        arrays = case.arrays(dtype)
        inputs = tensors(arrays, gradient=False)
        first, second = outputs(case, inputs), outputs(case, inputs)
        for y, again, answer in zip(first, second, case.wanted(dtype), strict=True):
            assert y.device == device
            assert y.dtype == (np.dtype(dtype) if answer.dtype.kind == "f" else answer.dtype), where
            assert_close(y.numpy(), answer, tolerance(case, dtype), where)
            np.testing.assert_array_equal(again.numpy(), y.numpy(), err_msg=f"{where}: used twice")
        assert_unchanged(inputs, arrays, where)


def _with_gaps(x: Array) -> Tensor:
    """Every second element of a larger tensor, in each dimension."""
    large = np.full([2 * size + 1 for size in x.shape], 99, x.dtype)
    large[tuple(slice(1, None, 2) for _ in x.shape)] = x
    return tinyseg.tensor(large)[tuple(slice(1, None, 2) for _ in x.shape)]


def _backwards(x: Array) -> Tensor:
    """Stored from the last element to the first."""
    steps = (slice(None, None, -1),) * x.ndim
    return tinyseg.tensor(np.ascontiguousarray(x[steps]))[steps]


def _transposed(x: Array) -> Tensor:
    """Stored with the first dimension innermost."""
    return tinyseg.tensor(np.ascontiguousarray(x.T)).T


def _channels_last(x: Array) -> Tensor:
    """Stored with the second dimension innermost, where there is one."""
    return tinyseg.tensor(np.ascontiguousarray(np.moveaxis(x, min(1, x.ndim - 1), -1))).permute(
        0, -1, *range(1, x.ndim - 1)
    )


LAYOUTS = {"gaps": _with_gaps, "backwards": _backwards, "transposed": _transposed, "last": _channels_last}


def in_layout(name: str) -> Callable[[Array], Tensor]:
    """What makes a tensor of an array, stored in the layout of that name."""
    function = LAYOUTS[name]

    def make(x: Array) -> Tensor:
        if x.ndim == 0 or (name == "last" and x.ndim < 3):
            return tinyseg.tensor(x)
        made = function(x)
        np.testing.assert_array_equal(made.numpy(), x)
        return made.detach()

    return make


def kernels_called(cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The kernels that each row needs for its values and gradients, by the row's name."""
    called: set[str] = set()

    def recorder(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def record(*arguments: Any) -> Any:
            called.add(name)
            return kernel(*arguments)

        return record

    module = backend.kernels("reference")
    for name in spec.KERNELS:
        monkeypatch.setattr(module, name, recorder(name, getattr(module, name)))
    tinyseg.set_default_device("reference")
    found = {}
    for case in cases:
        called.clear()
        inputs = tensors(case.arrays("float64"), case.gradient)
        outputs(case, inputs)
        if case.gradient:
            gradients(case, inputs)
        found[case.name] = set(called)
    return found
