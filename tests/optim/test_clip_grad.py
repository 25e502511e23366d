"""Clipping of gradients, against PyTorch's and by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import Tensor
from tinyseg.nn.utils import clip_grad_norm_, clip_grad_value_


def with_gradients(*gradients: Any, dtype: str = "float64") -> list[Tensor]:
    made = []
    for gradient in gradients:
        x = tinyseg.zeros(*np.shape(gradient), dtype=dtype, requires_grad=True)
        x.grad = tinyseg.tensor(np.asarray(gradient), dtype=dtype)
        made.append(x)
    return made


@pytest.mark.parametrize("norm_type", [2.0, 1.0, math.inf])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_norms_are_pytorch_s(norm_type: float, max_norm: float, device: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=(3, 4)), rng.normal(size=5)]
    ours = with_gradients(*gradients)
    theirs = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in gradients]
    for x, g in zip(theirs, gradients, strict=True):
        x.grad = torch.tensor(g)
    unused = tinyseg.zeros(2, requires_grad=True)
    found = clip_grad_norm_([*ours, unused], max_norm, norm_type)
    wanted = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-13)
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-13)  # type: ignore[union-attr]
    assert unused.grad is None


def test_short_gradients_stay_to_the_bit() -> None:
    [x] = with_gradients([0.3, 0.4], dtype="float32")
    before = x.grad.numpy().copy()  # type: ignore[union-attr]
    assert clip_grad_norm_(x, 10.0).item() == pytest.approx(0.5)
    np.testing.assert_array_equal(x.grad.numpy(), before)  # type: ignore[union-attr]
    assert clip_grad_norm_([], 1.0).item() == 0


def test_values() -> None:
    x, y = with_gradients([[-3.0, 0.5], [2.0, math.nan]], [0.1])
    clip_grad_value_([x, y], 1.0)
    np.testing.assert_array_equal(x.grad.numpy(), [[-1, 0.5], [1, math.nan]])  # type: ignore[union-attr]
    np.testing.assert_array_equal(y.grad.numpy(), [0.1])  # type: ignore[union-attr]


def test_what_is_refused() -> None:
    [x] = with_gradients([math.inf])
    with pytest.raises(ValueError, match="the norm of the gradients is inf"):
        clip_grad_norm_([x], 1.0, error_if_nonfinite=True)
    with pytest.raises(ValueError, match="max_norm must not be negative, got -1"):
        clip_grad_norm_([x], -1.0)
    with pytest.raises(ValueError, match="clip_value must not be negative, got nan"):
        clip_grad_value_([x], math.nan)
